"""The control plane by its commands alone: all three stages with real processes, and what happens when something is wrong."""
import json
import os
import signal
import stat

import pymongo

from harness import clusters
from harness.agent import AgentProcess
from harness.case import DroverTest
from harness.cli import Cli
from harness.process import eventually
from harness.site import Site
from test_terminal import Terminal

HOST = "mig01.example.net"


class SandboxOnly(DroverTest):
    sandbox_only = True

    def start_site(self, role, *more):
        site = Site(self, "--role", role, "--agent-poll-seconds", "1", "--monitoring-seconds", "5", *more, data=f"{role} data")
        site.keep_port = True
        return site

    def terminal(self, cli, *arguments):
        terminal = Terminal([clusters.drover_binary(), *arguments, "--credentials", cli.credentials])
        self.addCleanup(terminal.close)
        return terminal

    def assert_private(self, path):
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)


def logs_in(uri, user, password):
    client = pymongo.MongoClient(uri, username=user, password=password, authSource="admin", serverSelectionTimeoutMS=3000)
    try:
        return bool(client.shop.command("ping")) and client.shop.things.find_one() is None
    except pymongo.errors.OperationFailure:
        return False
    finally:
        client.close()


class ProvisionedAgent(AgentProcess):
    """Started with the configuration that `drover host provision` wrote, as it is."""

    def __init__(self, test, config):
        self.test, self.hostname, self.name = test, HOST, "agent"
        self.data = os.path.join(test.directory, "agent data")
        self.config, self.log_path = config, os.path.join(test.directory, "agent.log")
        self.start()

    def start(self):
        self.process = self.test.start("agent", "-f", self.config, "--data", self.data, "--hostname", self.hostname)
        self.test.addCleanup(self.end_engines)


