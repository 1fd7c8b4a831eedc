// Reading through views: records, indexes and the oplog.
#include <algorithm>

#include <fmt/format.h>

#include "bson/key_string.h"
#include "sandbox/storage/engine_impl.h"

namespace drover::sandbox {

namespace {

class ViewReader : public Reader {
 public:
  ViewReader(kv::Store& store, ReadViewPtr view) : store_(store), view_(std::move(view)) {}
  const Catalog& catalog() const override { return *view_->catalog; }
  Result<std::optional<std::string>> get(kv::KeySpace space, std::string_view key) const override {
    return store_.get(space, key, view_->snapshot.get());
  }
  std::unique_ptr<kv::Iterator> iterate(kv::KeySpace space, std::string upper_bound) const override {
    return store_.iterate(space, view_->snapshot, std::move(upper_bound));
  }

 private:
  kv::Store& store_;
  ReadViewPtr view_;
};

// After so many steps, or over so many bytes, an iterator is made anew.
constexpr std::size_t kStepsOfAnIterator = 10'000;
constexpr std::size_t kBytesOfAnIterator = 16 << 20;

// Walks through a key space one way. An iterator keeps the write buffers and the files that there were when it was made, for as long as it
// lives: so none lives as long as a walk may. The reader's state stays the same, and `reader` outlives this.
class Walk {
 public:
  Walk(const Reader& reader, kv::KeySpace space, std::string upper, bool forward)
      : reader_(reader), space_(space), upper_(std::move(upper)), forward_(forward), iterator_(reader.iterate(space, upper_)) {}

  kv::Iterator& operator*() const { return *iterator_; }
  kv::Iterator* operator->() const { return iterator_.get(); }
  void step() {
    bytes_ += iterator_->value().size();
    if (++steps_ >= kStepsOfAnIterator || bytes_ >= kBytesOfAnIterator) return renew();
    forward_ ? iterator_->next() : iterator_->prev();
  }

 private:
  void renew() {
    steps_ = bytes_ = 0;
    const std::string at(iterator_->key());
    iterator_.reset();
    iterator_ = reader_.iterate(space_, upper_);
    if (forward_) return iterator_->seek(at + '\0');
    iterator_->seek_for_prev(at);
    if (iterator_->valid() && iterator_->key() == at) iterator_->prev();
  }

  const Reader& reader_;
  const kv::KeySpace space_;
  const std::string upper_;
  const bool forward_;
  std::unique_ptr<kv::Iterator> iterator_;
  std::size_t steps_ = 0, bytes_ = 0;
};

}  // namespace

std::unique_ptr<Reader> make_reader(Engine& engine, ReadViewPtr view) {
  return std::make_unique<ViewReader>(engine.store(), std::move(view));
}

Result<std::optional<bson::Document>> Reader::find_record(const CollectionInfo& collection, RecordId id) const {
  const auto bytes = collection.is_oplog() ? TRY(get(kOplog, big_endian(static_cast<std::uint64_t>(id))))
                                           : TRY(get(kRecords, record_key(collection.ident, id)));
  if (!bytes) return std::optional<bson::Document>();
  collection.note_size(bytes->size());
  return std::optional(document_of(*bytes));
}

Result<std::optional<Record>> Reader::find_by_id(const CollectionInfo& collection, const bson::Element& id) const {
  const auto* index = collection.id_index();
  if (!index) return std::optional<Record>();
  const auto entry = TRY(get(kIndexes, index_key(index->ident, bson::key_string(id, index->collator.get()))));
  if (!entry) return std::optional<Record>();
  const auto record = static_cast<RecordId>(from_big_endian(*entry));
  auto document = TRY(find_record(collection, record));
  if (!document) return std::optional<Record>();
  return std::optional(Record{record, std::move(*document)});
}

// Where documents are large on average, an iterator walks through no more ids than so many bytes should have; through more of them where
// there are none. A merge keeps a block of every file that it may yet come to, each as large as a document.
constexpr std::int64_t kLargeOnAverage = 256 << 10;
constexpr std::int64_t kBytesOfASpan = 8 << 20;
constexpr std::uint64_t kLongerSpan = 8;

struct RecordCursor::Impl {
  // From `start` on, or to the next key below it; to the end, or with spans to the end of the first one that has a record.
  Status begin() {
    while (true) {
      const auto upper = upper_bound();
      walk.emplace(reader, space, upper, forward);
      forward ? (*walk)->seek(start) : (*walk)->seek_for_prev(start);
      TRY((*walk)->status());
      if (span == 0 || (*walk)->valid() || is_last(upper)) return {};
      start = upper;
      span = span > kLargestSpan ? 0 : span * kLongerSpan;
    }
  }
  Status step() {
    if (!(*walk)->valid()) return {};
    walk->step();
    if ((*walk)->valid() || base_span == 0) return (*walk)->status();
    TRY((*walk)->status());
    const auto upper = upper_bound();
    if (is_last(upper)) return {};
    start = upper;
    span = base_span;
    return begin();
  }
  std::string upper_bound() const {
    if (prefix == 0) return {};
    const auto from = from_big_endian(std::string_view(start).substr(prefix));
    if (span == 0 || from > ~0ull - span) return big_endian(ident + 1);
    return record_key(ident, static_cast<RecordId>(from + span));
  }
  bool is_last(const std::string& upper) const { return upper.size() == prefix; }

