"""What runs of drivers' own suites have in common: sandboxes shared by the workers, what is printed of failures, and the outcome."""
import collections
import concurrent.futures
import pathlib
import queue
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from conformance_record import judge  # noqa: E402
from sandbox_process import Sandbox  # noqa: E402

USER = ("user", "password")  # not admin: tests make and remove that one
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"


def run_parts(options, parts, run, name_of):
    """{(part, test): outcome}. `run(part, sandbox)` gives {test: outcome} and what was printed; options.jobs of them at a time, each with a sandbox
    of its own. What parts with failed tests print is kept in options.output, under `name_of(part)`."""
    results = {}
    with tempfile.TemporaryDirectory(prefix="drover-suite-") as scratch:
        made = [Sandbox(f"{scratch}/{i}", options.server_version, options.auth, user=USER) for i in range(options.jobs)]
        free = queue.Queue()
        for sandbox in made:
            free.put(sandbox)

        def one(part):
            sandbox = free.get()
            try:
                return part, *run(part, sandbox)
            finally:
                free.put(sandbox)

        try:
            with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
                for part, outcomes, printed in pool.map(one, parts):
                    failed = [test for test, outcome in outcomes.items() if outcome == FAILED]
                    for test in failed:
                        print(f"failed: {name_of(part)} {test}", flush=True)
                    if failed or getattr(options, "keep", False):
                        log = pathlib.Path(options.output) / (name_of(part).replace("/", "_").replace(" ", "_") + ".log")
                        log.parent.mkdir(parents=True, exist_ok=True)
                        log.write_text(printed)
                    results.update({(part, test): outcome for test, outcome in outcomes.items()})
        finally:
            for sandbox in made:
                sandbox.stop()
    return results


def say_repeated(names):
    """Of tests that passed when they were run once more, alone: some wait for heartbeats within fixed times, which a loaded machine cannot promise."""
    print("passed when run again alone:", *names or ["none"], sep="\n  ")


def outcome(suite, record, mode, outcomes, skipped, options, partial, key=None):
    """Says how it went; 0 when it is as good as what is recorded under `key`, or, of a part of the suite, when nothing failed."""
    counts = collections.Counter(outcomes)
    print(f"{suite} on {mode}: {counts[PASSED]} passed, {counts[FAILED]} failed, {skipped}, {counts[NOT_RUN]} not run (the suite's own conditions)")
    if partial:
        return 1 if counts[FAILED] else 0
    return judge(suite, HERE / record, key or mode, counts[PASSED], counts[FAILED], options.record)
