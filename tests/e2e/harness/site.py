"""A `drover server` and its callers: API keys with digest authentication, and a manager site that holds a link (protocol 1)."""
import base64
import json
import os
import secrets
import urllib.error
import urllib.request

from harness.openapi import Document
from harness.process import eventually

ATLAS = "/api/atlas/v2"
MANAGER = "/api/public/v1.0"
EXT = "/api/ext/v1"
SITE = "/api/site/v1"


class Site:
    """One `drover server` with an organization of its own, and its owner's key."""

    def __init__(self, test, *more, data="site data"):
        self.test = test
        self.data = os.path.join(test.directory, data)
        made = test.run_drover("server", "--data", self.data, "--create-organization", "Shop", *more, timeout=60)
        test.assertEqual(made.child.returncode, 0, made.tail())
        self.owner = test.last_json(made)
        self.org = self.owner["orgId"]
        self.more = more
        self.starts = 0
        self.keep_port = False  # at the next start: others know this address
        self.port = 0
        self.start()

    def start(self):
        self.starts += 1
        port_file = f"{self.data} port {self.starts}"
        self.process = self.test.start("server", "--data", self.data, "--port", str(self.port if self.keep_port else 0), "--port-file", port_file, *self.more)
        eventually(lambda: os.path.exists(port_file) or not self.process.running(), 30, "the port")
        with open(port_file, encoding="ascii") as file:
            self.port = int(file.read())
        self.url = f"http://127.0.0.1:{self.port}"
        self.document = None

    def call(self, method, path, body=None, key=None, accept="application/vnd.atlas.2025-03-12+json"):
        """(status, headers, JSON or None), as an HTTP client with digest authentication does it; held against the OpenAPI document."""
        status, headers, answer = self.send(method, path, body, key, accept)
        self.document = self.document or Document(self.url)
        self.document.check(self.test, method, path, status, headers, answer)
        return status, headers, answer

    def send(self, method, path, body, key, accept):
        key = key or self.owner
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, self.url, key["publicKey"], key["privateKey"])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPDigestAuthHandler(passwords))
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        if accept:
            request.add_header("Accept", accept)
        try:
            with opener.open(request, timeout=30) as response:
                return self.read(response)
        except urllib.error.HTTPError as error:
            with error:
                return self.read(error)

    @staticmethod
    def read(response):
        text = response.read()
        return response.status, response.headers, json.loads(text) if text else None


class ManagerSite:
    """What a manager site does at an atlas site: claims a link by its token, and calls with the link's own secret."""

    def __init__(self, site, token):
        self.site = site
        self.token = decode_token(token)
        self.link, self.secret = self.token["linkId"], secrets.token_hex(32)

    def claim(self, **changes):
        body = {"protocol": 1, "siteId": "site 1", "orgId": "66bb00000000000000000001", "orgName": "Source Inc", "linkSecret": self.secret}
        return self.send("POST", "/claim", {**body, **changes}, self.token["secret"])

    def call(self, method, path, body=None):
        return self.send(method, path, body, self.secret)

    def send(self, method, path, body, secret):
        """(status, JSON or None)"""
        login = base64.b64encode(f"{self.link}:{secret}".encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.site.url + SITE + path, data, {"Authorization": "Basic " + login}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                text = response.read()
                return response.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


def decode_token(text):
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
