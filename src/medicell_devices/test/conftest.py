"""Lets the tests of this folder import their bench, and gives them packages with drivers."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from plug_ins import plug_ins

__all__ = ['plug_ins']
