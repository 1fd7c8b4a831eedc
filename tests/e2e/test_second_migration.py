"""A migration into a destination that an earlier one has led to already: that one's commit is never the later one's."""
import os
import secrets
import signal
import time
import uuid

from bson.binary import Binary, UuidRepresentation
from harness import clusters
from harness.process import eventually
from harness.site import ATLAS, EXT
from test_manager import OnAHost
from test_terminal import Terminal
from test_workflow import WorkflowTest

STATE = "__mdb_internal_mongosync"


class SecondMigration(WorkflowTest):
    """Asked for as a user does it."""
    once = True

    def whole(self):
        return self.atlas.call("GET", self.path(self.migration).replace(ATLAS, EXT))[2]

    def unblock_source(self):
        if self.source.can_block_writes():
            self.source.client().admin.command("setUserWriteBlockMode", 1, **{"global": False})

    def ask(self, drop):
        status, _, made = self.atlas.call("POST", self.path(), {**self.body(), "dropDestinationData": drop})
        self.assertEqual(status, 201, made)
        self.migration = made["_id"]

    def refused(self):
        eventually(lambda: self.get()["status"] not in ("NEW", "WORKING"), 120, "the refusal")
        found = self.whole()
        self.assertEqual(found["status"], "FAILED", found)
        return found["errorMessage"]

    def test_one_after_the_other(self):
        self.seed()
        site = self.site("both")
        self.begin(site, site)
        self.ask(drop=False)
        first = self.migration
        self.ready()
        self.cut_over()
        self.assert_cleaned()
        self.unblock_source()
        # Both sides live on: neither is what the other is.
        self.source.client().e2e_seed.later.insert_one({"_id": "written after the first cutover"})
        self.destination.client().e2e_seed.ours.insert_one({"_id": "in use"})
        validated = self.validated()
        self.assertEqual(validated["status"], "FAILED")
        self.ask(drop=False)
        message = self.refused()
        for said in ("earlier migration", first, "nothing of this migration has been copied", "dropDestinationData", "empty the destination"):
            self.assertIn(said, message)
        self.assertIsNotNone(self.destination.client().e2e_seed.ours.find_one(), "nothing was dropped")
        self.assertIsNone(self.destination.client().e2e_seed.later.find_one())
        self.assert_cleaned()
        self.ask(drop=True)
        self.ready()
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assertIsNone(self.destination.client().e2e_seed.ours.find_one())
        self.assert_cleaned()
        # Once more, into a destination that somebody has emptied: the record of the commit is all that is left.
        self.unblock_source()
        self.source.client().e2e_seed.later.insert_one({"_id": "after the second"})
        for name in self.destination.client().list_database_names():
            if name not in ("admin", "local", "config", STATE):
                self.destination.client().drop_database(name)
        self.assertIn(STATE, self.destination.client().list_database_names())
        self.ask(drop=False)
        self.ready()
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()


    def test_nothing_is_dropped_for_what_is_refused_anyway(self):
        """The source can never be migrated as it is: what the destination holds stays."""
        self.seed()
        self.source.client().e2e_seed.create_collection("ring", capped=True, size=4096)
        site = self.site("both")
        self.begin(site, site)
        self.destination.client().keep.k.insert_one({"_id": "in use"})
        self.ask(drop=True)
        self.assertIn("capped", self.refused())
        self.assertIsNotNone(self.destination.client().keep.k.find_one())
        self.assert_cleaned()

    def test_the_source_is_not_its_own_destination(self):
        self.seed()
        site = self.site("both")
        self.begin(site, site)
        status, _, made = self.atlas.call("POST", f"{EXT}/groups/{self.group}/clusters", {"name": "itself", "connectionString": self.source.uri})
        self.assertEqual(status, 201, made)
        body = self.body()
        body["destination"]["clusterName"] = "itself"
        status, _, refused = self.atlas.call("POST", self.path(), {**body, "dropDestinationData": True})
        self.assertEqual((status, "the same replica set" in refused["detail"]), (400, True), refused)
        self.assertGreater(self.source.client().e2e_seed.small.estimated_document_count(), 0)


