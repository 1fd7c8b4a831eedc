// Functions of tests' own in place of JavaScript: "even" (a predicate on a), "sum" (of all arguments), "fail", and counts of what was asked.
#pragma once

#include "bson/builder.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/script.h"

namespace drover::sandbox::query {

class ScriptsForTests final : public Scripts {
 public:
  Status check_predicate(std::string_view source) override {
    if (source == "(") return bad(139, "SyntaxError");
    return {};
  }
  Result<bool> test(std::string_view source, bson::View document) override {
    ++tests;
    if (source == "fail") return bad(139, "failed");
    return document["a"].to_int64().value_or(1) % 2 == 0;
  }
  Result<bson::Document> call(std::string_view source, bson::View arguments) override {
    ++calls;
    if (source == "fail") return bad(139, "failed");
    double sum = 0;
    for (const auto& argument : arguments) sum += argument.to_double().value_or(0);
    return bson::make_document({{"", sum}});
  }
  Result<bson::Document> fold(std::string_view source, bson::View state, bson::View each) override {
    ++folds;
    if (source == "fail") return bad(139, "failed");
    double sum = state.first().to_double().value_or(0);
    for (const auto& arguments : each) {
      for (const auto& argument : arguments.document_value()) sum += argument.to_double().value_or(0);
    }
    return bson::make_document({{"", sum}});
  }

  int tests = 0, calls = 0, folds = 0;
};

}  // namespace drover::sandbox::query
