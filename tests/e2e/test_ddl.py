"""DDL while a migration runs: the result is equal, or the migration refuses by name."""
import bson
import pymongo

from harness.case import DroverTest
from harness.live import LiveMigration
from harness.process import eventually
from harness.report import NotRun

UNSUPPORTED = 3


class Ddl(DroverTest):
    def while_running(self, change):
        """`change` is made after the copy; then the migration is committed and both sides are equal."""
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        change(self.source.client().e2e_ddl)
        self.source.client().e2e_seed.small.insert_one({"_id": "mark"})
        self.eventually_on_destination("e2e_seed", "small", {"_id": "mark"})
        process.stop()
        self.migrate()
        self.assert_equal_deployments()

    def setUp(self):
        super().setUp()
        self.seed(documents=60)
        data = self.source.client().e2e_ddl
        data.a.insert_many([{"_id": n, "v": n} for n in range(100)])
        data.b.insert_many([{"_id": n, "w": n} for n in range(100)])

    def test_drop(self):
        self.while_running(lambda data: data.a.drop())

    def test_drop_and_recreate(self):
        def change(data):
            data.a.drop()
            data.create_collection("a", collation={"locale": "de"})
            data.a.insert_one({"_id": "new"})
        self.while_running(change)

    def test_rename(self):
        def change(data):
            data.a.rename("renamed")
            data.renamed.insert_one({"_id": "after"})
            data.a.insert_one({"_id": "another a"})
        self.while_running(change)

    def test_rename_over_another(self):
        def change(data):
            data.a.insert_one({"_id": "before"})
            data.a.rename("b", dropTarget=True)
            data.b.update_one({"_id": 1}, {"$set": {"x": 1}})
        self.while_running(change)

    def test_rename_to_another_database(self):
        def change(data):
            data.client.admin.command("renameCollection", "e2e_ddl.a", to="e2e_ddl2.a")
            data.client.e2e_ddl2.a.insert_one({"_id": "after"})
        self.while_running(change)

    def test_create_with_options(self):
        def change(data):
            data.create_collection("collated", collation={"locale": "fr", "strength": 1})
            data.create_collection("validated", validator={"$jsonSchema": {"required": ["x"]}}, validationLevel="moderate")
            data.create_collection("view", viewOn="a", pipeline=[{"$project": {"v": 1}}])
            data.validated.insert_one({"x": 1})
        self.while_running(change)

    def test_indexes(self):
        def change(data):
            data.a.create_index([("v", 1)], unique=True, name="unique v")
            data.b.create_index("w")
            data.b.drop_index("w_1")
        self.while_running(change)

    def test_options_changed(self):
        self.while_running(lambda data: data.command("collMod", "a", validator={"v": {"$gte": 0}}, validationAction="warn"))

    def test_drop_database(self):
        self.while_running(lambda data: data.client.drop_database("e2e_ddl"))

    def test_unique_value_that_moves_between_documents(self):
        """The order of a hand-over differs per document: no order of single writes on the destination is free of conflict."""
        data = self.source.client().e2e_ddl
        data.owners.create_index("u", unique=True)
        data.owners.insert_many([{"_id": n, "u": n} for n in range(10)])

        def change(_):
            for step in range(120):
                left, right = step % 10, (step * 7 + 3) % 10
                if left == right:
                    continue
                u = {one["_id"]: one["u"] for one in data.owners.find()}
                data.owners.update_one({"_id": left}, {"$set": {"u": f"moving {step}"}})
                data.owners.update_one({"_id": right}, {"$set": {"u": u[left]}})
                data.owners.update_one({"_id": left}, {"$set": {"u": u[right]}})
        self.while_running(change)


