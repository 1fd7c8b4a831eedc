// A collation as MongoDB defines it ({locale, strength, caseLevel, caseFirst, numericOrdering, alternate, maxVariable,
// normalization, backwards}) over ICU. Immutable after open; thread-safe. "simple" has no Collator (null pointer).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bson/document.h"

namespace drover::bson {

class Collator {
 public:
  // Nothing (a null pointer) for {locale: "simple"}. Unknown fields, locales and values are errors with the server's
  // code (2 BadValue, 9 FailedToParse, 14 TypeMismatch) and wording.
  static Result<std::shared_ptr<const Collator>> open(View spec);
  ~Collator();

  int compare(std::string_view a, std::string_view b) const;
  // memcmp order of sort keys is compare order.
  std::string sort_key(std::string_view text) const;
  // All fields filled in, with "version": "57.1" in 4.4 as listCollections and listIndexes return it.
  View spec() const;
  bool same_as(const Collator* other) const;

 private:
  struct Impl;
  explicit Collator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Null is the simple collation.
bool same_collation(const Collator* a, const Collator* b);

}  // namespace drover::bson
