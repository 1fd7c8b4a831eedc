"""Database users of a project: records of the API, made so on local clusters, and never with their password."""
import subprocess

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from harness.process import eventually
from harness.site import ATLAS, EXT
from test_atlas import AtlasTest

PASSWORD = "app's own pass/word"
V1 = "/api/atlas/v1.0"


class Records(AtlasTest):
    def body(self, group, **changes):
        body = {"databaseName": "admin", "groupId": group, "username": "app", "password": PASSWORD,
                "roles": [{"databaseName": "shop", "roleName": "readWrite"}], **changes}
        return {key: value for key, value in body.items() if value is not None}

    def test_a_user_comes_changes_and_goes(self):
        site = self.site()
        group = self.project(site)
        path = f"{ATLAS}/groups/{group}/databaseUsers"
        status, headers, made = site.call("POST", path, self.body(group, labels=[{"key": "k", "value": "v"}], scopes=[{"name": "shop", "type": "CLUSTER"}]))
        self.assertEqual((status, headers["Content-Type"]), (201, "application/vnd.atlas.2023-01-01+json;charset=utf-8"), made)
        self.assertEqual((made["x509Type"], made["scopes"], made["roles"]), ("NONE", [{"name": "shop", "type": "CLUSTER"}], [{"databaseName": "shop", "roleName": "readWrite"}]))
        self.assertEqual(site.call("POST", path, self.body(group))[2]["errorCode"], "USER_ALREADY_EXISTS")
        status, _, changed = site.call("PATCH", path + "/admin/app", {"roles": [{"databaseName": "admin", "roleName": "atlasAdmin"}], "password": "another password"})
        self.assertEqual((status, changed["roles"], changed["labels"]), (200, [{"databaseName": "admin", "roleName": "atlasAdmin"}], [{"key": "k", "value": "v"}]))
        site.process.kill()
        site.start()
        self.assertEqual(site.call("GET", f"{V1}/groups/{group}/databaseUsers/admin/app", accept=None)[2]["roles"], changed["roles"])
        site.call("POST", path, self.body(group, username="with space/ü"))
        self.assertEqual(site.call("GET", path + "/admin/with%20space%2F%C3%BC")[2]["username"], "with space/ü")
        listed = site.call("GET", path)[2]
        self.assertEqual((listed["totalCount"], [user["username"] for user in listed["results"]]), (2, ["app", "with space/ü"]))
        for secret in (PASSWORD, "another password"):
            found = subprocess.run(["grep", "-rlaF", secret, site.data, site.process.stderr_path], capture_output=True, check=False)
            self.assertEqual(found.stdout, b"")
        self.assertEqual(site.call("DELETE", path + "/admin/app")[0], 204)
        self.assertEqual(site.call("DELETE", path + "/admin/app")[2]["errorCode"], "USERNAME_NOT_FOUND")
        self.assertEqual(site.call("GET", path + "/admin/app")[0], 404)
        self.assertEqual(site.call("POST", path, self.body(group))[0], 201)
        told = [event["eventTypeName"] for event in site.call("GET", f"{ATLAS}/groups/{group}/events?eventType=MONGODB_USER_ADDED")[2]["results"]]
        self.assertEqual(len(told), 3)
        event = site.call("GET", f"{ATLAS}/groups/{group}/events?eventType=MONGODB_USER_DELETED")[2]["results"][0]
        self.assertEqual((event["dbUserUsername"], event["publicKey"]), ("app", site.owner["publicKey"]))

    def test_what_is_refused(self):
        site = self.site()
        group = self.project(site)
        path = f"{ATLAS}/groups/{group}/databaseUsers"
        for changes in ({"password": None}, {"password": "short"}, {"username": ""}, {"username": None}, {"roles": []}, {"roles": None}, {"databaseName": "$external"},
                        {"roles": [{"databaseName": "admin", "roleName": "root"}]}, {"roles": [{"databaseName": "shop", "roleName": "readWriteAnyDatabase"}]},
                        {"roles": [{"databaseName": "shop", "roleName": "read", "collectionName": "c"}]}, {"roles": "readWrite"}, {"groupId": "0" * 24},
                        {"x509Type": "MANAGED"}, {"awsIAMType": "USER"}, {"scopes": [{"name": "c", "type": "STREAM"}]}, {"deleteAfterDate": "soon"},
                        {"username": "cluster-admin"}, {"username": "drover-import-x"}, {"colour": "blue"}, {"description": "x" * 101}):
            status, _, error = site.call("POST", path, self.body(group, **changes))
            self.assertEqual(status, 400, (changes, error))
            self.assertNotIn(PASSWORD, str(error))
        self.assertEqual(site.call("GET", path)[2]["totalCount"], 0)
        site.call("POST", path, self.body(group))
        for changes in ({"username": "other"}, {"roles": []}, {"password": "short"}, {"databaseName": "shop"}):
            self.assertEqual(site.call("PATCH", path + "/admin/app", changes)[0], 400, changes)
        self.assertEqual(site.call("PATCH", path + "/admin/none", {"description": "d"})[0], 404)

    def test_one_that_is_for_a_while(self):
        site = self.site()
        group = self.project(site)
        path = f"{ATLAS}/groups/{group}/databaseUsers"
        site.call("POST", path, self.body(group, deleteAfterDate="2020-01-01T00:00:00Z"))
        eventually(lambda: site.call("GET", path)[2]["totalCount"] == 0, 30, "its end")

    def test_users_of_registered_clusters_are_records(self):
        site = self.site()
        group = self.project(site)
        destination = self.cluster("destination", auth=True)
        site.call("POST", f"{EXT}/groups/{group}/clusters", {"name": "shop", "connectionString": destination.uri})
        site.call("POST", f"{ATLAS}/groups/{group}/databaseUsers", self.body(group))
        before = [user["user"] for user in destination.client().admin.command("usersInfo", 1)["users"]]
        self.assertNotIn("app", before)


