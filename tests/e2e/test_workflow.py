"""The whole workflow over HTTP, with real processes: a manager site, an Atlas site, an agent on a migration host and two deployments;
and the same with both roles in one process. Each is killed on the way."""
import os
import signal
import subprocess
import threading
import time

from harness import clusters
from harness.agent import AgentProcess, EmbeddedAgent, Project
from harness.case import DroverTest
from harness.process import eventually
from harness.proxy import FaultProxy
from harness.report import NotRun
from harness.site import ATLAS, EXT, MANAGER, Site
from harness.writers import SlowWriter


class NamedSite(Site):
    """Two of them in one test need two directories."""

    def __init__(self, test, role, *more):
        self.role = role
        super().__init__(test, "--role", role, "--agent-poll-seconds", "1", "--monitoring-seconds", "5", *more)
        self.keep_port = True


class WorkflowTest(DroverTest):
    sandbox_only = True
    auth = True

    def site(self, role, *more):
        directory, self.directory = self.directory, os.path.join(self.directory, role)
        os.makedirs(self.directory)
        try:
            site = NamedSite(self, role, *more)
        finally:
            self.directory = directory
        return site

    def begin(self, manager, atlas):
        """Everything before "Start the Migration"."""
        self.manager, self.atlas = manager, atlas
        self.source.create_user("monitor", ["clusterMonitor"])
        # Prerequisites: the deployment is monitored, the destination cluster is there.
        self.project = Project(self, manager)
        status, _, made = atlas.call("POST", ATLAS + "/groups", {"name": "Shop on Atlas", "orgId": atlas.org})
        self.assertEqual(status, 200, made)
        self.group = made["id"]
        status, _, made = atlas.call("POST", f"{EXT}/groups/{self.group}/clusters", {"name": "shop-atlas", "connectionString": self.destination_uri()})
        self.assertEqual(status, 201, made)
        # Stage 1: the link-token.
        status, _, made = atlas.call("POST", f"{ATLAS}/orgs/{atlas.org}/liveMigrations/linkTokens", {"accessListIps": []})
        self.assertEqual(status, 201, made)
        # Stage 2: the migration host, and the connection.
        self.agent = self.make_agent()
        self.source_name = self.project.monitored(self.source_door(), authMechanismName="SCRAM-SHA-256", username="monitor",
                                                  password=clusters.PASSWORD)["clusterName"]
        self.connect(made["linkToken"])
        available = eventually(self.available, 60, "the deployment at the Atlas site")
        self.assertEqual(available["migrationHosts"], ["mig01.example.net"])
        self.assertEqual([one["name"] for one in available["deployments"]], [self.source_name])

    def make_agent(self):
        return AgentProcess(self, self.project)

    def connect(self, token):
        answer = self.manager.call("POST", f"{MANAGER}/orgs/{self.manager.org}/liveExport/migrationLink", {"linkToken": token})
        self.assertEqual(answer[::2], (200, {"status": "SYNCED"}))

    def source_door(self):
        """What has the port by which the agent comes to the source."""
        return self.source

    def destination_uri(self):
        """By which the destination is registered, and migrated to."""
        return self.destination.uri

    def available(self):
        projects = self.atlas.call("GET", f"{ATLAS}/orgs/{self.atlas.org}/liveMigrations/availableProjects")[2]
        return next((one for one in projects if one["projectId"] == self.project.id and one["deployments"] and one["migrationHosts"]), None)

    def body(self, **changes):
        return {"source": {"clusterName": self.source_name, "groupId": self.project.id, "managedAuthentication": False, "ssl": False,
                           "username": "root", "password": clusters.PASSWORD, "caCertificatePath": "", **changes},
                "destination": {"clusterName": "shop-atlas", "groupId": self.group, "hostnameSchemaType": ""},
                "migrationHosts": ["mig01.example.net"], "dropDestinationData": False}

    def path(self, *parts):
        return "/".join([f"{ATLAS}/groups/{self.group}/liveMigrations", *parts])

    def validated(self, **changes):
        return self.end_of_validation(self.begin_validation(**changes))

    def begin_validation(self, **changes):
        status, _, made = self.atlas.call("POST", self.path("validate"), self.body(**changes))
        self.assertEqual((status, made["status"]), (200, "PENDING"), made)
        return made["_id"]

    def end_of_validation(self, validation):
        return eventually(lambda: next((one for one in [self.atlas.call("GET", self.path("validate", validation))[2]]
                                        if one["status"] != "PENDING"), None), 120, "the validation's end")

    def get(self):
        return self.atlas.call("GET", self.path(self.migration))[2]

    def wait_for(self, condition, what, timeout=120):
        def check():
            found = self.get()
            if found["status"] == "FAILED" and not condition(found):
                self.fail(f"FAILED\n{self.atlas.call('GET', self.path(self.migration).replace(ATLAS, EXT))[2]}\n{self.agent.tail()}")
            return found if condition(found) else None
        try:
            return eventually(check, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.get()}\n{self.agent.tail()}\n{self.manager.process.tail()}") from None

    def start_migration_by_api(self):
        status, _, made = self.atlas.call("POST", self.path(), self.body())
        self.assertEqual((status, made["status"]), (201, "NEW"), made)
        self.migration = made["_id"]

    def ready(self):
        return self.wait_for(lambda found: found["readyForCutover"], "readyForCutover")

    def cut_over(self):
        self.assertEqual(self.atlas.call("PUT", self.path(self.migration, "cutover"))[0], 202)
        return self.wait_for(lambda found: found["status"] == "COMPLETE", "COMPLETE")

    def assert_cleaned(self):
        users = [user["user"] for user in self.destination.client().admin.command("usersInfo")["users"]]
        self.assertEqual(users, ["root"], "the temporary user is gone")
        eventually(lambda: os.listdir(os.path.join(self.agent.data, "jobs")) == [], 60, "the job being forgotten")

    def migrate_under_writes(self):
        """Stage 3, while an application writes: nothing that was acknowledged is lost, and nothing is left behind."""
        with self.writers(self.application_uri()) as writers:
            self.start_migration_by_api()
            self.ready()
            eventually(lambda: writers.acknowledged() > 50, 60, "writes")
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assertEqual(writers.lost(self.destination.client()), [])
        self.assert_cleaned()


