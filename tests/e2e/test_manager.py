"""The manager site and its agents: monitoring by metadata only, the link to an Atlas site, validations and migrations on a
migration host, and what any process's end leaves."""
import base64
import concurrent.futures
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import time

from harness import clusters
from harness.agent import AgentProcess, Project
from harness.atlas_site import AtlasSite
from harness.case import DroverTest
from harness.process import eventually
from harness.proxy import ConnectProxy, FaultProxy, command_name
from harness.report import NotRun
from harness.site import EXT, MANAGER, Site
from harness.writers import SlowWriter

# What monitoring may send (agent/monitoring_commands.cc), and what a driver sends by itself.
MONITORING = {"isMaster", "ping", "buildInfo", "hostInfo", "serverStatus", "replSetGetStatus", "replSetGetConfig", "getCmdLineOpts", "getParameter",
              "connectionStatus", "listDatabases", "listShards", "getShardMap", "balancerStatus", "dbStats", "collStats"}
DRIVER = {"hello", "ismaster", "saslStart", "saslContinue", "endSessions"}


class ManagerTest(DroverTest):
    sandbox_only = True

    def manager(self, *more):
        return Site(self, "--role", "manager", "--agent-poll-seconds", "1", "--monitoring-seconds", "5", *more)

    def credentials(self, user):
        return {"authMechanismName": "SCRAM-SHA-256", "username": user, "password": clusters.PASSWORD}


