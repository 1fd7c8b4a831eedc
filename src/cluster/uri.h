// Connection strings: checked before anything connects, and never shown with what is secret in them.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/error.h"
#include "cluster/mongo_deployment.h"

typedef struct _mongoc_uri_t mongoc_uri_t;

namespace drover::cluster {

struct UriDeleter {
  void operator()(mongoc_uri_t* uri) const;
};

struct Uri {
  std::unique_ptr<mongoc_uri_t, UriDeleter> driver;
  std::chrono::milliseconds selection_limit{};  // serverSelectionTimeoutMS: how long a call looks for the primary
  std::chrono::milliseconds reply_limit{};      // socketTimeoutMS: of ordinary commands
};

// Parsed, with the driver's settings that our own rules need laid over it (uri.cc says which). Errors are kUsage.
Result<Uri> parse_uri(const MongoOptions& options);

// "host:port, host:port", and the set that they are to be of, for messages.
std::string hosts_of(const mongoc_uri_t* uri);

}  // namespace drover::cluster
