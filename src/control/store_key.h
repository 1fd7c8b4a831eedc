// Which key the secrets of a store are sealed with. Servers on one store share their key file; one that came with another, or that has made a new
// one because its file was not there, would open nothing that the others sealed, and seal what they cannot open.
#pragma once

#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

// The first one to come binds the store to its key. kUnsupported: it is bound to another one.
Status bind_key(Store& store, const SealedKeys& keys);

}  // namespace drover::control
