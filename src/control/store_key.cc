#include "control/store_key.h"

#include "control/fields.h"
#include "net/crypto.h"

namespace drover::control {

Status bind_key(Store& store, const SealedKeys& keys) {
  const auto check = keys.hash("the key of a store");
  TRY(store.insert("meta", bson::make_document({{"_id", "key"}, {"check", check}})));
  const auto found = TRY(store.find_one("meta", bson::make_document({{"_id", "key"}})));
  if (found && net::equal_constant_time(text_of(*found, "check"), check)) return {};
  return fail(ErrorCode::kUnsupported, "its secrets are sealed with another key than the key file's; copy the file of the server that made the store, and name it with --key-file");
}

}  // namespace drover::control
