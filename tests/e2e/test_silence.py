"""A migration whose host is silent says so, since when, and how it comes back; what was asked for meanwhile happens once it is back."""
import os
import signal
import urllib.request

from harness.cli import Cli
from harness.process import eventually
from harness.site import ATLAS, EXT
from test_workflow import WorkflowTest

STATUSES = ("NEW", "WORKING", "FAILED", "COMPLETE", "EXPIRED")


class Silence(WorkflowTest):
    once = True

    def started(self):
        self.seed()
        self.begin(self.site("manager"), self.site("atlas", "--host-silent-seconds", "15"))
        self.start_migration_by_api()
        self.ready()
        self.cli, self.here = Cli(self, self.atlas), ["--project", "Shop on Atlas"]

    def whole(self):
        return self.atlas.call("GET", self.path(self.migration).replace(ATLAS, EXT))[2]

    def silent(self):
        return eventually(lambda: (found := self.whole())["hostSilentSince"] and found, 60, "the silence")

    def kill_the_host(self):
        self.agent.process.kill()
        engine = self.agent.engine_pid(self.migration)
        if engine:
            os.kill(engine, signal.SIGKILL)

    def test_a_host_that_dies_and_comes_back(self):
        self.started()
        self.assertEqual((self.whole()["hostSilentSince"], self.whole()["attention"]), (None, None))
        self.assertIsNotNone(self.whole()["lastReportAt"])
        watch = self.cli.start("migration", "watch", "shop-atlas", *self.here, json_output=False)
        self.kill_the_host()
        found = self.silent()
        self.assertEqual(found["hostSilentSince"], found["lastReportAt"])
        self.assertRegex(found["attention"], r"migration host mig01\.example\.net has been silent since 2.*start `drover agent` again")
        self.assertIn("the way between the sites", found["attention"])  # it tells of itself once a minute: whether it is well is not known so soon
        [alert] = self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/alerts?status=OPEN")[2]["results"]
        self.assertEqual((alert["eventTypeName"], alert["clusterName"], alert["created"]), ("X_CLUSTER_IMPORT_HOST_SILENT", "shop-atlas", found["hostSilentSince"]))
        self.assertIn("start `drover agent` again", alert["detail"])
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/alerts/{alert['id']}")[2]["id"], alert["id"])
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/alerts?status=CLOSED")[2]["results"], [])
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/alerts?status=LOUD")[0], 400)
        # The public API stays what it is, and promises nothing that nobody knows.
        public = self.get()
        self.assertEqual(public, {"_id": self.migration, "lagTimeSeconds": None, "migrationHosts": ["mig01.example.net"], "readyForCutover": False, "status": "WORKING"})
        refused = self.cli.fails(4, "migration", "cutover", self.migration, "--yes", *self.here)
        self.assertEqual(refused["errorCode"], "LIVE_MIGRATION_NOT_READY_FOR_CUTOVER")
        self.assertIn("silent since", refused["detail"])
        self.assertIn(f"WORKING  HOST SILENT since {found['hostSilentSince']}", eventually(lambda: "SILENT" in watch.stdout() and watch.stdout(), 30, "the line"))
        self.assertIn("start `drover agent` again", watch.stderr())
        self.assertIn("HOST SILENT", "".join(watch.stdout().splitlines()[-1:]))
        self.assertIn("silent since", self.cli("migration", "show", "shop-atlas", *self.here)["attention"])
        self.agent.start()
        self.ready()
        self.assertEqual((self.whole()["hostSilentSince"], self.whole()["attention"]), (None, None))
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/alerts")[2]["results"], [])
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/alerts/{alert['id']}")[0], 404)
        self.cut_over()
        watch.wait(60)
        self.assertEqual(watch.child.returncode, 0, watch.tail())
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()

    def test_an_engine_that_hangs_and_one_that_is_paused(self):
        self.started()
        found = self.whole()
        self.assertEqual((found["engineSilentSince"], found["enginePaused"], found["attention"]), (None, False, None))
        warnings = found["warnings"]
        watch = self.cli.start("migration", "watch", "shop-atlas", *self.here, json_output=False)
        engine = self.agent.engine_pid(self.migration)
        os.kill(engine, signal.SIGSTOP)
        try:
            found = eventually(lambda: (one := self.whole())["engineSilentSince"] and one, 90, "the engine's silence")
            self.assertRegex(found["attention"], r"engine on the migration host mig01\.example\.net has not answered since 2.*starts it again")
            self.assertEqual((found["hostSilentSince"], found["lagTimeSeconds"], found["etaSeconds"], found["canCommit"], found["warnings"]), (None, None, None, False, warnings))
            silent = {"_id": self.migration, "lagTimeSeconds": None, "migrationHosts": ["mig01.example.net"], "readyForCutover": False, "status": "WORKING"}
            self.assertEqual(self.get(), silent)
            self.assertEqual(self.atlas.call("GET", self.path(self.migration).replace("/v2/", "/v1.0/"))[2], silent)
            [alert] = self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/alerts?status=OPEN")[2]["results"]
            self.assertEqual((alert["eventTypeName"], alert["created"]), ("X_CLUSTER_IMPORT_ENGINE_SILENT", found["engineSilentSince"]))
            self.assertIn("starts it again", alert["detail"])
            self.assertIn("does not answer", self.cli.fails(4, "migration", "cutover", self.migration, "--yes", *self.here)["detail"])
            line = eventually(lambda: "ENGINE SILENT" in watch.stdout() and watch.stdout().splitlines()[-1], 30, "the line")
            self.assertIn(f"WORKING  ENGINE SILENT since {found['engineSilentSince']}", line)
            self.assertNotIn("lag", line)
            self.assertIn("has not answered since", watch.stderr())
        finally:
            os.kill(engine, signal.SIGCONT)
        self.ready()
        self.assertEqual((self.whole()["engineSilentSince"], self.whole()["attention"]), (None, None))
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/alerts")[2]["results"], [])
        self.order_the_engine("pause")
        found = eventually(lambda: (one := self.whole())["enginePaused"] and one, 30, "the pause")
        self.assertIn("Somebody has paused its engine", found["attention"])
        self.assertIn("somebody has paused the engine", self.cli.fails(4, "migration", "cutover", self.migration, "--yes", *self.here)["detail"])
        eventually(lambda: "ENGINE PAUSED" in watch.stdout(), 30, "the line")
        self.order_the_engine("resume")
        self.ready()
        self.assertIsNone(self.whole()["attention"])
        self.cut_over()
        watch.wait(60)
        self.assertEqual(watch.child.returncode, 0, watch.tail())

    def order_the_engine(self, verb):
        with open(self.agent.job_path(self.migration, "port"), encoding="utf-8") as file:
            port = int(file.read())
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/{verb}", b"{}", {"Content-Type": "application/json"}), timeout=30).close()

    def test_a_cancel_waits_for_the_host(self):
        self.started()
        self.kill_the_host()
        self.silent()
        cancel = self.cli.start("migration", "cancel", "shop-atlas", "--yes", *self.here, json_output=False)
        cancel.wait(60)
        self.assertEqual(cancel.child.returncode, 0, cancel.tail())
        for said in ("It waits for the migration host mig01.example.net to stop it", "silent since", "start `drover agent` again", "Once it is back it stops", "ends at 2"):
            self.assertIn(said, cancel.stderr())
        found = self.whole()
        self.assertEqual((found["status"], found["state"], found["outcome"]), ("WORKING", "STOPPING", "CANCELLED"))
        self.assertGreater(found["stopsAtLatest"], found["lastReportAt"])
        self.agent.start()
        eventually(lambda: self.get()["status"] == "FAILED", 60, "the end")
        self.assertEqual((self.whole()["outcome"], self.whole()["attention"]), ("CANCELLED", None))
        self.assertIsNone(self.agent.engine_pid(self.migration))
        self.assert_cleaned()
        # As if it had never been: nothing is blocked, and no state is left.
        self.source.client().e2e_seed.small.insert_one({"_id": "still writable"})
        self.destination.client().other.there.insert_one({"_id": 1})
        self.assertNotIn("__mdb_internal_mongosync", self.destination.client().list_database_names())
