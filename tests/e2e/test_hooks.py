"""The operator's commands around the cutover, and what is typed: what they know, when they run again, what their failure does."""
import os
import re
import signal
import subprocess
import threading
import time

from harness.case import DroverTest
from harness.process import eventually
from harness.report import NotRun

INTERRUPTED = 130
SOURCE = 5


class Hooks(DroverTest):
    def setUp(self):
        super().setUp()
        self.seed(documents=100)
        self.file = f"{self.directory}/hooked"

    def lines(self):
        if not os.path.exists(self.file):
            return []
        with open(self.file) as file:
            return file.read().split()

    def test_while_the_hook_runs(self):
        """The hook is ended too, and the source keeps taking writes."""
        process = self.start_migration("--before-cutover", f"touch '{self.file}'; sleep 1000")
        eventually(lambda: os.path.exists(self.file), 60, "the hook")
        process.signal(signal.SIGINT)
        code = process.wait(20)
        self.assertEqual(code, INTERRUPTED, process.tail())
        self.assertEqual(process.children(), [], "the hook was left behind")
        self.source.client().e2e_seed.small.insert_one({"_id": "after"})
        self.migrate()
        self.assert_equal_deployments()

    def test_one_that_fails_stops_the_cutover(self):
        process = self.start_migration("--before-cutover", "exit 3")
        process.wait(60)
        self.assert_exit(process, 1, "exit 3", "exit status 3; the cutover is given up", "run the same drover command again to go on")
        line = self.last_json(process)
        self.assertEqual((line["state"], line["error"]["exitCode"]), ("RUNNING", 1))
        self.source.client().e2e_seed.small.insert_one({"_id": "after"})
        self.migrate()
        self.assert_equal_deployments()

    def test_one_that_leaves_a_slow_writer_is_noticed(self):
        """Twenty writes a second are few enough to fall between no two commands that follow each other at once."""
        if self.source.can_block_writes():
            raise NotRun("a source that cannot block writes")
        collection, done = self.source.client().e2e_seed.slow, threading.Event()

        def write():
            number = 0
            while not done.wait(0.05):
                number += 1
                collection.insert_one({"_id": number})

        writer = threading.Thread(target=write)
        writer.start()
        try:
            process = self.start_migration("--before-cutover", "true")
            process.wait(60)
        finally:
            done.set()
            writer.join()
        self.assert_exit(process, SOURCE, "e2e_seed.slow", "still being written")
        self.migrate()
        self.assert_equal_deployments()

    def test_one_that_leaves_a_transaction_open_is_waited_for(self):
        """Nothing of a transaction is in the oplog before its commit: no fence shows it."""
        if self.source.can_block_writes():
            raise NotRun("a source that cannot block writes")
        client = self.source.client()
        client.e2e_seed.late.insert_one({"_id": "first"})
        with client.start_session() as session:
            session.start_transaction()
            client.e2e_seed.late.insert_one({"_id": "late"}, session=session)
            process = self.start_migration("--before-cutover", f"touch '{self.file}'")
            eventually(lambda: os.path.exists(self.file), 60, "the hook")
            time.sleep(8)  # longer than commands are waited for
            self.assertTrue(process.running(), process.tail())
            session.commit_transaction()
        self.assertEqual(process.wait(60), 0, process.tail())
        self.assertIsNotNone(self.destination.client().e2e_seed.late.find_one({"_id": "late"}))
        self.assert_equal_deployments()

    def test_they_know_what_the_help_says(self):
        self.migrate("--before-cutover", f"env > '{self.directory}/before'", "--after-cutover", f"env > '{self.directory}/after'")
        help_text = self.run_drover("migrate", "--help", timeout=10).stdout()
        promised = set(re.findall(r"DROVER_[A-Z_]+", help_text))
        for name, more in (("before", set()), ("after", {"DROVER_AGAIN"})):
            with open(f"{self.directory}/{name}") as file:
                known = {line.split("=")[0] for line in file if line.startswith("DROVER_")}
            self.assertEqual(promised - {"DROVER_AGAIN"} | more, {one for one in known if one in promised}, name)

    def test_the_one_after_is_done_once(self):
        command = f"echo again=$DROVER_AGAIN >> '{self.file}'"
        self.migrate("--after-cutover", command)
        self.assertEqual(self.lines(), ["again=0"])
        self.migrate("--after-cutover", command)  # it is committed, and the hook was done
        self.assertEqual(self.lines(), ["again=0"])

    def test_the_one_after_that_failed_is_done_again(self):
        command = f"echo again=$DROVER_AGAIN >> '{self.file}'; test $DROVER_AGAIN = 1"
        process = self.start_migration("--after-cutover", command)
        process.wait(60)
        self.assert_exit(process, 1, "after the cutover, which is done", "the destination accepts writes all the same")
        line = self.last_json(process)
        self.assertEqual((line["state"], line["finalLagSeconds"], line["error"]["exitCode"]), ("COMMITTED", 0, 1))
        self.migrate("--after-cutover", command)
        self.assertEqual(self.lines(), ["again=0", "again=1"])
        self.migrate("--after-cutover", command)
        self.assertEqual(self.lines(), ["again=0", "again=1"])

    def test_stopped_while_the_one_after_runs(self):
        """The cutover is done, and said to be: only the command is left."""
        process = self.start_migration("--after-cutover", f"touch '{self.file}'; sleep 1000")
        eventually(lambda: os.path.exists(self.file), 60, "the hook")
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), INTERRUPTED, process.tail())
        self.assertRegex(process.stderr().strip().splitlines()[-1], "^drover migrate: stopped after the cutover, which is done.*the same command again")
        line = self.last_json(process)
        self.assertEqual((line["state"], line["error"]["exitCode"]), ("COMMITTED", INTERRUPTED))
        self.migrate("--after-cutover", f"echo again=$DROVER_AGAIN >> '{self.file}'")
        self.assertEqual(self.lines(), ["again=1"])

    def test_the_one_after_runs_when_a_later_run_finishes(self):
        process = self.start_migration("--after-cutover", f"echo never >> '{self.file}'",
                                       environment={"DROVER_FAIL_POINT": "cutover.after_decision"})
        process.wait(60)
        self.assertEqual(process.child.returncode, -signal.SIGKILL, process.tail())
        self.migrate("--after-cutover", f"echo again=$DROVER_AGAIN >> '{self.file}'")
        self.assertEqual(self.lines(), ["again=0"])


class TypedIntoAPipe(DroverTest):
    def test_commit_with_other_lines(self):
        self.seed(documents=100)
        arguments = self.migrate_arguments("--commit", "manual")
        process = self.start(*arguments, stdin=subprocess.PIPE)
        process.child.stdin.write(b"status\nplease\ncommit\n")
        process.child.stdin.flush()
        self.assertEqual(process.wait(60), 0, process.tail())
        self.assertEqual(self.last_json(process)["state"], "COMMITTED")
        self.assert_equal_deployments()
        process.child.stdin.close()

    def test_an_input_that_ends(self):
        """Nobody can say commit: it follows until it is stopped, and says so."""
        self.seed(documents=100)
        process = self.start_migration("--commit", "manual")  # /dev/null
        eventually(lambda: "nobody can type commit" in process.log() or not process.running(), 60, "the warning")
        eventually(lambda: "ready, but nobody can type commit" in process.stderr() or not process.running(), 60, "the status")
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), INTERRUPTED, process.tail())
        self.migrate()
        self.assert_equal_deployments()