class OnLocalClusters(AtlasTest):
    sandbox_only = True

    def made(self, site, group, name):
        path = f"{ATLAS}/groups/{group}/clusters"
        self.assertEqual(site.call("POST", path, {"name": name})[0], 201)
        return eventually(lambda: (found := site.call("GET", f"{path}/{name}")[2])["stateName"] == "IDLE" and found["connectionStrings"]["standard"], 60, name)

    @staticmethod
    def may(uri, password, name="app", write=True):
        try:
            with pymongo.MongoClient(uri, username=name, password=password, authSource="admin", serverSelectionTimeoutMS=2000) as client:
                client.shop.orders.find_one()
                if write:
                    client.shop.orders.insert_one({})
                return True
        except (OperationFailure, PyMongoError):
            return False

    def test_users_are_made_so(self):
        site = self.site("--local-clusters")
        group = self.project(site)
        path = f"{ATLAS}/groups/{group}/databaseUsers"
        role = [{"databaseName": "shop", "roleName": "readWrite"}]
        user = {"databaseName": "admin", "username": "app", "password": PASSWORD, "roles": role}
        self.assertEqual(site.call("POST", path, user)[0], 201)
        # Also on a cluster that is made later, and on one alone.
        one, two = self.made(site, group, "one"), self.made(site, group, "two")
        for uri in (one, two):
            eventually(lambda uri=uri: self.may(uri, PASSWORD), 30, "the user")
        self.assertEqual(site.call("PATCH", path + "/admin/app", {"password": "another password", "roles": [{"databaseName": "shop", "roleName": "read"}],
                                                                  "scopes": [{"name": "one", "type": "CLUSTER"}]})[0], 200)
        eventually(lambda: self.may(one, "another password", write=False), 30, "the new password")
        self.assertFalse(self.may(one, "another password"))
        self.assertFalse(self.may(one, PASSWORD, write=False))
        eventually(lambda: not self.may(two, PASSWORD, write=False), 30, "the end of it on the other cluster")
        site.process.kill()
        site.start()
        eventually(lambda: self.may(one, "another password", write=False), 60, "the user, after a kill")
        self.assertEqual(site.call("DELETE", path + "/admin/app")[0], 204)
        eventually(lambda: not self.may(one, "another password", write=False), 30, "its end")
        # One of the same name, at once, is the new one.
        site.call("POST", path, user)
        eventually(lambda: self.may(one, PASSWORD), 30, "the user once more")
        site.call("DELETE", path + "/admin/app")
        site.call("POST", path, {**user, "password": "third password"})
        eventually(lambda: self.may(one, "third password"), 30, "the third one")
        self.assertFalse(self.may(one, PASSWORD, write=False))
