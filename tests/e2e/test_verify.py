"""`drover verify` finds every kind of difference, and only those. `make verify-faults` runs this file."""
import os
import re

from bson import Int64, SON

from harness import raw
from harness.case import DroverTest
from harness.process import eventually

EQUAL, DIFFERENT = 0, 7


class VerifyFaults(DroverTest):
    def setUp(self):
        super().setUp()
        for cluster in (self.source, self.destination):
            data = cluster.client().e2e_verify
            raw.insert(data, "items", [SON([("_id", n), ("a", 1.0), ("b", "text"), ("c", Int64(n))]) for n in range(3000)])
            data.items.create_index([("a", 1)], name="by a")
            data.create_collection("validated", validator={"x": {"$exists": True}})
            data.create_collection("empty")
        self.items = self.destination.client().e2e_verify.items

    def verify(self, *more):
        return self.run_drover("verify", "--source", self.source.uri, "--destination", self.destination.uri, *more)

    def assert_found(self, *expected):
        """Exactly these, each "kind: namespace _id X" or "kind: namespace: what"."""
        process = self.verify()
        self.assert_exit(process, DIFFERENT)
        found = [line for line in process.stdout().splitlines() if re.match(r"(missing|extra|different|catalog)\b", line)]
        self.assertEqual(len(found), len(expected), process.tail())
        for one in expected:
            self.assertTrue(any(line.startswith(one) for line in found), f"{one} is not named\n{process.tail()}")

    def replace(self, number, *elements):
        self.items.delete_one({"_id": number})
        raw.insert(self.items.database, "items", [raw.raw(raw.int32("_id", number), *elements)])

    def test_equal(self):
        self.assert_exit(self.verify(), EQUAL)

    def test_equal_in_both_directions(self):
        self.source, self.destination = self.destination, self.source
        self.assert_exit(self.verify(), EQUAL)

    def test_a_flipped_bit(self):
        self.items.update_one({"_id": 1234}, {"$set": {"b": "tdxt"}})
        self.assert_found("different: e2e_verify.items _id 1234: field b")

    def test_an_int_for_a_double(self):
        self.items.update_one({"_id": 77}, {"$set": {"a": 1}})
        self.assert_found("different: e2e_verify.items _id 77: field a: double on the source, int on the destination")

    def test_swapped_fields(self):
        self.items.delete_one({"_id": 5})
        self.items.insert_one(SON([("_id", 5), ("b", "text"), ("a", 1.0), ("c", Int64(5))]))
        self.assert_found("different: e2e_verify.items _id 5: ")

    def test_a_missing_document(self):
        self.items.delete_one({"_id": 2999})
        self.assert_found("missing: e2e_verify.items _id 2999: ")

    def test_an_extra_document(self):
        self.items.insert_one({"_id": 5000})
        self.assert_found("extra: e2e_verify.items _id 5000: ")

    def test_an_extra_document_before_all(self):
        self.items.insert_one({"_id": -1})
        self.assert_found("extra: e2e_verify.items _id -1: ")

    def test_a_stale_document(self):
        self.source.client().e2e_verify.items.update_one({"_id": 321}, {"$set": {"new": True}})
        self.assert_found("different: e2e_verify.items _id 321: ")

    def test_two_faults_that_cancel_in_the_count(self):
        self.items.delete_one({"_id": 10})
        self.items.insert_one({"_id": 10.5})
        self.assert_found("missing: e2e_verify.items _id 10: ", "extra: e2e_verify.items _id 10.5: ")

    def test_an_id_of_another_numeric_type(self):
        self.items.delete_one({"_id": 42})
        raw.insert(self.items.database, "items", [SON([("_id", 42.0), ("a", 1.0), ("b", "text"), ("c", Int64(42))])])
        self.assert_found("different: e2e_verify.items _id 42: ")

    def test_ids_that_are_no_numbers(self):
        """They stand there as extended JSON spells them."""
        self.items.insert_many([{"_id": value} for value in (float("nan"), float("inf"), float("-inf"))])
        self.assert_found(*(f"extra: e2e_verify.items _id {name}: " for name in ("NaN", "Infinity", "-Infinity")))

    def test_a_missing_index(self):
        self.items.drop_index("by a")
        self.assert_found("missing index: e2e_verify.items: index by a")

    def test_an_extra_index(self):
        self.items.create_index("b", name="extra one")
        self.assert_found("extra index: e2e_verify.items: index extra one")

    def test_another_option(self):
        self.items.database.command("collMod", "validated", validator={"y": {"$exists": True}})
        self.assert_found("catalog: e2e_verify.validated: options: validator is")

    def test_a_missing_collection(self):
        self.items.database.drop_collection("empty")
        self.assert_found("missing collection: e2e_verify.empty: ")

    def test_an_extra_collection(self):
        self.items.database.create_collection("surplus")
        self.assert_found("extra collection: e2e_verify.surplus: ")

    def test_another_index_of_the_same_name(self):
        self.items.drop_index("by a")
        self.items.create_index([("a", -1)], name="by a")
        self.assert_found("catalog: e2e_verify.items: index by a: key is")

    def test_names_that_are_not_there(self):
        for include in ("e2e_verify.itms", "nosuch"):
            process = self.verify("--json", "--include", "e2e_verify.items", "--include", include)
            self.assert_exit(process, 2, include, "neither side")
            self.assertIsNone(self.last_json(process)["equal"])
        self.assert_exit(self.verify("--include", "e2e_verify.items"), EQUAL, "Equal: 1 collection, 3,000 documents")
        self.assert_exit(self.verify("--exclude", "e2e_verify"), 2, "nothing to be compared")

    def test_a_destination_that_has_nothing(self):
        self.destination.client().drop_database("e2e_verify")
        line = self.last_json(self.verify("--json"))
        self.assertEqual((line["equal"], line["mismatches"]), (False, 3))
        self.assertEqual((line["source"]["documents"], line["destination"]["documents"]), (3000, 0))

    def test_a_type_deep_within(self):
        for cluster, one in ((self.source, 1), (self.destination, Int64(1))):
            raw.insert(cluster.client().e2e_verify, "deep", [SON([("_id", "x"), ("l", [{"y": [0, one]}])])])
        self.assert_found("different: e2e_verify.deep _id \"x\": field l.0.y.1: int")


