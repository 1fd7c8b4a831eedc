#include "verifier/document_stream.h"

#include <fmt/format.h>

#include "bson/key_string.h"

namespace drover::verifier {

Result<DocumentStream> DocumentStream::open(cluster::Deployment& deployment, const cluster::RangeRead& read,
                                            OnBatch on_batch, const std::stop_token& stop) {
  DocumentStream stream(read.ns, std::move(on_batch), stop);
  stream.cursor_ = TRY(deployment.read_range(read));
  TRY(stream.fill());
  TRY(stream.enter());
  return stream;
}

Status DocumentStream::advance() {
  ++current_;
  if (current_ == end_) TRY(fill());
  return enter();
}

Status DocumentStream::fill() {
  while (current_ == end_ && !last_) {
    batch_ = TRY(cursor_->next(stop_));
    current_ = batch_.array.begin();
    end_ = batch_.array.end();
    last_ = batch_.last;
    Volume read;
    for (const auto& item : batch_.array) {
      ++read.documents;
      read.bytes += item.value_size();
    }
    if (on_batch_) on_batch_(read);
  }
  return {};
}

Status DocumentStream::enter() {
  if (at_end()) return {};
  auto key = bson::key_string(document()["_id"]);
  if (!key_.empty() && key <= key_) {
    return fail(ErrorCode::kFailure,
                fmt::format("{}: documents did not arrive in the order of their _id; this collection cannot be verified",
                            ns_.to_string()));
  }
  key_ = std::move(key);
  return {};
}

}  // namespace drover::verifier
