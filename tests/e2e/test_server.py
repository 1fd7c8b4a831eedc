"""The control plane over HTTP: digest authentication, organizations, projects, API keys, in both families' conventions."""
import collections
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import re
import signal
import socket
import stat
import time
import urllib.error
import urllib.request

from harness.case import DroverTest
from harness.cli import Cli
from harness.process import eventually
from harness.site import ATLAS, EXT, MANAGER, Site


class ServerTest(DroverTest):
    once = True

    def start_clusters(self):
        pass

    def site(self, *more):
        return Site(self, *more)


class Conventions(ServerTest):
    def test_the_challenge(self):
        site = self.site()
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
        connection.request("GET", ATLAS + "/orgs")
        response = connection.getresponse()
        body = json.loads(response.read())
        self.assertEqual(response.status, 401)
        self.assertEqual([response.headers[name] for name in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control")],
                         ["DENY", "nosniff", "strict-origin-when-cross-origin", "no-store"])
        self.assertRegex(response.headers["WWW-Authenticate"],
                         r'^Digest realm="MMS Public API", domain="", nonce="[^"]{32}", algorithm=MD5, qop="auth", stale=false$')
        self.assertEqual(body, {"detail": "You are not authorized for this resource.", "error": 401,
                                "errorCode": "UNEXPECTED_ERROR", "reason": "Unauthorized"})
        connection.close()
        wrong = {"publicKey": site.owner["publicKey"], "privateKey": "wrong"}
        self.assertEqual(site.call("GET", ATLAS + "/orgs", key=wrong)[0], 401)

    def test_versions_envelopes_and_paging(self):
        site = self.site()
        status, headers, body = site.call("GET", ATLAS + "/orgs")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "application/vnd.atlas.2023-01-01+json;charset=utf-8")
        self.assertEqual((body["totalCount"], body["results"][0]["id"]), (1, site.org))
        self.assertEqual(body["results"][0]["links"][0], {"href": f"{site.url}{ATLAS}/orgs/{site.org}", "rel": "self"})
        self.assertIn("RateLimit-Remaining", headers)
        self.assertEqual(site.call("GET", ATLAS + "/orgs", accept="application/vnd.atlas.2020-01-01+json")[0], 406)
        self.assertEqual(site.call("GET", ATLAS + "/orgs", accept=None)[0], 200)
        for name in ("a", "b", "c"):
            self.assertEqual(site.call("POST", ATLAS + "/groups", {"name": name, "orgId": site.org})[0], 200)
        status, _, page = site.call("GET", ATLAS + "/groups?itemsPerPage=2&pageNum=1")
        self.assertEqual(([one["name"] for one in page["results"]], page["totalCount"]), (["a", "b"], 3))
        self.assertEqual([link["rel"] for link in page["links"]], ["self", "next"])
        for wrong in ("itemsPerPage=0", "itemsPerPage=501", "pageNum=x"):
            self.assertEqual(site.call("GET", f"{ATLAS}/groups?{wrong}")[0], 400)
        status, _, wrapped = site.call("GET", f"{ATLAS}/orgs/{site.org}?envelope=true&pretty=true")
        self.assertEqual((status, wrapped["status"], wrapped["content"]["id"]), (200, 200, site.org))
        self.assertEqual(site.call("GET", f"{ATLAS}/orgs?envelope=true")[2]["status"], 200)

    def test_errors(self):
        site = self.site()
        nobody = "0" * 24
        for method, path, body, status, code in (
                ("GET", f"/orgs/{nobody}", None, 404, "ORG_NOT_FOUND"), ("GET", "/orgs/x", None, 404, "INVALID_ORG_ID"),
                ("GET", f"/groups/{nobody}", None, 404, "GROUP_NOT_FOUND"), ("GET", "/nothing", None, 404, "RESOURCE_NOT_FOUND"),
                ("PUT", "/orgs", {}, 405, "METHOD_NOT_ALLOWED"), ("POST", "/groups", {}, 400, "MISSING_ATTRIBUTE"),
                ("POST", "/groups", {"name": "x" * 65, "orgId": site.org}, 400, "INVALID_ATTRIBUTE"),
                ("POST", "/groups", {"name": "x", "orgId": 1}, 400, "INVALID_ATTRIBUTE"),
                ("POST", "/groups", [], 400, "INVALID_JSON"),
                ("POST", f"/orgs/{site.org}/apiKeys", {"desc": "d", "roles": ["ORG_GOD"]}, 400, "INVALID_ATTRIBUTE"),
                ("GET", f"/orgs/{site.org}/apiKeys/{nobody}", None, 404, "API_KEY_NOT_FOUND")):
            with self.subTest(method=method, path=path, body=body):
                got, headers, error = site.call(method, ATLAS + path, body)
                self.assertEqual(headers["Allow"], "GET, HEAD, POST" if status == 405 else None)
                self.assertEqual((got, error["error"], error["errorCode"]), (status, status, code), error)
                self.assertEqual(headers["X-Error-Code"], code)

    def test_garbage_leaves_it_serving(self):
        site = self.site()
        for number in range(300):
            with socket.create_connection(("127.0.0.1", site.port), 10) as link:
                link.sendall(os.urandom(1 + number) + b"\r\n\r\n")
        digest = 'Digest username="a", realm="MMS Public API", nonce="' + "A" * 32 + '", uri="/", nc=1, cnonce="x", qop=auth, response="y"'
        for header in ("Digest", "Digest " + "x=" * 2000, digest, "Bearer x", "Basic eDp5"):
            connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
            connection.request("GET", ATLAS + "/orgs", headers={"Authorization": header})
            self.assertEqual(connection.getresponse().status, 401)
            connection.close()
        self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 200)

    def test_a_login_that_was_caught_is_not_taken_again(self):
        """Each count of a nonce once; out of order as well. Who is refused so logs in anew, as clients do by themselves."""
        site = self.site()
        path = f"{ATLAS}/orgs/{site.org}/apiKeys"

        def send(header, method="GET", body=None):
            connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
            connection.request(method, path, body, {"Authorization": header, "Content-Type": "application/json"} if header else {})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status, answer.headers.get("WWW-Authenticate", "")

        def login(nonce, count, method="GET"):
            md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
            ha1, ha2 = md5(f"{site.owner['publicKey']}:MMS Public API:{site.owner['privateKey']}"), md5(f"{method}:{path}")
            response = md5(f"{ha1}:{nonce}:{count:08x}:abc:auth:{ha2}")
            return (f'Digest username="{site.owner["publicKey"]}", realm="MMS Public API", nonce="{nonce}", uri="{path}", '
                    f'qop=auth, nc={count:08x}, cnonce="abc", response="{response}"')

        def nonce():
            return re.search(r'nonce="([^"]+)"', send(None)[1])[1]
        one, other = nonce(), nonce()
        self.assertNotEqual(one, other)
        made = login(one, 1, "POST")
        body = json.dumps({"desc": "of the caller", "roles": ["ORG_MEMBER"]})
        self.assertEqual(send(made, "POST", body)[0], 200)
        status, challenge = send(made, "POST", body)
        self.assertEqual(status, 401)
        self.assertIn("stale=true", challenge)
        self.assertEqual(len(site.call("GET", path)[2]["results"]), 2, "the owner's and one more")
        for count in (5, 3, 4, 2):
            self.assertEqual(send(login(one, count))[0], 200, count)
        self.assertEqual(send(login(one, 4))[0], 401)
        self.assertEqual(send(login(other, 1))[0], 200)
        # A client of the widest use: by a challenge for each request, by one for many, and side by side.
        for _ in range(5):
            self.assertEqual(site.call("GET", path)[0], 200)
        shared = nonce()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            self.assertEqual(set(pool.map(lambda count: send(login(shared, count))[0], random.sample(range(1, 101), 100))), {200})
        # What an earlier process has taken, the next one does not take either.
        last = login(other, 2)
        self.assertEqual(send(last)[0], 200)
        site.process.stop()
        site.keep_port = True
        site.start()
        self.assertEqual(send(last)[0], 401)
        self.assertEqual(site.call("GET", path)[0], 200)

    def test_plain_http_stays_on_loopback(self):
        data = os.path.join(self.directory, "data")
        for addresses in ("0.0.0.0", "127.0.0.1,0.0.0.0", "::", "127.0.0.1,", "", "127.example.com"):
            with self.subTest(addresses=addresses):
                refused = self.run_drover("server", "--data", data, "--port", "0", "--bind-ip", addresses, timeout=30)
                self.assert_exit(refused, 2, "--tls-certificate-key-file, or --insecure-plain-http")
        self.assertFalse(os.path.exists(data), "nothing was made")
        for more in (["--bind-ip", "127.0.0.1,127.0.0.2"], ["--bind-ip", "0.0.0.0", "--insecure-plain-http"]):
            with self.subTest(more=more):
                site = Site(self, *more, data="data of " + more[1])
                self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 200)
                self.assertEqual("may be read and changed on its way" in site.process.stderr(), len(more) > 2)

    def test_a_public_url_that_nobody_can_use_is_refused(self):
        data = os.path.join(self.directory, "data")
        for url in ("nonsense", "ftp://x", "http://", "http://x y", "https://x:99999", "http://u:pSecret@127.0.0.1:8080", "http://x?a=b"):
            with self.subTest(url=url):
                refused = self.run_drover("server", "--data", data, "--port", "0", "--public-url", url, timeout=30)
                self.assert_exit(refused, 2, "--public-url: not a URL that can be used")
                self.assertNotIn("pSecret", refused.stderr() + refused.stdout())
        self.assertFalse(os.path.exists(data), "nothing was made")
        site = Site(self, "--public-url", "https://drover.example.net/", data="good")
        [org] = site.call("GET", ATLAS + "/orgs")[2]["results"]
        self.assertTrue(org["links"][0]["href"].startswith("https://drover.example.net/api/atlas/v2/orgs/"), org)

    def test_ten_thousand_malformed_requests(self):
        """Requests of every kind with a few bytes changed, cut off, or said twice: none is a fault of the server's own."""
        site = self.site()
        chance = random.Random(7)
        body = json.dumps({"name": "p", "orgId": site.org, "roles": ["GROUP_OWNER"], "desc": "d", "n": [1, -1, 1e300, None, True, "\u0000"]})
        login = 'Digest username="a", realm="MMS Public API", nonce="' + "A" * 32 + '", uri="/", nc=1, cnonce="x", qop=auth, response="y"'
        kinds = [(method, path, more)
                 for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "")
                 for path in (ATLAS + "/orgs", ATLAS + "/groups?pageNum=1&itemsPerPage=500&envelope=true&pretty=true", ATLAS + f"/groups/{site.org}/clusters",
                              "/api/oauth/token", "/api/ext/v1/openapi.json", MANAGER + "/orgs", "/%00/..%2f../etc/passwd", "*", "http://x/")
                 for more in ("", f"Authorization: {login}\r\n", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n", "Accept: application/vnd.atlas.2023-01-01+json\r\n")]
        answers = collections.Counter()
        for number in range(10_000):
            method, path, more = chance.choice(kinds)
            request = bytearray(f"{method} {path} HTTP/1.{number % 2}\r\nHost: x\r\nContent-Type: application/json\r\n{more}"
                                f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            for _ in range(chance.randrange(6)):
                request[chance.randrange(len(request))] = chance.randrange(256)
            if number % 5 == 0:
                del request[chance.randrange(len(request)):]
            if number % 7 == 0:
                request = request + request
            with socket.create_connection(("127.0.0.1", site.port), 30) as link:
                link.sendall(request)
                link.shutdown(socket.SHUT_WR)
                answer = b""
                while more := link.recv(65536):
                    answer += more
            if answer:
                answers[int(answer.split(b" ", 2)[1])] += 1
            self.assertFalse(answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")) and b" 503 " not in answer[:20] and b" 501 " not in answer[:20], (request, answer[:300]))
        self.assertTrue(site.process.running())
        self.assertGreater(sum(answers.values()), 5_000, answers)
        eventually(lambda: site.call("GET", ATLAS + "/orgs")[0] == 200, 60, "the site to serve again")


class Access(ServerTest):
    def test_each_role(self):
        site = self.site()
        status, _, project = site.call("POST", ATLAS + "/groups", {"name": "p", "orgId": site.org})
        self.assertEqual(status, 200)
        other = self.run_drover("server", "--data", site.data + " other", "--create-organization", "Other", timeout=60)
        stranger = self.last_json(other)
        self.assertEqual(site.call("GET", ATLAS + "/orgs", key=stranger)[0], 401)
        rows = {"ORG_OWNER": "yyyyy", "ORG_MEMBER": "yy---", "ORG_GROUP_CREATOR": "yyy--", "ORG_READ_ONLY": "yy-y-"}
        for role, may in rows.items():
            status, _, key = site.call("POST", f"{ATLAS}/orgs/{site.org}/apiKeys", {"desc": role, "roles": [role]})
            self.assertEqual((status, key["roles"]), (200, [{"orgId": site.org, "roleName": role}]))
            answers = [site.call("GET", f"{ATLAS}/orgs/{site.org}", key=key)[0],
                       site.call("GET", f"{ATLAS}/orgs/{site.org}/apiKeys", key=key)[0],
                       site.call("POST", ATLAS + "/groups", {"name": role, "orgId": site.org}, key=key)[0],
                       site.call("GET", f"{ATLAS}/groups/{project['id']}", key=key)[0],
                       site.call("DELETE", f"{ATLAS}/orgs/{site.org}/apiKeys/{'0' * 24}", key=key)[0]]
            allowed = ["y" if status in (200, 404) else "-" for status in answers[:3]]
            allowed += ["y" if answers[3] == 200 else "-", "y" if answers[4] == 404 else "-"]
            self.assertEqual("".join(allowed), may, (role, answers))

    def test_keys_are_shown_once_and_can_be_withdrawn(self):
        site = self.site()
        _, _, key = site.call("POST", f"{ATLAS}/orgs/{site.org}/apiKeys", {"desc": "d", "roles": ["ORG_OWNER"]})
        self.assertRegex(key["publicKey"], "^[a-z]{8}$")
        self.assertRegex(key["privateKey"], "^[0-9a-f-]{36}$")
        _, _, listed = site.call("GET", f"{ATLAS}/orgs/{site.org}/apiKeys")
        self.assertNotIn(key["privateKey"], json.dumps(listed))
        self.assertEqual(listed["totalCount"], 2)
        self.assertEqual(site.call("GET", ATLAS + "/orgs", key=key)[0], 200)
        first = next(one for one in listed["results"] if one["publicKey"] == site.owner["publicKey"])
        self.assertEqual(site.call("DELETE", f"{ATLAS}/orgs/{site.org}/apiKeys/{first['id']}", key=key)[0], 204)
        self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 401)
        # The last owner's stays.
        status, _, error = site.call("DELETE", f"{ATLAS}/orgs/{site.org}/apiKeys/{key['id']}", key=key)
        self.assertEqual((status, error["errorCode"]), (409, "CONFLICT"))
        with open(site.process.stderr_path, encoding="utf-8") as log:
            self.assertNotIn(key["privateKey"], log.read())

    def test_keys_change(self):
        site = self.site()
        group = site.call("POST", ATLAS + "/groups", {"name": "p", "orgId": site.org})[2]["id"]
        keys, in_group = f"{ATLAS}/orgs/{site.org}/apiKeys", f"{ATLAS}/groups/{group}/apiKeys"
        first = site.call("GET", keys)[2]["results"][0]["id"]
        status, _, error = site.call("PATCH", f"{keys}/{first}", {"roles": ["ORG_MEMBER"]})
        self.assertEqual((status, error["errorCode"]), (409, "CONFLICT"))
        self.assertEqual(site.call("PATCH", f"{keys}/{first}", {"desc": "ours"})[2]["desc"], "ours")
        key = site.call("POST", keys, {"desc": "d", "roles": ["ORG_OWNER"]})[2]
        # A role in a project beside those in the organization, by each of the two ways; each set of roles is changed without the other.
        self.assertEqual(site.call("POST", f"{in_group}/{key['id']}", [{"roles": ["GROUP_READ_ONLY"]}])[0], 204)
        changed = site.call("PATCH", f"{keys}/{key['id']}", {"roles": ["ORG_MEMBER"]})[2]
        self.assertEqual(changed["roles"], [{"groupId": group, "roleName": "GROUP_READ_ONLY"}, {"orgId": site.org, "roleName": "ORG_MEMBER"}])
        self.assertEqual(site.call("PATCH", f"{ATLAS}/groups/{group}", {"name": "q"}, key=key)[0], 403)
        changed = site.call("PATCH", f"{in_group}/{key['id']}", {"roles": ["GROUP_OWNER"]})[2]
        self.assertEqual(changed["roles"], [{"orgId": site.org, "roleName": "ORG_MEMBER"}, {"groupId": group, "roleName": "GROUP_OWNER"}])
        self.assertEqual(site.call("PATCH", f"{ATLAS}/groups/{group}", {"name": "q"}, key=key)[0], 200)
        self.assertEqual(site.call("PATCH", f"{keys}/{first}", {"roles": ["ORG_MEMBER"]})[0], 409, "the second is an owner no more")
        self.assertEqual(site.call("PATCH", f"{keys}/{key['id']}", {"roles": ["ORG_OWNER"]})[0], 200)
        self.assertEqual(site.call("PATCH", f"{keys}/{first}", {"roles": ["ORG_READ_ONLY"]})[0], 200)
        self.assertEqual(site.call("PATCH", f"{keys}/{first}", {"roles": ["ORG_OWNER"]})[0], 403)
        for path, body, code in ((f"{keys}/{first}", {"roles": []}, "INVALID_ATTRIBUTE"), (f"{keys}/{first}", {"roles": ["GROUP_OWNER"]}, "INVALID_ATTRIBUTE"),
                                 (f"{keys}/{first}", {"publicKey": "x"}, "INVALID_ATTRIBUTE"), (f"{keys}/{first}", {"desc": ""}, "MISSING_ATTRIBUTE"),
                                 (f"{in_group}/{first}", {"roles": ["ORG_OWNER"]}, "INVALID_ATTRIBUTE"), (f"{keys}/{'0' * 24}", {"desc": "d"}, "API_KEY_NOT_FOUND")):
            self.assertEqual(site.call("PATCH", path, body, key=key)[2]["errorCode"], code, (path, body))
        self.assertEqual(site.call("POST", f"{keys}/{first}/accessList", [{"cidrBlock": "203.0.113.0/24"}], key=key)[0], 200)
        entry = site.call("GET", f"{keys}/{first}/accessList/203.0.113.0%2F24", key=key)[2]
        self.assertEqual(entry["cidrBlock"], "203.0.113.0/24")
        self.assertEqual(site.call("GET", f"{keys}/{first}/accessList/203.0.113.1", key=key)[0], 404)

    def test_too_many_failures_lock_the_address_out(self):
        site = self.site()
        wrong = {"publicKey": "aaaaaaaa", "privateKey": "wrong"}
        statuses = [site.call("GET", ATLAS + "/orgs", key=wrong)[0] for _ in range(70)]
        self.assertEqual((statuses[0], statuses[-1]), (401, 429))
        # Nobody who has not logged in from there before, whatever his key; who has, is known.
        self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 429)
        site.process.stop()
        site.start()
        self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 200)
        for _ in range(70):
            site.call("GET", ATLAS + "/orgs", key=wrong)
        self.assertEqual(site.call("GET", ATLAS + "/orgs", key=wrong)[0], 429)
        self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 200)


