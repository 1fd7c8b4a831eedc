// What a process that runs scripts may answer. It is not trusted: whatever has become of it, the server reads nothing from it that has
// another form than this.
#pragma once

#include "bson/document.h"

namespace drover::sandbox::script {

// Whether `reply`, a valid document, is one to `request` (protocol.h): each field of its type, and an error's code one that scripts fail with.
bool is_reply(bson::View request, bson::View reply);

}  // namespace drover::sandbox::script
