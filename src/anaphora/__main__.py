"""``python -m anaphora`` is the terminal program."""

import sys

from anaphora.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
