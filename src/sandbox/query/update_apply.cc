// Walks a document along the tree of an update: finds, creates, and records what was done.
#include <fmt/core.h>

#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/query/path.h"
#include "sandbox/query/update_node.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;

namespace {

constexpr std::size_t kMaxArrayPadding = 1'500'000;  // the server's kMaxPaddingAllowed

Result<std::shared_ptr<UpdateTree>> merge(const UpdateTree& a, const UpdateTree& b, const std::string& path) {
  if (a.leaf || b.leaf)
    return bad(code::kConflictingUpdateOperators, fmt::format("Update created a conflict at '{}'", path));
  auto merged = std::make_shared<UpdateTree>(a);
  for (const auto& [name, child] : b.children) {
    auto& slot = merged->children[name];
    slot = slot ? TRY(merge(*slot, *child, path + "." + name)) : child;
  }
  return merged;
}

class Walker {
 public:
  explicit Walker(ApplyState& state) : state_(state) {}

  Status walk(const UpdateTree& tree, MutableNode& element) {
    if (!tree.children.empty() && is_array_filter(tree.children.begin()->first)) return walk_array(tree, element);
    for (const auto& [name, child] : tree.children) {
      MutableNode* target = element.find(name);
      path_.push_back(component(name, element.is_array()));
      TRY(target ? existing(*child, element, *target) : missing(*child, element, path_.size() - 1));
      path_.pop_back();
    }
    return {};
  }

 private:
  Status existing(const UpdateTree& tree, MutableNode& parent, MutableNode& target) {
    if (!tree.leaf) {
      const bool enters_array = !tree.children.empty() && is_array_filter(tree.children.begin()->first);
      if (target.is_document() || target.is_array() || enters_array) return walk(tree, target);
      for (const auto& [name, child] : tree.children) {
        path_.push_back({name, false});
        TRY(missing(*child, target, path_.size() - 1));
        path_.pop_back();
      }
      return {};
    }
    if (!tree.modifier) return {};
    if (tree.modifier->rename_source()) return rename(*tree.modifier, parent, &target);
    ModifierContext context = state_.context;
    context.path = &path_;
    const Effect effect = TRY(tree.modifier->update(target, context));
    if (effect == Effect::kNone) return {};
    if (effect == Effect::kRemoved) return remove(parent, target);
    if (effect == Effect::kAppended) {
      return record_appended(target, tree.modifier->appended());
    }
    return record(LogEntry::Kind::kSet, target.value(), 0);
  }

  // `element` is the deepest that exists; path_[first_new...] does not.
  Status missing(const UpdateTree& tree, MutableNode& element, std::size_t first_new) {
    if (tree.leaf) {
      if (!tree.modifier) return {};
      if (tree.modifier->rename_source()) return rename(*tree.modifier, element, nullptr, first_new);
      auto value = TRY(tree.modifier->create(state_.context));
      if (value) return create(element, first_new, std::move(*value));
      if (tree.modifier->must_be_viable() && !is_viable(element, path_[first_new].name)) {
        return bad(code::kPathNotViable,
                   fmt::format("Cannot use the part ({}) of ({}) to traverse the element ({{{}}})",
                               path_[first_new].name, join_path(path_), show_field(element.key(), element.value())));
      }
      return {};
    }
    if (!tree.children.empty() && is_array_filter(tree.children.begin()->first)) {
      return bad(
          code::kBadValue,
          fmt::format("The path '{}' must exist in the document in order to apply array updates.", join_path(path_)));
    }
    for (const auto& [name, child] : tree.children) {
      // What an earlier sibling has created exists by now.
      MutableNode* at = &element;
      std::size_t depth = first_new;
      while (depth < path_.size()) {
        MutableNode* next = at->find(path_[depth].name);
        if (!next) break;
        at = next;
        ++depth;
      }
      const bool all_there = depth == path_.size();
      path_.push_back(component(name, all_there && at->is_array()));
      if (all_there) {
        MutableNode* target = at->find(name);
        TRY(target ? existing(*child, *at, *target) : missing(*child, *at, depth));
      } else {
        TRY(missing(*child, *at, depth));
      }
      path_.pop_back();
    }
    return {};
  }

  static bool is_viable(const MutableNode& element, std::string_view name) {
    return element.is_document() || (element.is_array() && array_index_for_update(name));
  }
  // An index of an array is named without leading zeros.
  static PathComponent component(std::string_view name, bool in_array) {
    const auto index = in_array ? array_index_for_update(name) : std::nullopt;
    return {index ? std::to_string(*index) : std::string(name), in_array};
  }

  Status create(MutableNode& element, std::size_t first_new, bson::Value value) {
    const std::string& name = path_[first_new].name;
    if (!is_viable(element, name)) {
      return bad(code::kPathNotViable, fmt::format("Cannot create field '{}' in element {{{}}}", name,
                                                   show_field(element.key(), element.value())));
    }
    if (element.is_array()) {
      const std::size_t index = array_index_for_update(name).value_or(kMaxArrayPadding + 1);
      auto& items = element.children();
      if (index > items.size() + kMaxArrayPadding) {
        return bad(code::kCannotBackfillArray, fmt::format("can't backfill more than {} elements", kMaxArrayPadding));
      }
      while (items.size() < index) items.push_back(MutableNode::make_null(""));
      path_[first_new].is_index = true;
    }
    MutableNode* at = &element;
    for (std::size_t i = first_new; i + 1 < path_.size(); ++i)
      at = &at->append(MutableNode::make_document(path_[i].name));
    at->append(std::make_unique<MutableNode>(path_.back().name, value));
    return record(LogEntry::Kind::kCreate, value.element(), first_new);
  }

