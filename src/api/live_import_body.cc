#include "api/live_import_body.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/store.h"

namespace drover::api {
namespace {

constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxShardingEntries = 1000;

tl::unexpected<RestError> bad(std::string_view code, const std::string& field, std::string_view why) {
  RestError error{400, std::string(code), fmt::format("{} {}.", field, why), {field}, {}};
  error.fields.emplace_back(field, why);
  return tl::unexpected(std::move(error));
}

// Text fields and flags of an object that is named in errors. Clients send "" for what was not given.
class Fields {
 public:
  static RestResult<Fields> of(const Json& body, const char* name) {
    const auto* value = body.find(name);
    if (value == nullptr || value->is_null()) return bad("MISSING_ATTRIBUTE", name, "must not be blank");
    if (value->as_object() == nullptr) return bad("INVALID_ATTRIBUTE", name, "must be an object");
    return Fields(*value, std::string(name) + ".");
  }
  Fields(const Json& object, std::string prefix) : object_(&object), prefix_(std::move(prefix)) {}

  RestResult<std::string> text(const char* field) const {
    const auto* value = object_->find(field);
    if (value == nullptr || value->is_null()) return std::string();
    if (value->as_string() == nullptr) return bad("INVALID_ATTRIBUTE", prefix_ + field, "must be a string");
    if (value->as_string()->size() > kMaxText || value->as_string()->find('\0') != std::string::npos)
      return bad("INVALID_ATTRIBUTE", prefix_ + field, "is too long or has a NUL character");
    return *value->as_string();
  }
  RestResult<std::string> needed_text(const char* field) const {
    auto value = TRY_BODY(text(field));
    if (value.empty()) return bad("MISSING_ATTRIBUTE", prefix_ + field, "must not be blank");
    return value;
  }
  RestResult<std::string> id(const char* field) const {
    auto value = TRY_BODY(needed_text(field));
    if (!control::is_id(value)) return bad("INVALID_ATTRIBUTE", prefix_ + field, "must be 24 hexadecimal digits");
    return value;
  }
  RestResult<bool> flag(const char* field, bool needed) const {
    const auto* value = object_->find(field);
    if (value == nullptr || value->is_null()) {
      if (needed) return bad("MISSING_ATTRIBUTE", prefix_ + field, "must not be blank");
      return false;
    }
    if (value->as_bool() == nullptr) return bad("INVALID_ATTRIBUTE", prefix_ + field, "must be true or false");
    return *value->as_bool();
  }

  // What is misspelt would be left out, and what was asked for with it.
  RestResult<int> only(std::initializer_list<std::string_view> known) const {
    for (const auto& [field, value] : *object_->as_object())
      if (std::find(known.begin(), known.end(), field) == known.end()) return bad("INVALID_ATTRIBUTE", prefix_ + field, "is not a field of this body");
    return 0;
  }

