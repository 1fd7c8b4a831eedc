#include "control/agent_keys.h"

#include <fmt/format.h>

#include "control/fields.h"
#include "control/identity.h"
#include "net/crypto.h"

namespace drover::control {
namespace {

constexpr const char* kCollection = "agentKeys";
constexpr std::size_t kKeyBytes = 32;

AgentKey key_of(bson::View document) {
  AgentKey key;
  key.id = text_of(document, "_id");
  key.group = text_of(document, "groupId");
  key.description = text_of(document, "desc");
  key.last_four = text_of(document, "lastFour");
  key.created_millis = number_of(document, "createdMillis");
  key.created_by = text_of(document, "createdBy");
  key.created_from = text_of(document, "createdFrom");
  return key;
}

}  // namespace

Result<AgentKey> AgentKeys::create(const std::string& group, const std::string& description, const std::string& by,
                                   const std::string& from) {
  TRY(check_text("desc", description, kMaxDescriptionBytes));
  if (TRY(store_.count(kCollection, bson::make_document({{"groupId", group}}))) >= kMaxAgentKeysOfProject)
    return fail(ErrorCode::kWrongState, fmt::format("the project has {} agent API keys already; delete those that are not used", kMaxAgentKeysOfProject));
  AgentKey key;
  key.id = new_id(runtime_);
  key.group = group;
  key.description = description;
  key.key = net::hex_encode(net::random_bytes(kKeyBytes));
  key.last_four = key.key.substr(key.key.size() - 4);
  key.created_millis = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
  key.created_by = by;
  key.created_from = from;
  TRY(store_.insert(kCollection, bson::make_document({{"_id", key.id},
                                                      {"groupId", group},
                                                      {"desc", description},
                                                      {"keyHash", keys_.hash(key.key)},
                                                      {"lastFour", key.last_four},
                                                      {"createdMillis", key.created_millis},
                                                      {"createdBy", by},
                                                      {"createdFrom", from}})));
  return key;
}

Result<std::vector<AgentKey>> AgentKeys::list(const std::string& group) {
  std::vector<AgentKey> keys;
  for (const auto& document : TRY(store_.find(kCollection, bson::make_document({{"groupId", group}})))) keys.push_back(key_of(document));
  return keys;
}

Result<bool> AgentKeys::remove(const std::string& group, const std::string& id) {
  return TRY(store_.remove(kCollection, bson::make_document({{"_id", id}, {"groupId", group}}))) > 0;
}

// By the hash, which is the index's: what the store compares says nothing of the key.
Result<std::string> AgentKeys::id_of(const std::string& group, const std::string& key) {
  const auto found = TRY(store_.find_one(kCollection, bson::make_document({{"keyHash", keys_.hash(key)}})));
  if (!found || !net::equal_constant_time(text_of(*found, "groupId"), group)) return std::string();
  return text_of(*found, "_id");
}

Result<std::string> AgentKeys::group_of(const std::string& key) {
  const auto found = TRY(store_.find_one(kCollection, bson::make_document({{"keyHash", keys_.hash(key)}})));
  return found ? text_of(*found, "groupId") : std::string();
}

Result<bool> AgentKeys::exists(const std::string& group, const std::string& id) { return TRY(record(group, id)).has_value(); }

Result<std::optional<bson::Document>> AgentKeys::record(const std::string& group, const std::string& id) {
  return store_.find_one(kCollection, bson::make_document({{"_id", id}, {"groupId", group}}));
}

Status AgentKeys::put_back(const bson::Document& record) {
  TRY(store_.insert(kCollection, record));
  return {};
}

Result<std::vector<std::string>> AgentKeys::projects() {
  std::vector<std::string> projects;
  for (const auto& [group, keys] : TRY(store_.count_by(kCollection, bson::Document(), "groupId"))) projects.push_back(group);
  return projects;
}

Status AgentKeys::forget_project(const std::string& group) {
  TRY(store_.remove(kCollection, bson::make_document({{"groupId", group}})));
  return {};
}

}  // namespace drover::control
