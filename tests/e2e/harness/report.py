"""Runs a suite and says what passed, what failed, and what was not run for want of something. The last is never "passed"."""
import collections
import pathlib
import sys
import time
import unittest


class NotRun(unittest.SkipTest):
    """Raised by a test that needs what this run does not have: NotRun("DROVER_TEST_MONGOD")."""

    def __init__(self, needs):
        super().__init__(f"needs {needs}")


def title(case):
    return f"{type(case).__module__}.{type(case).__name__}.{case._testMethodName}"


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed = 0
        self.started = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def say(self, test, outcome):
        print(f"{outcome:8} {title(test)} ({time.monotonic() - self.started:.1f} s)", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.say(test, "ok")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"not run: {title(test)}: {reason}", flush=True)

    def complain(self, test, kind):
        self.say(test, kind)
        print((self.failures if kind == "FAILED" else self.errors)[-1][1], flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.complain(test, "FAILED")

    def addError(self, test, err):
        super().addError(test, err)
        self.say(test, "ERROR")
        print(self.errors[-1][1], flush=True)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print(f"FAILED   {subtest}", flush=True)
            failed = self.failures if issubclass(err[0], test.failureException) else self.errors
            print(failed[-1][1], flush=True)


def summary_line(name, result):
    failed = len(result.failures) + len(result.errors)
    line = f"e2e {name}: {result.passed} passed, {failed} failed, {len(result.skipped)} not run"
    reasons = collections.Counter(reason for _, reason in result.skipped)
    if reasons:
        line += " (" + "; ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) + ")"
    return line


def run(suite, summary_path, name):
    result = Result()
    suite.run(result)
    line = summary_line(name, result)
    print(line)
    if summary_path:
        path = pathlib.Path(summary_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line + "\n")
    sys.stdout.flush()
    return 0 if result.wasSuccessful() else 1