class Monitoring(ManagerTest):
    auth = True

    def start_clusters(self):
        # A member behind a proxy that is also its name: whatever goes to it goes by the proxy.
        self.proxy = FaultProxy(("127.0.0.1", 0))
        self.addCleanup(self.proxy.close)
        self.source = self.cluster("source", options=("--host", f"127.0.0.1:{self.proxy.port}"))
        self.proxy.target = ("127.0.0.1", self.source.port)

    def test_it_sends_metadata_commands_and_nothing_else(self):
        self.source.create_user("monitor", ["clusterMonitor"])
        self.source.client().shop.secrets.insert_many([{"_id": n, "card": "4111-1111-1111-1111"} for n in range(50)])
        site = self.manager()
        project = Project(self, site)
        sent = set()
        texts = []

        def observe(message):
            name = command_name(message)
            if name is not None:
                sent.add(name)
                texts.append(message)
        self.proxy.observe = observe
        agent = AgentProcess(self, project, migration=False)
        host = project.monitor("127.0.0.1", self.proxy.port, **self.credentials("monitor"))
        self.assertEqual((host["typeName"], host["authMechanismName"]), ("NO_DATA", "SCRAM-SHA-256"))
        self.assertNotIn("password", host)
        eventually(lambda: project.hosts()[0]["typeName"] != "NO_DATA", 60, "a sample")
        # Two samples more, so that every kind of command was due.
        before = len(texts)
        eventually(lambda: len([one for one in texts[before:] if command_name(one) == "serverStatus"]) >= 2, 60, "more samples")
        self.assertLessEqual(sent, MONITORING | DRIVER, "a command that is not in the list")
        self.assertIn("dbStats", sent)
        for message in texts:
            self.assertNotIn(b"secrets", message, f"{command_name(message)} names a collection of users")
        for message in texts:
            if command_name(message) == "collStats":
                self.assertIn(b"oplog.rs", message)
        # Nothing of a document, and no password, anywhere.
        for path in (agent.log_path, site.process.stderr_path, os.path.join(agent.data, "agent-id")):
            with open(path, "rb") as file:
                text = file.read()
            self.assertNotIn(b"4111-1111", text)
            self.assertNotIn(clusters.PASSWORD.encode(), text)

        host = project.hosts()[0]
        self.assertEqual((host["typeName"], host["replicaSetName"], host["replicaStateName"]), ("REPLICA_PRIMARY", "source", "PRIMARY"))
        self.assertRegex(host["id"], "^[0-9a-f]{32}$")
        self.assertEqual(project.call("GET", f"/hosts/{host['id']}")[2]["hostname"], "127.0.0.1")
        self.assertEqual(project.call("GET", f"/hosts/byName/127.0.0.1:{self.proxy.port}")[2]["id"], host["id"])
        [cluster] = project.call("GET", "/clusters")[2]["results"]
        self.assertEqual((cluster["clusterName"], cluster["typeName"], cluster["replicaSetName"]), ("source", "REPLICA_SET", "source"))
        status, _, measured = project.call("GET", f"/hosts/{host['id']}/measurements?granularity=PT1M&period=PT10M&m=CONNECTIONS")
        self.assertEqual(status, 200, measured)
        self.assertEqual([one["name"] for one in measured["measurements"]], ["CONNECTIONS"])
        self.assertTrue(any(point["value"] for point in measured["measurements"][0]["dataPoints"]))
        several = project.call("GET", f"/hosts/{host['id']}/measurements?granularity=PT1M&period=PT10M&m=OPCOUNTER_QUERY&m=CONNECTIONS")[2]
        self.assertEqual([one["name"] for one in several["measurements"]], ["CONNECTIONS", "OPCOUNTER_QUERY"])
        names = [one["databaseName"] for one in project.call("GET", f"/hosts/{host['id']}/databases")[2]["results"]]
        self.assertIn("shop", names)
        self.assertEqual(project.call("GET", f"/hosts/{host['id']}/databases/shop")[2]["databaseName"], "shop")
        status, _, sizes = project.call("GET", f"/hosts/{host['id']}/databases/shop/measurements?granularity=PT1M&period=PT10M&m=DATABASE_OBJECT_COUNT&m=DATABASE_DATA_SIZE")
        self.assertEqual((status, sizes["databaseName"]), (200, "shop"))
        counted = {one["name"]: [point["value"] for point in one["dataPoints"] if point["value"] is not None] for one in sizes["measurements"]}
        self.assertEqual(counted["DATABASE_OBJECT_COUNT"][:1], [50])
        self.assertGreater(counted["DATABASE_DATA_SIZE"][0], 0)
        self.assertEqual(project.call("GET", f"/hosts/{host['id']}/databases/none/measurements?granularity=PT1M&period=PT10M")[0], 404)
        self.assertEqual(project.call("GET", f"/hosts/{host['id']}/databases/shop/measurements?granularity=PT1M&period=PT10M&m=CONNECTIONS")[0], 400)
        # The disk only where the server tells of it.
        for disk in project.call("GET", f"/hosts/{host['id']}/disks")[2]["results"]:
            status, _, space = project.call("GET", f"/hosts/{host['id']}/disks/{disk['partitionName']}/measurements?granularity=PT1M&period=PT10M&m=DISK_PARTITION_SPACE_FREE")
            self.assertEqual((status, space["partitionName"]), (200, disk["partitionName"]))
        self.assertEqual(project.call("GET", f"/hosts/{host['id']}/disks/none/measurements?granularity=PT1M&period=PT10M")[0], 404)
        [monitoring] = project.call("GET", "/agents/MONITORING")[2]["results"]
        self.assertEqual((monitoring["hostname"], monitoring["stateName"]), ("mig01.example.net", "ACTIVE"))
        self.assertEqual(project.call("GET", "/agents/AUTOMATION")[2]["results"], [])
        self.assertEqual(project.call("GET", "/alerts")[2]["results"], [])
        self.assertEqual(sorted(one["eventTypeName"] for one in project.call("GET", "/events")[2]["results"]), ["ADD_HOST_AUDIT", "AGENT_API_KEY_CREATED", "GROUP_CREATED", "NEW_AGENT"])

    def test_sizes_are_asked_for_unless_the_project_says_no(self):
        self.source.create_user("monitor", ["clusterMonitor"])
        site = self.manager()
        project = Project(self, site)
        switch = "isCollectDatabaseSpecificsStatisticsEnabled"
        self.assertTrue(project.call("GET", "/settings")[2][switch])
        self.assertFalse(project.call("PATCH", "/settings", {switch: False})[2][switch])
        for body in ({"isDataExplorerEnabled": True}, {"colour": True}, {switch: "yes"}):
            self.assertEqual(project.call("PATCH", "/settings", body)[2]["errorCode"], "INVALID_ATTRIBUTE", body)
        sent = []
        self.proxy.observe = lambda message: sent.append(command_name(message))
        AgentProcess(self, project, migration=False)
        project.monitor("127.0.0.1", self.proxy.port, **self.credentials("monitor"))
        eventually(lambda: sent.count("serverStatus") >= 2, 60, "two samples")
        self.assertNotIn("dbStats", sent)
        site.process.kill()
        site.keep_port = True
        site.start()
        self.assertEqual(project.call("PATCH", "/settings", {switch: True, "isSchemaAdvisorEnabled": False})[0], 200)
        eventually(lambda: "dbStats" in sent, 60, "the sizes")
        # What Cloud Manager's clients ask about the whole.
        [whole] = site.call("GET", MANAGER + "/clusters")[2]["results"]
        self.assertEqual((whole["groupId"], whole["orgName"]), (project.id, "Shop"))
        [cluster] = whole["clusters"]
        self.assertEqual((cluster["type"], cluster["availability"], cluster["authEnabled"], cluster["nodeCount"]), ("replica set", "available", True, 1))
        versions = project.call("GET", "/agents/versions")[2]
        self.assertEqual((versions["count"], versions["isAnyAgentVersionOld"], versions["entries"][0]["version"]), (1, False, versions["latestVersion"]))
        self.assertEqual(project.call("GET", "/automationConfig")[2]["processes"], [])
        self.assertEqual(project.call("GET", "/automationConfig/monitoringAgentConfig")[2]["configOverrides"], {})
        self.source.client()["shop"]["c"].insert_one({"text": "x" * 5000})
        self.assertTrue(project.hosts()[0]["journalingEnabled"])
        eventually(lambda: project.hosts()[0].get("lastDataSizeBytes", 0) > 0, 60, "its sizes")
        self.assertGreater(project.hosts()[0]["lastIndexSizeBytes"], 0)

    def test_a_user_without_the_role_is_told(self):
        self.source.create_user("poor", ["readAnyDatabase"])
        project = Project(self, self.manager())
        AgentProcess(self, project, migration=False)
        project.monitor("127.0.0.1", self.proxy.port, **self.credentials("poor"))
        found = eventually(lambda: project.call("GET", "/alerts")[2]["results"], 60, "an alert")
        self.assertEqual(found[0]["eventTypeName"], "X_HOST_MONITORING_ACCESS_MISSING")
        self.assertIn("clusterMonitor", found[0]["detail"])
        self.assertEqual(project.call("GET", f"/alerts/{found[0]['id']}")[2]["eventTypeName"], "X_HOST_MONITORING_ACCESS_MISSING")
        self.assertEqual(project.call("GET", f"/alerts/{'0' * 24}")[0], 404)
        # Wrong ones, then right ones, by PATCH.
        [host] = project.hosts()
        wrong = {**self.credentials("poor"), "password": "wrong"}
        self.assertEqual(project.call("PATCH", f"/hosts/{host['id']}", wrong)[0], 200)
        eventually(lambda: any(one["eventTypeName"] == "X_HOST_MONITORING_LOGIN_FAILED" for one in project.call("GET", "/alerts")[2]["results"]),
                   60, "the alert of a wrong password")
        self.source.create_user("monitor", ["clusterMonitor"])
        self.assertEqual(project.call("PATCH", f"/hosts/{host['id']}", self.credentials("monitor"))[0], 200)
        eventually(lambda: project.call("GET", "/alerts")[2]["results"] == [], 60, "no alert any more")
        # Clients send the name also when they change nothing; and nobody loses a login by naming a part of it.
        same = {"hostname": host["hostname"], "port": host["port"]}
        self.assertEqual(project.call("PATCH", f"/hosts/{host['id']}", same)[2]["authMechanismName"], "SCRAM-SHA-256")
        # What is not named of TLS stays: another password is no other way to the deployment.
        tls = {"sslEnabled": True, "caCertificatePath": "/etc/ssl/shop-ca.pem"}
        self.assertTrue(project.call("PATCH", f"/hosts/{host['id']}", {**self.credentials("monitor"), **tls})[2]["sslEnabled"])
        self.assertTrue(project.call("PATCH", f"/hosts/{host['id']}", self.credentials("monitor"))[2]["sslEnabled"])
        self.assertFalse(project.call("PATCH", f"/hosts/{host['id']}", {**self.credentials("monitor"), "sslEnabled": False})[2]["sslEnabled"])
        for body in ({"sslEnabled": False}, {"port": "1"}, {**same, "hostname": "other"}):
            self.assertEqual(project.call("PATCH", f"/hosts/{host['id']}", body)[0], 400, body)

    def test_refusals(self):
        site = self.manager()
        project = Project(self, site)
        good = {"hostname": "h", "port": 1}
        for body, status, code in (
                ({}, 400, "MISSING_ATTRIBUTE"), ({**good, "port": 0}, 400, "INVALID_HOST_PORT"),
                ({**good, "hostname": "a b"}, 400, "INVALID_HOSTNAME"), ({**good, "hostname": "u:p@h"}, 400, "INVALID_HOSTNAME"),
                ({**good, "hostname": "h:1"}, 400, "INVALID_HOSTNAME"),
                ({**good, "authMechanismName": "MONGODB-OIDC", "username": "u"}, 400, "INVALID_ENUM_VALUE"),
                ({**good, "authMechanismName": "MAGIC"}, 400, "INVALID_ENUM_VALUE"),
                ({**good, "authMechanismName": "SCRAM-SHA-1", "username": "u"}, 400, "INVALID_ATTRIBUTE"),
                ({**good, "authMechanismName": "MONGODB-X509"}, 400, "INVALID_ATTRIBUTE"),
                ({**good, "username": "u"}, 400, "INVALID_ATTRIBUTE"), ({**good, "profilerEnabled": True}, 400, "INVALID_ATTRIBUTE"),
                ({**good, "colour": "blue"}, 400, "INVALID_ATTRIBUTE")):
            with self.subTest(body=body):
                got, _, error = project.call("POST", "/hosts", body)
                self.assertEqual((got, error["errorCode"]), (status, code), error)
        self.assertEqual(project.hosts(), [])
        host = project.monitor("h", 1, authMechanismName="PLAIN", username="ldap", password="p")
        self.assertEqual(project.call("POST", "/hosts", good)[0], 409)
        self.assertEqual(project.call("GET", "/hosts?clusterId=zz")[2]["errorCode"], "INVALID_CLUSTER_ID")
        self.assertEqual(project.call("POST", "/agentapikeys", {"desc": "d", "x": 1})[0], 400)
        for query in ("m=CONNECTIONS", "granularity=PT1M", "granularity=PT2M&period=PT1H", "granularity=PT10S&period=P30D", "granularity=PT1M&period=x",
                      "granularity=PT1M&period=PT1H&m=MAGIC", "granularity=PT1M&period=PT1H&start=2026-03-01T08:00:00Z&end=2026-03-01T09:00:00Z",
                      "granularity=PT1M&start=2026-03-01T08:00:00Z", "granularity=PT1M&start=2026-03-01T09:00:00Z&end=2026-03-01T08:00:00Z",
                      "granularity=PT1M&period=PT1H&m=CONNECTIONS&m=MAGIC"):
            self.assertEqual(project.call("GET", f"/hosts/{host['id']}/measurements?{query}")[0], 400, query)
        self.assertEqual(project.call("DELETE", f"/hosts/{host['id']}")[0], 204)
        self.assertEqual(project.call("GET", f"/hosts/{host['id']}")[0], 404)
        self.assertEqual(project.call("GET", "/clusters")[2]["results"], [])
        # A project is found by a key of its agents, by whoever sees it; the key is in no log.
        found = site.call("GET", f"{MANAGER}/groups/byAgentApiKey/{project.key['key']}")[2]
        self.assertEqual((found["id"], found["shardCount"], sum(found["hostCounts"].values())), (project.id, 0, 0))
        self.assertEqual((found["activeAgentCount"], "lastActiveAgent" in found), (0, False))
        self.assertEqual(site.call("GET", f"{MANAGER}/groups/byAgentApiKey/{'0' * 64}")[0], 404)
        self.assertNotIn(project.key["key"], site.process.stderr())
        # Keys are shown once.
        listed = project.call("GET", "/agentapikeys")[2]
        self.assertEqual([one["key"] for one in listed], ["********" + project.key["key"][-4:]])
        self.assertEqual(project.call("DELETE", f"/agentapikeys/{project.key['_id']}")[0], 204)
        self.assertEqual(project.call("DELETE", f"/agentapikeys/{project.key['_id']}")[0], 404)


