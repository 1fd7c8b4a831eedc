"""The engine as a daemon: mongosync's flags, states and HTTP API; it goes on by itself after any end."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

from harness import clusters
from harness.case import DroverTest
from harness.daemon import Daemon
from harness.process import eventually
from harness.report import NotRun
from harness.writers import SlowWriter


class SyncWhole(DroverTest):
    def test_from_start_to_committed(self):
        self.seed()
        daemon = Daemon(self)
        idle = daemon.wait_for(lambda progress: progress["state"] == "IDLE", "IDLE")
        self.assertEqual((idle["canCommit"], idle["info"], idle["lagTimeSeconds"]), (False, None, None))
        with self.writers() as writers:
            daemon.ordered("start", source="cluster0", destination="cluster1")
            running = daemon.can_commit()
            self.assertEqual(running["state"], "RUNNING")
            self.assertEqual(running["info"], "change event application")
            self.assertIsInstance(running["lagTimeSeconds"], int)
            self.assertTrue(running["directionMapping"]["Source"].startswith("cluster0: "))
            self.assertGreater(running["collectionCopy"]["estimatedCopiedBytes"], 0)
            eventually(lambda: writers.acknowledged() > 50, 60, "writes")
            status, answer = daemon.call("GET", "x/collections")
            self.assertIn("e2e_seed.big", [one["namespace"] for one in answer["collections"]])
        daemon.can_commit()
        daemon.ordered("commit")
        done = daemon.committed()
        self.assertTrue(done["canWrite"])
        self.assertEqual(done["info"], "commit completed")
        self.assert_equal_deployments(daemon.process)
        self.assertEqual(writers.lost(self.destination.client()), [])
        daemon.process.signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(10), 0, daemon.process.tail())
        daemon.start()
        again = daemon.committed()
        self.assertEqual(again["collectionCopy"], done["collectionCopy"])
        self.assertEqual(again["collectionCopy"]["estimatedCopiedBytes"], again["collectionCopy"]["estimatedTotalBytes"])
        self.assertEqual(again["x"]["documents"], done["x"]["documents"])

    def test_pause_and_resume(self):
        self.seed()
        daemon = Daemon(self)
        with self.writers() as writers:
            daemon.started()
            daemon.can_commit()
            daemon.ordered("pause")
            self.assertEqual(daemon.progress()["state"], "PAUSED")
            status, answer = daemon.post("pause")
            self.assertEqual((status, answer["error"]), (409, "InvalidStateTransition"))
            self.assertEqual(daemon.progress()["state"], "PAUSED", daemon.process.tail())
            before = self.destination.client().e2e_live.counters.find_one({"_id": 0}) or {}
            reached = writers.acknowledged()
            eventually(lambda: writers.acknowledged() > reached + 50, 60, "writes while it is paused")
            self.assertEqual(before, self.destination.client().e2e_live.counters.find_one({"_id": 0}) or {})
            paused = daemon.progress()
            self.assertEqual(paused["collectionCopy"]["estimatedCopiedBytes"], paused["collectionCopy"]["estimatedTotalBytes"])
            daemon.process.kill()
            daemon.start()
            found = daemon.wait_for(lambda progress: progress["state"] == "PAUSED", "PAUSED after a crash")
            for field in ("info", "collectionCopy"):
                self.assertEqual(found[field], paused[field], field)
            self.assertEqual((found["x"]["phase"], found["x"]["documents"]), ("change event application", paused["x"]["documents"]))
            daemon.ordered("resume")
            daemon.can_commit()
        daemon.ordered("commit")
        daemon.committed()
        self.assert_equal_deployments(daemon.process)

    def test_excludes_that_leave_nothing(self):
        self.seed(documents=10)
        daemon = Daemon(self)
        daemon.wait_for(lambda progress: progress["state"] == "IDLE", "IDLE")
        status, answer = daemon.post("start", source="cluster0", destination="cluster1", excludeNamespaces=[{"database": "e2e_seed"}])
        self.assertEqual((status, answer["success"]), (400, False), answer)
        self.assertIn("leave nothing of it to be migrated", json.dumps(answer))
        self.assertEqual(daemon.progress()["state"], "IDLE")

    def test_it_goes_on_by_itself(self):
        self.seed(documents=20000)
        daemon = Daemon(self)
        with self.writers() as writers:
            daemon.started(excludeNamespaces=[{"database": "e2e_seed", "collections": ["small", "seen"]}])
            for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
                before = writers.acknowledged()
                eventually(lambda: writers.acknowledged() > before + 20, 60, "writes")
                daemon.process.signal(number)
                daemon.process.wait(10)
                daemon.start()
                # Whoever sees it come up starts it again, as supervisors do.
                daemon.wait_for(lambda progress: progress["state"] == "RUNNING", "RUNNING")
                daemon.ordered("start", source="cluster0", destination="cluster1",
                               excludeNamespaces=[{"database": "e2e_seed", "collections": ["small", "seen"]}])
                status, answer = daemon.post("start", source="cluster0", destination="cluster1")
                self.assertEqual((status, answer["success"]), (409, False))
            daemon.can_commit()
        daemon.ordered("commit")
        daemon.committed()
        self.assertNotIn("small", self.destination.client().e2e_seed.list_collection_names())
        self.assertEqual(writers.lost(self.destination.client()), [])

    def test_a_commit_that_was_accepted_goes_on(self):
        self.seed()
        daemon = Daemon(self, environment={"DROVER_FAIL_POINT": "cutover.after_fence"})
        daemon.started()
        daemon.can_commit()
        daemon.ordered("commit")
        self.assertEqual(daemon.process.wait(60), -signal.SIGKILL)
        daemon.environment = None
        daemon.start()
        daemon.committed()
        self.assert_equal_deployments(daemon.process)

    def test_a_commit_is_refused_while_the_source_is_away(self):
        """Since when its writers are to have stopped only the source can say."""
        self.seed(documents=50)
        proxy = self.proxy_before(self.source)
        daemon = Daemon(self, cluster0=self.source.proxied_uri(proxy))
        daemon.started()
        daemon.can_commit()
        proxy.down()
        status, answer = daemon.post("commit")
        self.assertEqual((status, answer["error"]), (503, "ClusterUnavailable"), answer)
        self.assertIn("nothing is committed", answer["errorDescription"])
        self.assertEqual(daemon.progress()["state"], "RUNNING")
        proxy.up()
        daemon.can_commit()
        daemon.ordered("commit")
        daemon.committed()
        self.assert_equal_deployments(daemon.process)

    def test_stopped_while_it_finishes_a_decided_cutover(self):
        """Until somebody goes on the source stays blocked: that is no silent end."""
        self.seed(documents=50)
        proxy = self.proxy_before(self.destination)
        daemon = Daemon(self, cluster1=self.destination.proxied_uri(proxy))
        daemon.started()
        daemon.can_commit()
        proxy.hold(lambda message: b"x_cutover" in message and b"committed" in message)
        daemon.ordered("commit")
        eventually(lambda: proxy.held > 0, 60, "the last step")
        daemon.process.signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(15), 130, daemon.process.tail())
        self.assertIn("the cutover, which is decided; start the same command again", daemon.process.stderr())
        proxy.release()
        daemon.start()
        daemon.committed()
        self.assert_equal_deployments(daemon.process)

    def test_no_room_for_temporary_files(self):
        """It ends and says what to do; whoever supervises it can tell that it is this machine's own disk."""
        small = os.path.join(self.directory, "small disk")
        os.makedirs(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True).returncode != 0:
            raise NotRun("root, to mount a small disk")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=True)
        proxy = self.proxy_before(self.source)
        data = self.seed_held("e2e_seed", "held")
        daemon = Daemon(self, cluster0=self.source.proxied_uri(proxy), environment={"TMPDIR": small})
        self.hold_the_copy(proxy, "held")
        daemon.started()
        self.wait_until_held(daemon.process, proxy, "e2e_seed", "held")
        for n in range(20):
            data.insert_one({"_id": 1000 + n, "u": 1000 + n, "x": "x" * (1 << 20)})
        self.assertEqual(daemon.process.wait(60), 1, daemon.process.tail())
        self.assertIn(f"temporary file in {small}", daemon.process.stderr())
        last = json.loads(daemon.process.stdout().strip().splitlines()[-1])
        self.assertEqual((last["level"], last["exitCode"], last["localDisk"]), ("fatal", 1, True), last)
        proxy.release()
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        daemon.start()
        daemon.can_commit()
        daemon.ordered("commit")
        daemon.committed()
        self.assert_equal_deployments(daemon.process)


