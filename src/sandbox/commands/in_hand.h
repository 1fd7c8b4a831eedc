// What a command will have in hand while it runs, of documents as large as those of its collection, and of itself: bytes that are asked for
// before it begins. Those of ordinary size are not counted: there are few at a time.
#pragma once

#include <cstddef>
#include <vector>

#include "sandbox/commands/command.h"

namespace drover::sandbox {

// Smaller documents, and commands, are not counted.
inline constexpr std::size_t kLargeInHand = 128 << 10;
// A document is there as the store has it, as it was read, and as what is made of it.
inline constexpr std::size_t kDocumentsInHand = 3;
// What a command's own values become when they are parsed.
inline constexpr std::size_t kParsedCopies = 6;

// By the largest document that is known of the collection: one that was written or read since the start, or the average. A pipeline has
// documents of all that it reads at once; a change stream those of the oplog too. Inserts have none but those of their message; what write
// units have is one unit's at a time.
std::size_t bytes_in_hand(const CommandContext& context);
// What a cursor that an aggregate makes will read of when it goes on.
std::vector<Namespace> also_read(const CommandContext& context);

}  // namespace drover::sandbox
