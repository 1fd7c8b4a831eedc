"""Documents of every shape arrive byte for byte, as copies and as change events."""
import datetime
import math

from bson import Binary, Code, Decimal128, DBRef, Int64, MaxKey, MinKey, ObjectId, Regex, SON, Timestamp

from harness import raw
from harness.case import DroverTest

IDS = [
    MinKey(), MaxKey(), None, True, False, math.nan, math.inf, -math.inf, -0.0, 1, 2.5, Int64(2**40), Decimal128("3.10"),
    Decimal128("NaN"), "text", "1", "", "ключ", ObjectId(), Binary(b"\0\1", 0), Binary(b"\0\1", 5), Binary(b"", 128), datetime.datetime(2020, 1, 1),
    datetime.datetime(1960, 1, 1), Timestamp(1, 2), Code("f()"), SON([("a", 1), ("b", 2)]), SON([("b", 2), ("a", 1)]), SON(),
    SON([("a", 1.5)]), SON([("", 1)]), Code("f()", {"x": 1}), Binary(bytes(range(256)), 2), Binary(b"16 bytes of MD5.", 5), SON([("deep", SON([("er", SON([("x", None)]))]))]),
]


def without_twins(ids):
    """NaN of Decimal128 and of double are one key."""
    return [one for one in ids if not (isinstance(one, Decimal128) and str(one) == "NaN")]


