// What a write unit writes beside the documents: entries of the oplog, images of what was changed, the session's last write.
#include "sandbox/storage/engine_impl.h"
#include "sandbox/storage/oplog_entry.h"
#include "sandbox/storage/side_collections.h"

namespace drover::sandbox {

bool WriteUnit::is_logged(const Namespace& ns) const {
  return replicated_ && ns.db != "local" && ns.collection != "system.profile";
}

void WriteUnit::log(OplogEntry entry) {
  if (transaction_) {
    transaction_->operations_.push_back(to_operation(entry));
    transaction_->operation_bytes_ += transaction_->operations_.back().size() + sizeof(bson::Document);
    return;
  }
  entry.ts = next_time();
  entry.term = engine_.impl_->term;
  if (entry.previous) entry.previous_term = engine_.impl_->term_at(*entry.previous);
  entry.wall = {std::chrono::duration_cast<std::chrono::milliseconds>(engine_.runtime().wall_time().time_since_epoch()).count()};
  // The document itself goes from the message into the batch.
  const auto frame = frame_of(entry, engine_.options().version);
  const std::string_view around(reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size());
  const std::string_view parts[] = {around.substr(0, frame.o_at), bytes_of(entry.o), around.substr(frame.o_at)};
  batch().put_blind(kOplog, big_endian(entry.ts.value()), parts);
  const auto size = parts[0].size() + parts[1].size() + parts[2].size();
  oplog_bytes_ += size;
  ++oplog_entries_;
  raise_to(*engine_.impl_->largest_entry, size);
  if (first_entry_.is_zero()) first_entry_ = entry.ts;
  last_entry_ = entry.ts;
}

void WriteUnit::log_note(bson::View object) { log({.op = "n", .ns = "", .o = object}); }

void WriteUnit::log_command(std::string_view db, std::optional<Uuid> uuid, bson::View o, const bson::Document* o2) {
  if (!is_logged({std::string(db), ""})) return;
  const auto ns = std::string(db) + ".$cmd";
  log({.op = "c", .ns = ns, .uuid = uuid, .o = o, .o2 = o2});
}

void WriteUnit::set_image(bson::View image, Image which) {
  if (!session_) return;
  pending_image_ = bson::Document(image);
  image_kind_ = which;
}

Status WriteUnit::log_crud(char op, const CollectionPtr& collection, bson::View o, const bson::Document* o2, std::int32_t statement,
                           bson::View before) {
  if (!is_logged(collection->ns)) return {};
  auto& ns = engine_.impl_->name_buffer;
  ns.assign(collection->ns.db).append(1, '.').append(collection->ns.collection);
  const auto version = engine_.options().version;
  const auto note_image = [&](bson::View image) {
    OplogEntry note{.op = "n", .ns = ns, .uuid = collection->uuid, .o = image};
    if (session_) {
      note.lsid = &session_->lsid;
      note.txn_number = session_->txn_number;
      note.statement = statement;
    }
    log(note);
    return last_entry_;
  };
  OplogEntry entry{.op = std::string_view(&op, 1), .ns = ns, .uuid = collection->uuid, .o = o, .o2 = o2};
  const bool wants_pre_image = op != 'i' && collection->record_pre_images;
  const auto image = std::exchange(pending_image_, std::nullopt);
  const bool image_aside = image && version >= kRetryImagesSince;
  if (!transaction_) {
    if (image_aside) {
      entry.retry_image = image_kind_ == Image::kBefore ? "preImage" : "postImage";
    } else if (image) {
      (image_kind_ == Image::kBefore ? entry.pre_image : entry.post_image) = note_image(*image);
    }
    if (wants_pre_image && version < kPreImagesSince && !entry.pre_image) entry.pre_image = note_image(before);
    if (session_) {
      entry.lsid = &session_->lsid;
      entry.txn_number = session_->txn_number;
      entry.statement = statement;
      entry.previous = session_->previous;
    }
  }
  const auto statements = std::exchange(statements_, {});
  if (entry.statement && statements.size() > 1) entry.statements = statements;
  log(entry);
  if (wants_pre_image && version >= kPreImagesSince) {
    if (transaction_) {
      transaction_->pre_images_.push_back({transaction_->operations_.size() - 1, collection->uuid, bson::Document(before)});
      transaction_->operation_bytes_ += before.size();
    }
    else TRY(save_pre_image(collection->uuid, last_entry_, 0, before));
  }
  if (session_ && !transaction_) {
    if (image_aside) retry_image_ = retry_image(session_->lsid, session_->txn_number, last_entry_, entry.retry_image, *image);
    session_->previous = last_entry_;
    session_wrote_ = true;
  }
  return {};
}

Status WriteUnit::put_aside(const Namespace& ns, const bson::Document& document) {
  const auto collection = catalog().find(ns);
  if (!collection) return {};
  const auto session = std::exchange(session_, std::nullopt);
  const bool replicated = std::exchange(replicated_, false);
  const auto operations = operations_;
  const auto existing = TRY(find_by_id(*collection, document["_id"]));
  auto result = existing ? update(collection, existing->id, existing->document, document, document)
                         : insert(collection, document).map([](RecordId) {});
  operations_ = operations;
  replicated_ = replicated;
  session_ = session;
  return result;
}

Status WriteUnit::save_pre_image(const Uuid& collection, bson::Timestamp entry, std::int64_t apply_ops_index, bson::View before) {
  const auto wall = std::chrono::duration_cast<std::chrono::milliseconds>(engine_.runtime().wall_time().time_since_epoch()).count();
  if (!catalog().find(pre_images_namespace())) {  // somebody has dropped it
    const bool replicated = std::exchange(replicated_, false);
    const auto created = create_collection(pre_images_namespace(), bson::View(), plain_id_index());
    replicated_ = replicated;
    if (!created) return tl::unexpected(created.error());
  }
  return put_aside(pre_images_namespace(), pre_image(pre_image_id(collection, entry, apply_ops_index), {wall}, before));
}

Status WriteUnit::save_retry_image() {
  if (!retry_image_) return {};
  const auto image = std::exchange(retry_image_, std::nullopt);
  return put_aside(retry_images_namespace(), *image);
}

// config.transactions remembers the session's last write, in the same commit, unreplicated.
Status WriteUnit::save_session() {
  if (!session_ || !session_wrote_) return {};
  const auto collection = catalog().find(sessions_namespace());
  if (!collection) {
    return fail(ErrorCode::kFailure, "Unable to persist transaction state because the session transaction collection is missing. This indicates that the "
                                     "config.transactions collection has been manually deleted.", 40527);
  }
  bson::Builder out;
  out.append("_id", session_->lsid).append("txnNum", session_->txn_number);
  {
    auto time = out.open_document("lastWriteOpTime");
    time.append("ts", session_->previous).append("t", engine_.impl_->term_at(session_->previous));
  }
  const auto wall = std::chrono::duration_cast<std::chrono::milliseconds>(engine_.runtime().wall_time().time_since_epoch()).count();
  out.append("lastWriteDate", bson::DateTime{wall});
  if (session_committed_) out.append("state", "committed");
  return put_aside(collection->ns, std::move(out).finish());
}

}  // namespace drover::sandbox
