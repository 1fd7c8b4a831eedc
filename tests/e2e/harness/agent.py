"""A `drover agent` with its configuration file, and what an owner of the manager site does to have one."""
import os
import re

from harness.process import eventually
from harness.site import MANAGER


class Project:
    """A project of the manager site, with an agent API key."""

    def __init__(self, test, site, name="Shop (prod)"):
        self.test, self.site = test, site
        status, _, project = site.call("POST", MANAGER + "/groups", {"name": name, "orgId": site.org})
        test.assertEqual(status, 201, project)
        self.id = project["id"]
        status, _, self.key = site.call("POST", f"{MANAGER}/groups/{self.id}/agentapikeys", {"desc": "migration host"})
        test.assertEqual(status, 200, self.key)

    def call(self, method, path, body=None, **options):
        return self.site.call(method, f"{MANAGER}/groups/{self.id}{path}", body, **options)

    def monitor(self, host, port, **credentials):
        status, _, added = self.call("POST", "/hosts", {"hostname": host, "port": port, **credentials})
        self.test.assertEqual(status, 201, added)
        return added

    def hosts(self):
        return self.call("GET", "/hosts")[2]["results"]

    def monitored(self, cluster, **credentials):
        """Adds it, and waits until a sample of it has come. The cluster, as the API shows it."""
        self.monitor("127.0.0.1", cluster.port, **credentials)
        host = eventually(lambda: next((one for one in self.hosts() if one["port"] == cluster.port and one["typeName"] != "NO_DATA"), None), 60, "a sample")
        return eventually(lambda: next((one for one in self.call("GET", "/clusters")[2]["results"]
                                        if one["id"] == host["clusterId"] and one.get("replicaSetName")), None), 30, "the set's name")


class AgentProcess:
    def __init__(self, test, project, hostname="mig01.example.net", name="agent", migration=True, base_url=None, environment=None, **lines):
        self.test, self.hostname, self.name, self.environment = test, hostname, name, environment
        self.data = os.path.join(test.directory, f"{name} data")
        self.config = os.path.join(test.directory, f"{name}.config")
        self.log_path = os.path.join(test.directory, f"{name}.log")
        self.lines = {"mmsGroupId": project.id, "mmsApiKey": project.key["key"], "mmsBaseUrl": base_url or project.site.url,
                      "agentFeatureCloudMigrationEnabled": "true" if migration else "false", "logFile": self.log_path,
                      "serverSelectionTimeoutSeconds": 3, **lines}
        self.start()

    def write_config(self):
        with open(os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write("".join(f"{key}={value}\n" for key, value in self.lines.items()))

    def start(self):
        self.write_config()
        self.process = self.test.start("agent", "-f", self.config, "--data", self.data, "--hostname", self.hostname, environment=self.environment)
        self.test.addCleanup(self.end_engines)

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def tail(self):
        return f"{self.process.tail()}\n--- agent's log (end)\n{self.log()[-5000:]}"

    def job_path(self, job, *parts):
        return os.path.join(self.data, "jobs", job, *parts)

    def engine_pid(self, job):
        """Of the engine that runs for this job, or None."""
        try:
            with open(self.job_path(job, "pid"), encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                state = file.read().rsplit(")", 1)[1].split()[0]
        except (OSError, ValueError):
            return None
        return pid if job.encode() in command and state not in "ZX" else None

    def end_engines(self):
        """Whatever a test left behind: by the pid that each engine wrote."""
        jobs = os.path.join(self.data, "jobs")
        for job in os.listdir(jobs) if os.path.isdir(jobs) else []:
            pid = re.fullmatch(r"[0-9a-f]{24}", job) and self.engine_pid(job)
            if pid:
                os.kill(pid, 9)


class EmbeddedAgent(AgentProcess):
    """The agent inside a `drover server --agent-config`: its file is all that there is to do."""

    @staticmethod
    def options(directory, hostname="mig01.example.net"):
        return ("--agent-config", os.path.join(directory, "embedded.config"), "--agent-hostname", hostname)

    def __init__(self, test, project):
        self.site = project.site
        super().__init__(test, project, name="embedded")

    def start(self):
        self.data = os.path.join(self.site.data, "agent")
        self.write_config()
        self.test.addCleanup(self.end_engines)

    @property
    def process(self):
        return self.site.process

    def log(self):
        return self.site.process.stderr()
