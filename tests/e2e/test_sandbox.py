"""The embedded server as a driver sees it: what the other tests stand on."""
import os

import pymongo
from pymongo.errors import AutoReconnect, OperationFailure

from harness import compare
from harness.case import DroverTest
from harness.process import eventually
from harness.proxy import FaultProxy


class Sandbox(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        self.source = self.cluster("source")

    def test_is_a_replica_set_with_a_primary(self):
        reply = self.source.client().admin.command("isMaster")
        self.assertTrue(reply["ismaster"])
        self.assertEqual(reply["setName"], "source")

    def test_survives_kill_9_with_every_acknowledged_write(self):
        client = self.source.client(w="majority", journal=True)
        for number in range(500):
            client.e2e.items.insert_one({"_id": number})
        self.source.restart()
        self.assertEqual(self.source.client().e2e.items.count_documents({}), 500)

    def test_live_writers_of_every_kind_meet_no_error(self):
        with self.writers(self.source.uri, count=2) as writers:
            eventually(lambda: writers.acknowledged() > 100, 60, "100 writes")
        self.assertEqual([str(error) for writer in writers.all for error in writer.errors], [])
        self.assertEqual(writers.lost(self.source.client()), [])

    def test_a_log_that_was_moved_away_is_begun_anew(self):
        log = os.path.join(self.directory, "rotated.log")
        client = self.cluster("logs", options=["--log", log]).client()
        os.rename(log, log + ".1")
        client.admin.command("logRotate")
        self.assertTrue(os.path.exists(log))

    def test_comparison_sees_what_is_different(self):
        client = self.source.client()
        client.e2e.a.insert_one({"_id": 1, "x": 1})
        client.e2e.b.insert_one({"_id": 1, "x": 1.0})
        left, right = (compare.raw_documents(client, ns) for ns in ("e2e.a", "e2e.b"))
        self.assertNotEqual(left, right)

    def test_proxy_cuts_and_the_driver_returns(self):
        proxy = FaultProxy(("127.0.0.1", self.source.port))
        self.addCleanup(proxy.close)
        client = pymongo.MongoClient(self.source.proxied_uri(proxy), serverSelectionTimeoutMS=10000)
        client.e2e.items.insert_one({"_id": 1})
        proxy.cut()
        client.e2e.items.insert_one({"_id": 2})
        self.assertEqual(client.e2e.items.count_documents({}), 2)
        client.close()

    def test_a_member_that_clients_reach_by_another_port(self):
        member = self.cluster("named", options=("--host", "127.0.0.1:4711"))
        hello = member.client().admin.command("isMaster")
        self.assertEqual((hello["me"], hello["hosts"], hello["primary"]), ("127.0.0.1:4711", ["127.0.0.1:4711"], "127.0.0.1:4711"))
        for wrong in ("a b", "h:", "h:0", "h:99999", "h:1:2", "::1", "[::1", "http://h"):
            with self.subTest(wrong):
                process = self.run_drover("sandbox", "--dbpath", os.path.join(self.directory, "nowhere"), "--host", wrong, timeout=20)
                self.assert_exit(process, 2, "--host")

    def test_the_name_of_the_set(self):
        for wrong in ("", "a/b", "rs 0", "r?x=1", "r" * 65, "r" * 5000):
            with self.subTest(wrong[:70]):
                process = self.run_drover("sandbox", "--dbpath", os.path.join(self.directory, "nowhere"), "--repl-set", wrong, timeout=20)
                self.assert_exit(process, 2, "--repl-set", "1 to 64 letters")
                self.assertLess(len(process.stderr()), 500)
        self.assertFalse(os.path.exists(os.path.join(self.directory, "nowhere")))

    def test_a_busy_port_is_one_clear_line(self):
        process = self.run_drover("sandbox", "--dbpath", f"{self.directory}/other", "--port", str(self.source.port), timeout=20)
        self.assert_exit(process, process.child.returncode, str(self.source.port))
        self.assertNotEqual(process.child.returncode, 0)
        self.assertEqual(len(process.stderr().strip().splitlines()), 1, process.tail())
        self.assertFalse(os.path.exists(f"{self.directory}/other"))

    def test_a_client_ends_it(self):
        client = self.source.client()
        client.e2e.items.insert_one({"_id": 1})
        with self.assertRaises(OperationFailure) as raised:
            client.admin.command("shutdown", timeoutSecs=0)
        self.assertEqual(raised.exception.code, 262)
        with self.assertRaises(AutoReconnect):
            client.admin.command("shutdown", force=True)
        eventually(lambda: not self.source.process.running(), 30, "the end of the sandbox")
        self.assertEqual(self.source.process.child.returncode, 0, self.source.process.tail())
        self.source.restart()
        self.assertEqual(self.source.client().e2e.items.count_documents({}), 1)


class SandboxAuth(DroverTest):
    sandbox_only = True
    auth = True

    def start_clusters(self):
        self.source = self.cluster("source")

    def test_refuses_who_does_not_log_in(self):
        with self.assertRaises(OperationFailure) as raised:
            pymongo.MongoClient(self.source.plain_uri).e2e.items.find_one()
        self.assertEqual(raised.exception.code, 13)

    def test_refuses_a_wrong_password(self):
        with self.assertRaises(OperationFailure) as raised:
            pymongo.MongoClient(self.source.uri_of("root", "wrong")).e2e.items.find_one()
        self.assertEqual(raised.exception.code, 18)


class SandboxWriteBlock(DroverTest):
    sandbox_only = True
    only_version = "8.0"
    auth = True

    def start_clusters(self):
        self.source = self.cluster("source")

    def test_write_block_holds_for_those_who_may_not_bypass(self):
        uri = self.source.create_user("app", ["readWriteAnyDatabase"])
        root = self.source.client()
        app = pymongo.MongoClient(uri)
        app.e2e.items.insert_one({"_id": 1})
        root.admin.command("setUserWriteBlockMode", 1, **{"global": True})
        with self.assertRaises(OperationFailure):
            app.e2e.items.insert_one({"_id": 2})
        root.e2e.items.insert_one({"_id": 3})
        root.admin.command("setUserWriteBlockMode", 1, **{"global": False})
        app.e2e.items.insert_one({"_id": 4})
        app.close()
