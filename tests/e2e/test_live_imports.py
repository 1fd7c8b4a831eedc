"""Validations and migrations at the atlas site, with a manager site played by the test (protocol 1) and a real destination."""
import json
import subprocess
import time

import pymongo
from pymongo.errors import OperationFailure

from harness.clusters import PASSWORD
from harness.process import eventually
from harness.site import ATLAS, EXT
from test_atlas import DEPLOYMENT, HOST, PROJECT, AtlasTest

SOURCE_PASSWORD = "source pass/word"
V1 = "/api/atlas/v1.0"
OLD = "application/vnd.atlas.2023-01-01+json"


class ImportTest(AtlasTest):
    """One site with a linked manager and a registered destination that has authorization."""

    def start_clusters(self):
        self.destination = self.cluster("destination", auth=True)

    def begin(self, *more, deployments=None, hosts=None, **cluster):
        self.atlas = self.site(*more)
        self.group = self.project(self.atlas)
        self.manager = self.linked(self.atlas)
        self.tell(deployments, hosts)
        self.register("shop-atlas", **cluster)
        self.sequences = {}

    def tell(self, deployments=None, hosts=None):
        body = {"revision": time.time_ns(), "name": "Shop (prod)", "migrationHosts": hosts or [HOST], "deployments": deployments or [DEPLOYMENT]}
        self.assertEqual(self.manager.call("PUT", f"/projects/{PROJECT}", body)[0], 200)

    def register(self, name, **cluster):
        body = {"name": name, "connectionString": self.destination.uri, **cluster}
        status, _, answer = self.atlas.call("POST", f"{EXT}/groups/{self.group}/clusters", body)
        self.assertEqual(status, 201, answer)

    def body(self, **changes):
        """As the atlas CLI sends it: empty strings for what was not given."""
        body = {"source": {"clusterName": "shopRS", "groupId": PROJECT, "managedAuthentication": False, "ssl": True, "caCertificatePath": "/etc/ca.pem",
                           "username": "migrator", "password": SOURCE_PASSWORD},
                "destination": {"clusterName": "shop-atlas", "groupId": self.group, "hostnameSchemaType": ""},
                "migrationHosts": [HOST["hostname"]], "dropDestinationData": False}
        for path, value in changes.items():
            inner = body
            *outer, last = path.split("__")
            for name in outer:
                inner = inner[name]
            if value is None:
                del inner[last]
            else:
                inner[last] = value
        return body

    def migrate(self, **changes):
        status, headers, made = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations", self.body(**changes))
        self.assertEqual((status, headers["Content-Type"]), (201, "application/vnd.atlas.2024-05-30+json;charset=utf-8"), made)
        return made["_id"]

    def get(self, migration):
        status, _, read = self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/liveMigrations/{migration}")
        self.assertEqual(status, 200, read)
        return read

    def whole(self, migration):
        return self.atlas.call("GET", f"{EXT}/groups/{self.group}/liveMigrations/{migration}")[2]

    def items(self):
        status, answer = self.manager.call("GET", "/work")
        self.assertEqual(status, 200, answer)
        return {item["id"]: item for item in answer["items"]}

    def item(self, work, desired):
        return eventually(lambda: (found := self.items().get(work)) and found["desired"] == desired and found, 30, f"{work} to be {desired}")

    def report(self, work, state, **more):
        self.sequences[work] = self.sequences.get(work, 0) + 1
        status, answer = self.manager.call("PUT", f"/work/{work}/report", {"sequence": self.sequences[work], "state": state, **more})
        self.assertEqual((status, answer.get("sequence")), (200, self.sequences[work]), answer)
        return answer["desired"]

    def wait_for(self, migration, status):
        return eventually(lambda: (found := self.get(migration))["status"] == status and found, 30, status)

    def cutover(self, migration):
        return self.atlas.call("PUT", f"{ATLAS}/groups/{self.group}/liveMigrations/{migration}/cutover")

    def ready(self, migration):
        self.report(migration, "RUNNING", phase="CHANGE_EVENT_APPLICATION", canCommit=True, lagTimeSeconds=3)

    def users(self):
        return [user["user"] for user in self.destination.client().admin.command("usersInfo", 1)["users"]]

    def assert_secrets_are_kept(self, *secrets):
        for secret in secrets:
            found = subprocess.run(["grep", "-rlaF", secret, self.atlas.data, self.atlas.process.stderr_path], capture_output=True, check=False)
            self.assertEqual(found.stdout, b"")


