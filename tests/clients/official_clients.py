"""Each command of the official command lines that a migration needs, by their own libraries: what they send is taken, and what they are answered is what
they can read. The libraries refuse a field of another type; which fields a command shows is looked at here."""
import json
import os
import pathlib
import subprocess

from harness import clusters
from harness.agent import AgentProcess
from harness.case import DroverTest
from harness.process import eventually
from harness.site import MANAGER, Site
from test_workflow import WorkflowTest as _WorkflowTest

PROGRAM = pathlib.Path(__file__).resolve().parent.parent.parent / "build/clients/clients"
PASSWORD = "a client's password"


class Asked:
    """One caller of one site."""

    def __init__(self, test, url, org, key, group="", environment=None):
        self.test, self.url, self.org, self.key, self.group = test, url, org, key, group
        self.environment = environment or {}

    def ask(self, command, **told):
        """What the library made of the answer: {"result", "requests"}, with "error" and "code" when it was refused."""
        told = {"org": self.org, "group": self.group, **told}
        login = {"MONGODB_ATLAS_CLIENT_ID": self.key["clientId"], "MONGODB_ATLAS_CLIENT_SECRET": self.key["secret"]} if "clientId" in self.key else {
            "MONGODB_ATLAS_PUBLIC_API_KEY": self.key["publicKey"], "MONGODB_ATLAS_PRIVATE_API_KEY": self.key["privateKey"]}
        environment = {**os.environ, "MONGODB_ATLAS_OPS_MANAGER_URL": self.url, "NO_PROXY": "*", **login, **self.environment}
        done = subprocess.run([str(PROGRAM), command], input=json.dumps(told), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, timeout=150,
                              check=False)
        self.test.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        return json.loads(done.stdout)

    def __call__(self, command, **told):
        """The result; a refusal fails the test."""
        answer = self.ask(command, **told)
        self.test.assertNotIn("error", answer, f"{command} {told}")
        return answer["result"]

    def refused(self, command, code, **told):
        answer = self.ask(command, **told)
        self.test.assertEqual(answer.get("code"), code, f"{command} {told}: {answer}")
        return answer["error"]

    def http(self, method, path, body=None):
        """As mongocli sends it."""
        answer = self("http", name=method, other=path, **({} if body is None else {"body": body}))
        return answer["status"], answer.get("body")


