// The Node driver as an application uses it.
'use strict';
const assert = require('node:assert/strict');
const { MongoClient, ObjectId, Decimal128, Long, Timestamp, GridFSBucket, MongoServerError } = require('mongodb');
const { Session, failure } = require('./session');

const session = new Session('node driver');
const people = (db) => db.collection('people');

session.step('insert, find, count', async ({ db }) => {
  await people(db).drop().catch(() => {});
  const inserted = await people(db).insertMany(
    Array.from({ length: 250 }, (_, i) => ({ _id: i, name: `n${i}`, age: i % 50, tags: [`t${i % 3}`, 'all'], at: new Date(i) })));
  assert.equal(inserted.insertedCount, 250);
  assert.equal((await people(db).find({ age: { $gte: 40 } }).toArray()).length, 50);
  assert.deepEqual((await people(db).find({}).sort({ _id: -1 }).limit(2).project({ name: 1 }).toArray()).map((d) => d.name), ['n249', 'n248']);
  assert.equal(await people(db).countDocuments({ tags: 't1' }), 83);
  assert.equal(await people(db).estimatedDocumentCount(), 250);
  assert.deepEqual((await people(db).distinct('tags')).sort(), ['all', 't0', 't1', 't2']);
});

session.step('cursors in batches', async ({ db }) => {
  const seen = [];
  for await (const document of people(db).find({}, { batchSize: 7 }).sort({ _id: 1 })) seen.push(document._id);
  assert.deepEqual(seen, Array.from({ length: 250 }, (_, i) => i));
  const cursor = people(db).find({}, { batchSize: 2 });
  await cursor.next();
  await cursor.close();
});

session.step('every type there and back', async ({ db }) => {
  const document = { _id: new ObjectId(), l: Long.fromString('9007199254740993'), d: Decimal128.fromString('1.10'), t: new Timestamp({ t: 1, i: 2 }),
    b: Buffer.from('abc'), r: /a.b/i, n: null, deep: { list: [1, 2.5, { x: true }] } };
  await db.collection('types').insertOne(document);
  const found = await db.collection('types').findOne({ _id: document._id }, { promoteLongs: false });
  assert.equal(found.l.toString(), '9007199254740993');
  assert.equal(found.d.toString(), '1.10');
  assert.equal(found.t.toString(), document.t.toString());
  assert.deepEqual(found.deep.list[2], { x: true });
});

session.step('updates', async ({ db }) => {
  const c = people(db);
  assert.equal((await c.updateOne({ _id: 1 }, { $set: { city: 'x' }, $inc: { age: 1 } })).modifiedCount, 1);
  assert.equal((await c.updateMany({ age: { $lt: 10 } }, { $push: { tags: 'young' } })).modifiedCount, 50);
  const upsert = await c.updateOne({ _id: 1000 }, { $setOnInsert: { a: 1 } }, { upsert: true });
  assert.equal(upsert.upsertedId, 1000);
  assert.equal((await c.replaceOne({ _id: 1000 }, { b: 2 })).modifiedCount, 1);
  await c.updateOne({ _id: 2 }, [{ $set: { twice: { $multiply: ['$age', 2] } } }]);
  assert.equal((await c.findOne({ _id: 2 })).twice, 4);
  await c.updateOne({ _id: 3 }, { $set: { 'tags.$[e]': 'changed' } }, { arrayFilters: [{ e: 'all' }] });
  assert.ok((await c.findOne({ _id: 3 })).tags.includes('changed'));
  const before = await c.findOneAndUpdate({ _id: 5 }, { $set: { z: 1 } });
  assert.equal(before.z, undefined);
  const after = await c.findOneAndReplace({ _id: 5 }, { y: 2 }, { returnDocument: 'after' });
  assert.deepEqual(after, { _id: 5, y: 2 });
  assert.deepEqual(await c.findOneAndDelete({ _id: 5 }), { _id: 5, y: 2 });
  assert.equal(await c.findOneAndDelete({ _id: 5 }), null);
});

