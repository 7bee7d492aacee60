"""`python -m ranvier.cli` is the same as `ranvier`."""

from ranvier.cli import main

if __name__ == "__main__":
    main()
