"""Bad input: each a clear refusal, with its exit code, before anything is written."""
import os
import subprocess

from harness import clusters
from harness.case import DroverTest
from harness.report import NotRun

USAGE, UNSUPPORTED, WRONG_STATE, SOURCE, DESTINATION = 2, 3, 4, 5, 6


class Refusals(DroverTest):
    def setUp(self):
        super().setUp()
        self.remember_destination()

    def refused(self, code, *said, more=(), **options):
        process = self.start_migration(*more, **options)
        process.wait(60)
        codes = code if isinstance(code, tuple) else (code,)
        self.assertIn(process.child.returncode, codes, process.tail())
        self.assert_refused_untouched(process, process.child.returncode, *said)
        self.assert_said_in_json(process)
        return process

    def test_no_connection_string_at_all(self):
        process = self.run_drover("migrate", "--source", "nonsense", "--destination", self.destination.uri, "--yes")
        self.assert_refused_untouched(process, USAGE, "source")

    def test_a_missing_option(self):
        process = self.run_drover("migrate", "--source", self.source.uri)
        self.assert_refused_untouched(process, USAGE, "--destination")

    def test_a_wrong_command_line_ends_with_json_too(self):
        for words in (["--source", self.source.uri], ["--no-such-option"], ["--load-level", "9"], ["--include", ".x"],
                      ["--source", "@/no such place", "--destination", self.destination.uri],
                      ["--source", self.source.uri, "--destination", self.destination.uri, "--log", "/no such place/log"]):
            with self.subTest(words):
                process = self.run_drover("migrate", "--json", *words, timeout=30)
                self.assertNotEqual(process.child.returncode, 0)
                self.assert_said_in_json(process)
        for command, field in (("check", "refused"), ("verify", "equal")):
            process = self.run_drover(command, "--json", "--source", self.source.uri, timeout=30)
            self.assert_exit(process, USAGE)
            self.assertEqual(self.last_json(process)["error"]["exitCode"], USAGE)
            self.assertIn(field, self.last_json(process))

    def test_a_name_to_include_that_is_not_there(self):
        self.seed(documents=10)
        self.refused(USAGE, r"e2e_seeed\.big", "spelling", more=["--include", "e2e_seeed.big"])
        self.migrate("--include", "e2e_seed.small", "--include", "e2e_seed.later")

    def test_a_wrong_connection_string(self):
        password = "in: the ?/ open"
        for wrong in ("", "mongodb://", "mysql://127.0.0.1/", "127.0.0.1:27017", "mongodb://127.0.0.1:99999/", "mongodb://[::1/",
                      "mongodb://127.0.0.1/?tls=perhaps", "mongodb://127.0.0.1/?readPreference=nearby",
                      f"mongodb://user:{password}@127.0.0.1/", "mongodb://user:in@the@open@127.0.0.1/",
                      "mongodb://us%er:in@127.0.0.1/", "mongodb://127.0.0.1/?tls=true&tlsCAFile=%2Fno%20such%20file"):
            for side in ("source", "destination"):
                with self.subTest(uri=wrong, side=side):
                    process = self.refused(USAGE, side, **{side: wrong})
                    self.assertNotRegex(process.stdout() + process.stderr(), "in: the|the@open|user:in")

    def test_a_set_of_another_name(self):
        wrong = clusters.with_options(self.source.uri, directConnection="false", replicaSet="another",
                                      serverSelectionTimeoutMS="2000")
        self.refused(SOURCE, "another", source=wrong)

    def test_a_host_that_does_not_exist(self):
        self.refused(SOURCE, r"nowhere\.invalid", source="mongodb://nowhere.invalid/?serverSelectionTimeoutMS=2000")

    def test_an_unreachable_source(self):
        port = clusters.free_port()
        self.refused(SOURCE, str(port), source=f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=2000")

    def test_an_unreachable_destination(self):
        port = clusters.free_port()
        self.refused(DESTINATION, str(port), destination=f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=2000")

    def test_a_file_that_is_not_there(self):
        self.refused(USAGE, "no such place", source="@/no such place")

    def test_a_directory_for_temporary_files_that_is_not_there(self):
        self.refused(USAGE, "TMPDIR", environment={"TMPDIR": "/no such place"})

    def test_a_destination_with_documents(self):
        self.destination.client().e2e_full.items.insert_one({"_id": 1})
        self.remember_destination()
        self.refused((DESTINATION, UNSUPPORTED), r"e2e_full")

    def test_a_destination_with_an_empty_collection(self):
        self.destination.client().e2e_full.create_collection("empty")
        self.remember_destination()
        self.refused((DESTINATION, UNSUPPORTED), r"e2e_full")

    def test_a_destination_with_only_a_view(self):
        database = self.destination.client().e2e_full
        database.create_collection("seen", viewOn="nothing", pipeline=[])
        self.remember_destination()
        self.refused((DESTINATION, UNSUPPORTED), r"e2e_full")

    def test_source_and_destination_swapped(self):
        self.seed(documents=20)
        self.source, self.destination = self.destination, self.source
        self.remember_destination()
        self.refused((DESTINATION, UNSUPPORTED), r"e2e_seed")

    def test_the_same_set_under_another_name(self):
        if not self.source.direct:
            raise NotRun("a deployment with one member of the test's own")
        other_name = self.source.uri.replace("127.0.0.1", "127.1")
        process = self.start_migration(destination=other_name)
        process.wait(60)
        self.assertIn(process.child.returncode, (UNSUPPORTED, DESTINATION, USAGE), process.tail())
        self.assertRegex(process.stderr(), "same")

    def test_a_source_that_cannot_block_writes_needs_a_decision(self):
        if self.source.can_block_writes():
            raise NotRun("a source that cannot block writes")
        process = self.run_drover("migrate", "--source", self.source.uri, "--destination", self.destination.uri, "--yes", "--json")
        self.assert_refused_untouched(process, UNSUPPORTED, "--before-cutover", "--assume-writes-stopped")
        self.assert_said_in_json(process)

    def test_what_is_not_carried_is_named(self):
        database = self.source.client().e2e_seed
        database.create_collection("ring", capped=True, size=4096)
        process = self.start_migration()
        process.wait(60)
        if process.child.returncode == 0:
            self.assert_equal_deployments(process)  # this version carries it
        else:
            self.assert_refused_untouched(process, UNSUPPORTED, r"e2e_seed\.ring")


class RefusalsWithAuthorization(DroverTest):
    auth = True

    def setUp(self):
        super().setUp()
        self.needs_own_clusters()
        self.remember_destination()

    def test_a_wrong_password_at_the_source(self):
        process = self.start_migration(source=self.source.uri_of("root", "wrong"))
        process.wait(60)
        self.assert_refused_untouched(process, SOURCE, "(?i)authentication|password")
        self.assert_said_in_json(process)

    def test_a_wrong_password_at_the_destination(self):
        process = self.start_migration(destination=self.destination.uri_of("root", "wrong"))
        process.wait(60)
        self.assert_refused_untouched(process, DESTINATION, "(?i)authentication|password")

    def test_a_user_without_roles_at_the_source(self):
        uri = self.source.create_user("nobody", ["read"])
        process = self.start_migration(source=uri)
        process.wait(60)
        self.assert_refused_untouched(process, SOURCE, r"its user lacks .*; grant the role \w+")

    def test_a_user_without_roles_at_the_destination(self):
        uri = self.destination.create_user("nobody", ["readAnyDatabase"])
        process = self.start_migration(destination=uri)
        process.wait(60)
        self.assert_refused_untouched(process, DESTINATION, r"its user lacks .*; grant the role \w+")

    def test_a_destination_whose_writes_are_blocked_already(self):
        """It would stay so after the cutover, and the source blocked as well."""
        if not self.destination.can_block_writes():
            raise NotRun("a destination that can block writes")
        self.destination.client().admin.command("setUserWriteBlockMode", 1, **{"global": True})
        process = self.start_migration()
        process.wait(60)
        self.assert_refused_untouched(process, DESTINATION, "blocked", "setUserWriteBlockMode")
        self.destination.client().admin.command("setUserWriteBlockMode", 1, **{"global": False})
        self.migrate()

    def test_a_destination_with_only_users(self):
        self.destination.client().e2e_users.command("createUser", "someone", pwd="x", roles=[])
        process = self.start_migration()
        process.wait(60)
        self.assertIn(process.child.returncode, (DESTINATION, UNSUPPORTED), process.tail())
        self.assertRegex(process.stderr(), "(?i)user")


class RealServersOnly(DroverTest):
    once = True

    def start_clusters(self):
        self.needs_mongod()
        super().start_clusters()

    def test_a_standalone_source(self):
        standalone = clusters.Standalone(self.directory, "standalone")
        self.addCleanup(standalone.close)
        self.remember_destination()
        process = self.start_migration(source=standalone.plain_uri)
        process.wait(60)
        self.assert_refused_untouched(process, process.child.returncode, "(?i)replica set")
        self.assertIn(process.child.returncode, (UNSUPPORTED, SOURCE))


class CommandLine(DroverTest):
    once = True

    def test_help_and_version_need_no_deployment(self):
        for words in (["--help"], ["migrate", "--help"], ["--version"]):
            process = self.run_drover(*words, timeout=10)
            self.assertEqual(process.child.returncode, 0, process.tail())

    def test_output_that_cannot_be_written(self):
        """A result that nobody got is no success; a reader that has seen enough is."""
        with open("/dev/full", "w") as full:
            told = subprocess.run([clusters.drover_binary(), "--version"], stdout=full, stderr=subprocess.PIPE, timeout=10)
        self.assertEqual(told.returncode, 1)
        self.assertIn(b"standard output could not be written", told.stderr)
        reading, writing = os.pipe()
        os.close(reading)
        told = subprocess.run([clusters.drover_binary(), "--version"], stdout=writing, stderr=subprocess.PIPE, timeout=10)
        os.close(writing)
        self.assertEqual((told.returncode, told.stderr), (0, b""))

    def start_clusters(self):
        pass
