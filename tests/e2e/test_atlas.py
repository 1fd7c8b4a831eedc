"""The atlas site: link-tokens, what a linked manager tells it, and who may do what with them."""
import base64
import http.client
import json
import os
import random
import re
import subprocess
import urllib.request

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from harness.case import DroverTest
from harness.clusters import PASSWORD
from harness.openapi import problems
from harness.process import eventually
from harness.site import ATLAS, EXT, SITE, ManagerSite, Site

PROJECT = "66ee00000000000000000001"
DEPLOYMENT = {"name": "shopRS", "clusterId": "66dd00000000000000000001", "mongoDBVersion": "6.0.17", "featureCompatibilityVersion": "6.0",
              "managed": False, "sharded": False, "shardsSize": 1, "tlsEnabled": True, "dbSizeBytes": 734003200, "oplogSizeMB": 2048,
              "agentVersion": "108.0.12.9001", "topology": "REPLICA_SET", "community": False, "os": "linux"}
HOST = {"hostname": "mig01.example.net", "agentVersion": "108.0.12.9001", "available": True, "busy": False}


class AtlasTest(DroverTest):
    once = True

    def start_clusters(self):
        pass

    def site(self, *more):
        return Site(self, "--role", "atlas", *more)

    def token(self, site, **body):
        status, headers, made = site.call("POST", f"{ATLAS}/orgs/{site.org}/liveMigrations/linkTokens", body)
        self.assertEqual((status, headers["Content-Type"]), (201, "application/vnd.atlas.2023-01-01+json;charset=utf-8"), made)
        return made["linkToken"]

    def project(self, site, name="p"):
        status, _, project = site.call("POST", ATLAS + "/groups", {"name": name, "orgId": site.org})
        self.assertEqual(status, 200)
        return project["id"]

    def linked(self, site):
        manager = ManagerSite(site, self.token(site))
        self.assertEqual(manager.claim()[0], 200)
        return manager


class LinkTokens(AtlasTest):
    def test_a_token_is_claimed_once_and_then_opens_nothing(self):
        site = self.site()
        text = self.token(site, accessListIps=[])
        manager = ManagerSite(site, text)
        self.assertEqual(manager.token["baseUrl"], site.url)
        self.assertEqual(manager.call("GET", "/link")[0], 401)  # not claimed yet
        status, answer = manager.claim()
        self.assertEqual((status, answer["orgId"], answer["orgName"]), (200, site.org, "Shop"))
        # A lost answer: the same claim again, also after both sides were killed.
        site.process.kill()
        site.start()
        self.assertEqual(manager.claim()[0], 200)
        self.assertEqual(manager.call("GET", "/link")[1]["state"], "NOT_SYNCED")
        # The token in somebody else's hands.
        thief = ManagerSite(site, text)
        status, error = thief.claim()
        self.assertEqual((status, error["errorCode"]), (409, "LINK_TAKEN"))
        self.assertEqual(thief.call("GET", "/link")[0], 401)
        self.assertEqual(manager.send("GET", "/link", None, manager.token["secret"])[0], 401)
        # Neither secret is in the store's files or the log.
        for secret in (manager.token["secret"], manager.secret):
            found = subprocess.run(["grep", "-rlaF", secret, site.data, site.process.stderr_path], capture_output=True, check=False)
            self.assertEqual(found.stdout, b"")

    def test_what_is_wrong_is_refused(self):
        site = self.site()
        text = self.token(site)
        wrong = ManagerSite(site, text)
        wrong.token["secret"] = "0" * 64
        self.assertEqual(wrong.claim()[1]["errorCode"], "LINK_INVALID")
        manager = ManagerSite(site, text)
        for changes, code in (({"protocol": 2}, "UNSUPPORTED_PROTOCOL"), ({"linkSecret": "short"}, "INVALID_ATTRIBUTE"),
                              ({"orgId": ""}, "MISSING_ATTRIBUTE"), ({"siteId": 1}, "INVALID_ATTRIBUTE")):
            status, error = manager.claim(**changes)
            self.assertEqual((status, error["errorCode"]), (400, code))
        self.assertEqual(manager.claim()[0], 200)  # nothing was claimed by those
        self.assertEqual(manager.call("GET", "/nothing")[0], 404)
        for body, code in (({}, "INVALID_ATTRIBUTE"), ({"revision": 0}, "INVALID_ATTRIBUTE"), ({"revision": 1}, "MISSING_ATTRIBUTE"),
                           ({"revision": 1, "name": "p", "migrationHosts": {}, "deployments": []}, "INVALID_ATTRIBUTE"),
                           ({"revision": 1, "name": "p", "migrationHosts": [{}], "deployments": []}, "MISSING_ATTRIBUTE"),
                           ({"revision": 1, "name": "p", "migrationHosts": [], "deployments": [{**DEPLOYMENT, "managed": 1}]}, "INVALID_ATTRIBUTE"),
                           ({"revision": 1, "name": "p", "migrationHosts": [], "deployments": [{**DEPLOYMENT, "replicaSetId": "A" * 24}]}, "INVALID_ATTRIBUTE"),
                           ({"revision": 1, "name": "p", "migrationHosts": [], "deployments": [{**DEPLOYMENT, "replicaSetId": 7}]}, "INVALID_ATTRIBUTE")):
            status, error = manager.call("PUT", f"/projects/{PROJECT}", body)
            self.assertEqual((status, error["errorCode"]), (400, code), body)
        for body in ({"accessListIps": ["x"]}, {"accessListIps": "127.0.0.1"}, {"accesslistIps": ["127.0.0.1"]}):
            self.assertEqual(site.call("POST", f"{ATLAS}/orgs/{site.org}/liveMigrations/linkTokens", body)[0], 400)

    def test_the_access_list_of_a_token_binds_the_link(self):
        site = self.site()
        elsewhere = ManagerSite(site, self.token(site, accessListIps=["203.0.113.7", "198.51.100.0/24"]))
        status, error = elsewhere.claim()
        self.assertEqual((status, error["errorCode"]), (403, "IP_ADDRESS_NOT_ON_WHITELIST"))
        here = ManagerSite(site, self.token(site, accessListIps=["127.0.0.0/8"]))
        self.assertEqual(here.claim()[0], 200)
        self.assertEqual(here.call("GET", "/link")[0], 200)

    def test_deleting(self):
        site = self.site()
        path = f"{ATLAS}/orgs/{site.org}/liveMigrations/linkTokens"
        status, headers, error = site.call("DELETE", path)
        self.assertEqual(error, {"detail": "Could not find the requested external organization link.", "error": 404,
                                 "errorCode": "UNEXPECTED_ERROR", "parameters": None, "reason": "Not Found"})
        self.assertEqual((status, headers["X-Error-Code"]), (404, "UNEXPECTED_ERROR"))
        manager, unused = self.linked(site), ManagerSite(site, self.token(site))
        self.assertEqual(site.call("DELETE", path)[0], 204)
        self.assertEqual(manager.call("GET", "/link")[0], 401)
        self.assertEqual(unused.claim()[0], 401)
        again = self.linked(site)
        self.assertEqual(again.call("DELETE", "/link")[0], 204)
        self.assertEqual(again.call("GET", "/link")[0], 401)

    def test_only_owners(self):
        site = self.site()
        for role in ("ORG_MEMBER", "ORG_GROUP_CREATOR", "ORG_READ_ONLY"):
            _, _, key = site.call("POST", f"{ATLAS}/orgs/{site.org}/apiKeys", {"desc": role, "roles": [role]})
            for method, what in (("POST", "linkTokens"), ("DELETE", "linkTokens"), ("GET", "availableProjects")):
                status, _, error = site.call(method, f"{ATLAS}/orgs/{site.org}/liveMigrations/{what}", {} if method == "POST" else None, key=key)
                self.assertEqual((status, error["errorCode"]), (403, "USER_UNAUTHORIZED"), (role, method))

    def test_guessing_is_locked_out(self):
        site = self.site()
        manager = ManagerSite(site, self.token(site))
        manager.token["secret"] = "0" * 64
        self.assertEqual([manager.claim()[0] for _ in range(62)][-2:], [429, 429])


