"""`python -m forage` is the command line."""

import sys

from forage.cli import main

if __name__ == "__main__":
    sys.exit(main())
