#!/usr/bin/python3
"""Runs what the official command lines send, by their own libraries (Go modules), against `drover server`, over HTTP and HTTPS.

  tests/clients/run.py                 everything
  tests/clients/run.py -k workflow     only tests whose name contains "workflow"

Needs Go 1.23 or newer, and its module proxy the first time. DROVER is the program under test (default build/drover).
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = HERE.parent.parent / "build/clients/clients"
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from harness import report  # noqa: E402


def build():
    go = shutil.which("go")
    found = go and re.search(r"go(\d+)\.(\d+)", subprocess.run([go, "version"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    if not found or (int(found[1]), int(found[2])) < (1, 23):
        sys.exit("clients: Go 1.23 or newer is needed")
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.call([go, "build", "-p", "2", "-o", str(PROGRAM), "."], cwd=HERE) != 0:
        sys.exit("clients: the program does not build")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", action="append", default=[], metavar="PART", help="only tests whose name contains PART")
    options = parser.parse_args()
    build()
    loader = unittest.defaultTestLoader
    loader.testNamePatterns = [f"*{part}*" for part in options.k] or None
    import official_clients
    return report.run(loader.loadTestsFromModule(official_clients), None, "clients")


if __name__ == "__main__":
    sys.exit(main())
