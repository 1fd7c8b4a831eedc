"""The process stays under --memory, whatever its clients do at once: large scans, sorts, groups, writes of many megabytes,
cursors left open, replies that nobody reads, messages that never end. What counts is the largest number of resident pages that the
system has seen, those of the program's own files with them.

MEMORY_DATA_MB (of documents), MEMORY_CONNECTIONS, MEMORY_SECONDS and MEMORY_MB say how large it is done, MEMORY_HUGE_CLIENTS and
MEMORY_HUGE_SECONDS how many clients for how long have nothing but documents of 15 MB; `make memory` does it with 10 GB and 1,000
connections, and with 40."""
import asyncio
import os
import random
import shutil
import struct

import bson

from harness import raw
from harness.case import DroverTest
from harness.report import NotRun

DATA_MB = int(os.environ.get("MEMORY_DATA_MB", "200"))
CONNECTIONS = int(os.environ.get("MEMORY_CONNECTIONS", "200"))
SECONDS = int(os.environ.get("MEMORY_SECONDS", "40"))
MEMORY_MB = int(os.environ.get("MEMORY_MB", "512"))
HUGE_CLIENTS = int(os.environ.get("MEMORY_HUGE_CLIENTS", "16"))
HUGE_SECONDS = int(os.environ.get("MEMORY_HUGE_SECONDS", "20"))
HUGE_BYTES = 15_000_000
HUGE_DOCUMENTS = 12
DOCUMENT_BYTES = 4096
LARGE_BYTES = 4 << 20
LOADERS = 4
PAD = random.Random(1).randbytes(LARGE_BYTES)  # of every large document: a thousand clients share this process's memory
HUGE_PAD = (PAD * 4)[:HUGE_BYTES]
SENT_AT_ONCE = 64 << 10
FACET_DOCUMENTS = 20_000  # so that one command takes as long whatever the size of the database
PATIENCE_SECONDS = 60     # for what is under way when the time is over
# What a server that is out of its memory may answer; anything else is a fault.
REFUSALS = {
    16819, 16945, 146, 292, 5943500, 39,  # a stage over its share
    112, 251,                             # a transaction that lost
    24,                                   # a transaction that could not wait for memory
    286,                                  # a stream behind a small oplog
}


