#!/usr/bin/env python3
"""check_pitfalls.py ROOT: every test that docs/design/pitfalls.md names exists, and each pitfall has one or says why not.
check_pitfalls.py ROOT --gossip: nothing that migrates reads $clusterTime, which may be ahead of what a majority has."""
import pathlib
import re
import sys

PITFALLS = 44


def sources(root, *patterns):
    return {path: path.read_text() for pattern in patterns for path in sorted(root.glob(pattern))}


def missing_tests(root):
    gtests = set()
    for text in sources(root, "src/**/*_test.cc", "tests/**/*_test.cc").values():
        gtests |= {".".join(match) for match in re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", text, re.MULTILINE)}
    ctests = set()
    for text in sources(root, "CMakeLists.txt", "tests/*/CMakeLists.txt").values():
        ctests |= set(re.findall(r"add_test\(NAME (\w+)", text))
    found = []
    rows = re.findall(r"^\| P(\d+) \|(.*)\|$", (root / "docs/design/pitfalls.md").read_text(), re.MULTILINE)
    if [int(number) for number, _ in rows] != list(range(1, PITFALLS + 1)):
        found.append("docs/design/pitfalls.md does not list P1 to P44 in order")
    for number, row in rows:
        tests = re.findall(r"`([^`]+)`", row.split("|")[-1])
        if not tests and "not built yet" not in row:
            found.append(f"P{number} names no test")
        for name in tests:
            python = re.fullmatch(r"(test_\w+\.py)::(test_\w+)", name)
            if python:
                file = root / "tests/e2e" / python[1]
                there = file.exists() and f"def {python[2]}(" in file.read_text()
            else:
                there = name in gtests or name in ctests
            if not there:
                found.append(f"P{number} names the test {name}, which does not exist")
    return found


def gossip(root):
    modules = ("cluster", "engine", "verifier", "preflight")
    texts = sources(root, *(f"src/{module}/*.{kind}" for module in modules for kind in ("h", "cc")))
    return [f"{path.relative_to(root)} reads $clusterTime" for path, text in texts.items()
            if "$clusterTime" in text or "get_cluster_time" in text]


found = (gossip if sys.argv[2:] == ["--gossip"] else missing_tests)(pathlib.Path(sys.argv[1]))
print("\n".join(found))
sys.exit(bool(found))
