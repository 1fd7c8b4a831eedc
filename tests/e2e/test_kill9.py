"""kill -9 of the sandbox in the midst of writes, again and again: nothing acknowledged is lost, nothing is damaged.

KILLS says how often (default 3; `make kill9` does 50)."""
import glob
import os
import random
import threading
import time

import pymongo
from pymongo.errors import PyMongoError

from harness.case import DroverTest
from harness.process import eventually

KILLS = int(os.environ.get("KILLS", "3"))
WRITERS = 4
ACCOUNTS = 10
BALANCE = 100
# It may grow to 256 MB before all write buffers are flushed for it.
FULL_JOURNAL = 200 << 20
RESTART_SECONDS = 10


class Writer:
    """Inserts numbered documents, counts in one of its own, and moves amounts between accounts in transactions."""

    def __init__(self, uri, name):
        self.uri, self.name = uri, name
        self.next_id = 0
        self.acknowledged = []  # ids of inserts whose acknowledgement arrived
        self.counted = 0        # acknowledged increments
        self.tried = 0          # increments that may have happened
        self.errors = []

    def run(self, stop):
        client = pymongo.MongoClient(self.uri, w="majority", journal=True, retryWrites=False,
                                     serverSelectionTimeoutMS=2000, socketTimeoutMS=20000)
        try:
            while not stop.is_set():
                self.step(client)
        except PyMongoError:
            pass  # the server is gone
        finally:
            client.close()

    def step(self, client):
        database = client.kill9
        ids = [f"{self.name}-{self.next_id + i}" for i in range(random.choice((1, 1, 20)))]
        self.next_id += len(ids)
        database.items.insert_many([{"_id": i, "unique": f"u{i}", "pad": "x" * random.randrange(600)} for i in ids])
        self.acknowledged.extend(ids)
        self.tried += 1
        database.counters.update_one({"_id": self.name}, {"$inc": {"n": 1}})
        self.counted += 1
        self.move(client)

    def move(self, client):
        """Within one writer's own accounts, so that writers do not meet."""
        payer, payee = random.sample(range(ACCOUNTS), 2)
        accounts = client.kill9.accounts
        with client.start_session() as session, session.start_transaction():
            accounts.update_one({"_id": f"{self.name}-{payer}"}, {"$inc": {"balance": -1}}, session=session)
            accounts.update_one({"_id": f"{self.name}-{payee}"}, {"$inc": {"balance": 1}}, session=session)


def write_until_killed(test, writers, written, enough):
    """Kills the source at a random moment once `written()` has risen by more than `enough`."""
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=(stop,)) for writer in writers]
    before = written()
    for thread in threads:
        thread.start()
    eventually(lambda: written() > before + enough, 120, "acknowledged writes")
    time.sleep(random.random() / 2)
    test.source.kill()
    stop.set()
    for thread in threads:
        thread.join(60)
        test.assertFalse(thread.is_alive(), "a writer hangs after the server was killed")


