// What one case of the benchmark moves: so many documents of one size, the same every time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bson/document.h"

namespace drover::bench {

inline constexpr const char* kDatabase = "bench";
inline constexpr const char* kCeilingDatabase = "bench_ceiling";
inline constexpr int kCopyThreads = 4;   // what `drover migrate` uses at its default load level
inline constexpr int kApplyThreads = 8;

struct Shape {
  std::string name;          // "1 KB"
  std::string collection;    // "docs_1kb"
  std::size_t document_bytes = 0;
  std::int64_t documents = 0;
  std::int64_t bytes() const { return documents * static_cast<std::int64_t>(document_bytes); }
};

// Three shapes that share `total_bytes` equally.
std::vector<Shape> shapes(std::int64_t total_bytes);

// {_id: number, ...}: numbers, dates and text that compresses about as well as people's data do.
bson::Document make_document(const Shape& shape, std::int64_t number);
// Insert commands for documents [from, to), each of at most a thousand documents and eight megabytes.
std::vector<bson::Document> insert_commands(const Shape& shape, std::int64_t from, std::int64_t to);

}  // namespace drover::bench
