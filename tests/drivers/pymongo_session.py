"""pymongo (Debian's) as an application uses it; prints one line per failed step and a count."""
import datetime
import os
import sys
import threading
import traceback

import bson
import gridfs
import pymongo
from bson.codec_options import CodecOptions
from pymongo import ReadPreference, WriteConcern
from pymongo.read_concern import ReadConcern

STEPS = []


def step(body):
    STEPS.append(body)
    return body


def code_of(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except pymongo.errors.PyMongoError as error:
        return getattr(error, "code", None)
    raise AssertionError("a failure was expected")


@step
def create_read_update_delete(client, db):
    c = db.things
    assert c.insert_one({"_id": 1, "a": [1, 2]}).inserted_id == 1
    assert len(c.insert_many([{"_id": i, "a": [i]} for i in range(2, 500)]).inserted_ids) == 498
    assert c.count_documents({"a": {"$gte": 400}}) == 100
    assert [d["_id"] for d in c.find().sort("_id", -1).limit(3)] == [499, 498, 497]
    assert c.update_one({"_id": 1}, {"$push": {"a": 3}}).modified_count == 1
    assert c.find_one_and_update({"_id": 1}, {"$pop": {"a": 1}}, return_document=pymongo.ReturnDocument.AFTER)["a"] == [1, 2]
    assert c.replace_one({"_id": 1000}, {"x": 1}, upsert=True).upserted_id == 1000
    assert c.delete_many({"_id": {"$gte": 400}}).deleted_count == 101
    assert c.update_many({}, [{"$set": {"n": {"$size": "$a"}}}]).modified_count == 399


@step
def types(client, db):
    document = {"_id": bson.ObjectId(), "when": datetime.datetime(2020, 1, 2, 3, 4, 5, 6000), "big": bson.Int64(2**40),
                "money": bson.Decimal128("1.50"), "code": bson.Code("x", {"y": 1}), "re": bson.Regex("a", "i"), "bin": b"123",
                "ts": bson.Timestamp(1, 2), "min": bson.MinKey(), "max": bson.MaxKey(), "none": None, "nested": {"a": {"b": [{}]}}}
    db.types.insert_one(document)
    raw = db.get_collection("types", codec_options=CodecOptions(bson.raw_bson.RawBSONDocument)).find_one()
    assert raw.raw == bson.encode(document)


@step
def bulk(client, db):
    requests = [pymongo.InsertOne({"_id": i}) for i in range(2000)] + [pymongo.UpdateOne({"_id": i}, {"$set": {"x": i}}) for i in range(2000)]
    result = db.bulk.bulk_write(requests, ordered=False)
    assert (result.inserted_count, result.modified_count) == (2000, 2000)
    try:
        db.bulk.bulk_write([pymongo.InsertOne({"_id": 1}), pymongo.InsertOne({"_id": 5000})], ordered=False)
        raise AssertionError("a duplicate key was accepted")
    except pymongo.errors.BulkWriteError as error:
        assert error.details["writeErrors"][0]["code"] == 11000 and error.details["nInserted"] == 1


@step
def errors(client, db):
    assert code_of(db.command, "nope") == 59
    assert code_of(db.things.insert_one, {"_id": 1}) == 11000
    assert code_of(db.things.update_one, {"_id": 1}, {"$set": {"_id": 2}}) == 66
    assert code_of(db.things.aggregate, [{"$nope": 1}]) == 40324
    assert code_of(db.create_collection, "x", capped=True) in (72, 14)
    assert code_of(client.admin.command, "killOp") == 4


@step
def indexes(client, db):
    assert db.things.create_index([("a", 1), ("n", -1)], name="both") == "both"
    db.things.create_indexes([pymongo.IndexModel([("u", 1)], unique=True, sparse=True)])
    assert set(db.things.index_information()) == {"_id_", "both", "u_1"}
    plan = db.things.find({"a": 7}).explain()
    assert plan["queryPlanner"]["winningPlan"]["inputStage"]["indexName"] == "both"
    db.things.drop_index("both")


@step
def aggregate(client, db):
    rows = list(db.things.aggregate([{"$unwind": "$a"}, {"$group": {"_id": {"$mod": ["$a", 3]}, "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}]))
    assert sum(row["n"] for row in rows) == 400
    list(db.things.aggregate([{"$match": {"_id": {"$lt": 10}}}, {"$out": "few"}]))
    assert db.few.count_documents({}) == 9


@step
def change_stream(client, db):
    with db.watched.watch(full_document="updateLookup") as stream:
        db.watched.insert_one({"_id": 1})
        db.watched.update_one({"_id": 1}, {"$set": {"x": 1}})
        first, second = next(stream), next(stream)
        assert (first["operationType"], second["fullDocument"]) == ("insert", {"_id": 1, "x": 1})
        token = first["_id"]
    with db.watched.watch(resume_after=token) as stream:
        assert next(stream)["operationType"] == "update"
    with client.watch(max_await_time_ms=100) as stream:
        assert stream.try_next() is None
        assert stream.resume_token is not None


@step
def transactions(client, db):
    db.accounts.insert_many([{"_id": "a", "n": 100}, {"_id": "b", "n": 0}])

    def move(session):
        db.accounts.update_one({"_id": "a"}, {"$inc": {"n": -1}}, session=session)
        db.accounts.update_one({"_id": "b"}, {"$inc": {"n": 1}}, session=session)

    def work():
        for _ in range(10):
            with client.start_session() as session:
                session.with_transaction(move, ReadConcern("snapshot"), WriteConcern("majority"), ReadPreference.PRIMARY)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {d["_id"]: d["n"] for d in db.accounts.find()} == {"a": 60, "b": 40}


@step
def sessions(client, db):
    with client.start_session(causal_consistency=True) as session:
        for i in range(10):
            db.causal.replace_one({"_id": 1}, {"i": i}, upsert=True, session=session)
            assert db.causal.find_one({}, session=session)["i"] == i
        client.admin.command("refreshSessions", [session.session_id])
    # A transaction that lasts too long is ended by the server.
    client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=1)
    try:
        with client.start_session() as session:
            session.start_transaction()
            db.causal.insert_one({"late": True}, session=session)
            code = None
            for _ in range(120):
                try:
                    threading.Event().wait(0.5)
                    db.causal.find_one({}, session=session)
                except pymongo.errors.OperationFailure as error:
                    code = error.code
                    assert error.has_error_label("TransientTransactionError")
                    break
            assert code == 251, code
            session.abort_transaction()
    finally:
        client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=60)
    assert db.causal.count_documents({"late": True}) == 0


@step
def killed_sessions(client, db):
    with client.start_session() as session:
        session.start_transaction()
        db.causal.insert_one({"killed": True}, session=session)
        client.admin.command("killSessions", [session.session_id])
        assert code_of(session.commit_transaction) == 251
    assert db.causal.count_documents({"killed": True}) == 0


@step
def files(client, db):
    files = gridfs.GridFS(db)
    content = os.urandom(700_000)
    identifier = files.put(content, filename="f")
    assert files.get(identifier).read() == content
    assert files.get_last_version("f").length == len(content)
    files.delete(identifier)
    assert not files.exists(identifier)


@step
def compressed(client, db):
    # Debian's pymongo has zlib alone; the Node driver's session tries the others.
    with pymongo.MongoClient(os.environ["DROVER_URI"], compressors="zlib") as other:
        other.drivers_py.zipped.insert_many([{"t": "again " * 100} for _ in range(500)])
        assert other.drivers_py.zipped.count_documents({"t": {"$regex": "^again"}}) == 500


@step
def administration(client, db):
    assert client.server_info()["versionArray"][0] >= 4
    assert "drivers_py" in client.list_database_names()
    assert db.command("collstats", "things")["count"] == 399
    assert db.command("dbstats")["collections"] > 3
    assert client.admin.command("replSetGetStatus")["myState"] == 1
    assert client.admin.command("replSetGetConfig")["config"]["members"][0]["_id"] == 0
    assert db.validate_collection("things")["valid"]
    names = [d["name"] for d in client.admin.command("listDatabases", nameOnly=True, filter={"name": "drivers_py"})["databases"]]
    assert names == ["drivers_py"]


def main():
    client = pymongo.MongoClient(os.environ["DROVER_URI"], serverSelectionTimeoutMS=60000)
    client.drop_database("drivers_py")
    failed = 0
    for body in STEPS:
        try:
            body(client, client.drivers_py)
        except Exception:
            failed += 1
            print(f"FAILED pymongo: {body.__name__}: {traceback.format_exc()}")
    client.close()
    print(f"pymongo: {len(STEPS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
