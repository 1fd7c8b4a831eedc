// What an update did, as the oplog says it: $v: 1 names dotted paths, $v: 2 is a tree of differences.
#include <functional>
#include <memory>

#include "sandbox/query/path.h"
#include "sandbox/query/update_node.h"

namespace drover::sandbox::query {

namespace {

std::string dotted(const std::vector<PathComponent>& path) {
  std::string text;
  for (const auto& part : path) text += (text.empty() ? "" : ".") + part.name;
  return text;
}

struct DiffLevel;

// A field that was not there: a value, or a document put together from several entries.
struct Created {
  std::string name;
  bson::Value value;
  std::unique_ptr<DiffLevel> inner;
};

// One level of a $v: 2 diff while it is put together. Members keep the order in which they were recorded, which is the
// order of the fields in the document.
struct DiffLevel {
  bool array = false;
  std::vector<std::pair<std::string, bson::Value>> updates;
  std::vector<std::string> deletes;
  std::vector<Created> created;
  std::vector<std::pair<std::string, std::unique_ptr<DiffLevel>>> below;

  DiffLevel& descend(const std::string& name) {
    for (auto& [key, held] : below) {
      if (key == name) return *held;
    }
    below.emplace_back(name, std::make_unique<DiffLevel>());
    return *below.back().second;
  }
  Created* find_created(const std::string& name) {
    for (Created& field : created) {
      if (field.name == name && field.inner) return &field;
    }
    return nullptr;
  }
};

void insert_created(DiffLevel& level, const std::vector<PathComponent>& path, std::size_t at,
                    const bson::Value& value) {
  if (at + 1 == path.size()) {
    level.created.push_back({path[at].name, value, nullptr});
    return;
  }
  Created* begun = level.find_created(path[at].name);
  if (!begun) begun = &level.created.emplace_back(Created{path[at].name, {}, std::make_unique<DiffLevel>()});
  insert_created(*begun->inner, path, at + 1, value);
}

void write_created(const DiffLevel& level, bson::Builder& out);

void write_field(const Created& field, std::string_view key, bson::Builder& out) {
  if (!field.inner) {
    out.append(key, field.value.element());
    return;
  }
  auto object = out.open_document(key);
  write_created(*field.inner, object);
}

void write_created(const DiffLevel& level, bson::Builder& out) {
  for (const Created& field : level.created) write_field(field, field.name, out);
}

void add(DiffLevel& root, const LogEntry& entry) {
  DiffLevel* level = &root;
  const std::size_t holder = entry.kind == LogEntry::Kind::kCreate ? entry.first_new : entry.path.size() - 1;
  for (std::size_t i = 0; i <= holder; ++i) {
    level->array = entry.path[i].is_index;
    if (i == holder) break;
    if (level->find_created(entry.path[i].name)) {  // the same update made it
      insert_created(*level, entry.path, i, entry.value);
      return;
    }
    level = &level->descend(entry.path[i].name);
  }
  const std::string& name = entry.path[holder].name;
  switch (entry.kind) {
    case LogEntry::Kind::kUnset: level->deletes.push_back(name); break;
    case LogEntry::Kind::kSet: level->updates.emplace_back(name, entry.value); break;
    case LogEntry::Kind::kCreate:
      // A new item of an array, or a document that earlier entries began.
      insert_created(*level, entry.path, holder, entry.value);
      break;
  }
}

void write(const DiffLevel& level, bson::Builder& out);

void write_array(const DiffLevel& level, bson::Builder& out) {
  std::map<std::size_t, std::function<void()>> by_index;
  for (const Created& field : level.created) {
    by_index[array_index(field.name).value_or(0)] = [&] { write_field(field, "u" + field.name, out); };
  }
  // What has just been created may have been set after that, by another name of its index.
  for (const auto& [name, value] : level.updates) {
    by_index[array_index(name).value_or(0)] = [&] { out.append("u" + name, value.element()); };
  }
  for (const auto& [name, inner] : level.below) {
    by_index[array_index(name).value_or(0)] = [&] {
      auto object = out.open_document("s" + name);
      write(*inner, object);
    };
  }
  out.append("a", true);
  for (const auto& [index, emit] : by_index) emit();
}

void write(const DiffLevel& level, bson::Builder& out) {
  if (level.array) {
    write_array(level, out);
    return;
  }
  if (!level.deletes.empty()) {
    auto section = out.open_document("d");
    for (const auto& name : level.deletes) section.append(name, false);
  }
  if (!level.updates.empty()) {
    auto section = out.open_document("u");
    for (const auto& [name, value] : level.updates) section.append(name, value.element());
  }
  if (!level.created.empty()) {
    auto section = out.open_document("i");
    write_created(level, section);
  }
  for (const auto& [name, inner] : level.below) {
    auto object = out.open_document("s" + name);
    write(*inner, object);
  }
}

}  // namespace

bson::Document oplog_v1(const std::vector<LogEntry>& log) {
  bson::Builder set;
  bson::Builder unset;
  bool unset_first = false;
  for (const LogEntry& entry : log) {
    if (entry.kind == LogEntry::Kind::kUnset) {
      if (set.empty()) unset_first = true;
      unset.append(dotted(entry.path), true);
    } else {
      set.append(dotted(entry.path), entry.value.element());
    }
  }
  const bson::Document sets = std::move(set).finish();
  const bson::Document unsets = std::move(unset).finish();
  bson::Builder out;
  out.append("$v", 1);
  if (unset_first) out.append("$unset", unsets);
  if (!sets.empty()) out.append("$set", sets);
  if (!unset_first && !unsets.empty()) out.append("$unset", unsets);
  return std::move(out).finish();
}

bson::Document oplog_v2(const std::vector<LogEntry>& log) {
  DiffLevel root;
  for (const LogEntry& entry : log) add(root, entry);
  bson::Builder out;
  out.append("$v", 2);
  {
    auto diff = out.open_document("diff");
    write(root, diff);
  }
  return std::move(out).finish();
}

}  // namespace drover::sandbox::query
