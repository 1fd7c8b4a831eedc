// Bytes from outside: whatever validate() lets through can be walked, printed, rebuilt, ordered and encoded.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "bson/collation.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "bson/builder.h"
#include "bson/validate.h"

namespace {

using namespace drover;

int sign(int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

const bson::Collator* collator() {
  static const auto opened = bson::Collator::open(bson::make_document({{"locale", "en"}, {"strength", 2}})).value();
  return opened.get();
}

void check_order(const bson::Element& a, const bson::Element& b, const bson::Collator* by) {
  const int compared = sign(bson::compare_values(a, b, by));
  CHECK(compared == -sign(bson::compare_values(b, a, by)), "order is not antisymmetric");
  CHECK(compared == sign(bson::key_string(a, by).compare(bson::key_string(b, by))), "key strings order otherwise");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> bytes(data, data + size);
  const auto valid = bson::validate(bytes);
  if (!valid) return 0;
  bson::Builder copy;
  std::vector<bson::Element> elements;
  for (const bson::Element& element : *valid) {
    copy.append(element.key(), element);
    elements.push_back(element);
    if (element.is_document() || element.is_array()) {
      for (const bson::Element& inner : element.document_value()) elements.push_back(inner);
    }
  }
  CHECK(std::move(copy).finish().view().same_bytes(*valid), "a copied document differs");
  bson::to_shell(*valid);
  constexpr std::size_t kMaxPairs = 16;
  if (elements.size() > kMaxPairs) elements.resize(kMaxPairs);
  for (const auto& a : elements) {
    for (const auto& b : elements) {
      check_order(a, b, nullptr);
      check_order(a, b, collator());
    }
  }
  return 0;
}
