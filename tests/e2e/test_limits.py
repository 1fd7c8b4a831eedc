"""The server's limits: what is just within them is taken, what is just over them is refused with the server's error, and nobody
is harmed."""
import concurrent.futures
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time

import bson
import pymongo
from pymongo.errors import OperationFailure, WriteConcernError

from harness import raw
from harness.case import DroverTest
from harness.process import eventually
from harness.report import NotRun

MAX_DOCUMENT = 16 * 1024 * 1024
MAX_MESSAGE = 48_000_000
MAX_BATCH = 100_000
MAX_DEPTH = 180  # of documents that are stored
MAX_COMMAND_DEPTH = 200
MAX_INDEXES = 64
MAX_INDEX_FIELDS = 32


def nested(depth):
    document = {}
    for _ in range(depth - 1):
        document = {"a": document}
    return document


class Limits(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        self.source = self.cluster("source")
        self.db = self.source.client().limits

    def assert_refused(self, code, text, command, *arguments, **options):
        with self.assertRaises(OperationFailure) as raised:
            self.db.command(command, *arguments, **options)
        self.assertEqual(raised.exception.code, code, raised.exception)
        self.assertRegex(str(raised.exception), text)

    def assert_write_refused(self, code, text, **command):
        reply = self.db.command(command)
        self.assertEqual(reply["n"], 0)
        self.assertEqual(reply["writeErrors"][0]["code"], code, reply)
        self.assertRegex(reply["writeErrors"][0]["errmsg"], text)

    def test_documents_of_16_megabytes(self):
        overhead = len(bson.encode({"_id": 1, "x": ""}))
        self.db.items.insert_one({"_id": 1, "x": "x" * (MAX_DOCUMENT - overhead)})
        self.assertEqual(len(bson.encode(self.db.items.find_one())), MAX_DOCUMENT)
        self.assert_write_refused(2, "object to insert too large", insert="items", documents=[{"_id": 2, "x": "x" * MAX_DOCUMENT}])
        with self.assertRaises(OperationFailure):
            self.db.items.update_one({"_id": 1}, {"$set": {"y": 1}})
        self.assertEqual(self.db.items.count_documents({}), 1)

    def test_messages_of_48_megabytes(self):
        documents = [{"_id": number, "x": "x" * (MAX_DOCUMENT - 100)} for number in range(2)]
        used = sum(len(bson.encode(document)) for document in documents)
        documents.append({"_id": 2, "x": "x" * (MAX_MESSAGE - used - 400)})
        largest = raw.message({"insert": "items", "$db": "limits"}, [("documents", [bson.encode(document) for document in documents])])
        self.assertLessEqual(len(largest), MAX_MESSAGE)
        with socket.create_connection(("127.0.0.1", self.source.port), timeout=60) as sock:
            sock.sendall(largest)
            self.assertEqual(bson.decode(raw.read_message(sock)[21:])["n"], 3)

    def test_batches_of_100000(self):
        reply = self.db.command("insert", "items", documents=[{"_id": number} for number in range(MAX_BATCH)])
        self.assertEqual(reply["n"], MAX_BATCH)
        self.assert_refused(16, "Write batch sizes must be between 1 and 100000. Got 100001 operations.", "insert", "items",
                            documents=[{} for _ in range(MAX_BATCH + 1)])

    def test_nesting(self):
        # An empty document at the bottom does not count.
        self.db.items.insert_one({"_id": 1, **nested(MAX_DEPTH + 1)})
        self.assert_write_refused(15, "nesting", insert="items", documents=[{"_id": 2, **nested(MAX_DEPTH + 2)}])
        self.assert_write_refused(15, "nesting", update="items", updates=[{"q": {"_id": 1}, "u": {"$set": {"b": nested(MAX_DEPTH + 1)}}}])
        self.assert_write_refused(15, "nesting", update="items", updates=[{"q": {"_id": 1}, "u": {"b": nested(MAX_DEPTH + 1)}}])
        self.assert_refused(15, "BSONObj exceeds maximum nested object depth", "insert", "items", documents=[{"_id": 2, **nested(MAX_COMMAND_DEPTH + 2)}])
        self.assertEqual(list(self.db.items.find()), [{"_id": 1, **nested(MAX_DEPTH + 1)}])

    def test_names_of_namespaces(self):
        longest = "c" * (255 - len("limits."))
        self.db.create_collection(longest)
        self.db[longest].insert_one({})
        self.assert_refused(73, "too long", "create", longest + "c")
        self.assert_write_refused(73, "too long", insert=longest + "c", documents=[{}])
        self.assertEqual(self.db.list_collection_names(), [longest])
        self.assert_refused(73, "nvalid", "create", "a$b")
        with self.assertRaises(OperationFailure):
            self.source.client()["d" * 64].command("create", "items")

    def test_indexes(self):
        self.db.items.insert_one({"_id": 1, "long": "x" * 5000})
        for number in range(MAX_INDEXES - 1):
            self.db.items.create_index(f"a{number}")
        self.assert_refused(67, "too many indexes", "createIndexes", "items", indexes=[{"key": {"z": 1}, "name": "z"}])
        self.db.items.drop_indexes()
        self.db.items.create_index("long")  # keys have had no limit since 4.2
        self.assertEqual(self.db.items.find_one({"long": "x" * 5000}, hint="long_1")["_id"], 1)
        self.db.items.create_index([(f"f{number}", 1) for number in range(MAX_INDEX_FIELDS)], name="widest")
        self.assert_refused(13103, "too many compound keys", "createIndexes", "items",
                            indexes=[{"key": {f"f{number}": 1 for number in range(MAX_INDEX_FIELDS + 1)}, "name": "wider"}])


def large(number):
    """A document of half a megabyte, whose bytes lie beside the keys, and that says whether it is whole."""
    bytes_of_it = os.urandom(500_000)
    return {"_id": number, "sum": hashlib.sha256(bytes_of_it).digest(), "x": bytes_of_it}


class FullDisk(DroverTest):
    """A small disk of its own, which root may mount."""
    sandbox_only = True
    once = True
    disk_mb = 96

    def setUp(self):
        if os.geteuid() != 0:
            raise NotRun("root, to mount a small disk")
        self.disk = tempfile.mkdtemp(prefix="drover-small-disk-")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.disk_mb}m", "drover", self.disk], capture_output=True).returncode != 0:
            shutil.rmtree(self.disk)
            raise NotRun("the right to mount a small disk")
        super().setUp()
        self.addCleanup(shutil.rmtree, self.disk, ignore_errors=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)
        self.addCleanup(self.source.close)

    def start_clusters(self):
        os.symlink(self.disk, os.path.join(self.directory, "source data"))
        self.source = self.cluster("source", options=["--oplog-size", "16MB"])

    def insert_until_full(self, collection):
        """Ids that were acknowledged, and the refusal. One that is there, and only could not be made durable, is among them."""
        acknowledged = []
        for number in range(self.disk_mb * 4):
            try:
                collection.insert_one(large(number))
            except pymongo.errors.PyMongoError as error:
                return acknowledged + [number] * isinstance(error, WriteConcernError), error
            acknowledged.append(number)
        self.fail("the disk never became full")

    def assert_whole(self, collection):
        damaged = [item["_id"] for item in collection.find({"sum": {"$exists": True}}) if hashlib.sha256(item["x"]).digest() != item["sum"]]
        self.assertEqual(damaged, [], "documents that are not as they were written")

    def test_is_a_clear_error_and_no_damage(self):
        client = self.source.client(w="majority", journal=True, retryWrites=False, socketTimeoutMS=60000)
        collection = client.full.items
        acknowledged, error = self.insert_until_full(collection)
        self.assertIsInstance(error, OperationFailure)
        self.assertEqual(error.code, 14031, error)
        self.assertRegex(str(error), "(?i)space")
        self.assert_whole(collection)
        self.assertTrue(self.source.process.running(), self.source.process.tail())
        self.assertEqual([item["_id"] for item in collection.find({}, {"_id": 1}).sort("_id", 1)], acknowledged)
        # Space again: it goes on without being started anew.
        subprocess.run(["mount", "-o", f"remount,size={self.disk_mb * 4}m", self.disk], check=True)

        def writes():
            try:
                return collection.insert_one({"_id": "after"}).acknowledged
            except OperationFailure as again:
                self.assertEqual(again.code, 14031)
                return False
        eventually(writes, 60, "a write once there was space")
        self.source.restart()
        collection = self.source.client().full.items
        self.assertEqual([item["_id"] for item in collection.find({"_id": {"$type": "int"}}, {"_id": 1}).sort("_id", 1)], acknowledged)
        self.assertEqual(collection.count_documents({}), len(acknowledged) + 1)
        self.assert_whole(collection)
        self.assertTrue(collection.database.command("validate", "items")["valid"])

    def test_many_writers_who_do_not_wait_for_the_journal(self):
        """The journal goes to disk beside them, ten times a second, also when a write of theirs has just failed."""
        def write(number):
            collection = self.source.client(w=1, retryWrites=False, socketTimeoutMS=60000).full[f"of {number}"]
            acknowledged, error = self.insert_until_full(collection)
            return collection, acknowledged, error

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            done = list(pool.map(write, range(4)))
        for _, _, error in done:
            self.assertIsInstance(error, OperationFailure)
            self.assertEqual(error.code, 14031, error)
        # And it goes on; what is merged meanwhile, or leaves the oplog, makes room for one now and then.
        for number in range(20):
            self.assertTrue(self.source.process.running(), self.source.process.tail())
            try:
                done[0][0].insert_one({"_id": f"more {number}", "x": os.urandom(500_000)})
            except OperationFailure as refused:
                self.assertEqual(refused.code, 14031, refused)
            else:
                done[0][1].append(f"more {number}")
            time.sleep(0.1)
        for collection, acknowledged, _ in done:
            self.assertEqual(collection.count_documents({}), len(acknowledged))
            self.assert_whole(collection)
        subprocess.run(["mount", "-o", f"remount,size={self.disk_mb * 4}m", self.disk], check=True)

        def writes():
            try:
                return done[0][0].insert_one({"_id": "after"}).acknowledged
            except OperationFailure as again:
                self.assertEqual(again.code, 14031)
                return False
        eventually(writes, 60, "a write once there was space")


class FullSmallerDisk(FullDisk):
    """Another file is the first that finds no space."""
    disk_mb = 60