class SyncWriter(DroverTest):
    """Without authorization nothing blocks the source: whoever goes on writing is only seen, or not."""

    def test_a_writer_that_was_seen_is_never_given_a_second_chance(self):
        self.seed()
        daemon = Daemon(self)
        daemon.started()
        daemon.can_commit()
        with SlowWriter(self.source.client().e2e_seed.slow, 0.05) as writer:
            self.assertEqual(daemon.post("commit", xRequest="one")[0], 400)
            daemon.ordered("commit", xRequest=7)
            given_up = daemon.wait_for(lambda progress: progress["x"]["commitGivenUp"], "the commit given up")
            self.assertEqual(given_up["state"], "RUNNING")
            self.assertEqual(given_up["x"]["commitGivenUp"]["request"], 7)
            self.assertIn("e2e_seed.slow", given_up["x"]["commitGivenUp"]["because"])
            self.assertTrue(any("given up" in warning for warning in given_up["warnings"]), given_up)
            writer.pause = 0.7  # most attempts would miss it
            for process in ("the same", "one that has found what was recorded"):
                with self.subTest(process):
                    status, answer = daemon.post("commit", xRequest=7)
                    self.assertEqual((status, answer["error"]), (409, "InvalidStateTransition"), answer)
                    ending = time.monotonic() + 8
                    while time.monotonic() < ending:
                        found = daemon.progress()
                        self.assertEqual((found["state"], found["x"]["commitGivenUp"]), ("RUNNING", given_up["x"]["commitGivenUp"]))
                        time.sleep(0.2)
                daemon.process.kill()
                daemon.start()
                daemon.can_commit()
        daemon.can_commit()
        daemon.ordered("commit", xRequest=8)
        self.assertIsNone(daemon.committed()["x"]["commitGivenUp"])
        self.assert_equal_deployments(daemon.process)


    def test_a_writer_between_two_attempts_for_one_commit_is_seen(self):
        """Whoever goes on with it looks at what was written since it was accepted, however seldom that is."""
        self.seed()
        daemon = Daemon(self, environment={"DROVER_FAIL_POINT": "cutover.after_fence"})
        daemon.started()
        daemon.can_commit()
        daemon.ordered("commit", xRequest=1)
        self.assertEqual(daemon.process.wait(60), -signal.SIGKILL)
        self.source.client().e2e_seed.small.insert_one({"_id": "between"})
        daemon.environment = None
        daemon.start()
        self.given_up_for_the_writer(daemon)

    def written_after_the_order(self):
        """A commit that an open transaction holds up, and a write meanwhile, which is applied. The daemon, and what ends the transaction."""
        self.seed()
        daemon = Daemon(self)
        daemon.started()
        daemon.can_commit()
        client = self.source.client()
        session = client.start_session()
        self.addCleanup(session.end_session)
        session.start_transaction()
        client.e2e_seed.small.insert_one({"_id": "of the transaction"}, session=session)
        daemon.ordered("commit", xRequest=1)
        client.e2e_seed.small.insert_one({"_id": "after the order"})
        state = self.destination.client()["__mdb_internal_mongosync"]
        eventually(lambda: self.destination.client().e2e_seed.small.find_one({"_id": "after the order"}), 60, "the write being applied")
        then = state.x_checkpoint.find_one()["ts"]
        client.e2e_seed.drop_collection("nothing")
        eventually(lambda: state.x_checkpoint.find_one()["ts"] > then, 60, "its being recorded")
        return daemon, session.abort_transaction

    def given_up_for_the_writer(self, daemon):
        given_up = daemon.wait_for(lambda progress: progress.get("x") and progress["x"]["commitGivenUp"], "the commit given up")
        self.assertIn("e2e_seed.small", given_up["x"]["commitGivenUp"]["because"])
        daemon.can_commit()
        daemon.ordered("commit", xRequest=2)
        daemon.committed()
        self.assert_equal_deployments(daemon.process)

    def test_a_writer_after_the_order_is_seen_though_it_writes_before_the_fence(self):
        daemon, end_transaction = self.written_after_the_order()
        end_transaction()
        self.given_up_for_the_writer(daemon)

    def test_a_writer_after_the_order_is_seen_by_whoever_goes_on(self):
        """What it wrote is recorded as applied, and is not read again."""
        daemon, end_transaction = self.written_after_the_order()
        daemon.process.kill()
        end_transaction()
        daemon.start()
        self.given_up_for_the_writer(daemon)


