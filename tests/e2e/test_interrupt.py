"""Ctrl-C in each phase: one clear line, no orphan process, the source as it was, and the same command continues."""
import os
import signal

import pymongo

from harness.case import DroverTest
from harness.live import LiveMigration
from harness.process import eventually
from harness.proxy import command_name

INTERRUPTED = 130


class Interrupt(DroverTest):
    auth = True

    def interrupt(self, process, before_the_end=lambda: None):
        process.signal(signal.SIGINT)
        before_the_end()
        code = process.wait(60)
        self.assertEqual(code, INTERRUPTED, process.tail())
        said = process.stderr().strip().splitlines()
        self.assertTrue(said and said[-1].startswith("drover migrate: stopped"), process.tail())
        self.assertEqual(process.children(), [], "a process was left behind")

    def interrupted(self, process, live, **options):
        self.interrupt(process, **options)
        live.wait_for_writes(20)  # the source takes writes
        live.start()
        live.finish()

    def through_a_proxy(self, holds):
        """A migration that comes as far as the first request of which `holds` is true, and waits there."""
        proxy = self.proxy_before(self.source)
        live = LiveMigration(self, writers=2, source=self.source.proxied_uri(proxy))
        proxy.hold(holds)
        process = live.start()
        eventually(lambda: proxy.held or not process.running(), 60, "the request that is held back")
        self.assertTrue(process.running(), process.tail())
        return proxy, live, process

    def test_at_the_start(self):
        self.seed(documents=500)
        proxy, live, process = self.through_a_proxy(lambda message: command_name(message) == "listCollections")
        self.interrupted(process, live, before_the_end=proxy.release)

    def test_before_anything_is_begun(self):
        """The source does not answer: nothing is recorded, and nothing is said to be."""
        log = os.path.join(self.directory, "stopped.log")
        process = self.start_migration("--log", log, source="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=20000")
        eventually(lambda: os.path.exists(log) or not process.running(), 60, "the log")  # it is opened before anybody is called
        self.interrupt(process)
        self.assertRegex(process.stderr().strip().splitlines()[-1], "stopped before anything was begun; this run has changed nothing")
        self.assertEqual(self.last_json(process)["state"], "INITIALIZING")

    def test_while_copying(self):
        self.seed(documents=50)
        self.seed_held("e2e_seed", "held")
        proxy, live, process = self.through_a_proxy(lambda message: command_name(message) == "getMore" and b"held" in message)
        self.interrupt(process)  # nobody releases it: a read under way is given up
        proxy.release()
        live.wait_for_writes(20)
        live.start()
        live.finish()

    def test_under_the_write_block(self):
        """Before the decision: the source is released."""
        self.seed(documents=50)
        proxy, live, process = self.through_a_proxy(lambda message: command_name(message) == "appendOplogNote"
                                                    and b"fence" in message)
        self.interrupt(process, before_the_end=proxy.release)
        application = pymongo.MongoClient(self.application_uri(), serverSelectionTimeoutMS=20000)
        application.e2e_seed.small.insert_one({"_id": "taken again"})
        application.close()
        live.start()
        live.finish()

    def test_a_second_time(self):
        """It ends at once, and says so; the cutover that it was in is taken back by the next run."""
        self.seed(documents=50)
        proxy, live, process = self.through_a_proxy(lambda message: command_name(message) == "appendOplogNote"
                                                    and b"fence" in message)
        process.signal(signal.SIGINT)
        process.signal(signal.SIGTERM)  # another, for two of a kind may come as one; before the cutover can have been taken back
        self.assertEqual(process.wait(5), INTERRUPTED, process.tail())
        self.assertRegex(process.stderr().splitlines()[-1], "^drover: stopped at once, by the second Ctrl-C or SIGTERM")
        self.assertEqual(process.children(), [], "a process was left behind")
        proxy.release()
        live.start()
        live.finish()

    def test_while_applying(self):
        self.seed(documents=500)
        live = LiveMigration(self, writers=2)
        process = live.start("--commit", "never")
        self.wait_until_copied(process)
        live.wait_for_writes(50)
        self.interrupted(process, live)
