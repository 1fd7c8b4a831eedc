#include "sample_documents.h"

#include <cmath>
#include <limits>
#include <string>

#include "bson/builder.h"

namespace drover::sim {
namespace {

template <typename T>
bson::Value value_of(T&& value) {
  bson::Builder out;
  out.append("", std::forward<T>(value));
  const auto document = std::move(out).finish();
  return bson::Value(document.view().first());
}

bson::Value special(std::uint64_t which) {
  static constexpr std::uint8_t kBytes[] = {1, 2, 3};
  switch (which) {
    case 0: return value_of("a");
    case 1: return value_of("A");
    case 2: return value_of(bson::Null{});
    case 3: return value_of(bson::MinKey{});
    case 4: return value_of(bson::MaxKey{});
    case 5: return value_of(bson::ObjectId{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}});
    case 6: return value_of(bson::make_document({{"x", 1}, {"y", "b"}}));
    case 7: return value_of(bson::Binary{0, kBytes});
    case 8: return value_of(true);
    case 9: return value_of(bson::DateTime{1'600'000'000'000});
    case 10: return value_of(bson::Timestamp{5, 1});
    case 11: return value_of(std::numeric_limits<double>::quiet_NaN());
    case 12: return value_of("");
    case 13: return value_of(1.5);
    default: return value_of(bson::make_document());
  }
}
constexpr std::uint64_t kSpecials = 15;

}  // namespace

// Every third key is a special one while they last; the others are whole numbers in one of their spellings.
bson::Value IdPool::spelled(std::uint64_t key, Random& random) const {
  if (key % 3 == 2 && key / 3 < kSpecials) return special(key / 3);
  const auto number = static_cast<std::int64_t>(key) - 3;
  switch (random.below(8)) {
    case 0: return value_of(number == 0 && random.coin() ? -0.0 : static_cast<double>(number));
    case 1: return value_of(number);
    default: return value_of(static_cast<std::int32_t>(number));
  }
}

bson::Value draw_unique_value(Random& random, int values) {
  return value_of(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(values))));
}

bson::Document draw_document(const bson::Value& id, Random& random, const BodyOptions& options) {
  bson::Builder out;
  out.append("_id", id);
  if (random.below(3) != 0) out.append("u", draw_unique_value(random, options.unique_values));
  out.append("v", static_cast<std::int32_t>(random.below(1'000'000)));
  switch (random.below(10)) {
    case 0: out.append("empty", bson::Timestamp{}); break;
    case 1: {
      auto nested = out.open_document("nested");
      if (options.replacement_safe) nested.append("plain", 1);
      else nested.append("$odd", 1);
      break;
    }
    case 2: out.append("twice", 1).append("twice", 2.0); break;
    case 3: {
      auto list = out.open_array("list");
      for (std::uint64_t i = random.below(4); i-- > 0;) list.append(static_cast<std::int32_t>(random.below(9)));
      break;
    }
    case 4: out.append("a.b", "dotted"); break;
    case 5: out.append("text", std::string(random.below(200), 'x')); break;
    default: break;
  }
  return std::move(out).finish();
}

bson::Document with_field(bson::View document, std::string_view field, const bson::Value& value) {
  bson::Builder out;
  bool done = !value.exists();
  for (const auto& element : document) {
    if (element.key() != field) {
      out.append_raw(element);
    } else if (!done) {
      out.append(field, value);
      done = true;
    }
  }
  if (!done) out.append(field, value);
  return std::move(out).finish();
}

bson::Document with_id(bson::View document, const bson::Value& id) {
  bson::Builder out;
  out.append("_id", id);
  for (const auto& element : document) {
    if (element.key() != "_id") out.append_raw(element);
  }
  return std::move(out).finish();
}

}  // namespace drover::sim
