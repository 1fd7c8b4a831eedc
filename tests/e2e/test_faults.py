"""Networks and servers that fail while a migration runs."""
import os
import random
import subprocess

from harness.case import DroverTest
from harness.live import LiveMigration
from harness.process import eventually
from harness.proxy import FaultProxy, command_name, op_msg_body
from harness.report import NotRun


class Network(DroverTest):
    def through_proxies(self, options=""):
        self.seed()
        self.source_proxy, self.destination_proxy = self.proxy_before(self.source), self.proxy_before(self.destination)
        return LiveMigration(self, writers=2, source=self.source.proxied_uri(self.source_proxy) + options,
                             destination=self.destination.proxied_uri(self.destination_proxy) + options)

    def test_connections_cut_again_and_again(self):
        live = self.through_proxies()
        process = live.start("--commit", "never")
        for _ in range(6):
            live.wait_for_writes(30)
            self.source_proxy.cut()
            live.wait_for_writes(30)
            self.destination_proxy.cut()
            self.assertTrue(process.running(), process.tail())
        self.wait_until_copied(process)
        process.stop()
        live.start()
        live.finish()

    def test_half_open(self):
        """Nothing ends these connections but the program's own patience."""
        live = self.through_proxies("&socketTimeoutMS=2000")
        process = live.start("--commit", "never")
        self.wait_until_copied(process)
        for proxy in (self.source_proxy, self.destination_proxy):
            proxy.freeze()
            live.wait_for_writes(200)
        live.catches_up()
        self.assertTrue(process.running(), process.tail())
        process.stop()
        live.start()
        live.finish()

    def test_a_slow_destination(self):
        live = self.through_proxies()
        self.destination_proxy.delay = 0.01
        live.start()
        live.finish()

    def test_late_duplicate_of_a_batch(self):
        """A batch whose reply is lost is sent again; then the network delivers the first copy after all. The document that
        it carries has been deleted meanwhile, and must not come back."""
        self.seed(documents=60)
        proxy = self.proxy_before(self.destination)
        process = self.start_migration("--commit", "never", destination=self.destination.proxied_uri(proxy))
        self.wait_until_copied(process)

        marker = b"late duplicate"
        proxy.capture = lambda message: (command_name(message) in ("insert", "update", "bulkWrite") and marker in message
                                         and not proxy.captured)
        items = self.source.client().e2e_seed.small
        items.insert_one({"_id": "victim", "text": "late duplicate"})
        self.eventually_on_destination("e2e_seed", "small", {"_id": "victim"})
        self.assertEqual(len(proxy.captured), 1, "no batch was captured")
        proxy.capture = None
        items.delete_one({"_id": "victim"})
        found = self.destination.client().e2e_seed.small
        eventually(lambda: found.count_documents({"_id": "victim"}) == 0, 30, "the deletion")

        self.assertIsNotNone(op_msg_body(proxy.captured[0]))
        proxy.deliver_captured(self.log_in)
        self.assertEqual(found.count_documents({"_id": "victim"}), 0, "a late duplicate brought a document back")
        items.insert_one({"_id": "mark"})
        self.eventually_on_destination("e2e_seed", "small", {"_id": "mark"})
        process.stop()
        self.migrate()
        self.assert_equal_deployments()

    @staticmethod
    def log_in(_socket):
        """Nothing to do: these deployments have no authorization."""


class Election(DroverTest):
    """The driver does not know yet: what it took for the primary says that it is none. That is no wrong address: it is asked again."""
    sandbox_only = True

    def test_a_member_that_has_just_stepped_down(self):
        for side in ("source", "destination"):
            with self.subTest(side):
                proxy = FaultProxy(("127.0.0.1", 0))
                self.addCleanup(proxy.close)
                member = self.cluster(f"{side}-behind", options=("--host", f"127.0.0.1:{proxy.port}"))
                proxy.target = ("127.0.0.1", member.port)
                proxy.alters = lambda message: (command_name(message) == "isMaster" and b"lsid" in message
                                                and (b"\x08ismaster\0\x01", b"\x08ismaster\0\x00"))
                seed = f"mongodb://127.0.0.1:{proxy.port}/"
                sides = {"source": self.source.uri, "destination": self.destination.uri, side: seed}
                process = self.start_migration("--log", "-", **sides)
                eventually(lambda: "an election perhaps" in process.stderr(), 60, "what it waits for")
                self.assertIn("tried again", process.stderr())
                self.assertTrue(process.running(), process.tail())
                proxy.alters = None
                process.wait(60)
                self.assert_exit(process, 0)


