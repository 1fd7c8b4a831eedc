#include "shape.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"

namespace drover::bench {
namespace {

constexpr std::size_t kBatchDocuments = 1000;
constexpr std::size_t kBatchBytes = 8 << 20;
constexpr std::size_t kFixedBytes = 130;  // of all fields but the text

std::uint64_t mix(std::uint64_t z) {  // splitmix64
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Words of random hexadecimal digits, every other one the same.
std::string text_of(std::uint64_t seed, std::size_t size) {
  std::string text;
  text.reserve(size + 32);
  while (text.size() < size) text += fmt::format("{:016x} migrated ", seed = mix(seed));
  text.resize(size);
  return text;
}

}  // namespace

std::vector<Shape> shapes(std::int64_t total_bytes) {
  std::vector<Shape> all = {{"1 KB", "docs_1kb", 1 << 10}, {"100 KB", "docs_100kb", 100 << 10}, {"10 MB", "docs_10mb", 10 << 20}};
  for (auto& shape : all)
    shape.documents = std::max<std::int64_t>(total_bytes / static_cast<std::int64_t>(all.size() * shape.document_bytes), 8);
  return all;
}

bson::Document make_document(const Shape& shape, std::int64_t number) {
  const auto random = mix(static_cast<std::uint64_t>(number));
  bson::Builder out;
  out.append("_id", number).append("n", static_cast<std::int32_t>(random % 1'000'000)).append("x", static_cast<double>(random) / 7);
  out.append("at", bson::DateTime{1'600'000'000'000 + number}).append("state", random % 3 == 0 ? "open" : "closed");
  {
    auto nested = out.open_document("nested");
    nested.append("a", static_cast<std::int64_t>(random >> 20)).append("b", random % 2 == 0);
  }
  out.append("text", text_of(random, shape.document_bytes - kFixedBytes));
  return std::move(out).finish();
}

std::vector<bson::Document> insert_commands(const Shape& shape, std::int64_t from, std::int64_t to) {
  const auto per_batch = static_cast<std::int64_t>(std::clamp<std::size_t>(kBatchBytes / shape.document_bytes, 1, kBatchDocuments));
  std::vector<bson::Document> commands;
  for (; from < to; from += per_batch) {
    bson::Builder command;
    command.append("insert", shape.collection).append("ordered", false);
    {
      auto documents = command.open_array("documents");
      for (auto number = from; number < std::min(to, from + per_batch); ++number) documents.append(make_document(shape, number));
    }
    command.append("writeConcern", bson::make_document({{"w", "majority"}}));
    commands.push_back(std::move(command).finish());
  }
  return commands;
}

}  // namespace drover::bench
