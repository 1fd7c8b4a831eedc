// Plain libmongoc for the ceilings: none of Drover's own layers, so that what they cost shows in the ratios.
#pragma once

#include <memory>
#include <string>

#include <mongoc/mongoc.h>

#include "base/error.h"
#include "bson/document.h"

namespace drover::bench {

class Client {
 public:
  static Result<Client> connect(const std::string& uri);
  mongoc_client_t* get() { return client_.get(); }
  Result<bson::Document> command(const std::string& db, const bson::Document& command);

 private:
  explicit Client(mongoc_client_t* client) : client_(client, mongoc_client_destroy) {}
  std::unique_ptr<mongoc_client_t, void (*)(mongoc_client_t*)> client_;
};

}  // namespace drover::bench