class StepDownOfOne(DroverTest):
    """The embedded server has no other member, but rehearses an election: for two seconds there is no primary, then a new term."""
    sandbox_only = True

    def start_clusters(self):
        self.source = self.cluster("source")
        self.destination = self.cluster("destination")

    def test_each_side_in_the_midst_of_a_migration(self):
        self.seed()
        live = LiveMigration(self, writers=2, durable=True)
        process = live.start("--commit", "never")
        for cluster in (self.source, self.destination):
            live.wait_for_writes(30)
            cluster.client().admin.command("replSetStepDown", 2, force=True)
            eventually(lambda: cluster.client().admin.command("isMaster")["ismaster"], 60, "an election")
            live.wait_for_writes(30)
            self.assertTrue(process.running(), process.tail())
        self.wait_until_copied(process)
        process.stop()
        live.start()
        live.finish()


class Servers(DroverTest):
    auth = True

    def setUp(self):
        super().setUp()
        self.needs_own_clusters()

    def test_source_restarts(self):
        self.restarted(self.source)

    def test_destination_restarts(self):
        self.restarted(self.destination)

    def restarted(self, cluster):
        self.seed()
        live = LiveMigration(self, writers=2, durable=True)
        process = live.start("--commit", "never")
        live.wait_for_writes(50)
        cluster.restart()
        live.wait_for_writes(50)
        self.wait_until_copied(process)
        cluster.restart()
        live.wait_for_writes(50)
        self.assertTrue(process.running(), process.tail())
        process.stop()
        live.start()
        live.finish()


class FullDisk(DroverTest):
    """A destination that fills up: a clear error, an unharmed source; with room again, the same command continues."""
    sandbox_only = True
    once = True

    def start_clusters(self):
        self.source = self.cluster("source")
        self.disk = os.path.join(self.directory, "destination data")
        os.makedirs(self.disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", self.disk], capture_output=True)
        if mounted.returncode != 0:
            raise NotRun("root, to mount a small disk")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)
        self.destination = self.cluster("destination")

    def test_full_and_room_again(self):
        items = self.source.client().e2e_big.items
        for start in range(0, 90, 10):
            items.insert_many([{"_id": n, "x": random.randbytes(1 << 20)} for n in range(start, start + 10)])
        process = self.start_migration()
        process.wait(180)
        self.assert_exit(process, 6, "(?i)space|full|disk")
        items.insert_one({"_id": "after"})
        subprocess.run(["mount", "-o", "remount,size=600m", self.disk], check=True)
        self.destination.restart()
        self.migrate()
        self.assert_equal_deployments()


class ThreeMembers(DroverTest):
    """Elections on both sides."""
    auth = True

    def start_clusters(self):
        self.needs_mongod()
        self.source = self.cluster("source", members=3)
        self.destination = self.cluster("destination", members=3)

    def elections(self, happen):
        self.seed()
        live = LiveMigration(self, writers=2, durable=True)
        process = live.start("--commit", "never")
        for cluster in (self.source, self.destination):
            live.wait_for_writes(50)
            happen(cluster)
            cluster.await_primary()
            live.wait_for_writes(50)
        self.wait_until_copied(process)
        self.assertTrue(process.running(), process.tail())
        process.stop()
        live.start()
        live.finish()

    def test_step_down(self):
        self.elections(lambda cluster: cluster.step_down())

    def test_kill_9_of_the_primary(self):
        def happen(cluster):
            index = cluster.kill()
            cluster.await_primary()
            cluster.start_member(index)
        self.elections(happen)


class Tls(DroverTest):
    auth = True

    def start_clusters(self):
        self.needs_own_clusters()
        self.source = self.cluster("source", tls=True)
        self.destination = self.cluster("destination", tls=True)

    def test_whole_migration(self):
        self.seed()
        live = LiveMigration(self)
        live.start()
        live.finish()

    def test_without_the_authority_it_is_refused(self):
        self.remember_destination()
        process = self.start_migration(source=self.source.uri.split("&tlsCAFile")[0] + "&authSource=admin")
        process.wait(60)
        self.assert_refused_untouched(process, 5, "(?i)tls|certificate|ssl")
