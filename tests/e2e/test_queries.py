"""The embedded server's answers to filters that chance makes: they are those of a second opinion, whatever index is read, and whichever
command asks. DROVER_SEED says which; the seed of a failure is in its message."""
import datetime
import os
import random

from bson import Binary, Decimal128, Int64, ObjectId, Timestamp
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from harness import filters
from harness.case import DroverTest

ROUNDS = 25
DOCUMENTS = 20
FILTERS = 25
PLAIN = [0, 1, 2, 3, "a", "b", None, 1.0, Int64(2)]
RARE = [-1, 2.5, -0.0, float("nan"), float("inf"), float("-inf"), Int64(2**53 + 1), Int64(2**63 - 1), float(2**53), float(2**63), Decimal128("1"), Decimal128("1.0"),
        Decimal128("NaN"), Decimal128("Infinity"), Decimal128("-0"), Decimal128("9223372036854775807"), Decimal128("0.1"), 0.1, "", "A", "ab", True, False,
        Decimal128("0.1000000000000000055511151231257827"), ObjectId("0" * 24), datetime.datetime(2020, 1, 1), Timestamp(1, 1), Binary(b""), Binary(b"a", 5)]
PATHS = ["a", "b", "c", "a.b", "a.a", "b.a", "a.0", "a.b.c", "a.0.b", "b.0", "a.1", "c.a.b", "a.0.0"]
INDEXES = [[("a", 1)], [("b", -1)], [("a", 1), ("b", 1)], [("a.b", 1)], [("a", -1), ("c", 1)], [("b.a", 1), ("a", 1)], [("a.0", 1)], [("a.b", 1), ("a.a", -1)],
           [("a.b.c", 1)], [("b", 1), ("a", 1), ("c", -1)]]


class Chance(random.Random):
    def value(self, arrays=True, depth=0):
        kind = self.random()
        if depth < 3 and kind < 0.2 and arrays:
            return [self.value(arrays, depth + 1) for _ in range(self.randint(0, 3))]
        if depth < 3 and kind < 0.4:
            return {name: self.value(arrays, depth + 1) for name in self.sample(["a", "b", "c", "0"], self.randint(0, 2))}
        return self.choice(PLAIN if kind < 0.75 else RARE)

    def document(self, number, arrays):
        return {"_id": number, **{name: self.value(arrays) for name in self.sample(["a", "b", "c"], self.randint(0, 3))}}

    def operators(self, depth=0):
        made = {}
        for _ in range(self.choice([1, 1, 2])):
            operator = self.choice(["$eq", "$gt", "$gte", "$lt", "$lte", "$ne", "$in", "$nin", "$exists", "$size", "$all", "$not", "$elemMatch"])
            if operator in ("$not", "$elemMatch") and depth > 1:
                operator = "$eq"
            made[operator] = self.asked(operator, depth)
        return made

    def asked(self, operator, depth):
        if operator in ("$in", "$nin", "$all"):
            return [self.value(depth=1) for _ in range(self.randint(0, 3))]
        if operator == "$exists":
            return self.choice([True, False])
        if operator == "$size":
            return self.randint(0, 3)
        if operator == "$not":
            return self.operators(depth + 1)
        if operator == "$elemMatch":
            if self.random() < 0.5:
                return {self.choice(["a", "b", "c", "0", "a.b"]): self.operators(depth + 1)}
            return {self.choice(["$eq", "$gt", "$lt", "$gte", "$lte", "$ne"]): self.value(arrays=False, depth=3)}
        return self.value(depth=1)

    def filter(self, depth=0):
        if depth < 2 and self.random() < 0.15:
            return {self.choice(["$and", "$or", "$nor"]): [self.filter(depth + 1) for _ in range(self.randint(1, 3))]}
        return {self.choice(PATHS): self.operators() if self.random() < 0.75 else self.value(depth=1) for _ in range(self.choice([1, 1, 2]))}


    def options(self):
        """Of an index. Those that do not have every document answer a hint without the others."""
        return self.choice([{}, {}, {}, {"sparse": True}, {"hidden": True}, {"unique": True}, {"unique": True, "sparse": True},
                            {"partialFilterExpression": {self.choice(["a", "b", "c", "a.b"]): self.choice([{"$exists": True}, {"$gt": 1}, {"$lte": "a"}, {"$eq": self.choice(PLAIN)}])}}])


def has_every_document(options):
    return not options.get("sparse") and "partialFilterExpression" not in options


