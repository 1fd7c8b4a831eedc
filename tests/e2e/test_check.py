"""`drover check` says what would be in the way, with the exit code of the refusal, and changes nothing."""
import json

from harness.case import DroverTest


class Check(DroverTest):
    def check(self, *more):
        return self.run_drover("check", "--source", self.source.uri, "--destination", self.destination.uri, *more, timeout=60)

    def findings(self):
        process = self.check("--json")
        return {finding["id"]: finding for finding in json.loads(process.stdout())["findings"]}

    def test_nothing_is_in_the_way(self):
        self.seed(documents=10)
        self.remember_destination()
        process = self.check()
        self.assert_refused_untouched(process, 0, "A migration may begin")
        if self.source.can_block_writes():
            self.assertIn("may begin.", process.stdout())
        else:  # as `drover migrate` would say without them
            self.assert_exit(process, 0, "cannot block writes itself", "may begin, with --before-cutover")

    def test_every_finding_is_named(self):
        data = self.source.client().e2e_check
        data.create_collection("ring", capped=True, size=4096)
        data.sessions.create_index("at", expireAfterSeconds=60)
        self.destination.client().e2e_full.items.insert_one({})
        found = self.findings()
        self.assertIn("e2e_check.ring", found["source-capped"]["what"])
        self.assertIn("e2e_check.sessions", found["source-ttl"]["what"])
        self.assertIn("e2e_full.items", found["destination-not-empty"]["what"])
        process = self.check()
        self.assert_exit(process, process.child.returncode, r"e2e_check\.ring", r"--exclude", "would be refused")
        self.assertIn(process.child.returncode, (3, 6))

    def test_what_is_excluded_is_not_judged(self):
        self.seed(documents=10)
        self.source.client().e2e_check.create_collection("ring", capped=True, size=4096)
        self.assert_exit(self.check("--exclude", "e2e_check.ring"), 0)

    def test_excludes_that_are_not_there_or_leave_nothing(self):
        self.seed(documents=10)
        self.source.client().e2e_check.a.insert_one({})
        self.remember_destination()
        process = self.check("--exclude", "e2e_chekc", "--exclude", "e2e_check.b")
        self.assert_refused_untouched(process, 0, "warning source: it holds nothing of the name e2e_chekc ", r"the name e2e_check\.b ", "may begin")
        everything = ("--exclude", "e2e_check", "--exclude", "e2e_seed")
        self.assert_refused_untouched(self.check(*everything), 2, "the names given with --exclude leave nothing of it", "would be refused")
        migration = self.start_migration(*everything)
        migration.wait(60)
        self.assert_refused_untouched(migration, 2, "leave nothing of it to be migrated")

    def test_a_migration_that_has_begun(self):
        self.seed(documents=10)
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        process.stop()
        self.assert_exit(self.check(), 0, "would continue it")
        self.migrate()
        self.assert_exit(self.check(), 0, "committed: nothing is left to copy or to cut over", "an --after-cutover that has not succeeded yet")
        self.assertTrue(self.last_json(self.check("--json"))["committed"])

    def test_a_side_that_does_not_answer(self):
        process = self.run_drover("check", "--json", "--source", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=1000",
                                  "--destination", self.destination.uri, timeout=60)
        self.assert_exit(process, 5, "source")
        self.assertEqual(self.last_json(process)["error"]["exitCode"], 5)
