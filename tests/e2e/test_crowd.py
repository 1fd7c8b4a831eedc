"""Connections of somebody who asks for nothing, more than the HTTP server takes: whoever does ask is answered as ever."""
import http.client
import os
import resource
import socket
import ssl
import threading
import time

from harness import clusters
from harness.case import DroverTest
from harness.daemon import Daemon
from harness.site import ATLAS, Site

IDLE, DRIPPING = 600, 300  # the limit is 512
CALLS = 50
SLOWEST_SECONDS = 8.0      # of any one call; a connection that keeps its place without a request keeps it for longer


class Crowd:
    """Opens its connections, and goes on opening new ones and dripping bytes into half of a request."""

    def __init__(self, test, port):
        self.port = port
        self.links = [self.connect() for _ in range(IDLE)]
        self.drips = []
        for number in range(DRIPPING):
            link = self.connect()
            link.send(b"GET / HTTP/1.1\r\nX-A: " if number % 2 else b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{")
            self.drips.append(link)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.drip)
        self.thread.start()
        test.addCleanup(self.close)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def drip(self):
        while not self.ended.wait(0.05):
            for number, link in enumerate(self.drips):
                try:
                    link.send(b"a")
                except OSError:  # it had to make room, and comes back
                    link.close()
                    self.drips[number] = self.connect()
                    self.drips[number].send(b"GET / HTTP/1.1\r\nX-A: ")

    def close(self):
        self.ended.set()
        self.thread.join()
        for link in self.links + self.drips:
            link.close()


class AmongACrowd(DroverTest):
    once = True

    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def start_clusters(self):
        pass

    def assert_answered(self, call):
        slowest = 0
        for _ in range(CALLS):
            begun = time.monotonic()
            call()
            slowest = max(slowest, time.monotonic() - begun)
        self.assertLess(slowest, SLOWEST_SECONDS)

    def test_the_control_plane(self):
        site = Site(self)
        Crowd(self, site.port)
        self.assert_answered(lambda: self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 200))
        self.assertIn("connections without a request were closed", site.process.stderr())
        self.assertLess(site.process.stderr().count("connections without a request were closed"), 20)

    def test_out_of_file_descriptors(self):
        """Fewer descriptors than connections: those that ask for nothing give theirs up."""
        site = Site(self)
        site.call("GET", ATLAS + "/orgs")
        has = len(os.listdir(f"/proc/{site.process.pid}/fd"))
        resource.prlimit(site.process.pid, resource.RLIMIT_NOFILE, (has + 50, has + 50))
        Crowd(self, site.port)
        self.assert_answered(lambda: self.assertEqual(site.call("GET", ATLAS + "/orgs")[0], 200))
        self.assertIn("out of file descriptors", site.process.stderr())

    def test_handshakes_that_are_not_finished(self):
        ca, pem = clusters.make_certificates(self.directory)
        site = Site(self, "--tls-certificate-key-file", pem)
        Crowd(self, site.port)  # plain bytes are no handshake; the silent ones are half of one
        context = ssl.create_default_context(cafile=ca)

        def call():
            connection = http.client.HTTPSConnection("127.0.0.1", site.port, timeout=10, context=context)
            connection.request("GET", ATLAS + "/orgs")
            self.assertEqual(connection.getresponse().status, 401)
            connection.close()
        self.assert_answered(call)

    def test_the_engine(self):
        self.source, self.destination = self.cluster("source"), self.cluster("destination")
        daemon = Daemon(self)
        daemon.wait_for(lambda progress: progress["state"] == "IDLE", "IDLE")
        Crowd(self, daemon.port)
        self.assert_answered(daemon.progress)
