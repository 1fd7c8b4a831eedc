// Sort patterns: {a: 1, "b.c": -1}. An array counts by its smallest element when ascending and its largest when
// descending; an empty array sorts before null; a missing field sorts as null. Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "model/server_version.h"

namespace drover::sandbox::query {

struct EvaluationContext;  // expression.h

class SortPattern {
 public:
  struct Part {
    std::string path;
    bool descending = false;
    std::vector<std::string> components;  // of `path`
    bool text_score = false;              // no path
    bool carried_score = false;           // the same, behind a stage that changed the documents
  };

  // {} sorts nothing. {$natural: ±1} is recognised (natural() is +1 or -1) and stands alone. {$meta: "textScore"} sorts by what
  // `evaluation` says of it, best first, and is refused without; every other {$meta} is refused.
  static Result<SortPattern> parse(bson::View spec, std::shared_ptr<const bson::Collator> collator = nullptr,
                                   ServerVersion version = {4, 4, 0}, std::shared_ptr<const EvaluationContext> evaluation = nullptr);
  SortPattern() = default;

  bool empty() const { return parts_.empty(); }
  int natural() const { return natural_; }
  const std::vector<Part>& parts() const { return parts_; }

  // Bytes whose memcmp order is the order of documents. Sort many documents by computing each one's key once.
  // Fails (2, BadValue) when two parts run through different arrays: "cannot sort with keys that are parallel arrays".
  Result<std::string> key(bson::View document) const;
  // {"": [what each part is sorted by]}, as {$meta: "sortKey"} has it: with a collation texts are its keys. Fails as key().
  Result<bson::Document> values(bson::View document) const;
  // <0, 0, >0.
  int compare(bson::View a, bson::View b) const;

 private:
  Status find_best(bson::View document, std::string& key, bson::Document* values) const;
  Result<bson::Document> score_of(bson::View document, bool carried) const;

  std::vector<Part> parts_;
  int natural_ = 0;
  std::shared_ptr<const bson::Collator> collator_;
  std::shared_ptr<const EvaluationContext> evaluation_;  // null when no part is the text score
};

}  // namespace drover::sandbox::query
