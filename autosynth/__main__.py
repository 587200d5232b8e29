"""`python -m autosynth` is the command line, where the installed command is not on the path."""

import sys

from autosynth.cli import main

if __name__ == "__main__":
    sys.exit(main())