class AvailableProjects(AtlasTest):
    def available(self, site):
        status, _, projects = site.call("GET", f"{ATLAS}/orgs/{site.org}/liveMigrations/availableProjects")
        self.assertEqual(status, 200)
        return projects

    def test_what_the_manager_tells_is_shown(self):
        site = self.site()
        self.assertEqual(self.available(site), [])
        manager = self.linked(site)
        body = {"revision": 1, "name": "Shop (prod)", "migrationHosts": [HOST], "deployments": [DEPLOYMENT]}
        self.assertEqual(manager.call("PUT", f"/projects/{PROJECT}", body), (200, {"revision": 1}))
        self.assertEqual(manager.call("PUT", "/projects", {"revision": 1, "projectIds": [PROJECT]}), (200, {"removed": 0, "revision": 1}))
        self.assertEqual(manager.call("GET", "/link")[1]["state"], "SYNCED")
        shown = {key: DEPLOYMENT[key] for key in DEPLOYMENT if key not in ("topology", "community", "os")}
        self.assertEqual(self.available(site), [{"deployments": [shown], "migrationHosts": ["mig01.example.net"], "name": "Shop (prod)",
                                                 "projectId": PROJECT}])
        self.assertNotIn("password", json.dumps(self.available(site)))

    def test_late_and_repeated_messages_change_nothing(self):
        site = self.site()
        manager = self.linked(site)
        body = {"revision": 2, "name": "new", "migrationHosts": [], "deployments": []}
        other = "66ee00000000000000000002"
        self.assertEqual(manager.call("PUT", f"/projects/{PROJECT}", body)[1], {"revision": 2})
        self.assertEqual(manager.call("PUT", f"/projects/{other}", body)[1], {"revision": 2})
        self.assertEqual(manager.call("PUT", f"/projects/{PROJECT}", {**body, "revision": 1, "name": "old"})[1], {"revision": 2})
        # A late end of an older synchronisation forgets nothing of a newer one.
        self.assertEqual(manager.call("PUT", "/projects", {"revision": 1, "projectIds": []})[1]["removed"], 0)
        self.assertEqual([one["name"] for one in self.available(site)], ["new", "new"])
        self.assertEqual(manager.call("PUT", f"/projects/{PROJECT}", {**body, "revision": 3})[1], {"revision": 3})
        self.assertEqual(manager.call("PUT", "/projects", {"revision": 3, "projectIds": [PROJECT]})[1]["removed"], 1)
        self.assertEqual([one["projectId"] for one in self.available(site)], [PROJECT])

    def test_links_do_not_see_each_other(self):
        site = self.site()
        one, two = self.linked(site), self.linked(site)
        body = {"revision": 1, "name": "p", "migrationHosts": [], "deployments": []}
        self.assertEqual(one.call("PUT", f"/projects/{PROJECT}", body)[0], 200)
        self.assertEqual(two.call("PUT", "/projects", {"revision": 9, "projectIds": []})[1]["removed"], 0)
        one.secret = two.secret
        self.assertEqual(one.call("GET", "/link")[0], 401)
        self.assertEqual(len(self.available(site)), 1)


