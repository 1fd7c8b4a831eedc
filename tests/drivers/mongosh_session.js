// What a person types into mongosh. Run by mongosh itself: mongosh URI --file mongosh_session.js
'use strict';
const failures = [];
let passed = 0;

function step(name, body) {
  try {
    body();
    ++passed;
  } catch (error) {
    failures.push(name);
    print(`FAILED mongosh: ${name}: ${error.stack || error}`);
  }
}

function equal(actual, expected, what) {
  const a = EJSON.stringify(actual);
  const b = EJSON.stringify(expected);
  if (a !== b) throw new Error(`${what || 'value'}: ${a} instead of ${b}`);
}

function fails(body, code) {
  try {
    body();
  } catch (error) {
    if (error.code !== code) throw new Error(`code ${error.code} instead of ${code}: ${error.message}`);
    return error;
  }
  throw new Error(`no failure, ${code} expected`);
}

const major = parseInt(db.version(), 10);
db = db.getSiblingDB('shelldb');
db.dropDatabase();

step('insert and find', () => {
  equal(db.c.insertMany([{ _id: 1, a: 1 }, { _id: 2, a: 2 }, { _id: 3, a: 3 }]).acknowledged, true);
  equal(db.c.find({ a: { $gt: 1 } }).sort({ a: -1 }).toArray().map((d) => d._id), [3, 2]);
  equal(db.c.findOne({ _id: 2 }).a, 2);
  equal(db.c.countDocuments({}), 3);
  equal(db.c.estimatedDocumentCount(), 3);
  equal(db.c.find().itcount(), 3);
  equal(db.c.distinct('a'), [1, 2, 3]);
  for (let i = 10; i < 400; ++i) db.many.insertOne({ _id: i });
  equal(db.many.find().toArray().length, 390);
});

step('update, replace, delete', () => {
  equal(db.c.updateOne({ _id: 1 }, { $set: { b: 1 } }).modifiedCount, 1);
  equal(db.c.updateMany({}, { $inc: { a: 10 } }).modifiedCount, 3);
  equal(db.c.replaceOne({ _id: 3 }, { x: 1 }).modifiedCount, 1);
  equal(db.c.deleteOne({ _id: 3 }).deletedCount, 1);
  equal(db.c.findOneAndUpdate({ _id: 1 }, { $set: { b: 2 } }, { returnNewDocument: true }).b, 2);
  equal(db.c.findAndModify({ query: { _id: 1 }, update: { $inc: { b: 1 } }, new: true }).b, 3);
  equal(db.c.bulkWrite([{ insertOne: { document: { _id: 9 } } }, { deleteOne: { filter: { _id: 9 } } }]).insertedCount, 1);
});

step('errors', () => {
  fails(() => db.c.insertOne({ _id: 1 }), 11000);
  fails(() => db.runCommand({ nope: 1 }), 59);
  fails(() => db.adminCommand({ atlasVersion: 1 }), 59);
  fails(() => db.c.find({ $bad: 1 }).toArray(), 2);
});

step('show dbs, show collections', () => {
  if (!db.getMongo().getDBs().databases.some((d) => d.name === 'shelldb' && d.sizeOnDisk >= 0)) throw new Error('shelldb is not listed');
  equal(db.getCollectionNames().sort(), ['c', 'many']);
  equal(db.getCollectionInfos({ name: 'c' })[0].type, 'collection');
});

step('indexes', () => {
  equal(db.c.createIndex({ a: 1 }), 'a_1');
  equal(db.c.getIndexes().map((i) => i.name), ['_id_', 'a_1']);
  equal(db.c.find({ a: 11 }).explain().queryPlanner.winningPlan.inputStage.indexName, 'a_1');
  equal(db.c.find({ a: 11 }).explain('executionStats').executionStats.nReturned, 1);
  equal(db.c.explain().update({ a: 11 }, { $set: { q: 1 } }).queryPlanner.winningPlan.stage, 'UPDATE');
  equal(db.c.explain().remove({ a: 11 }).queryPlanner.winningPlan.stage, 'DELETE');
  equal(db.c.explain().count({ a: 11 }).queryPlanner.winningPlan.stage, 'COUNT');
  equal(db.c.explain().findAndModify({ query: { a: 11 }, remove: true }).queryPlanner.winningPlan.stage, 'DELETE');
  equal(db.c.explain().distinct('a').queryPlanner.namespace, 'shelldb.c');
  equal(db.c.explain().aggregate([{ $match: { a: 11 } }]).queryPlanner.winningPlan.inputStage.indexName, 'a_1');
  equal(db.c.explain().aggregate([{ $match: { a: 11 } }, { $group: { _id: 1 } }]).stages.length, 2);
  equal(db.c.findOne({ a: 11 }).q, undefined, 'explain changes nothing');
  equal(db.c.find({ a: 11 }).returnKey(true).toArray(), [{ a: 11 }]);
  equal(db.c.find({ a: 11 }).showRecordId().toArray()[0].$recordId !== undefined, true);
  equal(db.c.dropIndex('a_1').ok, 1);
});

