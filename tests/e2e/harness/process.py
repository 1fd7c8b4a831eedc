"""A program under test: started, watched, killed. Its output goes to files, so that no pipe can fill up and stall it."""
import os
import signal
import subprocess
import time


class Process:
    def __init__(self, arguments, directory, name, environment=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.arguments = [str(argument) for argument in arguments]
        self.stdout_path = os.path.join(directory, f"{name}.stdout")
        self.stderr_path = os.path.join(directory, f"{name}.stderr")
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self.child = subprocess.Popen(self.arguments, stdin=stdin, stdout=out, stderr=err,
                                          env={**os.environ, **(environment or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def stdout(self):
        with open(self.stdout_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stderr(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log(self):
        """What the program wrote to its --log, but for the figures of its progress."""
        path = next((value for option, value in zip(self.arguments, self.arguments[1:]) if option == "--log"), None)
        if path is None or not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(line for line in file if '"progress"' not in line)

    def tail(self):
        return (f"--- {' '.join(self.arguments)}\n--- exit: {self.child.poll()}\n--- stdout (end)\n{self.stdout()[-3000:]}\n"
                f"--- stderr (end)\n{self.stderr()[-3000:]}\n--- log (end)\n{self.log()[-3000:]}")

    def wait(self, timeout):
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout} s\n{self.tail()}") from None

    def ended_within(self, seconds):
        try:
            self.child.wait(seconds)
            return True
        except subprocess.TimeoutExpired:
            return False

    def signal(self, number):
        if self.running():
            self.child.send_signal(number)

    def kill(self):
        """As a crash: SIGKILL, at once."""
        self.signal(signal.SIGKILL)
        self.child.wait()

    def stop(self, timeout=20):
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop on SIGTERM within {timeout} s\n{self.tail()}") from None

    def children(self):
        """Process ids in this program's session besides itself: what would be an orphan after its end."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == self.pid:
                continue
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == self.pid and fields[0] != "Z":  # session id
                found.append(int(entry))
        return found


def eventually(check, timeout, what):
    """Polls until check() is true and answers its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {timeout} s")
        time.sleep(0.05)