class Clusters(AtlasTest):
    def test_a_deployment_is_registered(self):
        site = self.site()
        group = self.project(site)
        destination = self.cluster("destination", auth=True)
        body = {"name": "shop-atlas", "connectionString": destination.uri}
        status, _, made = site.call("POST", f"{EXT}/groups/{group}/clusters", body)
        self.assertEqual(status, 201, made)
        self.assertEqual(made["stateName"], "IDLE")
        self.assertEqual(made["mongoDBMajorVersion"], "8.0")
        self.assertEqual(made["replicationSpecs"][0]["regionConfigs"][0]["electableSpecs"]["instanceSize"], "M10")
        status, headers, read = site.call("GET", f"{ATLAS}/groups/{group}/clusters/shop-atlas")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/vnd.atlas.2024-08-05+json;charset=utf-8"))
        self.assertEqual(read["connectionStrings"], made["connectionStrings"])
        self.assertNotIn("root", json.dumps(read))
        self.assertNotIn(PASSWORD, json.dumps(read))
        self.assertEqual(site.call("GET", f"{ATLAS}/groups/{group}/clusters")[2]["totalCount"], 1)
        self.assertEqual(site.call("POST", f"{EXT}/groups/{group}/clusters", body)[2]["errorCode"], "DUPLICATE_CLUSTER_NAME")
        other = self.project(site, "other")
        self.assertEqual(site.call("GET", f"{ATLAS}/groups/{other}/clusters/shop-atlas")[2]["errorCode"], "CLUSTER_NOT_FOUND")
        status, _, error = site.call("DELETE", f"{ATLAS}/groups/{group}")
        self.assertEqual((status, error["errorCode"]), (409, "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS"))
        self.assertEqual(site.call("DELETE", f"{ATLAS}/groups/{group}/clusters/shop-atlas")[0], 202)
        self.assertEqual(site.call("GET", f"{ATLAS}/groups/{group}/clusters")[2]["totalCount"], 0)
        with open(site.process.stderr_path, encoding="utf-8") as log:
            self.assertNotIn(destination.uri, log.read())

    def test_its_processes(self):
        site = self.site()
        group = self.project(site)
        destination = self.cluster("destination", auth=True)
        processes = f"{ATLAS}/groups/{group}/processes"
        self.assertEqual(site.call("GET", processes)[2]["results"], [])
        self.assertEqual(site.call("POST", f"{EXT}/groups/{group}/clusters", {"name": "shop", "connectionString": destination.uri})[0], 201)
        name = f"127.0.0.1:{destination.port}"
        for family in (ATLAS, "/api/atlas/v1.0"):
            status, _, listed = site.call("GET", f"{family}/groups/{group}/processes")
            self.assertEqual((status, listed["totalCount"]), (200, 1), listed)
            [one] = listed["results"]
            self.assertEqual((one["id"], one["hostname"], one["port"], one["typeName"]), (name, "127.0.0.1", destination.port, "REPLICA_PRIMARY"))
            self.assertEqual((one["replicaSetName"], one["groupId"]), ("destination", group))
            self.assertTrue(one["version"].startswith(".".join(map(str, destination.version))), one)
        self.assertEqual(site.call("GET", f"{processes}/{name}")[2]["id"], name)
        status, _, error = site.call("GET", f"{processes}/127.0.0.1:1")
        self.assertEqual((status, error["errorCode"]), (404, "HOSTNAME_AND_PORT_NOT_FOUND"))
        # What was measured: within seconds of its registration once, then every minute.
        destination.client().shop.orders.insert_many([{"n": n} for n in range(20)])
        span = "granularity=PT1M&period=PT10M"

        def values(path, name):
            status, _, body = site.call("GET", f"{processes}/{name_of_url}{path}/measurements?{span}&m={name}")
            self.assertEqual((status, body["hostId"], body["processId"]), (200, one["id"], one["id"]), body)
            [series] = body["measurements"]
            self.assertEqual(series["name"], name)
            return [point["value"] for point in series["dataPoints"] if point["value"] is not None], body
        name_of_url = name.replace(":", "%3A")
        eventually(lambda: values("", "CONNECTIONS")[0], 60, "a measurement")
        self.assertGreater(values("", "CONNECTIONS")[0][0], 0)
        databases = [one["databaseName"] for one in site.call("GET", f"{processes}/{name}/databases")[2]["results"]]
        self.assertIn("admin", databases)
        found, body = values("/databases/admin", "DATABASE_DATA_SIZE")
        self.assertEqual((len(found) > 0, body["databaseName"]), (True, "admin"))
        self.assertEqual(site.call("GET", f"{processes}/{name}/databases/admin")[2]["databaseName"], "admin")
        for disk in site.call("GET", f"{processes}/{name}/disks")[2]["results"]:
            self.assertEqual(values(f"/disks/{disk['partitionName']}", "DISK_PARTITION_SPACE_FREE")[1]["partitionName"], disk["partitionName"])
        for path, status, code in ((f"/{name}/databases/none", 404, "RESOURCE_NOT_FOUND"), (f"/{name}/disks/none/measurements?{span}", 404, "RESOURCE_NOT_FOUND"),
                                   (f"/127.0.0.1:1/measurements?{span}", 404, "HOSTNAME_AND_PORT_NOT_FOUND"), (f"/{name}/measurements?period=PT1H", 400, "INVALID_QUERY_PARAMETER"),
                                   (f"/{name}/measurements?{span}&m=MAGIC", 400, "INVALID_METRIC_NAME")):
            got, _, error = site.call("GET", processes + path)
            self.assertEqual((got, error["errorCode"]), (status, code), path)
        destination.close()
        gone = eventually(lambda: (found := site.call("GET", processes)[2]["results"][0])["typeName"] == "NO_DATA" and found, 60, "the silence of the member")
        self.assertEqual(gone["id"], name)
        self.assertGreaterEqual(gone["lastPing"], one["lastPing"])

    def test_what_cannot_be_registered(self):
        site = self.site()
        group = self.project(site)
        region = {"providerName": "AWS", "regionName": "EU_WEST_1", "electableSpecs": {"instanceSize": "M30", "nodeCount": 3}}
        nowhere = "mongodb://a:secretword@127.0.0.1:1/"
        for body, code in (({}, "MISSING_ATTRIBUTE"), ({"name": "c"}, "MISSING_ATTRIBUTE"), ({"name": "c", "connectionString": "x"}, "INVALID_ATTRIBUTE"),
                           ({"name": "c d", "connectionString": nowhere}, "INVALID_ATTRIBUTE"),
                           ({"name": "c", "connectionString": nowhere}, "DEPLOYMENT_NOT_REACHABLE"),
                           ({"name": "c", "connectionString": nowhere, "clusterType": "BIG"}, "INVALID_ENUM_VALUE"),
                           ({"name": "c", "connectionString": nowhere, "replicationSpecs": [{}]}, "INVALID_ATTRIBUTE"),
                           ({"name": "c", "connectionString": nowhere, "replicationSpecs": [
                               {"regionConfigs": [{**region, "electableSpecs": {"instanceSize": "M7"}}]}]}, "INVALID_ENUM_VALUE"),
                           ({"name": "c", "connectionString": nowhere, "replicationSpecs": [
                               {"regionConfigs": [{**region, "readOnlySpecs": {"instanceSize": "M90", "nodeCount": 0}}]}]}, "INVALID_ENUM_VALUE"),
                           ({"name": "c", "connectionString": nowhere, "replicationSpecs": [{"regionConfigs": [{**region, "regionName": "EUROPE_WEST"}]}]}, "INVALID_REGION")):
            status, _, error = site.call("POST", f"{EXT}/groups/{group}/clusters", body)
            self.assertEqual((status, error["errorCode"]), (400, code), (body, error))
            self.assertNotIn("secretword", json.dumps(error))
        status, _, error = site.call("POST", f"{ATLAS}/groups/{group}/clusters", {"name": "f", "replicationSpecs": [
            {"regionConfigs": [{"providerName": "FLEX", "regionName": "EU_WEST_1", "electableSpecs": {"instanceSize": "FLEX"}}]}]})
        self.assertEqual((status, error["errorCode"], error["parameters"]), (400, "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", ["f"]))


