"""Loads rclpy's type support, of which a part warns, before warnings are errors."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    # A parser behind it imports a deprecated module of the standard library.
    warnings.simplefilter('ignore', DeprecationWarning)
    import rosidl_generator_py  # noqa: F401
