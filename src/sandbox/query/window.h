// Windows of $setWindowFields: which documents of a partition, in its order, a document's value is computed from.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/query/date_unit.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/sort.h"

namespace drover::sandbox::query {

// {documents: [lower, upper]} or {range: [lower, upper], unit: ...}; both bounds belong to the window.
struct Window {
  enum class Kind { kUnbounded, kCurrent, kOffset };
  struct Bound {
    Kind kind = Kind::kUnbounded;
    std::int64_t documents = 0;
    Datum distance;  // ranges: from the sort field's value
  };
  Bound lower, upper;
  bool range = false;
  std::optional<DateUnit> unit;

  static Window up_to_current() { return {.upper = {.kind = Kind::kCurrent}}; }
  // `sort_by` is null without one.
  static Result<Window> parse(const bson::Element& spec, const SortPattern* sort_by, const Scope& scope);
};

// One partition in its order. `times` are the values of a sort pattern of one field; empty for other patterns.
struct Partition {
  std::span<const bson::Document> documents;
  std::span<const std::string> sort_keys;
  std::vector<Datum> times;
  const EvaluationContext* context = nullptr;
  const std::function<Status()>* interrupted = nullptr;  // asked while long windows are gone through; null or empty: nobody asks
};

// Half open.
struct Frame {
  std::size_t begin = 0, end = 0;
};

// The window of one document after the other: asked for ascending indexes.
class Frames {
 public:
  Frames(const Window& window, const Partition& partition) : window_(window), partition_(partition) {}
  // Nothing when no document is in it. 5429413, 5429414, 5429513 when the sort field's value has no distance to others.
  Result<std::optional<Frame>> at(std::size_t index);

 private:
  std::optional<Frame> of_documents(std::size_t index) const;
  Result<std::optional<Frame>> of_range(std::size_t index);
  Status check_base(const Datum& base) const;
  bool has_distance(const Datum& value) const;
  Result<Datum> moved(const Datum& base, const Datum& distance) const;
  int compare(const Datum& a, const Datum& b) const;

  const Window& window_;
  const Partition& partition_;
  std::size_t first_ = 0, last_ = 0;  // where the bounds stood: they only go forward
};

}  // namespace drover::sandbox::query
