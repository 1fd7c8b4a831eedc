"""`drover verify` finds every kind of difference, and only those. `make verify-faults` runs this file."""
from bson import Int64, SON

from harness import raw
from harness.case import DroverTest

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

    def assert_found(self, *said):
        self.assert_exit(self.verify(), DIFFERENT, *said)

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
        self.assert_found(r"e2e_verify\.items", r"\b1234\b")

    def test_an_int_for_a_double(self):
        self.items.update_one({"_id": 77}, {"$set": {"a": 1}})
        self.assert_found(r"e2e_verify\.items", r"\b77\b")

    def test_swapped_fields(self):
        self.items.delete_one({"_id": 5})
        self.items.insert_one(SON([("_id", 5), ("b", "text"), ("a", 1.0), ("c", Int64(5))]))
        self.assert_found(r"\b5\b")

    def test_a_missing_document(self):
        self.items.delete_one({"_id": 2999})
        self.assert_found(r"\b2999\b")

    def test_an_extra_document(self):
        self.items.insert_one({"_id": 5000})
        self.assert_found(r"\b5000\b")

    def test_an_extra_document_before_all(self):
        self.items.insert_one({"_id": -1})
        self.assert_found(r"-1\b")

    def test_a_stale_document(self):
        self.source.client().e2e_verify.items.update_one({"_id": 321}, {"$set": {"new": True}})
        self.assert_found(r"\b321\b")

    def test_two_faults_that_cancel_in_the_count(self):
        self.items.delete_one({"_id": 10})
        self.items.insert_one({"_id": 10.5})
        self.assert_found(r"\b10\b")

    def test_an_id_of_another_numeric_type(self):
        self.items.delete_one({"_id": 42})
        raw.insert(self.items.database, "items", [SON([("_id", 42.0), ("a", 1.0), ("b", "text"), ("c", Int64(42))])])
        self.assert_found(r"\b42\b")

    def test_a_missing_index(self):
        self.items.drop_index("by a")
        self.assert_found(r"by a")

    def test_an_extra_index(self):
        self.items.create_index("b", name="extra one")
        self.assert_found(r"extra one")

    def test_another_option(self):
        self.items.database.command("collMod", "validated", validator={"y": {"$exists": True}})
        self.assert_found(r"e2e_verify\.validated")

    def test_a_missing_collection(self):
        self.items.database.drop_collection("empty")
        self.assert_found(r"e2e_verify\.empty")

    def test_an_extra_collection(self):
        self.items.database.create_collection("surplus")
        self.assert_found(r"e2e_verify\.surplus")
