"""`drover sync`, told what to do over its HTTP API as mongosync's clients do it."""
import http.client
import json
import os

from harness.process import eventually


class Daemon:
    def __init__(self, test, *more, cluster0=None, cluster1=None, environment=None):
        self.test = test
        self.arguments = ["sync", "--cluster0", cluster0 or test.source.uri, "--cluster1", cluster1 or test.destination.uri,
                          "--port", "0", "--acceptDisclaimer", *more]
        self.starts = 0
        self.environment = environment
        self.start()

    def start(self, environment=None):
        self.starts += 1
        self.port_file = os.path.join(self.test.directory, f"sync port {self.starts}")
        self.process = self.test.start(*self.arguments, "--portFile", self.port_file,
                                       environment=environment or self.environment)
        eventually(lambda: os.path.exists(self.port_file) or not self.process.running(), 20, "the port")
        if os.path.exists(self.port_file):
            with open(self.port_file, encoding="ascii") as file:
                self.port = int(file.read())

    def call(self, method, path, body=None, headers=None):
        """(HTTP status, the answer's JSON)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, "/api/v1/" + path, body, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def post(self, verb, **body):
        # curl -d names a form, and so does everybody's script.
        return self.call("POST", verb, json.dumps(body), {"Content-Type": "application/x-www-form-urlencoded"})

    def ordered(self, verb, **body):
        status, answer = self.post(verb, **body)
        self.test.assertEqual((status, answer), (200, {"success": True}), self.process.tail())

    def started(self, **body):
        self.wait_for(lambda progress: progress["state"] == "IDLE", "IDLE")
        self.ordered("start", source="cluster0", destination="cluster1", **body)

    def progress(self):
        status, answer = self.call("GET", "progress")
        self.test.assertEqual(status, 200, answer)
        self.test.assertTrue(answer["success"])
        return answer["progress"]

    def wait_for(self, condition, what, timeout=90):
        found = []

        def there():
            if not self.process.running():
                self.test.fail(f"it ended while waiting for {what}\n{self.process.tail()}")
            found[:] = [self.progress()]
            return condition(found[0])

        eventually(there, timeout, what)
        return found[0]

    def can_commit(self):
        return self.wait_for(lambda progress: progress["canCommit"], "canCommit")

    def committed(self):
        return self.wait_for(lambda progress: progress["state"] == "COMMITTED", "COMMITTED")
