"""Clients that break the protocol, dawdle or crowd: the connection ends with a line in the log, and nobody else is hurt."""
import os
import random
import socket
import struct
import time

import bson
import pymongo

from harness.case import DroverTest
from harness.process import eventually

OP_MSG = 2013
CONNECTIONS = 400


def message(body, operation=OP_MSG, flags=0, length=None):
    payload = struct.pack("<I", flags) + b"\x00" + body
    return struct.pack("<iiii", 16 + len(payload) if length is None else length, 1, 0, operation) + payload


PING = bson.encode({"ping": 1, "$db": "admin"})


class Hostile(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        self.source = self.cluster("source", options=["--log", os.path.join(self.directory, "sandbox.log")])
        self.client = self.source.client()
        self.client.e2e.items.insert_one({"_id": 1})

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.source.port), timeout=60)
        self.addCleanup(sock.close)
        return sock

    def assert_closed(self, sock, what):
        try:
            self.assertEqual(sock.recv(1), b"", what)
        except ConnectionResetError:
            pass

    def assert_unharmed(self):
        self.assertEqual(self.client.e2e.items.find_one(), {"_id": 1})
        self.assertTrue(self.source.process.running(), self.source.process.tail())

    def test_malformed_frames_end_their_connection(self):
        cut = bson.encode({"ping": 1, "$db": "admin"})[:-3]
        lying = struct.pack("<i", 1 << 30) + PING[4:]
        frames = {
            "length 0": message(PING, length=0), "length -1": message(PING, length=-1), "length 15": message(PING, length=15),
            "48 MB and a bit": message(PING, length=48 * 1000 * 1000 + 1), "operation 9": message(PING, operation=9),
            "required flags": message(PING, flags=1 << 5), "a wrong checksum": message(PING + b"\x01\x02\x03\x04", flags=1),
            "a cut document": message(cut), "a lying length": message(lying),
            "two bodies": message(PING + b"\x00" + PING), "section 7": message(PING + b"\x07"),
            "no body": struct.pack("<iiiiI", 20, 1, 0, OP_MSG, 0),
            "a name without an end": message(PING + b"\x01" + struct.pack("<i", 9) + b"aaaaa"),
        }
        for name, frame in frames.items():
            with self.subTest(name):
                sock = self.connect()
                sock.sendall(frame)
                self.assert_closed(sock, name)
        self.assert_unharmed()
        log = open(os.path.join(self.directory, "sandbox.log"), encoding="utf-8").read()
        self.assertGreaterEqual(log.count("connection"), len(frames) // 2, log[-2000:])

    def test_noise_ends_its_connection(self):
        noise = random.Random(7)
        for _ in range(30):
            sock = self.connect()
            sock.sendall(struct.pack("<iiii", 16 + 400, 1, 0, noise.choice((OP_MSG, 2004, 2012, 1))) + noise.randbytes(400))
            sock.shutdown(socket.SHUT_WR)
            self.assert_closed(sock, "noise")
        self.assert_unharmed()

    def test_who_stops_in_the_midst_of_a_frame_holds_up_nobody(self):
        for count in (1, 15, 16, 30):
            self.connect().sendall(message(PING)[:count])
        started = time.monotonic()
        self.assert_unharmed()
        self.assertLess(time.monotonic() - started, 30)

    def test_deep_documents_are_refused(self):
        deep = b"\x05\x00\x00\x00\x00"
        for _ in range(300):  # {a: {a: ...}}, deeper than an encoder would go
            deep = struct.pack("<i", len(deep) + 8) + b"\x03a\x00" + deep + b"\x00"
        command = b"\x02insert\x00\x06\x00\x00\x00items\x00\x02$db\x00\x04\x00\x00\x00e2e\x00\x03deep\x00" + deep
        sock = self.connect()
        sock.sendall(message(struct.pack("<i", len(command) + 5) + command + b"\x00"))
        sock.settimeout(60)
        reply = sock.recv(65536)
        if reply:
            self.assertNotEqual(bson.decode(reply[21:])["ok"], 1.0)
        self.assert_unharmed()

    def test_many_connections_at_once(self):
        crowd = [self.connect() for _ in range(CONNECTIONS)]
        for sock in crowd:
            sock.sendall(message(PING))
        for sock in crowd:
            self.assertGreater(len(sock.recv(65536)), 16)
        self.assert_unharmed()
        for sock in crowd:
            sock.close()
        current = lambda: self.client.admin.command("serverStatus")["connections"]["current"]
        eventually(lambda: current() < 20, 60, "the end of the connections")

    def test_names_with_nul_bytes_harm_nobody(self):
        database = self.client.e2e
        stages = [{"$count": "a\0b"}, {"$project": {"o": {"$arrayToObject": [[["a\0b", 1]]]}}}, {"$unwind": {"path": "$_id", "includeArrayIndex": "i\0"}},
                  {"$lookup": {"from": "x", "localField": "a", "foreignField": "b", "as": "y\0"}}, {"$out": "a\0b"}, {"$merge": "a\0b"}]
        for stage in stages:
            with self.subTest(stage):
                try:
                    list(database.items.aggregate([stage]))
                except pymongo.errors.OperationFailure:
                    pass
                self.assert_unharmed()
        for command in ({"create": "a\0b"}, {"distinct": "items", "key": "a\0b"}, {"drop": "a\0b"},
                        {"createIndexes": "items", "indexes": [{"key": {"a": 1}, "name": "a\0b"}]},
                        {"createIndexes": "items", "indexes": [{"key": {"a": 1}, "name": "a", "collation": {"locale": "en\0"}}]},
                        {"create": "v\0", "viewOn": "items\0", "pipeline": []}, {"createUser": "u\0", "pwd": "p\0", "roles": ["read\0"]},
                        {"createRole": "r\0", "privileges": [], "roles": []}, {"configureFailPoint": "f\0", "mode": "off"},
                        {"update": "items", "updates": [{"q": {}, "u": {"$rename": {"a": "b\0c"}}}]}):
            with self.subTest(command):
                try:
                    (self.client.admin if "configureFailPoint" in command else database).command(command)
                except pymongo.errors.OperationFailure:
                    pass
                self.assert_unharmed()