class Migrations(ImportTest):
    def test_projects_tell_how_many_clusters_they_have(self):
        self.begin()
        self.register("second")
        other = self.project(self.atlas, "other")
        for path in ("/groups", f"/orgs/{self.atlas.org}/groups"):
            listed = self.atlas.call("GET", ATLAS + path)[2]["results"]
            self.assertEqual({one["id"]: one["clusterCount"] for one in listed}, {self.group: 2, other: 0})
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/{self.group}")[2]["clusterCount"], 2)
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/byName/other")[2]["clusterCount"], 0)

    def test_from_new_to_complete(self):
        self.begin()
        migration = self.migrate()
        self.assertEqual(set(self.get(migration)), {"_id", "lagTimeSeconds", "migrationHosts", "readyForCutover", "status"})
        item = self.item(migration, "RUN")
        self.assertEqual((item["kind"], item["path"], item["migrationHost"]), ("migration", "sync", HOST["hostname"]))
        self.assertEqual(item["source"], {"groupId": PROJECT, "clusterName": "shopRS", "managedAuthentication": False, "ssl": True, "username": "migrator",
                                          "password": SOURCE_PASSWORD, "caCertificatePath": "/etc/ca.pem"})
        # The temporary user may do what an engine must.
        uri = item["destination"]["connectionString"]
        self.assertNotIn("root", uri)
        with pymongo.MongoClient(uri) as client:
            client.shop.orders.insert_one({"_id": 1})
            client.admin.command("setUserWriteBlockMode", 1, **{"global": True})
            client.shop.orders.insert_one({"_id": 2})
            client.admin.command("setUserWriteBlockMode", 1, **{"global": False})
            with self.assertRaises(OperationFailure):
                client.admin.command("setParameter", 1, logLevel=0)
        self.assertEqual(self.get(migration)["status"], "WORKING")
        self.assertEqual(self.report(migration, "RUNNING", phase="COLLECTION_COPY", canCommit=False, lagTimeSeconds=90, copiedBytes=10, totalBytes=100), "RUN")
        read = self.get(migration)
        self.assertEqual((read["readyForCutover"], read["lagTimeSeconds"]), (False, 90))
        status, headers, error = self.cutover(migration)
        self.assertEqual((status, error["errorCode"], headers["X-Error-Code"]), (400, "LIVE_MIGRATION_NOT_READY_FOR_CUTOVER", "LIVE_MIGRATION_NOT_READY_FOR_CUTOVER"))
        self.ready(migration)
        self.assertTrue(self.get(migration)["readyForCutover"])
        self.assertIsNotNone(self.whole(migration)["timerExpiresAt"])
        status, headers, body = self.cutover(migration)
        self.assertEqual((status, body, headers["Content-Type"]), (202, None, "application/vnd.atlas.2023-01-01+json;charset=utf-8"))
        self.assertEqual(self.cutover(migration)[0], 202)
        self.assertEqual(self.atlas.call("PUT", f"{ATLAS}/groups/{self.group}/liveMigrations/{migration}/cutover", b"{ no JSON")[0], 202)  # any body is ignored
        self.item(migration, "CUTOVER")
        self.assertEqual(self.atlas.call("POST", f"{EXT}/groups/{self.group}/liveMigrations/{migration}/cancel", {})[0], 409)
        self.report(migration, "COMMITTED")
        self.assertEqual(self.wait_for(migration, "COMPLETE"), {"_id": migration, "migrationHosts": [HOST["hostname"]], "readyForCutover": False, "status": "COMPLETE"})
        self.assertEqual([user for user in self.users() if user.startswith("drover-import")], [])
        with pymongo.MongoClient(uri) as client, self.assertRaises(OperationFailure):
            client.shop.orders.find_one()
        whole = self.whole(migration)
        self.assertEqual((whole["phase"], whole["canCommit"]), (None, False))
        item = self.item(migration, "FORGET")
        self.assertNotIn("source", item)
        self.report(migration, "FORGOTTEN")
        self.assertEqual(self.items(), {})
        self.assertEqual(self.cutover(migration)[0], 202)
        self.assert_secrets_are_kept(SOURCE_PASSWORD, PASSWORD)

    def test_one_at_a_time_for_destination_source_and_host(self):
        second, other_host = {**DEPLOYMENT, "name": "other"}, {**HOST, "hostname": "mig02"}
        self.begin(deployments=[DEPLOYMENT, second], hosts=[HOST, other_host])
        self.register("another", connectionString=self.cluster("another").uri)
        self.register("alias")
        first = self.migrate()
        for changes in ({"source__clusterName": "other", "migrationHosts": ["mig02"]},
                        {"destination__clusterName": "another", "migrationHosts": ["mig02"]},
                        {"destination__clusterName": "another", "source__clusterName": "other"},
                        {"destination__clusterName": "alias", "source__clusterName": "other", "migrationHosts": ["mig02"]}):
            status, _, error = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations", self.body(**changes))
            self.assertEqual((status, error["errorCode"]), (409, "CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT"), changes)
            self.assertIn("under another name" if changes.get("destination__clusterName") == "alias" else first, error["detail"])
        _, _, error = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations", self.body())
        self.assertEqual(error["detail"], f"The cluster shop-atlas is the destination of a running live migration, {first}. Wait for its end, or cancel it.")
        # Two with nothing in common run at once.
        parallel = self.migrate(destination__clusterName="another", source__clusterName="other", migrationHosts=["mig02"])
        self.item(first, "RUN")
        self.item(parallel, "RUN")
        for method, body in (("DELETE", None), ("PATCH", {"biConnector": {"enabled": True}})):
            status, _, error = self.atlas.call(method, f"{ATLAS}/groups/{self.group}/clusters/shop-atlas", body)
            self.assertEqual((status, error["errorCode"]), (409, "CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT"), method)
        status, _, error = self.atlas.call("DELETE", f"{ATLAS}/orgs/{self.atlas.org}/liveMigrations/linkTokens")
        self.assertEqual((status, error["errorCode"]), (409, "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK"))
        self.assertIn(self.group, error["detail"])
        self.assertEqual(self.manager.call("DELETE", "/link")[0], 409)
        self.report(first, "FAILED", error="the oplog of the source has rolled over")
        self.wait_for(first, "FAILED")
        self.assertEqual(self.whole(first)["errorMessage"], "the oplog of the source has rolled over")
        again = self.migrate()
        self.item(again, "RUN")

    def test_cancelling(self):
        self.begin()
        migration = self.migrate()
        self.item(migration, "RUN")
        status, _, read = self.atlas.call("POST", f"{EXT}/groups/{self.group}/liveMigrations/{migration}/cancel", {})
        self.assertEqual((status, read["outcome"]), (200, "CANCELLED"))
        self.item(migration, "STOP")
        self.assertEqual(self.cutover(migration)[0], 400)
        self.report(migration, "STOPPED")
        self.wait_for(migration, "FAILED")
        self.assertEqual(self.whole(migration)["outcome"], "CANCELLED")
        self.assertEqual([user for user in self.users() if user.startswith("drover-import")], [])

    def test_what_its_manager_site_has_lost_ends_nothing(self):
        self.begin()
        migration = self.migrate()
        self.item(migration, "RUN")
        self.ready(migration)
        because = "no agent is registered on mig01"
        for _ in range(2):
            self.assertEqual(self.manager.call("PUT", f"/work/{migration}/held", {"because": because}), (200, {"sequence": 1, "desired": "RUN"}))
        self.assertEqual(self.manager.call("PUT", f"/work/{'0' * 24}/held", {"because": because})[0], 404)
        self.assertEqual(self.manager.call("PUT", f"/work/{migration}/held", {})[0], 400)
        self.assertEqual(self.item(migration, "RUN")["heldBecause"], because)
        self.assertIn(because, self.whole(migration)["attention"])
        self.assertEqual(self.get(migration)["status"], "WORKING")
        status, _, error = self.cutover(migration)
        self.assertEqual((status, because in error["detail"]), (400, True), error)
        self.assertEqual(self.atlas.call("POST", f"{EXT}/groups/{self.group}/liveMigrations/{migration}/cancel", {})[0], 200)
        self.assertEqual(self.item(migration, "STOP")["heldBecause"], because)
        self.report(migration, "STOPPED")
        self.wait_for(migration, "FAILED")

    def test_what_is_misspelt_is_refused(self):
        self.begin()
        migration = self.migrate()
        one = f"{EXT}/groups/{self.group}/liveMigrations/{migration}"
        status, _, error = self.atlas.call("POST", one + "/cancel?force=maybe", {})
        self.assertEqual((status, error["errorCode"]), (400, "INVALID_QUERY_PARAMETER"))
        for path, body in ((one + "/extend", {"hour": 72}), (one + "/extend", {"hours": 24, "x": 1}), (one + "/cancel", {"force": True})):
            status, _, error = self.atlas.call("POST", path, body)
            self.assertEqual((status, error["errorCode"]), (400, "INVALID_ATTRIBUTE"), body)

    def test_the_timer(self):
        self.begin("--cutover-window-seconds", "4")
        migration = self.migrate()
        self.item(migration, "RUN")
        extend = f"{EXT}/groups/{self.group}/liveMigrations/{migration}/extend"
        self.assertEqual(self.atlas.call("POST", extend, {})[0], 409)
        self.ready(migration)
        self.assertEqual(self.atlas.call("POST", extend, {"hours": 0})[0], 400)
        before = self.whole(migration)["timerExpiresAt"]
        self.assertEqual(self.atlas.call("POST", extend, {"hours": 1})[0], 200)
        self.assertGreater(self.whole(migration)["timerExpiresAt"], before)
        time.sleep(5)
        self.assertEqual(self.get(migration)["status"], "WORKING")
        self.report(migration, "FAILED", error="given up")
        self.wait_for(migration, "FAILED")
        # One that nobody extends.
        migration = self.migrate()
        self.item(migration, "RUN")
        self.ready(migration)
        self.item(migration, "STOP")
        status, _, error = self.cutover(migration)
        self.assertEqual((status, "EXPIRED" in error["detail"]), (400, True), error)
        self.report(migration, "STOPPED")
        self.wait_for(migration, "EXPIRED")

    def test_late_and_repeated_reports(self):
        self.begin()
        migration = self.migrate()
        self.item(migration, "RUN")
        self.ready(migration)
        path = f"/work/{migration}/report"
        late = {"sequence": 1, "state": "FAILED", "error": "late"}
        self.assertEqual(self.manager.call("PUT", path, late), (200, {"desired": "RUN", "sequence": 1}))
        self.report(migration, "RUNNING", canCommit=True, lagTimeSeconds=1)
        self.assertEqual(self.manager.call("PUT", path, late)[1]["sequence"], 2)
        self.assertEqual(self.get(migration)["lagTimeSeconds"], 1)
        for body, code in (({"state": "RUNNING"}, "INVALID_ATTRIBUTE"), ({"sequence": 9}, "MISSING_ATTRIBUTE"),
                           ({"sequence": 9, "state": "FINE"}, "INVALID_ENUM_VALUE"), ({"sequence": 9, "state": "RUNNING", "log": ["x" * 300000]}, "INVALID_ATTRIBUTE")):
            status, error = self.manager.call("PUT", path, body)
            self.assertEqual((status, error["errorCode"]), (400, code))
        self.assertEqual(self.manager.call("PUT", f"/work/{'0' * 24}/report", late)[0], 404)
        stranger = self.linked(self.atlas)
        self.assertEqual(stranger.call("GET", "/work")[1]["items"], [])
        self.assertEqual(stranger.call("PUT", path, {"sequence": 99, "state": "COMMITTED"})[0], 404)
        # A host that forgets what is still wanted of it changes nothing.
        self.report_forgotten_early(migration)
        self.assertEqual(self.get(migration)["status"], "WORKING")

    def report_forgotten_early(self, migration):
        self.manager.call("PUT", f"/work/{migration}/report", {"sequence": 50, "state": "FORGOTTEN"})

    def test_kill_9_at_each_stage(self):
        self.begin()
        migration = self.migrate()
        self.restart()
        self.item(migration, "RUN")
        self.restart()
        self.ready(migration)
        self.restart()
        self.assertTrue(self.get(migration)["readyForCutover"])
        self.assertEqual(self.cutover(migration)[0], 202)
        self.restart()
        self.item(migration, "CUTOVER")
        self.report(migration, "COMMITTED")
        self.restart()
        self.wait_for(migration, "COMPLETE")
        self.assertEqual([user for user in self.users() if user.startswith("drover-import")], [])
        self.restart()
        self.item(migration, "FORGET")

    def test_the_temporary_user_of_an_end_that_nobody_noticed(self):
        """The destination is away when the migration ends, and the site is killed: the user goes as soon as it can."""
        self.begin()
        migration = self.migrate()
        self.item(migration, "RUN")
        self.assertIn(f"drover-import-{migration}", self.users())
        self.destination.kill()
        self.report(migration, "FAILED", error="the destination is away")
        eventually(lambda: self.whole(migration)["state"] == "CLEANING", 30, "CLEANING")
        self.restart()
        self.assertEqual(self.get(migration)["status"], "WORKING")
        self.destination.start()
        eventually(lambda: self.get(migration)["status"] == "FAILED", 90, "FAILED")
        self.assertEqual([user for user in self.users() if user.startswith("drover-import")], [])

    def restart(self):
        self.atlas.process.kill()
        self.atlas.start()
        self.manager.site = self.atlas