class ClusterVersions(AtlasTest):
    """One cluster to clients of every version: what the official command lines send, and the fields that they show."""
    OLD = "application/vnd.atlas.2023-02-01+json"

    def test_of_each_version(self):
        site = self.site("--local-clusters")
        group = self.project(site)
        path = f"{ATLAS}/groups/{group}/clusters"
        # `atlas clusters create shop --provider AWS --region EU_WEST_1 --tier M30 --diskSizeGB 40 --mdbVersion 7.0`
        body = {"clusterType": "REPLICASET", "diskSizeGB": 40, "groupId": group, "mongoDBMajorVersion": "7.0", "name": "shop", "replicationSpecs": [{
            "numShards": 1, "zoneName": "Zone 1", "regionConfigs": [{"electableSpecs": {"instanceSize": "M30", "nodeCount": 3}, "priority": 7, "providerName": "AWS",
                                                                    "readOnlySpecs": {"instanceSize": "M30", "nodeCount": 0}, "regionName": "EU_WEST_1"}]}],
            "terminationProtectionEnabled": False}
        self.assertEqual(site.call("POST", path, {**body, "backupEnabled": True, "pitEnabled": True}, accept=self.OLD)[2]["errorCode"], "INVALID_ATTRIBUTE")
        status, headers, made = site.call("POST", path, body, accept=self.OLD)
        self.assertEqual((status, headers["Content-Type"]), (201, "application/vnd.atlas.2023-02-01+json;charset=utf-8"), made)
        self.assertIn("Deprecation", headers)
        eventually(lambda: site.call("GET", path + "/shop")[2]["stateName"] == "IDLE", 60, "the cluster")
        listed = site.call("GET", path + "?pageNum=1&itemsPerPage=100", accept=self.OLD)[2]["results"]
        self.assertEqual([(one["name"], one["mongoDBVersion"][:4], one["diskSizeGB"], one["replicationSpecs"][0]["numShards"]) for one in listed], [("shop", "7.0.", 40, 1)])
        # `atlas clusters update shop --tier M40`: what is there, with the change.
        again = {key: value for key, value in listed[0].items() if key not in ("id", "createDate", "stateName", "mongoDBVersion", "connectionStrings", "links")}
        for specs in ("electableSpecs", "readOnlySpecs"):
            again["replicationSpecs"][0]["regionConfigs"][0][specs]["instanceSize"] = "M40"
        self.assertEqual(site.call("PATCH", path + "/shop", again, accept=self.OLD)[0], 200)
        newest = site.call("GET", path + "/shop")[2]["replicationSpecs"]
        self.assertEqual([spec["regionConfigs"][0]["electableSpecs"] for spec in newest], [{"instanceSize": "M40", "nodeCount": 3, "diskSizeGB": 40}])
        # v1.0, which is 2023-01-01.
        for legacy, accept in ((path + "/shop", "application/vnd.atlas.2023-01-01+json"), (f"/api/atlas/v1.0/groups/{group}/clusters/shop", None)):
            old = site.call("GET", legacy, accept=accept)[2]
            self.assertEqual((old["providerSettings"], old["diskSizeGB"], old["replicationFactor"]),
                             ({"instanceSizeName": "M40", "providerName": "AWS", "regionName": "EU_WEST_1"}, 40, 3))
            self.assertTrue(old["mongoURI"].startswith("mongodb://"))
        v1 = f"/api/atlas/v1.0/groups/{group}/clusters"
        self.assertEqual(site.call("PATCH", v1 + "/shop", {"providerSettings": {"instanceSizeName": "M50"}}, accept=None)[2]["providerSettings"]["instanceSizeName"], "M50")
        self.assertEqual(site.call("PATCH", v1 + "/shop", {"providerBackupEnabled": True}, accept=None)[2]["errorCode"], "INVALID_ATTRIBUTE")
        self.assertEqual(site.call("GET", path + "/shop/autoScalingConfiguration")[2], {"autoScalingMode": "CLUSTER_WIDE_SCALING"})
        self.assertEqual(site.call("POST", v1, {"name": "old", "providerSettings": {"providerName": "AWS", "instanceSizeName": "M10", "regionName": "EU_WEST_1"}},
                                   accept=None)[0], 201)
        self.assertEqual(site.call("DELETE", v1 + "/old", accept=None)[0], 202)
        self.assertEqual(site.call("DELETE", path + "/shop", accept=self.OLD)[0], 202)