class KilledUnderLoad(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        self.source = self.cluster("source")

    def test_loses_no_acknowledged_write_and_damages_nothing(self):
        client = self.source.client()
        client.kill9.items.create_index("unique", unique=True)
        writers = [Writer(self.source.plain_uri, f"w{number}") for number in range(WRITERS)]
        client.kill9.counters.insert_many([{"_id": writer.name, "n": 0} for writer in writers])
        client.kill9.accounts.insert_many([{"_id": f"{writer.name}-{i}", "balance": BALANCE} for writer in writers for i in range(ACCOUNTS)])
        client.close()
        for kill in range(KILLS):
            write_until_killed(self, writers, lambda: sum(len(writer.acknowledged) for writer in writers), 40)
            self.source.start()
            client = self.source.client()
            with self.subTest(kill=kill):
                self.check(client, writers)
            client.close()

    def check(self, client, writers):
        database = client.kill9
        found = {item["_id"] for item in database.items.find({}, {"_id": 1})}
        for writer in writers:
            self.assertEqual([i for i in writer.acknowledged if i not in found], [], "acknowledged inserts are lost")
            count = database.counters.find_one({"_id": writer.name})["n"]
            self.assertTrue(writer.counted <= count <= writer.tried, f"{writer.counted} acknowledged, {count} stored, {writer.tried} tried")
            writer.counted = writer.tried = count
        balances = [account["balance"] for account in database.accounts.find()]
        self.assertEqual(sum(balances), BALANCE * ACCOUNTS * len(writers), "half a transaction is there")
        by_index = {item["_id"] for item in database.items.find({"unique": {"$gte": ""}}).hint("unique_1")}
        self.assertEqual(by_index, found, "the index and the records differ")
        self.assertEqual(database.items.count_documents({}), database.items.estimated_document_count(), "the counters and the records differ")
        self.assertTrue(database.command("validate", "items")["valid"])

    def test_starts_again_in_seconds_with_a_full_journal(self):
        client = self.source.client()
        items, pad = client.kill9.items, os.urandom(500).hex()
        items.create_index("k")
        written = 0
        while self.journal_bytes() < FULL_JOURNAL:
            self.assertLess(written, 1_000_000, f"{written} documents, and no more than {self.journal_bytes()} bytes of journal")
            items.insert_many([{"_id": written + i, "k": random.random(), "pad": pad} for i in range(1000)])
            written += 1000
        client.close()
        self.source.kill()
        began = time.monotonic()
        self.source.start()
        client = self.source.client()
        self.assertEqual(client.kill9.items.count_documents({}), written)
        took = time.monotonic() - began
        client.close()
        self.assertLess(took, RESTART_SECONDS, f"a start with {FULL_JOURNAL >> 20} MB of journal")

    def journal_bytes(self):
        pattern = os.path.join(glob.escape(self.source.directory), f"{self.source.name} data", "**", "*.log")
        return sum(os.path.getsize(path) for path in glob.glob(pattern, recursive=True))


class LargeWriter:
    """Inserts and replaces documents of 150 KB to 1 MB, whose bytes follow from their id and version."""

    IDS = 12

    def __init__(self, uri, name):
        self.uri, self.name = uri, name
        self.acknowledged = {}  # id: the version whose acknowledgement arrived
        self.tried = {}         # id: the last version that may be there

    @staticmethod
    def pad(key, version):
        source = random.Random(f"{key} {version}")
        return source.randbytes(source.randrange(150_000, 1_000_000))

    def run(self, stop):
        client = pymongo.MongoClient(self.uri, w="majority", journal=True, retryWrites=False,
                                     serverSelectionTimeoutMS=2000, socketTimeoutMS=20000)
        try:
            while not stop.is_set():
                key = f"{self.name}-{random.randrange(self.IDS)}"
                version = self.tried.get(key, 0) + 1
                self.tried[key] = version
                client.kill9.large.replace_one({"_id": key}, {"version": version, "pad": self.pad(key, version)}, upsert=True)
                self.acknowledged[key] = version
        except PyMongoError:
            pass  # the server is gone
        finally:
            client.close()


class KilledWithLargeDocuments(DroverTest):
    """Large values lie in files of their own; what is overwritten leaves them when keys are merged."""
    sandbox_only = True

    def start_clusters(self):
        # The least memory: small write buffers, which are flushed often. And little oplog, whose entries are as large.
        self.source = self.cluster("source", options=["--memory", "512MB", "--oplog-size", "64MB"])

    def test_loses_and_damages_none(self):
        writers = [LargeWriter(self.source.plain_uri, f"w{number}") for number in range(2)]
        for kill in range(KILLS):
            write_until_killed(self, writers, lambda: sum(sum(writer.acknowledged.values()) for writer in writers), 60)
            self.source.start()
            with self.subTest(kill=kill):
                self.check(writers)
        self.assertTrue(glob.glob(os.path.join(glob.escape(self.source.directory), f"{self.source.name} data", "**", "*.blob"), recursive=True), "no large values of their own")

    def check(self, writers):
        client = self.source.client()
        found = {item["_id"]: item for item in client.kill9.large.find()}
        for writer in writers:
            for key, tried in writer.tried.items():
                acknowledged = writer.acknowledged.get(key, 0)
                version = found[key]["version"] if key in found else 0
                self.assertTrue(acknowledged <= version <= tried, f"{key}: {acknowledged} acknowledged, {version} stored, {tried} tried")
                self.assertTrue(version == 0 or found[key]["pad"] == writer.pad(key, version), f"{key} is not as it was written")
                writer.tried[key] = writer.acknowledged[key] = version
        self.assertTrue(client.kill9.command("validate", "large")["valid"])
        client.close()
