"""kill -9 at every named point of the engine, and the same command again: copy, apply, each step of the cutover."""
import pathlib
import re
import subprocess

from harness.case import DroverTest
from harness.live import LiveMigration
from harness.process import eventually

ENGINE = pathlib.Path(__file__).resolve().parents[2] / "src" / "engine"


def fail_points():
    """As the engine's source names them, so that a new one is tested from its first day."""
    found = set()
    for path in ENGINE.glob("*.cc"):
        found.update(re.findall(r'reached\("([^"]+)"\)', path.read_text()))
    return sorted(found)


class KilledAtEveryPoint(DroverTest):
    auth = True

    def killed_at(self, point):
        self.seed(documents=1500)
        live = LiveMigration(self, writers=2, storm=0.15)
        live.wait_for_writes(20)
        died = live.start_until_killed(point)
        if died:
            live.start()
        result = live.finish()
        self.assertTrue(died, f"{point} was never reached")
        self.assertGreaterEqual(result["documents"], 1500, "what the earlier run did is forgotten")


def add_tests():
    for point in fail_points():
        def test(self, point=point):
            self.killed_at(point)
        name = "test_" + re.sub(r"\W", "_", point)
        test.__name__ = name
        setattr(KilledAtEveryPoint, name, test)


add_tests()


class Killed(DroverTest):
    auth = True

    def test_again_and_again(self):
        self.seed(documents=4000)
        live = LiveMigration(self, writers=2)
        for pause in (0.3, 0.6, 0.9, 1.2):
            process = live.start("--commit", "never")
            try:
                process.child.wait(pause)
                self.fail(f"it ended by itself\n{process.tail()}")
            except subprocess.TimeoutExpired:
                process.kill()
        live.start()
        live.finish()

    def test_two_at_once_only_one_writes(self):
        self.seed(documents=500)
        first = self.start_migration("--commit", "never")
        self.wait_until_copied(first)
        second = self.start_migration()
        second.wait(90)
        self.assertEqual(second.child.returncode, 0, second.tail())
        eventually(lambda: not first.running(), 60, "the end of the first")
        self.assertNotEqual(first.child.returncode, 0, first.tail())
        self.assert_equal_deployments()
