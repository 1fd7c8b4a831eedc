"""Who gets in, and from where: IP access lists, service accounts; and what is told of it afterwards."""
import base64
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from harness.process import eventually
from harness.site import ATLAS, EXT
from test_atlas import HOST, AtlasTest
from test_live_imports import ImportTest


class AccessLists(AtlasTest):
    def test_of_a_project(self):
        site = self.site()
        path = f"{ATLAS}/groups/{self.project(site)}/accessList"
        status, _, page = site.call("POST", path, [{"ipAddress": "203.0.113.7", "comment": "mig01"}, {"cidrBlock": "10.1.2.3/8"}])
        self.assertEqual((status, page["totalCount"]), (201, 2), page)
        first, second = page["results"]
        self.assertEqual((first["cidrBlock"], first["ipAddress"], first["comment"]), ("203.0.113.7/32", "203.0.113.7", "mig01"))
        self.assertTrue(first["links"][0]["href"].endswith("/accessList/203.0.113.7%2F32"))
        self.assertEqual(second["cidrBlock"], "10.0.0.0/8")
        self.assertNotIn("ipAddress", second)
        for value in ("203.0.113.7", "203.0.113.7%2F32", "10.0.0.0%2F8"):
            self.assertEqual(site.call("GET", f"{path}/{value}")[0], 200, value)
            self.assertEqual(site.call("GET", f"{path}/{value}/status")[2], {"STATUS": "ACTIVE"})
        self.assertEqual(site.call("POST", path, [{"ipAddress": "203.0.113.7", "comment": "new"}])[2]["results"][0]["comment"], "new")
        self.assertEqual(site.call("DELETE", f"{path}/10.0.0.0%2F8")[0], 204)
        self.assertEqual(site.call("DELETE", f"{path}/10.0.0.0%2F8")[0], 404)
        self.assertEqual([one["cidrBlock"] for one in site.call("GET", path)[2]["results"]], ["203.0.113.7/32"])
        for body, code in (([{"ipAddress": "x"}], "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"), ([{"ipAddress": "10.0.0.0/8"}], "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"),
                           ({"ipAddress": "10.0.0.1"}, "INVALID_JSON"), ([1], "INVALID_JSON"), ([], "MISSING_ATTRIBUTE"), ([{}], "MISSING_ATTRIBUTE"),
                           ([{"awsSecurityGroup": "sg-1"}], "INVALID_ATTRIBUTE"), ([{"ipAddress": "10.0.0.1", "comment": "x" * 81}], "INVALID_ATTRIBUTE"),
                           ([{"ipAddress": "10.0.0.1", "deleteAfterDate": "soon"}], "INVALID_ATTRIBUTE"),
                           ([{"ipAddress": "10.0.0.1", "deleteAfterDate": "2020-01-01T00:00:00Z"}], "INVALID_ATTRIBUTE"),
                           ([{"ipAddress": "10.0.0.1", "deleteAfterdate": "2999-01-01T00:00:00Z"}], "INVALID_ATTRIBUTE"),
                           ([{"ipAddress": "1.2.3.4", "cidrBlock": "9.9.9.9/32"}], "INVALID_ATTRIBUTE"), ([{"ipAddress": "10.0.0.1", "cidrBlock": "10.0.0.0/8"}], "INVALID_ATTRIBUTE"),
                           ([{"ipAddress": "10.0.0.1", "cidrBlock": "x"}], "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"),
                           ([{"ipAddress": "10.0.0.1"}, {"cidrBlock": "10.0.0.1/32"}], "DUPLICATE_ADDRESSES_IN_INPUT")):
            status, _, error = site.call("POST", path, body)
            self.assertEqual((status, error["errorCode"]), (400, code), body)
        # As it was read, it may be sent.
        self.assertEqual(site.call("POST", path, [{"ipAddress": "203.0.113.7", "cidrBlock": "203.0.113.7/32"}])[0], 201)

    def test_the_last_owners_key_does_not_lock_itself_out(self):
        site = self.site()
        keys = f"{ATLAS}/orgs/{site.org}/apiKeys"
        own = next(key["id"] for key in site.call("GET", keys)[2]["results"] if key["publicKey"] == site.owner["publicKey"])
        path = f"{keys}/{own}/accessList"
        elsewhere = [{"ipAddress": "203.0.113.7"}]
        status, _, error = site.call("POST", path, elsewhere)
        self.assertEqual((status, error["errorCode"], "last key of an owner" in error["detail"]), (409, "CONFLICT", True))
        self.assertEqual(site.call("POST", path, [{"ipAddress": "127.0.0.1"}] + elsewhere)[0], 200)
        self.assertEqual(site.call("DELETE", f"{path}/127.0.0.1")[0], 409)
        self.assertEqual(site.call("DELETE", f"{path}/203.0.113.7")[0], 204)
        self.assertEqual(site.call("DELETE", f"{path}/127.0.0.1")[0], 204)  # from everywhere again
        _, _, other = site.call("POST", keys, {"desc": "d", "roles": ["ORG_OWNER"]})
        self.assertEqual(site.call("POST", path, elsewhere)[0], 200)  # another one lets it in again
        self.assertEqual(site.call("GET", keys)[0], 403)
        self.assertEqual(site.call("DELETE", f"{path}/203.0.113.7", key=other)[0], 204)

    def test_of_a_key(self):
        site = self.site()
        self.assertEqual(site.call("POST", f"{ATLAS}/orgs/{site.org}/apiKeys", {"desc": "d", "roles": ["ORG_OWNER"], "x": 1})[0], 400)
        _, _, key = site.call("POST", f"{ATLAS}/orgs/{site.org}/apiKeys", {"desc": "d", "roles": ["ORG_OWNER"]})
        path = f"{ATLAS}/orgs/{site.org}/apiKeys/{key['id']}/accessList"
        status, _, error = site.call("POST", path, [{"ipAddress": "1.2.3.4", "cidrBlock": "9.9.9.9/32"}])
        self.assertEqual((status, error["errorCode"]), (400, "INVALID_ATTRIBUTE"))
        self.assertEqual(site.call("POST", path, [{"cidrBlock": "10.0.0.0/8"}])[2]["totalCount"], 1)
        status, headers, error = site.call("GET", ATLAS + "/orgs", key=key)
        self.assertEqual((status, error["errorCode"], error["parameters"]), (403, "IP_ADDRESS_NOT_ON_WHITELIST", ["127.0.0.1"]))
        # A wrong secret learns nothing of the list.
        self.assertEqual(site.call("GET", ATLAS + "/orgs", key={**key, "privateKey": "x"})[0], 401)
        site.call("POST", path, [{"ipAddress": "127.0.0.1"}])
        self.assertEqual(site.call("GET", ATLAS + "/orgs", key=key)[0], 200)
        self.assertEqual(site.call("DELETE", f"{path}/127.0.0.1")[0], 204)
        self.assertEqual(site.call("DELETE", f"{path}/127.0.0.1")[0], 404)
        self.assertEqual(site.call("GET", ATLAS + "/orgs", key=key)[0], 403)
        self.assertEqual(site.call("GET", f"{ATLAS}/orgs/{site.org}/apiKeys/{'0' * 24}/accessList")[0], 404)


