// find's projections: inclusion, exclusion, nested fields, $slice, $elemMatch, $meta of sort keys refused, the positional
// operator and (4.4) aggregation expressions. Immutable after parse, safe to share.
#pragma once

#include <memory>
#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox::query {

class Projection {
 public:
  // `filter` (may be null, must outlive the projection's use) is what a positional projection asks for the index.
  static Result<Projection> parse(bson::View spec, const Matcher* filter = nullptr, ServerVersion version = {4, 4, 0},
                                  std::shared_ptr<const EvaluationContext> context = nullptr);
  Projection();  // everything as it is
  Projection(Projection&&) noexcept;
  Projection& operator=(Projection&&) noexcept;
  ~Projection();

  // Whether it shows what the filter has matched.
  bool is_positional() const;
  bool is_identity() const;
  Result<bson::Document> apply(bson::View document) const;
  // The fields (top-level names) the result depends on; nothing when it needs the whole document.
  std::optional<std::vector<std::string>> needed_fields() const;
  // The paths that it shows, when it does no more than that: nothing is computed, cut or excluded but _id.
  std::optional<std::vector<std::string>> included_paths() const;

 private:
  struct Parsed;
  std::unique_ptr<const Parsed> parsed_;
};

}  // namespace drover::sandbox::query
