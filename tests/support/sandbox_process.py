"""A `drover sandbox` of its own for a test: started with fresh data, stopped by its process."""
import os
import pathlib
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60


class Sandbox:
    def __init__(self, directory, version, auth=False, port=0, user=("admin", "pass")):
        self.directory = pathlib.Path(directory)
        self.version, self.auth, self.wanted_port, self.user = version, auth, port, user
        self.process = None

    def start(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        port_file = self.directory / "port"
        command = [os.environ.get("DROVER", str(ROOT / "build/drover")), "sandbox", "--dbpath", str(self.directory / "data"), "--port", str(self.wanted_port),
                   "--port-file", str(port_file), "--server-version", self.version, "--log", str(self.directory / "log")]
        if self.auth:
            command.append("--auth")
        with open(self.directory / "out", "w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        deadline = time.monotonic() + START_SECONDS
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} did not start; see {self.directory}")
            time.sleep(0.05)
        self.port = int(port_file.read_text())
        if self.auth:
            self.create_user()

    def create_user(self):
        import pymongo
        client = pymongo.MongoClient(f"mongodb://127.0.0.1:{self.port}/?directConnection=true")
        client.admin.command("createUser", self.user[0], pwd=self.user[1], roles=["root"])
        client.close()

    def ensure(self):
        if self.process is None or self.process.poll() is not None:
            self.start()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