class WithAuthorization(DroverTest):
    auth = True

    def test_nobody_is_logged_in(self):
        """Which is said, rather than that roles are missing."""
        uri = re.sub("//[^@/]*@", "//", self.destination.uri)
        self.assertNotEqual(uri, self.destination.uri)
        process = self.run_drover("verify", "--source", self.source.uri, "--destination", uri)
        self.assert_exit(process, 6, "the destination: it asks for a login, and the connection string names no user; give")


class BeforeTheCutover(DroverTest):
    """`drover migrate` compares every document itself."""

    def copied_and_stopped(self):
        self.seed(documents=500)
        log = f"{self.directory}/first.json"
        process = self.start_migration("--commit", "never", "--log", log)

        def copied():
            self.assertTrue(process.running(), process.tail())
            return os.path.exists(log) and "all collections are copied" in open(log).read()
        eventually(copied, 120, "the copy")
        process.stop()

    def test_what_is_equal_is_said_to_be(self):
        self.seed(documents=500)
        result = self.migrate()
        self.assertEqual(result["verification"], {"equal": True, "collections": 3, "documents": 550, "mismatches": 0})
        self.assertGreaterEqual(result["writeUnavailableMillis"], 0)
        again = self.migrate()  # it is committed: the same figures once more
        self.assertEqual(again["verification"], result["verification"])
        self.assertEqual(again["writeUnavailableMillis"], result["writeUnavailableMillis"])

    def test_a_difference_refuses_the_cutover(self):
        self.copied_and_stopped()
        there = self.destination.client().e2e_seed
        there.big.update_one({"_id": 7}, {"$set": {"k": -1}})
        there.small.delete_one({"_id": "s3"})
        process = self.start_migration()
        process.wait(120)
        self.assert_exit(process, 7, r"e2e_seed\.big _id . .\$numberInt. : .7. .:", r"e2e_seed\.small _id .s3.", "the source is as it was")
        found = self.last_json(process)["verification"]
        self.assertFalse(found["equal"])
        self.assertEqual(found["mismatches"], 2)
        self.source.client().e2e_seed.small.insert_one({"_id": "after"})
        # Counts cannot show that it is right again; another comparison can.
        process = self.start_migration("--no-verify")
        process.wait(60)
        self.assert_exit(process, 7, "an earlier comparison of this migration has found documents that differ", "without --no-verify")
        for name, key in (("big", 7), ("small", "s3")):
            there[name].replace_one({"_id": key}, self.source.client().e2e_seed[name].find_one({"_id": key}), upsert=True)
        result = self.migrate()
        self.assertEqual(result["verification"]["mismatches"], 0)
        self.assertEqual(result["state"], "COMMITTED")
        self.assert_equal_deployments()

    def test_counts_alone_are_said_to_be_no_comparison(self):
        self.seed(documents=100)
        result = self.migrate("--no-verify")
        self.assertIsNone(result["verification"])
        self.assertEqual(result["state"], "COMMITTED")