class Workflow(SandboxOnly):
    once = True
    auth = True

    def prepare(self, manager, atlas):
        """Everything before stage 3."""
        self.source.create_user("monitor", ["clusterMonitor"])
        self.manager, self.atlas = manager, atlas
        self.password = manager.file("password", clusters.PASSWORD + "\n")
        manager("project", "create", "Shop (prod)")
        config = os.path.join(self.directory, "agent.config")
        manager("host", "provision", HOST, "--project", "Shop (prod)", "--log-file", os.path.join(self.directory, "agent.log"), "--out", config)
        self.assert_private(config)
        self.agent = ProvisionedAgent(self, config)
        self.source_name = self.monitored(manager)
        atlas("project", "create", "Shop on Atlas")
        uri = atlas.file("destination.uri", self.destination.uri)
        atlas("cluster", "register", "shop-atlas", "--connection-string", f"@{uri}", "--project", "Shop on Atlas")
        token = os.path.join(self.directory, "token")
        shown = atlas("link", "create-token", "--out", token)
        self.assert_private(token)
        self.assertEqual(shown, {"linkToken": f"(in {token})"})
        self.assertEqual([one["state"] for one in atlas("link", "list")["results"]], ["TOKEN_ISSUED"])
        self.assertEqual(manager("link", "connect", "--token-file", token), {"status": "SYNCED"})
        linked = manager("link", "status")
        self.assertEqual((linked["status"], linked["site"], linked["problem"]), ("SYNCED", atlas.site.url, None))
        self.assertIsNotNone(linked["lastSyncAt"])
        self.assertEqual([one["state"] for one in atlas("link", "list")["results"]], ["SYNCED"])
        eventually(self.offered, 60, "the deployment at the Atlas site")

    def monitored(self, manager):
        found = manager("deployment", "add", f"127.0.0.1:{self.source.port}", "--auth-mechanism", "SCRAM-SHA-256", "--username", "monitor",
                        "--password-file", self.password, "--wait", "--project", "Shop (prod)")
        return found["clusterName"]

    def offered(self):
        self.manager("link", "refresh")
        return any(one["name"] == "Shop (prod)" and one["migrationHosts"] == [HOST] and [each["name"] for each in one["deployments"]] == [self.source_name]
                   for one in self.atlas("link", "projects")["results"])

    def import_arguments(self, password=None):
        return ["--project", "Shop on Atlas", "--cluster", "shop-atlas", "--source-project", "Shop (prod)", "--source-cluster", self.source_name, "--host", HOST,
                "--source-username", "root", "--source-password-file", password or self.password]

    def test_all_three_stages(self):
        self.seed()
        manager, atlas = Cli(self, self.start_site("manager")), Cli(self, self.start_site("atlas"))
        self.prepare(manager, atlas)
        here = ["--project", "Shop on Atlas"]
        # Seen by people, too.
        self.assertRegex(manager("host", "agents", "--project", "Shop (prod)", json_output=False), rf"(?m)^{HOST} +AUTOMATION +ACTIVE ")
        self.assertRegex(manager("host", "list", "--deployment", self.source_name, "--project", "Shop (prod)", json_output=False),
                         rf"(?m)^[0-9a-f]{{32}} +127\.0\.0\.1:{self.source.port} +REPLICA_PRIMARY +PRIMARY ")
        self.assertEqual(manager("deployment", "alerts", "--project", "Shop (prod)"), {"results": [], "totalCount": 0})

        nowhere = [word if word != HOST else "nope" for word in self.import_arguments()]
        self.assertIn(f"There are: {HOST}", atlas.fails(11, "migration", "validate", *nowhere)["message"])
        wrong = atlas.start("migration", "validate", *self.import_arguments(password=atlas.file("wrong", "wrong")), json_output=False)
        wrong.wait(120)
        self.assertEqual(wrong.child.returncode, 3, wrong.tail())
        self.assertRegex(wrong.stdout(), r"(?m)^CHECK +RESULT +WHAT\n")
        self.assertIn("The username or password is not correct", wrong.stdout())
        right = atlas("migration", "validate", *self.import_arguments())
        self.assertEqual((right["status"], right["errorMessage"]), ("SUCCESS", None))
        self.assertEqual(atlas("migration", "validation", right["_id"], *here), right)

        with self.writers(self.application_uri()) as writers:
            migration = atlas("migration", "start", *self.import_arguments())
            self.assertEqual(migration["status"], "NEW")
            early = atlas.fails(4, "migration", "cutover", migration["_id"], "--yes", *here)
            self.assertEqual((early["status"], early["errorCode"]), (400, "LIVE_MIGRATION_NOT_READY_FOR_CUTOVER"))
            watch = atlas.start("migration", "watch", "shop-atlas", "--until", "ready", "--within", "120", *here, json_output=False)
            watch.wait(150)
            self.assertEqual(watch.child.returncode, 0, f"{watch.tail()}\n{self.agent.tail()}")
            self.assertIn("ready for cutover until ", watch.stdout().splitlines()[-1])
            self.assertNotIn("\x1b", watch.stdout())
            eventually(lambda: writers.acknowledged() > 50, 60, "writes")
        before = atlas("migration", "show", migration["_id"], *here)["timerExpiresAt"]
        self.assertGreater(atlas("migration", "extend", migration["_id"], "--hours", "48", *here)["timerExpiresAt"], before)
        unasked = atlas.fails(2, "migration", "cutover", migration["_id"], *here)
        self.assertIn("--yes", unasked["message"])
        self.assertEqual(atlas("migration", "show", migration["_id"], *here)["status"], "WORKING", "nothing was done")
        done = atlas("migration", "cutover", migration["_id"], "--yes", "--wait", *here)
        self.assertEqual(done["status"], "COMPLETE")
        self.assert_equal_deployments(self.agent.process)
        self.assertEqual(writers.lost(self.destination.client()), [])
        self.assertEqual([one["status"] for one in atlas("migration", "list", *here)["results"]], ["COMPLETE"])
        for kind in ("CLUSTER_IMPORT_STARTED", "CLUSTER_IMPORT_COMPLETED"):
            eventually(lambda kind=kind: atlas("event", "list", "--type", kind, *here)["totalCount"] == 1, 30, f"the event {kind}")
        # The end of everything.
        self.assertEqual(manager("link", "disconnect", "--yes"), {})
        self.assertEqual(atlas("link", "list")["results"], [])
        self.assertEqual(atlas.fails(11, "link", "revoke", "--yes")["status"], 404)
        self.assertEqual(atlas("cluster", "delete", "shop-atlas", "--yes", *here), {})
        self.assertEqual(atlas("project", "delete", "Shop on Atlas", "--yes"), {})
        self.assertEqual(manager("deployment", "remove", self.source_name, "--yes", "--project", "Shop (prod)"), {})
        self.assertEqual(manager("deployment", "list", "--project", "Shop (prod)")["results"], [])
        self.assertEqual(manager("host", "unprovision", HOST, "--yes", "--project", "Shop (prod)"), {})

    def test_cancelled_with_both_roles_in_one_process(self):
        self.seed()
        site = self.start_site("both")
        cli = Cli(self, site)
        self.prepare(cli, cli)
        here = ["--project", "Shop on Atlas"]
        migration = cli("migration", "start", *self.import_arguments())["_id"]
        busy = cli.fails(4, "migration", "start", *self.import_arguments())
        self.assertEqual(busy["status"], 409)
        lines = cli.start("migration", "watch", migration, *here)
        terminal = self.terminal(cli, "migration", "watch", "shop-atlas", *here)
        terminal.wait_for(r"\r\x1b\[2K(NEW|WORKING)")
        self.assertEqual(cli.fails(4, "link", "revoke", "--yes")["errorCode"], "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK")
        self.assertEqual(cli.fails(4, "host", "unprovision", HOST, "--yes", "--project", "Shop (prod)")["errorCode"], "MIGRATION_HOST_IN_USE")
        site.process.kill()  # who watches waits for it
        site.start()
        cli("migration", "cancel", migration, "--yes", *here)
        lines.wait(120)
        self.assertEqual(lines.child.returncode, 4, lines.tail())
        seen = [json.loads(line) for line in lines.stdout().splitlines()]
        self.assertEqual((seen[-1]["status"], seen[-1]["outcome"]), ("FAILED", "CANCELLED"))
        self.assertEqual(terminal.end(), 4)
        self.assertIn("FAILED (cancelled)", terminal.seen)
        # The cluster's name means the migration that goes on there; once there are several that have ended, the last one, for who only looks.
        again = cli("migration", "start", *self.import_arguments())["_id"]
        self.assertEqual(cli("migration", "show", "shop-atlas", *here)["_id"], again)
        self.assertEqual(cli("migration", "cancel", "shop-atlas", "--yes", *here)["_id"], again)
        eventually(lambda: cli("migration", "show", again, *here)["status"] == "FAILED", 60, "the end")
        self.assertEqual(cli("migration", "show", "shop-atlas", *here)["_id"], again)
        ended = cli.fails(4, "migration", "cancel", "shop-atlas", "--yes", *here)["message"]
        for text in (migration, again, "FAILED, of 2"):
            self.assertIn(text, ended)
        self.assertRegex(cli("migration", "list", *here, json_output=False), rf"(?m)^{again} +FAILED +CANCELLED .* 20\d\d-")
        self.source.client().e2e_seed.small.insert_one({"_id": "still writable"})