class Requests(ImportTest):
    def test_what_is_refused(self):
        self.begin()
        nobody = "0" * 24
        for changes, status, code in (
                ({"destination__clusterName": "none"}, 404, "CLUSTER_NOT_FOUND"), ({"source__groupId": nobody}, 404, "RESOURCE_NOT_FOUND"),
                ({"source__clusterName": "none"}, 404, "RESOURCE_NOT_FOUND"), ({"migrationHosts": ["shop-primary"]}, 404, "RESOURCE_NOT_FOUND"),
                ({"migrationHosts": ["a", "b"]}, 400, "INVALID_ATTRIBUTE"), ({"migrationHosts": []}, 400, "MISSING_ATTRIBUTE"),
                ({"migrationHosts": None}, 400, "MISSING_ATTRIBUTE"), ({"source": None}, 400, "MISSING_ATTRIBUTE"),
                ({"source__clusterName": ""}, 400, "MISSING_ATTRIBUTE"), ({"source__managedAuthentication": True}, 400, "INVALID_ATTRIBUTE"),
                ({"source__password": ""}, 400, "MISSING_ATTRIBUTE"), ({"source__ssl": False}, 400, "INVALID_ATTRIBUTE"),
                ({"source__ssl": "yes"}, 400, "INVALID_ATTRIBUTE"), ({"destination__groupId": nobody}, 400, "INVALID_ATTRIBUTE"),
                ({"destination__hostnameSchemaType": "TUNNEL"}, 400, "INVALID_ENUM_VALUE"),
                ({"destination__hostnameSchemaType": "PRIVATE_LINK"}, 400, "MISSING_ATTRIBUTE"),
                ({"destination__hostnameSchemaType": "VPC_PEERING"}, 400, "LIVE_MIGRATION_NOT_SUPPORTED"),
                ({"dropDestinationData": 1}, 400, "INVALID_ATTRIBUTE"), ({"dropDestinationdata": True}, 400, "INVALID_ATTRIBUTE"),
                ({"dropEnabled": True}, 400, "INVALID_ATTRIBUTE"), ({"source__user": "x"}, 400, "INVALID_ATTRIBUTE"),
                ({"destination__privateLink": "x"}, 400, "INVALID_ATTRIBUTE"),
                ({"sharding": {"createSupportingIndexes": True, "shardingEntries": []}}, 400, "LIVE_MIGRATION_NOT_SUPPORTED"),
                ({"sharding": {"shardingEntries": []}}, 400, "MISSING_ATTRIBUTE"),
                ({"sharding": {"createSupportingIndexes": True, "shardingEntries": [
                    {"database": "d", "collection": "c", "shardCollection": {"key": [{"a": 1, "b": 1}]}}]}}, 400, "INVALID_ATTRIBUTE")):
            for path in ("liveMigrations", "liveMigrations/validate"):
                got, headers, error = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/{path}", self.body(**changes))
                if path.endswith("validate") and code == "LIVE_MIGRATION_NOT_SUPPORTED":
                    self.assertEqual((got, error["status"]), (200, "FAILED"), error)
                    continue
                self.assertEqual((got, error["errorCode"], headers["X-Error-Code"]), (status, code, code), (changes, error))
                self.assertNotIn(SOURCE_PASSWORD, json.dumps(error))
        self.assertEqual(self.atlas.call("GET", f"{EXT}/groups/{self.group}/liveMigrations")[2]["totalCount"], 0)
        self.assertEqual(self.items(), {})

    def test_rules_refuse_with_their_remedy(self):
        mac = {**DEPLOYMENT, "name": "mac", "os": "macos"}
        self.begin(deployments=[DEPLOYMENT, mac])
        region = {"providerName": "TENANT", "regionName": "EU_WEST_1", "electableSpecs": {"instanceSize": "M0", "nodeCount": 3}}
        self.register("free", replicationSpecs=[{"regionConfigs": [region]}], biConnector={"enabled": True})
        region = {"providerName": "FLEX", "regionName": "EU_WEST_1", "electableSpecs": {"instanceSize": "FLEX"}}
        self.register("flexible", replicationSpecs=[{"regionConfigs": [region]}])
        for changes, code, said in (({"destination__clusterName": "free"}, "LIVE_MIGRATION_NOT_SUPPORTED", "M0 free cluster .* Modify a Cluster.*BI Connector"),
                                    ({"destination__clusterName": "flexible"}, "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", "Flex"),
                                    ({"source__clusterName": "mac"}, "LIVE_MIGRATION_NOT_SUPPORTED", "macOS")):
            status, _, error = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations", self.body(**changes))
            self.assertEqual((status, error["errorCode"]), (400, code))
            self.assertRegex(error["detail"], said)
            status, _, validation = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations/validate", self.body(**changes))
            self.assertEqual((status, validation["status"]), (200, "FAILED"))
            self.assertRegex(validation["errorMessage"], said)

    def test_older_versions(self):
        self.begin()
        path = f"/groups/{self.group}/liveMigrations"
        status, _, error = self.atlas.call("POST", ATLAS + path, self.body(), accept=OLD)
        self.assertEqual((status, error["parameters"]), (400, ["dropEnabled"]))
        status, headers, made = self.atlas.call("POST", ATLAS + path, self.body(dropEnabled=True), accept=OLD)
        self.assertEqual((status, headers["Content-Type"]), (201, "application/vnd.atlas.2023-01-01+json;charset=utf-8"), made)
        self.assertEqual((headers["Deprecation"], headers["Sunset"]), ("Thu, 30 May 2024 00:00:00 GMT", "Thu, 1 Jul 2027 00:00:00 GMT"))
        self.assertTrue(self.item(made["_id"], "RUN")["dropDestinationData"])
        status, headers, read = self.atlas.call("GET", f"{V1}{path}/{made['_id']}", accept="application/json")
        self.assertEqual((status, headers["Content-Type"], read["_id"]), (200, "application/json", made["_id"]))
        self.ready(made["_id"])
        status, _, answer = self.atlas.call("PUT", f"{V1}{path}/{made['_id']}/cutover", accept="application/json")
        self.assertEqual((status, answer["status"]), (200, "PENDING"))

    def test_roles(self):
        self.begin()
        migration = self.migrate()
        _, _, member = self.atlas.call("POST", f"{ATLAS}/orgs/{self.atlas.org}/apiKeys", {"desc": "m", "roles": ["ORG_MEMBER"]})
        path = f"{ATLAS}/groups/{self.group}/liveMigrations"
        for method, where, status in (("GET", f"{path}/{migration}", 200), ("PUT", f"{path}/{migration}/cutover", 403), ("POST", path, 403),
                                      ("POST", path + "/validate", 403), ("GET", f"{path}/validate/{migration}", 403), ("GET", path + "/validate/", 404)):
            self.assertEqual(self.atlas.call(method, where, {} if method == "POST" else None, key=member)[0], status, (method, where))


