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

}  // namespace

std::unique_ptr<Reader> make_reader(Engine& engine, ReadViewPtr view) {
  return std::make_unique<ViewReader>(engine.store(), std::move(view));
}

Result<std::optional<bson::Document>> Reader::find_record(const CollectionInfo& collection, RecordId id) const {
  const auto bytes = collection.is_oplog() ? TRY(get(kOplog, big_endian(static_cast<std::uint64_t>(id))))
                                           : TRY(get(kRecords, record_key(collection.ident, id)));
  if (!bytes) return std::optional<bson::Document>();
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

struct RecordCursor::Impl {
  std::unique_ptr<kv::Iterator> iterator;
  std::string start;
  std::size_t prefix = 8;
  bool forward = true;
  bool begun = false;
  RecordId id = 0;
};

RecordCursor::RecordCursor(const Reader& reader, const CollectionInfo& collection, bool forward, std::optional<RecordId> after)
    : impl_(std::make_unique<Impl>()) {
  impl_->forward = forward;
  const auto to_key = [&](std::uint64_t id) {
    return collection.is_oplog() ? big_endian(id) : record_key(collection.ident, static_cast<RecordId>(id));
  };
  impl_->prefix = collection.is_oplog() ? 0 : 8;
  impl_->iterator = collection.is_oplog() ? reader.iterate(kOplog) : reader.iterate(kRecords, big_endian(collection.ident + 1));
  if (forward) {
    impl_->start = to_key(after ? static_cast<std::uint64_t>(*after) + 1 : 0);
  } else {
    impl_->start = to_key(after ? static_cast<std::uint64_t>(*after) - 1 : ~0ull);
  }
  // Records of lower idents lie before ours: a backward cursor ends at the prefix.
  if (!collection.is_oplog()) impl_->start.reserve(16);
}
RecordCursor::~RecordCursor() = default;
RecordCursor::RecordCursor(RecordCursor&&) noexcept = default;

Result<std::optional<bson::View>> RecordCursor::next() {
  auto& it = *impl_->iterator;
  if (!impl_->begun) {
    impl_->begun = true;
    impl_->forward ? it.seek(impl_->start) : it.seek_for_prev(impl_->start);
  } else if (it.valid()) {
    impl_->forward ? it.next() : it.prev();
  }
  if (!it.valid() || it.key().substr(0, impl_->prefix) != std::string_view(impl_->start).substr(0, impl_->prefix)) {
    TRY(it.status());
    return std::optional<bson::View>();
  }
  impl_->id = static_cast<RecordId>(from_big_endian(it.key().substr(impl_->prefix)));
  return std::optional(view_of(it.value()));
}

RecordId RecordCursor::id() const { return impl_->id; }

struct IndexCursor::Impl {
  std::unique_ptr<kv::Iterator> iterator;
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
  impl_->iterator = reader.iterate(kIndexes, impl_->upper);
}
IndexCursor::~IndexCursor() = default;
IndexCursor::IndexCursor(IndexCursor&&) noexcept = default;

Result<std::optional<RecordId>> IndexCursor::next() {
  auto& it = *impl_->iterator;
  if (!impl_->begun) {
    impl_->begun = true;
    impl_->forward ? it.seek(impl_->lower) : it.seek_to_last();
  } else if (it.valid()) {
    impl_->forward ? it.next() : it.prev();
  }
  if (!it.valid() || it.key() < impl_->lower) {
    TRY(it.status());
    return std::optional<RecordId>();
  }
  const auto bytes = impl_->unique_format ? it.value() : it.key().substr(it.key().size() - 8);
  return std::optional(static_cast<RecordId>(from_big_endian(bytes)));
}

std::string_view IndexCursor::key() const {
  const auto key = impl_->iterator->key();
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
    if (s.returned && s.position < s.engine.oldest_oplog_time()) {
      return fail(ErrorCode::kFailure,
                  fmt::format("CollectionScan died due to position in capped collection being deleted. Last seen record id: "
                              "RecordId({})", s.position.value()), 136);
    }
    s.view = s.engine.view();
    s.iterator = s.engine.store().iterate(kOplog, s.view->snapshot);
    s.iterator->seek(big_endian(s.position.value() + (s.returned ? 1 : 0)));
  }
  if (!s.iterator->valid()) {
    TRY(s.iterator->status());
    return std::optional<bson::View>();
  }
  s.position = bson::Timestamp::from_value(from_big_endian(s.iterator->key()));
  s.returned = true;
  return std::optional(view_of(s.iterator->value()));
}

}  // namespace drover::sandbox
