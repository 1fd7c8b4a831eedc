"""`drover demo` itself, small: it ends well, says what happened, and leaves nothing behind. And it ends when it is told to,
whatever its servers do, and when one of them is gone."""
import os
import shutil
import signal

from harness.case import DroverTest
from harness.demo import DemoEnds
from harness.process import eventually

FIELDS = ("state", "documents", "bytes", "copySeconds", "changeEventsApplied", "maxLagSeconds", "finalLagSeconds",
          "writeUnavailableMillis", "restarts", "kills", "verification")
KILL_FIELDS = ("phase", "atMs", "batchesInFlight")
DEMO_SECONDS = 400
INTERRUPTED, SOURCE, DESTINATION = 130, 5, 6


class Demo(DroverTest):
    def demo(self, *more):
        process = self.run_drover("demo", "--headless", "--json", "--scale", "0.1", "--writes-per-second", "300", *more,
                                  timeout=DEMO_SECONDS)
        self.assertEqual(process.child.returncode, 0, process.tail())
        self.assertEqual(process.children(), [], "processes were left behind")
        result = self.last_json(process)
        for field in FIELDS:
            self.assertIn(field, result)
        self.assertEqual(result["state"], "COMMITTED")
        self.assertTrue(result["verification"]["equal"], process.tail())
        self.assertGreater(result["writeUnavailableMillis"], 0)
        return result


class DemoOfEveryVersion(Demo):
    sandbox_only = True

    def start_clusters(self):
        """The demo brings its own."""

    def demo(self, *more):
        return super().demo("--server-version", self.flavour.removeprefix("sandbox-"), *more)

    def test_the_whole_story(self):
        result = self.demo()
        self.assertGreater(result["changeEventsApplied"], 0)
        self.assertEqual(result["kills"], [])

    def test_with_the_engine_killed_in_each_phase(self):
        result = self.demo("--kill-engine")
        self.assertGreaterEqual(len(result["kills"]), 3)
        for kill in result["kills"]:
            for field in KILL_FIELDS:
                self.assertIn(field, kill)
        self.assertGreaterEqual(result["restarts"], len(result["kills"]))


class DemoOnDeployments(Demo):
    """The same story between deployments that are there already. Afterwards the workload writes to the destination alone: that
    both were equal is the demo's own finding."""

    def setUp(self):
        super().setUp()
        self.needs_own_clusters()

    def test_the_whole_story(self):
        result = self.demo("--source", self.source.uri, "--destination", self.destination.uri)
        self.assertGreater(result["changeEventsApplied"], 0)


    def test_deployments_that_are_somebody_s_are_not_written_to(self):
        for side, code in (("source", SOURCE), ("destination", DESTINATION)):
            with self.subTest(side):
                mine = getattr(self, side).client().mine
                mine.customers.insert_one({"_id": 1})
                process = self.run_drover("demo", "--headless", "--json", "--scale", "0.01", "--source", self.source.uri,
                                          "--destination", self.destination.uri, timeout=60)
                self.assert_exit(process, code, side, r"mine\.customers|mine", "empty")
                for cluster in (self.source, self.destination):
                    self.assertLessEqual(set(cluster.client().list_database_names()), {"admin", "config", "local", "mine"})
                mine.client.drop_database("mine")


class DemoWithoutServers(DemoEnds):
    once = True

    def running(self):
        process = self.begin()
        self.wait_until_said(process, "writers write")
        return process

    def test_a_server_that_dies_ends_the_demo(self):
        for name, code in (("source", SOURCE), ("destination", DESTINATION)):
            process = self.running()
            directory = self.demo_directory()
            os.kill(self.process_with("sandbox", f"{directory}/{name}"), signal.SIGKILL)
            self.assert_ends(process, code, rf"^drover demo: the {name}'s server was ended by signal 9 .*{name}\.log")
            self.assertTrue(os.path.exists(os.path.join(directory, f"{name}.log")), "the log that the error names")
            shutil.rmtree(directory)

    def test_stopped_while_no_server_answers(self):
        process = self.running()
        servers = [self.process_with("sandbox", f"{self.demo_directory()}/{name}") for name in ("source", "destination")]
        for server in servers:
            os.kill(server, signal.SIGSTOP)
        process.signal(signal.SIGTERM)
        self.assert_ends(process, INTERRUPTED, "^drover demo: stopped; nothing is left running")

    def test_stopped_while_it_migrates(self):
        """What is known of the migration is told all the same."""
        process = self.running()
        log = os.path.join(self.demo_directory(), "migrate.log")

        def runs():
            if not os.path.exists(log):
                return not process.running()
            with open(log, encoding="utf-8", errors="replace") as file:
                return "RUNNING" in file.read() or not process.running()
        eventually(runs, 60, "the migration")
        process.signal(signal.SIGTERM)
        self.assert_ends(process, INTERRUPTED, "^drover demo: stopped; nothing is left running")
        result = self.last_json(process)
        for field in FIELDS:
            self.assertIn(field, result)
        self.assertIn(result["state"], ("RUNNING", "COMMITTING"))
        self.assertIsNone(result["verification"])

    def test_stopped(self):
        process = self.running()
        process.signal(signal.SIGINT)
        self.assert_ends(process, INTERRUPTED, "^drover demo: stopped; nothing is left running")
