// A filter, a sort and a projection from outside, over a document from outside: {q, s, j, d} as
// exercise_for_tests.h names them.
#include "task.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return drover::fuzz::exercise_fields(data, size, {"q", "s", "j", "d"});
}