class Workflow(WorkflowTest):
    def test_all_three_stages(self):
        self.seed()
        self.begin(self.site("manager"), self.site("atlas"))
        wrong = self.validated(password="wrong")
        self.assertEqual(wrong["status"], "FAILED")
        self.assertIn("The username or password is not correct", wrong["errorMessage"])
        right = self.validated()
        self.assertEqual((right["status"], right["errorMessage"]), ("SUCCESS", None))
        self.migrate_under_writes()

    def test_both_roles_in_one_process(self):
        self.seed()
        site = self.site("both")
        self.begin(site, site)
        self.assertEqual(self.validated()["status"], "SUCCESS")
        self.start_migration_by_api()
        self.ready()
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()

    def test_cancelled(self):
        self.seed()
        site = self.site("both")
        self.begin(site, site)
        self.start_migration_by_api()
        self.ready()
        path = self.path(self.migration, "cancel").replace(ATLAS, EXT)
        self.assertIn(self.atlas.call("POST", path, {})[0], (200, 202))
        eventually(lambda: self.get()["status"] == "FAILED", 120, "the end")
        self.assert_cleaned()
        self.source.client().e2e_seed.small.insert_one({"_id": "still writable"})
        self.destination.client().other.there.insert_one({"_id": 1})
        self.assertIsNone(self.agent.engine_pid(self.migration))

    def test_the_atlas_site_moves_under_a_migration(self):
        """The manager is cut off by force, and connected to the new address: the migration goes on, by the engine that has run all the while."""
        self.seed()
        self.begin(self.site("manager"), self.site("atlas"))
        self.start_migration_by_api()
        self.ready()
        engine = self.agent.engine_pid(self.migration)
        self.atlas.process.kill()
        link = f"{MANAGER}/orgs/{self.manager.org}/liveExport/migrationLink"
        self.assertEqual(self.manager.call("DELETE", link + "?force=true")[0], 204)
        eventually(lambda: "does not know this job any more" in self.agent.log(), 60, "the agent being told nothing of it")
        self.atlas.keep_port = False
        self.atlas.start()
        status, _, made = self.atlas.call("POST", f"{ATLAS}/orgs/{self.atlas.org}/liveMigrations/linkTokens", {"accessListIps": []})
        self.assertEqual(status, 201, made)
        self.connect(made["linkToken"])
        offered = self.atlas.call("GET", f"{ATLAS}/orgs/{self.atlas.org}/liveMigrations/availableProjects")[2]
        self.assertEqual([one["projectId"] for one in offered], [self.project.id])
        links = self.atlas.call("GET", f"{EXT}/orgs/{self.atlas.org}/liveMigrations/links")[2]["results"]
        self.assertEqual([one["state"] for one in links], ["SYNCED"])
        reported = self.atlas.call("GET", self.path(self.migration).replace(ATLAS, EXT))[2]["lastReportAt"]
        eventually(lambda: self.atlas.call("GET", self.path(self.migration).replace(ATLAS, EXT))[2]["lastReportAt"] > reported, 60, "its next report")
        self.ready()
        self.assertEqual(self.agent.engine_pid(self.migration), engine)
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()

    def kill_each(self):
        for again in (self.atlas, self.manager, self.agent):
            again.process.kill()
            again.start()

    def test_every_process_is_killed_at_every_stage(self):
        self.seed(documents=20000)
        self.begin(self.site("manager"), self.site("atlas"))
        validation = self.begin_validation()
        self.kill_each()
        self.assertEqual(self.end_of_validation(validation)["status"], "SUCCESS")
        with self.writers(self.application_uri()) as writers:
            self.start_migration_by_api()
            for number, again in enumerate((self.atlas, self.manager, self.agent)):
                again.process.kill()
                again.start()
                self.wait_for(lambda found: found["status"] in ("NEW", "WORKING"), f"going on after kill {number}")
            engine = eventually(lambda: self.agent.engine_pid(self.migration), 90, "the engine")
            os.kill(engine, signal.SIGKILL)
            self.ready()
            self.kill_each()
            self.ready()
            before = writers.acknowledged()
            eventually(lambda: writers.acknowledged() > before + 50, 60, "writes")
        self.assertEqual(self.atlas.call("PUT", self.path(self.migration, "cutover"))[0], 202)
        for again in (self.agent, self.manager, self.atlas):
            again.process.kill()
            again.start()
        self.wait_for(lambda found: found["status"] == "COMPLETE", "COMPLETE")
        self.assert_equal_deployments(self.agent.process)
        self.assertEqual(writers.lost(self.destination.client()), [])
        self.assert_cleaned()


