// A server at the other end of a driver's stream, in memory: it answers the handshake as a primary, everything else with
// {ok: 1} or what the test sets, and remembers the commands. For single-threaded clients, whose every connection is opened by
// the client's stream initiator.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <mongoc/mongoc.h>

#include "bson/document.h"

namespace drover::cluster {

class FakeServer {
 public:
  // The client's connections end here from now on. This outlives the client.
  void serve(mongoc_client_t* client);
  const bson::Document& last_command() const { return commands_.back(); }

 private:
  struct Stream;
  static mongoc_stream_t* open(const mongoc_uri_t*, const mongoc_host_list_t*, void* self, bson_error_t*);
  void receive(Stream& stream);
  bson::Document answer(bson::View command);

  std::vector<bson::Document> commands_;  // without the handshakes
};

}  // namespace drover::cluster
