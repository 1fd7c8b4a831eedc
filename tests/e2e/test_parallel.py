"""Two migrations at once: two sources of one project, each by a migration host of its own, into two clusters of one destination site."""
from harness import clusters, compare
from harness.agent import AgentProcess
from harness.process import eventually
from harness.site import EXT
from test_workflow import WorkflowTest

SECOND_HOST = "mig02.example.net"


class Parallel(WorkflowTest):
    once = True

    def start_clusters(self):
        super().start_clusters()
        self.second_source, self.second_destination = self.cluster("source2"), self.cluster("destination2")

    def add_second(self):
        """What there has to be of a second migration, beside what begin() made."""
        self.second_source.create_user("monitor", ["clusterMonitor"])
        self.second_agent = AgentProcess(self, self.project, SECOND_HOST, name="agent2")
        self.second_name = self.project.monitored(self.second_source, authMechanismName="SCRAM-SHA-256", username="monitor",
                                                  password=clusters.PASSWORD)["clusterName"]
        status, _, made = self.atlas.call("POST", f"{EXT}/groups/{self.group}/clusters", {"name": "stock-atlas", "connectionString": self.second_destination.uri})
        self.assertEqual(status, 201, made)

        def told():
            found = self.available()
            return found and sorted(found["migrationHosts"]) == ["mig01.example.net", SECOND_HOST] and len(found["deployments"]) == 2
        eventually(told, 90, "both at the Atlas site")

    def body(self, **changes):
        body = super().body(**changes)
        if changes.get("clusterName") == getattr(self, "second_name", ""):
            body["destination"]["clusterName"], body["migrationHosts"] = "stock-atlas", [SECOND_HOST]
        return body

    def started(self, **changes):
        status, _, made = self.atlas.call("POST", self.path(), self.body(**changes))
        self.assertEqual((status, made["status"]), (201, "NEW"), made)
        return made["_id"]

    def of_each(self, migrations, condition, what):
        for self.migration in migrations:
            self.wait_for(condition, f"{what} of {self.migration}")

    def test_from_the_start_to_both_cutovers(self):
        self.seed()
        self.second_source.client().e2e_stock.things.insert_many([{"_id": n, "x": "y" * 100} for n in range(3000)])
        self.begin(self.site("manager"), self.site("atlas"))
        self.add_second()
        second_application = self.second_source.create_user("application", ["readWriteAnyDatabase", "dbAdminAnyDatabase"])
        with self.writers(self.application_uri(), count=2) as writers, self.writers(second_application, count=2) as second_writers:
            migrations = [self.started(), self.started(clusterName=self.second_name)]
            self.of_each(migrations, lambda found: found["readyForCutover"], "readyForCutover")
            engines = [self.agent.engine_pid(migrations[0]), self.second_agent.engine_pid(migrations[1])]
            self.assertTrue(all(engines) and engines[0] != engines[1], engines)
            self.assertIsNone(self.agent.engine_pid(migrations[1]), "each on its own host")
            eventually(lambda: min(writers.acknowledged(), second_writers.acknowledged()) > 50, 60, "writes")
            for migration in migrations:
                self.assertEqual(self.atlas.call("PUT", self.path(migration, "cutover"))[0], 202)
            self.of_each(migrations, lambda found: found["status"] == "COMPLETE", "COMPLETE")
        self.assert_equal_deployments(self.agent.process)
        self.assertEqual(compare.differences(self.second_source.client(), self.second_destination.client()), [], self.second_agent.tail())
        self.assertNotIn("e2e_stock", self.destination.client().list_database_names())
        self.assertEqual(writers.lost(self.destination.client()) + second_writers.lost(self.second_destination.client()), [])
        self.assert_cleaned()
        self.assertEqual([user["user"] for user in self.second_destination.client().admin.command("usersInfo")["users"]], ["root"])
