#!/usr/bin/python3
"""Runs test-libmongoc, the C driver's own tests, against `drover sandbox`; `make conformance` calls it.

Every test is a process of its own, so that a crash or a hang is one failure. Sandboxes are shared by the tests of one
worker and are started afresh when one of them has died. What may not pass is listed with its reason in
libmongoc_skip.txt; how many passed is recorded in libmongoc_passed.json and may only grow.
"""
import argparse
import concurrent.futures
import fnmatch
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from conformance_record import judge, read_skips  # noqa: E402
from sandbox_process import Sandbox  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# These talk to localhost:27017 wherever the server is said to be, and clean up on localhost:27018.
FIXED_PORT = 27017
OTHER_FIXED_PORT = 27018
WANT_FIXED_PORT = ("/transactions/", "/with_transaction/")
# These have both among their seeds, and take whoever is there for the server. They go first, while nobody is.
WANT_SILENT_PORTS = ("/retryable_writes/deleteMany", "/retryable_writes/updateMany")
SKIPPED_BY_SUITE = "@@ctest-skipped@@"


def environment(sandbox):
    env = dict(os.environ)
    # No MONGOC_TEST_URI: to one with options the suite appends the name of a database, which then belongs to the last option.
    env.update(MONGOC_TEST_HOST="127.0.0.1", MONGOC_TEST_PORT=str(sandbox.port), MONGOC_TEST_OFFLINE="on",
               MONGOC_ENABLE_MAJORITY_READ_CONCERN="on", MONGOC_TEST_FUTURE_TIMEOUT_MS="60000")
    if sandbox.auth:
        env.update(MONGOC_TEST_USER="admin", MONGOC_TEST_PASSWORD="pass")
    return env


def run_one(binary, source, sandbox, test, seconds):
    sandbox.ensure()
    # The suite finds its JSON files relative to its source tree.
    process = subprocess.Popen([str(binary), "--ctest-run", test], cwd=source, env=environment(sandbox), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True, text=True, errors="replace")
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return "failed", output + f"\nnot finished within {seconds} s\n"
    if sandbox.process.poll() is not None:
        return "failed", output + "\nthe sandbox died\n"
    if process.returncode != 0:
        return "failed", output + f"\nexit status {process.returncode}\n"
    return ("not run" if SKIPPED_BY_SUITE in output else "passed"), output


def run_all(options, tests):
    results = {}
    with tempfile.TemporaryDirectory(prefix="drover-libmongoc-") as scratch:
        made = [Sandbox(f"{scratch}/{i}", options.server_version, options.auth, 0 if i else FIXED_PORT) for i in range(options.jobs + 1)]
        neighbour = Sandbox(f"{scratch}/neighbour", options.server_version, options.auth, OTHER_FIXED_PORT)
        anywhere, fixed = queue.Queue(), queue.Queue()
        fixed.put(made[0])
        for sandbox in made[1:]:
            anywhere.put(sandbox)

        def work(test):
            free = fixed if test.startswith(WANT_FIXED_PORT) else anywhere
            sandbox = free.get()
            try:
                if free is fixed:
                    neighbour.ensure()
                return test, *run_one(options.binary, options.source, sandbox, test, options.seconds)
            finally:
                free.put(sandbox)

        first = [test for test in tests if test.startswith(WANT_SILENT_PORTS)]
        try:
            with concurrent.futures.ThreadPoolExecutor(options.jobs + 1) as pool:
                groups = first, [test for test in tests if test not in first]
                for test, result, output in (done for group in groups for done in pool.map(work, group)):
                    results[test] = result
                    if result == "failed":
                        print(f"failed: {test}", flush=True)
                        if options.output:
                            log = pathlib.Path(options.output) / (test.strip("/").replace("/", "_") + ".log")
                            log.parent.mkdir(parents=True, exist_ok=True)
                            log.write_text(output)
        finally:
            for sandbox in [*made, neighbour]:
                sandbox.stop()
    return results


def spread(tests):
    few = [test for test in tests if test.startswith(WANT_FIXED_PORT)]
    many = [test for test in tests if not test.startswith(WANT_FIXED_PORT)]
    places = [(i / len(few), test) for i, test in enumerate(few)] + [(i / len(many), test) for i, test in enumerate(many)]
    return [test for _, test in sorted(places)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = ROOT / "build/libmongoc"
    parser.add_argument("--binary", type=pathlib.Path, default=build / "build/src/libmongoc/test-libmongoc")
    parser.add_argument("--source", type=pathlib.Path, default=build / "source")
    parser.add_argument("--server-version", default="8.0")
    parser.add_argument("--auth", action="store_true")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 2))
    parser.add_argument("--seconds", type=int, default=300, help="for one test")
    parser.add_argument("--match", action="append", default=[], help="only these tests; fnmatch patterns")
    parser.add_argument("--no-skip", action="store_true", help="what is in the skip list too")
    parser.add_argument("--output", default=str(build / "failed"), help="directory for what failed tests print")
    parser.add_argument("--record", action="store_true", help="write the new number of passed tests")
    options = parser.parse_args()

    listed = subprocess.run([str(options.binary), "--list-tests"], cwd=options.source, capture_output=True, text=True, check=True).stdout
    tests = [line.strip() for line in listed.splitlines() if line.strip().startswith("/")]
    if options.match:
        tests = [test for test in tests if any(fnmatch.fnmatchcase(test, pattern) for pattern in options.match)]
    skips = [] if options.no_skip else read_skips(HERE / "libmongoc_skip.txt", options.server_version)
    skipped = [test for test in tests if any(fnmatch.fnmatchcase(test, pattern) for pattern, _, _ in skips)]
    # Those that share one sandbox are spread over the others, or their workers would only wait for each other.
    chosen = spread([test for test in tests if test not in set(skipped)])
    results = run_all(options, chosen)
    # Some tests wait for heartbeats within fixed times, which a loaded machine cannot promise: what failed runs once more, alone.
    again = [test for test, result in results.items() if result == "failed"]
    if again:
        options.jobs = 1
        results.update(run_all(options, again))
        print("passed when run again alone:", *[test for test in again if results[test] == "passed"] or ["none"])
    counts = {kind: sum(1 for result in results.values() if result == kind) for kind in ("passed", "failed", "not run")}
    mode = f"{options.server_version}{' with authentication' if options.auth else ''}"
    print(f"test-libmongoc on {mode}: {counts['passed']} passed, {counts['failed']} failed, {len(skipped)} skipped (libmongoc_skip.txt), "
          f"{counts['not run']} not run (the suite's own conditions)")
    if options.match or options.no_skip:
        return 1 if counts["failed"] else 0
    return judge("test-libmongoc", HERE / "libmongoc_passed.json", mode, counts["passed"], counts["failed"], options.record)


if __name__ == "__main__":
    sys.exit(main())
