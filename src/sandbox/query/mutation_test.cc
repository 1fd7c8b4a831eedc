// The recorded commands, damaged at random: whatever is still valid BSON must be parsed or refused, applied or failed.
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "bson/ejson.h"
#include "bson/validate.h"
#include "sandbox/query/exercise_for_tests.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;
using bson::Element;
using bson::View;

// One task per recorded find, update and aggregate, over the first document inserted in its scenario.
void collect(View steps, std::vector<Document>& tasks) {
  Document document;
  const auto add = [&](const std::vector<std::pair<const char*, Element>>& parts) {
    bson::Builder task;
    task.append("d", document);
    for (const auto& [name, part] : parts) {
      if (part.exists()) task.append(name, part);
    }
    tasks.push_back(std::move(task).finish());
  };
  for (const Element& step : steps) {
    const View command = step.document_value()["command"].to_document().value_or(View());
    const std::string_view name = command.first().key();
    if (name == "insert" && document.empty())
      document = Document(command["documents"].to_array().value_or(View()).first().to_document().value_or(View()));
    if (name == "find") add({{"q", command["filter"]}, {"s", command["sort"]}, {"j", command["projection"]}});
    if (name == "aggregate") add({{"p", command["pipeline"]}});
    if (name != "update") continue;
    for (const Element& statement : command["updates"].to_array().value_or(View())) {
      const View object = statement.to_document().value_or(View());
      add({{"q", object["q"]}, {"u", object["u"]}, {"f", object["arrayFilters"]}});
    }
  }
}

TEST(Mutations, NothingBreaks) {
  std::vector<Document> tasks;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(DROVER_CORPUS)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    if (const auto scenario = bson::from_ejson(text.str())) collect((*scenario)["steps"].document_value(), tasks);
  }
  ASSERT_GT(tasks.size(), 100u);
  std::mt19937 random(7);
  constexpr int kRounds = 20;
  std::size_t valid = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (const Document& task : tasks) {
      auto bytes = task.bytes();
      for (std::uint32_t left = 1 + random() % 4; left > 0; --left) {
        bytes[4 + random() % (bytes.size() - 4)] = static_cast<std::uint8_t>(random() % 2 ? random() : random() % 20);
      }
      if (!bson::validate(bytes)) continue;
      ++valid;
      exercise(View(bytes.data()));
    }
  }
  EXPECT_GT(valid, 1000u);
}

}  // namespace
}  // namespace drover::sandbox::query