class Values(DroverTest):
    def check(self, change):
        """Migrates with `change` made while change events flow, and compares."""
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        change()
        self.source.client().e2e_seed.small.insert_one({"_id": "mark"})
        self.eventually_on_destination("e2e_seed", "small", {"_id": "mark"})
        process.stop()
        self.migrate()
        self.assert_equal_deployments()

    def setUp(self):
        super().setUp()
        self.seed(documents=60)
        self.data = self.source.client().e2e_values

    def test_ids_of_every_type(self):
        ids = without_twins(IDS)
        # What this driver has no type for: a symbol, a pointer to a document.
        old = [raw.raw(raw.symbol("_id", "a symbol"), raw.int32("n", 1)),
               raw.raw(raw.db_pointer("_id", "db.c", bytes(range(12))), raw.int32("n", 2))]
        raw.insert(self.data, "ids", [*({"_id": one, "n": n} for n, one in enumerate(ids)), *old])

        def change():
            raw.insert(self.data, "later", [*({"_id": one, "n": n} for n, one in enumerate(ids)), *old])
            self.data.ids.update_many({"n": 1}, {"$set": {"by another field": 1}})
            for one in ids:
                self.data.ids.update_one({"_id": one}, {"$set": {"touched": 1}})
            for one in ids[::3]:
                self.data.ids.delete_one({"_id": one})

        self.check(change)

    def test_numbers_that_look_alike(self):
        raw.insert(self.data, "numbers", [{"_id": 1}, {"_id": -0.0}, {"_id": Int64(7)}, {"_id": Decimal128("5.00")}])

        def change():
            for old, new in ((1, 1.0), (0, Int64(0)), (7, 7.0), (5, Decimal128("5.0"))):
                self.data.numbers.delete_one({"_id": old})
                self.data.numbers.insert_one({"_id": new})

        self.check(change)

    def test_near_sixteen_megabytes(self):
        near = 16 * 1024 * 1024 - 64
        raw.insert(self.data, "huge", [raw.raw(raw.int32("_id", 1), raw.string("x", "y" * near))])

        def change():
            self.data.huge.update_one({"_id": 1}, {"$set": {"x": "z" * (near - 100)}})
            raw.insert(self.data, "huge", [raw.raw(raw.int32("_id", 2), raw.string("x", "w" * near))])

        self.check(change)

    def test_dots_and_dollars_in_names(self):
        odd = [{"_id": 1, "a.b": 1, "a": {"c.d": 2, "b": 1}, "": 3}, {"_id": 2, "sub": {"$set": {"x": 1}, "$": 1}},
               {"_id": 3, "list": [{"$ref": "other"}, {"a..b.": 1}]}, {"_id": 4, "ref": DBRef("c", 1)}]
        raw.insert(self.data, "names", odd)

        def change():
            raw.insert(self.data, "names", [{**one, "_id": one["_id"] + 10} for one in odd])
            self.data.names.update_many({}, {"$set": {"plain": 1}})

        self.check(change)

    def test_field_names_twice(self):
        twice = (raw.int32("a", 1), raw.string("a", "two"), raw.embedded("s", raw.int32("x", 1), raw.double("x", 1.0)))
        raw.insert(self.data, "twice", [raw.raw(raw.int32("_id", n), *twice) for n in range(3)])

        def change():
            raw.insert(self.data, "twice", [raw.raw(raw.int32("_id", n), *twice) for n in range(10, 13)])
            self.data.twice.update_one({"_id": 1}, {"$set": {"b": 1}})

        self.check(change)

    def test_timestamp_zero(self):
        """A server replaces a top-level Timestamp(0,0) of an insert by its clock; one in the data must stay as it is."""
        zero = Timestamp(0, 0)
        self.data.stamps.insert_one({"_id": 1, "sub": {"t": zero}, "list": [zero]})
        self.data.stamps.insert_one({"_id": 2})
        self.data.stamps.update_one({"_id": 2}, [{"$set": {"t": zero}}])

        def change():
            for number in (3, 4):
                self.data.stamps.insert_one({"_id": number})
                self.data.stamps.update_one({"_id": number}, [{"$set": {"t": zero, "u": zero}}])
            self.data.stamps.update_one({"_id": 4}, {"$set": {"v": 1}})

        self.check(change)

    def test_the_longest_namespace(self):
        limit = 120 if self.source.version < (4, 4) else 255
        name = "n" * (limit - len("e2e_values."))
        self.data[name].insert_one({"_id": 1})
        self.check(lambda: self.data[name].insert_one({"_id": 2}))

    def test_odd_namespaces(self):
        for name in ("with space", "ünïcode", "dots.in.it", "quote\"s", "per%cent"):
            self.data[name].insert_one({"_id": name})
        self.check(lambda: [self.data[name].insert_one({"_id": 2}) for name in ("with space", "ünïcode", "dots.in.it")])

    def test_every_kind_of_value(self):
        self.data.kinds.insert_one({"_id": 1, "values": IDS, "regex": Regex("a.*", "im"), "code": Code("x", {"y": 1}),
                                    "nested": [[[]], [{}], {}]})
        self.check(lambda: self.data.kinds.insert_one({"_id": 2, "values": list(reversed(IDS))}))

    def test_empty_collections_and_databases(self):
        self.data.create_collection("none")
        self.check(lambda: self.data.create_collection("none either"))

    def test_many_indexes(self):
        many = self.data.many
        many.insert_many([{"_id": n, "a": n, "b": str(n), "l": [n, n + 1]} for n in range(200)])
        many.create_index([("a", 1)], unique=True, sparse=True)
        many.create_index([("b", -1), ("a", 1)], partialFilterExpression={"a": {"$gt": 10}})
        many.create_index("l")
        many.create_index("b", collation={"locale": "en", "strength": 2}, name="folded")
        # Of a collection with a collation: one that follows it, one that does not.
        folded = self.data.create_collection("folded", collation={"locale": "en", "strength": 2})
        folded.insert_many([{"_id": "one", "a": "A"}, {"_id": "two", "a": "a"}])
        folded.create_index("a", name="as the collection")
        folded.create_index("a", name="by bytes", collation={"locale": "simple"}, unique=True)
        self.data.words.insert_one({"_id": 1, "t": "many words", "p": [1.0, 2.0]})
        self.data.words.create_index([("t", "text"), ("p", 1)], weights={"t": 3}, default_language="german")
        self.data.words.create_index([("p", "2dsphere")])

        def change():
            many.create_index("later", name="made later")
            folded.create_index("b", name="by bytes too", collation={"locale": "simple"})
            many.insert_one({"_id": "new", "a": -1})

        self.check(change)