 private:
  const Json* object_;
  std::string prefix_;
};

RestResult<int> read_source(const Json& body, control::LiveImportRequest& request) {
  const auto source = TRY_BODY(Fields::of(body, "source"));
  TRY_BODY(source.only({"caCertificatePath", "clusterName", "groupId", "managedAuthentication", "password", "ssl", "username"}));
  request.source_cluster = TRY_BODY(source.needed_text("clusterName"));
  request.source_group = TRY_BODY(source.id("groupId"));
  request.managed = TRY_BODY(source.flag("managedAuthentication", true));
  request.ssl = TRY_BODY(source.flag("ssl", true));
  request.username = TRY_BODY(source.text("username"));
  request.password = TRY_BODY(source.text("password"));
  request.ca_path = TRY_BODY(source.text("caCertificatePath"));
  if (request.managed && !(request.username.empty() && request.password.empty()))
    return bad("INVALID_ATTRIBUTE", "source.username", "must be absent with managedAuthentication");
  if (request.username.empty() != request.password.empty())
    return bad("MISSING_ATTRIBUTE", request.username.empty() ? "source.username" : "source.password", "must not be blank");
  if (!request.ssl && !request.ca_path.empty()) return bad("INVALID_ATTRIBUTE", "source.caCertificatePath", "must be absent without ssl");
  return 0;
}

RestResult<int> read_destination(const RestRequest& rest, control::LiveImportRequest& request) {
  const auto destination = TRY_BODY(Fields::of(rest.body, "destination"));
  TRY_BODY(destination.only({"clusterName", "groupId", "hostnameSchemaType", "privateLinkId"}));
  request.destination_cluster = TRY_BODY(destination.needed_text("clusterName"));
  request.destination_group = TRY_BODY(destination.id("groupId"));
  if (request.destination_group != rest.name("groupId"))
    return bad("INVALID_ATTRIBUTE", "destination.groupId", "must be the project of the path");
  const auto schema = TRY_BODY(destination.text("hostnameSchemaType"));
  if (!schema.empty()) request.schema = schema;
  if (request.schema != "PUBLIC" && request.schema != "PRIVATE_LINK" && request.schema != "VPC_PEERING")
    return bad("INVALID_ENUM_VALUE", "destination.hostnameSchemaType", "must be PUBLIC, PRIVATE_LINK or VPC_PEERING");
  request.private_link = TRY_BODY(destination.text("privateLinkId"));
  if (request.schema == "PRIVATE_LINK" && request.private_link.empty())
    return bad("MISSING_ATTRIBUTE", "destination.privateLinkId", "must not be blank");
  return 0;
}

RestResult<Json> read_sharding(const Json& body) {
  const auto* value = body.find("sharding");
  if (value == nullptr || value->is_null()) return Json();
  const auto sharding = TRY_BODY(Fields::of(body, "sharding"));
  TRY_BODY(sharding.only({"createSupportingIndexes", "shardingEntries"}));
  TRY_BODY(sharding.flag("createSupportingIndexes", true));
  const auto* entries = value->find("shardingEntries");
  if (entries == nullptr || entries->is_null()) return *value;
  if (entries->as_array() == nullptr || entries->as_array()->size() > kMaxShardingEntries)
    return bad("INVALID_ATTRIBUTE", "sharding.shardingEntries", fmt::format("must be an array of at most {} objects", kMaxShardingEntries));
  for (const auto& entry : *entries->as_array()) {
    const Fields fields(entry, "sharding.shardingEntries[].");
    TRY_BODY(fields.needed_text("database"));
    TRY_BODY(fields.needed_text("collection"));
    const auto* shard = entry.find("shardCollection");
    const auto* key = shard == nullptr ? nullptr : shard->find("key");
    if (key == nullptr || key->as_array() == nullptr || key->as_array()->empty())
      return bad("INVALID_ATTRIBUTE", "sharding.shardingEntries[].shardCollection.key", "must be an array of one-field objects");
    for (const auto& part : *key->as_array()) {
      if (part.as_object() == nullptr || part.as_object()->size() != 1)
        return bad("INVALID_ATTRIBUTE", "sharding.shardingEntries[].shardCollection.key", "must be an array of one-field objects");
    }
  }
  return *value;
}

}  // namespace

RestResult<control::LiveImportRequest> parse_live_import(const RestRequest& rest) {
  control::LiveImportRequest request;
  const bool newer = rest.version >= "2024-05-30";
  const auto* drop = newer ? "dropDestinationData" : "dropEnabled";
  const auto* of_other_version = newer ? "dropEnabled" : "dropDestinationData";
  const Fields all(rest.body, "");
  TRY_BODY(all.only({"_id", "destination", drop, of_other_version, "links", "migrationHosts", "sharding", "source"}));
  if (TRY_BODY(all.flag(of_other_version, false))) return bad("INVALID_ATTRIBUTE", of_other_version, fmt::format("is not a field of this version; here it is {}", drop));
  TRY_BODY(read_source(rest.body, request));
  TRY_BODY(read_destination(rest, request));
  const auto hosts = TRY_BODY(text_list(rest.body, "migrationHosts", true));
  if (hosts.size() != 1) return bad(hosts.empty() ? "MISSING_ATTRIBUTE" : "INVALID_ATTRIBUTE", "migrationHosts", "must name exactly one host");
  if (hosts.front().empty() || hosts.front().size() > kMaxText) return bad("INVALID_ATTRIBUTE", "migrationHosts", "must name a host");
  request.host = hosts.front();
  const Fields whole(rest.body, "");
  request.drop = TRY_BODY(whole.flag(drop, !newer));
  request.sharding = TRY_BODY(read_sharding(rest.body));
  return request;
}

}  // namespace drover::api
