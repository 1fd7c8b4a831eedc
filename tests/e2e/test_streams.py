"""The sandbox's change streams and oplog under what the engine does to them: many events, many cursors, restarts, a
rolled-over oplog, transactions larger than an entry, events larger than a reply."""
import threading
import time

from bson.timestamp import Timestamp
from pymongo import CursorType
from pymongo.errors import OperationFailure

from harness import clusters
from harness.case import DroverTest

EVENTS = 20000
CURSORS = 6
MEGABYTE = 1024 * 1024
TRIES = 300                        # each waits half a second at most
ROLLS_OVER_WITHIN = 60             # seconds of writing, in which 2 MB of oplog are many times too small


def next_change(stream):
    for _ in range(TRIES):
        change = stream.try_next()
        if change is not None:
            return change
    raise AssertionError("no event came")


def until(stream, last_id):
    """The ids of insert events up to that of `last_id`."""
    ids = []
    while not ids or ids[-1] != last_id:
        ids.append(next_change(stream)["documentKey"]["_id"])
    return ids


class Streams(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        self.source = self.cluster("source")

    def sandbox(self, name, version, *options):
        made = clusters.Sandbox(self.directory, name, version, options=options)
        self.addCleanup(made.close)
        return made

    def watch(self, database, stage, *stages):
        """A stream by its stage, which may have what this driver does not know."""
        return database.command("aggregate", 1, pipeline=[{"$changeStream": stage}, *stages], cursor={"batchSize": 0})["cursor"]["id"]

    def more(self, database, cursor):
        return database.command("getMore", cursor, collection="$cmd.aggregate", maxTimeMS=500)["cursor"]

    def test_many_cursors_see_every_event_in_order(self):
        client = self.source.client()
        seen = [None] * CURSORS
        streams = [client.e2e.items.watch(max_await_time_ms=200) for _ in range(CURSORS)]

        def follow(number):
            seen[number] = until(streams[number], EVENTS - 1)
        followers = [threading.Thread(target=follow, args=(number,)) for number in range(CURSORS)]
        for follower in followers:
            follower.start()
        for first in range(0, EVENTS, 1000):
            client.e2e.items.insert_many([{"_id": n} for n in range(first, first + 1000)])
        for follower in followers:
            follower.join(240)
        for ids in seen:
            self.assertEqual(ids, list(range(EVENTS)))
        for stream in streams:
            stream.close()

    def test_resumes_where_it_stood_before_a_kill(self):
        items = self.source.client(w="majority", journal=True).e2e.items
        stream = items.watch(max_await_time_ms=200)
        items.insert_many([{"_id": n} for n in range(100)])
        for _ in range(40):
            token = next_change(stream)["_id"]
        stream.close()
        self.source.restart()
        items = self.source.client().e2e.items
        items.insert_one({"_id": 100})
        with items.watch(resume_after=token, max_await_time_ms=200) as resumed:
            self.assertEqual(until(resumed, 100), list(range(40, 101)))

    def test_a_token_that_the_oplog_has_lost_is_refused(self):
        small = self.sandbox("small", "8.0", "--oplog-size", "2MB")
        items = small.client().e2e.items
        with items.watch(max_await_time_ms=200) as stream:
            items.insert_one({"_id": 0})
            token = next_change(stream)["_id"]
        unread = self.watch(items.database, {})
        raised = None
        deadline = time.monotonic() + ROLLS_OVER_WITHIN
        while raised is None and time.monotonic() < deadline:
            for _ in range(20):
                items.replace_one({"_id": 0}, {"x": "x" * 200000})
            try:
                items.watch(resume_after=token).close()
                time.sleep(0.1)
            except OperationFailure as error:
                raised = error
        self.assertIsNotNone(raised, "the oplog did not roll over")
        with self.assertRaises(OperationFailure) as behind:
            self.more(items.database, unread)  # a gap, otherwise
        for error in (raised, behind.exception):
            self.assertEqual(error.code, 286)
            self.assertIn("NonResumableChangeStreamError", error.details.get("errorLabels", []))

    def test_the_oplog_grows_when_it_is_told_to(self):
        small = self.sandbox("small", "8.0", "--oplog-size", "2MB")
        client = small.client()
        client.admin.command("replSetResizeOplog", 1, size=990.0)
        with client.e2e.items.watch(max_await_time_ms=200) as stream:
            client.e2e.items.insert_one({"_id": 0})
            token = next_change(stream)["_id"]
        for number in range(1, 61):
            client.e2e.items.insert_one({"_id": number, "x": "x" * 200000})
        with client.e2e.items.watch(resume_after=token, max_await_time_ms=200) as resumed:
            self.assertEqual(until(resumed, 60), list(range(1, 61)))

    def test_a_transaction_larger_than_an_entry(self):
        for version in ("4.4", "8.0"):
            client = self.sandbox(f"large{version[0]}", version).client()
            client.e2e.create_collection("items")
            stream = client.e2e.items.watch(max_await_time_ms=200)
            with client.start_session() as session, session.start_transaction():
                for number in range(6):
                    client.e2e.items.insert_one({"_id": number, "x": "x" * (5 * MEGABYTE)}, session=session)
            changes = [next_change(stream) for _ in range(6)]
            stream.close()
            self.assertEqual([change["documentKey"]["_id"] for change in changes], list(range(6)))
            self.assertEqual(len({change["clusterTime"] for change in changes}), 1)
            entries = list(client.local["oplog.rs"].find({"o.applyOps": {"$exists": True}}, {"ts": 1, "prevOpTime": 1, "o.partialTxn": 1, "o.count": 1}))
            self.assertGreater(len(entries), 1)
            for before, after in zip(entries, entries[1:]):
                self.assertTrue(before["o"]["partialTxn"])
                self.assertEqual(after["prevOpTime"]["ts"], before["ts"])
            self.assertEqual(entries[-1]["o"]["count"], 6)
            with client.e2e.items.watch(resume_after=changes[3]["_id"], max_await_time_ms=200) as resumed:
                self.assertEqual(until(resumed, 5), [4, 5])

    def test_the_mark_of_a_quiet_stream_moves_with_the_oplog(self):
        client = self.source.client()
        cursor = self.watch(client.quiet, {})
        before = self.more(client.quiet, cursor)["postBatchResumeToken"]["_data"]
        client.e2e.items.insert_one({})
        after = self.more(client.quiet, cursor)["postBatchResumeToken"]["_data"]
        self.assertGreater(after, before)
        noted = client.admin.command("appendOplogNote", 1, data={"e2e": 1})["operationTime"]
        latest = self.more(client.quiet, cursor)["postBatchResumeToken"]["_data"]
        self.assertGreaterEqual(latest[:18], f"82{noted.time:08X}{noted.inc:08X}")

    def test_a_tail_of_the_oplog_waits(self):
        client = self.source.client()
        start = client.admin.command("ping")["operationTime"]
        tail = client.local["oplog.rs"].find({"ts": {"$gt": start}, "ns": "e2e.items"}, cursor_type=CursorType.TAILABLE_AWAIT,
                                            oplog_replay=True).max_await_time_ms(500)
        threading.Timer(0.3, lambda: client.e2e.items.insert_one({"_id": 1})).start()
        for _ in range(100):
            entry = next(tail, None)
            if entry:
                break
        self.assertEqual(entry["o"], {"_id": 1})
        self.assertGreater(entry["ts"], Timestamp(start.time, 0))
        tail.close()

    def test_an_event_larger_than_a_reply(self):
        client = self.sandbox("split", "7.0").client()
        client.e2e.create_collection("items")
        client.e2e.command("collMod", "items", changeStreamPreAndPostImages={"enabled": True})
        stage = {"fullDocument": "required", "fullDocumentBeforeChange": "required"}
        split = {"$changeStreamSplitLargeEvent": {}}
        cursor = self.watch(client.e2e, stage, split)
        plain = self.watch(client.e2e, stage)
        client.e2e.items.insert_one({"_id": 1, "x": "a" * (9 * MEGABYTE)})
        client.e2e.items.update_one({"_id": 1}, {"$set": {"x": "b" * (9 * MEGABYTE)}})
        client.e2e.items.insert_one({"_id": 2})

        def following(cursor, count):
            events = []
            for _ in range(TRIES):
                events += self.more(client.e2e, cursor)["nextBatch"]
                if len(events) >= count:
                    return events
            self.fail(f"{len(events)} events came, {count} should have")
        insert, *fragments, last = following(cursor, 5)
        self.assertEqual([fragment["splitEvent"] for fragment in fragments], [{"fragment": n, "of": 3} for n in (1, 2, 3)])
        merged = {key: value for fragment in fragments for key, value in fragment.items()}
        self.assertEqual(merged["fullDocumentBeforeChange"]["x"][0], "a")
        self.assertEqual(merged["fullDocument"]["x"][0], "b")
        self.assertEqual(last["documentKey"], {"_id": 2})
        resumed = self.watch(client.e2e, {**stage, "resumeAfter": fragments[0]["_id"]}, split)
        self.assertEqual([event.get("splitEvent", {}).get("fragment") for event in following(resumed, 3)], [2, 3, None])
        with self.assertRaises(OperationFailure) as raised:
            following(plain, 3)
        self.assertEqual(raised.exception.code, 10334)
        self.assertEqual(insert["operationType"], "insert")
