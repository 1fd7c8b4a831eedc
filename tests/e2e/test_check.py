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
        self.assert_refused_untouched(self.check(), 0, "A migration may begin")

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
        self.source.client().e2e_check.create_collection("ring", capped=True, size=4096)
        self.assert_exit(self.check("--exclude", "e2e_check.ring"), 0)

    def test_a_migration_that_has_begun(self):
        self.seed(documents=10)
        process = self.start_migration("--commit", "never")
        self.wait_until_copied(process)
        process.stop()
        self.assert_exit(self.check(), 0, "would continue it")
