// The control plane's own store: an embedded server of this process, on loopback, with authorization and a password that
// only the data directory's owner can read. Or another deployment by its connection string.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "base/runtime.h"
#include "cluster/deployment.h"
#include "control/sealed_keys.h"
#include "sandbox/server/sandbox.h"

namespace drover::cli {

class EmbeddedStore {
 public:
  // `directory` is made when it is not there; `uri` empty: embedded. Once `stop` is requested the store is waited for no more.
  static Result<EmbeddedStore> open(const std::string& directory, const std::string& uri, const control::SealedKeys& keys,
                                    Runtime& runtime, Log& log, const std::stop_token& stop);
  cluster::Deployment& deployment() { return *deployment_; }

 private:
  std::unique_ptr<sandbox::Sandbox> sandbox_;
  std::unique_ptr<cluster::Deployment> deployment_;  // gone before the server
};

}  // namespace drover::cli
