// Checks bytes from outside once, where they enter: lengths, NULs, UTF-8 of keys is not checked (the server does not),
// nesting at most `max_depth`, total size. After it, View iteration over the same bytes cannot leave them.
#pragma once

#include <cstdint>
#include <span>

#include "base/error.h"
#include "bson/document.h"

namespace drover::bson {

// Levels of a document that may be stored (the server's manual says 100, its code takes 180), and of a command here.
inline constexpr int kMaxNesting = 180;
inline constexpr std::size_t kMaxDocumentBytes = 16777216;    // user documents
inline constexpr std::size_t kMaxInternalBytes = 16793600;    // with command overhead (16 MB + 16 KB)

// Exactly one document filling `bytes`. The error's code is 15 (Overflow) for too deep a nesting, 22 (InvalidBSON) otherwise.
Result<View> validate(std::span<const std::uint8_t> bytes, int max_depth = kMaxNesting);

}  // namespace drover::bson