class Client:
    """One connection. What it reads is thrown away but for its beginning and, of small replies, the rest."""

    def __init__(self, reader, writer, port, number):
        self.reader, self.writer, self.port, self.random = reader, writer, port, random.Random(number)
        self.number, self.next_id = number, number << 40
        self.outcomes = {}

    @classmethod
    async def connect(cls, port, number):
        return cls(*await asyncio.open_connection("127.0.0.1", port), port, number)

    async def run(self, body, sequences=()):
        self.writer.write(raw.message({**body, "$db": "load"}, sequences))
        await self.writer.drain()
        return await self.reply()

    async def reply(self):
        """The reply without its documents: its cursor id, ok and code."""
        size, = struct.unpack("<i", await self.reader.readexactly(4))
        left, kept = size - 4, b""
        while left:
            part = await self.reader.readexactly(min(left, 1 << 16))
            left -= len(part)
            kept = (kept + part)[-400:] if size > 65536 else kept + part
        if size <= 65536:
            return bson.decode(kept[17:])
        # A reply with documents ends in {..., id, ns}, ok, $clusterTime, operationTime.
        at = kept.rfind(b"\x12id\x00")
        return {"ok": 1.0, "cursor": {"id": struct.unpack("<q", kept[at + 4:at + 12])[0] if at >= 0 else 0}}

    def note(self, what, reply):
        if reply["ok"] != 1.0 and reply.get("code") not in REFUSALS:
            raise AssertionError(f"{what}: {reply.get('code')} {reply.get('errmsg')}")
        key = what, reply.get("code", 0)
        self.outcomes[key] = self.outcomes.get(key, 0) + 1

    # ---- what clients do

    async def scan(self):
        reply = await self.run({"find": "items", "filter": {"n": {"$gte": self.random.random()}}, "batchSize": 1000000})
        self.note("scan", reply)
        for _ in range(3):
            cursor = reply.get("cursor", {}).get("id", 0)
            if not cursor:
                return
            reply = await self.run({"getMore": bson.Int64(cursor), "collection": "items"})
            self.note("getMore", reply)
        if cursor := reply.get("cursor", {}).get("id", 0):
            await self.run({"killCursors": "items", "cursors": [bson.Int64(cursor)]})

    async def leave_open(self):
        """A cursor that is begun and left; the server ends it when its client is long gone."""
        reply = await self.run({"find": "items", "batchSize": 10, "sort": self.random.choice(({}, {"n": 1}, {"_id": -1}))})
        self.note("open", reply)
        reply = await self.run({"aggregate": "items", "pipeline": [{"$match": {"k": self.random.randrange(100)}}], "cursor": {"batchSize": 2}})
        self.note("open aggregate", reply)

    async def sort(self):
        self.note("sort", await self.run({"find": "items", "sort": {"x": 1}, "batchSize": 5, "singleBatch": True}))

    async def group(self):
        self.note("group", await self.run({"aggregate": "items", "pipeline": [
            {"$group": {"_id": "$_id", "all": {"$push": "$$ROOT"}}}], "cursor": {"batchSize": 5}}))

    async def facet(self):
        self.note("facet", await self.run({"aggregate": "items", "pipeline": [
            {"$match": {"k": {"$lt": 30}}}, {"$limit": FACET_DOCUMENTS}, {"$facet": {"a": [{"$sort": {"x": 1}}, {"$limit": 2000}], "b": [{"$group": {"_id": "$x"}}, {"$count": "n"}]}}], "cursor": {}}))

    def documents(self, count, size):
        made = []
        for _ in range(count):
            self.next_id += 1
            made.append(bson.encode({"_id": self.next_id, "k": self.random.randrange(100), "pad": self.random.randbytes(size // 2) * 2}))
        return made

    async def insert(self):
        self.note("insert", await self.run({"insert": "more"}, [("documents", self.documents(500, DOCUMENT_BYTES))]))

    def large_insert(self, count):
        """A message with large documents, in pieces of which the large one is shared: what waits for the server takes no memory here."""
        pieces, size = [], 0
        for _ in range(count):
            self.next_id += 1
            small = bson.encode({"_id": self.next_id, "k": self.random.randrange(100), "pad": b""})
            # Behind the name of `pad` come its length, its subtype and the document's end.
            pieces += [struct.pack("<i", len(small) + len(PAD)) + small[4:-6] + struct.pack("<iB", len(PAD), 0), PAD, b"\0"]
            size += len(small) + len(PAD)
        body = b"\0" + bson.encode({"insert": "more", "$db": "load"})
        section = b"\1" + struct.pack("<i", 4 + len(b"documents\0") + size) + b"documents\0"
        header = struct.pack("<iiiiI", 20 + len(body) + len(section) + size, 1, 0, 2013, 0)
        return [header + body + section, *pieces]

    async def send(self, pieces):
        for piece in pieces:
            for at in range(0, len(piece), SENT_AT_ONCE):
                self.writer.write(piece[at:at + SENT_AT_ONCE])
                await self.writer.drain()

    async def insert_large(self):
        await self.send(self.large_insert(6))
        self.note("insert large", await self.reply())

    async def update(self):
        low = self.random.randrange(90)
        self.note("update", await self.run({"update": "items", "updates": [
            {"q": {"k": low}, "u": {"$inc": {"touched": 1}}, "multi": False} for _ in range(20)]}))

    async def read_nothing(self):
        """Asks for much and does not read it for a while."""
        self.writer.write(raw.message({"find": "items", "batchSize": 1000000, "singleBatch": True, "$db": "load"}))
        await self.writer.drain()
        await asyncio.sleep(self.random.random() * 3)
        self.note("read late", await self.reply())

    async def stop_in_the_midst(self):
        """Half a message of many megabytes, the rest of it much later."""
        pieces = self.large_insert(2)
        await self.send(pieces[:4])
        await asyncio.sleep(self.random.random() * 3)
        await self.send(pieces[4:])
        self.note("sent late", await self.reply())

    def kinds(self):
        return [self.scan, self.leave_open, self.sort, self.group, self.facet, self.insert, self.insert_large, self.update,
                self.read_nothing, self.stop_in_the_midst]

    def pick(self, kinds):
        return self.random.choice(kinds)

    async def live(self, until):
        loop = asyncio.get_running_loop()
        kinds = self.kinds()
        try:
            while loop.time() < until:
                try:
                    await self.pick(kinds)()
                except (ConnectionError, asyncio.IncompleteReadError):
                    # Who stands still while others wait for memory is cut off, and a thousand clients in one process do stand still.
                    self.note("cut off", {"ok": 1.0})
                    self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        finally:
            self.writer.close()


class HugeClient(Client):
    """One that has nothing but the largest documents."""

    def pick(self, kinds):
        """In turn: however slow the machine, each kind is somebody's first."""
        self.number += 1
        return kinds[self.number % len(kinds)]

    def a_huge_one(self):
        return self.random.randrange(HUGE_DOCUMENTS)

    async def with_document(self, body, sequence, make):
        """Sends a message whose one document, `make(pad)` of an empty pad, has a huge one."""
        self.next_id += 1
        small, pad = bson.encode(make(b"")), HUGE_PAD
        at = small.index(b"\x05pad\0") + 5  # behind it: length, subtype
        grown = [struct.pack("<i", len(small) + len(pad)) + small[4:at] + struct.pack("<iB", len(pad), 0), pad, small[at + 5:]]
        section = b"\1" + struct.pack("<i", 4 + len(sequence) + 1 + len(small) + len(pad)) + sequence.encode() + b"\0"
        head = b"\0" + bson.encode({**body, "$db": "load"})
        size = 20 + len(head) + len(section) + len(small) + len(pad)
        await self.send([struct.pack("<iiiiI", size, 1, 0, 2013, 0) + head + section, *grown])
        return await self.reply()

    async def insert(self):
        self.note("insert", await self.with_document({"insert": "huge"}, "documents", lambda pad: {"_id": self.next_id, "k": 1, "pad": pad}))
        self.note("delete", await self.run({"delete": "huge", "deletes": [{"q": {"_id": self.next_id}, "limit": 1}]}))

    async def get(self):
        self.note("get", await self.run({"find": "huge", "filter": {"_id": self.a_huge_one()}}))

    async def scan(self):
        reply = await self.run({"find": "huge", "batchSize": 1000})
        self.note("scan", reply)
        if cursor := reply.get("cursor", {}).get("id", 0):
            self.note("getMore", await self.run({"getMore": bson.Int64(cursor), "collection": "huge"}))

    async def leave_open(self):
        pipeline = [{"$match": {"k": {"$gte": 0}}}, {"$addFields": {"more": 1}}]
        self.note("open aggregate", await self.run({"aggregate": "huge", "pipeline": pipeline, "cursor": {"batchSize": 2}}))

    async def sort(self):
        self.note("sort", await self.run({"find": "huge", "sort": {"x": 1}, "singleBatch": True, "projection": {"x": 1}}))

    async def group(self):
        self.note("group", await self.run({"aggregate": "huge", "pipeline": [{"$group": {"_id": None, "all": {"$push": "$$ROOT"}}}], "cursor": {}}))

    async def count(self):
        self.note("count", await self.run({"aggregate": "huge", "pipeline": [{"$match": {"x": {"$gte": 0}}}, {"$count": "n"}], "cursor": {}}))

    async def update(self):
        self.note("update", await self.run({"update": "huge", "updates": [{"q": {"_id": self.a_huge_one()}, "u": {"$set": {"x": self.random.random()}}}]}))

    async def update_by_scan(self):
        self.note("update by scan", await self.run({"update": "huge", "updates": [{"q": {"x": {"$gte": 0}}, "u": {"$inc": {"n": 1}}, "multi": True}]}))

    async def modify(self):
        self.note("modify", await self.run({"findAndModify": "huge", "query": {"_id": self.a_huge_one()}, "update": {"$set": {"x": self.random.random()}}, "new": True}))

    async def transact(self):
        session = {"lsid": {"id": bson.Binary(self.random.randbytes(16), 4)}, "txnNumber": bson.Int64(1), "autocommit": False}
        reply = await self.run({"find": "huge", "filter": {"_id": self.a_huge_one()}, **session, "startTransaction": True})
        self.note("find in transaction", reply)
        if reply["ok"] == 1.0:
            reply = await self.run({"update": "huge", "updates": [{"q": {"_id": self.a_huge_one()}, "u": {"$set": {"x": 1}}}], **session})
            self.note("update in transaction", reply)
        if reply["ok"] == 1.0:
            self.writer.write(raw.message({"commitTransaction": 1, **session, "$db": "admin"}))
            await self.writer.drain()
            self.note("commit", await self.reply())

    async def watch(self):
        reply = await self.run({"aggregate": "huge", "pipeline": [{"$changeStream": {"fullDocument": "updateLookup"}}], "cursor": {}})
        self.note("watch", reply)
        for _ in range(3):
            if not (cursor := reply.get("cursor", {}).get("id")):
                return
            reply = await self.run({"getMore": bson.Int64(cursor), "collection": "huge", "maxTimeMS": 500})
            self.note("watched", reply)

    def kinds(self):
        return [self.insert, self.get, self.scan, self.leave_open, self.sort, self.group, self.count, self.update, self.update_by_scan, self.modify,
                self.transact, self.watch]


async def load_huge(port):
    client = await HugeClient.connect(port, 1)
    for number in range(HUGE_DOCUMENTS):
        client.note("load", await client.with_document({"insert": "huge"}, "documents", lambda pad: {"_id": number, "k": number, "x": 0.1, "pad": pad}))
    client.writer.close()


async def load(port, megabytes):
    """Documents that do not compress."""
    async def worker(number):
        client = await Client.connect(port, number + 1)
        for _ in range(megabytes // LOADERS):
            documents = []
            for _ in range((1 << 20) // DOCUMENT_BYTES):
                client.next_id += 1
                documents.append(bson.encode({"_id": client.next_id, "k": client.random.randrange(100), "n": client.random.random(),
                                              "x": client.random.randbytes(8), "pad": client.random.randbytes(DOCUMENT_BYTES - 100)}))
            client.note("load", await client.run({"insert": "items"}, [("documents", documents)]))
        client.writer.close()
    await asyncio.gather(*(worker(number) for number in range(LOADERS)))


async def crowd(port, kind, connections, seconds):
    until = asyncio.get_running_loop().time() + seconds
    clients = [await kind.connect(port, 1000 + number) for number in range(connections)]
    lives = [asyncio.ensure_future(client.live(until)) for client in clients]
    # Most of them wait for their turn at any time: they are not waited for, their connections end in the midst of it.
    done, waiting = await asyncio.wait(lives, timeout=seconds + PATIENCE_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
    for life in waiting:
        life.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for life in done:
        life.result()
    total = {("left waiting", 0): len(waiting)} if waiting else {}
    for client in clients:
        for key, count in client.outcomes.items():
            total[key] = total.get(key, 0) + count
    return total


class UnderItsMemory(DroverTest):
    sandbox_only = True
    once = True

    def setUp(self):
        # On a disk: what lies in memory would be counted twice.
        if shutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free < (DATA_MB << 20) * 4:
            raise NotRun(f"{DATA_MB * 4} MB of disk")
        super().setUp()

    def start_clusters(self):
        self.source = self.cluster("source", options=["--memory", f"{MEMORY_MB}MB", "--oplog-size", f"{max(DATA_MB // 10, 64)}MB"])

    def resident(self):
        """Megabytes: the peak, the present, and of that the files that are mapped (the program itself)."""
        with open(f"/proc/{self.source.process.pid}/status", encoding="ascii") as file:
            fields = dict(line.split(":", 1) for line in file if line.startswith(("VmHWM", "VmRSS", "RssFile")))
        return tuple(int(fields[name].split()[0]) >> 10 for name in ("VmHWM", "VmRSS", "RssFile"))

    def test_with_many_connections_and_much_data(self):
        client = self.source.client()
        client.load.items.create_index("k")
        print(f"memory: {self.resident()[1]} MB resident at the start", flush=True)
        asyncio.run(load(self.source.port, DATA_MB))
        print(f"memory: {DATA_MB} MB loaded, {self.resident()[0]} MB resident at most", flush=True)
        self.stays_under(Client, CONNECTIONS, SECONDS, ("scan", "sort", "group", "insert", "insert large", "update", "read late", "sent late"))
        self.assertEqual(client.load.command("ping")["ok"], 1.0)

    def test_with_documents_of_many_megabytes(self):
        asyncio.run(load_huge(self.source.port))
        outcomes = self.stays_under(HugeClient, HUGE_CLIENTS, HUGE_SECONDS, ("sort", "group"))
        for what in ("insert", "get", "scan", "count", "update", "update by scan", "modify", "find in transaction", "watched"):
            self.assertTrue(outcomes.get((what, 0)), f"{what} never went well")
        documents = self.source.client().load.huge
        self.assertEqual([len(document["pad"]) for document in documents.find({"_id": {"$lt": HUGE_DOCUMENTS}})], [HUGE_BYTES] * HUGE_DOCUMENTS)

    def stays_under(self, kind, connections, seconds, wanted):
        outcomes = asyncio.run(crowd(self.source.port, kind, connections, seconds))
        peak, after, files = self.resident()
        for (what, code), count in sorted(outcomes.items()):
            print(f"memory: {what:21} {count:6} times {'ok' if code == 0 else f'refused with {code}'}", flush=True)
        print(f"memory: {connections} connections for {seconds} s: {peak} MB resident at most, {after} MB after ({files} of files), of {MEMORY_MB} MB", flush=True)
        self.assertTrue(self.source.process.running(), self.source.process.tail())
        self.assertLessEqual(peak, MEMORY_MB, "the process used more than --memory")
        for what in wanted:
            self.assertTrue(any(key[0] == what for key in outcomes), f"{what} never came to its end")
        return outcomes