class WhileItIsCopied(DroverTest):
    """The copy stands still in the midst of the collection that changes, and goes on after the change has come through."""

    def while_copied(self, change, unique=False):
        self.seed(documents=60)
        proxy = self.proxy_before(self.source)
        data = self.source.client().e2e_ddl
        data.b.insert_many([{"_id": n, "w": n} for n in range(100)])
        self.seed_held("e2e_ddl", "held").create_index("u", name="by u", unique=unique)
        self.hold_the_copy(proxy, "held")
        process = self.start_migration("--commit", "never", source=self.source.proxied_uri(proxy))
        self.wait_until_held(process, proxy, "e2e_ddl", "held")
        change(data)
        self.source.client().e2e_seed.small.insert_one({"_id": "mark"})
        self.eventually_on_destination("e2e_seed", "small", {"_id": "mark"})
        proxy.release()
        eventually(lambda: "all collections are copied" in process.log() or not process.running(), 60, "the rest of the copy")
        self.assertTrue(process.running(), process.tail())
        process.stop()
        self.migrate()
        self.assert_equal_deployments()

    def test_drop(self):
        self.while_copied(lambda data: data.held.drop())

    def test_drop_and_recreate(self):
        def change(data):
            data.held.drop()
            data.create_collection("held", collation={"locale": "de"})
            data.held.insert_many([{"_id": 1}, {"_id": "new"}])
        self.while_copied(change)

    def test_rename(self):
        def change(data):
            data.held.rename("renamed")
            data.renamed.update_one({"_id": 39}, {"$set": {"after": 1}})
            data.held.insert_one({"_id": "another of that name"})
        self.while_copied(change)

    def test_rename_over_another(self):
        def change(data):
            data.held.rename("b", dropTarget=True)
            data.b.delete_one({"_id": 38})
        self.while_copied(change)

    def test_another_is_renamed_over_it(self):
        def change(data):
            data.b.rename("held", dropTarget=True)
            data.held.insert_one({"_id": "after"})
        self.while_copied(change)

    def test_rename_to_another_database(self):
        self.while_copied(lambda data: data.client.admin.command("renameCollection", "e2e_ddl.held", to="e2e_ddl2.held"))

    def test_drop_database(self):
        self.while_copied(lambda data: data.client.drop_database("e2e_ddl"))

    def test_indexes_and_options(self):
        def change(data):
            data.held.drop_index("by u")
            data.held.create_index("u", unique=True, name="only one u")
            data.held.create_index([("x", "hashed")], name="hashed")
            data.command("collMod", "held", validator={"u": {"$gte": 0}}, validationAction="warn")
        self.while_copied(change)

    def test_unique_values_that_move(self):
        """From a copied document to one that is not yet copied, and the other way round."""
        def change(data):
            data.held.drop_index("by u")
            data.held.create_index("u", unique=True, name="only one u")
            for left, right in ((0, 39), (39, 1), (2, 38)):
                u = {one["_id"]: one["u"] for one in data.held.find({}, {"u": 1})}
                data.held.update_one({"_id": left}, {"$set": {"u": -1}})
                data.held.update_one({"_id": right}, {"$set": {"u": u[left]}})
                data.held.update_one({"_id": left}, {"$set": {"u": u[right]}})
        self.while_copied(change)

    def test_unique_values_that_move_under_an_index_of_the_first_hour(self):
        def change(data):
            for left, right in ((0, 39), (38, 1), (2, 3), (36, 37)):
                data.held.update_one({"_id": left}, {"$set": {"u": 1000 + left}})
                data.held.update_one({"_id": right}, {"$set": {"u": left}})
                data.held.update_one({"_id": left}, {"$set": {"u": right}})
        self.while_copied(change, unique=True)

    def test_documents(self):
        def change(data):
            for number in (0, 39):
                data.held.update_one({"_id": number}, {"$set": {"touched": 1}})
            for number in (1, 38):
                data.held.delete_one({"_id": number})
            for number in (2, 37):
                data.held.delete_one({"_id": number})
                data.held.insert_one({"_id": float(number), "u": number})
        self.while_copied(change)


