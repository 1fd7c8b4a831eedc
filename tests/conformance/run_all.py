#!/usr/bin/python3
"""What `make conformance` runs: the C driver's tests, the BSON corpus and the connection strings of its tree, and the long driver sessions, in several server versions."""
import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", nargs="+", default=["4.4", "8.0"])
    parser.add_argument("--record", action="store_true", help="write the new numbers of passed tests")
    parser.add_argument("--auth", action="store_true", help="the C driver's tests with authentication too")
    options = parser.parse_args()
    failed = False
    record = ["--record"] if options.record else []
    for version in options.versions:
        for auth in ([], ["--auth"]) if options.auth else ([],):
            failed |= subprocess.call([sys.executable, str(HERE / "run_libmongoc.py"), "--server-version", version, *auth, *record]) != 0
        failed |= subprocess.call([sys.executable, str(HERE / "run_specifications.py"), "--server-version", version]) != 0
    failed |= subprocess.call([sys.executable, str(HERE.parent / "drivers/run.py"), "--versions", *options.versions]) != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
