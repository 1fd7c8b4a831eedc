// What a comparison found. Plain values; differences in data are reports, not errors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bson/document.h"
#include "model/namespace.h"

namespace drover::verifier {

enum class MismatchKind {
  kMissing,            // a document that the destination lacks
  kExtra,              // a document that only the destination has
  kDifferent,          // the same _id, other bytes
  kMissingCollection,  // a collection or view
  kExtraCollection,
  kMissingIndex,
  kExtraIndex,
  kCatalog,  // an option of a collection, a view or an index differs
};

// "missing", "extra", "different", "missing collection", "extra collection", "missing index", "extra index", "catalog".
const char* kind_name(MismatchKind kind);

struct Mismatch {
  MismatchKind kind = MismatchKind::kDifferent;
  Namespace ns;
  bson::Value id;      // of a document; missing otherwise
  std::string detail;  // which field, and how; never the values of documents
};

struct Volume {
  std::uint64_t documents = 0;
  std::uint64_t bytes = 0;
  bool operator==(const Volume&) const = default;
};

struct Report {
  bool equal = false;
  std::uint64_t collections = 0;  // compared, views included
  // What was compared; of a collection that only one side has, what the server counts.
  Volume source;
  Volume destination;
  std::uint64_t mismatch_count = 0;
  std::vector<Mismatch> mismatches;  // the first ones, by namespace
};

}  // namespace drover::verifier
