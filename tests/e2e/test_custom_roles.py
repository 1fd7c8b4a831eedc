"""Custom database roles of a project: records of the API, made so on local clusters before the users that have them."""
import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from harness.process import eventually
from harness.site import ATLAS
from test_atlas import AtlasTest

V1 = "/api/atlas/v1.0"
PASSWORD = "the auditor's password"
ORDERS = {"cluster": False, "db": "shop", "collection": "orders"}
READS = {"roleName": "auditor", "actions": [{"action": "FIND", "resources": [ORDERS]}], "inheritedRoles": []}


class Records(AtlasTest):
    def setUp(self):
        super().setUp()
        self.atlas = self.site()
        self.group = self.project(self.atlas)
        self.path = f"{ATLAS}/groups/{self.group}/customDBRoles/roles"

    def code(self, method, path, body=None):
        status, _, answer = self.atlas.call(method, path, body)
        return status, (answer or {}).get("errorCode")

    def test_a_role_comes_changes_and_goes(self):
        status, headers, made = self.atlas.call("POST", self.path, READS)
        self.assertEqual((status, headers["Content-Type"], made), (202, "application/vnd.atlas.2023-01-01+json;charset=utf-8", READS))
        self.assertEqual(self.code("POST", self.path, READS), (409, "CONFLICT"))
        self.atlas.process.kill()
        self.atlas.start()
        status, _, changed = self.atlas.call("PATCH", self.path + "/auditor", {"inheritedRoles": [{"role": "read", "db": "books"}]})
        self.assertEqual((status, changed), (200, {**READS, "inheritedRoles": [{"db": "books", "role": "read"}]}))
        self.assertEqual(self.atlas.call("GET", self.path)[2], [changed])
        status, _, other = self.atlas.call("POST", f"{V1}/groups/{self.group}/customDBRoles/roles", {**READS, "roleName": "other"}, accept=None)
        self.assertEqual((status, other["roleName"]), (200, "other"))
        self.assertEqual(self.code("DELETE", self.path + "/other"), (204, None))
        self.assertEqual(self.code("GET", self.path + "/other"), (404, "ATLAS_CUSTOM_ROLE_NOT_FOUND"))
        self.assertEqual(self.code("DELETE", self.path + "/other"), (404, "ATLAS_CUSTOM_ROLE_NOT_FOUND"))
        events = self.atlas.call("GET", f"{ATLAS}/groups/{self.group}/events")[2]["results"]
        told = [(event["eventTypeName"], event["roleName"]) for event in events if "ROLE" in event["eventTypeName"]]
        self.assertEqual(told, [("MONGODB_ROLE_DELETED", "other"), ("MONGODB_ROLE_ADDED", "other"), ("MONGODB_ROLE_UPDATED", "auditor"), ("MONGODB_ROLE_ADDED", "auditor")])

    def test_one_that_somebody_has_stays(self):
        users = f"{ATLAS}/groups/{self.group}/databaseUsers"
        user = {"databaseName": "admin", "username": "app", "password": PASSWORD, "roles": [{"databaseName": "admin", "roleName": "auditor"}]}
        self.assertEqual(self.code("POST", users, user), (400, "INVALID_ATTRIBUTE"))
        self.atlas.call("POST", self.path, READS)
        self.assertEqual(self.code("POST", users, {**user, "roles": [{"databaseName": "shop", "roleName": "auditor"}]}), (400, "INVALID_ATTRIBUTE"))
        self.assertEqual(self.code("POST", users, user), (201, None))
        self.assertEqual(self.code("POST", self.path, {"roleName": "head", "inheritedRoles": [{"db": "admin", "role": "auditor"}]}), (202, None))
        status, _, error = self.atlas.call("DELETE", self.path + "/auditor")
        self.assertEqual((status, error["errorCode"]), (409, "ATLAS_CUSTOM_ROLE_IN_USE"))
        self.assertIn("the user app, the role head", error["detail"])
        # It is as it was: given, changed, and removed when nobody has it.
        self.assertEqual(self.code("POST", users, {**user, "username": "second"}), (201, None))
        for name in ("app", "second"):
            self.assertEqual(self.code("PATCH", f"{users}/admin/{name}", {"roles": [{"databaseName": "shop", "roleName": "read"}]}), (200, None))
        self.assertEqual(self.code("PATCH", self.path + "/auditor", {"inheritedRoles": [{"db": "admin", "role": "head"}]}), (400, "ATLAS_INVALID_CUSTOM_ROLE_CIRCULAR_DEPENDENCY"))
        self.assertEqual(self.code("DELETE", self.path + "/head"), (204, None))
        self.assertEqual(self.code("DELETE", self.path + "/auditor"), (204, None))
        self.assertEqual(self.code("PATCH", f"{users}/admin/app", {"roles": user["roles"]}), (400, "INVALID_ATTRIBUTE"))

    def test_what_is_wrong_is_refused(self):
        for changes, code in (({"roleName": "a b"}, "ATLAS_CUSTOM_ROLE_INVALID_NAME"), ({"roleName": ""}, "MISSING_ATTRIBUTE"), ({"roleName": "root"}, "ATLAS_INVALID_CUSTOM_ROLE_RESTRICTED"),
                              ({"actions": []}, "ATLAS_CUSTOM_ROLE_HAS_NO_PERMISSIONS"), ({"actions": {}}, "INVALID_ATTRIBUTE"), ({"actions": [1]}, "INVALID_JSON"),
                              ({"actions": [{"action": "FIND", "resources": [{"db": 1}]}]}, "INVALID_ATTRIBUTE"), ({"colour": "blue"}, "INVALID_ATTRIBUTE"),
                              ({"actions": [{"action": "OUT_TO_S3", "resources": [ORDERS]}]}, "ATLAS_INVALID_RESOURCE"),
                              ({"inheritedRoles": [{"db": "admin"}]}, "MISSING_ATTRIBUTE"), ({"inheritedRoles": [{"db": "admin", "role": "nobody"}]}, "ATLAS_INVALID_CUSTOM_ROLE_INHERITANCE")):
            with self.subTest(changes):
                self.assertEqual(self.code("POST", self.path, {**READS, **changes}), (400, code))
        self.assertEqual(self.atlas.call("GET", self.path)[2], [])


