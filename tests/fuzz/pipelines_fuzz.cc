// A pipeline from outside, over a document from outside: {p, d} as
// exercise_for_tests.h names them.
#include "task.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return drover::fuzz::exercise_fields(data, size, {"p", "d"});
}