class MigrationHosts(ImportTest):
    def test_a_host_must_be_in_the_access_list(self):
        self.begin(hosts=[{**HOST, "externalAddress": "203.0.113.7"}])
        path = f"{ATLAS}/groups/{self.group}/liveMigrations/validate"
        refused = self.atlas.call("POST", path, self.body())[2]
        self.assertEqual(refused["status"], "FAILED")
        self.assertIn("203.0.113.7 of the migration host is not in the project's IP access list", refused["errorMessage"])
        self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/accessList", [{"cidrBlock": "203.0.113.0/24"}])
        self.assertEqual(self.atlas.call("POST", path, self.body())[2]["status"], "PENDING")

    def test_events(self):
        self.begin()
        migration = self.migrate()
        self.item(migration, "RUN")
        self.report(migration, "RUNNING", canCommit=True, lagTimeSeconds=0)
        self.cutover(migration)
        self.report(migration, "COMMITTED")
        self.wait_for(migration, "COMPLETE")
        wanted = ["CLUSTER_IMPORT_COMPLETED", "CLUSTER_IMPORT_CUTOVER", "CLUSTER_IMPORT_STARTED"]
        path = f"{ATLAS}/groups/{self.group}/events"

        def told():
            types = [event["eventTypeName"] for event in self.atlas.call("GET", path)[2]["results"]]
            return [name for name in types if name.startswith("CLUSTER_IMPORT")] == wanted
        eventually(told, 20, "the events")
        page = self.atlas.call("GET", path + "?eventType=CLUSTER_IMPORT_CUTOVER")[2]
        self.assertEqual((page["totalCount"], page["results"][0]["liveMigrationId"]), (1, migration))
        event = page["results"][0]["id"]
        self.assertEqual(self.atlas.call("GET", f"{path}/{event}")[2]["clusterName"], "shop-atlas")
        told = self.atlas.call("GET", f"{ATLAS}/orgs/{self.atlas.org}/events")[2]["results"]
        self.assertEqual([event["eventTypeName"] for event in told][-3:], ["CLUSTER_CREATED", "X_LINK_TOKEN_CREATED", "GROUP_CREATED"])
        # Who did it, and from where.
        self.assertEqual((told[-1]["publicKey"], told[-1]["remoteAddress"], told[-1]["groupId"]), (self.atlas.owner["publicKey"], "127.0.0.1", self.group))
        self.assertEqual(told[-3]["clusterName"], "shop-atlas")
        other = self.project(self.atlas, "other")
        self.assertEqual(self.atlas.call("GET", f"{ATLAS}/groups/{other}/events/{event}")[0], 404)
        migrations = f"{EXT}/groups/{self.group}/liveMigrations"
        self.assertEqual(self.atlas.call("GET", migrations)[2]["results"][0]["state"], "COMPLETE")
        self.assertEqual([self.atlas.call("GET", f"{migrations}?status={one}")[2]["totalCount"] for one in ("COMPLETE", "FAILED", "WORKING")], [1, 0, 0])
        for wrong in ("complete", ""):
            status, _, error = self.atlas.call("GET", f"{migrations}?status={wrong}")
            self.assertEqual((status, error["errorCode"]), (400, "INVALID_ENUM_VALUE"))


