"""A whole migration under live writes, compared byte by byte afterwards."""
from harness import compare
from harness.case import DroverTest
from harness.live import LiveMigration

RESULT_FIELDS = ("state", "documents", "bytes", "copySeconds", "changeEventsApplied", "maxLagSeconds", "finalLagSeconds")


class HappyPath(DroverTest):
    def test_idle_source(self):
        self.seed()
        result = self.migrate()
        self.assert_equal_deployments()
        self.assertEqual(result["state"], "COMMITTED")
        for field in RESULT_FIELDS:
            self.assertIn(field, result)
        self.assertEqual(result["documents"], 2050)
        client = self.source.client()
        self.assertEqual(result["bytes"], sum(len(raw) * times for name in ("big", "small")
                                              for raw, times in compare.raw_documents(client, f"e2e_seed.{name}").items()))
        self.assertEqual((result["finalLagSeconds"], result["restarts"]), (0, 0))
        again = self.migrate()
        self.assertEqual(again, result)

    def test_empty_source(self):
        self.migrate()
        self.assert_equal_deployments()

    def test_live_writes(self):
        self.seed()
        live = LiveMigration(self)
        live.wait_for_writes()
        live.start()
        result = live.finish()
        self.assertGreater(result["changeEventsApplied"], 0)

    def test_only_what_is_included(self):
        self.seed()
        other = self.source.client().e2e_other
        other.left_out.insert_one({"_id": 1})
        other.kept.insert_one({"_id": 1})
        self.migrate("--include", "e2e_seed", "--include", "e2e_other.kept", "--exclude", "e2e_seed.small")
        found = {f"{name}.{entry}" for name in ("e2e_seed", "e2e_other")
                 for entry in self.destination.client()[name].list_collection_names() if not entry.startswith("system.")}
        self.assertIn("e2e_seed.big", found)
        self.assertIn("e2e_other.kept", found)
        self.assertNotIn("e2e_other.left_out", found)
        self.assertNotIn("e2e_seed.small", found)

    def test_never_commit_leaves_the_source_writable(self):
        self.seed(documents=100)
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        self.source.client().e2e_seed.small.insert_one({"_id": "later"})
        self.eventually_on_destination("e2e_seed", "small", {"_id": "later"})
        process.stop()
        self.source.client().e2e_seed.small.insert_one({"_id": "after"})

    def test_log_file_in_a_path_with_a_space(self):
        self.seed(documents=10)
        self.migrate("--log", f"{self.directory}/a log.json")
        with open(f"{self.directory}/a log.json") as file:
            self.assertTrue(file.readline().startswith("{"))

    def test_uris_from_a_file_and_the_environment(self):
        self.seed(documents=10)
        with open(f"{self.directory}/source uri", "w") as file:
            file.write(self.source.uri + "\n")
        self.migrate(source=f"@{self.directory}/source uri", destination="env:E2E_DESTINATION",
                     environment={"E2E_DESTINATION": self.destination.uri})
        self.assert_equal_deployments()


class HappyPathWithAuthorization(DroverTest):
    auth = True

    def test_live_writes(self):
        """From 6.0 on nobody tells the writers: the source refuses them."""
        self.seed()
        live = LiveMigration(self)
        live.wait_for_writes()
        live.start()
        live.finish()
        if live.blocks:
            self.assertTrue(all(writer.blocked for writer in live.writers.all), "writers that nobody stopped")

    def test_second_run_says_that_it_is_done(self):
        self.seed(documents=10)
        self.migrate()
        again = self.start_migration()
        again.wait(30)
        self.assertIn(again.child.returncode, (0, 4), again.tail())
        self.assert_equal_deployments()
