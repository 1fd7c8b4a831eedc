"""An Atlas site as protocol 1 has it, for tests of the manager site and its agents alone: it takes claims, metadata and reports,
and wants what a test says. It checks what the protocol promises it."""
import base64
import http.server
import json
import secrets
import threading
import time


class AtlasSite:
    def __init__(self, test):
        self.test = test
        self.link = secrets.token_hex(12)
        self.token_secret, self.secret = secrets.token_hex(32), None
        self.projects, self.finished = {}, 0
        self.items = {}      # id -> item
        self.reports = {}    # id -> the report of the highest sequence
        self.sequences = {}
        self.problems = []
        self.refusing = False
        self.active = False  # a migration: the link may not be deleted
        self.untold = set()  # items whose reports it does not take
        self.answered = {}   # what the answers to reports want of an item, whatever the list says
        self.claims_answered = None  # with this status, whatever they are
        self.poll_seconds = 1
        self.slow = 0        # seconds for each project that it is told of
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def serve(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                status, answer = (503, {}) if site.refusing else site.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
                text = b"" if answer is None else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except OSError:
                    pass  # who asked was killed

            do_GET = do_PUT = do_POST = do_DELETE = serve

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        test.addCleanup(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def token(self, **changes):
        plain = json.dumps({"v": 1, "baseUrl": self.url, "orgId": "66cc00000000000000000001", "linkId": self.link,
                            "secret": self.token_secret, **changes})
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")

    def answer(self, method, path, body, authorization):
        path = path.removeprefix("/api/site/v1")
        try:
            user, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":", 1)
        except ValueError:
            return 401, {"errorCode": "LINK_INVALID"}
        if (method, path) == ("POST", "/claim"):
            if self.claims_answered:
                return self.claims_answered, {"errorCode": "IP_ADDRESS_NOT_ON_WHITELIST"}
            if user != self.link or secret != self.token_secret:
                return 401, {"errorCode": "LINK_INVALID"}
            if self.secret not in (None, body["linkSecret"]):
                return 409, {"errorCode": "LINK_TAKEN"}
            self.secret, self.claim = body["linkSecret"], body
            return 200, {"linkId": self.link, "orgId": "66cc00000000000000000001", "orgName": "Destination Inc"}
        if user != self.link or self.secret is None or secret != self.secret:
            return 401, {"errorCode": "LINK_INVALID"}
        if (method, path) == ("DELETE", "/link"):
            if self.active:
                return 409, {"errorCode": "CONFLICT"}
            self.secret = None
            return 204, None
        if method == "PUT" and path.startswith("/projects/"):
            time.sleep(self.slow)
            self.projects[path.removeprefix("/projects/")] = body
            return 200, {"revision": body["revision"]}
        if (method, path) == ("PUT", "/projects"):
            self.finished = max(self.finished, body["revision"])
            self.projects = {key: value for key, value in self.projects.items() if key in body["projectIds"]}
            return 200, {"revision": body["revision"], "removed": 0}
        if (method, path) == ("GET", "/work"):
            return 200, {"items": list(self.items.values()), "pollSeconds": self.poll_seconds}
        if method == "PUT" and path.startswith("/work/"):
            return self.report(path.split("/")[2], body)
        return 404, {"errorCode": "RESOURCE_NOT_FOUND"}

    def report(self, item, body):
        if item not in self.items:
            return 404, {"errorCode": "RESOURCE_NOT_FOUND"}
        if item in self.untold:
            return 400, {"errorCode": "INVALID_ATTRIBUTE"}
        if body["sequence"] > self.sequences.get(item, 0):
            self.sequences[item], self.reports[item] = body["sequence"], body
        elif body["sequence"] == self.sequences[item] and body != self.reports[item]:
            self.problems.append(f"two reports of {item} with the number {body['sequence']}")
        desired = self.answered.get(item, self.items[item]["desired"])
        if self.reports[item]["state"] == "FORGOTTEN":
            del self.items[item]
        return 200, {"sequence": self.sequences.get(item, 0), "desired": desired}

    def want(self, item, desired, **fields):
        """Adds or changes an item. FORGET takes its secrets away."""
        known = self.items.get(item, {"revision": 0})
        made = {**known, **fields, "id": item, "desired": desired, "revision": known["revision"] + 1}
        if desired == "FORGET":
            made = {key: made[key] for key in ("id", "kind", "desired", "revision", "path") if key in made}
        self.items[item] = made

    def state(self, item):
        return self.reports.get(item, {}).get("state")
