"""Start the `medicell` script's work with nothing but the standard library."""

from __future__ import annotations

import sys

from medicell_bringup.workspace.main import main

if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