class OpenApi(AtlasTest):
    def test_the_document_names_what_is_served(self):
        site = Site(self, "--role", "both")
        document = self.document(site)
        self.assertEqual(document["openapi"], "3.0.1")
        self.assertEqual(document["servers"], [{"url": site.url}])
        group, nobody = self.project(site), "0" * 24
        names = {"orgId": site.org, "groupId": group, "cloudProvider": "AWS", "type": "MONITORING", "ipAddress": "203.0.113.1"}
        for template, methods in document["paths"].items():
            path = template
            for name in set(re.findall(r"\{(\w+)\}", path)):
                path = path.replace("{" + name + "}", names.get(name, nobody))
            accept = None if "/v2/" not in path else "application/vnd.atlas.2025-03-12+json"
            if "get" in methods:
                status, headers, body = site.call("GET", path, accept=accept)
                self.assertIn(status, (200, 404), path)
                head, of_head, nothing = site.send("HEAD", path, None, None, accept)
                self.assertEqual((head, of_head["Content-Type"], nothing), (status, headers["Content-Type"], None), path)
                self.assertNotIn("Cannot find resource", json.dumps(body), path)
            if "patch" not in methods:
                status, _, body = site.call("PATCH", path, {}, accept=accept)
                self.assertEqual((status, body["errorCode"]), (405, "METHOD_NOT_ALLOWED"), path)

    def test_the_document_s_head_needs_no_login(self):
        site = Site(self, "--role", "both")
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        self.addCleanup(connection.close)
        sizes = []
        for method in ("HEAD", "GET", "HEAD"):
            connection.request(method, "/api/ext/v1/openapi.json")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/json"))
            self.assertEqual(len(answer.read()), int(answer.headers["Content-Length"]) if method == "GET" else 0)
            sizes.append(answer.headers["Content-Length"])
        self.assertEqual(len(set(sizes)), 1)
        connection.request("HEAD", f"{ATLAS}/orgs")
        answer = connection.getresponse()
        answer.read()
        self.assertEqual(answer.status, 401)
        connection.request("POST", "/api/ext/v1/openapi.json")
        self.assertNotEqual(connection.getresponse().status, 200)

    def document(self, site):
        request = urllib.request.Request(site.url + "/api/ext/v1/openapi.json")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
            return json.loads(response.read())

    def test_the_checker_of_answers_sees_what_is_wrong(self):
        schemas = {"Thing": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "integer", "format": "int64"}, "kind": {"type": "string", "enum": ["A"]}, "at": {"type": "string", "format": "date-time"},
            "more": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "object", "nullable": True, "enum": [None]}]}, "all": {"type": "array", "items": {"type": "string"}}}}}
        thing = {"$ref": "#/components/schemas/Thing"}
        for good in ({"id": 1}, {"id": 1, "kind": "A", "at": "2026-03-01T09:10:00Z", "more": {"id": 2}, "all": ["x"]}, {"id": 1, "more": None}):
            self.assertEqual(problems(schemas, thing, good), [], good)
        for wrong in ({}, None, [], {"id": 1.0}, {"id": True}, {"id": "1"}, {"id": None}, {"id": 1, "kind": "B"}, {"id": 1, "kind": None}, {"id": 1, "at": "soon"},
                      {"id": 1, "more": {}}, {"id": 1, "more": {"id": 1, "colour": "blue"}}, {"id": 1, "all": [1]}, {"id": 1, "all": "x"}, {"id": 1, "colour": "blue"}):
            self.assertNotEqual(problems(schemas, thing, wrong), [], wrong)
        with self.assertRaises(AssertionError):
            problems(schemas, {"oneOf": []}, {})

    def test_every_operation_says_what_it_takes_and_answers(self):
        document = self.document(Site(self, "--role", "both"))
        schemas = document["components"]["schemas"]
        operations = set()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                what = f"{method} {path}"
                operations.add(operation["operationId"])
                good = [status for status in operation["responses"] if status.startswith("2")]
                self.assertEqual(len(good), 1, what)
                answer = operation["responses"][good[0]].get("content")
                self.assertEqual(answer is None, good[0] == "204" or (good[0] == "202" and not path.endswith("/customDBRoles/roles")), what)
                takes = method == "patch" or (method == "post" and not re.search("(cancel|:refresh)$", path))
                self.assertEqual("requestBody" in operation, takes, what)
                for content in (answer, operation.get("requestBody", {}).get("content")):
                    for one in (content or {}).values():
                        named = one["schema"].get("items", one["schema"])["$ref"].rsplit("/", 1)[1]
                        self.assertIn("properties", schemas[named], what)
        self.assertEqual(len(operations), sum(len(methods) for methods in document["paths"].values()))


