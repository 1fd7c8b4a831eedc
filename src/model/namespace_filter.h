// Which namespaces a copy, stream or comparison is about: `--include NS` and `--exclude NS`, each repeatable, NS being "db"
// or "db.collection". Immutable; thread-safe.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/namespace.h"

namespace drover {

// The time-series collection that a collection of buckets belongs to, which is its name for people; any other as it is.
Namespace without_buckets_prefix(const Namespace& ns);

class NamespaceFilter {
 public:
  // Everything but internal databases.
  NamespaceFilter() = default;
  // Without includes everything is included; an exclude wins over an include; "db" covers all collections of db. Names that
  // cannot exist, internal databases, patterns, and includes that an exclude empties are usage errors (kUsage).
  static Result<NamespaceFilter> parse(std::span<const std::string> includes, std::span<const std::string> excludes);

  // For a collection, whether it is selected; a time-series collection's buckets go with it. For a database as a whole
  // (empty collection) as selects_some_of. Never true for internal databases.
  bool matches(const Namespace& ns) const;
  // Whether any collection of `db`, present or future, could be selected.
  bool selects_some_of(std::string_view db) const;
  // Whether every collection of `db`, present and future, is selected.
  bool selects_all_of(std::string_view db) const;
  // The includes, as they were given, that no namespace of `present` belongs to.
  std::vector<Namespace> unmatched_includes(std::span<const Namespace> present) const { return unmatched(includes_, present); }
  // Likewise the excludes.
  std::vector<Namespace> unmatched_excludes(std::span<const Namespace> present) const { return unmatched(excludes_, present); }
  bool has_includes() const { return !includes_.empty(); }
  bool selects_everything() const { return includes_.empty() && excludes_.empty(); }
  // Canonical: filters that select the same by the same names have equal texts. Kept with a migration.
  std::string to_string() const;

 private:
  using Entries = std::set<Namespace>;  // empty collection: the whole database

  static std::vector<Namespace> unmatched(const Entries& entries, std::span<const Namespace> present);
  static bool covers(const Entries& entries, const Namespace& ns);
  static bool names_collection_of(const Entries& entries, std::string_view db);

  Entries includes_;
  Entries excludes_;
};

}  // namespace drover
