"""`drover demo --control-plane`: all three stages of the workflow as by hand, with both sites in processes of their own and in
one. Whatever ends it, it leaves no process."""
import glob
import os
import re
import shutil
import signal

from harness.demo import DemoEnds

DEMO_SECONDS = 400
INTERRUPTED = 130


class DemoOfTheControlPlane(DemoEnds):
    once = True

    def assert_complete(self, process, processes):
        self.assertEqual(process.wait(DEMO_SECONDS), 0, process.tail())
        self.assert_nothing_runs(process)
        result = self.last_json(process)
        self.assertEqual(result["state"], "COMPLETE", process.tail())
        self.assertTrue(result["verification"]["equal"], process.tail())
        self.assertEqual(result["ledger"]["differences"], 0)
        self.assertGreater(result["ledger"]["documents"], 0)
        self.assertGreater(result["changeEventsApplied"], 0)
        self.assertGreater(result["bytes"], 0)
        self.assertGreater(result["writeUnavailableMillis"], 0)
        story = result["controlPlane"]
        self.assertEqual(story["processes"], processes)
        self.assertEqual(story["migration"]["status"], "COMPLETE")
        self.assertGreater(story["readyAfterSeconds"], 0)
        self.assertEqual([step for step in story["steps"] if step["exitCode"] != 0], [])
        self.assertEqual(sorted({step["stage"] for step in story["steps"]}), [0, 1, 2, 3])
        typed = [step["command"] for step in story["steps"]]
        for verb in ("server", "project create", "host provision", "deployment add", "deployment alerts", "cluster register", "link create-token",
                     "link connect", "link projects", "migration validate", "migration start", "migration watch", "migration cutover", "verify",
                     "deployment remove", "link disconnect"):
            self.assertTrue(any(command.startswith(f"drover {verb}") for command in typed), f"drover {verb}: {typed}")
            self.assertIn(f"drover {verb}", process.stderr())
        for heading in ("Before you begin", "Stage 1: ", "Stage 2: ", "Stage 3: "):
            self.assertIn(f"\n{heading}", process.stderr())
        return result

    def assert_no_secret_was_shown(self, process):
        """What stands in the files for secrets stands nowhere in the output."""
        directory = self.demo_directory()
        secrets = []
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if name.endswith((".password", ".json", ".config", ".uri")) or name == "link-token":
                self.assertEqual(os.stat(path).st_mode & 0o077, 0, name)
                with open(path, encoding="utf-8") as file:
                    secrets += re.findall(r'(?:privateKey": ?"|mmsApiKey=|://\w+:)([^"@\s]+)', file.read()) if not name.endswith((".password", "token")) \
                        else [file.read().strip()]
        self.assertGreater(len(secrets), 6)
        output = process.stdout() + process.stderr()
        for secret in secrets:
            self.assertNotIn(secret, output)

    def test_all_three_stages(self):
        process = self.begin("--control-plane", "--keep")
        self.assert_complete(process, "separate")
        self.assert_no_secret_was_shown(process)

    def test_in_one_process(self):
        self.assert_complete(self.begin("--control-plane", "--one-process"), "one")
        self.assertEqual(os.listdir(self.place), [], "its directory is left")

    def in_stage_3(self, *more):
        process = self.begin("--control-plane", *more)
        engine = None
        self.wait_until_said(process, "drover migration start")
        engine = self.process_with("sync", "--lifeline")
        return process, engine

    def test_stopped_in_stage_3(self):
        process, _ = self.in_stage_3()
        process.signal(signal.SIGTERM)
        self.assert_ends(process, INTERRUPTED, "^drover demo: stopped; nothing is left running")

    def test_killed_in_stage_3(self):
        for more in ((), ("--one-process",)):
            process, _ = self.in_stage_3(*more)
            process.kill()
            self.assert_nothing_runs(process)
            for left in glob.glob(os.path.join(self.place, "*")):
                shutil.rmtree(left)

    def test_a_site_that_dies_ends_the_demo(self):
        process, _ = self.in_stage_3()
        os.kill(self.process_with("server", "--role atlas"), signal.SIGKILL)
        self.assert_ends(process, 1, r"^drover demo: the server of the atlas site was ended by signal 9 .*atlas\.log")
