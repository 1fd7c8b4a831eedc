#include "cluster/own_session.h"

#include <cstring>

#include <mongoc/mongoc.h>

#include "base/check.h"

namespace drover::cluster {
namespace {

std::uint8_t* uuid_bytes(mongoc_client_session_t* session) {
  bson_iter_t iter;
  CHECK(bson_iter_init_find(&iter, mongoc_client_session_get_lsid(session), "id") && BSON_ITER_HOLDS_BINARY(&iter),
        "the driver's session has an lsid {id: uuid}");
  bson_subtype_t subtype;
  std::uint32_t size = 0;
  const std::uint8_t* bytes = nullptr;
  bson_iter_binary(&iter, &subtype, &size, &bytes);
  CHECK(size == 16, "the driver's lsid is a uuid");
  return const_cast<std::uint8_t*>(bytes);
}

}  // namespace

OwnSession::OwnSession(mongoc_client_session_t* session, const Uuid& id) : bytes_(uuid_bytes(session)) {
  std::memcpy(original_.data(), bytes_, original_.size());
  std::memcpy(bytes_, id.bytes.data(), id.bytes.size());
}

OwnSession::~OwnSession() { std::memcpy(bytes_, original_.data(), original_.size()); }

}  // namespace drover::cluster
