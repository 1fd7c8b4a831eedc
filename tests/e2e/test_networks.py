"""Private networks of a project as records: VPC peering and private endpoints, in each provider's shapes, and what the rules of live
migration make of them."""
from harness.clusters import PASSWORD
from harness.site import ATLAS, EXT
from test_atlas import AtlasTest
from test_live_imports import V1, ImportTest

AWS_CONTAINER = {"providerName": "AWS", "atlasCidrBlock": "10.8.0.0/21", "regionName": "EU_WEST_1"}
AWS_PEER = {"providerName": "AWS", "accepterRegionName": "eu-west-1", "awsAccountId": "123456789012", "routeTableCidrBlock": "192.168.0.0/24", "vpcId": "vpc-0d93"}
REGION = {"providerName": "AWS", "regionName": "EU_WEST_1", "priority": 7, "electableSpecs": {"instanceSize": "M30", "nodeCount": 3}}


class Peering(AtlasTest):
    def test_of_each_provider(self):
        site = self.site()
        base = f"/groups/{self.project(site)}"
        status, _, container = site.call("POST", f"{ATLAS}{base}/containers", AWS_CONTAINER)
        self.assertEqual((status, container["regionName"], container["provisioned"], container["vpcId"]), (201, "EU_WEST_1", False, None))
        self.assertEqual(site.call("POST", f"{ATLAS}{base}/containers", AWS_CONTAINER)[0], 409)
        azure = site.call("POST", f"{ATLAS}{base}/containers", {"providerName": "AZURE", "atlasCidrBlock": "10.16.0.0/21", "region": "EUROPE_WEST"})[2]
        gcp = site.call("POST", f"{V1}{base}/containers", {"providerName": "GCP", "atlasCidrBlock": "10.24.0.0/18"}, accept=None)[2]
        self.assertEqual([one["id"] for one in site.call("GET", f"{ATLAS}{base}/containers")[2]["results"]], [container["id"]])
        self.assertEqual(site.call("GET", f"{ATLAS}{base}/containers?providerName=AZURE")[2]["results"][0]["region"], "EUROPE_WEST")
        self.assertEqual(site.call("GET", f"{ATLAS}{base}/containers/all")[2]["totalCount"], 3)
        self.assertEqual(site.call("GET", f"{ATLAS}{base}/containers?providerName=MOON")[0], 400)

        status, _, peer = site.call("POST", f"{ATLAS}{base}/peers", {**AWS_PEER, "containerId": container["id"]})
        self.assertEqual((status, peer["statusName"], peer["routeTableCidrBlock"]), (201, "INITIATING", "192.168.0.0/24"), peer)
        other = site.call("POST", f"{ATLAS}{base}/peers", {"providerName": "AZURE", "containerId": azure["id"], "azureDirectoryId": "d", "azureSubscriptionId": "s",
                                                           "resourceGroupName": "g", "vnetName": "v"})[2]
        self.assertEqual((other["status"], other["vnetName"]), ("ADDING", "v"))
        third = site.call("POST", f"{V1}{base}/peers", {"containerId": gcp["id"], "gcpProjectId": "p", "networkName": "n"}, accept=None)[2]
        self.assertEqual((third["status"], third["providerName"]), ("ADDING_PEER", "GCP"))
        self.assertTrue(site.call("GET", f"{ATLAS}{base}/containers/{container['id']}")[2]["provisioned"])
        self.assertEqual(site.call("DELETE", f"{ATLAS}{base}/containers/{container['id']}")[0], 409)
        for changes, code in (({"containerId": "0" * 24}, "CLOUD_PROVIDER_CONTAINER_NOT_FOUND"), ({"containerId": azure["id"]}, "INVALID_PROVIDER"),
                              ({"vpcId": ""}, "MISSING_ATTRIBUTE"), ({"routeTableCidrBlock": "x"}, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"),
                              ({"awsAccountId": 1}, "INVALID_ATTRIBUTE")):
            error = site.call("POST", f"{ATLAS}{base}/peers", {**AWS_PEER, "containerId": container["id"], **changes})[2]
            self.assertEqual(error["errorCode"], code, changes)
        # Another connection has to be made first; the same one is as it was.
        own = f"{ATLAS}{base}/peers/{peer['id']}"
        self.assertEqual(site.call("PATCH", f"{EXT}{base}/peers/{peer['id']}", {"status": "AVAILABLE"})[0], 200)
        self.assertEqual(site.call("PATCH", own, {"vpcId": AWS_PEER["vpcId"]})[2]["statusName"], "AVAILABLE")
        changed = site.call("PATCH", own, {"vpcId": "vpc-other", "providerName": "AWS"})[2]
        self.assertEqual((changed["vpcId"], changed["statusName"], changed["awsAccountId"]), ("vpc-other", "INITIATING", peer["awsAccountId"]))
        for changes, code in (({"containerId": azure["id"]}, "INVALID_ATTRIBUTE"), ({"providerName": "AZURE"}, "INVALID_PROVIDER"),
                              ({"routeTableCidrBlock": "x"}, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"), ({"vpcId": ""}, "MISSING_ATTRIBUTE")):
            self.assertEqual(site.call("PATCH", own, changes)[2]["errorCode"], code, changes)
        self.assertEqual(site.call("PATCH", f"{ATLAS}{base}/containers/{container['id']}", {"atlasCidrBlock": "10.32.0.0/21"})[2]["errorCode"], "CONTAINERS_IN_USE")
        # What state it is in is told by whoever runs the network.
        tell = f"{EXT}{base}/peers/{peer['id']}"
        self.assertEqual(site.call("PATCH", tell, {"status": "ADDING"})[0], 400)
        self.assertEqual(site.call("PATCH", tell, {"statusName": "AVAILABLE"})[0], 400)
        self.assertEqual(site.call("PATCH", tell, {"status": "FAILED", "errorMessage": "REJECTED"})[2]["errorStateName"], "REJECTED")
        self.assertEqual(site.call("PATCH", tell, {"status": "AVAILABLE"})[2]["statusName"], "AVAILABLE")
        site.process.kill()
        site.start()
        self.assertEqual(site.call("GET", f"{ATLAS}{base}/peers/{peer['id']}")[2]["statusName"], "AVAILABLE")
        self.assertEqual([one["id"] for one in site.call("GET", f"{ATLAS}{base}/peers?providerName=GCP")[2]["results"]], [third["id"]])
        elsewhere = self.project(site, "other")
        self.assertEqual(site.call("GET", f"{ATLAS}/groups/{elsewhere}/peers/{peer['id']}")[2]["errorCode"], "PEER_NOT_FOUND")
        self.assertEqual(site.call("DELETE", f"{ATLAS}{base}/peers/{peer['id']}")[0], 202)
        self.assertEqual(site.call("DELETE", f"{ATLAS}{base}/peers/{peer['id']}")[0], 404)
        free = f"{ATLAS}{base}/containers/{container['id']}"
        self.assertEqual(site.call("PATCH", free, {"atlasCidrBlock": "10.32.0.0/21"})[2]["atlasCidrBlock"], "10.32.0.0/21")
        self.assertEqual(site.call("PATCH", free, {"providerName": "GCP"})[2]["errorCode"], "INVALID_PROVIDER")
        self.assertEqual(site.call("PATCH", free, {"regionName": "US_EAST_1"})[2]["errorCode"], "CANNOT_CHANGE_CONTAINER_REGION")
        self.assertEqual(site.call("DELETE", f"{ATLAS}{base}/containers/{container['id']}")[0], 204)
        told = [event["eventTypeName"] for event in site.call("GET", f"{ATLAS}{base}/events")[2]["results"]]
        self.assertEqual(told, ["X_CONTAINER_DELETED", "CONTAINER_SUBNETS_UPDATE_REQUESTED", "PEER_DELETED", *["PEER_UPDATED"] * 5, *["PEER_CREATED"] * 3,
                                *["X_CONTAINER_CREATED"] * 3, "GROUP_CREATED"])


class PrivateEndpoints(AtlasTest):
    def test_of_each_provider(self):
        site = self.site()
        base = f"/groups/{self.project(site)}/privateEndpoint"
        bodies = {"AWS": {"id": "vpce-0123"}, "AZURE": {"id": "/subscriptions/s/privateEndpoints/e", "privateEndpointIPAddress": "10.0.0.4"},
                  "GCP": {"endpointGroupName": "group", "gcpProjectId": "p", "endpoints": [{"endpointName": "e0", "ipAddress": "10.0.0.5"}]}}
        names = {"AWS": ("interfaceEndpoints", "interfaceEndpointId", "connectionStatus"), "AZURE": ("privateEndpoints", "privateEndpointResourceId", "status"),
                 "GCP": ("endpointGroupNames", "endpointGroupName", "status")}
        for provider, body in bodies.items():
            listed, own, state = names[provider]
            region = {"AWS": "EU_WEST_1", "AZURE": "EUROPE_WEST", "GCP": "WESTERN_EUROPE"}[provider]
            status, _, service = site.call("POST", f"{ATLAS}{base}/endpointService", {"providerName": provider, "region": region.lower().replace("_", "-")})
            self.assertEqual((status, service["status"], service["regionName"], service[listed]), (201, "INITIATING", region, []))
            self.assertEqual(site.call("POST", f"{ATLAS}{base}/endpointService", {"providerName": provider, "region": region})[0], 409)
            nowhere = site.call("POST", f"{ATLAS}{base}/endpointService", {"providerName": provider, "region": "MOON_1"})[2]
            self.assertEqual((nowhere["errorCode"], nowhere["parameters"]), ("INVALID_REGION", ["MOON_1", provider]))
            one = f"{base}/{provider}/endpointService/{service['id']}"
            status, _, endpoint = site.call("POST", f"{ATLAS}{one}/endpoint", body)
            self.assertEqual(status, 201, endpoint)
            identity = endpoint[own]
            self.assertEqual(site.call("POST", f"{ATLAS}{one}/endpoint", body)[0], 409)
            self.assertEqual([found["id"] for found in site.call("GET", f"{V1}{base}/{provider}/endpointService", accept=None)[2]], [service["id"]])
            self.assertEqual(site.call("GET", ATLAS + one)[2][listed], [identity])
            path = f"{one}/endpoint/{identity.replace('/', '%2F')}"
            self.assertNotEqual(site.call("GET", ATLAS + path)[2][state], "AVAILABLE")
            self.assertEqual(site.call("PATCH", EXT + path, {"status": "AVAILABLE"})[2][state], "AVAILABLE")
            self.assertEqual(site.call("PATCH", EXT + path, {"status": "SOON"})[0], 400)
            self.assertEqual(site.call("PATCH", EXT + one, {"status": "AVAILABLE"})[2]["status"], "AVAILABLE")
            self.assertEqual(site.call("DELETE", ATLAS + one)[0], 409)
            self.assertEqual(site.call("DELETE", ATLAS + path)[0], 204)
            self.assertEqual(site.call("GET", ATLAS + path)[2]["errorCode"], "PRIVATE_ENDPOINT_NOT_FOUND")
            self.assertEqual(site.call("DELETE", ATLAS + one)[0], 204)
            self.assertEqual(site.call("GET", ATLAS + one)[2]["errorCode"], "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND")
        self.assertEqual(site.call("GET", f"{ATLAS}{base}/MOON/endpointService")[2]["errorCode"], "INVALID_PROVIDER")
        self.assertEqual(site.call("POST", f"{ATLAS}{base}/endpointService", {"providerName": "AWS"})[0], 400)


class ThroughPrivateNetworks(ImportTest):
    sandbox_only = True

    def connections(self, **more):
        """The private strings lead to the same cluster, by another of its names."""
        uri = f"mongodb://localhost:{self.destination.port}/?directConnection=true"
        return {"private": uri, "privateEndpoint": [{"connectionString": uri, "endpoints": [{"endpointId": "vpce-1", "providerName": "AWS", "region": "EU_WEST_1"}]}], **more}

    def refused(self, **changes):
        status, _, error = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations", self.body(**changes))
        self.assertEqual((status, error["errorCode"]), (400, "LIVE_MIGRATION_NOT_SUPPORTED"), error)
        return error["detail"]

    def service(self, region="EU_WEST_1", endpoint="vpce-1"):
        base = f"/groups/{self.group}/privateEndpoint"
        service = self.atlas.call("POST", f"{ATLAS}{base}/endpointService", {"providerName": "AWS", "region": region})[2]
        one = f"{base}/AWS/endpointService/{service['id']}"
        self.atlas.call("POST", f"{ATLAS}{one}/endpoint", {"id": endpoint})
        return service["id"], one

    def available(self, one, endpoint="vpce-1"):
        self.assertEqual(self.atlas.call("PATCH", EXT + one, {"status": "AVAILABLE"})[0], 200)
        self.assertEqual(self.atlas.call("PATCH", f"{EXT}{one}/endpoint/{endpoint}", {"status": "AVAILABLE"})[0], 200)

    def test_a_private_endpoint(self):
        self.begin(replicationSpecs=[{"regionConfigs": [REGION]}])
        link = {"destination__hostnameSchemaType": "PRIVATE_LINK", "destination__privateLinkId": "vpce-1"}
        self.assertIn("not there or not AVAILABLE", self.refused(**link))
        service, one = self.service()
        self.assertIn("not there or not AVAILABLE", self.refused(**link))
        self.available(one)
        self.assertIn("no connection string for this network", self.refused(**link))
        cluster = f"{EXT}/groups/{self.group}/clusters/shop-atlas"
        status, _, changed = self.atlas.call("PATCH", cluster, {"connectionStrings": self.connections()})
        self.assertEqual((status, changed["connectionStrings"]["privateEndpoint"][0]["endpoints"][0]["endpointId"]), (200, "vpce-1"))
        other, _ = self.service("US_EAST_1", "vpce-2")
        self.available(f"/groups/{self.group}/privateEndpoint/AWS/endpointService/{other}", "vpce-2")
        self.assertIn("another cloud provider or region", self.refused(**{**link, "destination__privateLinkId": "vpce-2"}))
        for identity in ("vpce-1", service):
            migration = self.migrate(**{**link, "destination__privateLinkId": identity})
            uri = self.item(migration, "RUN")["destination"]["connectionString"]
            self.assertTrue(uri.startswith("mongodb://drover-import-") and f"@localhost:{self.destination.port}/" in uri, "the private way, and the temporary user")
            self.assertEqual(self.whole(migration)["destination"]["privateLinkId"], "vpce-1")
            # It stays as it is while somebody goes through it.
            for method, path, body in (("DELETE", f"{ATLAS}{one}/endpoint/vpce-1", None), ("PATCH", f"{EXT}{one}/endpoint/vpce-1", {"status": "REJECTED"}),
                                       ("PATCH", cluster, {"connectionStrings": {}})):
                status, _, error = self.atlas.call(method, path, body)
                self.assertEqual((status, error["errorCode"]), (409, "CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT"), (method, path))
            self.report(migration, "FAILED", error="enough")
            self.wait_for(migration, "FAILED")
        self.assert_secrets_are_kept(PASSWORD)

    def test_a_private_endpoint_is_for_replica_sets_of_one_place(self):
        self.begin(replicationSpecs=[{"regionConfigs": [REGION]}], connectionStrings=self.connections())
        self.available(self.service()[1])
        link = {"destination__hostnameSchemaType": "PRIVATE_LINK", "destination__privateLinkId": "vpce-1"}
        frankfurt, google = {**REGION, "regionName": "EU_CENTRAL_1", "priority": 6}, {**REGION, "providerName": "GCP", "regionName": "WESTERN_EUROPE", "priority": 5}
        for regions, said in (([REGION, frankfurt], "Multi-region clusters"), ([REGION, google], "Multi-cloud clusters")):
            status, _, changed = self.atlas.call("PATCH", f"{ATLAS}/groups/{self.group}/clusters/shop-atlas", {"replicationSpecs": [{"regionConfigs": regions}]})
            self.assertEqual(status, 200, changed)
            detail = self.refused(**link)
            self.assertIn(said, detail)
            self.assertIn("replica sets deployed within a single cloud provider and single region", detail)
            # The standard connection does not mind.
            validation = self.atlas.call("POST", f"{ATLAS}/groups/{self.group}/liveMigrations/validate", self.body())[2]
            self.assertEqual(validation["status"], "PENDING", validation)

    def test_a_sharded_source_and_private_networks(self):
        sharded = {"name": "shopRS", "clusterId": "66dd00000000000000000001", "mongoDBVersion": "6.0.17", "featureCompatibilityVersion": "6.0", "managed": False,
                   "sharded": True, "shardsSize": 2, "tlsEnabled": True, "topology": "SHARDED", "os": "linux"}
        self.begin(deployments=[sharded], replicationSpecs=[{"regionConfigs": [REGION]}], connectionStrings=self.connections())
        self.available(self.service()[1])
        self.assertIn("Sharded clusters don't support live migration through private endpoints",
                      self.refused(destination__hostnameSchemaType="PRIVATE_LINK", destination__privateLinkId="vpce-1"))
        self.assertIn("Sharded clusters don't support live migration through VPC peering", self.refused(destination__hostnameSchemaType="VPC_PEERING"))

    def test_vpc_peering(self):
        self.begin(replicationSpecs=[{"regionConfigs": [REGION]}], connectionStrings=self.connections())
        peering = {"destination__hostnameSchemaType": "VPC_PEERING"}
        self.assertIn("no VPC peering connection that is AVAILABLE", self.refused(**peering))
        base = f"/groups/{self.group}"
        far = self.atlas.call("POST", f"{ATLAS}{base}/containers", {**AWS_CONTAINER, "regionName": "US_EAST_1"})[2]
        near = self.atlas.call("POST", f"{ATLAS}{base}/containers", AWS_CONTAINER)[2]
        for container, said in ((far, "of another cloud provider or region"), (near, None)):
            peer = self.atlas.call("POST", f"{ATLAS}{base}/peers", {**AWS_PEER, "containerId": container["id"]})[2]
            self.assertEqual(self.atlas.call("PATCH", f"{EXT}{base}/peers/{peer['id']}", {"status": "AVAILABLE"})[0], 200)
            if said:
                self.assertIn(said, self.refused(**peering))
        migration = self.migrate(**peering)
        self.assertIn(f"@localhost:{self.destination.port}/", self.item(migration, "RUN")["destination"]["connectionString"])
        self.assertEqual(self.atlas.call("DELETE", f"{ATLAS}{base}/peers/{peer['id']}")[0], 409)

    def test_private_strings_hold_no_credentials(self):
        self.begin()
        path = f"{EXT}/groups/{self.group}/clusters/shop-atlas"
        for strings in ({"private": "mongodb://u:secretword@h/"}, {"private": "http://h/"}, {"public": "mongodb://h/"}, {"privateEndpoint": [{}]},
                        {"privateEndpoint": [{"connectionString": "mongodb://h/", "endpoints": []}]},
                        {"privateEndpoint": [{"connectionString": "mongodb://h/", "endpoints": [{"endpointId": "e", "providerName": "MOON", "region": "r"}]}]}):
            status, _, error = self.atlas.call("PATCH", path, {"connectionStrings": strings})
            self.assertEqual(status, 400, strings)
            self.assertNotIn("secretword", str(error))
        self.assertNotIn("private", self.atlas.call("GET", path.replace(EXT, ATLAS))[2]["connectionStrings"])
