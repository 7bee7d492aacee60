"""Thin script: `ranvier bench first-spike`, its rows written beside this file."""

import sys
from pathlib import Path

from ranvier.lab.cli import execute

if __name__ == "__main__":
    sys.exit(execute(["bench", "first-spike", "--json", str(Path(__file__).with_suffix(".json")), *sys.argv[1:]]))
