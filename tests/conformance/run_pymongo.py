#!/usr/bin/python3
"""Runs pymongo's own tests, with the driver specifications' cases that they carry, against `drover sandbox`.

The tests are those of the source distribution on PyPI, run with the driver of the same version in a virtual environment under
build/pymongo, which is made the first time (python3-venv, and a network). Those of the asynchronous API are twins of the others, and run when
asked for. Each file of tests is a process of its own; sandboxes are shared by the files of one worker. What may not pass is listed with its reason in pymongo_skip.txt; how many passed is recorded in pymongo_passed.json and may
only grow.
"""
import argparse
import fnmatch
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree

from conformance_record import read_skips
from suite_run import FAILED, NOT_RUN, PASSED, USER, outcome, run_parts, say_repeated

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYMONGO = "4.11.3"
NEEDS = ["pytest==8.3.5", "pytest-asyncio==0.26.0", "dnspython==2.7.0"]


def make_tree(build):
    """The virtual environment and the tests, without the driver's sources beside them: the installed driver is what is tested with."""
    python = build / "venv/bin/python"
    if not (build / "tree/test/__init__.py").exists():
        subprocess.run([sys.executable, "-m", "venv", str(build / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", f"pymongo=={PYMONGO}", *NEEDS], check=True)
        with tempfile.TemporaryDirectory(prefix="drover-pymongo-") as scratch:
            subprocess.run([str(python), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pymongo", "--dest", scratch, f"pymongo=={PYMONGO}"], check=True)
            (archive,) = pathlib.Path(scratch).glob("pymongo-*.tar.gz")
            with tarfile.open(archive) as tar:
                root = f"pymongo-{PYMONGO}/"
                wanted = [member for member in tar.getmembers() if member.name.startswith((root + "test/", root + "pyproject.toml"))]
                for member in wanted:
                    member.name = member.name[len(root):]
                tar.extractall(build / "tree", members=wanted)
    return python


def collect(python, tree):
    """The tests by file, as pytest names them."""
    listed = subprocess.run([str(python), "-m", "pytest", "--collect-only", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "test"], cwd=tree,
                            env={**os.environ, "DB_IP": "127.0.0.1", "DB_PORT": "1"}, capture_output=True, text=True)
    files = {}
    for line in listed.stdout.splitlines():
        if re.match(r"test/\S+\.py::", line):
            files.setdefault(line.split("::")[0], []).append(line)
    if not files:
        sys.exit(f"no tests were found in {tree}:\n{listed.stdout[-2000:]}{listed.stderr[-2000:]}")
    return files


def run_file(options, python, sandbox, name, tests):
    """{test: outcome}, and what was printed. A test that the file did not come to has failed."""
    sandbox.ensure()
    env = dict(os.environ, DB_IP="127.0.0.1", DB_PORT=str(sandbox.port), PYTHONDONTWRITEBYTECODE="1")
    env.update(DB_USER=USER[0], DB_PASSWORD=USER[1])
    with tempfile.TemporaryDirectory(prefix="drover-pymongo-") as scratch:
        report, arguments = pathlib.Path(scratch, "report.xml"), pathlib.Path(scratch, "tests")
        arguments.write_text("\n".join(tests))
        process = subprocess.Popen([str(python), "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={report}",
                                    "-m", "default or default_async", f"@{arguments}"],
                                   cwd=options.build / "tree", env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True, errors="replace")
        try:
            output, _ = process.communicate(timeout=options.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0] + f"\n{name} was not finished within {options.seconds} s\n"
        results = read_report(report, name) if report.exists() else {}
    deselected = int((re.findall(r"(\d+) deselected", output) or ["0"])[-1])
    missing = [test for test in tests if test not in results]
    if deselected == len(missing):
        missing = []  # tests of other markers, which the suite runs in environments of their own
    return {**results, **{test: FAILED for test in missing}}, output


def read_report(path, name):
    results = {}
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        if not case.get("name"):
            continue  # left half written by a test that forked
        result = FAILED if case.find("failure") is not None or case.find("error") is not None else NOT_RUN if case.find("skipped") is not None else PASSED
        in_module = case.get("classname").removeprefix(name.removesuffix(".py").replace("/", ".")).strip(".")
        test = "::".join([name, *filter(None, in_module.split(".")), case.get("name")])
        results[test] = result if results.get(test) != FAILED else FAILED
    return results


def run_all(options, python, files):
    """{test: outcome}. The longest file first."""
    names = sorted(files, key=lambda file: -len(files[file]))
    results = run_parts(options, names, lambda name, sandbox: run_file(options, python, sandbox, name, files[name]), lambda name: name)
    return {test: result for (_, test), result in results.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/pymongo", help="where the virtual environment and the tests are")
    parser.add_argument("--server-version", default="8.0")
    parser.add_argument("--auth", action="store_true")
    parser.add_argument("--asynchronous", action="store_true", help="the tests of the asynchronous API, in place of the others")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seconds", type=int, default=900, help="for one file of tests")
    parser.add_argument("--match", action="append", default=[], help="only these tests; fnmatch patterns, such as 'test/test_cursor.py::*'")
    parser.add_argument("--no-skip", action="store_true", help="what is in the skip list too")
    parser.add_argument("--output", default=None, help="directory for what files with failed tests print")
    parser.add_argument("--record", action="store_true", help="write the new number of passed tests")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.output = options.output or str(options.build / "failed")

    python = make_tree(options.build)
    files = collect(python, options.build / "tree")
    skips = [] if options.no_skip else read_skips(HERE / "pymongo_skip.txt", options.server_version)
    skipped = 0
    for name, tests in list(files.items()):
        if name.startswith("test/asynchronous/") != options.asynchronous:
            del files[name]
            continue
        if options.match:
            tests = [test for test in tests if any(fnmatch.fnmatchcase(test, pattern) for pattern in options.match)]
        chosen = [test for test in tests if not any(fnmatch.fnmatchcase(test, pattern) for pattern, _, _ in skips)]
        skipped += len(tests) - len(chosen)
        files[name] = chosen
    files = {name: tests for name, tests in files.items() if tests}
    results = run_all(options, python, files)
    again = {}
    for test in (test for test, result in results.items() if result == FAILED):
        again.setdefault(test.split("::")[0], []).append(test)
    if again:
        options.jobs = 1
        results.update(run_all(options, python, again))
        say_repeated([test for tests in again.values() for test in tests if results[test] == PASSED])
    mode = f"{options.server_version}{' with authentication' if options.auth else ''}{', asynchronous' if options.asynchronous else ''}"
    return outcome(f"pymongo {PYMONGO}", "pymongo_passed.json", mode, results.values(), f"{skipped} skipped (pymongo_skip.txt)", options,
                   partial=options.match or options.no_skip)


if __name__ == "__main__":
    sys.exit(main())
