"""Who may come in, and how: SCRAM in both forms, certificates, TLS modes, the first user, changes that reach open connections."""
import base64
import datetime
import hashlib
import hmac
import os
import subprocess

import pymongo
from bson.binary import Binary
from pymongo.errors import ConnectionFailure, OperationFailure

from harness import clusters
from harness.case import DroverTest


def client(port, **options):
    return pymongo.MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=3000, directConnection=True, **options)


def codes(call):
    try:
        call()
        return 0
    except OperationFailure as error:
        return error.code


class Users(DroverTest):
    sandbox_only = True
    auth = True

    def start_clusters(self):
        self.source = self.cluster("source")
        self.admin = self.source.client().admin

    def log_in(self, user, password, **options):
        found = client(self.source.port, username=user, password=password, authSource="admin", **options)
        self.addCleanup(found.close)
        return found

    def test_both_mechanisms_and_names_that_need_escapes(self):
        self.admin.command("createUser", "a,b=c ü", pwd="p@ss,=ü", roles=["readAnyDatabase"])
        for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
            with self.subTest(mechanism):
                status = self.log_in("a,b=c ü", "p@ss,=ü", authMechanism=mechanism).admin.command("connectionStatus", showPrivileges=True)
                self.assertEqual(status["authInfo"]["authenticatedUsers"], [{"user": "a,b=c ü", "db": "admin"}])
                self.assertEqual(status["authInfo"]["authenticatedUserRoles"], [{"role": "readAnyDatabase", "db": "admin"}])
                self.assertIn({"resource": {"cluster": True}, "actions": ["listDatabases"]}, status["authInfo"]["authenticatedUserPrivileges"])
                self.assertEqual(codes(lambda: self.log_in("a,b=c ü", "other", authMechanism=mechanism).admin.command("ping")), 18)
        self.assertEqual(codes(lambda: self.log_in("nobody", "p").admin.command("ping")), 18)

    def test_passwords_are_prepared(self):
        self.admin.command("createUser", "soft", pwd="I\u00adX", roles=[], mechanisms=["SCRAM-SHA-256"])
        self.log_in("soft", "IX").admin.command("ping")
        self.log_in("soft", "I\u00adX").admin.command("ping")
        self.assertEqual(codes(lambda: self.admin.command("createUser", "bad", pwd="\u0007", roles=[], mechanisms=["SCRAM-SHA-256"])), 50695)

    def test_a_mechanism_that_a_user_does_not_have(self):
        self.admin.command("createUser", "old", pwd="pw", roles=[], mechanisms=["SCRAM-SHA-1"])
        self.log_in("old", "pw", authMechanism="SCRAM-SHA-1").admin.command("ping")
        self.log_in("old", "pw").admin.command("ping")  # what is negotiated
        self.assertEqual(codes(lambda: self.log_in("old", "pw", authMechanism="SCRAM-SHA-256").admin.command("ping")), 18)

    def test_iteration_counts(self):
        self.admin.command("createUser", "u", pwd="pw", roles=[])
        stored = self.admin.command("usersInfo", "u", showCredentials=True)["users"][0]["credentials"]
        self.assertEqual({name: entry["iterationCount"] for name, entry in stored.items()}, {"SCRAM-SHA-1": 10000, "SCRAM-SHA-256": 15000})

    def test_changes_reach_open_connections(self):
        self.admin.command("createRole", "reader", privileges=[{"resource": {"db": "e2e", "collection": "c"}, "actions": ["find"]}], roles=[])
        self.admin.command("createUser", "u", pwd="pw", roles=["reader"])
        collection = self.log_in("u", "pw", maxPoolSize=1).e2e.c
        collection.find_one()
        self.admin.command("revokePrivilegesFromRole", "reader", privileges=[{"resource": {"db": "e2e", "collection": "c"}, "actions": ["find"]}])
        self.assertEqual(codes(collection.find_one), 13)
        self.admin.command("grantRolesToUser", "u", roles=["readAnyDatabase"])
        collection.find_one()
        self.admin.command("dropUser", "u")
        self.assertEqual(codes(collection.find_one), 13)

    def parked_login(self, password, meanwhile, user="u", raw=None):
        """The code of a login by SCRAM-SHA-256, on a connection of its own or one given, whose proof is sent after what happens meanwhile."""
        raw = raw or self.one_connection()
        first = f"n={user},r=" + base64.b64encode(os.urandom(24)).decode()
        challenge = raw.admin.command("saslStart", 1, mechanism="SCRAM-SHA-256", payload=Binary(("n,," + first).encode()),
                                      options={"skipEmptyExchange": True})["payload"].decode()
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = "c=biws,r=" + fields["r"]
        signature = hmac.digest(hashlib.sha256(key).digest(), ",".join((first, challenge, last)).encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        meanwhile()
        return codes(lambda: raw.admin.command("saslContinue", 1, conversationId=1, payload=Binary(f"{last},p={proof}".encode())))

    def one_connection(self):
        raw = client(self.source.port, maxPoolSize=1)
        self.addCleanup(raw.close)
        return raw

    def test_a_connection_is_one_users_since_70(self):
        self.make_u("pw", [])
        self.admin.command("createUser", "v", pwd="pw", roles=[], mechanisms=["SCRAM-SHA-256"])
        raw = self.one_connection()
        one_only = raw.admin.command("buildInfo")["versionArray"][0] >= 7
        self.assertEqual(self.parked_login("pw", lambda: None, raw=raw), 0)
        self.assertEqual(self.parked_login("pw", lambda: None, raw=raw), 0, "the same again")
        self.assertEqual(self.parked_login("pw", lambda: None, user="v", raw=raw), 5626701 if one_only else 0)
        raw.admin.command("logout")
        self.assertEqual(self.parked_login("pw", lambda: None, user="v", raw=raw), 0)

    def make_u(self, password, roles):
        self.admin.command("createUser", "u", pwd=password, roles=roles, mechanisms=["SCRAM-SHA-256"])

    def test_a_login_proves_nothing_once_the_user_was_changed(self):
        self.make_u("old", [])
        self.assertEqual(self.parked_login("old", lambda: None), 0)
        self.assertEqual(self.parked_login("old", lambda: self.admin.command("updateUser", "u", pwd="new")), 18)

        def anew():
            self.admin.command("dropUser", "u")
            self.make_u("other", ["root"])
        session = self.log_in("u", "new", maxPoolSize=1)
        session.admin.command("ping")
        self.assertEqual(self.parked_login("new", anew), 18)
        self.assertEqual(codes(session.e2e.c.find_one), 13, "another user of that name is not this one")

    def test_roles_with_privileges(self):
        self.admin.command("createRole", "inner", privileges=[{"resource": {"db": "a", "collection": ""}, "actions": ["find", "insert"]}], roles=[])
        self.admin.command("createRole", "outer", privileges=[], roles=["inner", {"role": "read", "db": "b"}])
        role = self.admin.command("rolesInfo", "outer", showPrivileges=True)["roles"][0]
        self.assertEqual(role["roles"], [{"role": "inner", "db": "admin"}, {"role": "read", "db": "b"}])
        self.assertEqual(role["privileges"], [])
        self.assertIn({"resource": {"db": "a", "collection": ""}, "actions": ["find", "insert"]}, role["inheritedPrivileges"])
        self.assertFalse(role["isBuiltin"])
        self.assertEqual(codes(lambda: self.admin.command("grantRolesToRole", "inner", roles=["outer"])), 49)
        self.admin.command("dropRole", "inner")
        self.assertEqual(self.admin.command("rolesInfo", "outer")["roles"][0]["roles"], [{"role": "read", "db": "b"}])
        self.assertEqual({role["role"] for role in self.admin.command("rolesInfo", 1, showBuiltinRoles=True)["roles"] if role["isBuiltin"]} & {"root", "backup", "enableSharding"},
                         {"root", "backup", "enableSharding"})

    def test_from_where_a_user_may_authenticate(self):
        self.admin.command("createUser", "r", pwd="pw", roles=["readAnyDatabase"], authenticationRestrictions=[{"clientSource": ["10.0.0.0/8"]}])
        self.assertEqual(codes(self.log_in("r", "pw").e2e.c.find_one), 18)
        self.admin.command("updateUser", "r", authenticationRestrictions=[{"clientSource": ["127.0.0.0/8"], "serverAddress": ["127.0.0.1"]}])
        collection = self.log_in("r", "pw", maxPoolSize=1).e2e.c
        collection.find_one()
        self.admin.command("updateUser", "r", authenticationRestrictions=[{"serverAddress": ["192.0.2.1"]}])
        self.assertEqual(codes(collection.find_one), 13)

    def test_what_is_not_implemented_is_not_taken_silently(self):
        self.assertNotEqual(codes(lambda: self.admin.command("createUser", "r", pwd="pw", roles=[], nosuch=1)), 0)
        self.assertEqual(self.admin.command("usersInfo", "r")["users"], [])
        self.admin.command("createUser", "r", pwd="pw", roles=[], authenticationRestrictions=[])


class TheFirstUser(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        self.source = self.cluster("source", options=["--auth"])

    def test_may_be_made_from_here_and_then_no_other(self):
        here = client(self.source.port)
        self.assertEqual(codes(lambda: here.e2e.c.find_one()), 13)
        self.assertEqual(codes(lambda: here.e2e.command("createUser", "u", pwd="pw", roles=[])), 13)
        here.admin.command("createUser", "u", pwd="pw", roles=["root"])
        self.assertEqual(codes(lambda: here.admin.command("createUser", "v", pwd="pw", roles=["root"])), 13)
        client(self.source.port, username="u", password="pw").e2e.c.find_one()


    def test_as_the_documentation_has_it(self):
        path = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "operations", "rehearsal.md")
        with open(path, encoding="utf-8") as file:
            [command] = [line for line in file.read().splitlines() if line.startswith("/usr/bin/python3 -c ")]
        done = subprocess.run(["sh", "-c", command.replace("27017", str(self.source.port))], input="pw\n", text=True, capture_output=True,
                              start_new_session=True, timeout=30)  # no terminal: the password comes from standard input
        self.assertEqual(done.returncode, 0, done.stderr)
        client(self.source.port, username="root", password="pw", authSource="admin").e2e.c.find_one()


class Certificates(DroverTest):
    sandbox_only = True
    once = True

    def setUp(self):
        super().setUp()
        self.ca, self.server = clusters.make_certificates(self.directory)
        self.certificate = self.make_client_certificate("/O=Drover/OU=tests/CN=client")

    def start_clusters(self):
        pass

    def make_client_certificate(self, subject):
        key, request, certificate, pem = (os.path.join(self.directory, name) for name in ("client.key", "client.csr", "client.crt", "client.pem"))
        for command in (["req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key, "-out", request],
                        ["x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", os.path.join(self.directory, "ca.key"), "-CAcreateserial",
                         "-days", "2", "-out", certificate]):
            subprocess.run(["openssl", *command], check=True, capture_output=True)
        with open(pem, "wb") as out:
            for part in (key, certificate):
                with open(part, "rb") as file:
                    out.write(file.read())
        return pem

    def serve(self, *options):
        made = self.cluster(f"served{self.runs}", options=["--tlsCertificateKeyFile", self.server, *options])
        self.runs += 1
        return made.port

    def comes_in(self, port, **options):
        found = client(port, **options)
        try:
            return bool(found.admin.command("ping"))
        except ConnectionFailure:
            return False
        finally:
            found.close()

    def tls(self, certificate=False):
        options = {"tls": True, "tlsCAFile": self.ca}
        return {**options, "tlsCertificateKeyFile": self.certificate} if certificate else options

    def test_modes(self):
        for mode, plain in (("requireTLS", False), ("preferTLS", True), ("allowTLS", True)):
            with self.subTest(mode):
                port = self.serve("--tlsMode", mode)
                self.assertTrue(self.comes_in(port, **self.tls()))
                self.assertEqual(self.comes_in(port), plain)
                told = client(port, **self.tls()).admin.command("getCmdLineOpts")["parsed"]["net"]["tls"]
                self.assertEqual(told, {"certificateKeyFile": self.server, "mode": mode})
        port = self.serve("--tlsMode", "disabled")
        self.assertTrue(self.comes_in(port))
        self.assertNotIn("tls", client(port).admin.command("getCmdLineOpts")["parsed"]["net"])
        self.assertFalse(self.comes_in(port, **self.tls()))

    def test_with_an_authority_clients_show_a_certificate(self):
        port = self.serve("--tlsCAFile", self.ca)
        self.assertFalse(self.comes_in(port, **self.tls()))
        self.assertTrue(self.comes_in(port, **self.tls(certificate=True)))
        port = self.serve("--tlsCAFile", self.ca, "--tlsAllowConnectionsWithoutCertificates")
        self.assertTrue(self.comes_in(port, **self.tls()))
        told = client(port, **self.tls()).admin.command("getCmdLineOpts")["parsed"]["net"]["tls"]
        self.assertEqual(told, {"CAFile": self.ca, "allowConnectionsWithoutCertificates": True, "certificateKeyFile": self.server, "mode": "requireTLS"})
        self.assertTrue(self.comes_in(port, **self.tls(certificate=True)))
        security = client(port, **self.tls()).admin.command("serverStatus")["security"]
        self.assertIn("CN=", security["SSLServerSubjectName"])
        self.assertTrue(security["SSLServerHasCertificateAuthority"])
        self.assertGreater(security["SSLServerCertificateExpirationDate"], datetime.datetime.now())

    def test_a_certificate_is_a_user(self):
        port = self.serve("--tlsCAFile", self.ca, "--tlsAllowConnectionsWithoutCertificates", "--auth")
        admin = client(port, **self.tls()).admin
        admin.command("createUser", "root", pwd="pw", roles=["root"])
        subject = "CN=client,OU=tests,O=Drover"
        login = {**self.tls(certificate=True), "authMechanism": "MONGODB-X509"}
        self.assertEqual(codes(lambda: client(port, **login).admin.command("ping")), 18)  # it is nobody yet
        root = client(port, **self.tls(), username="root", password="pw")
        root["$external"].command("createUser", subject, roles=[{"role": "readWrite", "db": "e2e"}])
        user = client(port, **login)
        user.e2e.c.insert_one({"_id": 1})
        self.assertEqual(user.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"], [{"user": subject, "db": "$external"}])
        self.assertEqual(codes(lambda: user.other.c.insert_one({})), 13)
        self.assertEqual(codes(lambda: client(port, **self.tls(), authMechanism="MONGODB-X509", username=subject).e2e.c.find_one()), 18)
