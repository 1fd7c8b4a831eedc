"""A `drover demo` under test, in a directory of its own for temporary files: what it started is told by it."""
import glob
import os

from harness.case import DroverTest
from harness.process import eventually

END_SECONDS = 20     # from SIGTERM to the end on a machine that does much else; the demo itself allows about 15


def processes_of(directory):
    """Whose working directory or command line is in the demo's: {pid: command}. An engine has a session of its own."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(f"/proc/{entry}/cwd")
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state not in "ZX" and (directory in command or place.startswith(directory)):
            found[int(entry)] = command
    return found


class DemoEnds(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        """The demo brings its own."""

    def begin(self, *more):
        self.place = os.path.join(self.directory, "tmp")
        os.makedirs(self.place, exist_ok=True)
        return self.start("demo", "--server-version", self.flavour.removeprefix("sandbox-"), "--headless", "--json", "--scale", "0.05",
                          "--writes-per-second", "200", *more, environment={"TMPDIR": self.place})

    def demo_directory(self):
        return eventually(lambda: next(iter(glob.glob(os.path.join(self.place, "drover demo *"))), None), 60, "the demo's directory")

    def wait_until_said(self, process, text, timeout=120):
        def said():
            if not process.running():
                self.fail(f"it ended\n{process.tail()}")
            return text in process.stderr()
        eventually(said, timeout, repr(text))

    def process_with(self, *words):
        return eventually(lambda: next((pid for pid, command in processes_of(self.demo_directory()).items() if all(word in command for word in words)), None),
                          60, f"a process {words}")

    def assert_nothing_runs(self, process):
        eventually(lambda: not processes_of(self.place), 10, "the end of every process")
        self.assertEqual(process.children(), [])

    def assert_ends(self, process, code, *said):
        self.assertEqual(process.wait(END_SECONDS), code, process.tail())
        for text in said:
            self.assertRegex(process.stderr().strip().splitlines()[-1], text)
        self.assertEqual(self.last_json(process)["error"]["exitCode"], code)
        self.assert_nothing_runs(process)