class Addresses(AtlasTest):
    once = True

    def test_they_are_told_to_whoever_asks(self):
        site = Site(self, "--role", "atlas", "--inbound-addresses", "203.0.113.7", "--outbound-addresses", "203.0.113.0/28,2001:db8::1")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{site.url}{ATLAS}/unauth/controlPlaneIPAddresses", timeout=30) as response:
            told = json.loads(response.read())
        self.assertEqual((told["inbound"]["x_selfManaged"], told["outbound"]["x_selfManaged"]), ({"LOCAL": ["203.0.113.7/32"]}, {"LOCAL": ["203.0.113.0/28", "2001:db8::1/128"]}))
        wrong = self.run_drover("server", "--data", site.data + " wrong", "--inbound-addresses", "here")
        self.assert_exit(wrong, 2, "--inbound-addresses.*here")


class CommandLines(AtlasTest):
    """What the official ones ask for beside the public APIs."""

    def get(self, site, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        connection.request(method, "/api/private" + path, "client_id=x" if method == "POST" else None)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return response.status, response.headers["Content-Type"], body

    def test_side_requests(self):
        site = self.site()
        self.assertEqual(self.get(site, "/ipinfo"), (200, "application/json", '{"currentIpv4Address":"127.0.0.1"}'))
        self.assertEqual(self.get(site, "/unauth/nds/defaultMongoDBMajorVersion"), (200, "text/plain", "8.0"))
        self.assertRegex(self.get(site, "/unauth/version")[2], "^gitHash=.*; versionString=.+")
        self.assertEqual(self.get(site, "/unauth/telemetry/events", "POST")[0], 404)

    def test_a_login_by_browser_is_sent_to_api_keys(self):
        site = self.site()
        for path in ("authorize", "token", "revoke"):
            status, kind, body = self.get(site, "/unauth/account/device/" + path, "POST")
            error = json.loads(body)
            self.assertEqual((status, kind, error["errorCode"]), (400, "application/json", "DEVICE_AUTHORIZATION_NOT_SUPPORTED"))
            self.assertIn("MONGODB_ATLAS_PUBLIC_API_KEY", error["detail"])


class ChangedClusters(AtlasTest):
    def start_clusters(self):
        self.destination = self.cluster("destination", auth=True)

    def test_what_may_be_changed(self):
        site = self.site()
        group = self.project(site)
        site.call("POST", f"{EXT}/groups/{group}/clusters", {"name": "shop", "connectionString": self.destination.uri})
        path = f"{ATLAS}/groups/{group}/clusters/shop"
        first = site.call("GET", path)[2]
        region = {"providerName": "AWS", "regionName": "EU_WEST_1", "priority": 7, "electableSpecs": {"instanceSize": "M30", "nodeCount": 3}}
        status, headers, now = site.call("PATCH", path, {"biConnector": {"enabled": True}, "labels": [{"key": "a", "value": "b"}],
                                                         "replicationSpecs": [{"id": first["replicationSpecs"][0]["id"], "regionConfigs": [region]}]})
        self.assertEqual((status, headers["Content-Type"]), (200, "application/vnd.atlas.2024-10-23+json;charset=utf-8"), now)
        self.assertEqual((now["biConnector"]["enabled"], now["labels"]), (True, [{"key": "a", "value": "b"}]))
        self.assertEqual(now["replicationSpecs"][0]["id"], first["replicationSpecs"][0]["id"])
        self.assertEqual(now["connectionStrings"], first["connectionStrings"])
        # As a client does it that reads, changes and sends back.
        read = site.call("GET", path)[2]
        self.assertEqual(site.call("PATCH", path, {**read, "biConnector": {"enabled": False}})[2]["biConnector"]["enabled"], False)
        site.process.kill()
        site.start()
        self.assertEqual(site.call("GET", path)[2]["labels"], [{"key": "a", "value": "b"}])
        for body, field in (({"paused": True}, "paused"), ({"mongoDBMajorVersion": "7.0"}, "mongoDBMajorVersion"), ({"backupEnabled": True}, "backupEnabled"),
                            ({"name": "other"}, "name"), ({"colour": "blue"}, "colour"), ({"encryptionAtRestProvider": "AWS"}, "encryptionAtRestProvider")):
            status, _, error = site.call("PATCH", path, body)
            self.assertEqual((status, error["parameters"]), (400, [field]), body)
        self.assertEqual(site.call("PATCH", path, {"clusterType": "BIG"})[0], 400)
        self.assertEqual(site.call("PATCH", path + "s", {})[2]["errorCode"], "CLUSTER_NOT_FOUND")
        self.assertEqual(site.call("GET", path)[2]["paused"], False)
        # One that is protected stays, until it is no more.
        site.call("PATCH", path, {"terminationProtectionEnabled": True})
        self.assertEqual(site.call("DELETE", path)[2]["errorCode"], "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED")
        site.call("PATCH", path, {"terminationProtectionEnabled": False})
        self.assertEqual(site.call("DELETE", path)[0], 202)

    def test_where_data_goes_is_not_a_cluster_manager_s_to_say(self):
        site = self.site()
        group = self.project(site)
        site.call("POST", f"{EXT}/groups/{group}/clusters", {"name": "shop", "connectionString": self.destination.uri})
        manager = site.call("POST", f"{ATLAS}/groups/{group}/apiKeys", {"desc": "d", "roles": ["GROUP_CLUSTER_MANAGER"]})[2]
        path = f"/groups/{group}/clusters/shop"
        private = {"connectionStrings": {"private": "mongodb://private.example.net:27017"}}
        self.assertEqual(site.call("PATCH", ATLAS + path, {"labels": [{"key": "a", "value": "b"}]}, key=manager)[0], 200)
        for body, field in (({"terminationProtectionEnabled": True}, "terminationProtectionEnabled"), (private, "connectionStrings")):
            status, _, error = site.call("PATCH", EXT + path, body, key=manager)
            self.assertEqual((status, error["errorCode"], error["parameters"]), (403, "USER_UNAUTHORIZED", [field]))
        self.assertNotIn("private", site.call("GET", ATLAS + path)[2]["connectionStrings"])
        # What is so already may be said again, and what is an owner's stays his to take back.
        for body in (private, {"terminationProtectionEnabled": True}):
            self.assertEqual(site.call("PATCH", EXT + path, body)[0], 200)
        self.assertEqual(site.call("PATCH", EXT + path, {**private, "terminationProtectionEnabled": True}, key=manager)[0], 200)
        for body in ({"connectionStrings": {}}, {"terminationProtectionEnabled": False}):
            self.assertEqual(site.call("PATCH", EXT + path, body, key=manager)[0], 403, body)
        self.assertIn("private", site.call("GET", ATLAS + path)[2]["connectionStrings"])

    def test_a_shared_tier_is_not_changed_by_the_public_api(self):
        site = self.site()
        group = self.project(site)
        region = {"providerName": "TENANT", "regionName": "EU_WEST_1", "electableSpecs": {"instanceSize": "M0", "nodeCount": 3}}
        site.call("POST", f"{EXT}/groups/{group}/clusters", {"name": "free", "connectionString": self.destination.uri, "replicationSpecs": [{"regionConfigs": [region]}]})
        path = f"/groups/{group}/clusters/free"
        self.assertEqual(site.call("PATCH", ATLAS + path, {"labels": []})[2]["errorCode"], "TENANT_CLUSTER_UPDATE_UNSUPPORTED")
        self.assertEqual(site.call("PATCH", EXT + path, {"labels": []})[0], 200)


class LocalClusters(AtlasTest):
    def test_one_is_made_runs_again_after_a_kill_and_goes(self):
        site = self.site("--local-clusters")
        group = self.project(site)
        path = f"{ATLAS}/groups/{group}/clusters"
        region = {"providerName": "AWS", "regionName": "EU_WEST_1", "priority": 7, "electableSpecs": {"instanceSize": "M30", "nodeCount": 3}}
        status, headers, made = site.call("POST", path, {"name": "shop", "clusterType": "REPLICASET", "mongoDBMajorVersion": "7.0",
                                                         "replicationSpecs": [{"regionConfigs": [region]}]})
        self.assertEqual((status, made["stateName"], headers["Content-Type"]), (201, "CREATING", "application/vnd.atlas.2024-10-23+json;charset=utf-8"), made)

        def idle():
            cluster = site.call("GET", path + "/shop")[2]
            return cluster["stateName"] == "IDLE" and cluster
        cluster = eventually(idle, 60, "the cluster")
        self.assertEqual((cluster["mongoDBMajorVersion"], cluster["featureCompatibilityVersion"]), ("7.0", "7.0"))
        uri = cluster["connectionStrings"]["standard"]
        with pymongo.MongoClient(uri) as client:
            self.assertTrue(client.admin.command("hello")["setName"].startswith("atlas-"))
            with self.assertRaises(OperationFailure):
                client.shop.orders.find_one()
        site.process.kill()
        site.start()

        def answers():
            try:
                with pymongo.MongoClient(uri, serverSelectionTimeoutMS=500) as client:
                    return client.admin.command("ping")["ok"] == 1
            except PyMongoError:
                return False
        eventually(answers, 60, "the cluster on its old port")
        self.assertEqual(idle()["connectionStrings"]["standard"], uri)
        self.assertEqual(site.call("DELETE", path + "/shop")[0], 202)
        eventually(lambda: site.call("GET", path + "/shop")[0] == 404, 60, "its end")
        self.assertFalse(answers())
        self.assertEqual(os.listdir(os.path.join(site.data, "clusters")), [])

    def test_what_it_cannot_run(self):
        site = self.site("--local-clusters")
        path = f"{ATLAS}/groups/{self.project(site)}/clusters"
        for body, code in (({"name": "c", "clusterType": "SHARDED"}, "INVALID_ATTRIBUTE"), ({"name": "c", "mongoDBMajorVersion": "3.6"}, "INVALID_ENUM_VALUE"),
                           ({"name": "-"}, "INVALID_ATTRIBUTE")):
            status, _, error = site.call("POST", path, body)
            self.assertEqual((status, error["errorCode"]), (400, code), body)
        without = Site(self, "--role", "atlas", data="without")
        status, _, error = without.call("POST", f"{ATLAS}/groups/{self.project(without)}/clusters", {"name": "c"})
        self.assertEqual((status, error["errorCode"]), (400, "LOCAL_CLUSTERS_DISABLED"))


class Hostile(AtlasTest):
    def test_malformed_bodies_leave_it_serving(self):
        site = self.site()
        manager = self.linked(site)
        login = base64.b64encode(f"{manager.link}:{manager.secret}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        chance = random.Random(1)
        whole = json.dumps({"revision": 1, "name": "p", "migrationHosts": [HOST], "deployments": [DEPLOYMENT]}).encode()
        deep = b'{"revision":1,"name":' + b"[" * 10000 + b"]" * 10000 + b"}"
        for number in range(1500):
            body = bytearray(whole)
            for _ in range(chance.randrange(1, 9)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            if number % 3 == 0:
                body = body[:chance.randrange(len(body))]
            body = deep if number == 0 else bytes(body)
            method, path = chance.choice((("PUT", f"/projects/{PROJECT}"), ("PUT", "/projects"), ("PUT", f"/work/{PROJECT}/report"), ("POST", "/claim")))
            connection.request(method, SITE + path, body, {"Authorization": "Basic " + login})
            response = connection.getresponse()
            response.read()
            self.assertIn(response.status, (200, 400, 401, 404, 409, 429), body)
            if response.status == 429:
                break
        connection.request("POST", "/api/oauth/token", b"\xff" * 5000, {"Authorization": "Basic " + "/" * 4000})
        self.assertIn(connection.getresponse().status, (401, 429))
        connection.close()
        self.assertTrue(site.process.running())
        self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 200)