class SyncBlocks(DroverTest):
    auth = True

    def test_writers_are_blocked_untold(self):
        """With authorization on 6.0 and later nobody has to stop the application."""
        if not self.source.can_block_writes():
            raise NotRun("a source that can block writes")
        self.seed()
        daemon = Daemon(self)
        daemon.started()
        with self.writers(self.application_uri()) as writers:
            eventually(lambda: writers.acknowledged() > 50, 60, "writes")
            daemon.can_commit()
            daemon.ordered("commit")
            done = daemon.committed()
            self.assertTrue(any("blocked" in warning for warning in done["warnings"]))
            eventually(lambda: all(writer.blocked for writer in writers.all), 30, "every writer being refused")
        self.assert_equal_deployments(daemon.process)
        self.assertEqual(writers.lost(self.destination.client()), [])


class SyncApi(DroverTest):
    def test_refusals(self):
        daemon = Daemon(self)
        daemon.wait_for(lambda progress: progress["state"] == "IDLE", "IDLE")
        for verb, body, status, error in (
                ("start", {}, 400, "InvalidRequest"),
                ("start", {"source": "cluster0", "destination": "cluster0"}, 400, "InvalidRequest"),
                ("start", {"source": "cluster0", "destination": "cluster1", "sorce": 1}, 400, "InvalidRequest"),
                ("start", {"source": "cluster0", "destination": "cluster1", "reversible": True}, 400, "Unsupported"),
                ("pause", {}, 409, "InvalidStateTransition"), ("resume", {}, 409, "InvalidStateTransition"),
                ("commit", {}, 409, "InvalidStateTransition"), ("reverse", {}, 400, "Unsupported"),
                ("pause", {"now": True}, 400, "InvalidRequest"), ("begin", {}, 404, "NotFound")):
            with self.subTest(verb=verb, body=body):
                got, answer = daemon.post(verb, **body)
                self.assertEqual((got, answer["success"], answer["error"]), (status, False, error), answer)
                self.assertTrue(answer["errorDescription"])
        self.assertEqual(daemon.call("GET", "start")[0], 405)
        self.assertEqual(daemon.call("POST", "progress", "{}")[0], 405)
        self.assertEqual(daemon.call("POST", "start", "{")[0], 400)
        # A page in a browser, by its own name or by one that was made to point here.
        self.assertEqual(daemon.call("GET", "progress", headers={"Origin": "http://evil.example"})[0], 403)
        self.assertEqual(daemon.call("GET", "progress", headers={"Host": "evil.example"})[0], 403)
        self.assertEqual(daemon.progress()["state"], "IDLE")

    def test_a_refused_start_leaves_it_idle(self):
        self.seed()
        self.destination.client().other.there.insert_one({"_id": 1})
        daemon = Daemon(self)
        daemon.wait_for(lambda progress: progress["state"] == "IDLE", "IDLE")
        status, answer = daemon.post("start", source="cluster0", destination="cluster1")
        self.assertEqual((status, answer["error"]), (400, "DestinationCheckFailed"), answer)
        self.assertIn("other", answer["errorDescription"])
        self.assertEqual(daemon.progress()["state"], "IDLE")
        self.destination.client().drop_database("other")
        daemon.started()
        daemon.can_commit()
        daemon.ordered("commit")
        daemon.committed()

    def test_hostile_requests(self):
        daemon = Daemon(self)
        daemon.wait_for(lambda progress: progress["state"] == "IDLE", "IDLE")
        heads = [b"\x00\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /api/v1/start HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Length: 99999999999\r\n\r\n", b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n\r\n",
                 b"POST /api/v1/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                 b"POST /api/v1/start HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                 b"GET /api/v1/progress HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
                 b"POST /api/v1/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n" + b"[" * 20]
        for head in heads:
            with self.subTest(head=head[:40]), socket.create_connection(("127.0.0.1", daemon.port), 10) as link:
                try:
                    link.sendall(head)
                    answer = link.recv(4096)
                except ConnectionError:
                    answer = b""
                if answer:
                    self.assertRegex(answer, rb"^HTTP/1.1 4\d\d ")
        # Hundreds of connections that say nothing keep nobody out for long, and hold no thread.
        idle = [socket.create_connection(("127.0.0.1", daemon.port), 10) for _ in range(300)]
        self.assertEqual(daemon.progress()["state"], "IDLE")
        for link in idle:
            link.close()

    def test_many_polls_at_once(self):
        daemon = Daemon(self)
        self.seed()
        daemon.started()
        states = []

        def poll():
            for _ in range(30):
                states.append(daemon.progress()["state"])

        threads = [threading.Thread(target=poll) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(states), {"RUNNING"})