class OnTheHost(OnAHost):
    """What an agent does with what others left on the destination."""
    once = True
    auth = False

    def credentials(self, _):
        return {}

    def want(self, desired="RUN", **fields):
        source = {"groupId": self.project.id, "clusterName": self.cluster_name, "managedAuthentication": False, "ssl": False}
        super().want(desired, **{"source": source, **fields})

    def another_one(self, *more, until="copied"):
        """By hand, as a process that was killed."""
        process = self.start("migrate", "--source", self.source.uri, "--destination", self.destination.uri, "--commit", "never", *more)
        eventually(lambda: STATE in self.destination.client().list_database_names() and
                   self.destination.client()[STATE].x_migration.find_one({"phase": "running"}), 60, until)
        return process

    def next_job(self, **fields):
        self.item = secrets.token_hex(12)
        self.want(**fields)

    def kill_agent_and_engine(self):
        engine = self.agent.engine_pid(self.item)
        self.agent.process.kill()
        os.kill(engine, signal.SIGKILL)

    def test_what_was_begun_by_hand_is_not_gone_on_with(self):
        self.seed()
        process = self.another_one("--include", "e2e_seed.small")
        self.next_job()
        error = self.wait_for_state("FAILED")["error"]
        self.assertIn("has begun and not finished", error)
        self.assertIn("drover migrate --cleanup", error)
        self.forget()
        # Not under somebody's hands either.
        self.next_job(dropDestinationData=True)
        self.assertIn("somebody is at work", self.wait_for_state("FAILED")["error"])
        self.assertTrue(process.running())
        self.forget()
        process.kill()
        self.next_job(dropDestinationData=True)
        self.can_commit()
        self.want("CUTOVER", dropDestinationData=True)
        self.wait_for_state("COMMITTED")
        self.assert_equal_deployments(self.agent.process)

    def test_a_cutover_by_a_host_that_finds_another_one_s_commit(self):
        """Its files are lost, and the destination is not what it was: no commit of somebody else is this one's."""
        self.seed()
        committed = self.run_drover("migrate", "--source", self.source.uri, "--destination", self.destination.uri, "--assume-writes-stopped", timeout=120)
        self.assertEqual(committed.child.returncode, 0, committed.tail())
        self.item = secrets.token_hex(12)
        self.want("CUTOVER")
        self.assertIn("earlier migration", self.wait_for_state("FAILED")["error"])

    def test_stopped_by_a_host_that_lost_its_files(self):
        """The destination alone knows then that something is to be removed."""
        self.seed()
        self.next_job()
        self.can_commit()
        self.kill_agent_and_engine()
        for name in os.listdir(self.agent.job_path(self.item)):
            if name != "log":
                os.unlink(self.agent.job_path(self.item, name))
        self.want("STOP")
        self.agent.start()
        self.wait_for_state("STOPPED")
        self.assertNotIn(STATE, self.destination.client().list_database_names())
        self.destination.client().other.there.insert_one({"_id": 1})

    def test_a_state_that_somebody_removed_is_not_begun_anew(self):
        """Not over the top of what was copied, and nobody waits for it."""
        self.seed()
        self.next_job()
        self.can_commit()
        self.kill_agent_and_engine()
        self.destination.client().drop_database(STATE)
        copied = self.destination.client().e2e_seed.small.count_documents({})
        self.agent.start()
        report = self.wait_for_state("FAILED")
        for said in ("does not hold the state of this migration any more", "dropDestinationData"):
            self.assertIn(said, report["error"])
        self.assertNotIn(STATE, self.destination.client().list_database_names())
        self.assertEqual(self.destination.client().e2e_seed.small.count_documents({}), copied)
        self.forget()

    def test_the_rest_of_a_state_is_nobody_s_to_go_on_with(self):
        """As a removal leaves it that was interrupted: a later migration would take it for its own; and it can be carried on."""
        self.seed()
        self.another_one().kill()
        state = self.destination.client()[STATE]
        state.x_migration.drop()
        for name in self.destination.client().list_database_names():
            if name not in ("admin", "local", "config", STATE):
                self.destination.client().drop_database(name)
        refused = self.run_drover("migrate", "--source", self.source.uri, "--destination", self.destination.uri, "--commit", "never", timeout=60)
        self.assertEqual(refused.child.returncode, 4, refused.tail())
        self.assertIn("whose removal was interrupted", refused.tail())
        self.next_job()
        self.assertIn("--cleanup", self.wait_for_state("FAILED")["error"])
        self.forget()
        # Another job's is left alone.
        state.x_control.update_one({"_id": "control"}, {"$set": {"job": "a" * 24}}, upsert=True)
        cleanup = ("migrate", "--cleanup", "--yes", "--source", self.source.uri, "--destination", self.destination.uri)
        other = self.run_drover(*cleanup, "--job", "b" * 24, timeout=60)
        self.assertEqual(other.child.returncode, 0, other.tail())
        self.assertIn("another migration", other.tail())
        self.assertIsNotNone(state.x_catalog.find_one())
        done = self.run_drover(*cleanup, "--job", "a" * 24, timeout=60)
        self.assertEqual(done.child.returncode, 0, done.tail())
        self.assertNotIn(STATE, self.destination.client().list_database_names())

    def test_a_job_that_takes_the_state_while_it_is_being_removed(self):
        """Whose it is counts once nobody else can write."""
        self.seed()
        self.another_one().kill()
        state = self.destination.client()[STATE]
        state.x_control.update_one({"_id": "control"}, {"$set": {"job": "a" * 24}}, upsert=True)
        cleanup = Terminal([clusters.drover_binary(), "migrate", "--cleanup", "--source", self.source.uri, "--destination", self.destination.uri, "--job", "a" * 24])
        self.addCleanup(cleanup.close)
        cleanup.wait_for("Type yes or no: ")  # it has looked
        state.x_control.update_one({"_id": "control"}, {"$set": {"job": "b" * 24}})
        cleanup.answer("yes")
        self.assertEqual(cleanup.end(), 0, cleanup.seen)
        self.assertIn("another migration", cleanup.seen)
        self.assertIsNotNone(state.x_migration.find_one())
        self.assertEqual(state.x_owner.find_one()["sessions"], [], "nobody is to be waited for")

    def test_an_agent_that_is_ended_while_it_removes_a_state(self):
        """SIGTERM does not wait for the removal, which is carried on by the next process; that says so first."""
        self.seed()
        self.next_job()
        self.can_commit()
        self.kill_agent_and_engine()
        # Whoever wrote as another user is waited for, for minutes.
        state = self.destination.client()[STATE]
        stranger = {"id": Binary.from_uuid(uuid.uuid4(), UuidRepresentation.STANDARD), "user": "somebody"}
        state.x_owner.update_one({"_id": "owner"}, {"$push": {"sessions": stranger}})
        self.want("STOP")

        def waits():
            log = self.agent.job_path(self.item, "cleanup.log")
            if not os.path.exists(log):
                return 0
            with open(log, encoding="utf-8") as file:
                return file.read().count("wrote as another user")
        for times in (1, 2):
            self.agent.start()
            if times == 2:
                self.wait_for(lambda report: any("was interrupted" in warning for warning in report["warnings"]), "what was interrupted to be told")
            eventually(lambda expected=times: waits() == expected, 90, "the removal to wait")
            begun = time.monotonic()
            self.agent.process.stop()
            self.assertLess(time.monotonic() - begun, 15)
            self.assertIn("interrupted", self.agent.log())
            self.assertIsNotNone(state.x_migration.find_one(), "it has not been removed")
        state.x_owner.update_one({"_id": "owner"}, {"$set": {"sessions": []}})
        self.agent.start()
        self.wait_for_state("STOPPED")
        self.assertNotIn(STATE, self.destination.client().list_database_names())

    def test_one_that_is_to_begin_waits_for_one_that_is_being_ended(self):
        """As a host has them whose earlier migration is given up; after a restart of its agent too."""
        self.seed()
        self.next_job()
        self.can_commit()
        first = self.item
        state = self.destination.client()[STATE]
        stranger = {"id": Binary.from_uuid(uuid.uuid4(), UuidRepresentation.STANDARD), "user": "somebody"}
        state.x_owner.update_one({"_id": "owner"}, {"$push": {"sessions": stranger}})
        self.want("STOP")  # which takes minutes
        eventually(lambda: os.path.exists(self.agent.job_path(first, "removing")), 60, "the removal")
        self.next_job(dropDestinationData=True)
        self.wait_for(lambda report: any(first in warning for warning in report["warnings"]), "waiting")
        self.agent.process.stop()
        state.x_owner.update_one({"_id": "owner"}, {"$set": {"sessions": []}})
        self.agent.start()
        self.wait_for_state("STOPPED", item=first)
        self.can_commit()
