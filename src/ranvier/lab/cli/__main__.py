"""`python -m ranvier.lab.cli` is the same as `ranvier`."""

from ranvier.lab.cli import main

if __name__ == "__main__":
    main()
