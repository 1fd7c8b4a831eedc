// A JSON object whose keys are matched as Go's decoder does, which first-party clients rely on (spec/engine.md 2.1): in any
// case; an exact spelling wins over a folded one, the last of equals over earlier ones. Borrows the value.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace drover::api {

class FoldedObject {
 public:
  // `where` names the value in errors: "includeNamespaces[0]"; empty for the body itself.
  static Result<FoldedObject> of(const Json& value, std::string where);

  // Null when absent or null.
  const Json* find(std::string_view key) const;
  Result<std::string> required_string(std::string_view key) const;
  // An error that names the first key that is none of these, and those.
  Status only(std::initializer_list<std::string_view> known) const;
  std::string name_of(std::string_view key) const { return where_.empty() ? std::string(key) : where_ + "." + std::string(key); }

 private:
  FoldedObject(const Json::Object& object, std::string where) : object_(&object), where_(std::move(where)) {}
  const Json::Object* object_;
  std::string where_;
};

}  // namespace drover::api
