// What an index answers by its keys alone. Of projections ("covered"): A key holds null where the document has nothing, and its fields stand in
// the key pattern's order: both show in what such a find gives. Fact: MongoDB's PROJECTION_COVERED stage (SERVER-23229).
#pragma once

#include <optional>

#include "bson/document.h"
#include "sandbox/commands/plan.h"
#include "sandbox/query/projection.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

// How many documents match is how many keys the plan reads: the ranges of its index hold those of the documents that match, each once, and no other.
bool is_counted_by_keys(const Plan& plan, const query::Matcher& filter, const CollectionInfo& collection);

class CoveredProjection {
 public:
  // Nothing: the document itself has to be looked at, for the filter, the sort or the projection; or nobody knows that it has not. Conservative: no
  // arrays in the index, no collation, a filter of comparisons with plain values, of which one
  // is of the index's first field.
  static std::optional<CoveredProjection> of(const Plan& plan, const query::Matcher& filter, const query::SortPattern& sort, const query::Projection& projection);

  bson::Document apply(bson::View document) const;

 private:
  struct Node {
    std::string name;
    std::string path;  // of a leaf
    std::vector<Node> children;
  };
  static void add(std::vector<Node>& nodes, std::string_view rest, const std::string& path);
  static void append(const std::vector<Node>& nodes, bson::View document, bson::Builder& out);

  std::vector<Node> nodes_;
};

}  // namespace drover::sandbox
