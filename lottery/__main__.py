"""`python -m lottery` is the command `lottery`."""

import sys

if not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))  # the current folder; its files may have our modules' names

from lottery.cli.train import main

if __name__ == "__main__":
    main()