session.step('bulk writes', async ({ db }) => {
  const c = db.collection('bulk');
  await c.deleteMany({});
  const result = await c.bulkWrite([
    { insertOne: { document: { _id: 1, x: 1 } } },
    { updateOne: { filter: { _id: 1 }, update: { $set: { x: 2 } } } },
    { updateMany: { filter: {}, update: { $inc: { x: 1 } } } },
    { replaceOne: { filter: { _id: 2 }, replacement: { x: 9 }, upsert: true } },
    { deleteOne: { filter: { _id: 1 } } },
  ]);
  assert.deepEqual([result.insertedCount, result.modifiedCount, result.upsertedCount, result.deletedCount], [1, 2, 1, 1]);
  const error = await failure(c.insertMany([{ _id: 10 }, { _id: 10 }, { _id: 11 }], { ordered: false }));
  assert.equal(error.code, 11000);
  assert.equal(error.result.insertedCount, 2);
  assert.equal(await c.countDocuments({ _id: { $gte: 10 } }), 2);
});

session.step('errors have the server\'s codes', async ({ db }) => {
  const c = db.collection('errors');
  await c.deleteMany({});
  await c.insertOne({ _id: 1 });
  const duplicate = await failure(c.insertOne({ _id: 1 }));
  assert.ok(duplicate instanceof MongoServerError);
  assert.equal(duplicate.code, 11000);
  assert.deepEqual(duplicate.keyPattern, { _id: 1 });
  assert.deepEqual(duplicate.keyValue, { _id: 1 });
  assert.equal((await failure(c.find({ $nope: 1 }).toArray())).code, 2);
  assert.equal((await failure(c.updateOne({}, { $nope: 1 }))).code, 9);
  assert.equal((await failure(c.updateOne({ _id: 1 }, { $set: { _id: 2 } }))).code, 66);
  assert.equal((await failure(c.aggregate([{ $nope: 1 }]).toArray())).code, 40324);
  assert.equal((await failure(db.command({ nope: 1 }))).codeName, 'CommandNotFound');
  assert.equal((await failure(db.command({ collMod: 'missing' }))).code, 26);
  assert.equal((await failure(db.admin().command({ atlasVersion: 1 }))).code, 59);
});

session.step('aggregation', async ({ db }) => {
  const groups = await people(db).aggregate([
    { $match: { age: { $exists: true } } }, { $unwind: '$tags' }, { $group: { _id: '$tags', n: { $sum: 1 }, oldest: { $max: '$age' } } },
    { $sort: { n: -1, _id: 1 } }, { $limit: 3 }]).toArray();
  assert.equal(groups[0]._id, 'all');
  await db.collection('cities').insertMany([{ _id: 'x', country: 'y' }]).catch(() => {});
  const joined = await people(db).aggregate([
    { $match: { city: 'x' } }, { $lookup: { from: 'cities', localField: 'city', foreignField: '_id', as: 'c' } },
    { $replaceRoot: { newRoot: { $mergeObjects: [{ id: '$_id' }, { $first: '$c' }] } } }]).toArray();
  assert.deepEqual(joined, [{ id: 1, _id: 'x', country: 'y' }]);
  const facet = await people(db).aggregate([{ $facet: { n: [{ $count: 'n' }], ages: [{ $bucket: { groupBy: '$age', boundaries: [0, 25, 60], default: 'none' } }] } }]).toArray();
  assert.ok(facet[0].n[0].n > 240);
  await people(db).aggregate([{ $match: { _id: { $lt: 10 } } }, { $out: 'few' }]).toArray();
  assert.equal(await db.collection('few').countDocuments(), 9);
  await people(db).aggregate([{ $match: { _id: { $lt: 20 } } }, { $merge: { into: 'few', whenMatched: 'replace' } }]).toArray();
  assert.equal(await db.collection('few').countDocuments(), 19);
});

session.step('indexes', async ({ db }) => {
  const c = db.collection('indexed');
  await c.drop().catch(() => {});
  await c.insertMany([{ a: 1, b: 1 }, { a: 2, b: 1 }]);
  assert.equal(await c.createIndex({ a: 1 }, { unique: true }), 'a_1');
  await c.createIndexes([{ key: { b: 1, a: -1 }, name: 'both' }, { key: { at: 1 }, expireAfterSeconds: 3600 }]);
  assert.deepEqual((await c.listIndexes().toArray()).map((i) => i.name), ['_id_', 'a_1', 'both', 'at_1']);
  assert.equal((await failure(c.insertOne({ a: 1 }))).code, 11000);
  assert.equal((await failure(c.createIndex({ b: 1 }, { unique: true }))).code, 11000);
  assert.equal((await failure(c.createIndex({ a: 1 }, { name: 'other', unique: true }))).code, 85);
  const plan = await c.find({ a: 2 }).explain('executionStats');
  assert.match(JSON.stringify(plan.queryPlanner.winningPlan), /IXSCAN/);
  await c.dropIndex('both');
  assert.equal((await failure(c.dropIndex('both'))).code, 27);
  await c.dropIndexes();
  assert.equal((await c.indexes()).length, 1);
});