class Commands(DroverTest):
    def start_clusters(self):
        pass

    def setUp(self):
        super().setUp()
        self.site = Site(self, "--role", "both", "--local-clusters")
        self.atlas = Asked(self, self.site.url, self.site.org, self.site.owner)
        self.atlas.group = self.atlas("atlas projects create", name="Shop")["id"]

    def has(self, value, *fields):
        for field in fields:
            self.assertIn(field, value)

    def test_organizations_and_projects(self):
        atlas = self.atlas
        listed = atlas("atlas organizations list")
        self.assertEqual([(one["id"], one["name"]) for one in listed["results"]], [(self.site.org, "Shop")])
        self.assertEqual(atlas("atlas organizations describe")["name"], "Shop")
        self.has(atlas("atlas projects describe"), "id", "name", "orgId", "clusterCount", "created")
        self.assertEqual(atlas("atlas projects list")["totalCount"], 1)
        self.assertEqual(atlas("atlas projects list", org="")["totalCount"], 1)
        self.assertEqual(atlas("atlas projects update", body={"name": "Shop 2"})["name"], "Shop 2")
        self.assertTrue(atlas("atlas projects settings describe")["isCollectDatabaseSpecificsStatisticsEnabled"])
        self.assertFalse(atlas("atlas projects settings update", body={"isCollectDatabaseSpecificsStatisticsEnabled": False})["isCollectDatabaseSpecificsStatisticsEnabled"])
        atlas.refused("atlas projects settings update", "INVALID_ATTRIBUTE", body={"isDataExplorerEnabled": True})
        other = atlas("atlas projects create", name="Other")["id"]
        self.assertIsNone(atlas("atlas projects delete", group=other))
        self.assertIn("GROUP_NOT_FOUND", atlas.refused("atlas projects describe", "GROUP_NOT_FOUND", group=other))

    def test_keys(self):
        atlas = self.atlas
        key = atlas("atlas organizations apiKeys create", body={"desc": "second", "roles": ["ORG_MEMBER"]})
        self.has(key, "id", "publicKey", "privateKey")
        self.assertEqual(atlas("atlas organizations apiKeys list")["totalCount"], 2)
        self.assertEqual(atlas("atlas organizations apiKeys describe", name=key["id"])["desc"], "second")
        changed = atlas("atlas organizations apiKeys assign", name=key["id"], body={"desc": "reader", "roles": ["ORG_READ_ONLY"]})
        self.assertEqual((changed["desc"], changed["roles"]), ("reader", [{"orgId": self.site.org, "roleName": "ORG_READ_ONLY"}]))
        self.assertEqual(len(atlas("atlas projects apiKeys assign", name=key["id"], body={"roles": ["GROUP_READ_ONLY"]})["roles"]), 2)
        self.assertEqual(atlas("atlas projects apiKeys list")["totalCount"], 1)
        self.assertIsNone(atlas("atlas projects apiKeys delete", name=key["id"]))
        self.has(atlas("atlas projects apiKeys create", body={"desc": "p", "roles": ["GROUP_OWNER"]}), "privateKey")
        entries = atlas("atlas organizations apiKeys accessLists create", name=key["id"], body=[{"ipAddress": "203.0.113.7"}, {"cidrBlock": "198.51.100.0/24"}])
        self.assertEqual(entries["totalCount"], 2)
        self.assertIsNone(atlas("atlas organizations apiKeys accessLists delete", name=key["id"], other="203.0.113.7"))
        self.assertIsNone(atlas("atlas organizations apiKeys accessLists delete", name=key["id"], other="198.51.100.0/24"))
        self.assertEqual(atlas("atlas organizations apiKeys accessLists list", name=key["id"])["totalCount"], 0)
        self.assertIsNone(atlas("atlas organizations apiKeys delete", name=key["id"]))
        wrong = Asked(self, self.site.url, self.site.org, {"publicKey": "aaaaaaaa", "privateKey": "wrong"})
        self.assertIn("401", wrong.ask("atlas organizations list")["error"])

    def test_a_service_account(self):
        made = self.atlas("api serviceAccounts create", body={"name": "robot", "description": "d", "roles": ["ORG_OWNER"], "secretExpiresAfterHours": 8})
        robot = Asked(self, self.site.url, self.site.org, {"clientId": made["clientId"], "secret": made["secrets"][0]["secret"]}, self.atlas.group)
        self.assertEqual(robot("atlas projects list")["totalCount"], 1)
        # And in a project.
        made = self.atlas("api projects serviceAccounts create", body={"name": "mover", "description": "d", "roles": ["GROUP_OWNER"], "secretExpiresAfterHours": 8})
        mover = Asked(self, self.site.url, self.site.org, {"clientId": made["clientId"], "secret": made["secrets"][0]["secret"]}, self.atlas.group)
        self.assertEqual(mover("atlas projects describe")["name"], "Shop")
        self.assertEqual(mover("api projects serviceAccounts list")["totalCount"], 1)
        self.assertEqual(mover("api projects serviceAccounts update", name=made["clientId"], body={"roles": ["GROUP_READ_ONLY"]})["roles"], ["GROUP_READ_ONLY"])
        self.assertIsNone(self.atlas("api projects serviceAccounts delete", name=made["clientId"]))
        self.assertEqual(self.atlas("api projects serviceAccounts add", name=made["clientId"], body={"roles": ["GROUP_OWNER"]})["roles"], ["GROUP_OWNER"])

    def test_access_lists_users_and_roles(self):
        atlas = self.atlas
        self.assertEqual(atlas("atlas accessLists create", body=[{"ipAddress": "203.0.113.7", "comment": "office"}])["totalCount"], 1)
        self.assertEqual(atlas("atlas accessLists create", body=[{"cidrBlock": "198.51.100.0/24"}])["totalCount"], 2)
        self.has(atlas("atlas accessLists list")["results"][0], "cidrBlock", "comment")
        self.assertEqual(atlas("atlas accessLists describe", name="198.51.100.0/24")["cidrBlock"], "198.51.100.0/24")
        self.assertIsNone(atlas("atlas accessLists delete", name="198.51.100.0/24"))
        self.assertIsNone(atlas("atlas accessLists delete", name="203.0.113.7"))

        role = {"roleName": "auditor", "actions": [{"action": "FIND", "resources": [{"cluster": False, "collection": "orders", "db": "shop"}]}], "inheritedRoles": []}
        self.assertEqual(atlas("atlas customDbRoles create", body=role), {"actions": role["actions"], "inheritedRoles": [], "roleName": "auditor"})
        self.assertEqual([one["roleName"] for one in atlas("atlas customDbRoles list")], ["auditor"])
        self.assertEqual(atlas("atlas customDbRoles update", name="auditor", body={"inheritedRoles": [{"db": "shop", "role": "read"}]})["inheritedRoles"],
                         [{"db": "shop", "role": "read"}])
        none = dict.fromkeys(("awsIAMType", "ldapAuthType", "oidcAuthType", "x509Type"), "NONE")
        user = {"databaseName": "admin", "groupId": atlas.group, "username": "app", "password": PASSWORD, "roles": [{"databaseName": "admin", "roleName": "auditor"}],
                "scopes": [], "labels": [], **none}
        self.assertEqual(atlas("atlas dbusers create", body=user)["username"], "app")
        atlas.refused("atlas customDbRoles delete", "ATLAS_CUSTOM_ROLE_IN_USE", name="auditor")
        self.has(atlas("atlas dbusers describe", name="app"), "databaseName", "roles")
        changed = atlas("atlas dbusers update", name="app", body={**user, "password": None, "roles": [{"databaseName": "shop", "roleName": "readWrite"}]})
        self.assertEqual(changed["roles"], [{"databaseName": "shop", "roleName": "readWrite"}])
        self.assertEqual(atlas("atlas dbusers list")["totalCount"], 1)
        self.assertEqual(len(atlas("v1 databaseUsers list")), 1)
        self.assertIsNone(atlas("atlas dbusers delete", name="app"))
        self.assertEqual(len(atlas("v1 customDBRoles list")), 1)
        self.assertIsNone(atlas("atlas customDbRoles delete", name="auditor"))
        atlas.refused("atlas customDbRoles describe", "ATLAS_CUSTOM_ROLE_NOT_FOUND", name="auditor")

    def test_clusters(self):
        atlas = self.atlas
        made = atlas("atlas clusters create", name="shop", body={"Provider": "AWS", "Region": "EU_WEST_1", "Tier": "M30", "Members": 3, "DiskSizeGB": 40, "MdbVersion": "7.0"})
        self.assertEqual((made["name"], made["stateName"], made["diskSizeGB"]), ("shop", "CREATING", 40))
        atlas.refused("atlas clusters create", "INVALID_ATTRIBUTE", name="backed", body={"Provider": "AWS", "Region": "EU_WEST_1", "Tier": "M30", "Members": 3, "DiskSizeGB": 40,
                                                                                       "MdbVersion": "7.0", "Backup": True})
        shop = eventually(lambda: next((one for one in [atlas("atlas clusters describe", name="shop")] if one["stateName"] == "IDLE"), None), 60, "IDLE")
        self.assertEqual((shop["mongoDBVersion"][:4], shop["replicationSpecs"][0]["numShards"]), ("7.0.", 1))
        self.assertTrue(shop["connectionStrings"]["standard"].startswith("mongodb://"))
        self.assertEqual([(one["id"], one["name"], one["mongoDBVersion"][:4], one["stateName"]) for one in atlas("atlas clusters list")["results"]],
                         [(shop["id"], "shop", "7.0.", "IDLE")])
        updated = atlas("atlas clusters update", name="shop", body={"Tier": "M40", "DiskSizeGB": 80, "Tags": {"env": "test"}})
        self.assertEqual((updated["diskSizeGB"], updated["tags"]), (80, [{"key": "env", "value": "test"}]))
        self.assertEqual(updated["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"]["instanceSize"], "M40")
        self.assertIn("neither paused nor backed up", atlas.refused("atlas clusters update", "INVALID_ATTRIBUTE", name="shop", body={"Paused": True}))
        # The same one to clients of newer and older versions.
        newest = atlas("api clusters get", name="shop")
        self.assertEqual(newest["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"], {"instanceSize": "M40", "nodeCount": 3, "diskSizeGB": 80})
        self.assertEqual(atlas("api clusters list")["totalCount"], 1)
        self.assertEqual(atlas("api clusters update", name="shop", body={"terminationProtectionEnabled": True})["terminationProtectionEnabled"], True)
        self.assertEqual(atlas("api clusters status", name="shop")["changeStatus"], "APPLIED")
        self.assertEqual(atlas("api clusters autoScalingConfiguration", name="shop")["autoScalingMode"], "CLUSTER_WIDE_SCALING")
        old = atlas("v1 clusters get", name="shop")
        self.assertEqual((old["providerSettings"]["instanceSizeName"], old["diskSizeGB"], old["replicationFactor"], old["numShards"]), ("M40", 80, 3, 1))
        self.assertEqual(old["replicationSpecs"][0]["regionsConfig"]["EU_WEST_1"]["electableNodes"], 3)
        self.assertEqual(len(atlas("v1 clusters list")), 1)
        atlas("v1 clusters update", name="shop", body={"terminationProtectionEnabled": False, "providerSettings": {"instanceSizeName": "M50"}})
        self.assertEqual(atlas("v1 clusters get", name="shop")["providerSettings"], {"instanceSizeName": "M50", "providerName": "AWS", "regionName": "EU_WEST_1"})
        self.assertEqual(atlas("v1 clusters status", name="shop")["changeStatus"], "APPLIED")
        self.assertEqual(atlas("v1 clusters create", body={"name": "old", "mongoDBMajorVersion": "6.0", "providerSettings": {
            "providerName": "AWS", "instanceSizeName": "M10", "regionName": "EU_WEST_1"}})["stateName"], "CREATING")
        # Its members, and what happened.
        process = eventually(lambda: next((one for one in atlas("atlas processes list")["results"] if one["typeName"] == "REPLICA_PRIMARY"), None), 60, "a process")
        self.assertEqual(atlas("atlas processes describe", name=process["id"])["port"], process["port"])
        self.assertTrue(atlas("v1 processes list"))
        # What it does: asked for once a minute, the first time soon.
        measured = eventually(lambda: next((one for one in [atlas("atlas metrics processes", name=process["id"], other="CONNECTIONS")]
                                            if any(point.get("value") for point in one["measurements"][0]["dataPoints"])), None), 60, "a measurement")
        self.assertEqual((measured["processId"], measured["hostId"], measured["granularity"]), (process["id"], process["id"], "PT1M"))
        self.assertEqual([(one["name"], one["units"]) for one in measured["measurements"]], [("CONNECTIONS", "SCALAR")])
        self.assertIn("admin", [one["databaseName"] for one in atlas("atlas metrics databases list", name=process["id"])["results"]])
        sizes = atlas("atlas metrics databases describe", name=process["id"], other="admin")
        self.assertEqual((sizes["databaseName"], {one["name"] for one in sizes["measurements"]} >= {"DATABASE_DATA_SIZE", "DATABASE_OBJECT_COUNT"}), ("admin", True))
        for disk in atlas("atlas metrics disks list", name=process["id"])["results"]:
            self.assertEqual(atlas("atlas metrics disks describe", name=process["id"], other=disk["partitionName"])["partitionName"], disk["partitionName"])
        atlas.refused("atlas metrics processes", "HOSTNAME_AND_PORT_NOT_FOUND", name="127.0.0.1:1", other="CONNECTIONS")
        self.assertEqual(atlas("atlas alerts list")["totalCount"], 0)
        self.assertEqual(atlas("v1 alerts list")["totalCount"], 0)
        self.assertEqual([one["eventTypeName"] for one in atlas("atlas events projects list", name="CLUSTER_CREATED")["results"]], ["CLUSTER_CREATED"] * 2)
        self.assertGreater(atlas("atlas events organizations list")["totalCount"], 0)
        self.assertIsNone(atlas("atlas clusters delete", name="shop"))
        self.assertIsNone(atlas("v1 clusters delete", name="old"))
        eventually(lambda: not atlas("atlas clusters list")["results"], 60, "their end")
        atlas.refused("atlas clusters describe", "CLUSTER_NOT_FOUND", name="shop")

    def test_networks(self):
        atlas = self.atlas
        container = atlas("api networking containers create", body={"providerName": "AWS", "atlasCidrBlock": "10.8.0.0/21", "regionName": "EU_WEST_1"})
        self.assertEqual(len(atlas("atlas networking containers list")["results"]), 1)
        peer = atlas("atlas networking peering create", body={"containerId": container["id"], "providerName": "AWS", "accepterRegionName": "eu-west-1",
                                                             "awsAccountId": "123456789012", "routeTableCidrBlock": "192.168.0.0/24", "vpcId": "vpc-1"})
        self.has(peer, "id", "statusName")
        self.assertEqual(atlas("atlas networking peering list")["results"][0]["id"], peer["id"])
        self.assertEqual(atlas("api networking peering update", name=peer["id"], body={"containerId": container["id"], "vpcId": "vpc-2"})["vpcId"], "vpc-2")
        self.assertEqual(len(atlas("v1 peers list")), 1)
        atlas("atlas networking peering delete", name=peer["id"])
        service = atlas("atlas privateEndpoints aws create", name="EU_WEST_1")
        self.has(service, "id", "status", "regionName", "cloudProvider")
        self.has(atlas("atlas privateEndpoints aws interfaces create", name=service["id"], other="vpce-1"), "interfaceEndpointId", "connectionStatus")
        self.assertEqual(len(atlas("atlas privateEndpoints aws list")), 1)

    def test_of_the_first_version(self):
        atlas = self.atlas
        self.assertEqual(atlas("v1 organizations list")["totalCount"], 1)
        self.assertEqual(atlas("v1 projects get")["name"], "Shop")
        self.assertEqual(len(atlas("v1 apiKeys list")), 1)
        self.assertEqual(atlas("v1 accessList list")["totalCount"], 0)
        self.assertTrue(atlas("v1 settings get")["isCollectDatabaseSpecificsStatisticsEnabled"])
        self.assertIn("Could not find the requested external organization link", atlas.refused("v1 linkTokens delete", "UNEXPECTED_ERROR"))

    def test_what_cloud_manager_is_asked(self):
        for path in ("/orgs", f"/orgs/{self.site.org}", f"/orgs/{self.site.org}/groups", "/groups", f"/groups/{self.atlas.group}", "/groups/byName/Shop", "/clusters",
                     "/softwareComponents/versions", *(f"/groups/{self.atlas.group}{more}" for more in (
                         "/hosts?pageNum=1&itemsPerPage=100", "/clusters", "/agents", "/agents/MONITORING", "/agents/versions", "/agentapikeys", "/alerts?status=OPEN", "/events",
                         "/automationConfig", "/automationConfig/monitoringAgentConfig", "/automationStatus", "/settings"))):
            status, answer = self.atlas.http("GET", MANAGER + path)
            self.assertEqual(status, 200, (path, answer))

    def test_over_tls(self):
        ca_file, pem_file = clusters.make_certificates(self.directory)
        self.site.process.stop()
        port_file = os.path.join(self.directory, "tls port")
        server = self.start("server", "--data", self.site.data, "--port", "0", "--port-file", port_file, "--tls-certificate-key-file", pem_file, "--local-clusters")
        eventually(lambda: os.path.exists(port_file) or not server.running(), 30, "the port")
        with open(port_file, encoding="ascii") as file:
            url = f"https://127.0.0.1:{int(file.read())}"
        secure = Asked(self, url, self.site.org, self.site.owner, self.atlas.group, {"SSL_CERT_FILE": ca_file})
        self.assertEqual(secure("atlas projects describe")["name"], "Shop")
        self.assertEqual(secure("atlas clusters list")["totalCount"], 0)
        self.assertTrue(secure("atlas liveMigrations link create")["linkToken"])
        self.assertIsNone(secure("atlas liveMigrations link delete"))
        self.assertEqual(secure("v1 organizations list")["totalCount"], 1)
        self.assertEqual(secure.http("GET", MANAGER + "/orgs")[0], 200)
        made = secure("api serviceAccounts create", body={"name": "robot", "description": "d", "roles": ["ORG_OWNER"], "secretExpiresAfterHours": 8})
        robot = Asked(self, url, self.site.org, {"clientId": made["clientId"], "secret": made["secrets"][0]["secret"]}, self.atlas.group, {"SSL_CERT_FILE": ca_file})
        self.assertEqual(robot("atlas projects list")["totalCount"], 1)
        unknown = Asked(self, url, self.site.org, self.site.owner)
        self.assertIn("certificate", unknown.ask("atlas projects list")["error"])


