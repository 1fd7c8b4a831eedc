"""Deployments to migrate between: a sandbox, replica sets of a real mongod, or one that was given by its URI.

All have: uri (of the most powerful user), uri_of(user), client(), version (major, minor), members, restart(), kill(),
close(); `direct` says that a driver talks to one address only, so that a proxy can stand before it."""
import functools
import os
import random
import shutil
import socket
import subprocess
import time
from urllib.parse import quote, urlsplit, urlunsplit

import pymongo
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from harness.process import Process, eventually
from harness.report import NotRun

START_SECONDS = 60
ALREADY_INITIALIZED = 23
PASSWORD = "pa ss/w:rd@%"  # every character that a connection string must escape


def drover_binary():
    default = os.path.join(os.path.dirname(__file__), "..", "..", "..", "build", "drover")
    return os.path.abspath(os.environ.get("DROVER", default))


def with_user(uri, user, password=PASSWORD, auth_database="admin"):
    parts = urlsplit(uri)
    hosts = parts.netloc.rpartition("@")[2]
    query = "&".join(filter(None, [parts.query, f"authSource={auth_database}"]))
    return urlunsplit((parts.scheme, f"{quote(user, safe='')}:{quote(password, safe='')}@{hosts}", parts.path or "/", query, ""))


def with_options(uri, **options):
    """The same connection string, with these options in place of its own of the same names."""
    parts = urlsplit(uri)
    kept = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] not in options]
    query = "&".join([*kept, *(f"{name}={value}" for name, value in options.items())])
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, ""))