class Projects(ServerTest):
    def test_their_names(self):
        site = self.site()
        first = site.call("POST", ATLAS + "/groups", {"name": "first", "orgId": site.org})[2]
        site.call("POST", ATLAS + "/groups", {"name": "second", "orgId": site.org})
        self.assertEqual(site.call("GET", MANAGER + "/groups/byName/first", accept=None)[2]["id"], first["id"])
        self.assertEqual(site.call("GET", ATLAS + "/groups/byName/none")[2]["errorCode"], "GROUP_NAME_NOT_FOUND")
        path = f"{ATLAS}/groups/{first['id']}"
        self.assertEqual(site.call("PATCH", path, {"name": "second"})[2]["errorCode"], "GROUP_ALREADY_EXISTS")
        for body in ({}, {"name": ""}, {"name": "x" * 65}, {"name": "a", "tags": []}):
            self.assertEqual(site.call("PATCH", path, body)[0], 400, body)
        self.assertEqual(site.call("PATCH", path, {"name": "third"})[2]["name"], "third")
        self.assertEqual(site.call("GET", ATLAS + "/groups/byName/third")[2]["id"], first["id"])
        self.assertEqual(site.call("GET", ATLAS + "/groups/byName/first")[0], 404)
        # Whoever may not see it does not find it.
        member = site.call("POST", f"{ATLAS}/orgs/{site.org}/apiKeys", {"desc": "m", "roles": ["ORG_MEMBER"]})[2]
        self.assertEqual(site.call("GET", ATLAS + "/groups/byName/third", key=member)[0], 404)


    def test_what_they_are_not(self):
        site = self.site()
        for more in ({"tags": [{"key": "k", "value": "v"}]}, {"regionUsageRestrictions": "GOV_REGIONS_ONLY"}):
            self.assertEqual(site.call("POST", ATLAS + "/groups", {"name": "p", "orgId": site.org, **more})[2]["errorCode"], "INVALID_ATTRIBUTE", more)
        # As the official client sends it.
        body = {"clusterCount": 0, "created": "0001-01-01T00:00:00Z", "name": "p", "orgId": site.org, "withDefaultAlertsSettings": True}
        self.assertEqual(site.call("POST", ATLAS + "/groups", body)[0], 200)


