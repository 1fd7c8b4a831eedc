"""What a validation or a migration needs on the source's site is not taken away: its migration host, the deployment that it reads,
their project, the link; also at the moment when it begins."""
import base64
import http.client
import json
import random
import secrets
import threading
import time

from harness.agent import Project
from harness.atlas_site import AtlasSite
from harness.cli import Cli
from harness.process import eventually
from harness.site import ATLAS, EXT, MANAGER
from test_manager import ManagerTest
from test_workflow import WorkflowTest


class UnderAMigration(WorkflowTest):
    once = True

    def refused(self, site, method, path, code):
        status, headers, error = site.call(method, path)
        self.assertEqual((status, error.get("errorCode"), headers["X-Error-Code"]), (409, code, code), error)
        return error["detail"]

    def assert_nothing_can_be_taken_away(self):
        manager, atlas = self.manager, self.atlas
        host = self.project.hosts()[0]["id"]
        key = f"{MANAGER}/groups/{self.project.id}/agentapikeys/{self.project.key['_id']}"
        self.assertRegex(self.refused(manager, "DELETE", key, "MIGRATION_HOST_IN_USE"), f"{self.migration}.* cancel ")
        self.assertIn(self.migration, self.refused(manager, "DELETE", f"{MANAGER}/groups/{self.project.id}/hosts/{host}", "DEPLOYMENT_IN_USE"))
        self.assertIn(self.migration, self.refused(manager, "DELETE", f"{MANAGER}/groups/{self.project.id}", "CANNOT_CLOSE_GROUP_ACTIVE_LIVE_MIGRATION"))
        in_use = "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK"
        self.assertIn("cancel", self.refused(manager, "DELETE", f"{MANAGER}/orgs/{manager.org}/liveExport/migrationLink", in_use))
        self.refused(atlas, "DELETE", f"{ATLAS}/orgs/{atlas.org}/liveMigrations/linkTokens", in_use)
        self.refused(atlas, "DELETE", f"{ATLAS}/groups/{self.group}", "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS")
        # Nothing of it was done.
        self.assertEqual([one["id"] for one in self.project.hosts()], [host])
        self.assertEqual([one["_id"] for one in self.project.call("GET", "/agentapikeys")[2]], [self.project.key["_id"]])
        self.assertEqual([one["stateName"] for one in self.project.call("GET", "/agents/AUTOMATION")[2]["results"]], ["ACTIVE"])

    def test_nothing_that_it_needs_is_taken_away_until_it_has_ended(self):
        self.seed()
        self.begin(self.site("manager"), self.site("atlas"))
        other = self.project.call("POST", "/agentapikeys", {"desc": "nobody's"})[2]["_id"]
        self.start_migration_by_api()
        self.assertEqual(self.project.call("DELETE", f"/agentapikeys/{other}")[0], 204, "a key that no host uses")
        self.assert_nothing_can_be_taken_away()  # from the first moment on
        self.ready()
        self.assert_nothing_can_be_taken_away()
        cli = Cli(self, self.manager)
        here = ["--project", "Shop (prod)"]
        refused = cli.fails(4, "deployment", "remove", self.source_name, "--yes", *here)
        self.assertEqual((refused["status"], refused["errorCode"]), (409, "DEPLOYMENT_IN_USE"))
        self.assertEqual(cli.fails(4, "agent-key", "delete", self.project.key["_id"], "--yes", *here)["errorCode"], "MIGRATION_HOST_IN_USE")
        self.assertEqual(cli.fails(4, "project", "delete", "Shop (prod)", "--yes")["errorCode"], "CANNOT_CLOSE_GROUP_ACTIVE_LIVE_MIGRATION")
        self.ready()
        self.assertEqual(self.atlas.call("POST", f"{EXT}/groups/{self.group}/liveMigrations/{self.migration}/cancel", {})[0], 200)
        eventually(lambda: self.get()["status"] == "FAILED", 60, "the end")
        # Now it goes, and all of it with the project.
        eventually(lambda: self.project.call("DELETE", f"/hosts/{self.project.hosts()[0]['id']}")[0] == 204, 30, "the host being free")
        self.assertEqual(self.manager.call("DELETE", f"{MANAGER}/groups/{self.project.id}")[0], 202)
        eventually(lambda: "AGENT_API_KEY_NOT_FOUND" in self.agent.log(), 60, "the agent being locked out")

    def test_by_force_and_back(self):
        """A key that strangers have goes at once. The migration waits for its host, which may come back by another key."""
        self.seed()
        self.begin(self.site("manager"), self.site("atlas"))
        self.start_migration_by_api()
        self.ready()
        self.assertEqual(self.project.call("DELETE", f"/agentapikeys/{self.project.key['_id']}?force=true")[0], 204)
        self.assertEqual(self.project.call("GET", "/agents/AUTOMATION")[2]["results"], [])
        self.assertEqual(self.project.call("GET", "/alerts")[2]["results"], [])
        self.manager.call("POST", f"{EXT}/orgs/{self.manager.org}/liveExport/migrationLink:refresh")
        self.assertIsNone(self.available(), "an unprovisioned host is offered to nobody")
        eventually(lambda: "AGENT_API_KEY_NOT_FOUND" in self.agent.log(), 60, "the agent being locked out")
        self.agent.process.kill()
        self.agent.lines["mmsApiKey"] = self.project.call("POST", "/agentapikeys", {"desc": "again"})[2]["key"]
        self.agent.start()
        self.ready()
        self.cut_over()
        self.assert_equal_deployments(self.agent.process)
        self.assert_cleaned()


