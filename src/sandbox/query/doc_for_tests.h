// Documents of tests as Extended JSON.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "bson/ejson.h"

namespace drover::sandbox::query {

inline bson::Document doc(const std::string& text) {
  auto parsed = bson::from_ejson(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? std::move(*parsed) : bson::Document();
}

}  // namespace drover::sandbox::query