class AgentSessions(ManagerTest):
    once = True

    def start_clusters(self):
        pass

    def test_a_key_that_is_no_one_s_and_a_configuration_that_is_wrong(self):
        project = Project(self, self.manager())
        agent = AgentProcess(self, project, mmsApiKey="0" * 64)
        eventually(lambda: "AGENT_API_KEY_NOT_FOUND" in agent.log(), 30, "the refusal in the log")
        self.assertTrue(agent.process.running())
        self.assertNotIn("0" * 64, agent.log())
        said = agent.process.stderr()
        self.assertRegex(said, r"^drover agent: the manager http://127.0.0.1:\d+ does not take this agent: .*401.*check mmsGroupId and mmsApiKey.*`drover host provision`.*\n$")
        for lines, code, said in (({"mmsColour": "blue"}, 2, "mmsColour"), ({"httpProxy": "http://127.0.0.1:3128"}, 2, "httpProxy is for an mmsBaseUrl with https://"),
                                  ({"mmsBaseUrl": "http://manager.example.net"}, 2, "https")):
            other = AgentProcess(self, project, name="wrong", **lines)
            self.assertEqual(other.process.wait(20), code, other.tail())
            self.assertIn(said, other.process.stderr())

    def test_two_agents_on_one_directory_or_one_host(self):
        project = Project(self, self.manager())
        first = AgentProcess(self, project)
        eventually(lambda: "registered" in first.log(), 30, "the first one")
        same = self.start("agent", "-f", first.config, "--data", first.data)
        self.assertEqual(same.wait(20), 4, same.tail())
        second = AgentProcess(self, project, name="second")
        eventually(lambda: "registered" in second.log(), 30, "the second one")
        self.assertEqual(first.process.wait(30), 4, first.tail())
        self.assertIn("taken this host's session over", first.process.stderr())
        self.assertTrue(second.process.running())
        [one] = project.call("GET", "/agents/AUTOMATION")[2]["results"]
        self.assertEqual(one["hostname"], "mig01.example.net")

    def test_garbage_is_refused_and_leaves_it_serving(self):
        site = self.manager()
        project = Project(self, site)

        def call(path, body, key=None, method="POST"):
            login = base64.b64encode(f"{project.id}:{key or project.key['key']}".encode()).decode()
            link = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
            link.request(method, "/agent/v1" + path, body, {"Authorization": "Basic " + login})
            response = link.getresponse()
            answer = json.loads(response.read())
            link.close()
            return response.status, answer
        hello = {"protocol": 1, "agentId": "a", "hostname": "h", "version": "v", "features": ["monitoring", "cloudMigration"],
                 "platform": {"os": "linux", "arch": "x86_64"}}
        status, answer = call("/hello", json.dumps(hello))
        self.assertEqual(status, 200)
        session = {"agentId": "a", "epoch": answer["epoch"]}
        job = "0" * 24
        bodies = [b"", b"[]", b"{", b"null", b"\xff\xfe", b"[" * 5000, b'{"agentId": 1}', json.dumps(session).encode(),
                  json.dumps({**session, "sequence": "x", "state": 1, "samples": 5, "from": -1, "lines": [1]}).encode(),
                  json.dumps({**session, "sequence": 1, "state": "RUNNING", "samples": [{"deploymentId": 1}], "from": 0, "lines": []}).encode(),
                  json.dumps({**session, "samples": [{"deploymentId": "x", "hosts": [{"host": "a b:1"}]}]}).encode(), os.urandom(500)]
        for path in ("/hello", "/monitoring", f"/jobs/{job}/report", f"/jobs/{job}/log", "/jobs/x/report", "/nothing", ""):
            for body in bodies:
                status, answer = call(path, body)
                self.assertTrue(status in (400, 404) or (status == 200 and path == "/monitoring"), (path, body, status, answer))
        self.assertEqual(call("/poll", json.dumps({"agentId": "a", "epoch": 7}))[1]["errorCode"], "SESSION_REPLACED")
        # Who was displaced takes the place of none that lives.
        status, answer = call("/hello/free", json.dumps({**hello, "agentId": "c"}))
        self.assertEqual((status, answer["errorCode"]), (409, "CONFLICT"))
        self.assertEqual(call("/poll", json.dumps({"agentId": "b", "epoch": session["epoch"]}))[1]["errorCode"], "SESSION_REPLACED")
        self.assertEqual(call("/poll", json.dumps(session), method="GET")[0], 405)
        for platform in ({"os": "windows", "arch": "x86_64"}, {"os": "macos", "arch": "aarch64"}, {"os": "linux", "arch": "i686"}):
            status, answer = call("/hello", json.dumps({**hello, "platform": platform}))
            self.assertEqual((status, answer["errorCode"]), (403, "PLATFORM_NOT_SUPPORTED"))
        self.assertEqual(call("/poll", json.dumps(session)), (200, {"jobs": [], "monitor": [], "pollSeconds": 1}))
        # Whoever guesses keys is locked out for the rest of the minute; so is nobody else by that.
        codes = [call("/poll", json.dumps(session), key="f" * 64)[0] for _ in range(70)]
        self.assertEqual((codes[0], codes[-1]), (401, 429))
        # Nor is who was known at that address before: an agent goes on working beside one who guesses.
        self.assertEqual(call("/poll", json.dumps(session))[0], 200)
        self.assertEqual(site.call("GET", MANAGER + "/orgs")[0], 200)

    def test_an_agent_waits_for_its_site(self):
        site = self.manager()
        project = Project(self, site)
        site.process.stop()
        agent = AgentProcess(self, project)
        eventually(lambda: "registering with the manager" in agent.log(), 30, "the failure in the log")
        self.assertRegex(agent.process.stderr(), r"^drover agent: the manager http://\S+ is not reached: .*Connection refused.*mmsBaseUrl.*\n$")
        site.keep_port = True
        site.start()
        eventually(lambda: "registered" in agent.log(), 90, "registered")
        site.process.stop()
        eventually(lambda: agent.process.stderr().count("is not reached") == 2, 30, "the second absence")
        site.start()
        eventually(lambda: "answers again" in agent.process.stderr(), 90, "the end of the absence")
        lines = agent.process.stderr().splitlines()
        self.assertEqual([next(word for word in ("not reached", "registered with", "answers again") if word in line) for line in lines],
                         ["not reached", "registered with", "not reached", "answers again"], lines)

    def test_a_configuration_that_does_not_come(self):
        """A pipe whose writer is late is waited for, and that ends with the first signal."""
        pipe = os.path.join(self.directory, "pipe")
        os.mkfifo(pipe, 0o600)
        for arguments in (("agent", "-f", pipe, "--data", os.path.join(self.directory, "agent data")),
                          ("org", "list", "--credentials", pipe), ("sync", "--config", pipe)):
            process = self.start(*arguments)
            self.assertFalse(process.ended_within(0.5), process.tail())
            process.signal(signal.SIGTERM)
            self.assertTrue(process.ended_within(1), arguments)
            self.assertEqual(process.child.returncode, 130, process.tail())
            self.assertIn("stopped", process.stderr())


