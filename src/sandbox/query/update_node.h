// The parsed form of modifier updates: a tree of paths with a modifier at each leaf, and what applying it records for
// the oplog. Private to update*.cc.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/query/errors.h"
#include "sandbox/query/mutable_document.h"
#include "sandbox/query/update.h"

namespace drover::sandbox::query {

enum class Effect {
  kNone,
  kReplaced,
  kAppended,  // items were added to the end of an array, nothing else
  kRemoved,   // the walker takes the field out (or puts null in its place in an array)
};

struct PathComponent {
  std::string name;
  bool is_index = false;
};

struct ModifierContext {
  const UpdateContext& update;
  const bson::Element id;  // of the document, for messages
  const bson::Collator* collator;
  const std::vector<PathComponent>* path = nullptr;  // of the value, for messages
};

// What one operator does to the value at one path.
class Modifier {
 public:
  virtual ~Modifier() = default;
  virtual Result<Effect> update(MutableNode& target, const ModifierContext& context) const = 0;
  // The value for a path that does not exist yet; nothing when the operator leaves it missing.
  virtual Result<std::optional<bson::Value>> create(const ModifierContext& context) const = 0;
  // For kAppended: how many items were added.
  virtual std::size_t appended() const { return 0; }
  virtual bool must_be_viable() const { return false; }  // fails where the path cannot exist, though it creates nothing
  virtual const std::vector<std::string>* rename_source() const { return nullptr; }
};

struct Assignment {
  std::vector<std::string> path;
  std::shared_ptr<const Modifier> modifier;  // null: a place that a $rename reads from
};

struct PathOrder {
  bool numeric = false;  // 5.0+: names of digits by value
  bool operator()(const std::string& a, const std::string& b) const;
};

// "$[]", "$[name]": every item of an array, or those that a filter chooses. "$[x" is a field's name.
inline bool is_array_filter(std::string_view part) { return part.size() >= 3 && part.starts_with("$[") && part.ends_with(']'); }

struct UpdateTree {
  explicit UpdateTree(PathOrder order) : children(order) {}
  std::map<std::string, std::shared_ptr<UpdateTree>, PathOrder> children;
  std::shared_ptr<const Modifier> modifier;
  bool leaf = false;
};

// Fails with 40 when two assignments meet. With `matched`, "$" becomes that index.
Result<std::shared_ptr<UpdateTree>> build_tree(const std::vector<Assignment>& assignments, PathOrder order,
                                               const std::string* matched);

struct LogEntry {
  enum class Kind { kSet, kCreate, kUnset };
  Kind kind = Kind::kSet;
  std::vector<PathComponent> path;
  std::size_t first_new = 0;  // kCreate: components from here on did not exist
  bson::Value value;
};

struct NamedFilter {
  std::string name;
  Matcher matcher;
};

struct ApplyState {
  MutableNode& root;
  const ModifierContext& context;
  const std::vector<NamedFilter>& array_filters;
  bool had_id = false;
  std::vector<LogEntry> log;
  bool modified = false;
};

// Applies the whole tree. (update_apply.cc)
Status apply_tree(const UpdateTree& tree, ApplyState& state);

// The operators' table. (update_modifiers.cc) `argument` outlives the modifier; its key is the path.
Result<std::shared_ptr<const Modifier>> make_modifier(std::string_view op, const bson::Element& argument,
                                                      const UpdateOptions& options);
bool is_update_operator(std::string_view name);

// {$v: 1, $set, $unset} and {$v: 2, diff} from what was recorded. (update_log.cc)
bson::Document oplog_v1(const std::vector<LogEntry>& log);
bson::Document oplog_v2(const std::vector<LogEntry>& log);

// "a: 1", as messages show a field.
std::string show_field(std::string_view key, const bson::Element& value);
std::string join_path(const std::vector<std::string>& parts);
std::string join_path(const std::vector<PathComponent>& parts);

}  // namespace drover::sandbox::query
