"""`drover migrate --cleanup` looks at what it is told to remove: whose migration it is, how far it came, who is at it."""
from harness.case import DroverTest

USAGE, WRONG_STATE, DECIDED, WAS_COMMITTED = 2, 4, 12, 13
CARRIED_ON_SECONDS = 240  # before 6.0 it waits for what may arrive late (engine/clean_up.h)


class Cleanup(DroverTest):
    def cleanup(self, *more, source=None, environment=None):
        return self.run_drover("migrate", "--cleanup", "--json", "--source", source or self.source.uri,
                               "--destination", self.destination.uri, *(more or ["--yes"]), environment=environment, timeout=CARRIED_ON_SECONDS)

    def interrupted_cleanup(self, fail_point):
        process = self.cleanup(environment={"DROVER_FAIL_POINT": fail_point})
        self.assertLess(process.child.returncode, 0, process.tail())

    def state(self):
        return sorted(self.destination.client()["__mdb_internal_mongosync"].list_collection_names())

    def begun(self):
        self.seed(documents=100)
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        return process

    def assert_refused(self, process, code, *said):
        self.assert_exit(process, code, *said)
        self.assertEqual(self.last_json(process)["error"]["exitCode"], code)

    def test_nothing_to_remove(self):
        self.remember_destination()
        process = self.cleanup()
        self.assert_refused_untouched(process, 0, "no state of a migration", "look before you drop")
        self.assertEqual(self.last_json(process), {"state": "IDLE", "removed": "nothing"})
        self.assertEqual(self.state(), [])

    def test_one_that_has_begun(self):
        self.begun().stop()
        process = self.cleanup()
        self.assert_exit(process, 0, "Drop what it copied")
        self.assertEqual(self.last_json(process)["removed"], "begun")
        self.assertEqual(self.state(), [])
        self.destination.client().drop_database("e2e_seed")
        self.migrate()
        self.assert_equal_deployments()

    def test_one_that_was_killed(self):
        self.begun().kill()
        self.assert_exit(self.cleanup(), 0, "Drop what it copied")

    def test_nobody_can_be_asked(self):
        self.begun().stop()
        before = self.state()
        self.assert_refused(self.cleanup("--log", "-"), USAGE, "--yes")
        self.assertEqual(self.state(), before)

    def test_somebody_is_at_it(self):
        # A name that came with a copied connection string does not hide it.
        self.seed(documents=100)
        uri = self.destination.uri
        running = self.start_migration("--commit", "never", destination=uri + ("&" if "?" in uri else "?") + "appName=Cluster0")
        self.wait_until_copied(running)
        self.assert_refused(self.cleanup(), WRONG_STATE, "at work on this destination right now", "drover migrate from")
        self.assertTrue(running.running(), running.tail())
        running.stop()
        self.migrate()
        self.assert_equal_deployments()

    def test_the_migration_of_another_source(self):
        self.needs_own_clusters()
        self.begun().stop()
        before = self.state()
        other = self.cluster("another")
        self.assert_refused(self.cleanup(source=other.uri), WRONG_STATE, "of another source", "source")
        self.assertEqual(self.state(), before)
        process = self.start_migration(source=other.uri)
        process.wait(60)
        self.assert_refused(process, WRONG_STATE, "of another source")
        self.migrate()
        self.assert_equal_deployments()

    def test_one_that_is_committed(self):
        self.seed(documents=100)
        self.migrate()
        process = self.cleanup()
        self.assert_exit(process, WAS_COMMITTED, "drop nothing")
        self.assertEqual(self.last_json(process)["removed"], "committed")
        self.assertEqual(self.state(), [])
        self.assert_equal_deployments()

    # There is only forward from the first document on: the next clean-up.
    def test_one_whose_removal_was_interrupted(self):
        self.begun().stop()
        for fail_point in ("cleanup.after_takeover", "cleanup.before_record"):
            self.interrupted_cleanup(fail_point)
            process = self.start_migration("--commit", "never")
            self.wait_until_copied(process)  # nothing was removed
            process.stop()
        for fail_point in ("cleanup.after_record", "cleanup.after_drop:3"):
            self.interrupted_cleanup(fail_point)
            process = self.start_migration()
            process.wait(60)
            self.assert_refused(process, WRONG_STATE, "whose removal was interrupted")
            self.assertNotEqual(self.state(), [])
        self.assert_exit(self.cleanup(), 0, "Drop what it copied")
        self.assertEqual(self.state(), [])

    def test_a_commit_is_known_to_the_last(self):
        self.seed(documents=100)
        self.migrate()
        while self.state() != ["x_owner"]:
            self.interrupted_cleanup("cleanup.after_drop")
            before = self.state()
            self.assert_exit(self.cleanup("--yes", "--only", "begun"), WAS_COMMITTED, "stays")
            self.assertEqual(self.state(), before)
        self.assert_exit(self.cleanup("--yes", "--only", "committed"), WAS_COMMITTED, "drop nothing")
        self.assertEqual(self.state(), [])
        self.assert_equal_deployments()

    def test_only_a_commit(self):
        self.begun().stop()
        before = self.state()
        self.assert_refused(self.cleanup("--yes", "--only", "committed"), WRONG_STATE, "does not hold the record of a commit")
        self.assertEqual(self.state(), before)

    def test_one_whose_cutover_is_decided(self):
        self.seed(documents=100)
        process = self.start_migration(environment={"DROVER_FAIL_POINT": "cutover.after_decision"})
        process.wait(60)
        self.assertLess(process.child.returncode, 0, process.tail())
        self.assert_refused(self.cleanup(), DECIDED, "decided but not finished")
        check = self.run_drover("check", "--source", self.source.uri, "--destination", self.destination.uri, timeout=60)
        self.assert_exit(check, 0, "would finish it")
        self.migrate()
        self.assert_equal_deployments()
