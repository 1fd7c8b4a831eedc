// The part of a task document that one fuzz target is about, done as far as it parses.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "bson/builder.h"
#include "bson/validate.h"
#include "sandbox/query/exercise_for_tests.h"

namespace drover::fuzz {

inline int exercise_fields(const std::uint8_t* data, std::size_t size, std::initializer_list<std::string_view> fields) {
  const std::vector<std::uint8_t> bytes(data, data + size);
  const auto valid = bson::validate(bytes);
  if (!valid) return 0;
  bson::Builder task;
  for (const auto& field : *valid) {
    if (std::find(fields.begin(), fields.end(), field.key()) != fields.end()) task.append_raw(field);
  }
  sandbox::query::exercise(std::move(task).finish());
  return 0;
}

}  // namespace drover::fuzz