class ServiceAccounts(AtlasTest):
    def account(self, site, **changes):
        body = {"name": "robot", "description": "moves data", "roles": ["ORG_OWNER"], "secretExpiresAfterHours": 8, **changes}
        status, _, account = site.call("POST", f"{ATLAS}/orgs/{site.org}/serviceAccounts", body)
        self.assertEqual(status, 201, account)
        return account

    def oauth(self, site, action, client, secret, **form):
        login = base64.b64encode(f"{client}:{secret}".encode()).decode()
        request = urllib.request.Request(f"{site.url}/api/oauth/{action}", urllib.parse.urlencode(form).encode(), {"Authorization": "Basic " + login})
        return self.open(request)

    def token(self, site, client, secret):
        return self.oauth(site, "token", client, secret, grant_type="client_credentials")

    def get(self, site, path, token):
        return self.open(urllib.request.Request(site.url + path, headers={"Authorization": "Bearer " + token, "Accept": "application/vnd.atlas.2025-03-12+json"}))

    @staticmethod
    def open(request):
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def test_events_say_whose(self):
        site = self.site()
        account = self.account(site)
        client, path = account["clientId"], f"{ATLAS}/orgs/{site.org}/serviceAccounts"
        secret = site.call("POST", f"{path}/{client}/secrets", {"secretExpiresAfterHours": 8})[2]["id"]
        self.assertEqual(site.call("DELETE", f"{path}/{client}/secrets/{secret}")[0], 204)
        group = self.project(site)
        self.assertEqual(site.call("POST", f"{ATLAS}/groups/{group}/serviceAccounts/{client}:invite", {"roles": ["GROUP_READ_ONLY"]})[0], 200)
        self.assertEqual(site.call("DELETE", f"{path}/{client}")[0], 204)
        told = [one for one in site.call("GET", f"{ATLAS}/orgs/{site.org}/events")[2]["results"] if one["eventTypeName"].startswith("SERVICE_ACCOUNT")]
        self.assertEqual([(one["eventTypeName"], one["clientId"], one.get("secretId"), one["publicKey"]) for one in told],
                         [(name, client, about, site.owner["publicKey"]) for name, about in
                          (("SERVICE_ACCOUNT_DELETED", None), ("SERVICE_ACCOUNT_ADDED_TO_GROUP", None), ("SERVICE_ACCOUNT_SECRET_DELETED", secret),
                           ("SERVICE_ACCOUNT_SECRET_ADDED", secret), ("SERVICE_ACCOUNT_CREATED", None))])

    def test_a_token_opens_what_the_account_may(self):
        site = self.site()
        account = self.account(site)
        client, secret = account["clientId"], account["secrets"][0]["secret"]
        self.assertRegex(client, r"^mdb_sa_id_[a-f\d]{24}$")
        self.assertRegex(secret, "^mdb_sa_sk_")
        status, answer = self.token(site, client, secret)
        self.assertEqual((status, answer["token_type"], answer["expires_in"]), (200, "Bearer", 3600))
        token = answer["access_token"]
        self.assertEqual(self.get(site, f"{ATLAS}/orgs/{site.org}/liveMigrations/availableProjects", token), (200, []))
        # Over a kill, and no secret in the store or the log.
        site.process.kill()
        site.start()
        self.assertEqual(self.get(site, ATLAS + "/orgs", token)[0], 200)
        for hidden in (token, secret):
            found = subprocess.run(["grep", "-rlaF", hidden, site.data, site.process.stderr_path], capture_output=True, check=False)
            self.assertEqual(found.stdout, b"")
        status, _, read = site.call("GET", f"{ATLAS}/orgs/{site.org}/serviceAccounts/{client}")
        self.assertEqual((status, read["secrets"][0]["maskedSecretValue"]), (200, "mdb_sa_sk_..." + secret[-4:]))
        self.assertNotIn("secret", read["secrets"][0])
        self.assertIsNotNone(read["secrets"][0]["lastUsedAt"])
        self.assertEqual(self.oauth(site, "revoke", client, secret, token=token, token_type_hint="access_token"), (200, {}))
        self.assertEqual(self.get(site, ATLAS + "/orgs", token)[0], 401)
        token = self.token(site, client, secret)[1]["access_token"]
        self.assertEqual(site.call("DELETE", f"{ATLAS}/orgs/{site.org}/serviceAccounts/{client}")[0], 204)
        self.assertEqual(self.get(site, ATLAS + "/orgs", token)[0], 401)
        self.assertEqual(self.token(site, client, secret), (401, {"error": "invalid_client", "error_description": self.token(site, client, secret)[1]["error_description"]}))

    def test_what_is_wrong(self):
        site = self.site()
        one, two = self.account(site), self.account(site, roles=["ORG_MEMBER"])
        client, secret = one["clientId"], one["secrets"][0]["secret"]
        other, other_secret = two["clientId"], two["secrets"][0]["secret"]
        self.assertEqual(self.token(site, client, other_secret)[0], 401)
        self.assertEqual(self.oauth(site, "token", client, secret, grant_type="password")[1]["error"], "unsupported_grant_type")
        self.assertEqual(self.oauth(site, "introspect", client, secret)[0], 404)
        token = self.token(site, client, secret)[1]["access_token"]
        # Somebody else's token cannot be revoked.
        self.assertEqual(self.oauth(site, "revoke", other, other_secret, token=token)[0], 200)
        self.assertEqual(self.get(site, ATLAS + "/orgs", token)[0], 200)
        member = self.token(site, other, other_secret)[1]["access_token"]
        self.assertEqual(self.get(site, f"{ATLAS}/orgs/{site.org}/liveMigrations/availableProjects", member)[0], 403)
        for wrong in ("", "x", token[:-1], token + "x"):
            self.assertEqual(self.get(site, ATLAS + "/orgs", wrong)[0], 401)
        for changes in ({"roles": ["ORG_GOD"]}, {"roles": []}, {"secretExpiresAfterHours": 7}, {"secretExpiresAfterHours": "8"}, {"name": ""}, {"description": ""}):
            body = {"name": "r", "description": "d", "roles": ["ORG_OWNER"], "secretExpiresAfterHours": 8, **changes}
            self.assertEqual(site.call("POST", f"{ATLAS}/orgs/{site.org}/serviceAccounts", body)[0], 400, changes)

    def test_in_a_project(self):
        site = self.site()
        group, other = self.project(site), self.project(site, "other")
        base = f"{ATLAS}/groups/{group}"
        body = {"name": "robot", "description": "d", "roles": ["GROUP_READ_ONLY"], "secretExpiresAfterHours": 8}
        status, _, made = site.call("POST", base + "/serviceAccounts", body)
        self.assertEqual((status, made["roles"]), (201, ["GROUP_READ_ONLY"]), made)
        client = made["clientId"]
        self.assertEqual(site.call("GET", f"{ATLAS}/orgs/{site.org}/serviceAccounts/{client}")[2]["roles"], ["ORG_MEMBER"])
        token = self.token(site, client, made["secrets"][0]["secret"])[1]["access_token"]
        self.assertEqual(self.get(site, base, token)[0], 200)
        self.assertEqual(self.get(site, f"{ATLAS}/groups/{other}", token)[0], 404)
        # Into another project, and with other roles; each project's own.
        self.assertEqual(site.call("POST", f"{ATLAS}/groups/{other}/serviceAccounts/{client}:invite", {"roles": ["GROUP_OWNER"]})[2]["roles"], ["GROUP_OWNER"])
        self.assertEqual(self.get(site, f"{ATLAS}/groups/{other}", token)[0], 200)
        self.assertEqual(site.call("PATCH", f"{base}/serviceAccounts/{client}", {"roles": ["GROUP_OWNER", "GROUP_READ_ONLY"]})[2]["roles"], ["GROUP_OWNER", "GROUP_READ_ONLY"])
        self.assertEqual(site.call("GET", base + "/serviceAccounts")[2]["totalCount"], 1)
        for path, body, code in ((f"{base}/serviceAccounts/{client}", {"roles": ["ORG_OWNER"]}, "INVALID_ATTRIBUTE"), (f"{base}/serviceAccounts/{client}", {"roles": []}, "INVALID_ATTRIBUTE"),
                                 (f"{base}/serviceAccounts/{client}", {"name": "n", "roles": ["GROUP_OWNER"]}, "INVALID_ATTRIBUTE"),
                                 (f"{base}/serviceAccounts/mdb_sa_id_{'0' * 24}", {"roles": ["GROUP_OWNER"]}, "SERVICE_ACCOUNT_NOT_FOUND")):
            self.assertEqual(site.call("PATCH", path, body)[2]["errorCode"], code, body)
        changed = site.call("PATCH", f"{ATLAS}/orgs/{site.org}/serviceAccounts/{client}", {"name": "android", "roles": ["ORG_READ_ONLY"]})[2]
        self.assertEqual((changed["name"], changed["roles"], changed["description"]), ("android", ["ORG_READ_ONLY"], "d"))
        self.assertEqual(site.call("PATCH", f"{ATLAS}/orgs/{site.org}/serviceAccounts/{client}", {"roles": ["ORG_MEMBER"]})[0], 200)
        self.assertEqual(site.call("DELETE", f"{base}/serviceAccounts/{client}")[0], 204)
        self.assertEqual(site.call("DELETE", f"{base}/serviceAccounts/{client}")[2]["errorCode"], "SERVICE_ACCOUNT_NOT_FOUND")
        self.assertEqual(self.get(site, base, token)[0], 404)
        self.assertEqual(self.get(site, f"{ATLAS}/groups/{other}", token)[0], 200)

    def test_secrets_are_changed_one_by_one(self):
        site = self.site()
        account = self.account(site)
        client, old = account["clientId"], account["secrets"][0]
        path = f"{ATLAS}/orgs/{site.org}/serviceAccounts/{client}/secrets"
        status, _, new = site.call("POST", path, {"secretExpiresAfterHours": 24})
        self.assertEqual(status, 201, new)
        self.assertEqual(site.call("POST", path, {"secretExpiresAfterHours": 24})[0], 409)
        tokens = [self.token(site, client, one["secret"]) for one in (old, new)]
        self.assertEqual([status for status, _ in tokens], [200, 200])
        opens = lambda: [self.get(site, ATLAS + "/orgs", token["access_token"])[0] for _, token in tokens]
        self.assertEqual(opens(), [200, 200])
        self.assertEqual(site.call("DELETE", f"{path}/{old['id']}")[0], 204)
        self.assertEqual(opens(), [401, 200], "what a secret was shown for ends with it")
        self.assertEqual([self.token(site, client, one["secret"])[0] for one in (old, new)], [401, 200])
        self.assertEqual(site.call("DELETE", f"{path}/{old['id']}")[0], 404)
        # Tokens are for an hour, not for each call.
        answers = [self.token(site, client, new["secret"]) for _ in range(61)]
        self.assertEqual((answers[0][0], answers[-1][0], answers[-1][1]["errorCode"]), (200, 429, "RATE_LIMITED"))
        self.assertEqual(self.token(site, client, "wrong")[0], 401)
