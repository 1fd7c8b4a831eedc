#include "expectation.h"

#include <algorithm>
#include <regex>
#include <set>
#include <vector>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "extended_json.h"

namespace drover::conformance {

namespace {

const std::set<std::string, std::less<>> kIgnored = {"$clusterTime", "operationTime", "electionId", "opTime", "lastCommittedOpTime",
                                                     "topologyVersion"};

// Message texts may hold values that vary.
bool message_matches(const std::string& expected, std::string_view actual) {
  if (expected == actual) return true;
  static const std::regex special(R"([.^$|()\[\]{}*+?\\])");
  auto pattern = std::regex_replace(expected, special, R"(\$&)");
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = pattern.find(from, at)) != std::string::npos; at += to.size()) pattern.replace(at, from.size(), to);
  };
  replace("<uuid>", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  replace("<timestamp>", R"(Timestamp\([0-9]+, [0-9]+\))");
  replace("<long>", "-?[0-9]{13,}");
  replace("<token>", "[0-9A-Fa-f]+");
  return std::regex_match(std::string(actual), std::regex(pattern));
}

class Comparison {
 public:
  explicit Comparison(std::string unordered) : unordered_(std::move(unordered)) {}

  std::optional<std::string> objects(const Json::Object& expected, bson::View actual, const std::string& path) {
    std::vector<bson::Element> fields;
    for (const auto& field : actual) {
      if (!path.empty() || !kIgnored.contains(field.key())) fields.push_back(field);
    }
    for (std::size_t i = 0; i < std::max(expected.size(), fields.size()); ++i) {
      if (i >= expected.size()) return fmt::format("{}: unexpected field {}: {}", path, fields[i].key(), bson::to_ejson(fields[i]));
      if (i >= fields.size()) return fmt::format("{}: no field {}", path, expected[i].first);
      if (expected[i].first != fields[i].key()) {
        return fmt::format("{}: field {} where {} is expected", path, fields[i].key(), expected[i].first);
      }
      if (auto found = values(expected[i].second, fields[i], path.empty() ? expected[i].first : path + "." + expected[i].first)) return found;
    }
    return std::nullopt;
  }

 private:
  std::optional<std::string> values(const Json& expected, const bson::Element& actual, const std::string& path) {
    const auto differ = [&] { return fmt::format("{}: {} where {} is expected", path, bson::to_ejson(actual), expected.dump()); };
    const auto* object = expected.as_object();
    if (object && object->size() == 1 && (*object)[0].first == "$$type") {
      if (bson::type_name(actual.type()) == *(*object)[0].second.as_string()) return std::nullopt;
      return differ();
    }
    if (object && !is_wrapper(expected) && actual.type() != bson::Type::kCodeWithScope) {
      if (!actual.is_document()) return differ();
      return objects(*object, actual.document_value(), path);
    }
    if (const auto* array = expected.as_array()) {
      if (!actual.is_array()) return differ();
      return arrays(*array, actual.document_value(), path);
    }
    if (const auto* text = expected.as_string(); text && path.ends_with("errmsg") && actual.is_string()) {
      if (message_matches(*text, actual.string_value())) return std::nullopt;
      return differ();
    }
    const auto wanted = to_value(expected, {});
    if (wanted.view().first().same_value_bytes(actual)) return std::nullopt;
    return differ();
  }

  std::optional<std::string> arrays(const Json::Array& expected, bson::View actual, const std::string& path) {
    std::vector<const Json*> wanted;
    std::vector<bson::Element> items(actual.begin(), actual.end());
    for (const auto& item : expected) wanted.push_back(&item);
    if (path == unordered_) {
      std::stable_sort(wanted.begin(), wanted.end(), [](const Json* a, const Json* b) { return name_of(*a) < name_of(*b); });
      std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return name_of(a) < name_of(b); });
    }
    for (std::size_t i = 0; i < std::max(wanted.size(), items.size()); ++i) {
      const auto at = fmt::format("{}[{}]", path, i);
      if (i >= items.size()) return fmt::format("{}: missing; {} where {} are expected", at, items.size(), wanted.size());
      if (i >= wanted.size()) return fmt::format("{}: unexpected {}", at, bson::to_ejson(items[i]));
      if (auto found = values(*wanted[i], items[i], at)) return found;
    }
    return std::nullopt;
  }

  static std::string name_of(const Json& json) {
    const auto* name = json.find("name");
    return name && name->as_string() ? *name->as_string() : "";
  }
  static std::string name_of(const bson::Element& element) {
    return element.is_document() ? std::string(element.document_value()["name"].to_string_view().value_or("")) : "";
  }

  std::string unordered_;
};

}  // namespace

std::optional<std::string> difference(const Json::Object& expected, bson::View reply, const std::string& unordered) {
  return Comparison(unordered).objects(expected, reply, "");
}

}  // namespace drover::conformance
