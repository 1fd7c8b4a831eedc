#!/usr/bin/python3
"""Runs the Go driver's own tests, with the driver specifications' cases that its modules carry, against `drover sandbox`.

The tests are those of the released modules, which Go's own client fetches by version and this file checks by hash; they are copied to
build/go the first time, and compiled and run there. Two versions: the last of v1, and the newest of v2 with the specifications of v2.2.3, the
last whose module carries them. Each package of tests is a process and has a sandbox of its own. What may not
pass is listed with its reason in go_skip.txt; how many passed is recorded in go_passed.json and may only grow.

A test that has parts is counted by its parts. Needs Go 1.23, for v2 Go 1.25, and the module proxy the first time.
"""
import argparse
import dataclasses
import fnmatch
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from conformance_record import read_skips
from suite_run import FAILED, NOT_RUN, PASSED, USER, outcome, run_parts, say_repeated

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUTCOMES = {"pass": PASSED, "fail": FAILED, "skip": NOT_RUN}


@dataclasses.dataclass(frozen=True)
class Module:
    path: str
    version: str
    sum: str


@dataclasses.dataclass(frozen=True)
class Driver:
    """A version of the driver, the oldest Go that compiles it, its packages whose tests want a server, and the module that has its specifications."""
    module: Module
    go: tuple
    packages: tuple
    specifications: Module = None

    @property
    def name(self):
        return self.module.version


LAST_V1 = Module("go.mongodb.org/mongo-driver", "v1.17.10", "h1:kdAgQvu8TROXZpSkJQd5wzfaNCCrMbpZyKFtQ6qkPCE=")
WITH_SPECIFICATIONS = Module("go.mongodb.org/mongo-driver/v2", "v2.2.3", "h1:72uiGYXeSnUEQk37xvV9r067xzFQod4SOeAoOuq3+GM=")
NEWEST = Module("go.mongodb.org/mongo-driver/v2", "v2.10.0", "h1:BYJLuVSu3/xDvToG+VQyoTPS+jxq9tuQDf+1nAlFKSE=")

DRIVERS = (
    Driver(LAST_V1, (1, 18), ("mongo/integration/unified", "mongo/integration", "mongo", "mongo/gridfs", "x/mongo/driver/integration",
                              "examples/documentation_examples")),
    Driver(NEWEST, (1, 25), ("internal/integration/unified", "internal/integration", "mongo", "x/mongo/driver/integration", "internal/docexamples"),
           WITH_SPECIFICATIONS),
)

# The tests of v2 look for the specifications where their own repository has them, which no module contains: testdata/<name> of a module is
# <name>/tests there, with these names beside it.
SPECIFICATIONS = "testdata/specifications/source"
OTHER_NAMES = {
    "change-streams": "change-streams/tests/unified",
    "run-command": "run-command/tests/unified",
    "command-monitoring": "command-logging-and-monitoring/tests/monitoring",
    "command-monitoring/logging": "command-logging-and-monitoring/tests/logging",
    "atlas-data-lake-testing": "atlas-data-lake-testing/tests/unified",
}