  static constexpr std::uint64_t kLargestSpan = std::uint64_t{1} << 40;

  const Reader& reader;
  const Ident ident;
  const kv::KeySpace space;
  const std::size_t prefix;
  const bool forward;
  std::string start;
  std::uint64_t base_span = 0, span = 0;  // 0: to the end
  std::optional<Walk> walk;
  RecordId id = 0;
};

RecordCursor::RecordCursor(const Reader& reader, const CollectionInfo& collection, bool forward, std::optional<RecordId> after)
    : impl_(new Impl{.reader = reader,
                     .ident = collection.ident,
                     .space = collection.is_oplog() ? kOplog : kRecords,
                     .prefix = collection.is_oplog() ? std::size_t{0} : std::size_t{8},
                     .forward = forward}) {
  const auto to_key = [&](std::uint64_t id) {
    return collection.is_oplog() ? big_endian(id) : record_key(collection.ident, static_cast<RecordId>(id));
  };
  // Records of lower idents lie before ours: a backward cursor ends at the prefix.
  if (forward) {
    impl_->start = to_key(after ? static_cast<std::uint64_t>(*after) + 1 : 0);
  } else {
    impl_->start = to_key(after ? static_cast<std::uint64_t>(*after) - 1 : ~0ull);
  }
  if (!forward || collection.is_oplog()) return;
  const auto counters = collection.counters->copy();
  const auto average = counters.records > 0 ? counters.bytes / counters.records : 0;
  if (average >= kLargeOnAverage) impl_->base_span = impl_->span = static_cast<std::uint64_t>(std::max<std::int64_t>(1, kBytesOfASpan / average));
}
RecordCursor::~RecordCursor() = default;
RecordCursor::RecordCursor(RecordCursor&&) noexcept = default;

Result<std::optional<bson::View>> RecordCursor::next() {
  TRY(impl_->walk ? impl_->step() : impl_->begin());
  const auto& it = **impl_->walk;
  if (!it.valid() || it.key().substr(0, impl_->prefix) != std::string_view(impl_->start).substr(0, impl_->prefix)) {
    TRY(it.status());
    return std::optional<bson::View>();
  }
  impl_->id = static_cast<RecordId>(from_big_endian(it.key().substr(impl_->prefix)));
  return std::optional(view_of(it.value()));
}

RecordId RecordCursor::id() const { return impl_->id; }

struct IndexCursor::Impl {
  std::optional<Walk> walk;
  std::string lower, upper;
  bool forward = true;
  bool unique_format = false;  // the _id index: the record id is the value
  bool begun = false;
};

IndexCursor::IndexCursor(const Reader& reader, const IndexInfo& index, std::string lower, std::string upper, bool forward)
    : impl_(std::make_unique<Impl>()) {
  impl_->lower = index_key(index.ident, lower);
  impl_->upper = index_key(index.ident, upper);
  impl_->forward = forward;
  impl_->unique_format = index.is_id();
  impl_->walk.emplace(reader, kIndexes, impl_->upper, forward);
}
IndexCursor::~IndexCursor() = default;
IndexCursor::IndexCursor(IndexCursor&&) noexcept = default;

Result<std::optional<RecordId>> IndexCursor::next() {
  auto& walk = *impl_->walk;
  if (!impl_->begun) {
    impl_->begun = true;
    impl_->forward ? walk->seek(impl_->lower) : walk->seek_to_last();
  } else if (walk->valid()) {
    walk.step();
  }
  const auto& it = *walk;
  if (!it.valid() || it.key() < impl_->lower) {
    TRY(it.status());
    return std::optional<RecordId>();
  }
  const auto bytes = impl_->unique_format ? it.value() : it.key().substr(it.key().size() - 8);
  return std::optional(static_cast<RecordId>(from_big_endian(bytes)));
}

std::string_view IndexCursor::key() const {
  const auto key = (*impl_->walk)->key();
  return key.substr(8, key.size() - 8 - (impl_->unique_format ? 0 : 8));
}

struct OplogCursor::Impl {
  Engine& engine;
  bson::Timestamp position;
  bool returned = false;  // position is an entry that was returned, not the start
  ReadViewPtr view;
  std::unique_ptr<kv::Iterator> iterator;
};

OplogCursor::OplogCursor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OplogCursor::~OplogCursor() = default;
bson::Timestamp OplogCursor::position() const { return impl_->position; }
void OplogCursor::rest() {
  impl_->iterator.reset();
  impl_->view.reset();
}

std::unique_ptr<OplogCursor> Engine::oplog(bson::Timestamp start) {
  auto impl = std::unique_ptr<OplogCursor::Impl>(new OplogCursor::Impl{*this, start, false, nullptr, nullptr});
  return std::unique_ptr<OplogCursor>(new OplogCursor(std::move(impl)));
}

Result<std::optional<bson::View>> OplogCursor::next() {
  auto& s = *impl_;
  if (s.iterator && s.iterator->valid()) s.iterator->next();
  if (!s.iterator || !s.iterator->valid()) {
    if (s.view && s.engine.last_committed() == s.view->ts) return std::optional<bson::View>();
    rest();
    s.view = s.engine.view();
    if (is_lost()) {
      rest();
      return fail(ErrorCode::kFailure,
                  fmt::format("CollectionScan died due to position in capped collection being deleted. Last seen record id: "
                              "RecordId({})", s.position.value()), 136);
    }
    s.iterator = s.engine.store().iterate(kOplog, s.view->snapshot);
    s.iterator->seek(big_endian(s.position.value() + (s.returned ? 1 : 0)));
  }
  if (!s.iterator->valid()) {
    TRY(s.iterator->status());
    return std::optional<bson::View>();
  }
  s.position = bson::Timestamp::from_value(from_big_endian(s.iterator->key()));
  s.returned = true;
  const auto entry = s.iterator->value();
  raise_to(*s.engine.impl_->largest_entry, entry.size());
  return std::optional(view_of(entry));
}

// Asked once the view is taken: what it lacks was said to be removed before it was.
bool OplogCursor::is_lost() const {
  const auto& engine = *impl_->engine.impl_;
  if (impl_->position.is_zero()) return false;
  std::lock_guard lock(engine.state);
  return impl_->returned ? impl_->position < engine.oplog_removed_to : impl_->position <= engine.oplog_removed_to;
}

}  // namespace drover::sandbox
