// The documents of one side's range, one at a time in _id order.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "cluster/deployment.h"
#include "verifier/report.h"

namespace drover::verifier {

class DocumentStream {
 public:
  using OnBatch = std::function<void(Volume)>;
  static Result<DocumentStream> open(cluster::Deployment& deployment, const cluster::RangeRead& read, OnBatch on_batch,
                                     const std::stop_token& stop);

  bool at_end() const { return current_ == end_ && last_; }
  bson::View document() const { return current_->document_value(); }
  const std::string& key() const { return key_; }  // the logical key of its _id
  // An error when the server's order is not ours: a merge would then report nonsense.
  Status advance();

 private:
  DocumentStream(Namespace ns, OnBatch on_batch, std::stop_token stop)
      : ns_(std::move(ns)), on_batch_(std::move(on_batch)), stop_(std::move(stop)) {}
  Status fill();
  Status enter();

  Namespace ns_;
  OnBatch on_batch_;
  std::stop_token stop_;
  std::unique_ptr<cluster::DocumentCursor> cursor_;
  cluster::DocumentBatch batch_;
  bson::View::Iterator current_, end_;
  bool last_ = false;
  std::string key_;
};

}  // namespace drover::verifier
