// For unit tests: a deployment that answers commands from a list, and records them.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/check.h"
#include "cluster/testing/stub_deployment.h"

namespace drover::workload {

class TestDeployment : public cluster::StubDeployment {
 public:
  std::deque<Result<bson::Document>> replies;
  std::vector<bson::Document> commands;

  Result<bson::Document> run_command(const std::string&, bson::View command) override {
    commands.emplace_back(command);
    CHECK(!replies.empty(), "a reply for every command");
    auto reply = std::move(replies.front());
    replies.pop_front();
    return reply;
  }
};

}  // namespace drover::workload
