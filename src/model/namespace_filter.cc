#include "model/namespace_filter.h"

#include <fmt/format.h>

namespace drover {

namespace {

constexpr std::size_t kMaxDatabaseBytes = 63;   // server: names shorter than 64 bytes
constexpr std::size_t kMaxNamespaceBytes = 255;
constexpr std::string_view kBucketsPrefix = "system.buckets.";

tl::unexpected<Error> usage(std::string_view option, std::string_view entry, std::string_view why) {
  return fail(ErrorCode::kUsage, fmt::format("{} \"{}\": {}", option, entry, why));
}

Result<Namespace> parse_entry(std::string_view option, std::string_view entry) {
  if (entry.empty()) return usage(option, entry, "name a database or database.collection");
  if (entry.find('\0') != std::string_view::npos) return usage(option, "", "a name cannot hold a NUL character");
  const auto dot = entry.find('.');
  const Namespace ns{std::string(entry.substr(0, dot)),
                     dot == std::string_view::npos ? "" : std::string(entry.substr(dot + 1))};
  if (ns.db.empty()) return usage(option, entry, "no database before the dot");
  if (dot != std::string_view::npos && ns.collection.empty()) {
    return usage(option, entry, "no collection after the dot; name the database alone for all of its collections");
  }
  if (entry.find('*') != std::string_view::npos && ns.collection.find('*') == std::string::npos) {
    return usage(option, entry, "patterns are not supported; name each database");
  }
  if (ns.collection == "*") {
    return usage(option, entry, "patterns are not supported; name the database alone for all of its collections");
  }
  if (ns.db.find_first_of("/\\ \"$") != std::string::npos) {
    return usage(option, entry, "a database name cannot hold any of / \\ \" $ or a space");
  }
  if (ns.db.size() > kMaxDatabaseBytes) return usage(option, entry, "a database name has at most 63 bytes");
  if (entry.size() > kMaxNamespaceBytes) return usage(option, entry, "a namespace has at most 255 bytes");
  if (ns.collection.starts_with('.') || ns.collection.find('$') != std::string::npos) {
    return usage(option, entry, "a collection name cannot start with a dot or hold a $");
  }
  if (is_internal_database(ns.db)) {
    return usage(option, entry, fmt::format("database {} is internal and never migrated; remove the option", ns.db));
  }
  return ns;
}

}  // namespace

Namespace without_buckets_prefix(const Namespace& ns) {
  if (!ns.collection.starts_with(kBucketsPrefix)) return ns;
  return {ns.db, ns.collection.substr(kBucketsPrefix.size())};
}

Result<NamespaceFilter> NamespaceFilter::parse(std::span<const std::string> includes,
                                               std::span<const std::string> excludes) {
  NamespaceFilter filter;
  for (const auto& entry : excludes) filter.excludes_.insert(TRY(parse_entry("--exclude", entry)));
  for (const auto& entry : includes) {
    const Namespace ns = TRY(parse_entry("--include", entry));
    if (covers(filter.excludes_, ns)) {
      const bool whole = filter.excludes_.contains({ns.db, ""});
      return usage("--include", entry,
                   fmt::format("--exclude \"{}\" leaves nothing of it; remove one of the two", whole ? ns.db : entry));
    }
    filter.includes_.insert(ns);
  }
  return filter;
}

bool NamespaceFilter::matches(const Namespace& ns) const {
  if (ns.collection.empty()) return selects_some_of(ns.db);
  if (is_internal_database(ns.db)) return false;
  const Namespace plain = without_buckets_prefix(ns);
  return (includes_.empty() || covers(includes_, plain)) && !covers(excludes_, plain);
}

bool NamespaceFilter::selects_some_of(std::string_view db) const {
  if (is_internal_database(db)) return false;
  const Namespace whole{std::string(db), ""};
  if (excludes_.contains(whole)) return false;
  return includes_.empty() || includes_.contains(whole) || names_collection_of(includes_, db);
}

bool NamespaceFilter::selects_all_of(std::string_view db) const {
  if (!selects_some_of(db)) return false;
  const Namespace whole{std::string(db), ""};
  return (includes_.empty() || includes_.contains(whole)) && !names_collection_of(excludes_, db);
}

bool NamespaceFilter::covers(const Entries& entries, const Namespace& ns) {
  return entries.contains(ns) || entries.contains({ns.db, ""});
}

bool NamespaceFilter::names_collection_of(const Entries& entries, std::string_view db) {
  const auto next = entries.upper_bound({std::string(db), ""});
  return next != entries.end() && next->db == db;
}

std::vector<Namespace> NamespaceFilter::unmatched(const Entries& entries, std::span<const Namespace> present) {
  std::vector<Namespace> found;
  for (const auto& entry : entries) {
    const bool there = std::any_of(present.begin(), present.end(), [&](const Namespace& ns) {
      const Namespace plain = without_buckets_prefix(ns);
      return plain.db == entry.db && (entry.collection.empty() || plain.collection == entry.collection);
    });
    if (!there) found.push_back(entry);
  }
  return found;
}

std::string NamespaceFilter::to_string() const {
  if (selects_everything()) return "everything";
  std::string text = "include";
  for (const auto& ns : includes_) text += " " + ns.to_string();
  text += ", exclude";
  for (const auto& ns : excludes_) text += " " + ns.to_string();
  return text;
}

}  // namespace drover
