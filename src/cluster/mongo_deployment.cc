#include "cluster/mongo_deployment.h"

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/mongo_deployment_impl.h"

namespace drover::cluster {

Result<std::unique_ptr<Deployment>> connect(const MongoOptions& options, Runtime& runtime, std::stop_token stop) {
  auto pool = TRY(Pool::open(options, runtime, std::move(stop)));
  return std::make_unique<MongoDeployment>(std::move(pool), options.reply_limit.value_or(kLongReply));
}

Result<bson::Document> MongoDeployment::run_command(const std::string& db, bson::View command) {
  const auto lsid = command["lsid"].to_document();
  const auto session = lsid ? (*lsid)["id"].to_uuid() : std::nullopt;
  bson::Builder without;  // the driver adds the session again, as it sends every command
  for (const auto& field : command)
    if (!session || field.key() != "lsid") without.append_raw(field);
  const auto document = std::move(without).finish();
  const auto reply = TRY(pool_->run({.db = db,
                                     .command = document,
                                     .on = db,
                                     .session = session ? &*session : nullptr,
                                     .reply_limit = command_limit_}));
  return bson::Document(reply.view());
}

Result<Reply> MongoDeployment::run(std::string_view db, bson::View command, std::string_view on) {
  return pool_->run({.db = db, .command = command, .on = on});
}

Error MongoDeployment::error(ErrorCode code, std::string_view message) const {
  return Error{code, fmt::format("{}: {}", side_word(pool_->side()), message), 0, {}};
}

Error MongoDeployment::malformed(std::string_view command, std::string_view on, std::string_view what) const {
  return malformed_reply(pool_->side(), {command, on}, pool_->hosts(), what);
}

}  // namespace drover::cluster