class WrongPasswordFirst(Workflow):
    """The source is added with a password that is wrong, and a name of its own; then the password is put right."""
    once = True
    test_all_three_stages = None

    def monitored(self, manager):
        here, login = ["--project", "Shop (prod)"], ["--auth-mechanism", "SCRAM-SHA-256", "--username", "monitor", "--password-file"]
        failed = manager.fails(5, "deployment", "add", f"127.0.0.1:{self.source.port}", *login, manager.file("wrong", "wrong"), "--name", "shop source",
                               "--wait", "--within", "60", *here)
        self.assertIn("drover deployment set-credentials", failed["message"])
        manager("deployment", "set-credentials", "shop source", *login, self.password, *here)
        eventually(lambda: manager("deployment", "show", "shop source", *here).get("lastHeartbeat"), 60, "a sample")
        return "shop source"


class Administration(SandboxOnly):
    once = True

    def start_clusters(self):
        pass

    def test_organizations_keys_and_accounts(self):
        site = self.start_site("atlas", "--local-clusters")
        owner = Cli(self, site)
        self.assertEqual(owner("org", "show")["name"], "Shop")
        self.assertEqual([one["name"] for one in owner("org", "list")["results"]], ["Shop"])
        # A reader, by a key that was written to a file, and the same without a file.
        path = os.path.join(self.directory, "reader.json")
        owner("key", "create", "--description", "reader", "--role", "ORG_READ_ONLY", "--out", path)
        self.assert_private(path)
        with open(path, encoding="utf-8") as file:
            reader = Cli(self, site, {key: value for key, value in json.load(file).items() if key in ("publicKey", "privateKey")})
        self.assertEqual(self.run_drover("project", "list", "--json", "--credentials", path).child.returncode, 0)
        self.assertEqual(reader("project", "list")["results"], [])
        refused = reader.fails(10, "project", "create", "Mine")
        self.assertEqual((refused["status"], refused["errorCode"]), (403, "NOT_ORG_GROUP_CREATOR"))
        self.assertEqual(reader.fails(10, "org", "create", "Mine")["status"], 403)
        self.assertIn("Organization Owner", reader.fails(10, "link", "create-token")["message"])
        # From elsewhere only.
        owner("key", "allow", "reader", "192.0.2.0/24")
        self.assertEqual([one["cidrBlock"] for one in owner("key", "access-list", "reader")["results"]], ["192.0.2.0/24"])
        self.assertEqual(reader.fails(10, "project", "list")["errorCode"], "IP_ADDRESS_NOT_ON_WHITELIST")
        owner("key", "disallow", "reader", "192.0.2.0/24")
        reader("project", "list")
        owner("key", "delete", "reader", "--yes")
        self.assertEqual(reader.fails(9, "project", "list")["status"], 401)
        self.assertEqual(owner.fails(11, "key", "show", "reader")["exitCode"], 11)
        # A service account.
        path = os.path.join(self.directory, "account.json")
        owner("service-account", "create", "deploy", "--description", "CI", "--role", "ORG_OWNER", "--out", path)
        made = self.run_drover("project", "create", "By token", "--json", "--credentials", path)
        self.assertEqual(made.child.returncode, 0, made.tail())
        self.assertEqual([one["name"] for one in owner("project", "list")["results"]], ["By token"])
        owner("service-account", "delete", "deploy", "--yes")
        gone = self.run_drover("project", "list", "--json", "--credentials", path)
        self.assertEqual(gone.child.returncode, 9, gone.tail())
        elsewhere = self.run_drover("project", "list", "--credentials", path, "--site", self.start_site("manager").url)
        self.assertEqual(elsewhere.child.returncode, 3, elsewhere.tail())
        self.assertIn("use an API key", elsewhere.stderr())
        # Another organization, and names in two of them.
        path = os.path.join(self.directory, "books.json")
        owner("org", "create", "Books", "--out", path)
        for body in ({}, {"name": "x"}, {"name": "x", "apiKey": {}}, {"name": "x", "apiKey": {"desc": "d", "roles": ["ORG_READ_ONLY"]}},
                     {"name": "x", "apiKey": {"desc": "d", "roles": ["ORG_OWNER", "GROUP_OWNER"]}}, {"name": "x", "apiKey": []},
                     {"name": "x", "apiKey": {"desc": "d", "roles": ["ORG_OWNER"]}, "orgOwnerId": "u"}):
            self.assertEqual(site.call("POST", "/api/atlas/v2/orgs", body)[0], 400, body)
        made = self.run_drover("project", "create", "By token", "--json", "--credentials", path)
        self.assertEqual(made.child.returncode, 0, made.tail())
        self.assertEqual(len(owner("project", "list")["results"]), 1)

    def test_clusters_and_access_lists(self):
        cli = Cli(self, self.start_site("atlas", "--local-clusters"))
        project = cli("project", "create", "Rehearsal")["id"]
        self.assertEqual(cli("cluster", "create", "small", "--version", "7.0", "--tier", "M10", "--wait")["stateName"], "IDLE")
        self.assertEqual(cli("cluster", "show", "small")["mongoDBMajorVersion"], "7.0")
        table = cli("cluster", "list", json_output=False)
        self.assertRegex(table, r"^ID +NAME +STATE +VERSION +FCV +TYPE +TIER\n[0-9a-f]{24}  small  IDLE ")
        duplicate = cli.fails(4, "cluster", "create", "small")
        self.assertEqual(duplicate["errorCode"], "DUPLICATE_CLUSTER_NAME")
        self.assertEqual(cli.fails(6, "cluster", "register", "away", "--connection-string", "mongodb://127.0.0.1:1/")["errorCode"], "DEPLOYMENT_NOT_REACHABLE")
        self.assertEqual(cli.fails(4, "project", "delete", project, "--yes")["status"], 409)
        self.assertEqual(cli("access-list", "add", "198.51.100.7", "--comment", "host")["results"][0]["cidrBlock"], "198.51.100.7/32")
        cli("access-list", "remove", "198.51.100.7/32", "--yes")
        self.assertEqual(cli("access-list", "list"), {"results": [], "totalCount": 0})
        self.assertEqual(cli.fails(2, "access-list", "add", "nonsense")["errorCode"], "INVALID_IP_ADDRESS_OR_CIDR_NOTATION")
        cli("cluster", "delete", "small", "--yes")

    def test_database_users(self):
        cli = Cli(self, self.start_site("atlas", "--local-clusters"))
        cli("project", "create", "Rehearsal")
        cli("cluster", "create", "small", "--wait")
        secrets = ["of a file 1", "of standard input 2", "typed twice 3", "another of a file 4"]
        made = cli("database-user", "create", "app", "--role", "readWrite@shop", "--role", "clusterMonitor", "--cluster", "small", "--password-file", cli.file("app.pw", secrets[0] + "\n"))
        self.assertEqual((made["roles"], made["scopes"]), ([{"databaseName": "shop", "roleName": "readWrite"}, {"databaseName": "admin", "roleName": "clusterMonitor"}],
                                                           [{"name": "small", "type": "CLUSTER"}]))
        cli("database-user", "create", "piped", "--role", "readAnyDatabase", "--password-file", "-", stdin=secrets[1] + "\n")
        typed = self.terminal(cli, "database-user", "create", "typed/ü", "--role", "readAnyDatabase", "--json")
        typed.wait_for("Type the user's password: ")
        typed.answer(secrets[2])
        typed.wait_for("Type the user's password again: ")
        typed.answer(secrets[2])
        self.assertEqual(typed.end(), 0, typed.seen)
        differs = self.terminal(cli, "database-user", "create", "other", "--role", "readAnyDatabase")
        differs.wait_for("password: ")
        differs.answer("one")
        differs.wait_for("again: ")
        differs.answer("two")
        self.assertEqual(differs.end(), 2, differs.seen)
        self.assertIn("the two differ", differs.seen)
        stopped = self.terminal(cli, "database-user", "create", "other", "--role", "readAnyDatabase")
        stopped.wait_for("password: ")
        stopped.child.send_signal(signal.SIGTERM)
        self.assertEqual(stopped.end(2), 130, stopped.seen)
        self.assertIn("no terminal is there", cli.fails(2, "database-user", "create", "other", "--role", "readAnyDatabase")["message"])
        self.assertEqual([one["username"] for one in cli("database-user", "list")["results"]], ["app", "piped", "typed/ü"])
        self.assertRegex(cli("database-user", "list", json_output=False), r"^NAME +ROLES +DATABASES +CLUSTERS +UNTIL +DESCRIPTION\napp +readWrite, clusterMonitor +shop, admin +small\n")
        uri = cli("cluster", "show", "small")["connectionStrings"]["standard"]
        eventually(lambda: logs_in(uri, "app", secrets[0]), 30, "the user on the cluster")
        cli("database-user", "set-password", "app", "--password-file", cli.file("app2.pw", secrets[3]))
        eventually(lambda: logs_in(uri, "app", secrets[3]), 30, "the other password")
        self.assertEqual(cli("database-user", "show", "typed/ü")["username"], "typed/ü")
        self.assertIn("there are: app, piped", cli.fails(11, "database-user", "delete", "ap", "--yes")["message"])
        self.assertEqual(cli.fails(2, "database-user", "create", "r", "--role", "root", "--password-file", cli.file("r.pw", secrets[0]))["status"], 400)
        cli("database-user", "delete", "typed/ü", "--yes")
        self.assertEqual(cli("database-user", "list")["totalCount"], 2)
        for name in os.listdir(self.directory):
            if name.endswith((".stdout", ".stderr")):
                with open(os.path.join(self.directory, name), encoding="utf-8", errors="replace") as file:
                    text = file.read()
                self.assertEqual([secret for secret in secrets if secret in text], [], name)
        self.assertEqual([secret for secret in secrets if secret in typed.seen], [])

    def test_roles_settings_and_accounts_of_a_project(self):
        cli = Cli(self, self.start_site("atlas"))
        cli("project", "create", "Shop")
        self.assertEqual(cli("project", "rename", "Shop", "Shop (prod)")["name"], "Shop (prod)")
        self.assertTrue(cli("project", "settings", "Shop (prod)")["isCollectDatabaseSpecificsStatisticsEnabled"])
        self.assertFalse(cli("project", "set", "Shop (prod)", "--collect-database-statistics", "off")["isCollectDatabaseSpecificsStatisticsEnabled"])
        made = cli("database-role", "create", "auditor", "--action", "FIND@shop.orders", "--action", "FIND@books", "--action", "SERVER_STATUS", "--inherit", "read@papers")
        self.assertEqual(made, {"actions": [{"action": "FIND", "resources": [{"cluster": False, "collection": "orders", "db": "shop"}, {"cluster": False, "collection": "", "db": "books"}]},
                                            {"action": "SERVER_STATUS", "resources": [{"cluster": True, "collection": "", "db": ""}]}],
                                "inheritedRoles": [{"db": "papers", "role": "read"}], "roleName": "auditor"})
        changed = cli("database-role", "set", "auditor", "--action", "INSERT@shop")
        self.assertEqual((changed["actions"][0]["action"], changed["inheritedRoles"]), ("INSERT", made["inheritedRoles"]))
        self.assertRegex(cli("database-role", "list", json_output=False), r"^NAME +ACTIONS +INHERITS +DATABASES\nauditor +INSERT +read +papers\n")
        self.assertEqual(cli.fails(2, "database-role", "create", "other", "--action", "DANCE@shop")["errorCode"], "INVALID_ENUM_VALUE")
        cli("database-role", "delete", "auditor", "--yes")
        self.assertEqual(cli("database-role", "list")["totalCount"], 0)
        account = cli("service-account", "create-in-project", "deploy", "--description", "CI", "--role", "GROUP_CLUSTER_MANAGER", "--out", os.path.join(self.directory, "deploy.json"))
        self.assertEqual([one["clientId"] for one in cli("service-account", "list-in-project")["results"]], [account["clientId"]])
        self.assertEqual(cli("service-account", "give", "deploy", "--role", "GROUP_READ_ONLY")["roles"], ["GROUP_READ_ONLY"])
        cli("service-account", "take", "deploy", "--yes")
        self.assertEqual(cli("service-account", "list-in-project")["results"], [])
        self.assertEqual(cli("org", "rename", "Shop", "Books")["name"], "Books")
        self.assertEqual(cli.fails(4, "org", "delete", "Books", "--yes")["errorCode"], "CONFLICT")
        cli("project", "delete", "Shop (prod)", "--yes")
        cli("org", "delete", "Books", "--yes")
        self.assertEqual(cli.fails(9, "org", "list")["status"], 401)

    def test_private_networks(self):
        cli = Cli(self, self.start_site("atlas"))
        cli("project", "create", "Networks")
        near = cli("peering", "create-container", "--cidr", "10.8.0.0/21", "--region", "EU_WEST_1")["id"]
        azure = cli("peering", "create-container", "--provider", "AZURE", "--cidr", "10.16.0.0/21", "--region", "EUROPE_WEST")["id"]
        far = cli("peering", "create-container", "--provider", "GCP", "--cidr", "10.24.0.0/18")["id"]
        self.assertRegex(cli("peering", "containers", json_output=False), rf"{near} +AWS +EU_WEST_1 +10.8.0.0/21 +false\n{azure} +AZURE +EUROPE_WEST")
        peer = cli("peering", "create", "--container", near, "--aws-account", "123456789012", "--vpc", "vpc-1", "--cidr", "192.168.0.0/24")["id"]
        cli("peering", "create", "--container", azure, "--azure-directory", "d", "--azure-subscription", "s", "--resource-group", "g", "--vnet", "v")
        cli("peering", "create", "--container", far, "--gcp-project", "p", "--network", "n")
        self.assertEqual(cli("peering", "set-status", peer, "FAILED", "--error", "REJECTED")["errorStateName"], "REJECTED")
        self.assertEqual(cli("peering", "set-status", peer, "AVAILABLE")["statusName"], "AVAILABLE")
        self.assertRegex(cli("peering", "list", json_output=False), rf"{peer} +AWS +{near} +vpc-1 +AVAILABLE")
        self.assertRegex(cli("peering", "list", "--provider", "AZURE", json_output=False), r" AZURE +\S+ +v +ADDING")
        self.assertEqual(cli.fails(4, "peering", "delete-container", near, "--yes")["errorCode"], "CONTAINERS_IN_USE")
        cli("peering", "delete", peer, "--yes")
        cli("peering", "delete-container", near, "--yes")
        self.assertEqual(cli.fails(11, "peering", "show", peer)["errorCode"], "PEER_NOT_FOUND")
        self.assertEqual(cli("peering", "list"), {"results": [], "totalCount": 0})

        for provider, region, endpoint, more in (("AWS", "EU_WEST_1", "vpce-1", ()), ("AZURE", "EUROPE_WEST", "/subscriptions/1/pe", ("--ip", "10.0.0.4")),
                                                 ("GCP", "WESTERN_EUROPE", "group1", ("--gcp-project", "p", "--endpoint", "e1=10.0.0.5", "--endpoint", "e2=10.0.0.6"))):
            with self.subTest(provider):
                of = ("--provider", provider)
                service = cli("private-endpoint", "create-service", *of, "--region", region.lower().replace("_", "-"))["id"]
                cli("private-endpoint", "set-service-status", service, "AVAILABLE", *of)
                made = cli("private-endpoint", "create", service, endpoint, *of, *more)
                if provider == "GCP":
                    self.assertEqual([one["ipAddress"] for one in made["endpoints"]], ["10.0.0.5", "10.0.0.6"])
                told = cli("private-endpoint", "set-status", service, endpoint, "AVAILABLE", *of)
                self.assertEqual(told.get("connectionStatus", told.get("status")), "AVAILABLE")
                self.assertEqual(cli("private-endpoint", "show", service, endpoint, *of), told)
                self.assertRegex(cli("private-endpoint", "services", *of, json_output=False), rf"{service} +{provider} +{region} +AVAILABLE .*{endpoint}")
                self.assertEqual(cli.fails(4, "private-endpoint", "delete-service", service, *of, "--yes")["status"], 409)
                cli("private-endpoint", "delete", service, endpoint, *of, "--yes")
                cli("private-endpoint", "delete-service", service, *of, "--yes")
                self.assertEqual(cli.fails(11, "private-endpoint", "show-service", service, *of)["status"], 404)

        destination = self.cluster("destination", auth=True)
        cli("cluster", "register", "shop", "--connection-string", "@" + cli.file("destination.uri", destination.uri))
        private = cli.file("private.json", json.dumps({"private": "mongodb://private.example.net/?tls=true"}))
        self.assertEqual(cli("cluster", "set-private", "shop", "--connection-strings-file", private)["connectionStrings"]["private"], "mongodb://private.example.net/?tls=true")

    def test_what_cannot_be_taken_back_is_asked(self):
        cli = Cli(self, self.start_site("manager"))
        cli("project", "create", "Shop")
        terminal = self.terminal(cli, "project", "delete", "Shop")
        terminal.wait_for(r"Delete the project Shop\? Type yes: ")
        terminal.answer("y")
        self.assertEqual(terminal.end(), 130)
        self.assertEqual(cli("project", "list")["totalCount"], 1)
        terminal = self.terminal(cli, "project", "delete", "Shop")
        terminal.wait_for("Type yes: ")
        terminal.answer("yes")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(cli("project", "list")["totalCount"], 0)
        # Where data goes, only the name of what it goes from is an answer.
        start = ["migration", "start", "--cluster", "shop", "--source-project", "p", "--source-cluster", "c", "--host", "h"]
        self.assertIn("--yes", cli.fails(2, *start, "--drop-destination-data")["message"])
        self.assertNotIn("--yes", cli.fails(3, *start)["message"])  # nobody is asked: this is no Atlas site
        for answer, code in (("yes", 130), ("shop", 3)):
            terminal = self.terminal(cli, *start, "--drop-destination-data")
            terminal.wait_for(r"everything that the cluster shop holds, and migrate into it\? Type shop: ")
            terminal.answer(answer)
            self.assertEqual(terminal.end(), code, terminal.seen)
        # Nor is a secret typed where it is seen.
        terminal = self.terminal(cli, "link", "connect")
        self.assertEqual(terminal.end(), 2)
        self.assertIn("terminal", terminal.seen)

    def test_a_certificate_that_is_refused_is_named(self):
        ca, pem = clusters.make_certificates(self.directory)
        atlas = self.start_site("atlas", "--tls-certificate-key-file", pem)
        atlas.url = f"https://127.0.0.1:{atlas.port}"
        token = os.path.join(self.directory, "token")
        Cli(self, atlas)("link", "create-token", "--out", token, "--ca-file", ca)
        manager = self.start_site("manager")
        cli = Cli(self, manager)
        connect = cli.start("link", "connect", "--token-file", token, json_output=False)
        connect.wait(60)
        self.assertEqual(connect.child.returncode, 0, connect.tail())
        said = (f"{atlas.url}", "certificate is refused", "certificate of CN=127.0.0.1, issued by CN=Drover test CA", "drover server --link-ca-file")
        for text in (connect.stderr(), cli("link", "status")["problem"]):
            for part in said:
                self.assertIn(part, text)
        self.assertEqual(cli("link", "status")["status"], "NOT_SYNCED")
        manager.process.stop()
        manager.more += ("--link-ca-file", ca)
        manager.start()
        eventually(lambda: cli("link", "status")["status"] == "SYNCED", 90, "the link")
        self.assertIsNone(cli("link", "status")["problem"])
        atlas.process.kill()
        cli.fails(75, "link", "disconnect", "--yes")
        cli("link", "disconnect", "--force", "--yes")
        self.assertEqual(cli("link", "status")["problem"], "The organization is not connected to Atlas.")

    def test_https(self):
        ca, pem = clusters.make_certificates(self.directory)
        site = self.start_site("both", "--tls-certificate-key-file", pem, "--bind-ip", "127.0.0.1,127.0.0.2")
        site.url = f"https://localhost:{site.port}"
        cli = Cli(self, site)
        self.assertEqual(cli("org", "list", "--ca-file", ca)["totalCount"], 1)
        self.assertEqual(self.run_drover("org", "list", "--credentials", cli.credentials, environment={"DROVER_CA_FILE": ca}).child.returncode, 0)
        self.assertRegex(cli.fails(3, "org", "list")["message"], "certificate is refused: .*certificate.* --ca-file FILE")
        self.assertIn("not one for 127.0.0.2", cli.fails(3, "org", "list", "--site", f"https://127.0.0.2:{site.port}", "--ca-file", ca)["message"])
        self.assertEqual(cli.fails(3, "org", "list", "--ca-file", os.path.join(self.directory, "no such file"))["exitCode"], 3)
        asking = Site(self, "--tls-certificate-key-file", pem, "--tls-ca-file", ca, data="asking")
        asking.url = f"https://localhost:{asking.port}"
        cli = Cli(self, asking)
        cli("org", "list", "--ca-file", ca, "--tls-certificate-key-file", pem)
        self.assertIn("--tls-certificate-key-file", cli.fails(3, "org", "list", "--ca-file", ca)["message"])
        plain = Site(self, data="plain")
        self.assertIn("does not speak TLS", cli.fails(3, "org", "list", "--site", f"https://localhost:{plain.port}")["message"])

    def test_pages_are_followed_to_the_end(self):
        site = self.start_site("manager")
        cli = Cli(self, site)
        for number in range(205):
            site.call("POST", "/api/public/v1.0/groups", {"name": f"project {number}", "orgId": site.org})
        listed = cli("project", "list")
        self.assertEqual((len(listed["results"]), listed["totalCount"]), (205, 205))
        self.assertEqual(len({one["id"] for one in listed["results"]}), 205)
        self.assertEqual(cli("project", "show", "project 204")["name"], "project 204")