class Workflow(_WorkflowTest):
    """The three stages of the founding document, each by the command that the official command line has for it."""

    def test_all_three_stages(self):
        self.seed()
        self.source.create_user("monitor", ["clusterMonitor"])
        manager, atlas = self.site("manager"), self.site("atlas")
        self.manager, self.atlas = manager, atlas
        cloud_manager = Asked(self, manager.url, manager.org, manager.owner)
        destination = Asked(self, atlas.url, atlas.org, atlas.owner)
        destination.group = destination("atlas projects create", name="Shop on Atlas")["id"]
        # What no official command does: the destination is a deployment that is there.
        answer = destination.http("POST", f"/api/ext/v1/groups/{destination.group}/clusters", {"name": "shop-atlas", "connectionString": self.destination.uri})
        self.assertEqual(answer[0], 201, answer)
        self.assertEqual(destination("atlas clusters describe", name="shop-atlas")["stateName"], "IDLE")

        # Stage 1.
        token = destination("atlas liveMigrations link create", name="127.0.0.1")["linkToken"]
        # Stage 2: mongocli cloud-manager agents apiKeys create, servers list, processes list, clusters list, liveMigrations link create and describe.
        status, source_project = cloud_manager.http("POST", MANAGER + "/groups", {"name": "Shop (prod)", "orgId": manager.org})
        self.assertEqual(status, 201, source_project)
        group = f"{MANAGER}/groups/{source_project['id']}"
        status, key = cloud_manager.http("POST", group + "/agentapikeys", {"desc": "migration host"})
        self.assertEqual(status, 200, key)
        self.project = type("SourceProject", (), {"id": source_project["id"], "key": key, "site": manager, "test": self})()
        self.agent = AgentProcess(self, self.project)
        host, port = self.source.uri.split("@")[1].split("/")[0].split(":")
        status, added = cloud_manager.http("POST", group + "/hosts", {"hostname": host, "port": int(port), "authMechanismName": "SCRAM-SHA-256", "username": "monitor",
                                                                      "password": clusters.PASSWORD, "sslEnabled": False})
        self.assertEqual(status, 201, added)
        listed = eventually(lambda: [one for one in cloud_manager.http("GET", group + "/clusters")[1]["results"] if "lastHeartbeat" in one], 60, "a sample")
        self.source_name = listed[0]["clusterName"]
        self.assertEqual(cloud_manager.http("GET", group + "/hosts")[1]["results"][0]["typeName"], "REPLICA_PRIMARY")
        servers = eventually(lambda: cloud_manager.http("GET", group + "/agents/AUTOMATION?pageNum=1&itemsPerPage=100")[1]["results"], 30, "the migration host")
        self.assertEqual((servers[0]["hostname"], servers[0]["stateName"]), ("mig01.example.net", "ACTIVE"))
        link = f"{MANAGER}/orgs/{manager.org}/liveExport/migrationLink"
        self.assertEqual(cloud_manager.http("GET", link + "/status"), (200, {"status": "NOT_SYNCED"}))
        self.assertEqual(cloud_manager.http("POST", link, {"linkToken": token}), (200, {"status": "SYNCED"}))
        self.assertEqual(cloud_manager.http("GET", link + "/status"), (200, {"status": "SYNCED"}))

        # Stage 3.
        available = eventually(lambda: next((one for one in destination("api cloudMigrationService listAvailableProjects") if one["deployments"] and one["migrationHosts"]), None),
                               60, "the deployment at the Atlas site")
        self.assertEqual((available["projectId"], available["deployments"][0]["name"]), (source_project["id"], self.source_name))
        flags = {"ClusterName": "shop-atlas", "SourceClusterName": self.source_name, "SourceProjectID": source_project["id"], "SourceUsername": "root",
                 "SourcePassword": clusters.PASSWORD, "MigrationHosts": available["migrationHosts"]}

        def validated(**changes):
            made = destination("atlas liveMigrations validation create", body={**flags, **changes})
            self.assertEqual(set(made) - {"errorMessage"}, {"_id", "groupId", "sourceGroupId", "status"})
            return eventually(lambda: next((one for one in [destination("atlas liveMigrations validation describe", name=made["_id"])] if one["status"] != "PENDING"), None), 120,
                              "the validation's end")

        self.assertIn("The username or password is not correct", validated(SourcePassword="wrong")["errorMessage"])
        self.assertEqual(validated()["status"], "SUCCESS")
        destination.refused("atlas liveMigrations create", "INVALID_ATTRIBUTE", body={**flags, "MigrationHosts": ["mig01.example.net", "mig02.example.net"]})
        destination.refused("atlas liveMigrations create", "CLUSTER_NOT_FOUND", body={**flags, "ClusterName": "nothing"})
        made = destination("atlas liveMigrations create", body=flags)
        self.assertEqual((made["status"], made["readyForCutover"]), ("NEW", False))
        destination.refused("atlas liveMigrations cutover", "LIVE_MIGRATION_NOT_READY_FOR_CUTOVER", name=made["_id"])
        self.assertEqual(destination("v1 liveMigrations get", name=made["_id"])["_id"], made["_id"])

        def described(condition):
            def look():
                found = destination("atlas liveMigrations describe", name=made["_id"])
                self.assertNotEqual(found["status"], "FAILED", self.agent.tail())
                return found if condition(found) else None
            return eventually(look, 120, "the migration")

        self.assertIn("lagTimeSeconds", described(lambda found: found["readyForCutover"]))
        self.assertIsNone(destination("atlas liveMigrations cutover", name=made["_id"]))
        described(lambda found: found["status"] == "COMPLETE")
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()
        # And the end of the link, from each side.
        self.assertIsNone(destination("atlas liveMigrations link delete"))
        self.assertIn("external organization link", destination.refused("atlas liveMigrations link delete", "UNEXPECTED_ERROR"))
        status, answer = cloud_manager.http("DELETE", link + "?force=true")
        self.assertEqual(status, 204, answer)