class OnLocalClusters(AtlasTest):
    def test_roles_are_made_so(self):
        site = self.site("--local-clusters")
        group = self.project(site)
        roles, users = f"{ATLAS}/groups/{group}/customDBRoles/roles", f"{ATLAS}/groups/{group}/databaseUsers"
        # One that inherits another; and both before there is a cluster.
        self.assertEqual(site.call("POST", roles, READS)[0], 202)
        self.assertEqual(site.call("POST", roles, {"roleName": "aaa", "inheritedRoles": [{"db": "admin", "role": "auditor"}],
                                                   "actions": [{"action": "SERVER_STATUS", "resources": [{"cluster": True, "db": "", "collection": ""}]}]})[0], 202)
        self.assertEqual(site.call("POST", users, {"databaseName": "admin", "username": "app", "password": PASSWORD, "roles": [{"databaseName": "admin", "roleName": "aaa"}]})[0], 201)
        self.assertEqual(site.call("POST", f"{ATLAS}/groups/{group}/clusters", {"name": "one"})[0], 201)
        path = f"{ATLAS}/groups/{group}/clusters/one"
        eventually(lambda: site.call("GET", path)[2]["stateName"] == "IDLE", 60, "the cluster")
        uri = site.call("GET", path)[2]["connectionStrings"]["standard"]

        def may(what):
            try:
                with pymongo.MongoClient(uri, username="app", password=PASSWORD, authSource="admin", serverSelectionTimeoutMS=2000) as client:
                    what(client)
                    return True
            except (OperationFailure, PyMongoError):
                return False

        eventually(lambda: may(lambda client: client.shop.orders.find_one()), 30, "the role's actions")
        self.assertTrue(may(lambda client: client.admin.command("serverStatus")))
        self.assertFalse(may(lambda client: client.shop.orders.insert_one({})))
        self.assertFalse(may(lambda client: client.shop.other.find_one()))
        # Changed, it is so; of the one that it inherits, too.
        self.assertEqual(site.call("PATCH", roles + "/auditor", {"actions": [*READS["actions"], {"action": "INSERT", "resources": [ORDERS]}]})[0], 200)
        eventually(lambda: may(lambda client: client.shop.orders.insert_one({})), 30, "what it may now")
        site.process.kill()
        site.start()
        eventually(lambda: may(lambda client: client.shop.orders.insert_one({})), 60, "the same after a kill")
        # It goes from there.
        self.assertEqual(site.call("PATCH", users + "/admin/app", {"roles": [{"databaseName": "admin", "roleName": "clusterMonitor"}]})[0], 200)
        self.assertEqual(site.call("DELETE", roles + "/aaa")[0], 204)
        self.assertEqual(site.call("DELETE", roles + "/auditor")[0], 204)
        eventually(lambda: may(lambda client: client.admin.command("serverStatus")) and not may(lambda client: client.shop.orders.find_one()), 30, "their end")

        self.assertEqual(site.call("PATCH", users + "/admin/app", {"roles": [{"databaseName": "admin", "roleName": "atlasAdmin"}]})[0], 200)
        eventually(lambda: may(lambda client: client.shop.orders.insert_one({})), 30, "another role")
