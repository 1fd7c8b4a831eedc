// Checks bytes from outside once, where they enter: lengths, NULs, UTF-8 of keys is not checked (the server does not),
// nesting at most `max_depth`, total size. After it, View iteration over the same bytes cannot leave them.
#pragma once

#include <cstdint>
#include <span>

#include "base/error.h"
#include "bson/document.h"

namespace drover::bson {

// How deep documents and arrays may lie within a message's document (the server's maxBSONDepth), and how many levels a document may be
// stored with, its own counted: the server keeps 20 for what it puts around it. (Its manual says 100.)
inline constexpr int kMaxNesting = 200;
inline constexpr int kMaxStoredLevels = 180;
inline constexpr std::size_t kMaxDocumentBytes = 16777216;    // user documents
inline constexpr std::size_t kMaxInternalBytes = 16793600;    // with command overhead (16 MB + 16 KB)

// Exactly one document filling `bytes`. The error's code is 15 (Overflow) for too deep a nesting, 22 (InvalidBSON) otherwise.
Result<View> validate(std::span<const std::uint8_t> bytes, int max_depth = kMaxNesting);
// Whether a document has more levels than that. An empty one, or an empty array, at the bottom does not count, as in the server.
bool exceeds_levels(View document, int levels);

}  // namespace drover::bson