class Misuse(SandboxOnly):
    once = True

    def start_clusters(self):
        pass

    def test_logins_that_are_wrong(self):
        site = self.start_site("both")
        owner = Cli(self, site)
        self.assertEqual(Cli(self, site, {"publicKey": site.owner["publicKey"], "privateKey": "wrong"}).fails(9, "org", "list")["status"], 401)
        self.assertEqual(Cli(self, site, {"publicKey": "nobodyxx", "privateKey": "wrong"}).fails(9, "org", "list")["status"], 401)
        os.chmod(owner.credentials, 0o644)
        self.assertIn("chmod 600", owner.fails(3, "org", "list")["message"])
        # By the environment.
        environment = {"DROVER_SITE": site.url, "DROVER_PUBLIC_KEY": site.owner["publicKey"], "DROVER_PRIVATE_KEY": site.owner["privateKey"]}
        listed = self.run_drover("org", "list", "--json", environment=environment)
        self.assertEqual(listed.child.returncode, 0, listed.tail())
        bare = self.run_drover("org", "list", "--json")
        self.assertEqual(bare.child.returncode, 2, bare.tail())
        away = self.run_drover("org", "list", environment={**environment, "DROVER_SITE": "http://192.0.2.1:8080"})
        self.assertEqual(away.child.returncode, 3, away.tail())
        self.assertIn("--allow-plain-http", away.stderr())

    def test_things_that_are_not_there(self):
        cli = Cli(self, self.start_site("both"))
        cli("project", "create", "Shop")
        unknown = cli.fails(11, "project", "show", "66ee00000000000000000009")
        self.assertEqual((unknown["status"], unknown["errorCode"]), (404, "GROUP_NOT_FOUND"))
        self.assertIn("(Shop)", cli.fails(11, "project", "show", "Shpo")["message"])
        self.assertEqual(cli.fails(11, "migration", "show", "66ee00000000000000000009")["errorCode"], "RESOURCE_NOT_FOUND")
        self.assertEqual(cli.fails(11, "migration", "watch", "66ee00000000000000000009")["errorCode"], "RESOURCE_NOT_FOUND")
        self.assertEqual(cli.fails(11, "link", "refresh")["status"], 404)
        self.assertEqual(cli.fails(2, "deployment", "add", "no port")["exitCode"], 2)

    def test_a_link_token_that_was_revoked(self):
        atlas, manager = Cli(self, self.start_site("atlas")), Cli(self, self.start_site("manager"))
        token = atlas("link", "create-token", json_output=False)
        atlas("link", "revoke", "--yes")
        refused = manager.fails(11, "link", "connect", stdin=token)
        self.assertIn("Generate another one", refused["detail"])
        self.assertNotIn(token.strip(), refused["message"])
        self.assertEqual(manager.fails(2, "link", "connect", stdin="no token at all\n")["exitCode"], 2)
        self.assertEqual(manager.fails(2, "link", "connect", stdin="notatoken\n")["errorCode"], "INVALID_ATTRIBUTE")
        # A link that was ended is not SYNCED any more from the next call on, and what to do is said.
        manager("link", "connect", stdin=atlas("link", "create-token", json_output=False))
        self.assertEqual(manager("link", "status")["status"], "SYNCED")
        [link] = atlas("link", "list")["results"]
        atlas("link", "delete", link["id"], "--yes")
        self.assertEqual(atlas.fails(11, "link", "delete", link["id"], "--yes")["status"], 404)
        eventually(lambda: manager("link", "status")["status"] == "NOT_SYNCED", 30, "the refusal")
        self.assertRegex(manager("link", "status")["problem"], "LINK_INVALID.*drover link disconnect.*drover link connect")

    def test_a_command_of_the_other_site(self):
        atlas, manager = Cli(self, self.start_site("atlas")), Cli(self, self.start_site("manager"))
        self.assertIn("a manager site", atlas.fails(3, "deployment", "list", "--project", "66ee00000000000000000009")["message"])
        self.assertIn("an Atlas site", manager.fails(3, "cluster", "list", "--project", "66ee00000000000000000009")["message"])
        self.assertIn("Atlas site", manager.fails(3, "migration", "list", "--project", "66ee00000000000000000009")["message"])

    def test_a_server_that_is_down(self):
        site = self.start_site("both")
        cli = Cli(self, site)
        site.process.stop()
        self.assertIn(site.url.removeprefix("http://"), cli.fails(75, "org", "list")["message"])

    def test_a_command_line_that_is_wrong(self):
        for words in (["org"], ["org", "lits"], ["project", "create"], ["key", "create", "--description", "x"], ["org", "list", "--private-key", "x"],
                      ["migration", "watch", "x", "--until", "soon"],
                      ["project", "delete", "", "--yes"], ["cluster", "list", "--project", ""], ["key", "create", "--description", "", "--role", "ORG_OWNER"], ["migration", "extend", "x", "--hours", "0"]):
            process = self.run_drover(*words)
            self.assertEqual(process.child.returncode, 2, process.tail())
            self.assertIn("See `drover ", process.stderr())
        process = self.run_drover("project", "create", "--json")
        self.assertEqual(self.last_json(process)["error"]["exitCode"], 2)
        for words in (["--json", "nonsense"], ["nonsense", "--json"], ["--json"]):
            process = self.run_drover(*words)
            self.assertEqual((process.child.returncode, self.last_json(process)["error"]["exitCode"]), (2, 2), process.tail())
        process = self.run_drover("version", "--json")
        self.assertRegex(self.last_json(process)["version"], r"^\d+\.\d+")
        for words in (["--help"], ["migration", "--help"], ["migration", "cutover", "--help"]):
            process = self.run_drover(*words)
            self.assertEqual(process.child.returncode, 0, process.tail())
            self.assertIn("Examples:", process.stdout())
