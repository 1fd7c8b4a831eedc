"""kill -9 at every named point of the engine, and the same command again: copy, apply, each step of the cutover."""
import itertools
import pathlib
import re

import pymongo
from pymongo.errors import PyMongoError

from harness.case import DroverTest
from harness.live import LiveMigration
from harness.process import eventually
from harness.report import NotRun
from harness.writers import WRITE_BLOCKED

ENGINE = pathlib.Path(__file__).resolve().parents[2] / "src" / "engine"

START = ("start.after_takeover", "start.after_t0", "start.after_names", "start.after_layout")
# "copied" comes last: until then no partition is recorded as copied, so that every point is still ahead.
COPY = ("copier.before_copying_recorded", "copier.after_copying_recorded", "copier.after_insert", "copier.before_release",
        "copier.before_copied_recorded", "copier.after_copied_recorded", "migration.after_copy")
APPLY = ("checkpoint.after_recorded", "indexes.before_build", "indexes.after_build", "ddl.after_create", "ddl.after_drop",
         "ddl.after_rename", "ddl.after_create_indexes")
COPY_ANEW = "ddl.before_copy_anew"
BEFORE_DECISION = ("migration.before_cutover", "cutover.after_intent", "cutover.after_hook", "cutover.after_announcement",
                   "cutover.after_block", "cutover.after_fence", "cutover.after_catalogs", "cutover.before_decision")
WHERE_IT_BLOCKS = "cutover.after_announcement"  # of the source's write block: the others come by in any case
CLEAN_UP = ("cleanup.after_takeover", "cleanup.before_record", "cleanup.after_record", "cleanup.after_drop")  # test_cleanup.py
AFTER_DECISION = ("cutover.after_decision", "cutover.after_unblock")


def fail_points():
    """As the engine's source names them."""
    found = set()
    for path in ENGINE.glob("*.cc"):
        found.update(re.findall(r'reached\("([^"]+)"\)', path.read_text()))
    return found


class EveryPoint(DroverTest):
    once = True

    def start_clusters(self):
        pass

    def test_has_its_place_below(self):
        self.assertEqual(fail_points(), {*START, *COPY, *APPLY, COPY_ANEW, *BEFORE_DECISION, *AFTER_DECISION, *CLEAN_UP})


class KilledInTurn(DroverTest):
    """One migration that dies at one point after the other, under live writes."""
    auth = True

    def test_in_start_and_copy(self):
        self.seed(documents=1500)
        live = LiveMigration(self, writers=2)
        live.wait_for_writes(20)
        for point in START + COPY:
            live.dies_at(point, "--commit", "never")
        live.start()
        result = live.finish()
        self.assertGreaterEqual(result["documents"], 1500, "what the earlier runs did is forgotten")

    def test_while_following(self):
        self.seed(documents=300)
        data = self.source.client().e2e_ddl
        numbers = itertools.count()

        def every_kind_of_change():
            name = f"c{next(numbers)}"
            data[name].insert_many([{"a": n} for n in range(5)])
            data[name].create_index("a")
            data[name].rename(f"{name} renamed")
            data[f"kept{name}"].create_index("a")
            data[f"{name} renamed"].drop()

        live = LiveMigration(self, writers=2)
        for point in APPLY:
            live.dies_at(point, "--commit", "never", provoke=every_kind_of_change)
        live.start()
        live.finish()

    def test_before_a_collection_is_copied_anew(self):
        """A unique index is created while documents of several times are on the destination: two had one value when they
        were read, and the change that parted them is held back until the copy is done."""
        self.seed(documents=50)
        proxy = self.proxy_before(self.source)
        items = self.seed_held("e2e_ddl", "anew")
        items.update_one({"_id": 1}, {"$set": {"u": 0}})
        self.hold_the_copy(proxy, "anew")
        live = LiveMigration(self, writers=2, source=self.source.proxied_uri(proxy))
        changed = []

        def once_two_documents_have_one_value():
            if not changed and proxy.held and self.destination.client().e2e_ddl.anew.count_documents({"u": 0}) == 2:
                items.update_one({"_id": 1}, {"$set": {"u": 1}})
                changed.append(items.create_index("u", unique=True, name="unique u"))

        live.dies_at(COPY_ANEW, "--commit", "never", provoke=once_two_documents_have_one_value)
        proxy.release()
        live.start()
        live.finish()


class KilledInTheCutover(DroverTest):
    """Each step with a migration and writers of its own."""
    auth = True

    def killed_at(self, point):
        if point == WHERE_IT_BLOCKS and (self.flavour == "given" or not self.source.can_block_writes()):
            raise NotRun("a source that can block writes")
        self.seed(documents=200)
        live = LiveMigration(self, writers=2)
        live.wait_for_writes(20)
        live.dies_at(point)
        if live.blocks and point in AFTER_DECISION:
            self.assertTrue(self.application_is_blocked(), "the source takes writes again after the decision")
        live.start()
        result = live.finish()
        self.assertGreaterEqual(result["documents"], 250, "what the first run did is forgotten")
        self.assertGreater(result["bytes"], 250 * 20)
        self.assertGreater(result["writeUnavailableMillis"], 0)
        self.assertEqual((result["finalLagSeconds"], result["restarts"]), (0, 1))
        self.assertTrue(result["verification"]["equal"])
        self.assertEqual({**self.migrate(*live.more)}, result, "it is committed: the same figures once more")

    def test_the_source_is_released_when_there_was_no_decision(self):
        self.seed(documents=200)
        live = LiveMigration(self, writers=2)
        live.dies_at("cutover.after_block")
        if live.blocks:
            self.assertTrue(self.application_is_blocked())
        process = live.start("--commit", "never")
        eventually(lambda: not self.application_is_blocked() or not process.running(), 60, "the release of the source")
        self.assertTrue(process.running(), process.tail())
        process.stop()
        live.start()
        live.finish()

    def application_is_blocked(self):
        client = pymongo.MongoClient(self.application_uri(), serverSelectionTimeoutMS=20000)
        try:
            client.e2e_seed.small.update_one({"_id": "s0"}, {"$inc": {"again": 1}})
            return False
        except PyMongoError as error:
            self.assertEqual(getattr(error, "code", None), WRITE_BLOCKED, error)
            return True
        finally:
            client.close()


def add_tests():
    for point in BEFORE_DECISION + AFTER_DECISION:
        def test(self, point=point):
            self.killed_at(point)
        name = "test_" + re.sub(r"\W", "_", point)
        test.__name__ = name
        setattr(KilledInTheCutover, name, test)


add_tests()


class Killed(DroverTest):
    auth = True

    def test_again_and_again(self):
        self.seed(documents=4000)
        live = LiveMigration(self, writers=2)
        for pause in (0.3, 0.6, 0.9, 1.2):
            process = live.start("--commit", "never")
            self.assertFalse(process.ended_within(pause), f"it ended by itself\n{process.tail()}")
            process.kill()
        live.start()
        live.finish()

    def test_two_at_once_only_one_writes(self):
        self.seed(documents=500)
        first = self.start_migration("--commit", "never")
        self.wait_until_copied(first)
        second = self.start_migration()
        second.wait(90)
        self.assertEqual(second.child.returncode, 0, second.tail())
        eventually(lambda: not first.running(), 60, "the end of the first")
        self.assertNotEqual(first.child.returncode, 0, first.tail())
        self.assert_equal_deployments()