class ChosenEvents(ServerTest):
    def test_by_type_cluster_and_time(self):
        site = self.site()
        group = site.call("POST", ATLAS + "/groups", {"name": "p", "orgId": site.org})[2]["id"]
        path = f"{ATLAS}/groups/{group}/events"
        for cidr in ("203.0.113.1", "203.0.113.2"):
            self.assertEqual(site.call("POST", f"{ATLAS}/groups/{group}/accessList", [{"ipAddress": cidr}])[0], 201)

        def types(query):
            status, _, answer = site.call("GET", path + query)
            self.assertEqual((status, answer["totalCount"]), (200, len(answer["results"])), answer)
            return [event["eventTypeName"] for event in answer["results"]]

        added = "NETWORK_PERMISSION_ENTRY_ADDED"
        self.assertEqual(types(""), [added, added, "GROUP_CREATED"])
        self.assertEqual(types("?eventType=GROUP_CREATED"), ["GROUP_CREATED"])
        self.assertEqual(types(f"?eventType=GROUP_CREATED&eventType={added}"), [added, added, "GROUP_CREATED"])
        self.assertEqual(types(f"?eventType=GROUP_CREATED,{added}&excludedEventType={added}"), ["GROUP_CREATED"])
        self.assertEqual(types("?clusterNames=shop"), [])
        self.assertEqual(types("?minDate=2020-01-01T00:00:00Z&maxDate=2020-01-02T00:00:00Z"), [])
        self.assertEqual(len(types("?minDate=2020-01-01T00:00:00Z")), 3)
        self.assertEqual(site.call("GET", path + "?minDate=yesterday")[2]["errorCode"], "INVALID_QUERY_PARAMETER")