class MutualTls(ManagerTest):
    once = True

    def start_clusters(self):
        pass

    def test_an_agent_shows_its_certificate_to_a_second_server_on_one_store(self):
        store = self.cluster("store")
        more = ("--store", store.uri, "--key-file", os.path.join(self.directory, "site key"))
        site = self.manager(*more)
        project = Project(self, site)
        ca_file, pem_file = clusters.make_certificates(self.directory)
        port_file = os.path.join(self.directory, "tls port")
        second = self.start("server", "--role", "manager", "--data", os.path.join(self.directory, "second"), "--port", "0", "--port-file", port_file,
                            "--agent-poll-seconds", "1", "--tls-certificate-key-file", pem_file, "--tls-ca-file", ca_file, *more)
        eventually(lambda: os.path.exists(port_file) or not second.running(), 30, "the port")
        with open(port_file, encoding="ascii") as file:
            url = f"https://127.0.0.1:{int(file.read())}"
        without = AgentProcess(self, project, name="without", base_url=url, httpsCAFile=ca_file)
        unknown = AgentProcess(self, project, name="unknown", base_url=url, tlsMMSServerClientCertificate=pem_file)
        for agent in (without, unknown):
            eventually(lambda: "registering with the manager" in agent.log(), 30, "the refusal in the log")
        self.assertEqual(project.call("GET", "/agents")[2]["results"], [])
        known = AgentProcess(self, project, name="known", base_url=url, httpsCAFile=ca_file, tlsMMSServerClientCertificate=pem_file)
        eventually(lambda: "registered" in known.log(), 30, "registered")
        # What came by one server is seen by the other.
        self.assertEqual(len(project.call("GET", "/agents/AUTOMATION")[2]["results"]), 1)
        for agent in (without, unknown):
            self.assertNotIn("registered", agent.log())
        self.by_a_proxy(project, url, httpsCAFile=ca_file, tlsMMSServerClientCertificate=pem_file)

    def shows_key(self, project, text):
        """Whether an agent's login is in what somebody has seen: as it is, or as HTTP sends it."""
        login = f"{project.id}:{project.key['key']}".encode()
        return project.key["key"].encode() in text or base64.b64encode(login) in text

    def by_a_proxy(self, project, url, **lines):
        """It is asked for a way, and sees nothing of what is said on it. Nobody who sits on that way is taken for the manager."""
        proxy = ConnectProxy()
        self.addCleanup(proxy.close)
        proxy.refuses = True
        agent = AgentProcess(self, project, name="proxied", hostname="mig02.example.net", base_url=url, httpProxy=f"http://127.0.0.1:{proxy.port}", **lines)
        eventually(lambda: "refuses a way to it (403)" in agent.log(), 30, "the proxy's refusal in the log")
        proxy.refuses = False
        eventually(lambda: "registered" in agent.log(), 30, "registered")
        self.assertEqual(set(proxy.asked), {url.removeprefix("https://")})
        others = os.path.join(self.directory, "others")
        os.mkdir(others)
        other_ca, other_pem = clusters.make_certificates(others)
        for name, more in (("stranger", {"httpsCAFile": other_ca}), ("trusting", {"httpsCAFile": lines["httpsCAFile"], "tlsMMSServerClientCertificate": other_pem})):
            wrong = AgentProcess(self, project, name=name, hostname=f"{name}.example.net", base_url=url, httpProxy=f"http://127.0.0.1:{proxy.port}", **{**lines, **more})
            asked = len(proxy.asked)
            eventually(lambda wrong=wrong, asked=asked: "registering with the manager" in wrong.log() and len(proxy.asked) > asked, 30, f"the refusal in the log of the {name} one")
            self.assertNotIn("registered", wrong.log())
        self.assertEqual({one["hostname"] for one in project.call("GET", "/agents/AUTOMATION")[2]["results"]}, {"mig01.example.net", "mig02.example.net"})
        seen = bytes(proxy.seen)
        self.assertIn(b"CONNECT ", seen)
        self.assertTrue(self.shows_key(project, b"Basic " + base64.b64encode(f"{project.id}:{project.key['key']}".encode())))
        self.assertFalse(self.shows_key(project, seen))
        self.assertNotIn(b"/agent/v1", seen)


