#include "mongo.h"

#include <fmt/format.h>

namespace drover::bench {

Result<Client> Client::connect(const std::string& uri) {
  bson_error_t error;
  const std::unique_ptr<mongoc_uri_t, void (*)(mongoc_uri_t*)> parsed(mongoc_uri_new_with_error(uri.c_str(), &error), mongoc_uri_destroy);
  if (!parsed) return fail(ErrorCode::kUsage, fmt::format("the connection string: {}", error.message));
  auto* client = mongoc_client_new_from_uri(parsed.get());
  if (client == nullptr) return fail(ErrorCode::kUsage, "the connection string cannot be used");
  mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
  return Client(client);
}

Result<bson::Document> Client::command(const std::string& db, const bson::Document& command) {
  bson_t request, reply;
  bson_error_t error;
  bson_init_static(&request, command.bytes().data(), command.size());
  const bool ok = mongoc_client_command_simple(client_.get(), db.c_str(), &request, nullptr, &reply, &error);
  const auto* data = bson_get_data(&reply);
  bson::Document result(std::vector<std::uint8_t>(data, data + reply.len));
  bson_destroy(&reply);
  if (!ok) return fail(ErrorCode::kFailure, fmt::format("{}: {}", command.view().first().key(), error.message), static_cast<int>(error.code));
  if (const auto errors = result["writeErrors"].to_array())
    return fail(ErrorCode::kFailure, fmt::format("{}: {}", command.view().first().key(),
                                                 errors->first().document_value()["errmsg"].to_string_view().value_or("refused")));
  return result;
}

}  // namespace drover::bench
