"""The base of every end-to-end test: a directory of its own, a pair of deployments of the flavour, and the program."""
import json
import os
import shutil
import tempfile
import unittest

from harness import clusters, compare
from harness.process import Process, eventually
from harness.proxy import FaultProxy, command_name
from harness.report import NotRun
from harness.writers import Writers

MIGRATE_SECONDS = 300
HELD_DOCUMENTS = 40                # more than one reply of the copier (8 MiB)
HELD_DOCUMENT_BYTES = 500 * 1000


class DroverTest(unittest.TestCase):
    flavour = "sandbox-8.0"
    auth = False
    sandbox_only = False
    maxDiff = None

    def setUp(self):
        if self.sandbox_only and not self.flavour.startswith("sandbox"):
            raise NotRun("the embedded server, which it is about")
        # A path with a space, always.
        self.directory = tempfile.mkdtemp(prefix="drover e2e ")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.runs = 0
        self.start_clusters()

    def start_clusters(self):
        self.source = self.cluster("source")
        self.destination = self.cluster("destination")

    def cluster(self, name, **options):
        options = {"auth": self.auth, **options}
        if self.flavour == "mongod":
            made = clusters.Mongod(self.directory, name, **options)
        elif self.flavour == "given":
            if options.get("members", 1) > 1 or options["auth"] != self.auth:
                raise NotRun("DROVER_TEST_MONGOD")
            made = clusters.Given(os.environ[f"DROVER_TEST_{name.upper()}_URI"])
        else:
            if options.pop("members", 1) > 1:
                raise NotRun("DROVER_TEST_MONGOD")
            made = clusters.Sandbox(self.directory, name, self.flavour.removeprefix("sandbox-"), **options)
        self.addCleanup(made.close)
        return made

    def needs_mongod(self):
        if self.flavour != "mongod":
            raise NotRun("DROVER_TEST_MONGOD")

    def needs_own_clusters(self):
        if self.flavour == "given":
            raise NotRun("deployments that a test may stop")

    def proxy_before(self, cluster):
        if not cluster.direct:
            raise NotRun("a deployment with one member of the test's own")
        proxy = FaultProxy(("127.0.0.1", cluster.port))
        self.addCleanup(proxy.close)
        return proxy

    # ---- the program

    def start(self, *arguments, environment=None, name=None, **options):
        self.runs += 1
        process = Process([clusters.drover_binary(), *arguments], self.directory, name or f"drover{self.runs}",
                          environment=environment, **options)
        self.addCleanup(lambda: process.running() and process.kill())
        return process

    def run_drover(self, *arguments, timeout=MIGRATE_SECONDS, **options):
        process = self.start(*arguments, **options)
        process.wait(timeout)
        return process

    def migrate_arguments(self, *more, source=None, destination=None):
        arguments = ["migrate", "--source", self.source.uri if source is None else source,
                     "--destination", self.destination.uri if destination is None else destination, "--yes", "--json"]
        if not self.source.can_block_writes() and "--before-cutover" not in more:
            arguments.append("--assume-writes-stopped")
        if "--log" not in more:
            arguments += ["--log", os.path.join(self.directory, f"migrate{self.runs}.log")]
        return [*arguments, *more]

    def start_migration(self, *more, environment=None, source=None, destination=None):
        return self.start("migrate", *self.migrate_arguments(*more, source=source, destination=destination)[1:],
                          environment=environment)

    def migrate(self, *more, timeout=MIGRATE_SECONDS, **options):
        process = self.start_migration(*more, **options)
        process.wait(timeout)
        self.assertEqual(process.child.returncode, 0, process.tail())
        return self.last_json(process)

    def last_json(self, process):
        lines = [line for line in process.stdout().splitlines() if line.strip()]
        self.assertTrue(lines, f"nothing on standard output\n{process.tail()}")
        return json.loads(lines[-1])

    def wait_until_copied(self, process, timeout=60):
        """Until the last seeded document is there: what follows comes as change events."""
        def copied():
            if not process.running():
                self.fail(f"it ended\n{process.tail()}")
            return self.destination.client().e2e_seed.small.count_documents({}) >= 50
        eventually(copied, timeout, "the copy")

    def seed_held(self, database, collection):
        """A collection of several replies, whose copy `hold_the_copy` stops after the first of them."""
        data = self.source.client()[database][collection]
        for first in range(0, HELD_DOCUMENTS, 10):
            data.insert_many([{"_id": n, "u": n, "x": "x" * HELD_DOCUMENT_BYTES} for n in range(first, first + 10)])
        return data

    @staticmethod
    def hold_the_copy(proxy, collection):
        """Until proxy.release(), the copy of that collection goes no further than its first documents."""
        proxy.hold(lambda message: command_name(message) == "getMore" and collection.encode() in message)

    def wait_until_held(self, process, proxy, database, collection, timeout=60):
        """Until the copy stands still in the midst of that collection."""
        found = self.destination.client()[database][collection]

        def held():
            if not process.running():
                self.fail(f"it ended\n{process.tail()}")
            return proxy.held > 0 and found.count_documents({}) > 0
        eventually(held, timeout, "standing still in the copy")
        self.assertLess(found.count_documents({}), HELD_DOCUMENTS)

    def eventually_on_destination(self, database, collection, query, timeout=30):
        found = self.destination.client()[database][collection]
        eventually(lambda: found.count_documents(query) > 0, timeout, f"{query} on the destination")

    # ---- expectations

    def assert_exit(self, process, code, *said):
        self.assertEqual(process.child.returncode, code, process.tail())
        for text in said:
            self.assertRegex(process.stdout() + process.stderr(), text)
        self.assertNotIn(clusters.PASSWORD, process.stdout() + process.stderr(), "a password in the output")

    def assert_refused_untouched(self, process, code, *said):
        """A clear refusal before anything is written."""
        before = self.destination_facts
        self.assert_exit(process, code, *said)
        self.assertEqual(before, self.facts(self.destination), "the destination was written to")

    def assert_said_in_json(self, process, state="INITIALIZING"):
        """A failure ends standard output with one object, too."""
        line = self.last_json(process)
        self.assertEqual((line["state"], line["error"]["exitCode"]), (state, process.child.returncode), process.tail())
        self.assertTrue(line["error"]["message"], process.tail())
        self.assertNotIn(clusters.PASSWORD, process.stdout())

    def remember_destination(self):
        self.destination_facts = self.facts(self.destination)

    @staticmethod
    def facts(cluster):
        client = cluster.client()
        catalog = compare.catalog(client)
        return catalog, {namespace: compare.raw_documents(client, namespace)
                         for namespace, entry in catalog.items() if entry["type"] == "collection"}

    def assert_equal_deployments(self, process=None):
        found = compare.differences(self.source.client(), self.destination.client())
        if found:
            self.fail("\n".join(found) + ("\n" + process.tail() if process else ""))

    def application_uri(self):
        """For writers: on a source with authorization, of a user who may not bypass a write block."""
        if not self.auth or self.flavour == "given":
            return self.source.uri
        if not hasattr(self, "application"):
            self.application = self.source.create_user("application", ["readWriteAnyDatabase", "dbAdminAnyDatabase"])
        return self.application

    def seed(self, documents=2000, database="e2e_seed"):
        """Something to copy, in several collections, with indexes and a view."""
        data = self.source.client()[database]
        data.big.insert_many([{"_id": n, "k": n % 97, "u": f"u{n}", "text": "x" * 200, "at": {"n": [n, float(n)]}}
                              for n in range(documents)])
        data.big.create_index([("k", 1), ("at.n", -1)], name="by k")
        data.big.create_index("u", unique=True)
        data.small.insert_many([{"_id": f"s{n}", "n": n} for n in range(50)])
        data.create_collection("empty")
        data.create_collection("seen", viewOn="small", pipeline=[{"$match": {"n": {"$gt": 10}}}])

    def writers(self, uri=None, **options):
        writers = Writers(uri or self.source.uri, **options)
        self.addCleanup(writers.stop)
        return writers