class WriterAtTheCutover(WorkflowTest):
    """A source that cannot block writes, and somebody who writes on: what was seen once is not tried again until it is missed."""
    only_version = "4.4"

    def whole(self):
        return self.atlas.call("GET", self.path(self.migration).replace(ATLAS, EXT))[2]

    def watch(self, seconds):
        """The migration is WORKING all the time, and nobody commits."""
        ending = time.monotonic() + seconds
        while time.monotonic() < ending:
            found = self.whole()
            self.assertEqual((found["status"], found["state"]), ("WORKING", "WORKING"), found)
            self.assertIn("still being written", found["cutoverGivenUp"])
            time.sleep(0.5)

    def test_the_request_ends_with_the_writer_that_was_seen(self):
        self.seed()
        self.begin(self.site("manager"), self.site("atlas"))
        self.start_migration_by_api()
        self.ready()
        self.assertIsNone(self.whole()["cutoverGivenUp"])
        with SlowWriter(self.source.client().e2e_seed.slow, 0.05) as writer:
            self.assertEqual(self.atlas.call("PUT", self.path(self.migration, "cutover"))[0], 202)
            self.wait_for(lambda _: self.whole()["cutoverGivenUp"], "the cutover given up")
            writer.pause = 0.7  # most attempts would miss it
            self.assertIn("ask for the cutover again", self.whole()["attention"])
            self.ready()
            self.watch(8)
            # Nor by any process that comes after those that know of it.
            engine = self.agent.engine_pid(self.migration)
            self.agent.process.kill()
            os.kill(engine, signal.SIGKILL)
            self.manager.process.kill()
            self.atlas.process.kill()
            for again in (self.agent, self.manager, self.atlas):
                again.start()
            eventually(lambda: self.agent.engine_pid(self.migration) not in (None, engine), 60, "the engine again")
            self.ready()
            self.watch(8)
        types = [one["eventTypeName"] for one in self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/events")[2]["results"]]
        self.assertEqual(types.count("X_CLUSTER_IMPORT_CUTOVER_GIVEN_UP"), 1, types)
        self.ready()
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()


class FullDiskOfTheHost(WorkflowTest):
    """It is waited for, however often the engine ends by it: nothing that was copied is given up."""
    once = True

    def start_clusters(self):
        self.source_way = FaultProxy(("127.0.0.1", 0))
        self.addCleanup(self.source_way.close)
        self.source = self.cluster("source", options=("--host", f"127.0.0.1:{self.source_way.port}"))
        self.source_way.target = ("127.0.0.1", self.source.port)
        self.destination = self.cluster("destination")

    def source_door(self):
        return self.source_way

    def make_agent(self):
        self.small = os.path.join(self.directory, "small disk")
        os.makedirs(self.small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", self.small], capture_output=True).returncode != 0:
            raise NotRun("root, to mount a small disk")
        self.addCleanup(subprocess.run, ["umount", "-l", self.small], check=True)
        return AgentProcess(self, self.project, environment={"TMPDIR": self.small})

    def change_all_the_time(self, data, enough):
        """More than fits into memory, while a range is being copied."""
        n = 0
        while not enough.wait(0.05):
            n = (n + 1) % 20
            data.replace_one({"_id": 1000 + n}, {"u": 1000 + n, "x": "x" * (1 << 20)}, upsert=True)

    def test_until_there_is_room(self):
        self.seed()
        data = self.seed_held("e2e_held", "held")
        site = self.site("both")
        self.begin(site, site)
        self.hold_the_copy(self.source_way, "held")
        enough = threading.Event()
        writer = threading.Thread(target=self.change_all_the_time, args=(data, enough))
        writer.start()
        try:
            self.start_migration_by_api()
            path = self.path(self.migration).replace(ATLAS, EXT)
            eventually(lambda: self.agent.log().count("the engine has ended") > 3 or self.get()["status"] == "FAILED", 120, "more ends than others are given")
            self.assertEqual(self.get()["status"], "WORKING", self.agent.tail())
            eventually(lambda: any(f"temporary file in {self.small}" in one for one in self.atlas.call("GET", path)[2]["warnings"]), 60, "the reason being told")
            self.assertIn("__mdb_internal_mongosync", self.destination.client().list_database_names())
        finally:
            enough.set()
            writer.join()
        subprocess.run(["mount", "-o", "remount,size=256m", self.small], check=True)
        self.source_way.release()
        self.ready()
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()


class OneProcess(WorkflowTest):
    """Both sites and the migration host in one `drover server`; the link goes through its own listener as between two."""
    once = True

    def make_agent(self):
        return EmbeddedAgent(self, self.project)

    def both(self, *more):
        return self.site("both", *EmbeddedAgent.options(self.directory), *more)

    def test_all_three_stages(self):
        self.seed()
        site = self.both()
        self.begin(site, site)
        self.assertEqual(self.validated()["status"], "SUCCESS")
        self.migrate_under_writes()

    def test_the_process_is_killed(self):
        """The engine goes on without it, and the next process takes it over."""
        self.seed(documents=20000)
        site = self.both()
        self.begin(site, site)
        self.start_migration_by_api()
        engine = eventually(lambda: self.agent.engine_pid(self.migration), 90, "the engine")
        site.process.kill()
        self.assertEqual(self.agent.engine_pid(self.migration), engine, "the engine went on")
        site.start()
        self.ready()
        self.assertEqual(self.agent.engine_pid(self.migration), engine, "taken over")
        self.assertEqual(site.process.stop(), 0)
        site.start()
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()

    def test_engines_that_end_with_it(self):
        self.seed(documents=20000)
        site = self.both("--end-engines")
        self.begin(site, site)
        self.start_migration_by_api()
        engine = eventually(lambda: self.agent.engine_pid(self.migration), 90, "the engine")
        site.process.kill()
        eventually(lambda: self.agent.engine_pid(self.migration) is None, 10, "the end of the engine")
        site.start()
        self.ready()
        self.assertNotEqual(self.agent.engine_pid(self.migration), engine)
        site.process.stop(30)
        self.assertIsNone(self.agent.engine_pid(self.migration), "ended in order")

    def test_a_configuration_that_is_wrong_is_said_and_taken_up_once_it_is_right(self):
        site = self.both()
        path = EmbeddedAgent.options(self.directory)[1]
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write("mmsGroupID=66ee00000000000000000001\n")
        eventually(lambda: "unknown keys: mmsGroupID" in site.process.stderr(), 30, "the error in the log")
        self.begin(site, site)

    def test_not_at_an_atlas_site(self):
        process = self.run_drover("server", "--data", os.path.join(self.directory, "data"), "--role", "atlas", *EmbeddedAgent.options(self.directory))
        self.assert_exit(process, 2, "needs the role manager")
