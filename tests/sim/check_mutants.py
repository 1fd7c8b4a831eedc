#!/usr/bin/env python3
"""Fails when a mutant that the engine's sources name is caught neither by seeds (mutant_names.h) nor by a story, or when one
that is to be caught does not exist."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
named = set()
for source in sorted((root / "src/engine").glob("*.[ch]*")):
    named |= set(re.findall(r'mutant\("(\w+)"\)', source.read_text()))
caught = set(re.findall(r'^    "(\w+)",$', (root / "tests/sim/mutant_names.h").read_text(), re.MULTILINE))
for story in sorted((root / "tests/sim").glob("*_test.cc")):
    caught |= set(re.findall(r'\bbreaks\("(\w+)"', story.read_text()))
for name in sorted(named - caught):
    print(f"the engine names the mutant {name}, which neither mutant_names.h nor a story of tests/sim catches")
for name in sorted(caught - named):
    print(f"the mutant {name} is to be caught, but the engine does not name it")
sys.exit(named != caught)
