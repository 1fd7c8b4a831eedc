// An update with its filter and array filters from outside, applied to a document from outside, and its oplog entry applied again: {q, u, f, d} as
// exercise_for_tests.h names them.
#include "task.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return drover::fuzz::exercise_fields(data, size, {"q", "u", "f", "d"});
}