session.step('catalog', async ({ client, db }) => {
  await db.collection('made').drop().catch(() => {});
  await db.createCollection('made', { validator: { $jsonSchema: { required: ['x'] } } });
  assert.equal((await failure(db.collection('made').insertOne({ y: 1 }))).code, 121);
  assert.equal((await failure(db.createCollection('made'))).code, 48);
  await db.createCollection('seen', { viewOn: 'people', pipeline: [{ $match: { _id: { $lt: 3 } } }] });
  assert.equal(await db.collection('seen').countDocuments(), 3);
  const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map((c) => c.name);
  assert.ok(names.includes('made') && names.includes('seen'));
  await db.collection('made').rename('renamed', { dropTarget: true });
  await db.collection('renamed').drop();
  await db.collection('seen').drop();
  const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
  assert.ok(databases.some((d) => d.name === db.databaseName));
});

session.step('change streams', async ({ db }) => {
  const c = db.collection('watched');
  await c.insertOne({ _id: 0 });
  const stream = c.watch([{ $match: { operationType: { $ne: 'delete' } } }], { fullDocument: 'updateLookup' });
  const opened = stream.tryNext();  // opens it
  await opened;
  await c.insertOne({ _id: 1 });
  await c.updateOne({ _id: 1 }, { $set: { a: 1 } });
  await c.deleteOne({ _id: 0 });
  await c.replaceOne({ _id: 1 }, { b: 1 });
  const events = [await stream.next(), await stream.next(), await stream.next()];
  assert.deepEqual(events.map((e) => e.operationType), ['insert', 'update', 'replace']);
  assert.deepEqual(events[1].updateDescription.updatedFields, { a: 1 });
  await stream.close();
  const resumed = c.watch([], { resumeAfter: events[0]._id });
  assert.equal((await resumed.next()).operationType, 'update');
  await resumed.close();
  const whole = db.watch();
  await whole.tryNext();
  await db.collection('elsewhere').insertOne({});
  assert.equal((await whole.next()).ns.coll, 'elsewhere');
  await whole.close();
});

session.step('transactions', async ({ client, db }) => {
  const c = db.collection('accounts');
  await c.deleteMany({});
  await c.insertMany([{ _id: 'a', n: 100 }, { _id: 'b', n: 0 }]);
  await client.withSession((s) => s.withTransaction(async () => {
    await c.updateOne({ _id: 'a' }, { $inc: { n: -10 } }, { session: s });
    await c.updateOne({ _id: 'b' }, { $inc: { n: 10 } }, { session: s });
    assert.equal((await c.findOne({ _id: 'b' })).n, 0, 'invisible outside');
  }));
  assert.equal((await c.findOne({ _id: 'b' })).n, 10);
  await client.withSession(async (s) => {
    s.startTransaction();
    await c.insertOne({ _id: 'c' }, { session: s });
    await s.abortTransaction();
  });
  assert.equal(await c.countDocuments(), 2);
});

session.step('write conflicts', async ({ client, db }) => {
  const c = db.collection('accounts');
  const first = client.startSession();
  const second = client.startSession();
  first.startTransaction();
  second.startTransaction();
  await c.updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { session: first });
  const conflict = await failure(c.updateOne({ _id: 'a' }, { $inc: { n: 1 } }, { session: second }));
  assert.equal(conflict.code, 112);
  assert.ok(conflict.hasErrorLabel('TransientTransactionError'));
  await first.commitTransaction();
  await second.abortTransaction();
  await first.endSession();
  await second.endSession();
  // The driver's helper repeats the whole of it until it passes.
  await Promise.all(Array.from({ length: 4 }, () => client.withSession((s) => s.withTransaction(async () => {
    const { n } = await c.findOne({ _id: 'b' }, { session: s });
    await c.updateOne({ _id: 'b' }, { $set: { n: n + 1 } }, { session: s });
  }))));
  assert.equal((await c.findOne({ _id: 'b' })).n, 14);
});

session.step('causal consistency', async ({ client, db }) => {
  await client.withSession({ causalConsistency: true }, async (s) => {
    for (let i = 0; i < 20; ++i) {
      await db.collection('causal').updateOne({ _id: 1 }, { $set: { i } }, { upsert: true, session: s });
      assert.equal((await db.collection('causal').findOne({ _id: 1 }, { session: s, readConcern: { level: 'majority' } })).i, i);
    }
  });
});

