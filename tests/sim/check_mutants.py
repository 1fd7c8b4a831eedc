#!/usr/bin/env python3
"""Fails when the mutants that the engine's sources name and those that the simulator must catch are not the same."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
named = set()
for source in sorted((root / "src/engine").glob("*.[ch]*")):
    named |= set(re.findall(r'mutant\("(\w+)"\)', source.read_text()))
listed = set(re.findall(r'^    "(\w+)",$', (root / "tests/sim/mutant_names.h").read_text(), re.MULTILINE))
for name in sorted(named - listed):
    print(f"the engine names the mutant {name}, which mutant_names.h does not list")
for name in sorted(listed - named):
    print(f"mutant_names.h lists {name}, which the engine does not name")
sys.exit(named != listed)
