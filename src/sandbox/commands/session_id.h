// What names a logical session: the id that its client chose, and the digest of the user it belongs to. Two users' sessions of one id are two.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/uuid.h"
#include "bson/builder.h"
#include "bson/document.h"

namespace drover::sandbox {

struct SessionId {
  Uuid id;
  std::string user;  // SHA-256, as lsid.uid has it
  auto operator<=>(const SessionId&) const = default;

  // Of {id, uid}.
  static SessionId of(bson::View lsid) {
    const auto uid = lsid["uid"].binary_value().data;
    return {lsid["id"].to_uuid().value_or(Uuid{}), {reinterpret_cast<const char*>(uid.data()), uid.size()}};
  }
  std::string to_string() const { return id.to_string(); }
};
// lsid: {id, uid}
inline void append_session(bson::Builder& out, const SessionId& session) {
  out.open_document("lsid").append("id", session.id).append(
      "uid", bson::Binary{0, {reinterpret_cast<const std::uint8_t*>(session.user.data()), session.user.size()}});
}

using WhichSessions = std::function<bool(const SessionId&)>;

}  // namespace drover::sandbox
