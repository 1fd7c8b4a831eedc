"""Ctrl-C in each phase: one clear line, no orphan process, the source as it was, and the same command continues."""
import os
import signal

from harness.case import DroverTest
from harness.live import LiveMigration
from harness.process import eventually

INTERRUPTED = 130


class Interrupt(DroverTest):
    auth = True

    def interrupted(self, process, live):
        process.signal(signal.SIGINT)
        code = process.wait(20)
        self.assertEqual(code, INTERRUPTED, process.tail())
        said = process.stderr().strip().splitlines()
        self.assertTrue(said and said[-1].startswith("drover migrate:"), process.tail())
        self.assertEqual(process.children(), [], "a process was left behind")
        live.wait_for_writes(20)  # the source takes writes
        live.start()
        live.finish()

    def test_at_the_start(self):
        self.seed(documents=500)
        live = LiveMigration(self, writers=2)
        process = live.start()
        eventually(lambda: process.stderr() or process.stdout() or not process.running(), 20, "a first word")
        if not process.running():
            return live.finish()
        self.interrupted(process, live)

    def test_while_copying(self):
        self.seed(documents=60000)
        live = LiveMigration(self, writers=2)
        process = live.start("--commit", "never")
        big = self.destination.client().e2e_seed.big
        eventually(lambda: big.estimated_document_count() > 0, 60, "the first copied document")
        self.interrupted(process, live)

    def test_while_applying(self):
        self.seed(documents=500)
        live = LiveMigration(self, writers=2)
        process = live.start("--commit", "never")
        self.wait_until_copied(process)
        live.wait_for_writes(50)
        self.interrupted(process, live)


class InterruptInTheHook(DroverTest):
    def test_while_the_hook_runs(self):
        """The hook is ended too, and the source keeps taking writes."""
        self.seed(documents=100)
        process = self.start_migration("--before-cutover", f"touch '{self.directory}/hooked'; sleep 1000")
        eventually(lambda: os.path.exists(f"{self.directory}/hooked"), 60, "the hook")
        process.signal(signal.SIGINT)
        code = process.wait(20)
        self.assertEqual(code, INTERRUPTED, process.tail())
        self.assertEqual(process.children(), [], "the hook was left behind")
        self.source.client().e2e_seed.small.insert_one({"_id": "after"})
        self.migrate()
        self.assert_equal_deployments()

    def test_a_hook_that_fails_stops_the_cutover(self):
        self.seed(documents=100)
        process = self.start_migration("--before-cutover", "exit 3")
        process.wait(60)
        self.assertNotEqual(process.child.returncode, 0, process.tail())
        self.source.client().e2e_seed.small.insert_one({"_id": "after"})
        self.migrate()
        self.assert_equal_deployments()

    def test_the_hooks_know_the_facts(self):
        self.seed(documents=100)
        self.migrate("--before-cutover", f"env > '{self.directory}/before'", "--after-cutover", f"env > '{self.directory}/after'")
        for name in ("before", "after"):
            with open(f"{self.directory}/{name}") as file:
                self.assertIn("DROVER_", file.read())
