// Filters, sorts, projections, updates and pipelines from outside, over a document from outside.
#include <cstdint>
#include <vector>

#include "bson/validate.h"
#include "sandbox/query/exercise_for_tests.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> bytes(data, data + size);
  const auto valid = drover::bson::validate(bytes);
  if (valid) drover::sandbox::query::exercise(*valid);
  return 0;
}
