// An order-preserving byte encoding of BSON values: memcmp order of the encodings is compare_values order, and two values
// have equal encodings exactly when compare_values says 0. So it is both the *logical key* (1, 1.0, NumberLong(1) and
// Decimal 1 are one; so are strings equal under the collation) and the key of the sandbox's indexes. Our own format,
// not MongoDB's; on disk in the sandbox, so a change needs a new format number there. Layout in docs/design/key-string.md.
//
// Self-delimiting: encodings may be concatenated for compound keys. Not decodable to exact types: keep the value elsewhere.
#pragma once

#include <string>
#include <string_view>

#include "bson/document.h"

namespace drover::bson {

class Collator;

// Appends. `descending` inverts every byte. A missing element encodes as null when it is an index key (the caller passes
// a null); here missing is its own value between MinKey and null.
void append_key_string(std::string& out, const Element& value, const Collator* collator = nullptr,
                       bool descending = false);
std::string key_string(const Element& value, const Collator* collator = nullptr);

// Bytes lower than any encoding, and higher than any (both as 1-byte strings).
std::string_view key_string_lowest();
std::string_view key_string_highest();

}  // namespace drover::bson