class Organizations(ServerTest):
    def test_as_many_as_may_be_made_with_the_keys_of_one(self):
        """Those that came of it count, too: or each new owner's key would make as many again."""
        site = self.site()
        key = site.owner
        for number in range(100):
            status, _, made = site.call("POST", ATLAS + "/orgs", {"name": f"org {number}", "apiKey": {"desc": "d", "roles": ["ORG_OWNER"]}}, key=key)
            self.assertEqual(status, 201, made)
            key = made["apiKey"] if number % 2 else site.owner
        for caller in (key, site.owner):
            status, _, error = site.call("POST", ATLAS + "/orgs", {"name": "one more", "apiKey": {"desc": "d", "roles": ["ORG_OWNER"]}}, key=caller)
            self.assertEqual((status, error["errorCode"]), (409, "CONFLICT"))
            self.assertIn("100 organizations", error["detail"])
        site.process.stop()
        other = self.run_drover("server", "--data", site.data, "--create-organization", "Another")
        self.assertEqual(other.child.returncode, 0, other.tail())


class Names(ServerTest):
    """Whatever has a name or a description: nothing that nobody can read, at no route."""

    def routes(self, site, group):
        """(method, path, the body with this name)"""
        def owner(name, desc):
            return {"name": name, "apiKey": {"desc": desc, "roles": ["ORG_OWNER"]}}
        orgs, in_group = f"{ATLAS}/orgs/{site.org}", f"{ATLAS}/groups/{group}"
        container = site.call("POST", in_group + "/containers", {"providerName": "GCP", "atlasCidrBlock": "10.24.0.0/18"})[2]["id"]
        return [
            ("POST", ATLAS + "/orgs", lambda text: owner(text, "d")),
            ("POST", ATLAS + "/orgs", lambda text: owner("Books", text)),
            ("POST", ATLAS + "/groups", lambda text: {"name": text, "orgId": site.org}),
            ("PATCH", in_group, lambda text: {"name": text}),
            ("POST", orgs + "/apiKeys", lambda text: {"desc": text, "roles": ["ORG_MEMBER"]}),
            ("POST", in_group + "/apiKeys", lambda text: {"desc": text, "roles": ["GROUP_OWNER"]}),
            ("POST", orgs + "/serviceAccounts", lambda text: {"name": text, "description": "d", "roles": ["ORG_MEMBER"], "secretExpiresAfterHours": 8}),
            ("POST", orgs + "/serviceAccounts", lambda text: {"name": "n", "description": text, "roles": ["ORG_MEMBER"], "secretExpiresAfterHours": 8}),
            ("POST", in_group + "/accessList", lambda text: [{"ipAddress": "192.0.2.1", "comment": text}]),
            ("POST", in_group + "/databaseUsers", lambda text: {"databaseName": "admin", "groupId": group, "username": text, "password": "long enough",
                                                                "roles": [{"databaseName": "admin", "roleName": "atlasAdmin"}]}),
            ("POST", f"{EXT}/groups/{group}/clusters", lambda text: {"name": text, "connectionString": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=10"}),
            ("POST", in_group + "/databaseUsers", lambda text: {"databaseName": "admin", "groupId": group, "username": "u", "password": "long enough",
                                                                "roles": [{"databaseName": "admin", "roleName": "atlasAdmin"}], "labels": [{"key": text, "value": "v"}]}),
            ("POST", in_group + "/peers", lambda text: {"providerName": "GCP", "containerId": container, "gcpProjectId": "p", "networkName": text}),
            ("POST", f"{MANAGER}/groups/{group}/agentapikeys", lambda text: {"desc": text}),
            ("POST", f"{MANAGER}/groups/{group}/hosts", lambda text: {"hostname": "h", "port": 1, "clusterName": text}),
        ]

    def test_what_nobody_can_read_is_refused(self):
        site = self.site("--role", "both")
        group = site.call("POST", ATLAS + "/groups", {"name": "Shop", "orgId": site.org})[2]["id"]
        for method, path, body in self.routes(site, group):
            for text in (" ", "\t", "   ", "\u3000\u00a0", "a\nb", "a\u0000", "\u001b[31mred", "a\u202eb", "x" * 2000):
                with self.subTest(path=path, text=text[:20]):
                    status, headers, error = site.call(method, path, body(text))
                    self.assertEqual(status, 400, error)
                    self.assertIn(headers["X-Error-Code"], ("INVALID_ATTRIBUTE", "MISSING_ATTRIBUTE"), error)
                    self.assertRegex(error["detail"], "must (have|not be)", error)
            raw = json.dumps(body("NAME")).encode().replace(b"NAME", b"a\xff")
            self.assertEqual(self.raw_call(site, method, path, raw)[0], 400, path)
        self.assertEqual(site.call("GET", f"{ATLAS}/groups/{group}")[2]["name"], "Shop")
        self.assertEqual(site.call("GET", ATLAS + "/orgs")[2]["totalCount"], 1)
        self.assertEqual(site.call("PATCH", f"{ATLAS}/groups/{group}", {"name": "Caf\u00e9 \u5e97\u8216 (prod)"})[0], 200)
        for name in (" ", "a\tb", "x" * 65):
            process = self.run_drover("server", "--data", os.path.join(self.directory, "other"), "--create-organization", name)
            self.assertEqual(process.child.returncode, 2, process.tail())
            self.assertIn("name must have 1 to 64", process.stderr())

    @staticmethod
    def raw_call(site, method, path, body):
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, site.url, site.owner["publicKey"], site.owner["privateKey"])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPDigestAuthHandler(passwords))
        request = urllib.request.Request(site.url + path, body, {"Content-Type": "application/json"}, method=method)
        try:
            with opener.open(request, timeout=30) as response:
                return site.read(response)
        except urllib.error.HTTPError as error:
            with error:
                return site.read(error)