class Queries(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        self.client = self.cluster("queried").client()
        self.seed = int(os.environ.get("DROVER_SEED", "1"))

    def test_filters_find_what_a_second_opinion_finds(self):
        chance = Chance(f"{self.seed} filters")
        answered = 0
        for number in range(ROUNDS):
            collection = self.client.e2e[f"filters{number}"]
            documents = [chance.document(each, arrays=True) for each in range(DOCUMENTS)]
            collection.insert_many(documents)
            for _ in range(FILTERS):
                query = chance.filter()
                found = sorted(each["_id"] for each in collection.find(query, {"_id": 1}))
                answered += len(found) > 0
                self.assertEqual(found, [each["_id"] for each in documents if filters.matches(each, query)], f"seed {self.seed}: {query} over {documents}")
        self.assertGreater(answered, ROUNDS * FILTERS / 10)

    def test_every_index_and_every_command_find_the_same(self):
        chance = Chance(f"{self.seed} plans")
        answered = 0
        for number in range(ROUNDS):
            collation = chance.choice([None, None, {"locale": "en", "strength": 1}])
            collection = self.client.e2e.create_collection(f"plans{number}", **({"collation": collation} if collation else {}))
            indexes = [(f"i{at}", keys, chance.options()) for at, keys in enumerate(chance.sample(INDEXES, chance.randint(1, 5)))]
            self.fill(chance, collection, indexes)
            for _ in range(FILTERS):
                answered += self.check(chance, collection, indexes, chance.filter())
            self.assertTrue(self.client.e2e.command("validate", collection.name, full=True)["valid"])
        self.assertGreater(answered, ROUNDS * FILTERS / 10)

    def fill(self, chance, collection, indexes):
        """Some before the indexes are built and some behind, some changed; what an index refuses (parallel arrays) is left out."""
        arrays = chance.random() < 0.6
        for each in range(DOCUMENTS):
            if each == DOCUMENTS // 2:
                indexes[:] = [index for index in indexes if self.is_done(collection.create_index, index[1], name=index[0], **index[2])]
            self.is_done(collection.insert_one, chance.document(each, arrays))
        for _ in range(5):
            self.is_done(collection.update_one, {"_id": chance.randrange(DOCUMENTS)}, {"$set": {chance.choice(PATHS): chance.value(arrays, depth=1)}})

    def is_done(self, act, *arguments, **options):
        try:
            act(*arguments, **options)
        except OperationFailure:
            return False
        return True

    def check(self, chance, collection, indexes, query):
        """Whether more than nothing was found."""
        raw = collection.with_options(CodecOptions(document_class=RawBSONDocument))
        order = [(chance.choice(["a", "b", "c", "a.b"]), chance.choice([1, -1])), ("_id", 1)]
        told = f"seed {self.seed}: {query}, indexes {indexes}"

        def found(documents):
            return sorted(each.raw for each in documents)

        every = found(raw.find(query, hint=[("$natural", 1)]))
        in_order = [each.raw for each in raw.find(query, sort=order, hint=[("$natural", 1)])]
        self.assertEqual(found(raw.find(query)), every, told)
        for name, _, options in indexes:
            if options.get("hidden"):
                with self.assertRaisesRegex(OperationFailure, "hint provided does not correspond", msg=told):
                    raw.find_one(query, hint=name)
                continue
            if not has_every_document(options):
                self.assertLessEqual(set(found(raw.find(query, hint=name))), set(every), f"{told}, hint {name}")
                continue
            self.assertEqual(found(raw.find(query, hint=name)), every, f"{told}, hint {name}")
            self.assertEqual([each.raw for each in raw.find(query, sort=order, hint=name)], in_order, f"{told}, hint {name}, sort {order}")
            self.assertEqual(collection.database.command("count", collection.name, query=query, hint=name)["n"], len(every), f"{told}, hint {name}")
        self.assertEqual(collection.database.command("count", collection.name, query=query)["n"], len(every), told)
        skip, limit = chance.randint(0, 4), chance.randint(1, 6)
        for bounds, counted in (({"skip": skip}, len(every[skip:])), ({"limit": limit}, len(every[:limit])), ({"skip": skip, "limit": limit}, len(every[skip:skip + limit]))):
            self.assertEqual(collection.database.command("count", collection.name, query=query, **bounds)["n"], counted, f"{told}, {bounds}")
        self.assertEqual([each.raw for each in raw.find(query, sort=order)], in_order, told)
        self.assertEqual([each.raw for each in raw.find(query, sort=order, skip=1, limit=3)], in_order[1:4], told)
        self.assertEqual([each.raw for each in raw.aggregate([{"$match": query}, {"$sort": dict(order)}])], in_order, told)
        self.assertEqual(found(raw.aggregate([{"$limit": 1000}, {"$match": query}])), every, told)
        self.assertEqual(found([*raw.find({"$nor": [query]}), *raw.find(query)]), found(raw.find()), told)
        return len(every) > 0
