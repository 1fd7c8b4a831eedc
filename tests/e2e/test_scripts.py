"""Functions of clients, in JavaScript: what they may do to the server, which is nothing."""
import os
import threading
import time

import pymongo
from bson import SON, Code
from pymongo.errors import ExecutionTimeout, OperationFailure

from harness.case import DroverTest
from harness.process import eventually

ENDLESS = "function() { while (true) {} }"
MANY = {"$map": {"input": {"$range": [0, 500_000]}, "in": {"$function": {"body": "function() { return 1 }", "args": [], "lang": "js"}}}}


def function(body, *args):
    return {"$function": {"body": body, "args": list(args), "lang": "js"}}


def children(pid):
    """The processes that run scripts."""
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += [int(child) for child in file.read().split()]
    return found


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS"))


class Scripts(DroverTest):
    sandbox_only = True

    def start_clusters(self):
        self.source = self.cluster("source")
        self.client = self.source.client()
        self.items = self.client.e2e.items
        self.items.insert_many([{"_id": number, "n": number % 10} for number in range(1000)])

    def running(self):
        return self.client.admin.command(SON([("currentOp", 1), ("command.find", "items")]))["inprog"]

    def count(self, function, collection="items"):
        """By the command: the driver's own is an aggregation, where $where has no place."""
        return self.client.e2e.command("count", collection, query={"$where": function})["n"]

    def assert_lives(self):
        self.assertEqual(self.count("this.n == 3"), 100)

    def assert_fails(self, code, call):
        with self.assertRaises(OperationFailure) as raised:
            call()
        self.assertEqual(raised.exception.code, code, raised.exception.details)
        return raised.exception.details["errmsg"]

    def test_a_statement_of_a_transaction_is_done_once(self):
        function = {"$function": {"body": "function() { return 7 }", "args": [], "lang": "js"}}
        with self.client.start_session() as session, session.start_transaction():
            self.client.e2e.command("update", "anew", session=session, updates=[
                {"q": {"_id": 1}, "u": {"$set": {"a": 1}}, "upsert": True},
                {"q": {"_id": 2}, "u": [{"$set": {"a": function}}], "upsert": True}])
        self.assertEqual(list(self.client.e2e.anew.find()), [{"_id": 1, "a": 1}, {"_id": 2, "a": 7}])
        self.assertEqual(self.client.e2e.anew.estimated_document_count(), 2)

    def test_an_endless_loop_ends_with_its_time(self):
        for call in (lambda: self.items.find_one({"$where": ENDLESS}, max_time_ms=300),
                     lambda: list(self.items.find({"$where": "sleep(5) || true"}, max_time_ms=300)),
                     lambda: list(self.items.aggregate([{"$project": {"x": {"$function": {"body": ENDLESS, "args": [], "lang": "js"}}}}], maxTimeMS=300)),
                     lambda: self.client.e2e.command("mapReduce", "items", map=ENDLESS, reduce=ENDLESS, out={"inline": 1}, maxTimeMS=300)):
            began = time.monotonic()
            with self.assertRaises(ExecutionTimeout) as raised:
                call()
            self.assertEqual(raised.exception.code, 50)
            self.assertLess(time.monotonic() - began, 30)
        self.assert_lives()

    def test_an_endless_loop_is_killed(self):
        failure = []

        def run():
            try:
                self.source.client().e2e.items.find_one({"$where": ENDLESS})
            except OperationFailure as error:
                failure.append(error.code)
            except pymongo.errors.PyMongoError as error:
                failure.append(error)

        thread = threading.Thread(target=run)
        thread.start()

        eventually(self.running, 20, "the operation")
        self.client.admin.command("killOp", op=self.running()[0]["opid"])
        thread.join(10)
        self.assertEqual(failure, [11601])
        self.assert_lives()

    def test_an_endless_loop_does_not_keep_its_client_or_the_server(self):
        client = pymongo.MongoClient(self.source.uri, socketTimeoutMS=300, retryReads=False)
        with self.assertRaises(pymongo.errors.NetworkTimeout):
            client.e2e.items.find_one({"$where": ENDLESS})
        client.close()
        eventually(lambda: not self.running(), 20, "the end of the operation")
        other = pymongo.MongoClient(self.source.uri, retryReads=False)
        self.addCleanup(other.close)
        thread = threading.Thread(target=lambda: self.swallow(lambda: other.e2e.items.find_one({"$where": ENDLESS})))
        thread.start()
        eventually(self.running, 20, "the operation")
        pid = self.source.process.pid
        hosts = children(pid)
        self.assertTrue(hosts)
        began = time.monotonic()
        self.source.restart()
        self.assertLess(time.monotonic() - began, 20)
        eventually(lambda: not any(os.path.exists(f"/proc/{host}") for host in hosts), 10, "the end of the processes")
        thread.join(30)

    @staticmethod
    def swallow(call):
        try:
            call()
        except pymongo.errors.PyMongoError:
            pass

    def test_memory_that_grows_is_refused(self):
        before = resident(self.source.process.pid)
        for function in ("function() { var a = []; while (1) a.push({n: a.length}) }", "function() { var s = 'x'; while (1) s += s + s[0] }",
                         "function() { var a = []; while (1) a.push(new Uint8Array(1 << 20).fill(1)) }"):
            with self.assertRaises(OperationFailure) as raised:
                self.items.find_one({"$where": function})
            # What is nearly full is looked through for garbage again and again: on a busy machine the call's 60 seconds may be over before.
            self.assertIn(raised.exception.code, (139, 11601), raised.exception.details)
            self.assert_lives()
        self.assertLess(resident(self.source.process.pid) - before, 64 << 20)

    def test_recursion_and_cycles_are_errors(self):
        self.assertIn("too much recursion", self.assert_fails(139, lambda: self.items.find_one({"$where": "function f() { return f() }"})))
        cycle = {"$function": {"body": "function() { var a = {}; a.a = a; return a }", "args": [], "lang": "js"}}
        self.assert_fails(17279, lambda: list(self.items.aggregate([{"$project": {"x": cycle}}])))
        self.assert_lives()

    def test_writers_do_not_wait_long_for_a_function(self):
        """A function within a write's unit, for which every other writer waits."""
        change = [{"$set": {"x": {"$function": {"body": ENDLESS, "args": [], "lang": "js"}}}}]
        began = time.monotonic()
        self.assert_fails(11601, lambda: self.items.update_one({"_id": 1}, change))
        self.assertLess(time.monotonic() - began, 10)
        self.items.update_one({"_id": 1}, [{"$set": {"x": {"$function": {"body": "function(n) { return n + 1 }", "args": ["$n"], "lang": "js"}}}}])
        self.assertEqual(self.items.find_one({"_id": 1})["x"], 2.0)

    def test_many_short_calls_end_with_their_time(self):
        began = time.monotonic()
        with self.assertRaises(ExecutionTimeout):
            list(self.items.aggregate([{"$limit": 1}, {"$project": {"x": MANY}}], maxTimeMS=200))
        self.assertLess(time.monotonic() - began, 5)
        failure = []
        thread = self.in_background(lambda: list(self.source.client().e2e.items.aggregate([{"$limit": 1}, {"$project": {"x": MANY}}])), failure)
        found = eventually(lambda: self.client.admin.command(SON([("currentOp", 1), ("command.aggregate", "items")]))["inprog"], 20, "the operation")
        self.client.admin.command("killOp", op=found[0]["opid"])
        began = time.monotonic()
        thread.join(20)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual([error.code for error in failure], [11601])

    def test_writers_do_not_wait_long_for_many_short_calls(self):
        began = time.monotonic()
        self.assert_fails(11601, lambda: self.items.update_one({"_id": 1}, [{"$set": {"x": MANY}}]))
        self.assertLess(time.monotonic() - began, 8)
        began = time.monotonic()
        with self.assertRaises(ExecutionTimeout):
            self.client.e2e.command("update", "items", updates=[{"q": {"_id": 1}, "u": [{"$set": {"x": MANY}}]}], maxTimeMS=200)
        self.assertLess(time.monotonic() - began, 2)

    def in_background(self, run, failures):
        def call():
            try:
                run()
            except pymongo.errors.PyMongoError as error:
                failures.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        self.addCleanup(thread.join, 60)
        return thread

    def test_who_waits_for_a_process_holds_up_nobody(self):
        """More of them than may run at once."""
        for _ in range(24):
            client = self.source.client()
            self.in_background(lambda client=client: client.e2e.items.find_one({"$where": "sleep(9000)"}, max_time_ms=6000), [])
        eventually(lambda: len(self.running()) == 24, 30, "all of them")
        began = time.monotonic()
        for number in range(5):
            self.items.find_one({"_id": number})
            self.client.e2e.other.insert_one({"_id": number})
        self.assertLess(time.monotonic() - began, 3)
        eventually(lambda: not self.running(), 30, "their end")

    def test_writers_and_processes_do_not_wait_for_each_other(self):
        failures, done = [], []
        until = time.monotonic() + 4

        def run(update):
            while time.monotonic() < until:
                update()
                done.append(1)

        for number in range(3):
            items = self.source.client().e2e.items
            self.in_background(lambda items=items, number=number: run(lambda: items.update_one({"$where": f"this.n == {number}"}, {"$inc": {"a": 1}})), failures)
        threads = []
        for number in range(2):
            items = self.source.client().e2e.items
            change = [{"$set": {"x": function("function(a) { return (a || 0) + 1 }", "$x")}}]
            threads.append(self.in_background(lambda items=items, number=number, change=change: run(lambda: items.update_one({"_id": number}, change)), failures))
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        self.assertGreater(len(done), 50)
        self.assertEqual(self.items.find_one({"_id": 0})["x"] % 1, 0)

    def test_a_process_is_given_back_before_a_wait(self):
        self.client.e2e.create_collection("capped", capped=True, size=1 << 20)
        self.client.e2e.capped.insert_one({"_id": 1})
        for _ in range(8):  # as many as there may be processes
            cursor = self.source.client().e2e.capped.find({"$where": "this._id < 5"}, cursor_type=pymongo.CursorType.TAILABLE_AWAIT).max_await_time_ms(8000)
            self.assertEqual(next(cursor)["_id"], 1)
            self.in_background(lambda cursor=cursor: next(cursor, None), [])
        waiting = {"currentOp": 1, "command.getMore": {"$exists": True}}
        eventually(lambda: len(self.client.admin.command(waiting)["inprog"]) == 8, 20, "all of them")
        self.client.e2e.capped.insert_one({"_id": 7})
        began = time.monotonic()
        self.assert_lives()
        self.assertLess(time.monotonic() - began, 3)

    def test_a_process_is_given_back_before_a_wait_for_a_transaction(self):
        session = self.client.start_session()
        session.start_transaction()
        self.items.update_one({"_id": 3}, {"$set": {"y": 1}}, session=session)
        failures = []
        waiting = [self.in_background(lambda: self.source.client().e2e.items.update_one({"$where": "this._id == 3"}, {"$inc": {"z": 1}}), failures) for _ in range(8)]
        eventually(lambda: len(self.client.admin.command(SON([("currentOp", 1), ("command.update", "items")]))["inprog"]) == 8, 20, "all of them")
        began = time.monotonic()
        for _ in range(3):
            self.assert_lives()
        self.assertLess(time.monotonic() - began, 6)
        session.commit_transaction()
        for thread in waiting:
            thread.join(60)
        self.assertEqual(failures, [])
        self.assertEqual(self.items.find_one({"_id": 3})["z"], 8)

    def test_functions_in_a_transaction(self):
        with self.client.start_session() as session, session.start_transaction():
            for number in (1, 2):
                self.items.update_one({"_id": number}, [{"$set": {"t": function("function(n) { return n + 1 }", "$n")}}], session=session)
            self.items.update_many({"$where": "this.n == 5"}, {"$set": {"t": 9}}, session=session)
        self.assertEqual([self.items.find_one({"_id": number})["t"] for number in (1, 2, 5)], [2.0, 3.0, 9])

    def test_one_that_failed_does_not_fail_the_others(self):
        grow = "function() { var a = []; while (1) a.push({n: a.length}) }"
        reply = self.client.e2e.command("update", "items", ordered=False, updates=[
            {"q": {"_id": 1, "$where": grow}, "u": {"$set": {"w": 1}}},
            {"q": {"_id": 2, "$where": "true"}, "u": {"$set": {"w": 1}}},
            {"q": {"_id": 3}, "u": [{"$set": {"w": function(grow)}}]},
            {"q": {"_id": 4}, "u": [{"$set": {"w": function("function() { return 2 }")}}]},
            {"q": {"$where": "this._id == 5"}, "u": {"$set": {"w": 1}}}])
        self.assertEqual(reply["nModified"], 3, reply)
        self.assertEqual([(error["index"], error["code"]) for error in reply["writeErrors"]], [(0, 139), (2, 139)])

    def test_many_at_once_wait_for_each_other(self):
        failures = []

        def run():
            try:
                client = self.source.client()
                for _ in range(5):
                    if len(list(client.e2e.items.find({"$where": "this.n == 3"}).batch_size(30))) != 100:
                        failures.append("other documents")
            except pymongo.errors.PyMongoError as error:
                failures.append(str(error))

        threads = [threading.Thread(target=run) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(failures, [])
        self.assertLessEqual(len(children(self.source.process.pid)), 8)

    def test_idle_processes_are_ended(self):
        self.assert_lives()
        self.assertEqual(len(children(self.source.process.pid)), 1)
        eventually(lambda: not children(self.source.process.pid), 30, "the end of the idle process")
        self.assert_lives()

    def test_where_reads_quickly(self):
        self.client.e2e.many.insert_many([{"_id": number, "a": number, "s": "x"} for number in range(100_000)])
        began = time.monotonic()
        self.assertEqual(self.count("this.a % 2 == 0 && this.s == 'x'", "many"), 50_000)
        self.assertLess(time.monotonic() - began, 60)

    def test_without_scripting_it_is_refused(self):
        plain = self.cluster("plain", options=("--noscripting",)).client().e2e
        plain.items.insert_one({"_id": 1})
        self.assertIn("no globalScriptEngine", self.assert_fails(2, lambda: plain.items.find_one({"$where": "true"})))
        self.assert_fails(31264, lambda: plain.command("mapReduce", "items", map="f", reduce="f", out={"inline": 1}))
        self.assert_fails(31264, lambda: list(plain.items.aggregate([{"$project": {"x": {"$function": {"body": "f", "args": [], "lang": "js"}}}}])))

    def test_map_reduce_into_collections(self):
        database = self.client.e2e
        ask = {"map": Code("function() { emit(this.n, 1) }"), "reduce": Code("function(key, values) { return Array.sum(values) }")}
        reply = database.command(SON([("mapReduce", "items"), *ask.items(), ("query", {"n": {"$lt": 3}}), ("out", "sums")]))
        self.assertEqual((reply["result"], reply["ok"]), ("sums", 1.0))
        self.assertEqual(list(database.sums.find().sort("_id")), [{"_id": float(n), "value": 100.0} for n in range(3)])
        reply = database.command(SON([("mapReduce", "items"), *ask.items(), ("query", {"n": {"$lt": 2}}), ("out", {"reduce": "sums", "db": "e2e"})]))
        self.assertEqual(reply["result"], {"db": "e2e", "collection": "sums"})
        self.assertEqual([found["value"] for found in database.sums.find().sort("_id")], [200.0, 200.0, 100.0])
        finalize = Code("function(key, value) { return {sum: value, factor: factor} }")
        database.command(SON([("mapReduce", "items"), *ask.items(), ("finalize", finalize), ("scope", {"factor": 7}), ("sort", {"_id": -1}), ("limit", 10),
                              ("out", {"merge": "sums"})]))
        self.assertEqual(database.sums.find_one({"_id": 9}), {"_id": 9.0, "value": {"sum": 1.0, "factor": 7.0}})
        self.assertEqual(database.sums.count_documents({}), 10)

    def test_map_reduce_is_explained(self):
        """By the pipeline that it is; the functions are not called for it."""
        command = SON([("mapReduce", "items"), ("map", ENDLESS), ("reduce", "function(k, v) { return 1; }"), ("query", {"_id": {"$lt": 10}}), ("sort", {"_id": 1}), ("limit", 5)])
        explained = self.client.e2e.command("explain", SON(command, finalize="function(k, v) { return v; }", out={"inline": 1}), verbosity="executionStats")
        self.assertEqual([next(iter(stage)) for stage in explained["stages"]], ["$cursor", "$project", "$unwind", "$group", "$project"])
        cursor = explained["stages"][0]["$cursor"]
        self.assertIn("IXSCAN", str(cursor["queryPlanner"]["winningPlan"]))
        self.assertEqual(cursor["executionStats"]["nReturned"], 5)
        self.assertEqual(explained["stages"][1], {"$project": {"emits": {"$_internalJsEmit": {"eval": ENDLESS, "this": "$$ROOT"}}, "_id": False}})
        self.assertEqual(explained["stages"][3]["$group"]["_id"], "$emits.k")
        merged = self.client.e2e.command("explain", SON(command, out={"merge": "made"}), verbosity="queryPlanner")["stages"][-1]["$merge"]
        self.assertEqual(merged["into"], {"db": "e2e", "coll": "made"})
        self.assertNotIn("made", self.client.e2e.list_collection_names())
        self.client.e2e.command("create", "view", viewOn="items", pipeline=[])
        self.assert_fails(166, lambda: self.client.e2e.command("explain", SON([("mapReduce", "view"), ("map", ENDLESS), ("reduce", ENDLESS), ("out", {"inline": 1})])))
        self.assert_fails(40414, lambda: self.client.e2e.command("explain", SON([("mapReduce", "items"), ("map", ENDLESS)])))

    def test_stored_functions(self):
        self.client.e2e["system.js"].insert_one({"_id": "isThree", "value": Code("function(x) { return x == 3 }")})
        self.assertEqual(self.count("isThree(this.n)"), 100)
        self.assert_fails(139, lambda: self.client.other.items.insert_one({"_id": 1}) and self.client.other.items.find_one({"$where": "isThree(this.n)"}))
        # $function and $accumulator have nothing to do with them.
        self.client.e2e["system.js"].insert_one({"_id": 5, "value": 1})
        self.assert_fails(10209, lambda: self.items.find_one({"$where": "isThree(this.n)"}))
        one = list(self.items.aggregate([{"$limit": 1}, {"$project": {"x": function("function() { return typeof isThree }")}}]))
        self.assertEqual(one[0]["x"], "undefined")

    def test_where_and_functions_do_not_go_together(self):
        call = {"$expr": {"$eq": [function("function() { return 1 }"), 1]}}
        self.assert_fails(4649200, lambda: self.items.find_one({"$where": "true", **call}))
        self.assert_fails(4649200, lambda: self.items.update_one({"$where": "true"}, [{"$set": {"x": function("function() { return 1 }")}}]))
        self.assertEqual(self.items.find_one(call)["_id"], 0)

    def test_an_accumulators_state_is_what_its_function_made(self):
        self.items.insert_many([{"_id": number, "n": 0} for number in range(1000, 1500)])
        count = {"init": "function() { return {} }", "accumulate": "function(s, id) { s.ids = s.ids || new Map(); s.ids.put(id, 1); s.n = s.ids.values().length; return s }",
                 "accumulateArgs": ["$_id"], "merge": "function(a, b) { return a }", "finalize": "function(s) { return s.n }", "lang": "js"}
        self.assertEqual(list(self.items.aggregate([{"$group": {"_id": None, "n": {"$accumulator": count}}}])), [{"_id": None, "n": 1500.0}])

    def test_map_reduce_groups_by_the_collections_collation(self):
        database = self.client.e2e
        database.create_collection("words", collation={"locale": "en", "strength": 1})
        database.words.insert_many([{"w": "a"}, {"w": "A"}, {"w": "b"}])
        ask = {"map": "function() { emit(this.w, 1) }", "reduce": "function(key, values) { return Array.sum(values) }", "out": {"inline": 1}}
        null = dict.fromkeys(("query", "sort", "collation", "limit", "verbose", "bypassDocumentValidation", "jsMode"))
        for more in ({}, null):
            found = database.command("mapReduce", "words", **ask, **more)["results"]
            self.assertEqual(sorted(result["value"] for result in found), [1.0, 2.0])
        found = database.command("mapReduce", "words", **ask, collation={"locale": "simple"})["results"]
        self.assertEqual([result["value"] for result in found], [1.0] * 3)
        for out, code, message in (("system.foo", 17385, "Can't output mapReduce results to special collection system.foo"),
                                   ({"merge": "system.foo"}, 31319, "Can't output mapReduce results to special collection system.foo"),
                                   ("a$b", 73, "Invalid output namespace e2e.a$b for MapReduce")):
            self.assertEqual(self.assert_fails(code, lambda: database.command("mapReduce", "words", **{**ask, "out": out})), message)
