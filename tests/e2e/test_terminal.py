"""What a person sees and answers: `drover migrate` on a terminal of its own."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from harness import clusters
from harness.case import DroverTest

COLUMNS, LINES = 100, 30


class Terminal:
    """A program on a pseudo terminal."""

    def __init__(self, arguments, environment=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.child = subprocess.Popen(arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # for Ctrl-C
                                      env={**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environment or {})})
        os.close(slave)
        self.seen = ""

    def read(self, timeout):
        if select.select([self.master], [], [], timeout)[0]:
            try:
                self.seen += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError:
                time.sleep(0.02)  # the program has closed its side

    def wait_for(self, pattern, timeout=60):
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.seen):
            if time.monotonic() > deadline or self.child.poll() is not None and not select.select([self.master], [], [], 0)[0]:
                raise AssertionError(f"{pattern!r} was not shown; exit {self.child.poll()}; seen:\n{self.seen[-3000:]}")
            self.read(0.1)

    def answer(self, text):
        os.write(self.master, text.encode() + b"\n")

    def end(self, timeout=60):
        deadline = time.monotonic() + timeout
        while self.child.poll() is None and time.monotonic() < deadline:
            self.read(0.1)
        self.read(0)
        if self.child.poll() is None:
            self.child.kill()
            raise AssertionError(f"it did not end; seen:\n{self.seen[-3000:]}")
        return self.child.returncode

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.master)


class OnATerminal(DroverTest):
    def terminal(self, *more, environment=None):
        terminal = Terminal([clusters.drover_binary(), "migrate", "--source", self.source.uri, "--destination",
                             self.destination.uri, *more], environment)
        self.addCleanup(terminal.close)
        return terminal

    def setUp(self):
        super().setUp()
        self.seed(documents=3000)

    def test_bars_and_the_question(self):
        """A source without a write block: it asks, and goes on when it is answered."""
        terminal = self.terminal()
        terminal.wait_for(r"type stopped")
        terminal.answer("no")
        terminal.wait_for(r"(?s)type stopped.*type stopped")
        terminal.answer("stopped")
        self.assertEqual(terminal.end(), 0, terminal.seen[-3000:])
        self.assertIn("e2e_seed.big", terminal.seen)
        self.assertRegex(terminal.seen, r"\x1b\[\d+A")
        self.assertRegex(terminal.seen, "Committed")
        for line in re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.seen).splitlines():
            if not line.startswith("Committed"):  # a sentence, which the terminal wraps; what is drawn again must fit
                self.assertLessEqual(len(line), 2 * COLUMNS, line)
        self.assert_equal_deployments()

    def test_a_no_removes_nothing(self):
        terminal = self.terminal("--commit", "never", "--assume-writes-stopped")
        terminal.wait_for(r"change event application")
        os.write(terminal.master, b"\x03")
        self.assertEqual(terminal.end(20), 130, terminal.seen[-3000:])
        terminal = self.terminal("--cleanup")
        terminal.wait_for(r"Type yes or no: ")
        terminal.answer("perhaps")
        terminal.wait_for(r"(?s)Type yes or no: .*Type yes or no: ")
        terminal.answer("no")
        self.assertEqual(terminal.end(20), 130, terminal.seen[-3000:])
        self.assertRegex(terminal.seen, "nothing was removed")
        self.assertIn("__mdb_internal_mongosync", self.destination.client().list_database_names())

    def test_commit_when_told(self):
        terminal = self.terminal("--commit", "manual", "--assume-writes-stopped")
        terminal.wait_for(r"ready: type commit")
        terminal.answer("commit")
        self.assertEqual(terminal.end(), 0, terminal.seen[-3000:])
        self.assert_equal_deployments()

    def test_no_colour(self):
        terminal = self.terminal("--assume-writes-stopped", environment={"NO_COLOR": "1"})
        self.assertEqual(terminal.end(), 0, terminal.seen[-3000:])
        self.assertNotRegex(terminal.seen, r"\x1b\[\d+m")

    def test_ctrl_c(self):
        terminal = self.terminal("--commit", "never")
        terminal.wait_for(r"change event application")
        os.write(terminal.master, b"\x03")
        self.assertEqual(terminal.end(20), 130, terminal.seen[-3000:])
        self.assertRegex(terminal.seen, r"drover migrate: stopped")