class Validations(ImportTest):
    def validate(self, **changes):
        status, _, made = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations/validate", self.body(**changes))
        self.assertEqual(status, 200, made)
        self.assertEqual(set(made), {"_id", "errorMessage", "groupId", "sourceGroupId", "status"})
        return made

    def read(self, validation):
        return self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/liveMigrations/validate/{validation}")[2]

    def ended(self, validation):
        return eventually(lambda: (found := self.read(validation))["status"] != "PENDING" and found, 30, "the end of the validation")

    def test_all_checks_decide(self):
        self.begin(deployments=[{**DEPLOYMENT, "community": True}])
        passed = {"id": "credentials", "status": "PASSED", "title": "", "detail": ""}
        good = self.validate()
        self.assertEqual((good["status"], good["errorMessage"]), ("PENDING", None))
        self.item(good["_id"], "RUN")
        self.assertEqual(self.users().count(f"drover-import-{good['_id']}"), 1)
        # It has to see that the destination holds no users yet.
        actions = self.destination.client().admin.command("rolesInfo", f"drover-import-{good['_id']}", showPrivileges=True)["roles"][0]["privileges"]
        self.assertIn("viewUser", [action for privilege in actions for action in privilege["actions"]])
        self.report(good["_id"], "DONE", checks=[passed])
        self.assertEqual(self.ended(good["_id"])["status"], "SUCCESS")
        checks = self.atlas.call("GET", f"{EXT}/groups/{self.group}/liveMigrations/validate/{good['_id']}")[2]["checks"]
        self.assertEqual([(check["id"], check["status"]) for check in checks if check["id"] in ("community", "tier", "credentials")],
                         [("community", "WARNING"), ("tier", "PASSED"), ("credentials", "PASSED")])
        bad = self.validate()["_id"]
        self.item(bad, "RUN")
        self.report(bad, "DONE", checks=[passed, {**passed, "status": "FAILED", "title": "The username or password is not correct", "detail": "source: cannot log in\ncheck them"},
                                         {**passed, "id": "disk-space", "status": "FAILED", "title": "Available disk space on the destination needs to be increased"}])
        ended = self.ended(bad)
        self.assertEqual((ended["status"], ended["errorMessage"]),
                         ("FAILED", "The username or password is not correct: source: cannot log in. check them. Available disk space on the destination needs to be increased."))
        silent = self.validate()["_id"]
        self.item(silent, "RUN")
        self.report(silent, "DONE", checks=[])
        self.assertEqual(self.ended(silent)["errorMessage"], "The migration host reported no checks.")
        self.assertEqual([user for user in self.users() if user.startswith("drover-import")], [])
        # Validations do not stand in each other's way, nor in a migration's.
        for _ in range(3):
            self.item(self.validate()["_id"], "RUN")
        self.item(self.migrate(), "RUN")

    def test_what_is_known_beforehand_fails_at_once(self):
        self.begin(hosts=[{**HOST, "available": False}], deployments=[{**DEPLOYMENT, "collectsDbStats": False}])
        made = self.validate()
        self.assertEqual(made["status"], "FAILED")
        self.assertRegex(made["errorMessage"], "mig01.example.net does not answer.* Disk storage info unavailable")
        self.assertEqual(self.items(), {})

    def test_a_destination_that_is_away(self):
        self.begin()
        self.destination.kill()
        self.assertRegex(self.validate()["errorMessage"], "Could not reach the destination cluster")
        status, _, error = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations", self.body())
        self.assertEqual((status, error["errorCode"]), (400, "LIVE_MIGRATION_NOT_SUPPORTED"))
