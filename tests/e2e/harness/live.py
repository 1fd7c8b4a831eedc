"""A migration with applications that keep writing: they stop as the source lets them. With a write block, by being refused,
untold; without one, by the hook, as an operator would do it."""
import os
import signal
import stat
import threading
import time

from harness.process import eventually
from harness.storm import Storm

PROVOKE_SECONDS = 0.5  # slower than the changes are applied on a busy machine

HOOK = """#!/bin/sh
# Tells the applications to stop and waits until they have.
touch "{go}"
tries=0
while [ ! -e "{done}" ]; do
  sleep 0.05; tries=$((tries + 1)); [ $tries -lt 600 ] || exit 1
done
"""


class LiveMigration:
    def __init__(self, test, writers=4, source=None, destination=None, more=(), storm=0.0, **writer_options):
        self.test = test
        self.source, self.destination, self.more = source, destination, list(more)
        self.stop_file = os.path.join(test.directory, "stop")
        self.stopped_file = os.path.join(test.directory, "stopped")
        uri = test.application_uri()
        self.blocks = test.source.can_block_writes() and test.auth and test.flavour != "given"
        self.writers = test.writers(uri, count=writers, **writer_options)
        if not self.blocks:
            self.write_hook()
        self.writers.__enter__()
        self.storm = Storm(uri, storm) if storm else None
        if self.storm:
            self.storm.start()
            test.addCleanup(self.storm.stop)
        threading.Thread(target=self.obey_the_hook, daemon=True).start()
        self.process = None
        self.starts = 0

    def write_hook(self):
        self.hook = os.path.join(self.test.directory, "before cutover.sh")
        with open(self.hook, "w") as file:
            file.write(HOOK.format(go=self.stop_file, done=self.stopped_file))
        os.chmod(self.hook, os.stat(self.hook).st_mode | stat.S_IXUSR)
        self.more += ["--before-cutover", f'"{self.hook}"']

    def obey_the_hook(self):
        while not os.path.exists(self.stop_file):
            if not os.path.isdir(self.test.directory):
                return
            threading.Event().wait(0.02)
        self.writers.stop()
        if self.storm:
            self.storm.stop()
        with open(self.stopped_file, "w"):
            pass

    def start(self, *more, environment=None):
        self.starts += 1
        self.process = self.test.start_migration(*self.more, *more, environment=environment,
                                                 source=self.source, destination=self.destination)
        return self.process

    def dies_at(self, point, *more, provoke=lambda: None, timeout=180):
        """Starts the program and waits until it has died at that point. `provoke` does what leads there, again and again:
        nothing here depends on who is faster."""
        process = self.start(*more, environment={"DROVER_FAIL_POINT": point})
        deadline = time.monotonic() + timeout
        while process.running():
            if time.monotonic() > deadline:
                self.test.fail(f"{point} was not reached within {timeout} s\n{process.tail()}")
            provoke()
            process.ended_within(PROVOKE_SECONDS)
        self.test.assertEqual(process.child.returncode, -signal.SIGKILL, f"{point} was never reached\n{process.tail()}")

    def wait_for_writes(self, more_than=50):
        before = self.writers.acknowledged()
        eventually(lambda: self.writers.acknowledged() > before + more_than, 60, f"{more_than} more writes")

    def catches_up(self, timeout=60):
        """Until what is written now is on the destination."""
        reached = [writer.acknowledged for writer in self.writers.all]
        client = self.test.destination.client()

        def there():
            found = {document["_id"]: document["n"] for document in client.e2e_live.counters.find()}
            return all(found.get(number, 0) >= n for number, n in enumerate(reached))

        eventually(there, timeout, "catching up")

    def finish(self, timeout=300):
        """Waits for the end and asserts that it is a good one. Answers the last line of JSON."""
        code = self.process.wait(timeout)
        self.test.assertEqual(code, 0, self.process.tail())
        self.writers.stop()
        if self.storm:
            self.storm.stop()
        result = self.test.last_json(self.process)
        self.test.assert_equal_deployments(self.process)
        self.test.assertEqual(self.writers.lost(self.test.destination.client()), [], self.process.tail())
        self.test.assertEqual(result["state"], "COMMITTED", self.process.tail())
        return result