step('statistics', () => {
  const stats = db.stats();
  equal(stats.db, 'shelldb');
  equal(Number(stats.objects), 392);
  equal(Number(db.c.stats().count), 2);
  if (!(db.c.dataSize() > 0)) throw new Error('dataSize');
  if (!(db.c.totalIndexSize() >= 0)) throw new Error('totalIndexSize');
  equal(db.c.validate().valid, true);
  equal(db.runCommand({ dbHash: 1 }).ok, 1);
});

step('the server', () => {
  equal(rs.status().members[0].stateStr, 'PRIMARY');
  equal(rs.conf().members.length, 1);
  equal((major >= 5 ? db.hello() : db.isMaster()).setName, rs.status().set);
  if (!(db.serverStatus().connections.current >= 1)) throw new Error('connections');
  equal(db.serverBuildInfo().version, db.version());
  if (!db.hostInfo().system) throw new Error('hostInfo');
  if (!db.serverCmdLineOpts().parsed) throw new Error('parsed');
  equal(db.currentOp().ok, 1);
  if (db.currentOp({ nope: 1 }).inprog.length !== 0) throw new Error('currentOp takes no filter');
  fails(() => db.adminCommand({ killOp: 1 }), 4);
  equal(db.killOp(123456789).ok, 1);
  equal(db.adminCommand({ getParameter: 1, transactionLifetimeLimitSeconds: 1 }).transactionLifetimeLimitSeconds, 60);
  equal(db.getProfilingStatus().was, 0);
  equal(db.adminCommand({ getDefaultRWConcern: 1 }).ok, 1);
  equal(db.adminCommand({ getLog: 'startupWarnings' }).ok, 1);
  equal(db.adminCommand({ connPoolStats: 1 }).ok, 1);
  equal(db.adminCommand({ top: 1 }).ok, 1);
  equal(db.adminCommand({ features: 1 }).ok, 1);
  equal(typeof db.adminCommand({ whatsmyuri: 1 }).you, 'string');
  equal(db.fsyncLock ? db.adminCommand({ fsync: 1 }).ok : 1, 1);
  if (!(db.getReplicationInfo().logSizeMB > 0)) throw new Error('getReplicationInfo');
});

step('users and roles', () => {
  db.createUser({ user: 'u', pwd: 'p', roles: [{ role: 'readWrite', db: 'shelldb' }] });
  equal(db.getUser('u').roles[0].role, 'readWrite');
  db.updateUser('u', { roles: ['read'] });
  db.grantRolesToUser('u', ['dbAdmin']);
  equal(db.getUsers().users.length, 1);
  equal(db.auth('u', 'p').ok, 1);
  fails(() => db.auth('u', 'wrong'), 18);
  db.createRole({ role: 'r', privileges: [{ resource: { db: 'shelldb', collection: 'c' }, actions: ['find'] }], roles: [] });
  equal(db.getRole('r', { showPrivileges: true }).privileges.length, 1);
  db.dropRole('r');
  db.dropUser('u');
  db.logout && db.logout();
});

step('views, capped collections, renames', () => {
  db.createView('v', 'c', [{ $project: { a: 1 } }]);
  equal(db.v.countDocuments(), 2);
  db.createCollection('log', { capped: true, size: 4096, max: 2 });
  for (let i = 0; i < 3; ++i) db.log.insertOne({ _id: i });
  equal(db.log.find().toArray().map((d) => d._id), [1, 2]);
  equal(db.log.isCapped(), true);
  db.log.renameCollection('log2');
  equal(db.log2.drop(), true);
  equal(db.v.drop(), true);
});

step('aggregation', () => {
  equal(db.c.aggregate([{ $group: { _id: null, n: { $sum: 1 } } }]).toArray(), [{ _id: null, n: 2 }]);
  if (db.getSiblingDB('admin').aggregate([{ $currentOp: { allUsers: true, idleConnections: true } }]).toArray().length < 1) throw new Error('$currentOp');
  equal(db.c.aggregate([{ $indexStats: {} }]).toArray()[0].name, '_id_');
});

step('a transaction', () => {
  const session = db.getMongo().startSession();
  const c = session.getDatabase('shelldb').c;
  session.startTransaction();
  c.insertOne({ _id: 'in' });
  equal(db.c.countDocuments({ _id: 'in' }), 0);
  session.commitTransaction();
  equal(db.c.countDocuments({ _id: 'in' }), 1);
  session.endSession();
});

step('a change stream', () => {
  const stream = db.c.watch();
  stream.tryNext();
  db.c.insertOne({ _id: 'seen' });
  let event = null;
  for (let i = 0; i < 100 && !event; ++i) event = stream.tryNext();
  equal(event.operationType, 'insert');
  stream.close();
});

print(`mongosh: ${passed} passed, ${failures.length} failed`);
quit(failures.length === 0 ? 0 : 1);
