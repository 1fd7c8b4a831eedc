"""The network is cut between the pieces of a live migration, at each stage of the workflow: between the two sites, between the agent and its
site, and between a deployment and whoever works with it. A cut is waited out: what was asked for happens once there is a way again,
nothing is lost, and nothing is left behind."""
import contextlib

from harness.agent import AgentProcess
from harness.process import eventually
from harness.proxy import ByteProxy, FaultProxy, command_name
from harness.site import EXT, MANAGER
from test_workflow import WorkflowTest

NOWHERE = ("127.0.0.1", 0)


class Cuts(WorkflowTest):
    once = True

    def start_clusters(self):
        self.sites_way, self.agent_way = ByteProxy(NOWHERE), ByteProxy(NOWHERE)
        self.source_way = FaultProxy(NOWHERE)
        # It names itself by the way's address: whoever asks it for its members comes back by it.
        self.source = self.cluster("source", options=("--host", f"127.0.0.1:{self.source_way.port}"))
        self.source_way.target = ("127.0.0.1", self.source.port)
        self.destination = self.cluster("destination")
        self.destination_way = self.proxy_before(self.destination)
        for way in (self.sites_way, self.agent_way, self.source_way):
            self.addCleanup(way.close)
        self.ways = {"the sites": self.sites_way, "the agent": self.agent_way, "the source": self.source_way, "the destination": self.destination_way}

    def source_door(self):
        return self.source_way

    def destination_uri(self):
        return self.destination.proxied_uri(self.destination_way)

    def make_agent(self):
        """Its site is out of reach when it is started."""
        with self.cut(self.agent_way):
            return AgentProcess(self, self.project, base_url=f"http://127.0.0.1:{self.agent_way.port}", serverSelectionTimeoutSeconds=1)

    def connect(self, token):
        """The other site is out of reach when the token is pasted: it is claimed once there is a way."""
        link = f"/orgs/{self.manager.org}/liveExport/migrationLink"
        with self.cut(self.sites_way):
            answer = self.manager.call("POST", MANAGER + link, {"linkToken": token})
            self.assertEqual(answer[::2], (200, {"status": "NOT_SYNCED"}))
            self.assertIsNotNone(self.manager.call("GET", f"{EXT}{link}/status")[2]["problem"])
        eventually(lambda: self.manager.call("GET", f"{MANAGER}{link}/status")[2] == {"status": "SYNCED"}, 60, "SYNCED")
        self.assertIsNone(self.manager.call("GET", f"{EXT}{link}/status")[2]["problem"])

    @contextlib.contextmanager
    def cut(self, way):
        """There is no such way; not before somebody has tried it in vain there is one again."""
        before = way.refused
        way.down()
        yield
        eventually(lambda: way.refused > before, 60, "an attempt to get through")
        way.up()

    @contextlib.contextmanager
    def silenced(self, way):
        before = way.stuck
        way.silence()
        yield
        eventually(lambda: way.stuck > before, 60, "a message that does not come through")
        way.up()

    def written_and_copied(self, name):
        self.source.client().e2e_seed.small.insert_one({"_id": name})
        return lambda: self.eventually_on_destination("e2e_seed", "small", {"_id": name}, 60)

    def test_at_each_stage(self):
        self.seed()
        self.seed_held("e2e_held", "held")
        manager, atlas = self.site("manager"), self.site("atlas", "--public-url", f"http://127.0.0.1:{self.sites_way.port}")
        self.agent_way.target, self.sites_way.target = ("127.0.0.1", manager.port), ("127.0.0.1", atlas.port)
        self.begin(manager, atlas)
        self.validate()
        with self.writers(self.application_uri()) as writers:
            self.copy()
            self.apply()
            eventually(lambda: writers.acknowledged() > 50, 60, "writes")
            self.commit(writers)
        with self.cut(self.agent_way):
            pass  # before the host has forgotten the migration, or after
        self.assert_equal_deployments(self.agent.process)
        self.assertEqual(writers.lost(self.destination.client()), [])
        self.assert_cleaned()

    def validate(self):
        """A site or an agent that is out of reach is waited for; a source that is, is the validation's result."""
        with self.cut(self.source_way):
            with self.cut(self.sites_way), self.cut(self.agent_way):
                validation = self.begin_validation()
            failed = self.end_of_validation(validation)
        self.assertEqual(failed["status"], "FAILED")
        self.assertIn("Could not reach specified source", failed["errorMessage"])
        self.assertEqual(self.validated()["status"], "SUCCESS")

    def copy(self):
        self.hold_the_copy(self.source_way, "held")
        with self.cut(self.sites_way), self.cut(self.agent_way):
            self.start_migration_by_api()
        eventually(lambda: self.source_way.held > 0, 90, "the copy")
        for name, way in self.ways.items():
            with self.subTest(f"copy: {name}"), self.cut(way):
                pass
        self.assertFalse(self.get()["readyForCutover"])
        self.source_way.release()
        self.ready()

    def apply(self):
        for name, way in self.ways.items():
            with self.subTest(f"change event application: {name}"):
                with self.cut(way):
                    copied = self.written_and_copied(f"while {name} are away")
                copied()
                with self.silenced(way):
                    copied = self.written_and_copied(f"while {name} are silent")
                copied()
        self.ready()

    def commit(self, writers):
        """The operator's word comes late, and what was begun by it ends without any site."""
        self.source_way.hold(lambda message: command_name(message) == "setUserWriteBlockMode")
        with self.cut(self.sites_way):
            self.assertEqual(self.atlas.call("PUT", self.path(self.migration, "cutover"))[0], 202)
            self.assertEqual(self.source_way.held, 0, "nobody has told the engine yet")
        eventually(lambda: self.source_way.held > 0, 90, "the cutover")
        with self.cut(self.sites_way), self.cut(self.agent_way):
            self.source_way.cut()
            self.destination_way.cut()
            self.source_way.release()
            eventually(lambda: all(writer.blocked for writer in writers.all), 90, "the source's write block")
            self.assertEqual(self.get()["status"], "WORKING")
        self.wait_for(lambda found: found["status"] == "COMPLETE", "COMPLETE")
