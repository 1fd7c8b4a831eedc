// `encrypt` and `encryptMetadata` of a $jsonSchema: what a server without keys can say of values that clients encrypt.
#pragma once

#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/query/type_set.h"

namespace drover::sandbox::query {

// The argument of `encrypt`, checked: the types that a value may have had before it was encrypted; none: any.
// 14, 40415, 2, 51084, 51085 as the server's parser of it.
Result<std::optional<TypeSet>> parse_encrypt(const bson::Element& keyword);
// Of `encryptMetadata`: nothing is asked of values.
Status check_encrypt_metadata(const bson::Element& keyword);

// Binary of subtype 6.
bool is_encrypted(const bson::Element& value);
// Whether it says that it was of one of these types. Only values of client-side field level encryption (the first version) say so.
bool is_encrypted_from(const bson::Element& value, const TypeSet& types);

}  // namespace drover::sandbox::query