def find_go():
    go = shutil.which("go")
    found = go and re.search(r"go(\d+)\.(\d+)", subprocess.run([go, "version"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    if not found or (int(found[1]), int(found[2])) < (1, 23):
        sys.exit("the Go driver's tests: Go 1.23 or newer is needed")
    return go, (int(found[1]), int(found[2]))


def go_environment(**more):
    # The modules have a workspace file that names directories which are not part of them.
    return dict(os.environ, GOWORK="off", GOFLAGS="-mod=readonly", **more)


def fetch(go, module):
    """The module's directory in Go's cache, which is read-only. Its hash is of all its files."""
    with tempfile.TemporaryDirectory(prefix="drover-go-") as scratch:
        answer = subprocess.run([go, "mod", "download", "-json", f"{module.path}@{module.version}"], cwd=scratch, stdout=subprocess.PIPE,
                                text=True, env=go_environment())
    found = json.loads(answer.stdout or "{}")
    if answer.returncode != 0 or found.get("Sum") != module.sum:
        sys.exit(f"{module.path}@{module.version} cannot be had: {found.get('Error') or 'its hash is ' + str(found.get('Sum')) + ', not ' + module.sum}")
    return pathlib.Path(found["Dir"])


def copy_writable(source, target):
    shutil.copytree(source, target, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("vendor"))
    for directory, _, _ in os.walk(target):
        os.chmod(directory, 0o755)


def make_tree(go, driver, build):
    """A copy of the module that can be compiled and run in, with the specifications where its tests look for them."""
    tree, making = build / driver.name, build / "making"
    if (tree / "go.mod").exists():
        return
    shutil.rmtree(making, ignore_errors=True)
    copy_writable(fetch(go, driver.module), making)
    if driver.specifications:
        carried = fetch(go, driver.specifications) / "testdata"
        for directory in (path for path in carried.iterdir() if path.is_dir()):
            copy_writable(directory, making / SPECIFICATIONS / directory.name / "tests")
        for name, other in OTHER_NAMES.items():
            copy_writable(carried / name, making / SPECIFICATIONS / other)
    making.rename(tree)


def go_pattern(names):
    """Go's pattern for these tests: a regular expression for each part of a name, of which * stands for anything in that part."""
    def part(text):
        return "^" + ".*".join(re.escape(piece) for piece in text.split("*")) + "$"
    return "|".join("/".join(part(piece) for piece in name.split("/")) for name in names)


def suite_environment(sandbox, auth):
    login = f"{USER[0]}:{USER[1]}@" if auth else ""
    env = go_environment(MONGODB_URI=f"mongodb://{login}127.0.0.1:{sandbox.port}/?replicaSet=rs0" + ("&authSource=admin" if auth else ""),
                         TOPOLOGY="replica_set", AUTH="auth" if auth else "noauth", SSL="nossl")
    if pathlib.Path("/.dockerenv").exists():
        env["DOCKER_RUNNING"] = "true"  # the suite's own word for it: the driver tells servers so, which some tests do not expect
    return env


def run_package(options, go, driver, package, sandbox, skips, only=()):
    """{test: outcome}, and what was printed. A test that began and did not end has failed."""
    sandbox.stop()
    sandbox.start()
    command = [go, "test", "-json", "-vet=off", "-count=1", f"-timeout={options.seconds}s"]
    if only or options.run:
        command.append(f"-run={go_pattern(only or options.run)}")
    if skips:
        command.append(f"-skip={go_pattern(skips)}")
    process = subprocess.Popen([*command, f"./{package}"], cwd=options.build / driver.name, env=suite_environment(sandbox, options.auth),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True, errors="replace")
    try:
        output, _ = process.communicate(timeout=options.seconds + 600)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output = process.communicate()[0]
    results, printed = read_events(output)
    if process.returncode != 0 and not any(outcome == FAILED for outcome in results.values()):
        results["(package)"] = FAILED  # it did not compile, or ended by itself
    if sandbox.process.poll() is not None:
        results["(sandbox)"] = FAILED
        printed += "\nthe sandbox died\n"
    return results, printed


def read_events(output):
    results, printed = {}, []
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            event = {"Output": line + "\n"}
        test = event.get("Test")
        if test and event.get("Action") == "run":
            results[test] = FAILED
        elif test and event.get("Action") in OUTCOMES:
            results[test] = OUTCOMES[event["Action"]]
        printed.append(event.get("Output", ""))
    parents = {name.rsplit("/", depth)[0] for name in results for depth in range(1, name.count("/") + 1)}
    failed = [name for name, outcome in results.items() if outcome == FAILED]
    # What has parts counts by them, unless it failed and none of them did.
    for name in parents & results.keys():
        if results[name] != FAILED or any(other.startswith(name + "/") for other in failed):
            del results[name]
    return results, "".join(printed)


def run_all(options, go, work):
    """{(driver, package, test): outcome}. work: [(driver, package, patterns of what is not run, names of what is run, or none for all)]"""
    def run(item, sandbox):
        driver, package, skips, only = item
        return run_package(options, go, driver, package, sandbox, skips, only)
    results = run_parts(options, work, run, lambda item: f"{item[0].name} {item[1]}")
    return {(driver, package, test): result for ((driver, package, _, _), test), result in results.items()}


def skips_of(listed, driver, package):
    """The names of tests, of those in the list that are for this package. A line names version, package and test, with colons between them."""
    wanted = []
    for pattern, _, _ in listed:
        version, of_package, test = pattern.split(":", 2)
        if fnmatch.fnmatchcase(driver.name, version) and fnmatch.fnmatchcase(package, of_package):
            wanted.append(test)
    return tuple(wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/go", help="where the modules are compiled")
    parser.add_argument("--server-version", default="8.0")
    parser.add_argument("--auth", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="packages at a time")
    parser.add_argument("--seconds", type=int, default=1800, help="for one package of tests")
    parser.add_argument("--driver", action="append", default=[], help="only these versions of the driver; fnmatch patterns, such as 'v1.*'")
    parser.add_argument("--package", action="append", default=[], help="only these packages; fnmatch patterns, such as '*/unified'")
    parser.add_argument("--run", action="append", default=[], help="only these tests, such as 'TestDatabase/run_command*'")
    parser.add_argument("--no-skip", action="store_true", help="what is in the skip list too")
    parser.add_argument("--keep", action="store_true", help="keep what every package prints, not only those with failed tests")
    parser.add_argument("--output", default=None, help="directory for what packages with failed tests print")
    parser.add_argument("--record", action="store_true", help="write the new number of passed tests")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.output = options.output or str(options.build / "failed")
    options.build.mkdir(parents=True, exist_ok=True)

    go, version = find_go()
    listed = [] if options.no_skip else read_skips(HERE / "go_skip.txt", options.server_version)
    drivers = [driver for driver in DRIVERS if not options.driver or any(fnmatch.fnmatchcase(driver.name, pattern) for pattern in options.driver)]
    for driver in [driver for driver in drivers if driver.go > version]:
        print(f"{driver.name} is NOT run: it needs Go {driver.go[0]}.{driver.go[1]}")
        drivers.remove(driver)
    work = []
    for driver in drivers:
        make_tree(go, driver, options.build)
        work += [(driver, package, skips_of(listed, driver, package), ()) for package in driver.packages
                 if not options.package or any(fnmatch.fnmatchcase(package, pattern) for pattern in options.package)]
    results = run_all(options, go, work)
    again = {}
    for (driver, package, test), result in results.items():
        if result == FAILED and not test.startswith("("):
            again.setdefault((driver, package), []).append(test)
    if again:
        options.jobs, options.output = 1, options.output + "-again"
        second = run_all(options, go, [(driver, package, skips_of(listed, driver, package), tuple(tests)) for (driver, package), tests in again.items()])
        repeated = [(driver, package, test) for (driver, package), tests in again.items() for test in tests]
        results.update({key: second.get(key, FAILED) for key in repeated})
        say_repeated([f"{key[0].name} {key[1]} {key[2]}" for key in repeated if results[key] == PASSED])
    mode = f"{options.server_version}{' with authentication' if options.auth else ''}"
    code = 0
    for driver in drivers:
        skipped = sum(len(skips) for of_driver, _, skips, _ in work if of_driver == driver)
        code |= outcome(f"Go driver {driver.name}", "go_passed.json", mode, [result for key, result in results.items() if key[0] == driver],
                        f"{skipped} skipped (lines of go_skip.txt)", options, partial=options.run or options.package or options.no_skip, key=f"{driver.name} on {mode}")
    return code


if __name__ == "__main__":
    sys.exit(main())