  Status remove(MutableNode& parent, MutableNode& target) {
    if (parent.is_array()) {
      const auto null = MutableNode::make_null("");
      target.set(bson::Value(null->value()));
      return record(LogEntry::Kind::kSet, target.value(), 0);
    }
    parent.erase(target);
    return record(LogEntry::Kind::kUnset, Element(), 0);
  }

  // $[] and $[id]: the children of `tree` by the items that they match.
  Status walk_array(const UpdateTree& tree, MutableNode& element) {
    if (!element.is_array()) {
      return bad(code::kBadValue, fmt::format("Cannot apply array updates to non-array element {}",
                                              show_field(element.key(), element.value())));
    }
    auto& items = element.children();
    std::vector<std::pair<std::size_t, std::shared_ptr<UpdateTree>>> work;
    for (std::size_t i = 0; i < items.size(); ++i) {
      std::shared_ptr<UpdateTree> update;
      for (const auto& [name, child] : tree.children) {
        if (!item_matches(name, *items[i])) continue;
        update = update ? TRY(merge(*update, *child, join_path(path_) + "." + std::to_string(i))) : child;
      }
      if (update) work.emplace_back(i, std::move(update));
    }
    const bool log_themselves = work.size() <= 1;
    std::vector<std::size_t> changed;
    for (const auto& [index, update] : work) {
      const std::size_t before = state_.log.size();
      path_.push_back({std::to_string(index), true});
      TRY(existing(*update, element, *items[index]));
      path_.pop_back();
      if (state_.log.size() == before) continue;
      changed.push_back(index);
      if (!log_themselves) state_.log.resize(before);
    }
    if (log_themselves || changed.empty()) return {};
    if (changed.size() > 1) return record(LogEntry::Kind::kSet, element.value(), 0);
    path_.push_back({std::to_string(changed[0]), true});
    TRY(record(LogEntry::Kind::kSet, items[changed[0]]->value(), 0));
    path_.pop_back();
    return {};
  }

  bool item_matches(std::string_view identifier, const MutableNode& item) const {
    const std::string_view name = identifier.substr(2, identifier.size() - 3);
    if (name.empty()) return true;
    for (const NamedFilter& filter : state_.array_filters) {
      if (filter.name != name) continue;
      bson::Builder wrapped;
      wrapped.append(name, item.value());
      return filter.matcher.matches(std::move(wrapped).finish().view());
    }
    return false;
  }

  Status refuse_arrays(const std::vector<std::string>& path, std::string_view role, MutableNode** found) {
    MutableNode* at = &state_.root;
    for (const auto& name : path) {
      if (at->is_array()) {
        const Element id = state_.context.id;
        return bad(
            code::kBadValue,
            fmt::format("The {} field cannot be an array element, '{}' in doc with {} has an array field called '{}'",
                        role, join_path(path), id.exists() ? show_field("_id", id) : "no id", at->key()));
      }
      MutableNode* next = at->find(name);
      if (!next) {
        if (found) *found = nullptr;
        return {};
      }
      at = next;
    }
    if (found) *found = at;
    return {};
  }

  Status rename(const Modifier& modifier, MutableNode& parent, MutableNode* target, std::size_t first_new = 0) {
    const auto& source_path = *modifier.rename_source();
    MutableNode* source = nullptr;
    TRY(refuse_arrays(source_path, "source", &source));
    if (!source) return {};
    std::vector<std::string> destination;
    for (const auto& part : path_) destination.push_back(part.name);
    TRY(refuse_arrays(destination, "destination", nullptr));
    const bson::Value value(source->value());
    if (target) {
      target->set(value);
      TRY(record(LogEntry::Kind::kSet, value.element(), 0));
    } else {
      TRY(create(parent, first_new, value));
    }
    auto kept = std::move(path_);
    path_.clear();
    MutableNode* holder = &state_.root;
    for (std::size_t i = 0; i < source_path.size(); ++i) {
      path_.push_back({source_path[i], false});
      if (i + 1 < source_path.size()) holder = holder->find(source_path[i]);
    }
    TRY(remove(*holder, *source));
    path_ = std::move(kept);
    return {};
  }

  // The _id may be written again with an equal value, in another numeric type too; nothing else.
  Status check_immutable() const {
    if (!state_.had_id || path_[0].name != "_id") return {};
    const MutableNode* now = state_.root.find("_id");
    if (now && bson::compare_values(now->value(), state_.context.id) == 0) return {};
    return bad(
        code::kImmutableField,
        fmt::format("Performing an update on the path '{}' would modify the immutable field '_id'", join_path(path_)));
  }

  Status record(LogEntry::Kind kind, const Element& value, std::size_t first_new) {
    state_.modified = true;
    state_.log.push_back({kind, path_, first_new, value.exists() ? bson::Value(value) : bson::Value()});
    return check_immutable();
  }

  Status record_appended(MutableNode& array, std::size_t count) {
    const auto& items = array.children();
    for (std::size_t i = items.size() - count; i < items.size(); ++i) {
      path_.push_back({std::to_string(i), true});
      TRY(record(LogEntry::Kind::kCreate, items[i]->value(), path_.size() - 1));
      path_.pop_back();
    }
    return {};
  }

  ApplyState& state_;
  std::vector<PathComponent> path_;
};

}  // namespace

Status apply_tree(const UpdateTree& tree, ApplyState& state) { return Walker(state).walk(tree, state.root); }

std::string show_field(std::string_view key, const Element& value) {
  return fmt::format("{}: {}", key, bson::to_shell(value));
}

std::string join_path(const std::vector<PathComponent>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ".") + part.name;
  return text;
}

std::string join_path(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ".") + part;
  return text;
}

}  // namespace drover::sandbox::query