class Roles(ServerTest):
    def test_a_manager_serves_its_own_family(self):
        site = self.site("--role", "manager")
        self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 404)
        status, headers, made = site.call("POST", MANAGER + "/groups", {"name": "p", "orgId": site.org}, accept="application/json")
        self.assertEqual((status, headers["Content-Type"], made["publicApiEnabled"]), (201, "application/json", True))

    def test_it_keeps_everything_over_kill_9(self):
        site = self.site()
        _, _, project = site.call("POST", ATLAS + "/groups", {"name": "p", "orgId": site.org})
        site.process.kill()
        site.start()
        self.assertEqual(site.call("GET", f"{ATLAS}/groups/{project['id']}")[2]["name"], "p")
        self.assertEqual(site.call("POST", ATLAS + "/groups", {"name": "p", "orgId": site.org})[0], 409)
        mode = stat.S_IMODE(os.stat(os.path.join(site.data, "key")).st_mode)
        self.assertEqual(mode, 0o600)
        os.chmod(os.path.join(site.data, "key"), 0o644)
        site.process.kill()
        refused = self.run_drover("server", "--data", site.data, "--port", "0", timeout=30)
        self.assertEqual(refused.child.returncode, 3, refused.tail())
        self.assertIn("chmod 600", refused.stderr())

    def test_a_store_that_is_not_reached_is_waited_for_by_whoever_starts_it(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            uri = f"mongodb://127.0.0.1:{nobody.getsockname()[1]}/?replicaSet=store&serverSelectionTimeoutMS=1000"
            away = self.run_drover("server", "--data", os.path.join(self.directory, "away"), "--store", uri, "--port", "0", timeout=60)
        self.assertEqual(away.child.returncode, 75, away.tail())
        self.assertIn("store: ", away.stderr())
        self.assertNotIn("source", away.stderr())


class SharedStore(ServerTest):
    def test_a_store_that_hangs(self):
        """What needs no store is answered at once, what needs it is refused in time, by name; and all goes on when it answers again."""
        store = self.cluster("store")
        site = Site(self, "--store", store.uri, "--key-file", os.path.join(self.directory, "store key"))

        def ask(path, login=True):
            begun = time.monotonic()
            if login:
                status, headers, body = site.send("GET", path, None, None, None)
            else:
                try:
                    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(site.url + path, timeout=30) as response:
                        status, headers, body = response.status, response.headers, None
                except urllib.error.HTTPError as error:
                    with error:
                        status, headers, body = error.code, error.headers, None
            return status, headers, body, time.monotonic() - begun

        self.assertEqual(ask(ATLAS + "/orgs")[0], 200)
        os.kill(store.process.child.pid, signal.SIGSTOP)
        try:
            with concurrent.futures.ThreadPoolExecutor(60) as pool:
                asked = [pool.submit(ask, ATLAS + "/orgs") for _ in range(60)]
                time.sleep(1)
                for path, status in ((EXT + "/openapi.json", 200), (ATLAS + "/orgs", 401)):
                    got = ask(path, login=False)
                    self.assertEqual(got[0], status)
                    self.assertLess(got[3], 10, path)
                for future in asked:
                    status, headers, body, seconds = future.result()
                    self.assertEqual((status, headers["Retry-After"], body["errorCode"]), (503, "5", "SERVICE_UNAVAILABLE"))
                    self.assertIn("store does not answer", body["detail"])
                    self.assertLess(seconds, 20)
            told = ask(ATLAS + "/orgs")
            self.assertEqual(told[0], 503)
            self.assertLess(told[3], 20)
            cli = Cli(self, site)
            self.assertIn("The site's store does not answer", cli.fails(75, "org", "list")["message"])
        finally:
            os.kill(store.process.child.pid, signal.SIGCONT)
        eventually(lambda: ask(ATLAS + "/orgs")[0] == 200, 20, "the store answers again")

    def test_an_organization_that_was_cut_off_is_made_by_asking_again(self):
        store = self.cluster("store")
        options = ("--store", store.uri, "--key-file", os.path.join(self.directory, "store key"))
        cut = self.run_drover("server", "--data", os.path.join(self.directory, "data"), "--create-organization", "Shop", *options, timeout=60,
                              environment={"DROVER_FAIL_POINT": "server.before_organization"})
        self.assertEqual(cut.child.returncode, -signal.SIGKILL, cut.tail())
        self.assertEqual(store.client().drover.orgs.count_documents({}), 0, "nobody could get into it")
        site = Site(self, *options)
        self.assertEqual([one["id"] for one in site.call("GET", ATLAS + "/orgs")[2]["results"]], [site.org])
        self.assertEqual(store.client().drover.orgs.count_documents({}), 1)

    def test_an_election_of_the_store_is_waited_for(self):
        store = self.cluster("store")
        site = Site(self, "--store", store.uri, "--key-file", os.path.join(self.directory, "store key"))
        store.client().admin.command("replSetStepDown", 8, force=True)
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            reads = [pool.submit(site.call, "GET", ATLAS + "/orgs") for _ in range(8)]
            writes = [pool.submit(site.call, "POST", ATLAS + "/groups", {"name": f"P{number}", "orgId": site.org}) for number in range(4)]
            self.assertEqual([future.result()[0] for future in reads], [200] * 8)
            self.assertEqual([future.result()[0] for future in writes], [200] * 4)
        self.assertGreater(time.monotonic() - begun, 3, "there was no primary")
        self.assertEqual(site.call("GET", ATLAS + "/groups")[2]["totalCount"], 4)

    def test_two_servers_on_one_store(self):
        store = self.cluster("store")
        key_file = os.path.join(self.directory, "shared key")
        options = ("--store", store.uri, "--key-file", key_file)
        site = Site(self, *options)
        port_file = os.path.join(self.directory, "second port")
        second = self.start("server", "--data", site.data + " 2", "--port", "0", "--port-file", port_file, *options)
        eventually(lambda: os.path.exists(port_file) or not second.running(), 30, "the second port")
        with open(port_file, encoding="ascii") as file:
            url = f"http://127.0.0.1:{int(file.read())}"
        _, _, project = site.call("POST", ATLAS + "/groups", {"name": "p", "orgId": site.org})
        first, site.url = site.url, url
        self.assertEqual(site.call("GET", f"{ATLAS}/groups/{project['id']}")[2]["name"], "p")
        site.url = first
