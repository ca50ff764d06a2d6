"""`python -m lottery` is the command `lottery`."""

from lottery.cli.train import main

if __name__ == "__main__":
    main()
