// A project's agent API keys: what an agent on a migration host shows with every call. A key is shown when it is made; the
// store holds a keyed hash. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

inline constexpr int kMaxAgentKeysOfProject = 50;

struct AgentKey {
  std::string id;
  std::string group;
  std::string description;
  std::string key;        // only from create: 64 hexadecimal digits
  std::string last_four;  // of the key
  std::int64_t created_millis = 0;
  std::string created_by, created_from;  // an API key's id; an address
};

class AgentKeys {
 public:
  AgentKeys(Store& store, const SealedKeys& keys, Runtime& runtime) : store_(store), keys_(keys), runtime_(runtime) {}

  Result<AgentKey> create(const std::string& group, const std::string& description, const std::string& by, const std::string& from);
  Result<std::vector<AgentKey>> list(const std::string& group);
  Result<bool> remove(const std::string& group, const std::string& id);
  // The id of this key of the project; empty: the project has no such key.
  Result<std::string> id_of(const std::string& group, const std::string& key);
  // The project that this key is of; empty: there is no such key.
  Result<std::string> group_of(const std::string& key);
  Result<bool> exists(const std::string& group, const std::string& id);
  // For who takes one back out of use, and may have to put it back: as the store has it, without the key itself.
  Result<std::optional<bson::Document>> record(const std::string& group, const std::string& id);
  Status put_back(const bson::Document& record);
  Result<std::vector<std::string>> projects();  // that have any
  Status forget_project(const std::string& group);

 private:
  Store& store_;
  const SealedKeys& keys_;
  Runtime& runtime_;
};

}  // namespace drover::control
