// A server session under an id that we chose (blueprint, rules 5 and 8).
//
// The driver adds an `lsid` of its own to every command that is not given one of its session objects, and such an object's
// id cannot be chosen. But the id lives in a document of the session object, and what is sent is that document: so the 16
// bytes of the uuid in it are overwritten for as long as this lives, and put back before the object returns to the driver's
// pool, which would otherwise hand our id to strangers.
#pragma once

#include <array>
#include <cstdint>

#include "base/uuid.h"

typedef struct _mongoc_client_session_t mongoc_client_session_t;

namespace drover::cluster {

class OwnSession {
 public:
  // `session` outlives this.
  OwnSession(mongoc_client_session_t* session, const Uuid& id);
  ~OwnSession();
  OwnSession(const OwnSession&) = delete;
  OwnSession& operator=(const OwnSession&) = delete;

 private:
  std::uint8_t* bytes_;  // of the uuid, inside the driver's document
  std::array<std::uint8_t, 16> original_;
};

}  // namespace drover::cluster
