"""Who may do what: every route of the document, in every family that serves it, with a key of every role. The table is the test's own:
a route that is not in it is a failure, so that whoever adds one says here who may."""
import base64
import http.client
import json
import re

from harness.case import DroverTest
from harness.site import ATLAS, EXT, MANAGER, Site

V1 = "/api/atlas/v1.0"
ANY, ORG_READ, ORG_OWN, READ, OWN = "any", "org read", "org own", "read", "own"
CLUSTERS, USERS, ROLES, HOSTS, KEYS = "clusters", "database users", "database roles", "hosts", "keys"

ROUTES = {
    "GET /orgs": ANY, "POST /orgs": ANY, "GET /groups": ANY, "POST /groups": ANY,
    "GET /orgs/{orgId}": ORG_READ, "PATCH /orgs/{orgId}": ORG_OWN, "DELETE /orgs/{orgId}": ORG_OWN, "GET /orgs/{orgId}/groups": ORG_READ, "GET /orgs/{orgId}/events": ORG_READ, "GET /orgs/{orgId}/events/{eventId}": ORG_READ,
    "GET /orgs/{orgId}/apiKeys": ORG_READ, "POST /orgs/{orgId}/apiKeys": ORG_OWN, "GET /orgs/{orgId}/apiKeys/{apiUserId}": ORG_READ,
    "DELETE /orgs/{orgId}/apiKeys/{apiUserId}": ORG_OWN, "GET /orgs/{orgId}/apiKeys/{apiUserId}/accessList": ORG_READ,
    "POST /orgs/{orgId}/apiKeys/{apiUserId}/accessList": ORG_OWN, "DELETE /orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}": ORG_OWN,
    "GET /orgs/{orgId}/serviceAccounts": ORG_READ, "POST /orgs/{orgId}/serviceAccounts": ORG_OWN, "GET /orgs/{orgId}/serviceAccounts/{clientId}": ORG_READ,
    "DELETE /orgs/{orgId}/serviceAccounts/{clientId}": ORG_OWN, "POST /orgs/{orgId}/serviceAccounts/{clientId}/secrets": ORG_OWN,
    "DELETE /orgs/{orgId}/serviceAccounts/{clientId}/secrets/{secretId}": ORG_OWN,
    "PATCH /orgs/{orgId}/serviceAccounts/{clientId}": ORG_OWN, "GET /groups/{groupId}/serviceAccounts": READ, "POST /groups/{groupId}/serviceAccounts": KEYS,
    "GET /groups/{groupId}/serviceAccounts/{clientId}": READ, "POST /groups/{groupId}/serviceAccounts/{clientId}:invite": KEYS,
    "PATCH /groups/{groupId}/serviceAccounts/{clientId}": KEYS, "DELETE /groups/{groupId}/serviceAccounts/{clientId}": KEYS,
    "GET /groups/byName/{groupName}": ANY, "GET /groups/byAgentApiKey/{agentApiKey}": ANY, "PATCH /groups/{groupId}": OWN, "GET /groups/{groupId}": READ, "DELETE /groups/{groupId}": OWN, "GET /groups/{groupId}/events": READ, "GET /groups/{groupId}/events/{eventId}": READ,
    "GET /groups/{groupId}/settings": READ, "PATCH /groups/{groupId}/settings": OWN,
    "GET /groups/{groupId}/apiKeys": READ, "POST /groups/{groupId}/apiKeys": KEYS, "DELETE /groups/{groupId}/apiKeys/{apiUserId}": KEYS,
    "POST /groups/{groupId}/apiKeys/{apiUserId}": KEYS, "PATCH /groups/{groupId}/apiKeys/{apiUserId}": KEYS, "PATCH /orgs/{orgId}/apiKeys/{apiUserId}": ORG_OWN,
    "GET /orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}": ORG_READ,
    "GET /groups/{groupId}/accessList": READ, "POST /groups/{groupId}/accessList": OWN, "GET /groups/{groupId}/accessList/{entryValue}": READ,
    "GET /groups/{groupId}/accessList/{entryValue}/status": READ, "DELETE /groups/{groupId}/accessList/{entryValue}": OWN,
    "GET /groups/{groupId}/containers": READ, "POST /groups/{groupId}/containers": OWN, "GET /groups/{groupId}/containers/all": READ,
    "GET /groups/{groupId}/containers/{containerId}": READ, "DELETE /groups/{groupId}/containers/{containerId}": OWN, "PATCH /groups/{groupId}/containers/{containerId}": OWN,
    "GET /groups/{groupId}/peers": READ, "POST /groups/{groupId}/peers": OWN, "GET /groups/{groupId}/peers/{peerId}": READ,
    "DELETE /groups/{groupId}/peers/{peerId}": OWN, "PATCH /groups/{groupId}/peers/{peerId}": OWN,
    "POST /groups/{groupId}/privateEndpoint/endpointService": OWN, "GET /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService": READ,
    "GET /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}": READ,
    "DELETE /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}": OWN,
    "PATCH /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}": OWN,
    "POST /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint": OWN,
    "GET /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}": READ,
    "DELETE /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}": OWN,
    "PATCH /groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}": OWN,
    "GET /groups/{groupId}/clusters": READ, "POST /groups/{groupId}/clusters": OWN, "GET /groups/{groupId}/clusters/{clusterName}": READ,
    "PATCH /groups/{groupId}/clusters/{clusterName}": CLUSTERS, "DELETE /groups/{groupId}/clusters/{clusterName}": OWN,
    "GET /groups/{groupId}/clusters/{clusterName}/status": READ, "GET /groups/{groupId}/clusters/{clusterId}": READ,
    "GET /groups/{groupId}/clusters/{clusterName}/autoScalingConfiguration": READ,
    "GET /groups/{groupId}/customDBRoles/roles": READ, "POST /groups/{groupId}/customDBRoles/roles": ROLES, "GET /groups/{groupId}/customDBRoles/roles/{roleName}": READ,
    "PATCH /groups/{groupId}/customDBRoles/roles/{roleName}": ROLES, "DELETE /groups/{groupId}/customDBRoles/roles/{roleName}": ROLES,
    "GET /groups/{groupId}/processes": READ, "GET /groups/{groupId}/processes/{processId}": READ, "GET /groups/{groupId}/processes/{processId}/measurements": READ,
    "GET /groups/{groupId}/processes/{processId}/databases": READ, "GET /groups/{groupId}/processes/{processId}/databases/{databaseName}": READ,
    "GET /groups/{groupId}/processes/{processId}/databases/{databaseName}/measurements": READ, "GET /groups/{groupId}/processes/{processId}/disks": READ,
    "GET /groups/{groupId}/processes/{processId}/disks/{partitionName}": READ, "GET /groups/{groupId}/processes/{processId}/disks/{partitionName}/measurements": READ,
    "GET /groups/{groupId}/databaseUsers": READ, "POST /groups/{groupId}/databaseUsers": USERS, "GET /groups/{groupId}/databaseUsers/{databaseName}/{username}": READ,
    "PATCH /groups/{groupId}/databaseUsers/{databaseName}/{username}": USERS, "DELETE /groups/{groupId}/databaseUsers/{databaseName}/{username}": USERS,
    "POST /orgs/{orgId}/liveMigrations/linkTokens": ORG_OWN, "DELETE /orgs/{orgId}/liveMigrations/linkTokens": ORG_OWN,
    "GET /orgs/{orgId}/liveMigrations/availableProjects": ORG_OWN, "GET /orgs/{orgId}/liveMigrations/links": ORG_OWN,
    "DELETE /orgs/{orgId}/liveMigrations/links/{linkId}": ORG_OWN,
    "POST /groups/{groupId}/liveMigrations/validate": ORG_OWN, "GET /groups/{groupId}/liveMigrations/validate/{validationId}": ORG_OWN,
    "POST /groups/{groupId}/liveMigrations": ORG_OWN, "GET /groups/{groupId}/liveMigrations": ORG_READ,
    "GET /groups/{groupId}/liveMigrations/{liveMigrationId}": ORG_READ, "PUT /groups/{groupId}/liveMigrations/{liveMigrationId}/cutover": ORG_OWN,
    "GET /groups/{groupId}/liveMigrations/{liveMigrationId}/log": ORG_OWN, "POST /groups/{groupId}/liveMigrations/{liveMigrationId}/cancel": ORG_OWN,
    "POST /groups/{groupId}/liveMigrations/{liveMigrationId}/extend": ORG_OWN,
    # The manager's own.
    "GET /groups/{groupId}/agentapikeys": READ, "POST /groups/{groupId}/agentapikeys": OWN, "DELETE /groups/{groupId}/agentapikeys/{keyId}": OWN,
    "GET /clusters": ANY, "GET /softwareComponents/versions": ANY, "GET /groups/{groupId}/agents/versions": READ,
    "GET /groups/{groupId}/automationConfig": READ, "GET /groups/{groupId}/automationConfig/monitoringAgentConfig": READ, "GET /groups/{groupId}/automationStatus": READ,
    "GET /groups/{groupId}/agents": READ, "GET /groups/{groupId}/agents/{type}": READ,
    "GET /groups/{groupId}/hosts": READ, "POST /groups/{groupId}/hosts": HOSTS, "GET /groups/{groupId}/hosts/{hostId}": READ,
    "PATCH /groups/{groupId}/hosts/{hostId}": HOSTS, "DELETE /groups/{groupId}/hosts/{hostId}": HOSTS, "GET /groups/{groupId}/hosts/byName/{hostAndPort}": READ,
    "GET /groups/{groupId}/hosts/{hostId}/measurements": READ, "GET /groups/{groupId}/hosts/{hostId}/databases": READ,
    "GET /groups/{groupId}/hosts/{hostId}/databases/{databaseName}": READ, "GET /groups/{groupId}/hosts/{hostId}/databases/{databaseName}/measurements": READ,
    "GET /groups/{groupId}/hosts/{hostId}/disks": READ, "GET /groups/{groupId}/hosts/{hostId}/disks/{partitionName}": READ,
    "GET /groups/{groupId}/hosts/{hostId}/disks/{partitionName}/measurements": READ,
    "GET /groups/{groupId}/alerts": READ, "GET /groups/{groupId}/alerts/{alertId}": READ,
    "POST /orgs/{orgId}/liveExport/migrationLink": ORG_OWN, "DELETE /orgs/{orgId}/liveExport/migrationLink": ORG_OWN,
    "GET /orgs/{orgId}/liveExport/migrationLink/status": ORG_OWN, "POST /orgs/{orgId}/liveExport/migrationLink:refresh": ORG_OWN,
}
# What each role may, and whether it sees the project at all. A key of a project is a member of the project's organization.
OF_PROJECT = {ANY, ORG_READ, READ}
ALL_OF_PROJECT = {OWN, CLUSTERS, USERS, ROLES, HOSTS, KEYS}
MAY = {
    "ORG_OWNER": {ANY, ORG_READ, ORG_OWN, READ} | ALL_OF_PROJECT, "ORG_READ_ONLY": {ANY, ORG_READ, READ}, "ORG_MEMBER": {ANY, ORG_READ},
    "ORG_GROUP_CREATOR": {ANY, ORG_READ}, "ORG_BILLING_ADMIN": {ANY, ORG_READ},
    "GROUP_OWNER": OF_PROJECT | ALL_OF_PROJECT, "GROUP_READ_ONLY": OF_PROJECT, "GROUP_CLUSTER_MANAGER": OF_PROJECT | {CLUSTERS},
    "GROUP_STREAM_PROCESSING_OWNER": OF_PROJECT | {USERS, ROLES}, "GROUP_DATABASE_ACCESS_ADMIN": OF_PROJECT | {USERS, ROLES},
    "GROUP_DATA_ACCESS_ADMIN": OF_PROJECT, "GROUP_MONITORING_ADMIN": OF_PROJECT | {HOSTS}, "GROUP_USER_ADMIN": OF_PROJECT | {KEYS},
}
UNSEEN = {"GROUP_NOT_FOUND", "ORG_NOT_FOUND"}