session.step('snapshot sessions', async ({ client, db }) => {
  const c = db.collection('snap');
  await c.deleteMany({});
  await c.insertOne({ _id: 1 });
  await client.withSession({ snapshot: true }, async (s) => {
    assert.equal((await c.find({}, { session: s }).toArray()).length, 1);
    await c.insertOne({ _id: 2 });
    assert.equal((await c.find({}, { session: s }).toArray()).length, 1);
    assert.equal((await c.aggregate([{ $count: 'n' }], { session: s }).toArray())[0].n, 1);
  });
}, { since: '5.0' });

session.step('GridFS', async ({ db }) => {
  const bucket = new GridFSBucket(db, { chunkSizeBytes: 1000 });
  const content = Buffer.alloc(12345, 'drover');
  const upload = bucket.openUploadStream('file.bin', { metadata: { kind: 'test' } });
  await new Promise((resolve, reject) => upload.once('finish', resolve).once('error', reject).end(content));
  const parts = [];
  for await (const part of bucket.openDownloadStreamByName('file.bin')) parts.push(part);
  assert.deepEqual(Buffer.concat(parts), content);
  assert.equal((await bucket.find({ filename: 'file.bin' }).toArray())[0].length, 12345);
  await bucket.delete(upload.id);
  assert.equal(await db.collection('fs.chunks').countDocuments(), 0);
});

session.step('retryable writes go through a lost reply', async ({ client, db }) => {
  const c = db.collection('retried');
  await c.deleteMany({});
  await client.db('admin').command({ configureFailPoint: 'onPrimaryTransactionalWrite', mode: { times: 1 } });
  await c.insertOne({ _id: 1 });
  await client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data: { failCommands: ['find'], closeConnection: true } });
  assert.equal((await c.find({}).toArray()).length, 1);
});

session.step('compression', async ({ uri }) => {
  for (const compressor of ['zlib', 'snappy', 'zstd']) {
    const client = new MongoClient(uri, { compressors: [compressor] });
    await client.connect();
    const c = client.db('drivers').collection('compressed');
    await c.deleteMany({});
    await c.insertMany(Array.from({ length: 100 }, (_, i) => ({ _id: i, text: 'again and '.repeat(100) })));
    assert.equal((await c.find({}).toArray())[99].text.length, 1000);
    await client.close();
  }
});

session.step('collation', async ({ db }) => {
  const c = db.collection('collated');
  await c.deleteMany({});
  await c.insertMany([{ s: 'a' }, { s: 'A' }, { s: 'b' }]);
  assert.equal(await c.countDocuments({ s: 'a' }, { collation: { locale: 'en', strength: 2 } }), 2);
});

session.step('administration', async ({ client, db }) => {
  const admin = client.db('admin').admin();
  assert.equal((await admin.replSetGetStatus()).members[0].stateStr, 'PRIMARY');
  assert.ok((await admin.serverStatus()).connections.current >= 1);
  assert.ok((await admin.buildInfo()).versionArray.length >= 3);
  assert.ok((await db.stats()).collections > 0);
  assert.equal((await admin.validateCollection('people').catch(() => ({ valid: true }))).valid, true);
  const operations = await client.db('admin').aggregate([{ $currentOp: {} }]).toArray();
  assert.ok(operations.length >= 1);
  const watched = db.collection('people').aggregate([{ $indexStats: {} }]).toArray();
  assert.equal((await watched)[0].name, '_id_');
  assert.ok((await db.collection('people').aggregate([{ $collStats: { storageStats: {}, count: {} } }]).toArray())[0].count > 240);
});

session.step('maxTimeMS and kill', async ({ client, db }) => {
  await client.db('admin').command({ configureFailPoint: 'maxTimeAlwaysTimeOut', mode: { times: 1 } });
  assert.equal((await failure(db.collection('people').find({}, { maxTimeMS: 10000 }).toArray())).code, 50);
});

async function main() {
  const uri = process.env.DROVER_URI;
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 60000 });
  await client.connect();
  const context = { client, db: client.db('drivers'), uri, version: process.env.DROVER_SERVER_VERSION };
  await context.db.dropDatabase();
  const ok = await session.run(context);
  await client.close();
  process.exit(ok ? 0 : 1);
}

main().catch((error) => {
  console.log(`FAILED node driver: ${error.stack}`);
  process.exit(1);
});