class UniqueValuesInAChain(DroverTest):
    def test_each_document_takes_the_value_of_the_next_one(self):
        """All of them have to be written together, and are found one behind the other."""
        count = 1500
        self.seed(documents=100)
        links = self.source.client().e2e_ddl.links
        links.create_index("u", unique=True)
        links.insert_many([{"_id": n, "u": n} for n in range(count)])
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        process.stop()
        links.update_one({"_id": 0}, {"$set": {"u": -1}})
        links.bulk_write([pymongo.UpdateOne({"_id": n}, {"$set": {"u": n - 1}}) for n in range(1, count)])
        links.update_one({"_id": 0}, {"$set": {"u": count - 1}})
        self.migrate()
        self.assert_equal_deployments()


    def test_documents_that_are_written_in_different_ways(self):
        """Before 5.0 an update takes no nested name that begins with a dollar, and an insert makes a time of Timestamp(0, 0)."""
        self.seed(documents=100)
        data = self.source.client().e2e_ddl
        data.links.create_index("u", unique=True)

        def write(number, unique):
            if number % 2:
                data.links.delete_one({"_id": number})
                data.command("insert", "links", documents=[bson.SON([("_id", number), ("u", unique), ("a", {"$b": 1})])])
            else:
                document = bson.SON([("_id", number), ("u", unique), ("t", bson.Timestamp(0, 0))])
                data.command("update", "links", updates=[{"q": {"_id": number}, "u": [{"$replaceWith": {"$literal": document}}], "upsert": True}])

        for number in range(10):
            write(number, number)
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        process.stop()
        write(0, -1)
        for number in range(1, 10):
            write(number, number - 1)
        write(0, 9)
        self.migrate()
        self.assert_equal_deployments()


class WhatIsNotCarried(DroverTest):
    """What appears while a migration runs and is not carried is named as an operator knows it, with what leaves it out."""

    def refused(self, change, *said):
        self.seed(documents=20)
        data = self.source.client().e2e_ddl
        data.o.create_index("at", name="by time")
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        change(data)
        process.wait(60)
        self.assert_exit(process, UNSUPPORTED, *said)
        self.assertNotIn("became", process.stderr())

    def from_5_on(self):
        if self.source.client().server_info()["versionArray"][0] < 5:
            raise NotRun("5.0")

    def test_a_time_series_collection(self):
        self.from_5_on()
        self.refused(lambda data: data.create_collection("ts", timeseries={"timeField": "t"}),
                     r"e2e_ddl\.ts is now a time-series collection, which", r"\(--exclude e2e_ddl\.ts\)")

    def test_an_index_that_lets_documents_expire(self):
        self.refused(lambda data: data.o.create_index("until", name="until_1", expireAfterSeconds=60),
                     r"index until_1 of e2e_ddl\.o is a TTL index, which", r"\(--exclude e2e_ddl\.o\)")

    def expiry_by_coll_mod(self, **index):
        self.from_5_on()
        self.refused(lambda data: data.command("collMod", "o", index={**index, "expireAfterSeconds": 60}),
                     r"collMod has changed 'expireAfterSeconds' of index by time of e2e_ddl\.o, which", r"\(--exclude e2e_ddl\.o\)")

    def test_an_index_that_is_made_to_by_its_name(self):
        self.expiry_by_coll_mod(name="by time")

    def test_an_index_that_is_made_to_by_its_key(self):
        self.expiry_by_coll_mod(keyPattern={"at": 1})

    def test_a_collection_that_is_capped(self):
        self.refused(lambda data: data.command("convertToCapped", "o", size=4096), r"e2e_ddl\.o is now a capped collection, which")

    def test_it_ends_the_run_and_the_next_one(self):
        self.seed(documents=100)
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        self.source.client().e2e_seed.command({"convertToCapped": "small", "size": 100_000})
        process.wait(60)
        self.assert_exit(process, UNSUPPORTED, "e2e_seed.small", "capped")
        # At once: whatever else it waits for when it fails.
        process = self.start_migration("--commit", "never")
        process.wait(20)
        self.assert_exit(process, UNSUPPORTED, "e2e_seed.small")


class DdlStorm(DroverTest):
    auth = True

    def test_storm_during_the_copy(self):
        self.seed(documents=3000)
        live = LiveMigration(self, writers=2, storm=0.01)
        eventually(lambda: live.storm.done > 40, 60, "the storm")
        process = live.start("--commit", "never")
        self.wait_until_copied(process)
        eventually(lambda: live.storm.done > 150, 60, "the storm")
        live.storm.stop()
        process.stop()
        live.start()
        live.finish()

    def test_storm_until_the_cutover(self):
        self.seed(documents=500)
        live = LiveMigration(self, writers=2, storm=0.1)
        eventually(lambda: live.storm.done > 10, 60, "the storm")
        live.start()
        live.finish()
