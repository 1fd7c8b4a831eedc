#include "engine/state_fields.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bson/ejson.h"
#include "bson/validate.h"
#include "model/namespace.h"

namespace drover::engine {

Result<std::string> StateFields::text(std::string_view name) const {
  const auto value = document_[name].to_string_view();
  if (!value) return wrong(name, "a string");
  return std::string(*value);
}

Result<std::string> StateFields::one_of(std::string_view name, std::initializer_list<std::string_view> values) const {
  const auto value = document_[name].to_string_view();
  if (!value || std::find(values.begin(), values.end(), *value) == values.end()) return wrong(name, fmt::format("one of {}", fmt::join(values, ", ")));
  return std::string(*value);
}

Result<ClusterTime> StateFields::time(std::string_view name) const {
  const auto value = document_[name].to_timestamp();
  if (!value) return wrong(name, "a timestamp");
  return *value;
}

Result<Uuid> StateFields::uuid(std::string_view name) const {
  const auto value = document_[name].to_uuid();
  if (!value) return wrong(name, "a UUID");
  return *value;
}

Result<std::int64_t> StateFields::number(std::string_view name) const {
  const auto field = document_[name];
  const auto value = field.type() == bson::Type::kInt32 || field.type() == bson::Type::kInt64 ? field.to_int64() : std::nullopt;
  if (!value || *value == std::numeric_limits<std::int64_t>::max()) return wrong(name, "a whole number");
  return *value;
}

Result<bool> StateFields::flag(std::string_view name) const {
  if (document_[name].type() != bson::Type::kBool) return wrong(name, "a boolean");
  return document_[name].bool_value();
}

Result<bson::View> StateFields::array(std::string_view name) const {
  const auto value = document_[name].to_array();
  if (!value) return wrong(name, "an array");
  return *value;
}

Result<bool> StateFields::flag_if_there(std::string_view name) const { return document_[name].exists() ? flag(name) : Result<bool>(false); }

Result<std::vector<std::string>> StateFields::texts_if_there(std::string_view name) const {
  std::vector<std::string> texts;
  if (!document_[name].exists()) return texts;
  for (const auto& item : TRY(array(name))) {
    if (!item.is_string()) return wrong(name, "an array of strings");
    texts.emplace_back(item.string_value());
  }
  return texts;
}

Result<bson::Document> StateFields::packed(const bson::Element& field, std::string_view name) const {
  if (field.type() != bson::Type::kBinary) return wrong(name, "binary data");
  const auto bytes = field.binary_value().data;
  if (!bson::validate(bytes)) return wrong(name, "a document as binary data");
  return bson::Document(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
}

tl::unexpected<Error> StateFields::wrong(std::string_view name, std::string_view wanted) const {
  const auto id = document_["_id"];
  return fail(ErrorCode::kWrongState,
              fmt::format("the migration's state on the destination was altered: '{}' of {} in {}.{} is not {}. Bring back what was there; or, when no drover "
                          "works on it any more, see that the source's writes are not blocked, drop {}, empty the destination and start anew",
                          name, id.exists() ? bson::to_ejson(id) : "a document without _id", kStateDatabase, collection_, wanted, kStateDatabase));
}

}  // namespace drover::engine