class SyncProcess(DroverTest):
    def config(self, **entries):
        self.configs = getattr(self, "configs", 0) + 1
        path = os.path.join(self.directory, f"sync config {self.configs}.yaml")
        with open(path, "w", encoding="utf-8") as file:
            for key, value in entries.items():
                file.write(f"{key}: {json.dumps(value)}\n")
        return path

    def test_a_configuration_file_and_logs(self):
        logs = os.path.join(self.directory, "logs of sync")
        port_file = os.path.join(self.directory, "port")
        path = self.config(cluster0=self.source.uri, cluster1=self.destination.uri, logPath=logs, port=1, verbosity="INFO")
        process = self.start("sync", "--config", path, "--port", "0", "--portFile", port_file)
        eventually(lambda: os.path.exists(port_file), 20, "the port")
        log = os.path.join(logs, "mongosync.log")

        def lines():
            with open(log, encoding="utf-8") as file:
                return [json.loads(line) for line in file]

        first = lines()[0]
        self.assertRegex(first["time"][:26], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$")
        self.assertEqual((first["level"], first["mongosyncID"]), ("info", "coordinator"))
        process.signal(signal.SIGUSR1)
        eventually(lambda: len(os.listdir(logs)) == 2 and os.path.exists(log), 10, "a second file")
        process.signal(signal.SIGINT)
        self.assertEqual(process.wait(10), 0, process.tail())
        self.assertEqual(process.stdout(), "")

    def test_bad_settings(self):
        for said, arguments in (
                ("cluster1 is missing", ["--cluster0", self.source.uri]),
                ("read concern must be majority", ["--cluster0", clusters.with_options(self.source.uri, readConcernLevel="local"), "--cluster1", "mongodb://x"]),
                ("write concern must be majority", ["--cluster0", "mongodb://x/?w=1", "--cluster1", "mongodb://y"]),
                ("socketTimeoutMS", ["--cluster0", "mongodb://x/?socketTimeoutMS=1", "--cluster1", "mongodb://y"]),
                ("unknown option sorce", ["--config", self.config(sorce=1)]),
                ("is not supported", ["--config", self.config(hotDocIDs="x")]),
                ("cannot read the configuration file", ["--config", "/nowhere/at all"]),
                ("0.0.0.0 is no loopback address", ["--cluster0", "mongodb://x", "--cluster1", "mongodb://y", "--bindIp", "127.0.0.1,0.0.0.0"]),
                ("192.0.2.1 is no loopback address", ["--config", self.config(cluster0="mongodb://x", cluster1="mongodb://y", bindIp="192.0.2.1")]),
                ("insecurePlainHttp must be true or false", ["--config", self.config(insecurePlainHttp="perhaps")]),
                ("loadLevel must be", ["--cluster0", "mongodb://x", "--cluster1", "mongodb://y", "--loadLevel", "9"])):
            with self.subTest(said=said):
                process = self.run_drover("sync", "--acceptDisclaimer", *arguments, timeout=20)
                self.assertNotEqual(process.child.returncode, 0, process.tail())
                self.assertIn(said, process.stderr())

    def test_an_answer_to_the_disclaimer_counts(self):
        def answered(text, name):
            answer = os.path.join(self.directory, name)
            with open(answer, "w") as file:
                file.write(text)
            with open(answer) as file:
                return self.start("sync", "--cluster0", self.source.uri, "--cluster1", self.destination.uri, "--port", "0", "--logPath", answer + ".logs", stdin=file)

        def log(name):
            path = os.path.join(self.directory, name + ".logs", "mongosync.log")
            return open(path, encoding="utf-8").read() if os.path.exists(path) else ""
        for number, text in enumerate(("n\n", "no", "\n", "q" * 1000, "yesterday\n")):
            with self.subTest(text=text[:10]):
                process = answered(text, f"refused{number}")
                self.assertEqual(process.wait(30), 130, process.tail())
                self.assertIn("--acceptDisclaimer", process.stderr())
                self.assertNotIn("Initialized client0", log(f"refused{number}"))
        for name, text, warned in (("yes", "y\n", False), ("nobody", "", True)):
            with self.subTest(name):
                process = answered(text, name)
                eventually(lambda: "Initialized client0" in log(name), 30, "going on")
                self.assertEqual("nobody can be asked" in log(name), warned)
                process.signal(signal.SIGTERM)
                self.assertEqual(process.wait(30), 0, process.tail())

    def test_an_answer_without_its_end_counts(self):
        answer, held = os.pipe()
        try:
            os.write(held, b"n")
            process = self.start("sync", "--cluster0", self.source.uri, "--cluster1", self.destination.uri, "--port", "0",
                                 "--logPath", os.path.join(self.directory, "unfinished.logs"), stdin=answer)
            self.assertEqual(process.wait(30), 130, process.tail())
        finally:
            os.close(answer)
            os.close(held)

    def test_what_is_meant_for_a_script_is_left_to_it(self):
        def left_of(stdin):
            process = self.start("sync", "--cluster0", self.source.uri, "--cluster1", self.destination.uri, "--port", "0",
                                 "--logPath", os.path.join(self.directory, "script.logs"), stdin=stdin)
            self.assertEqual(process.wait(30), 130, process.tail())
            self.assertIn("still gets it", process.stderr())
            return os.read(stdin, 100)
        path = os.path.join(self.directory, "hosts")
        with open(path, "w") as file:
            file.write("first\nsecond\n")
        file = os.open(path, os.O_RDONLY)
        reader, writer = os.pipe()
        ours, theirs = socket.socketpair()
        try:
            os.read(file, len("first\n"))
            os.write(writer, b"second\n")
            ours.send(b"second\n")
            for kind, stdin in (("file", file), ("pipe", reader), ("socket", theirs.fileno())):
                with self.subTest(kind):
                    self.assertEqual(left_of(stdin), b"second\n")
        finally:
            for each in (file, reader, writer):
                os.close(each)
            ours.close()
            theirs.close()

    def test_a_pipe_that_stays_silent_is_nobody(self):
        silent, held = os.pipe()
        try:
            process = self.start("sync", "--cluster0", self.source.uri, "--cluster1", self.destination.uri, "--port", "0",
                                 "--logPath", os.path.join(self.directory, "silent.logs"), stdin=silent)
            path = os.path.join(self.directory, "silent.logs", "mongosync.log")
            eventually(lambda: os.path.exists(path) and "Initialized client0" in open(path, encoding="utf-8").read(), 30, "going on")
            process.signal(signal.SIGTERM)
            self.assertEqual(process.wait(30), 0, process.tail())
        finally:
            os.close(silent)
            os.close(held)

    def test_a_directory_for_temporary_files_that_is_not_there(self):
        process = self.run_drover("sync", "--acceptDisclaimer", "--cluster0", self.source.uri, "--cluster1", self.destination.uri, "--port", "0",
                                  environment={"TMPDIR": "/no such place"}, timeout=20)
        self.assert_exit(process, 2, "TMPDIR")

    def test_a_busy_port(self):
        with socket.create_server(("127.0.0.1", 0)) as busy:
            process = self.run_drover("sync", "--acceptDisclaimer", "--cluster0", self.source.uri, "--cluster1",
                                      self.destination.uri, "--port", str(busy.getsockname()[1]), "--bindIp", "127.0.0.1", timeout=20)
            self.assertNotEqual(process.child.returncode, 0)
            self.assertIn(str(busy.getsockname()[1]), process.stderr())

    def test_swapped_clusters_are_noticed(self):
        self.seed(documents=100)
        daemon = Daemon(self)
        daemon.started()
        daemon.can_commit()
        daemon.process.kill()
        process = self.run_drover("sync", "--acceptDisclaimer", "--cluster0", self.destination.uri, "--cluster1",
                                  self.source.uri, "--port", "0", timeout=30)
        self.assertEqual(process.child.returncode, 4, process.tail())
        self.assertIn("exchange --cluster0 and --cluster1", process.stderr())

    def test_a_cluster_that_is_away(self):
        """It answers at once, waits, and stops within ten seconds when told to."""
        self.needs_own_clusters()
        self.destination.kill()
        daemon = Daemon(self)
        self.assertEqual(daemon.progress()["state"], "INITIALIZING")
        status, answer = daemon.call("GET", "progress")
        self.assertEqual(status, 200, answer)
        daemon.process.signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(10), 0, daemon.process.tail())


class SyncLogins(DroverTest):
    auth = True

    def test_a_wrong_password_names_its_cluster(self):
        """Which is the source is not known yet."""
        self.needs_own_clusters()
        for name, code, cluster in (("cluster0", 5, self.source), ("cluster1", 6, self.destination)):
            with self.subTest(name):
                uris = {"cluster0": self.source.uri, "cluster1": self.destination.uri, name: cluster.uri_of("root", "wrong")}
                process = self.run_drover("sync", "--acceptDisclaimer", "--cluster0", uris["cluster0"], "--cluster1",
                                          uris["cluster1"], "--port", "0", timeout=60)
                self.assert_exit(process, code, f"{name}: .*(?i:authentication|password)")
                self.assertNotRegex(process.stderr(), "source|destination")
