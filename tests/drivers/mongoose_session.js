// mongoose as an application uses it: schemas, validation, populate, transactions, indexes it makes by itself.
'use strict';
const assert = require('node:assert/strict');
const mongoose = require('mongoose');
const { Session, failure } = require('./session');

const session = new Session('mongoose');
const { Schema } = mongoose;

const Author = mongoose.model('Author', new Schema({ name: { type: String, required: true, unique: true }, born: Date }));
const Book = mongoose.model('Book', new Schema({
  title: { type: String, index: true }, author: { type: Schema.Types.ObjectId, ref: 'Author' }, price: Schema.Types.Decimal128,
  tags: [String], reviews: [{ stars: Number, text: String }], extra: Map,
}, { timestamps: true, optimisticConcurrency: true }));

session.step('indexes of the schemas', async () => {
  await Promise.all([Author.init(), Book.init()]);
  assert.ok((await Author.listIndexes()).some((i) => i.unique && i.key.name === 1));
  await Book.syncIndexes();
});

session.step('create, validate, find', async () => {
  const [knuth] = await Author.create([{ name: 'Knuth', born: new Date('1938-01-10') }, { name: 'Gray' }]);
  await Book.create([{ title: 'TAOCP', author: knuth, price: '99.90', tags: ['a', 'b'], reviews: [{ stars: 5 }], extra: { k: 'v' } }]);
  assert.equal((await failure(Author.create({ born: 1 }))).name, 'ValidationError');
  assert.equal((await failure(Author.create({ name: 'Gray' }))).code, 11000);
  const book = await Book.findOne({ title: /^TA/ }).populate('author').exec();
  assert.equal(book.author.name, 'Knuth');
  assert.equal(book.price.toString(), '99.90');
  assert.ok(book.createdAt instanceof Date);
});

session.step('documents are saved by what changed', async () => {
  const book = await Book.findOne();
  book.tags.push('c');
  book.reviews[0].stars = 4;
  book.extra.set('k2', 'v2');
  await book.save();
  const again = await Book.findById(book._id).lean();
  assert.deepEqual(again.tags, ['a', 'b', 'c']);
  assert.equal(again.reviews[0].stars, 4);
  assert.deepEqual(again.extra, { k: 'v', k2: 'v2' });
});

session.step('two versions of one document', async () => {
  const first = await Book.findOne();
  const second = await Book.findOne();
  first.title = 'one';
  second.title = 'two';
  await first.save();
  assert.equal((await failure(second.save())).name, 'VersionError');
});

session.step('queries and cursors', async () => {
  await Book.insertMany(Array.from({ length: 60 }, (_, i) => ({ title: `t${i}`, tags: [i % 2 ? 'odd' : 'even'] })));
  assert.equal(await Book.countDocuments({ tags: 'odd' }), 30);
  let n = 0;
  for await (const book of Book.find({ tags: 'even' }).sort('-title').cursor({ batchSize: 7 })) n += book.tags.length;
  assert.equal(n, 30);
  assert.deepEqual(await Book.distinct('tags', { title: /^t/ }), ['even', 'odd']);
  const groups = await Book.aggregate().match({ title: /^t/ }).unwind('tags').group({ _id: '$tags', n: { $sum: 1 } }).sort('_id');
  assert.deepEqual(groups, [{ _id: 'even', n: 30 }, { _id: 'odd', n: 30 }]);
  assert.equal((await Book.updateMany({ tags: 'odd' }, { $addToSet: { tags: 'x' } })).modifiedCount, 30);
  assert.equal((await Book.findOneAndUpdate({ title: 't1' }, { price: '1.5' }, { new: true })).price.toString(), '1.5');
  const bulk = await Book.bulkWrite([{ updateOne: { filter: { title: 't2' }, update: { title: 't2b' } } }, { deleteOne: { filter: { title: 't3' } } }]);
  assert.deepEqual([bulk.modifiedCount, bulk.deletedCount], [1, 1]);
});

session.step('transactions', async () => {
  await mongoose.connection.transaction(async (s) => {
    await Author.create([{ name: 'Lamport' }], { session: s });
    assert.equal(await Author.countDocuments({ name: 'Lamport' }), 0);
  });
  assert.equal(await Author.countDocuments({ name: 'Lamport' }), 1);
  const error = await failure(mongoose.connection.transaction(async (s) => {
    await Author.create([{ name: 'Dijkstra' }], { session: s });
    throw new Error('no');
  }));
  assert.equal(error.message, 'no');
  assert.equal(await Author.countDocuments({ name: 'Dijkstra' }), 0);
});

session.step('change streams of a model', async () => {
  const stream = Author.watch();
  let change = null;
  stream.next().then((event) => { change = event; });
  for (let i = 0; !change && i < 100; ++i) {
    await Author.create({ name: `seen ${i}` });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(change?.operationType, 'insert');
  await stream.close();
});

async function main() {
  await mongoose.connect(process.env.DROVER_URI, { dbName: 'mongoose', serverSelectionTimeoutMS: 60000, autoIndex: false });
  await mongoose.connection.dropDatabase();
  await Promise.all([Author.createIndexes(), Book.createIndexes()]);
  const ok = await session.run({ version: process.env.DROVER_SERVER_VERSION });
  await mongoose.disconnect();
  process.exit(ok ? 0 : 1);
}

main().catch((error) => {
  console.log(`FAILED mongoose: ${error.stack}`);
  process.exit(1);
});
