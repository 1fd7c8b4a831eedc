"""What the program says before a command is at work: wrong words, an early Ctrl-C, and nothing of the driver's own."""
import os
import signal
import subprocess

from harness import clusters
from harness.case import DroverTest
from harness.report import NotRun

USAGE = 2
INTERRUPTED = 130
NOWHERE = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"


class CommandLine(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        pass

    def between(self, command, source=NOWHERE, destination=NOWHERE):
        return self.run_drover(command, "--source", source, "--destination", destination, timeout=60)

    def test_an_option_of_a_connection_string_that_nobody_knows(self):
        for command in ("check", "migrate", "verify"):
            with self.subTest(command):
                self.assert_exit(self.between(command, source=NOWHERE + "&tsl=true"), USAGE,
                                 "source connection string: there is no option tsl; did you mean `tls`")
                self.assert_exit(self.between(command, destination=NOWHERE + "&foo=bar"), USAGE,
                                 "destination connection string: there is no option foo")
                self.assert_exit(self.between(command, source=NOWHERE + "&proxyHost=p"), USAGE, "the option proxyHost is not supported")

    def test_a_mistyped_option_is_named(self):
        for command in ("check", "migrate", "verify"):
            with self.subTest(command):
                self.assert_exit(self.run_drover(command, "--sorce", NOWHERE, "--destination", NOWHERE, timeout=20), USAGE,
                                 "no such option --sorce; did you mean `--source`")

    def test_a_signal_before_a_command_is_at_work(self):
        """It waits for a connection string, out of a pipe that nobody writes to."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                pipe = os.path.join(self.directory, f"uri {number}")
                os.mkfifo(pipe)
                process = self.start("check", "--source", f"@{pipe}", "--destination", NOWHERE)
                with open(pipe, "wb"):  # opens when it is being read
                    process.signal(number)
                    self.assertEqual(process.wait(20), INTERRUPTED, process.tail())
                self.assertEqual(process.stderr(), "drover: stopped before it had begun; nothing was done\n")

    def test_a_hangup_that_is_ignored_stays_ignored(self):
        """As below nohup."""
        program = subprocess.Popen(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", clusters.drover_binary(), "sandbox", "--port", "0",
                                    "--dbpath", os.path.join(self.directory, "data")], stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.kill)
        self.assertIn("ready on", program.stdout.readline())
        program.send_signal(signal.SIGHUP)
        with self.assertRaises(subprocess.TimeoutExpired):
            program.wait(1)
        program.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait(20), 0)
        program.stdout.close()

    def test_what_the_driver_has_to_say_is_not_on_standard_error(self):
        """Counters that a killed process left under the same process id are a warning of its library."""
        if not os.access("/dev/shm", os.W_OK):
            raise NotRun("/dev/shm")
        said = subprocess.run(["sh", "-c", ': > "/dev/shm/mongoc-$$"; exec "$@"', "sh", clusters.drover_binary(), "--version"],
                              capture_output=True, text=True, timeout=20, check=True)
        self.assertEqual(said.stderr, "")
        self.assertRegex(said.stdout, "^drover ")
