#!/usr/bin/python3
"""Prints the summary lines that test_*.py runs left in a directory: what ran, and what was not run and why."""
import pathlib
import sys

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.summary")):
    print(path.read_text(), end="")
