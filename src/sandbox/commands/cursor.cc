#include "sandbox/commands/cursor.h"

#include "sandbox/commands/command.h"

namespace drover::sandbox {

namespace {

class ListCursor : public CommandCursor {
 public:
  explicit ListCursor(std::vector<bson::Document> documents) : documents_(std::move(documents)) {}
  Status next_batch(CommandContext&, CursorBatch& batch) override {
    while (!exhausted() && !batch.full() && batch.append(documents_[at_])) ++at_;
    return {};
  }
  bool exhausted() const override { return at_ >= documents_.size(); }

 private:
  std::vector<bson::Document> documents_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<CommandCursor> make_list_cursor(std::vector<bson::Document> documents) {
  return std::make_unique<ListCursor>(std::move(documents));
}

Result<bson::Document> first_batch_reply(CommandContext& context, std::unique_ptr<CommandCursor> cursor, Namespace ns,
                                         const CursorReplyOptions& options) {
  CursorBatch batch(options.request);
  TRY(cursor->next_batch(context, batch));
  std::int64_t id = 0;
  const auto name = ns.to_string();
  if (!cursor->exhausted() && !options.single_batch) {
    CursorEntry entry{.cursor = std::move(cursor), .ns = std::move(ns), .session = context.session, .no_timeout = options.no_timeout};
    if (context.transaction) entry.txn_number = context.txn_number;
    for (const auto& user : context.authorization.users()) entry.users.push_back(user.db + "." + user.name);
    if (context.operation) entry.origin = context.operation->command;
    id = context.services.cursors.add(std::move(entry));
  }
  bson::Builder out;
  {
    auto body = out.open_document("cursor");
    auto token = std::move(batch.post_batch_resume_token);
    const auto documents = std::move(batch).finish_documents();
    if (options.list_order) body.append("id", id).append("ns", name);
    body.append("firstBatch", bson::ArrayView{documents});
    if (token) body.append("postBatchResumeToken", *token);
    if (options.at_cluster_time) body.append("atClusterTime", *options.at_cluster_time);
    if (!options.list_order) body.append("id", id).append("ns", name);
  }
  return std::move(out).finish();
}

}  // namespace drover::sandbox
