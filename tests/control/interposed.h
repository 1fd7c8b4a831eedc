// A store's deployment, with something that happens just before a command.
#pragma once

#include <functional>
#include <string>

#include "cluster/testing/stub_deployment.h"

namespace drover::control {

class Interposed final : public cluster::StubDeployment {
 public:
  explicit Interposed(cluster::Deployment& store) : store_(store) {}
  Result<bson::Document> run_command(const std::string& database, bson::View command) override {
    if (before) before(command);
    return store_.run_command(database, command);
  }
  std::function<void(bson::View)> before;

 private:
  cluster::Deployment& store_;
};

}  // namespace drover::control