class EveryRoute(DroverTest):
    once = True

    def start_clusters(self):
        pass

    def setUp(self):
        super().setUp()
        self.site = Site(self, "--role", "both")
        self.group = self.project("p")

    def project(self, name):
        status, _, made = self.site.call("POST", ATLAS + "/groups", {"name": name, "orgId": self.site.org})
        self.assertEqual(status, 200, made)
        return made["id"]

    def key(self, role):
        of_project = role.startswith("GROUP_")
        path = f"/groups/{self.group}/apiKeys" if of_project else f"/orgs/{self.site.org}/apiKeys"
        status, _, key = self.site.call("POST", ATLAS + path, {"desc": role, "roles": [role]})
        self.assertEqual(status, 200, key)
        return key

    def operations(self):
        for path, methods in self.site.document.document["paths"].items():
            prefix = next(one for one in (ATLAS, V1, MANAGER, EXT) if path.startswith(one + "/"))
            for method in methods:
                yield prefix, method.upper(), path.removeprefix(prefix)

    def ask(self, prefix, method, path, key, body=None, **names):
        names = {"orgId": self.site.org, "groupId": self.group, "cloudProvider": "AWS", "type": "MONITORING", "ipAddress": "203.0.113.1",
                 "entryValue": "203.0.113.1", "databaseName": "admin", "hostAndPort": "h:1", **names}
        for name in re.findall(r"\{(\w+)\}", path):
            path = path.replace("{" + name + "}", names.get(name, "0" * 24))
        arrays = path.endswith("/accessList") or (method == "POST" and "/groups/" in path and re.search(r"/apiKeys/[^/]+$", path))
        body = body or ([] if arrays else {})
        status, _, answer = self.site.call(method, prefix + path, body if method in ("POST", "PATCH", "PUT") else None, key=key)
        return status, (answer or {}).get("errorCode") if not isinstance(answer, list) else None

    def test_with_every_role(self):
        routes = list(self.operations())
        unknown = sorted({f"{method} {path}" for _, method, path in routes} - set(ROUTES))
        self.assertEqual(unknown, [], "routes that the table of this test does not have")
        self.assertEqual(sorted(set(ROUTES) - {f"{method} {path}" for _, method, path in routes}), [], "routes that are not served")
        number = 0
        for role, may in MAY.items():
            key = self.key(role)
            for prefix, method, path in routes:
                needs = ROUTES[f"{method} {path}"]
                names = {}
                if needs == OWN and needs in may and (method, path) == ("DELETE", "/groups/{groupId}") and role == "GROUP_OWNER":
                    continue  # its own project is needed further on
                if (method, path) == ("DELETE", "/orgs/{orgId}") and needs in may:
                    self.assertEqual(self.ask(prefix, method, path, key), (409, "CONFLICT"))  # it has projects
                    continue
                if (method, path) == ("PATCH", "/orgs/{orgId}") and needs in may:
                    names["body"] = {"name": "Shop"}
                if (method, path) == ("DELETE", "/groups/{groupId}") and needs in may:
                    number += 1
                    names["groupId"] = self.project(f"to go {number}")
                status, code = self.ask(prefix, method, path, key, **names)
                with self.subTest(role=role, route=f"{method} {prefix}{path}", answered=(status, code)):
                    if needs in may:
                        self.assertNotIn(status, (401, 403, 405))
                        self.assertNotIn(code, UNSEEN)
                    elif needs in {READ} | ALL_OF_PROJECT and READ not in may:
                        self.assertEqual((status, code), (404, "GROUP_NOT_FOUND"))
                    else:
                        self.assertEqual((status, code), (403, "USER_UNAUTHORIZED"))

    def test_of_another_organization(self):
        """Two organizations in one store: an owner of the one sees nothing of the other."""
        self.site.process.stop()
        made = self.run_drover("server", "--data", self.site.data, "--create-organization", "Other", timeout=60)
        stranger = self.last_json(made)
        self.site.start()
        self.site.call("GET", ATLAS + "/orgs")
        for prefix, method, path in self.operations():
            if "{orgId}" not in path and "{groupId}" not in path:
                continue
            status, code = self.ask(prefix, method, path, stranger)
            with self.subTest(route=f"{method} {prefix}{path}"):
                self.assertEqual(status, 404)
                self.assertIn(code, UNSEEN)

    def test_a_project_s_key_goes_with_its_roles(self):
        key = self.key("GROUP_OWNER")
        path = f"{ATLAS}/groups/{self.group}"
        self.assertEqual(self.site.call("GET", path, key=key)[0], 200)
        self.assertEqual([one["id"] for one in self.site.call("GET", path + "/apiKeys", key=key)[2]["results"]], [key["id"]])
        for body in ({"desc": "d", "roles": ["ORG_OWNER"]}, {"desc": "d", "roles": []}, {"desc": "", "roles": ["GROUP_OWNER"]}):
            self.assertEqual(self.site.call("POST", path + "/apiKeys", body)[0], 400, body)
        self.assertEqual(self.site.call("DELETE", f"{path}/apiKeys/{key['id']}")[0], 204)
        self.assertEqual(self.site.call("DELETE", f"{path}/apiKeys/{key['id']}")[0], 404)
        self.assertEqual(self.site.call("GET", path, key=key)[0], 404)
        self.assertEqual(self.site.call("GET", f"{ATLAS}/orgs/{self.site.org}", key=key)[0], 200)

    def test_an_administrator_of_users_makes_no_owners(self):
        admin, owner = self.key("GROUP_USER_ADMIN"), self.key("GROUP_OWNER")
        path = f"{ATLAS}/groups/{self.group}/apiKeys"
        status, _, made = self.site.call("POST", path, {"desc": "d", "roles": ["GROUP_BACKUP_MANAGER", "GROUP_USER_ADMIN"]}, key=admin)
        self.assertEqual(status, 200, made)
        more = ("GROUP_CLUSTER_MANAGER", "GROUP_DATABASE_ACCESS_ADMIN", "GROUP_MONITORING_ADMIN", "GROUP_STREAM_PROCESSING_OWNER")
        for role in more:  # of a key of its own making it would be its own
            self.assertEqual(self.site.call("POST", path, {"desc": "d", "roles": ["GROUP_READ_ONLY", role]}, key=admin)[0], 403, role)
            self.assertEqual(self.site.call("PATCH", f"{path}/{made['id']}", {"roles": [role]}, key=admin)[0], 403, role)
        for method, where, body in (("POST", path, {"desc": "d", "roles": ["GROUP_OWNER"]}), ("PATCH", f"{path}/{made['id']}", {"roles": ["GROUP_OWNER"]}),
                                    ("POST", f"{path}/{made['id']}", [{"roles": ["GROUP_OWNER"]}]), ("PATCH", f"{path}/{owner['id']}", {"roles": ["GROUP_READ_ONLY"]}),
                                    ("DELETE", f"{path}/{owner['id']}", None), ("PATCH", f"{path}/{admin['id']}", {"roles": ["GROUP_DATABASE_ACCESS_ADMIN"]}),
                                    ("POST", f"{ATLAS}/groups/{self.group}/serviceAccounts",
                                     {"name": "n", "description": "d", "roles": ["GROUP_OWNER"], "secretExpiresAfterHours": 8})):
            status, _, error = self.site.call(method, where, body, key=admin)
            self.assertEqual((status, (error or {}).get("errorCode")), (403, "USER_UNAUTHORIZED"), (method, where, body))
        # The same of service accounts: one that it made, one of an owner, and one of the organization's owner.
        accounts = f"{ATLAS}/groups/{self.group}/serviceAccounts"
        body = {"name": "n", "description": "d", "secretExpiresAfterHours": 8}
        mine = self.site.call("POST", accounts, {**body, "roles": ["GROUP_READ_ONLY"]}, key=admin)[2]["clientId"]
        of_owner = self.site.call("POST", accounts, {**body, "roles": ["GROUP_OWNER"]})[2]["clientId"]
        of_org = self.site.call("POST", f"{ATLAS}/orgs/{self.site.org}/serviceAccounts", {**body, "roles": ["ORG_OWNER"]})[2]["clientId"]
        self.assertEqual(self.site.call("POST", f"{accounts}/{of_org}:invite", {"roles": ["GROUP_READ_ONLY"]})[0], 200)
        for method, where, roles in (("POST", f"{mine}:invite", ["GROUP_OWNER"]), ("PATCH", mine, ["GROUP_DATABASE_ACCESS_ADMIN"]), ("PATCH", of_owner, ["GROUP_READ_ONLY"]),
                                     ("POST", f"{of_owner}:invite", ["GROUP_READ_ONLY"]), ("DELETE", of_owner, None), ("DELETE", of_org, None),
                                     ("POST", f"{of_org}:invite", ["GROUP_USER_ADMIN"]), ("PATCH", of_org, ["GROUP_USER_ADMIN"])):
            status, _, error = self.site.call(method, f"{accounts}/{where}", roles and {"roles": roles}, key=admin)
            self.assertEqual((status, (error or {}).get("errorCode")), (403, "USER_UNAUTHORIZED"), (method, where, roles))
        roles = {one["clientId"]: one["roles"] for one in self.site.call("GET", accounts)[2]["results"]}
        self.assertEqual(roles, {mine: ["GROUP_READ_ONLY"], of_owner: ["GROUP_OWNER"], of_org: ["GROUP_READ_ONLY"]})
        self.assertEqual(self.site.call("PATCH", f"{accounts}/{mine}", {"roles": ["GROUP_USER_ADMIN"]}, key=admin)[0], 200)
        self.assertEqual(self.site.call("DELETE", f"{accounts}/{mine}", key=admin)[0], 204)
        self.assertEqual(self.site.call("PATCH", f"{path}/{made['id']}", {"roles": ["GROUP_READ_ONLY"]}, key=admin)[0], 200)
        self.assertEqual(self.site.call("DELETE", f"{path}/{made['id']}", key=admin)[0], 204)

    def test_whoever_makes_a_project_owns_it(self):
        key = self.key("ORG_GROUP_CREATOR")
        status, _, mine = self.site.call("POST", ATLAS + "/groups", {"name": "mine", "orgId": self.site.org}, key=key)
        self.assertEqual(status, 200, mine)
        path = f"{ATLAS}/groups/{mine['id']}"
        self.assertEqual([one["id"] for one in self.site.call("GET", ATLAS + "/groups", key=key)[2]["results"]], [mine["id"]])
        self.assertEqual(self.site.call("PATCH", path, {"name": "still mine"}, key=key)[0], 200)
        self.assertEqual(self.site.call("GET", f"{ATLAS}/groups/{self.group}", key=key)[0], 404)
        self.assertEqual(self.site.call("DELETE", path, key=key)[0], 204)
        self.assertEqual(self.site.call("GET", f"{ATLAS}/orgs/{self.site.org}/apiKeys/{key['id']}")[2]["roles"], [{"orgId": self.site.org, "roleName": "ORG_GROUP_CREATOR"}])
        # An owner of the organization needs no role of its own in what it makes.
        self.assertEqual(len(self.site.call("GET", f"{ATLAS}/orgs/{self.site.org}/apiKeys")[2]["results"]), 2)
        self.assertEqual(self.site.call("GET", f"{ATLAS}/groups/{self.project('theirs')}/apiKeys")[2]["totalCount"], 0)

    def test_whoever_is_bound_to_addresses_makes_nothing_that_is_not(self):
        owner = self.key("GROUP_OWNER")
        keys = f"{ATLAS}/orgs/{self.site.org}/apiKeys"
        self.assertEqual(self.site.call("POST", f"{keys}/{owner['id']}/accessList", [{"cidrBlock": "127.0.0.0/8"}])[0], 200)

        def ranges(key):
            return [one["cidrBlock"] for one in self.site.call("GET", f"{keys}/{key['id']}/accessList")[2]["results"]]
        self.assertEqual(ranges(owner), ["127.0.0.0/8"])
        made = self.site.call("POST", f"{ATLAS}/groups/{self.group}/apiKeys", {"desc": "d", "roles": ["GROUP_READ_ONLY"]}, key=owner)[2]
        self.assertEqual(ranges(made), ["127.0.0.0/8"])
        self.assertEqual(self.site.call("GET", f"{ATLAS}/groups/{self.group}", key=made)[0], 200)
        self.assertEqual(ranges(self.key("GROUP_USER_ADMIN")), [], "an owner of the organization says of each key from where")
        # An account is bound as well.
        body = {"name": "n", "description": "d", "roles": ["GROUP_READ_ONLY"], "secretExpiresAfterHours": 8}
        accounts = f"{ATLAS}/groups/{self.group}/serviceAccounts"
        bound = self.site.call("POST", accounts, body, key=owner)[2]
        self.assertEqual(self.token_opens(bound), 200)
        self.assertEqual(self.site.call("POST", f"{keys}/{owner['id']}/accessList", [{"cidrBlock": "203.0.113.0/24"}])[0], 200)
        self.assertEqual(self.site.call("DELETE", f"{keys}/{owner['id']}/accessList/127.0.0.0%2F8")[0], 204)
        self.assertEqual(self.site.call("GET", accounts, key=owner)[2]["errorCode"], "IP_ADDRESS_NOT_ON_WHITELIST")
        self.assertEqual(self.token_opens(bound), 200, "its own list is what it was made with")
        self.assertEqual(self.site.call("POST", f"{keys}/{made['id']}/accessList", [{"cidrBlock": "203.0.113.0/24"}])[0], 200)
        self.assertEqual(self.site.call("DELETE", f"{keys}/{made['id']}/accessList/127.0.0.0%2F8")[0], 204)
        self.assertEqual(self.site.call("GET", f"{ATLAS}/groups/{self.group}", key=made)[0], 403)

    def token_opens(self, account):
        login = base64.b64encode(f"{account['clientId']}:{account['secrets'][0]['secret']}".encode()).decode()
        link = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=30)
        link.request("POST", "/api/oauth/token", "grant_type=client_credentials", {"Authorization": "Basic " + login, "Content-Type": "application/x-www-form-urlencoded"})
        token = json.loads(link.getresponse().read())["access_token"]
        link.request("GET", f"{ATLAS}/groups/{self.group}", headers={"Authorization": "Bearer " + token})
        response = link.getresponse()
        response.read()
        link.close()
        return response.status

    def test_an_administrator_of_monitoring_names_no_files_and_frees_no_names(self):
        admin = self.key("GROUP_MONITORING_ADMIN")
        hosts = f"{MANAGER}/groups/{self.group}/hosts"
        host = {"hostname": "db1", "port": 1}
        login = {"authMechanismName": "SCRAM-SHA-256", "username": "u", "password": "p", "sslEnabled": True}
        for more in ({"caCertificatePath": "/etc/shadow"}, {**login, "clientCertificatePath": "/root/key.pem"}):
            status, _, error = self.site.call("POST", hosts, {**host, **more}, key=admin)
            self.assertEqual((status, error["errorCode"]), (403, "USER_UNAUTHORIZED"), more)
        status, _, one = self.site.call("POST", hosts, {**host, **login, "clusterName": "shopRS"}, key=admin)
        self.assertEqual(status, 201, one)
        one = f"{hosts}/{one['id']}"
        self.assertEqual(self.site.call("PATCH", one, {**login, "caCertificatePath": "/etc/shadow"}, key=admin)[0], 403)
        self.assertEqual(self.site.call("PATCH", one, {**login, "password": "q"}, key=admin)[0], 200)
        self.assertEqual(self.site.call("PATCH", one, {**login, "caCertificatePath": "/etc/ssl/ca.pem"})[0], 200)
        self.assertEqual(self.site.call("PATCH", one, login, key=admin)[0], 403, "an owner has named files: they would be gone")
        # One that monitoring has not seen yet may go, as a name that was mistyped.
        self.assertEqual(self.site.call("DELETE", one, key=admin)[0], 204)
        seen = self.site.call("POST", hosts, {**host, "clusterName": "shopRS"})[2]
        self.sampled(seen)
        other = next(one["id"] for one in self.site.call("GET", hosts)[2]["results"] if one["id"] != seen["id"])
        self.assertEqual(self.site.call("DELETE", f"{hosts}/{other}", key=admin)[0], 204, "not the last of its deployment")
        status, _, error = self.site.call("DELETE", f"{hosts}/{seen['id']}", key=admin)
        self.assertEqual((status, error["errorCode"]), (403, "USER_UNAUTHORIZED"))
        self.assertEqual([one["id"] for one in self.site.call("GET", hosts)[2]["results"]], [seen["id"]])
        self.assertEqual(self.site.call("DELETE", f"{hosts}/{seen['id']}")[0], 204)

    def sampled(self, host):
        """As an agent does that has seen it, and another member of its set."""
        key = self.site.call("POST", f"{MANAGER}/groups/{self.group}/agentapikeys", {"desc": "d"})[2]["key"]

        def call(path, body):
            login = base64.b64encode(f"{self.group}:{key}".encode()).decode()
            link = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=30)
            link.request("POST", "/agent/v1" + path, json.dumps(body), {"Authorization": "Basic " + login})
            response = link.getresponse()
            answer = json.loads(response.read())
            self.assertEqual(response.status, 200, answer)
            link.close()
            return answer
        hello = {"protocol": 1, "agentId": "a", "hostname": "a", "version": "v", "features": ["monitoring"], "platform": {"os": "linux", "arch": "x86_64"}}
        session = {"agentId": "a", "epoch": call("/hello", hello)["epoch"]}
        seen = [{"host": name, "reached": True, "typeName": "REPLICA_PRIMARY", "version": "8.0.4", "replicaSetName": "rs"} for name in (f"{host['hostname']}:{host['port']}", "db2:1")]
        call("/monitoring", {**session, "samples": [{"deploymentId": host["clusterId"], "hosts": seen}]})

    def test_an_organization_goes_last(self):
        path = f"{ATLAS}/orgs/{self.site.org}"
        status, _, renamed = self.site.call("PATCH", path, {"name": "Books"})
        self.assertEqual((status, renamed["name"]), (200, "Books"))
        self.assertEqual(self.site.call("PATCH", path, {"name": ""})[0], 400)
        status, _, error = self.site.call("DELETE", path)
        self.assertEqual((status, error["errorCode"]), (409, "CONFLICT"))
        self.assertIn("1 projects", error["detail"])
        self.assertEqual(self.site.call("DELETE", f"{ATLAS}/groups/{self.group}")[0], 204)
        self.assertEqual(self.site.call("DELETE", path)[0], 204)
        self.assertEqual(self.site.call("GET", path)[0], 401, "its keys are gone with it")
