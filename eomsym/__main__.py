"""``python -m eomsym`` is the same as ``eomsym``."""

import sys

from eomsym.cli import main

if __name__ == "__main__":
    sys.exit(main())