class AtTheSameMoment(ManagerTest):
    """Work comes while its host is taken away: exactly one of the two happens."""
    once = True
    rounds = 12

    def start_clusters(self):
        self.source = self.cluster("source")

    def agent_call(self, project, key, path, body):
        login = base64.b64encode(f"{project.id}:{key}".encode()).decode()
        link = http.client.HTTPConnection("127.0.0.1", project.site.port, timeout=30)
        link.request("POST", "/agent/v1" + path, json.dumps(body), {"Authorization": "Basic " + login})
        response = link.getresponse()
        answer = json.loads(response.read() or b"null")
        link.close()
        return response.status, answer

    def provisioned(self, project, hostname):
        key = project.call("POST", "/agentapikeys", {"desc": hostname})[2]
        hello = {"protocol": 1, "agentId": hostname, "hostname": hostname, "version": "v", "features": ["monitoring", "cloudMigration"],
                 "platform": {"os": "linux", "arch": "x86_64", "distribution": "debian", "version": "12"}}
        status, answer = self.agent_call(project, key["key"], "/hello", hello)
        self.assertEqual(status, 200, answer)
        session = {"agentId": hostname, "epoch": answer["epoch"]}
        return key, session

    def monitor(self, project, key, session):
        """A sample of the source by this agent, so that the project has a deployment."""
        [wanted] = self.agent_call(project, key["key"], "/poll", session)[1]["monitor"]
        host = {"host": wanted["hosts"][0], "reached": True, "typeName": "REPLICA_PRIMARY", "version": "8.0.4", "replicaSetName": "source"}
        status, answer = self.agent_call(project, key["key"], "/monitoring", {**session, "samples": [{"deploymentId": wanted["deploymentId"], "hosts": [host]}]})
        self.assertEqual(status, 200, answer)

    def test_one_of_the_two_wins(self):
        site, atlas = self.manager(), AtlasSite(self)
        project = Project(self, site)
        project.monitor("127.0.0.1", self.source.port)
        self.monitor(project, *self.provisioned(project, "watcher"))
        self.assertEqual(site.call("POST", f"{MANAGER}/orgs/{site.org}/liveExport/migrationLink", {"linkToken": atlas.token()})[0], 200)
        won = {"migration": 0, "removal": 0}
        for number in range(self.rounds):
            hostname, item = f"mig{number}", secrets.token_hex(12)
            key, session = self.provisioned(project, hostname)

            # Now the one, now the other has a start, of no more than both need.
            late = 0.4 if number % 2 else 0.02

            def want(hostname=hostname, item=item, late=late):
                time.sleep(random.random() * late)
                source = {"groupId": project.id, "clusterName": "source", "managedAuthentication": False, "ssl": False}
                atlas.want(item, "RUN", kind="validation" if hostname.endswith("1") else "migration", path="sync", migrationHost=hostname, source=source,
                           destination={"groupId": "6" * 24, "clusterName": "d", "connectionString": "mongodb://127.0.0.1:1", "sharded": False})
            begun = threading.Thread(target=want)
            begun.start()
            time.sleep(0 if number % 2 else random.random() * 0.05)
            status, _, error = project.call("DELETE", f"/agentapikeys/{key['_id']}")
            begun.join()
            if status == 409:
                self.assertEqual((error["errorCode"], error["parameters"]), ("MIGRATION_HOST_IN_USE", [item]))
                jobs = eventually(lambda key=key, session=session: self.agent_call(project, key["key"], "/poll", session)[1]["jobs"], 30, "the job")
                self.assertEqual([job["id"] for job in jobs], [item])
                self.assertNotIn(item, atlas.reports)
                won["migration"] += 1
            else:
                self.assertEqual(status, 204, error)
                self.assertEqual(self.agent_call(project, key["key"], "/poll", session)[0], 401)
                report = eventually(lambda item=item: atlas.reports.get(item), 30, "the refusal of the work")
                self.assertIn("unprovisioned", json.dumps(report))
                self.assertIn(report["state"], ("FAILED", "DONE"))
                atlas.want(item, "FORGET")
                eventually(lambda item=item: item not in atlas.items, 30, "FORGOTTEN")
                won["removal"] += 1
        self.assertGreater(min(won.values()), 0, f"{won}: the moment was missed; make the pauses others")
