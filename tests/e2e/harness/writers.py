"""Applications that write while a migration runs: each writer owns its documents and knows what was acknowledged."""
import random
import threading
import time

import pymongo
from pymongo.errors import PyMongoError

WRITE_BLOCKED = 371  # UserWritesBlocked


class SlowWriter(threading.Thread):
    """Inserts a document every `pause` seconds, which may be changed, while its block lasts."""
    def __init__(self, collection, pause):
        super().__init__()
        self.collection, self.pause, self.done = collection, pause, threading.Event()

    def run(self):
        number = 0
        while not self.done.wait(self.pause):
            number += 1
            self.collection.insert_one({"_id": number})

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


class Writer(threading.Thread):
    def __init__(self, uri, database, number, pause=0.002, may_go=None, durable=False):
        """`durable`: what is acknowledged survives the death of its server; others are acknowledged by the primary alone."""
        super().__init__(daemon=True)
        self.client = pymongo.MongoClient(uri, retryWrites=True, serverSelectionTimeoutMS=30000,
                                          w="majority" if durable else 1)
        self.database = self.client[database]
        self.number = number
        self.pause = pause
        self.may_go = may_go or (lambda: True)
        self.random = random.Random(number)
        self.stopping = threading.Event()
        self.acknowledged = 0    # increments of this writer's counter
        self.attempted = 0
        self.blocked = False
        self.errors = []
        self.last_acknowledgement = None

    def run(self):
        step = 0
        while not self.stopping.is_set() and self.may_go():
            try:
                self.count()
                self.kinds()[step % len(self.kinds())](step)
                self.last_acknowledgement = time.monotonic()
            except PyMongoError as error:
                if getattr(error, "code", None) == WRITE_BLOCKED or "UserWritesBlocked" in str(error):
                    self.blocked = True
                    return
                self.errors.append(error)
                time.sleep(0.05)
            step += 1
            time.sleep(self.pause)

    def stop(self):
        self.stopping.set()
        self.join(40)
        self.client.close()

    def count(self):
        self.attempted += 1
        self.database.counters.update_one({"_id": self.number}, {"$inc": {"n": 1}}, upsert=True)
        self.acknowledged += 1

    def kinds(self):
        return (self.insert, self.set_field, self.push, self.unset_then_set, self.reorder, self.replace, self.delete,
                self.retype_id, self.transaction, self.multi, self.hand_over)

    def some_id(self):
        return f"{self.number}-{self.random.randrange(60)}"

    def insert(self, step):
        self.database.items.replace_one({"_id": self.some_id()}, {"a": step, "b": {"c": [1, 2.0, step]}, "z": "x" * 50},
                                        upsert=True)
        self.database.journal.insert_one({"writer": self.number, "step": step})

    def set_field(self, step):
        self.database.items.update_one({"_id": self.some_id()}, {"$set": {"b.d": step, "a": float(step)}})

    def push(self, step):
        self.database.items.update_one({"_id": self.some_id()},
                                       {"$push": {"list": {"$each": [step], "$slice": -self.random.randrange(1, 6)}}})

    def unset_then_set(self, _step):
        key = {"_id": self.some_id()}
        self.database.items.update_one(key, {"$unset": {"a": 1}})
        self.database.items.update_one(key, {"$set": {"a": 1}})

    def reorder(self, step):
        self.database.items.update_one({"_id": self.some_id()},
                                       [{"$unset": "b"}, {"$set": {"b": {"second": step, "first": "$a"}}}])

    def replace(self, step):
        self.database.items.replace_one({"_id": self.some_id()}, {"z": step, "a": "replaced"})

    def delete(self, _step):
        self.database.items.delete_one({"_id": self.some_id()})

    def retype_id(self, step):
        number = 1000 * self.number + self.random.randrange(5)
        self.database.items.delete_one({"_id": number})
        self.database.items.insert_one({"_id": float(number) if step % 2 else number, "step": step})

    def transaction(self, step):
        with self.client.start_session() as session, session.start_transaction():
            self.database.items.update_one({"_id": self.some_id()}, {"$set": {"t": step}}, upsert=True, session=session)
            self.database.journal.insert_one({"writer": self.number, "t": step}, session=session)

    def multi(self, step):
        self.database.items.update_many({"_id": {"$in": [self.some_id() for _ in range(4)]}}, {"$inc": {"many": step}})

    def hand_over(self, step):
        """A unique value moves between two documents, and back the other way."""
        owners = self.database.owners
        mine = {"_id": {"$in": [f"{self.number}-{n}" for n in range(4)]}}
        values = {one["_id"]: one["u"] for one in owners.find(mine)}
        if len(values) < 4:
            for n in range(4):
                owners.update_one({"_id": f"{self.number}-{n}"}, {"$setOnInsert": {"u": f"value {self.number}-{n}"}}, upsert=True)
            return
        left, right = self.random.sample(sorted(values), 2)
        owners.update_one({"_id": left}, {"$set": {"u": f"on its way {self.number} {step}"}})
        owners.update_one({"_id": right}, {"$set": {"u": values[left]}})
        owners.update_one({"_id": left}, {"$set": {"u": values[right]}})


class Writers:
    """Several at once; `with Writers(...) as writers:` stops them at the end."""

    def __init__(self, uri, count=4, database="e2e_live", **options):
        client = pymongo.MongoClient(uri)
        for name in ("items", "journal", "counters"):  # transactions before 4.4 cannot create collections
            if name not in client[database].list_collection_names():
                client[database].create_collection(name)
        client[database].owners.create_index("u", unique=True)
        client.close()
        self.all = [Writer(uri, database, number, **options) for number in range(count)]

    def __enter__(self):
        for writer in self.all:
            writer.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for writer in self.all:
            writer.stopping.set()
        for writer in self.all:
            writer.stop()

    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.all)

    def lost(self, client, database="e2e_live"):
        """Sentences about acknowledged increments that the deployment does not have."""
        counters = {document["_id"]: document["n"] for document in client[database].counters.find()}
        return [f"writer {w.number}: {w.acknowledged} acknowledged, {counters.get(w.number, 0)} found"
                for w in self.all if not w.acknowledged <= counters.get(w.number, 0) <= w.attempted]