def free_port():
    """Below the ports that the system gives to clients: while a server is down, none of them can take its port, nor connect to
    itself there."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest = int(file.read().split()[0])
    for _ in range(1000):
        port = random.randrange(max(1024, lowest - 12000), lowest)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port below the system's own")


class Cluster:
    def __init__(self):
        self.root_user = None
        self.members = 1
        self._clients = []

    def uri_of(self, user, password=PASSWORD):
        return with_user(self.plain_uri, user, password)

    @property
    def uri(self):
        return self.uri_of(self.root_user) if self.root_user else self.plain_uri

    def client(self, **options):
        client = pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=20000, **options)
        self._clients.append(client)
        return client

    @functools.cached_property
    def version(self):
        return tuple(int(part) for part in self.client().server_info()["version"].split(".")[:2])

    def can_block_writes(self):
        return self.version >= (6, 0) and self.root_user is not None

    def create_root(self, plain):
        client = pymongo.MongoClient(plain, serverSelectionTimeoutMS=20000)
        client.admin.command("createUser", "root", pwd=PASSWORD, roles=["root"])
        client.close()
        self.root_user = "root"

    def create_user(self, name, roles, privileges=()):
        """Also bypasses or sets the write block, or whatever else `privileges` say."""
        admin = self.client().admin
        roles = list(roles)
        if privileges:
            admin.command("createRole", f"{name}Role", privileges=list(privileges), roles=[])
            roles.append(f"{name}Role")
        admin.command("createUser", name, pwd=PASSWORD, roles=roles)
        return self.uri_of(name)

    def close(self):
        for client in self._clients:
            client.close()


class Sandbox(Cluster):
    kind = "sandbox"
    direct = True

    def __init__(self, directory, name, version, auth=False, tls=False, options=()):
        super().__init__()
        self.tls = tls
        if tls:
            self.ca_file, pem_file = make_certificates(directory)
            options = ["--tls-cert-key-file", pem_file, *options]
        self.directory, self.name, self.mode, self.auth = directory, name, version, auth
        self.options = list(options)
        self.port = 0
        self.starts = 0
        self.start()
        if auth:
            self.create_root(self.plain_uri)

    def start(self):
        self.starts += 1
        port_file = os.path.join(self.directory, f"{self.name}.port{self.starts}")
        arguments = [drover_binary(), "sandbox", "--dbpath", os.path.join(self.directory, f"{self.name} data"),
                     "--port", self.port, "--port-file", port_file, "--server-version", self.mode, "--repl-set", self.name]
        if self.auth:
            arguments.append("--auth")
        self.process = Process(arguments + self.options, self.directory, self.name)

        def ready():
            if not self.process.running():
                raise AssertionError(f"the sandbox ended at once\n{self.process.tail()}")
            return os.path.exists(port_file) and open(port_file).read().strip()

        self.port = int(eventually(ready, START_SECONDS, f"start of sandbox {self.name}"))

    @property
    def plain_uri(self):
        tls = f"&tls=true&tlsCAFile={quote(self.ca_file, safe='')}" if self.tls else ""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true{tls}"

    def kill(self):
        self.process.kill()

    def restart(self):
        self.process.kill()
        self.start()

    def proxied_uri(self, proxy):
        return self.uri.replace(f":{self.port}", f":{proxy.port}")

    def close(self):
        super().close()
        if self.process.running():
            self.process.stop()


def mongod_command():
    """A real server, as every test wants it: small, and nothing left in /tmp. All of it is known since 4.4."""
    return [os.environ["DROVER_TEST_MONGOD"], "--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25",
            "--setParameter", "enableTestCommands=1", "--setParameter", "diagnosticDataCollectionEnabled=false"]


class Mongod(Cluster):
    """A replica set of real servers, one or three members, plain or with keyfile, authorization and TLS."""
    kind = "mongod"

    def __init__(self, directory, name, members=1, auth=False, tls=False):
        super().__init__()
        self.directory, self.name, self.members, self.auth, self.tls = directory, name, members, auth, tls
        self.direct = members == 1
        self.ports = [free_port() for _ in range(members)]
        self.processes = [None] * members
        if auth:
            self.key_file = os.path.join(directory, f"{name}.key")
            with open(os.open(self.key_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.write("drovertestkey" * 4)
        if tls:
            self.ca_file, self.pem_file = make_certificates(directory)
        try:
            for index in range(members):
                self.start_member(index)
            self.initiate()
            if auth:
                self.create_root(self.member_uri(self.await_primary()))
        except BaseException:
            self.close()
            raise

    def start_member(self, index):
        data = os.path.join(self.directory, f"{self.name} data {index}")
        os.makedirs(data, exist_ok=True)
        arguments = [*mongod_command(), "--replSet", self.name, "--port", self.ports[index], "--dbpath", data, "--oplogSize", "512",
                     "--logpath", self.log_path(index), "--logappend"]
        if self.auth:
            arguments += ["--keyFile", self.key_file]
        if self.tls:
            arguments += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", self.pem_file, "--tlsCAFile", self.ca_file,
                          "--tlsAllowConnectionsWithoutCertificates"]
        self.processes[index] = Process(arguments, self.directory, f"{self.name}-{index}")

    def tls_query(self):
        return f"&tls=true&tlsCAFile={quote(self.ca_file, safe='')}" if self.tls else ""

    def member_uri(self, index):
        return f"mongodb://127.0.0.1:{self.ports[index]}/?directConnection=true{self.tls_query()}"

    @property
    def plain_uri(self):
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"mongodb://{hosts}/?replicaSet={self.name}{self.tls_query()}"

    def log_path(self, index):
        return os.path.join(self.directory, f"{self.name}-{index}.log")

    def log_end(self, index):
        try:
            with open(self.log_path(index), encoding="utf-8", errors="replace") as file:
                return file.read()[-2000:]
        except OSError:
            return ""

    def await_member(self, index):
        """Until it answers; one that has ended says why in its log."""
        client = pymongo.MongoClient(self.member_uri(index), serverSelectionTimeoutMS=500)

        def answers():
            if not self.processes[index].running():
                raise AssertionError(f"mongod ended at once\n{self.processes[index].tail()}\n{self.log_end(index)}")
            try:
                return client.admin.command("isMaster")
            except PyMongoError:
                return None

        try:
            eventually(answers, START_SECONDS, f"the start of member {index} of {self.name}")
        finally:
            client.close()

    def initiate(self):
        """Through the first member, which lets a client of its own machine in while there are no users."""
        for index in range(self.members):
            self.await_member(index)
        client = pymongo.MongoClient(self.member_uri(0), serverSelectionTimeoutMS=START_SECONDS * 1000)
        members = [{"_id": index, "host": f"127.0.0.1:{port}"} for index, port in enumerate(self.ports)]
        config = {"_id": self.name, "members": members, "settings": {"electionTimeoutMillis": 2000}}
        try:
            client.admin.command("replSetInitiate", config)
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:  # as a stand-in for mongod may be from its start
                raise
        finally:
            client.close()
        self.await_primary()

    def primary_index(self):
        """The member that is primary, or None. isMaster needs no user."""
        for index, process in enumerate(self.processes):
            if not process.running():
                continue
            client = pymongo.MongoClient(self.member_uri(index), serverSelectionTimeoutMS=2000)
            try:
                if client.admin.command("isMaster").get("ismaster"):
                    return index
            except PyMongoError:
                pass
            finally:
                client.close()
        return None

    def await_primary(self):
        found = []

        def there_is_one():
            found[:] = [self.primary_index()]
            return found[0] is not None

        eventually(there_is_one, START_SECONDS, f"a primary of {self.name}")
        return found[0]

    def election_id(self):
        """Of the primary that there is, or None."""
        index = self.primary_index()
        if index is None:
            return None
        client = pymongo.MongoClient(self.member_uri(index), serverSelectionTimeoutMS=2000)
        try:
            return client.admin.command("isMaster").get("electionId")
        except PyMongoError:
            return None
        finally:
            client.close()

    def step_down(self):
        """Until there is a primary by another election."""
        before = eventually(self.election_id, START_SECONDS, f"a primary of {self.name}")
        try:
            self.client().admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5, force=True)
        except AutoReconnect:
            pass  # the connection may break

        def another():
            now = self.election_id()
            return now is not None and now != before

        eventually(another, START_SECONDS, f"another primary of {self.name}")

    def kill(self):
        """The primary, as a crash."""
        index = self.await_primary()
        self.processes[index].kill()
        return index

    def restart(self):
        index = self.kill()
        self.start_member(index)
        self.await_member(index)
        self.await_primary()

    def proxied_uri(self, proxy):
        uri = self.member_uri(0)
        uri = with_user(uri, self.root_user) if self.root_user else uri
        return uri.replace(f":{self.ports[0]}", f":{proxy.port}")

    @property
    def port(self):
        return self.ports[0]

    def close(self):
        super().close()
        for process in self.processes:
            if process is not None:
                process.kill()


class Standalone(Cluster):
    """A real server that is no replica set."""

    def __init__(self, directory, name):
        super().__init__()
        data = os.path.join(directory, name)
        os.makedirs(data)
        self.port = free_port()
        self.process = Process([*mongod_command(), "--port", self.port, "--dbpath", data], directory, name)
        self.plain_uri = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        pymongo.MongoClient(self.plain_uri, serverSelectionTimeoutMS=START_SECONDS * 1000).admin.command("ping")

    def close(self):
        super().close()
        self.process.kill()


class Given(Cluster):
    kind = "given"
    direct = False

    def __init__(self, uri):
        super().__init__()
        self.given = uri
        self.root_user = "given" if urlsplit(uri).username else None
        client = self.client()
        self.lift_the_write_block(client)
        for name in client.list_database_names():
            if name.startswith("e2e") or name == "__mdb_internal_mongosync":
                client.drop_database(name)
        others = set(client.list_database_names()) - {"admin", "local", "config"}
        if others:
            raise AssertionError(f"a deployment for tests holds databases that they did not make: {sorted(others)}")

    @staticmethod
    def lift_the_write_block(client):
        """What the cutover of the test before left behind."""
        try:
            client.admin.command("setUserWriteBlockMode", 1, **{"global": False})
        except PyMongoError:
            pass  # before 6.0 there is none; without the privilege there was none

    @property
    def plain_uri(self):
        parts = urlsplit(self.given)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))

    @property
    def uri(self):
        return self.given

    def kill(self):
        raise NotRun("deployments that a test may kill")

    restart = kill

    def create_user(self, *_):
        raise NotRun("deployments that a test may create users on")


def make_certificates(directory):
    ca_key, ca, key, request, cert, pem = (os.path.join(directory, name) for name in
                                           ("ca.key", "ca.pem", "server.key", "server.csr", "server.crt", "server.pem"))
    if os.path.exists(pem):
        return ca, pem
    extensions = os.path.join(directory, "extensions.cnf")
    with open(extensions, "w") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for command in (
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Drover test CA", "-keyout", ca_key,
             "-out", ca],
            ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", request],
            ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-out", cert,
             "-extfile", extensions]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    with open(pem, "wb") as out:
        for part in (key, cert):
            with open(part, "rb") as file:
                shutil.copyfileobj(file, out)
    return ca, pem