class Linking(ManagerTest):
    once = True

    def start_clusters(self):
        pass

    def link_path(self, site):
        return f"{MANAGER}/orgs/{site.org}/liveExport/migrationLink"

    def test_connect_refresh_disconnect(self):
        site, atlas = self.manager(), AtlasSite(self)
        project = Project(self, site)
        path = self.link_path(site)
        self.assertEqual(site.call("GET", path + "/status")[2], {"status": "NOT_SYNCED"})
        self.assertEqual(site.call("DELETE", path)[0], 404)
        for body, status in (({}, 400), ({"linkToken": "x"}, 400), ({"linkToken": atlas.token(v=2)}, 400),
                             ({"linkToken": atlas.token(baseUrl="http://atlas.example.net")}, 400),
                             ({"linkToken": atlas.token(secret="0" * 64)}, 404)):
            self.assertEqual(site.call("POST", path, body)[0], status, body)
        self.assertEqual(site.call("POST", path, {"linkToken": atlas.token()})[::2], (200, {"status": "SYNCED"}))
        self.assertEqual((atlas.claim["orgId"], atlas.claim["orgName"]), (site.org, "Shop"))
        self.assertEqual(list(atlas.projects), [project.id])
        self.assertEqual(site.call("GET", path + "/status")[2], {"status": "SYNCED"})
        self.assertEqual(site.call("POST", path, {"linkToken": atlas.token()})[0], 200)
        self.assertEqual(site.call("POST", path, {"linkToken": AtlasSite(self).token()})[0], 409)
        # What changes is told by itself; Refresh tells it at once.
        Project(self, site, "Another")
        eventually(lambda: len(atlas.projects) == 2, 30, "the second project")
        finished = atlas.finished
        self.assertEqual(site.call("POST", f"{EXT}/orgs/{site.org}/liveExport/migrationLink:refresh", {})[::2], (200, {"status": "SYNCED"}))
        self.assertGreater(atlas.finished, finished)
        # Roles.
        status, _, reader = site.call("POST", f"{MANAGER}/orgs/{site.org}/apiKeys", {"desc": "r", "roles": ["ORG_MEMBER"]})
        self.assertEqual(site.call("GET", path + "/status", key=reader)[0], 403)
        atlas.active = True
        self.assertEqual(site.call("DELETE", path)[0], 409)
        atlas.active = False
        self.assertEqual(site.call("DELETE", path)[0], 204)
        self.assertEqual(site.call("GET", path + "/status")[2], {"status": "NOT_SYNCED"})

    def test_a_claim_that_is_refused_leaves_nothing(self):
        """This site may not call from its address, or what answers there is no Atlas site: another token is taken."""
        site = self.manager()
        path = self.link_path(site)
        for answer in (403, 404):
            refusing, atlas = AtlasSite(self), AtlasSite(self)
            refusing.claims_answered = answer
            status, _, error = site.call("POST", path, {"linkToken": refusing.token()})
            self.assertEqual((status, error["errorCode"]), (403, "FORBIDDEN"))
            self.assertIn(str(answer), error["detail"])
            self.assertEqual(site.call("DELETE", path)[0], 404)
            self.assertEqual(site.call("POST", path, {"linkToken": atlas.token()})[::2], (200, {"status": "SYNCED"}))
            self.assertEqual(site.call("DELETE", path)[0], 204)

    def test_a_link_that_atlas_has_deleted_is_not_synced_from_the_first_refusal_on(self):
        site, atlas = self.manager(), AtlasSite(self)
        atlas.poll_seconds = 60
        path = self.link_path(site)
        self.assertEqual(site.call("POST", path, {"linkToken": atlas.token()})[::2], (200, {"status": "SYNCED"}))
        finished = atlas.finished
        eventually(lambda: atlas.finished > finished, 30, "the worker's own first look")
        atlas.secret = None
        self.assertEqual(site.call("POST", f"{EXT}/orgs/{site.org}/liveExport/migrationLink:refresh", {})[0], 404)
        self.assertEqual(site.call("GET", path + "/status")[2], {"status": "NOT_SYNCED"})
        self.assertIn("ended at the Atlas site", site.call("GET", f"{EXT}/orgs/{site.org}/liveExport/migrationLink/status")[2]["problem"])

    def test_a_site_that_is_gone_for_good(self):
        site, atlas = self.manager(), AtlasSite(self)
        path = self.link_path(site)
        self.assertEqual(site.call("POST", path, {"linkToken": atlas.token()})[0], 200)
        atlas.active = True
        self.assertEqual(site.call("DELETE", path + "?force=true")[0], 409, "it is there, and needs the link")
        atlas.refusing = True
        status, headers, error = site.call("DELETE", path)
        self.assertEqual((status, error["errorCode"], headers["Retry-After"]), (503, "SERVICE_UNAVAILABLE", "5"))
        self.assertIn("force=true", error["detail"])
        self.assertEqual(site.call("DELETE", path + "?force=true")[0], 204)
        self.assertEqual(site.call("DELETE", path)[0], 404)
        again = AtlasSite(self)
        self.assertEqual(site.call("POST", path, {"linkToken": again.token()})[::2], (200, {"status": "SYNCED"}))

    def test_a_site_that_is_away(self):
        """The claim is repeated with the same secret until it is answered, also by a new process of the manager."""
        site, atlas = self.manager(), AtlasSite(self)
        atlas.refusing = True
        path = self.link_path(site)
        self.assertEqual(site.call("POST", path, {"linkToken": atlas.token()})[::2], (200, {"status": "NOT_SYNCED"}))
        site.process.kill()
        site.start()
        atlas.refusing = False
        eventually(lambda: site.call("GET", path + "/status")[2] == {"status": "SYNCED"}, 90, "SYNCED")
        # Nothing secret is readable in the directory.
        for folder, _, names in os.walk(site.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    text = file.read()
                self.assertNotIn(atlas.token_secret.encode(), text, name)
                self.assertNotIn(atlas.secret.encode(), text, name)
        self.assertNotIn(atlas.token_secret, site.process.stderr())


class HostileSites(ManagerTest):
    """What an Atlas site asks for, with agents played by the test: a link reaches its own organization and nothing else, and one thing that is
    wrong holds nothing else up."""
    once = True

    def start_clusters(self):
        pass

    def agent(self, project):
        """Calls of a registered agent of the project, as host mig01."""
        login = base64.b64encode(f"{project.id}:{project.key['key']}".encode()).decode()

        def call(path, **body):
            link = http.client.HTTPConnection("127.0.0.1", project.site.port, timeout=30)
            link.request("POST", "/agent/v1" + path, json.dumps(body), {"Authorization": "Basic " + login})
            response = link.getresponse()
            answer = json.loads(response.read())
            link.close()
            return response.status, answer
        status, hello = call("/hello", protocol=1, agentId="a", hostname="mig01", version="v", features=["monitoring", "cloudMigration"],
                             platform={"os": "linux", "arch": "x86_64"})
        self.assertEqual(status, 200, hello)
        return lambda path, **body: call(path, agentId="a", epoch=hello["epoch"], **body)

    def monitored(self, project, call, name="h.example.net"):
        """A deployment, as a sample tells of it; its name."""
        project.monitor(name, 27017)
        [wanted] = call("/poll")[1]["monitor"]
        host = f"{name}:27017"
        sample = {"deploymentId": wanted["deploymentId"], "at": 0, "hosts": [{"host": host, "reached": True, "typeName": "REPLICA_PRIMARY",
                  "replicaSetName": "rs", "version": "6.0.17", "featureCompatibilityVersion": "6.0"}]}
        self.assertEqual(call("/monitoring", samples=[sample])[0], 200)
        return project.call("GET", "/clusters")[2]["results"][0]["clusterName"]

    def connect(self, site, atlas, owner):
        path = f"{MANAGER}/orgs/{owner['orgId']}/liveExport/migrationLink"
        self.assertEqual(site.call("POST", path, {"linkToken": atlas.token()}, key=owner)[0], 200)

    def want(self, atlas, project, cluster, item, desired="RUN", kind="validation"):
        source = {"groupId": project.id, "clusterName": cluster, "managedAuthentication": True, "ssl": False}
        atlas.want(item, desired, kind=kind, path="sync", migrationHost="mig01", source=source, dropDestinationData=False, sharding=None,
                   destination={"groupId": "66ff00000000000000000001", "clusterName": "x", "connectionString": "mongodb://h/", "sharded": False})

    def test_another_organizations_hosts_are_not_its_to_command(self):
        site, atlas, own = self.manager(), AtlasSite(self), AtlasSite(self)
        project = Project(self, site)
        call = self.agent(project)
        cluster = self.monitored(project, call)
        status, _, made = site.call("POST", MANAGER + "/orgs", {"name": "Other", "apiKey": {"desc": "d", "roles": ["ORG_OWNER"]}})
        self.assertEqual(status, 201, made)
        stranger = {"orgId": made["organization"]["id"], **{key: made["apiKey"][key] for key in ("publicKey", "privateKey")}}
        self.connect(site, atlas, stranger)
        items = {kind: secrets.token_hex(12) for kind in ("validation", "migration")}
        for kind, item in items.items():
            self.want(atlas, project, cluster, item, kind=kind)
        report = eventually(lambda: atlas.reports.get(items["migration"]), 30, "the refusal")
        self.assertEqual((report["state"], report["error"]), ("FAILED", f"the organization has no project {project.id}"))
        report = eventually(lambda: atlas.reports.get(items["validation"]), 30, "the validation's refusal")
        self.assertEqual((report["state"], report["checks"][0]["status"]), ("DONE", "FAILED"))
        self.assertEqual(call("/poll")[1]["jobs"], [])
        for item in items.values():
            self.want(atlas, project, cluster, item, "STOP")
            self.want(atlas, project, cluster, item, "FORGET")
            eventually(lambda item=item: item not in atlas.items, 30, "FORGOTTEN")
        self.assertEqual(call("/poll")[1]["jobs"], [])
        # Its own organization's link commands it.
        self.connect(site, own, site.owner)
        self.want(own, project, cluster, items["migration"], kind="migration")
        eventually(lambda: [job["id"] for job in call("/poll")[1]["jobs"]] == [items["migration"]], 30, "the job")

    def test_more_work_than_is_open_at_once(self):
        """What has ended and waits to be forgotten keeps nothing new from being taken, and is told to be forgotten itself."""
        site, atlas = self.manager(), AtlasSite(self)
        project = Project(self, site)
        call = self.agent(project)
        cluster = self.monitored(project, call)
        self.connect(site, atlas, site.owner)
        old = [f"{number:024x}" for number in range(100)]
        for item in old:
            self.want(atlas, project, cluster, item)

        def jobs():
            return {job["id"]: job["desired"] for job in call("/poll")[1]["jobs"]}
        eventually(lambda: len(jobs()) == 100, 60, "a hundred jobs")
        new = [f"{number:024x}" for number in range(1000, 1030)]
        for item in new:
            self.want(atlas, project, cluster, item)
        # The host does not forget: they are 130 for the other site, and 100 that end here.
        for item in old:
            self.want(atlas, project, cluster, item, "FORGET")
        eventually(lambda: set(jobs()) == set(old + new), 60, "the new ones beside the old ones")
        self.assertEqual({jobs()[item] for item in old}, {"FORGET"})
        self.assertEqual({jobs()[item] for item in new}, {"RUN"})
        # No more than a hundred at once; the rest comes when there is room.
        more = [f"{number:024x}" for number in range(2000, 2090)]
        for item in more:
            self.want(atlas, project, cluster, item)
        eventually(lambda: len(jobs()) == 200, 60, "a hundred that are open")
        sequence = 1 << 32
        for item in new:
            call(f"/jobs/{item}/report", sequence=sequence, state="DONE", checks=[])
            self.want(atlas, project, cluster, item, "FORGET")
            call(f"/jobs/{item}/report", sequence=sequence + 1, state="FORGOTTEN")
        eventually(lambda: set(more) <= set(jobs()), 60, "the rest")
        # Nor does what is to be ended, and whose host may have been away for a day, keep new ones waiting.
        for item in more:
            self.want(atlas, project, cluster, item, "STOP", kind="migration")
        last = [f"{number:024x}" for number in range(3000, 3020)]
        for item in last:
            self.want(atlas, project, cluster, item)
        eventually(lambda: set(last) <= set(jobs()), 60, "new ones beside those that are to be ended")

    def test_a_report_that_is_not_taken(self):
        site, atlas = self.manager(), AtlasSite(self)
        project = Project(self, site)
        call = self.agent(project)
        cluster = self.monitored(project, call)
        self.connect(site, atlas, site.owner)
        first, second = f"{1:024x}", f"{2:024x}"
        for item in (first, second):
            self.want(atlas, project, cluster, item, kind="migration")
        eventually(lambda: len(call("/poll")[1]["jobs"]) == 2, 30, "the jobs")
        # What the other site would not take is not taken here.
        for body, code in (({"sequence": 1 << 32, "state": "WHATEVER"}, "INVALID_ENUM_VALUE"), ({"sequence": 0, "state": "RUNNING"}, "INVALID_ATTRIBUTE"),
                           ({"sequence": 1 << 32, "state": "RUNNING", "warnings": ["x" * 300_000]}, "INVALID_ATTRIBUTE")):
            status, answer = call(f"/jobs/{first}/report", **body)
            self.assertEqual((status, answer["errorCode"]), (400, code), answer)
        # Of a log that is too long the last lines are passed on.
        status, _ = call(f"/jobs/{second}/report", sequence=1 << 32, state="RUNNING", log=['"' * 4000 + str(n) for n in range(100)])
        self.assertEqual(status, 200)
        report = eventually(lambda: atlas.reports.get(second), 30, "the report")
        self.assertTrue(report["log"][-1].endswith("99"))
        self.assertLess(len(json.dumps(report)), 256 << 10)
        # One that it refuses all the same keeps no other waiting.
        atlas.untold.add(first)
        for item in (first, second):
            self.assertEqual(call(f"/jobs/{item}/report", sequence=(1 << 32) + 1, state="RUNNING", canCommit=True)[0], 200)
        eventually(lambda: atlas.reports[second].get("canCommit"), 30, "the other report")
        atlas.untold.clear()
        call(f"/jobs/{first}/report", sequence=(1 << 32) + 2, state="COMMITTED")
        eventually(lambda: atlas.state(first) == "COMMITTED", 30, "the next one")

    def test_a_site_that_is_slow_holds_no_caller(self):
        site, atlas = self.manager(), AtlasSite(self)
        for number in range(4):
            Project(self, site, f"p{number}")
        self.connect(site, atlas, site.owner)
        atlas.slow = 6
        refresh = f"{EXT}/orgs/{site.org}/liveExport/migrationLink:refresh"
        answers = []

        def ask():
            begun = time.monotonic()
            status, _, answer = site.send("POST", refresh, {}, None, None)
            answers.append((status, answer["detail"], time.monotonic() - begun))
        with concurrent.futures.ThreadPoolExecutor(4) as callers:
            for _ in range(4):
                callers.submit(ask)
        self.assertEqual([status for status, _, _ in answers], [503] * 4, answers)
        took = sorted(seconds for _, _, seconds in answers)
        self.assertLess(took[2], 5, answers)
        self.assertLess(took[3], 14, answers)
        self.assertEqual(len([detail for _, detail, _ in answers if "being refreshed already" in detail]), 3, answers)
        # It is done all the same.
        atlas.slow = 0
        finished = atlas.finished
        Project(self, site, "one more")
        eventually(lambda: atlas.finished > finished and len(atlas.projects) == 5, 60, "the sync")


class OnAHost(ManagerTest):
    """Validations and migrations, as an Atlas site wants them."""
    once = True
    auth = True

    def setUp(self):
        super().setUp()
        self.source.create_user("monitor", ["clusterMonitor"])
        self.site, self.atlas = self.manager(), AtlasSite(self)
        self.project = Project(self, self.site)
        self.agent = AgentProcess(self, self.project)
        self.cluster_name = self.project.monitored(self.source, **self.credentials("monitor"))["clusterName"]
        path = f"{MANAGER}/orgs/{self.site.org}/liveExport/migrationLink"
        self.assertEqual(self.site.call("POST", path, {"linkToken": self.atlas.token()})[0], 200)
        self.item = secrets.token_hex(12)

    def want(self, desired="RUN", kind="migration", item=None, **fields):
        source = {"groupId": self.project.id, "clusterName": self.cluster_name, "managedAuthentication": False, "username": "root",
                  "password": clusters.PASSWORD, "ssl": False}
        destination = {"groupId": "66ff00000000000000000001", "clusterName": "shop-atlas", "connectionString": self.destination.uri,
                       "sharded": False}
        known = {"kind": kind, "path": "sync" if self.source.version >= (6, 0) else "legacy", "migrationHost": "mig01.example.net",
                 "source": source, "destination": destination, "dropDestinationData": False, "sharding": None}
        self.atlas.want(item or self.item, desired, **{**known, **fields})

    def report(self, item=None):
        return self.atlas.reports.get(item or self.item, {})

    def wait_for(self, condition, what, timeout=90, item=None):
        def check():
            report = self.report(item)
            if report.get("state") == "FAILED" and not condition(report):
                self.fail(f"FAILED: {report}\n{self.agent.tail()}")
            return report if report and condition(report) else None
        try:
            return eventually(check, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.report(item)}\n{self.agent.tail()}") from None

    def wait_for_state(self, state, timeout=90, item=None):
        return self.wait_for(lambda report: report["state"] == state, state, timeout, item)

    def can_commit(self):
        return self.wait_for(lambda report: report.get("canCommit"), "canCommit")

    def forget(self):
        self.want("FORGET")
        eventually(lambda: self.item not in self.atlas.items, 60, "FORGOTTEN")
        eventually(lambda: not os.path.exists(self.agent.job_path(self.item)), 10, "the files being gone")
        self.assertEqual(self.atlas.problems, [])


class Whole(OnAHost):
    once = False

    def test_from_start_to_committed(self):
        self.seed()
        self.assertEqual(self.atlas.projects[self.project.id]["migrationHosts"][0]["hostname"], "mig01.example.net")
        told = self.atlas.projects[self.project.id]["deployments"][0]
        self.assertEqual((told["name"], told["sharded"], told["topology"]), ("source", False, "REPLICA_SET"))
        self.assertTrue(told["mongoDBVersion"].startswith(".".join(map(str, self.source.version))))
        with self.writers(self.application_uri()) as writers:
            self.want()
            ready = self.can_commit()
            self.assertEqual(ready["phase"], "CHANGE_EVENT_APPLICATION")
            self.assertTrue(ready["log"])
            eventually(lambda: writers.acknowledged() > 50, 60, "writes")
            self.assert_nothing_secret_shows()
            if self.source.can_block_writes():
                self.want("CUTOVER")
                self.wait_for_state("COMMITTED")
        if not self.source.can_block_writes():
            self.want("CUTOVER")
            self.wait_for_state("COMMITTED")
        self.assertIsNone(self.agent.engine_pid(self.item))
        self.assert_equal_deployments(self.agent.process)
        self.assertEqual(writers.lost(self.destination.client()), [])
        self.forget()

    def test_a_site_that_numbers_no_cutover(self):
        """An older one cannot ask for it anew, and does not hear that it was given up: it is tried again."""
        if self.source.can_block_writes():
            raise NotRun("a source that cannot block writes")
        self.seed()
        self.want()
        self.can_commit()
        with SlowWriter(self.source.client().e2e_seed.slow, 0.05):
            self.want("CUTOVER")
            self.wait_for(lambda report: any("given up and is tried again" in one for one in report["warnings"]), "the attempt given up")
        self.wait_for_state("COMMITTED")
        self.assert_equal_deployments(self.agent.process)
        self.forget()

    def assert_nothing_secret_shows(self):
        pid = self.agent.engine_pid(self.item)
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            self.assertNotIn(b"mongodb://", file.read())
        with open(f"/proc/{pid}/environ", "rb") as file:
            self.assertNotIn(b"mongodb://", file.read())
        for name in ("job.json", "sync.yaml", "pid"):
            self.assertEqual(stat.S_IMODE(os.stat(self.agent.job_path(self.item, name)).st_mode) & 0o077, 0, name)
        quoted = clusters.quote(clusters.PASSWORD, safe="")
        for text in (self.agent.log(), self.site.process.stderr(), str(self.report()["log"])):
            self.assertNotIn(clusters.PASSWORD, text)
            self.assertNotIn(quoted, text)

    def test_stopped_and_once_more(self):
        """STOP leaves the source as it was and the data on the destination; with dropDestinationData it begins anew."""
        self.seed()
        self.want()
        self.can_commit()
        self.want("STOP")
        self.wait_for_state("STOPPED")
        self.assertIsNone(self.agent.engine_pid(self.item))
        self.assertNotIn("__mdb_internal_mongosync", self.destination.client().list_database_names())
        self.assertIn("e2e_seed", self.destination.client().list_database_names())
        self.destination.client().other.there.insert_one({"_id": 1})  # nothing blocks it
        self.source.client().other.here.insert_one({"_id": 1})
        self.forget()
        self.item = secrets.token_hex(12)
        self.want()
        failed = self.wait_for_state("FAILED")
        self.assertIn("not empty", failed["error"])
        self.assertIn("e2e_seed", self.destination.client().list_database_names())
        self.forget()
        self.item = secrets.token_hex(12)
        self.want(dropDestinationData=True)
        self.can_commit()
        self.want("CUTOVER", dropDestinationData=True)
        self.wait_for_state("COMMITTED")
        self.assert_equal_deployments(self.agent.process)

    def test_what_was_copied_is_not_dropped_by_a_host_that_lost_its_files(self):
        self.seed()
        self.destination.client().before.there.insert_one({"_id": 1})
        self.want(dropDestinationData=True)
        self.can_commit()
        self.assertEqual(self.agent.log().count("dropped a database"), 1)

        def lose():
            engine = self.agent.engine_pid(self.item)
            self.agent.process.kill()
            if engine:
                os.kill(engine, signal.SIGKILL)
            shutil.rmtree(self.agent.job_path(self.item))
            self.agent.start()
        lose()
        eventually(lambda: "it is gone on with, and nothing is dropped" in self.agent.log(), 60, "the migration found")
        self.can_commit()
        lose()
        self.want("CUTOVER", dropDestinationData=True)
        self.wait_for_state("COMMITTED")
        lose()
        time.sleep(3)
        self.wait_for_state("COMMITTED")
        self.assertEqual(self.agent.log().count("dropped a database"), 1)
        self.assert_equal_deployments(self.agent.process)
        self.forget()
        # Nor is what is in use dropped by a later one that is not to.
        self.item = secrets.token_hex(12)
        self.want()
        self.assertIn("earlier migration", self.wait_for_state("FAILED")["error"])
        self.assert_equal_deployments(self.agent.process)

    def test_what_is_not_done_is_failed_by_name(self):
        for fields, said in (({"sharding": {"createSupportingIndexes": False, "shardingEntries": []}}, "sharding"),
                             ({"path": "teleport"}, "teleport"), ({"migrationHost": "nobody.example.net"}, "nobody.example.net")):
            with self.subTest(fields=fields):
                self.item = secrets.token_hex(12)
                self.want(**fields)
                self.assertIn(said, self.wait_for_state("FAILED")["error"])
                self.want("FORGET")
                eventually(lambda: self.item not in self.atlas.items, 60, "FORGOTTEN")
        self.assertEqual(self.destination.client().list_database_names(), sorted(set(self.destination.client().list_database_names())))

    def test_what_a_report_s_answer_says_is_to_be_forgotten_is(self):
        """Also while the list of work does not say so: the destination's cluster may be gone from it."""
        self.seed()
        self.want()
        self.can_commit()
        engine = self.agent.engine_pid(self.item)
        self.atlas.answered[self.item] = "FORGET"
        eventually(lambda: self.item not in self.atlas.items, 60, "FORGOTTEN")
        eventually(lambda: not os.path.exists(self.agent.job_path(self.item)), 10, "the files being gone")
        arguments = ["ps", "-o", "stat=", "-p", str(engine)]
        state = subprocess.run(arguments, capture_output=True, text=True, check=False).stdout.strip()
        self.assertIn(state[:1], ("", "Z"), "the engine has ended")

    def test_one_at_a_time(self):
        self.seed()
        self.want()
        self.can_commit()
        other = secrets.token_hex(12)
        self.want(item=other)
        self.assertIn("another migration", self.wait_for_state("FAILED", item=other)["error"])
        self.assertEqual(self.report()["state"], "RUNNING")


class Ends(OnAHost):
    """Each process in its turn, at each stage: the migration goes on, and nothing is lost."""

    def kill_agent(self):
        self.agent.process.kill()

    def test_each_process_killed_while_it_runs(self):
        self.seed(documents=20000)
        with self.writers(self.application_uri()) as writers:
            self.want()
            engine = eventually(lambda: self.agent.engine_pid(self.item), 60, "the engine")
            # The agent, while the copy runs: the engine does not notice.
            self.agent.process.kill()
            self.assertEqual(self.agent.engine_pid(self.item), engine)
            self.agent.start()
            self.can_commit()
            self.assertEqual(self.agent.engine_pid(self.item), engine, "the new agent took it over")
            self.assertIn("found the engine of a migration running", self.agent.log())
            # By SIGTERM as well.
            self.agent.process.stop()
            self.assertEqual(self.agent.engine_pid(self.item), engine)
            self.agent.start()
            # The engine: it is started again and goes on.
            os.kill(engine, signal.SIGKILL)
            eventually(lambda: self.agent.engine_pid(self.item) not in (None, engine), 60, "the engine again")
            self.can_commit()
            # The site: nobody notices, reports come later.
            self.site.process.kill()
            before = writers.acknowledged()
            eventually(lambda: writers.acknowledged() > before + 50, 60, "writes")
            sequence = self.atlas.sequences[self.item]
            self.site.keep_port = True
            self.site.start()
            eventually(lambda: self.atlas.sequences[self.item] > sequence, 90, "reports again")
            # The host: agent and engine at once.
            self.agent.process.kill()
            os.kill(self.agent.engine_pid(self.item), signal.SIGKILL)
            self.site.process.kill()
            self.agent.start()
            eventually(lambda: self.agent.engine_pid(self.item), 60, "the engine without a site")
            self.site.start()
            self.can_commit()
        self.want("CUTOVER")
        self.agent.process.kill()
        self.agent.start()
        self.wait_for_state("COMMITTED")
        self.assert_equal_deployments(self.agent.process)
        self.assertEqual(writers.lost(self.destination.client()), [])
        # The result is repeated by a process that only found it.
        self.agent.process.kill()
        self.agent.start()
        self.forget()

    def test_the_atlas_site_is_away(self):
        self.seed()
        self.want()
        self.can_commit()
        self.atlas.refusing = True
        engine = self.agent.engine_pid(self.item)
        os.kill(engine, signal.SIGKILL)
        eventually(lambda: self.agent.engine_pid(self.item) not in (None, engine), 60, "the engine again")
        sequence = self.atlas.sequences[self.item]
        self.atlas.refusing = False
        eventually(lambda: self.atlas.sequences[self.item] > sequence, 120, "reports again")
        self.want("STOP")
        self.wait_for_state("STOPPED")
        self.forget()


class Validations(OnAHost):
    def checks(self, **fields):
        self.item = secrets.token_hex(12)
        self.want(kind="validation", **fields)
        report = self.wait_for_state("DONE")
        self.forget()
        return {check["id"]: check for check in report["checks"]}

    def failed(self, checks):
        return sorted(name for name, check in checks.items() if check["status"] == "FAILED")

    def source_with(self, **fields):
        return {"groupId": self.project.id, "clusterName": self.cluster_name, "managedAuthentication": False, "username": "root",
                "password": clusters.PASSWORD, "ssl": False, **fields}

    def test_each_check(self):
        self.seed()
        checks = self.checks()
        self.assertEqual(self.failed(checks), [], checks)
        for name in ("migration-host", "source-reachable", "credentials", "privileges", "destination-reachable", "destination-privileges",
                     "engine", "duplicate-namespaces"):
            self.assertIn(checks[name]["status"], ("PASSED", "WARNING"), checks[name])
        self.assertEqual(checks["ca-file"]["status"], "SKIPPED")

        checks = self.checks(source=self.source_with(password="wrong"))
        self.assertEqual(self.failed(checks), ["credentials"])
        self.assertEqual(checks["credentials"]["title"], "The username or password is not correct")
        self.assertEqual(checks["source-reachable"]["status"], "PASSED")
        self.assertEqual(checks["engine"]["status"], "SKIPPED")

        checks = self.checks(source={key: value for key, value in self.source_with().items() if key not in ("username", "password")})
        self.assertEqual(self.failed(checks), ["credentials"], checks)
        self.assertEqual([checks[name]["status"] for name in ("source-reachable", "privileges", "engine")], ["PASSED", "SKIPPED", "SKIPPED"], checks)
        self.assertIn("managedAuthentication", checks["credentials"]["detail"])

        self.source.create_user("weak", ["clusterMonitor"])
        checks = self.checks(source=self.source_with(username="weak"))
        self.assertEqual(self.failed(checks), ["privileges"], checks)

        self.source.client().admin.command("createUser", "old", pwd=clusters.PASSWORD, mechanisms=["SCRAM-SHA-1"], roles=["root"])
        checks = self.checks(source=self.source_with(username="old"))
        self.assertEqual(self.failed(checks), ["source-mechanisms"], checks)
        self.assertIn("none for SCRAM-SHA-256", checks["source-mechanisms"]["detail"])

        # Monitoring's own user.
        checks = self.checks(source={"groupId": self.project.id, "clusterName": self.cluster_name, "managedAuthentication": True, "ssl": False})
        self.assertEqual(self.failed(checks), ["privileges"], checks)

        checks = self.checks(source=self.source_with(ssl=True, caCertificatePath="/nowhere/ca.pem"))
        self.assertEqual(self.failed(checks), ["ca-file"])
        self.assertEqual(checks["ca-file"]["title"], "Unable to process the provided CA file")

        unreachable = re.sub(r":\d+/", f":{clusters.free_port()}/", self.destination.uri)
        checks = self.checks(destination={"groupId": "66ff00000000000000000001", "clusterName": "x", "connectionString": unreachable, "sharded": False})
        self.assertEqual(self.failed(checks), ["destination-reachable"], checks)

        self.destination.client().e2e_seed.small.insert_one({"_id": 1})
        checks = self.checks()
        self.assertEqual(checks["duplicate-namespaces"]["status"], "WARNING")
        self.assertIn("e2e_seed.small", checks["duplicate-namespaces"]["detail"])
        self.assertEqual(self.failed(checks), ["engine"], checks)
        checks = self.checks(dropDestinationData=True)
        self.assertEqual(self.failed(checks), [], checks)
        self.assertEqual(self.destination.client().e2e_seed.small.count_documents({}), 1, "a validation changes nothing")

    def test_no_agent(self):
        self.want(kind="validation", migrationHost="nobody.example.net")
        report = self.wait_for_state("DONE")
        self.assertEqual([(check["id"], check["status"]) for check in report["checks"]], [("migration-host", "FAILED")])
