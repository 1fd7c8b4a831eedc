#!/usr/bin/python3
"""Runs the end-to-end tests against the real program.

  tests/e2e/run.py                      everything, between pairs of sandboxes in 4.4 and in 8.0 mode
  tests/e2e/run.py -k cutover           only tests whose name contains "cutover"
  tests/e2e/run.py --module happy_path  one file
  tests/e2e/run.py --list

The same tests run against real MongoDB:
  DROVER_TEST_MONGOD=/path/to/mongod    starts replica sets of its own
  DROVER_TEST_SOURCE_URI=… DROVER_TEST_DESTINATION_URI=…   the deployments given; their data is replaced
DROVER is the program under test (default build/drover).
"""
import argparse
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from harness import flavours, report  # noqa: E402


def module_names():
    return sorted(path.stem for path in HERE.glob("test_*.py"))


def cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases(item)
        else:
            yield item


def build_suite(modules, patterns):
    suite = unittest.TestSuite()
    for name in modules:
        module = __import__(name)
        for attribute in list(vars(module).values()):
            if not (isinstance(attribute, type) and issubclass(attribute, unittest.TestCase)):
                continue
            if attribute.__module__ != name:
                continue
            for kind in flavours.for_class(attribute):
                bound = type(f"{attribute.__name__}[{kind}]", (attribute,), {"flavour": kind, "__module__": name})
                suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(bound))
    if patterns:
        chosen = [case for case in cases(suite) if any(p.lower() in case.id().lower() for p in patterns)]
        suite = unittest.TestSuite(chosen)
    return suite


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", action="append", default=[], metavar="PART", help="only tests whose name contains PART")
    parser.add_argument("--module", action="append", default=[], metavar="NAME", help="only test_NAME.py")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--summary", metavar="FILE", help="also write the summary line there")
    options = parser.parse_args()

    modules = [f"test_{name.removeprefix('test_')}" for name in options.module] or module_names()
    suite = build_suite(modules, options.k)
    if options.list:
        for case in cases(suite):
            print(report.title(case))
        return 0
    return report.run(suite, options.summary, " ".join(options.module) or "all")


if __name__ == "__main__":
    sys.exit(main())
