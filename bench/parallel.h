// Loops over several connections.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "mongo.h"

namespace drover::bench {

// Runs body(client, thread) on so many threads, each with a connection of its own; the first error.
inline Status in_parallel(int threads, const std::string& uri, const std::function<Status(Client&, int)>& body) {
  std::mutex mutex;
  std::optional<Error> error;
  {
    std::vector<std::jthread> running;
    for (int i = 0; i < threads; ++i) {
      running.emplace_back([&, i] {
        auto client = Client::connect(uri);
        auto status = client ? body(*client, i) : Status(tl::unexpected(client.error()));
        if (status) return;
        std::lock_guard lock(mutex);
        if (!error) error = std::move(status).error();
      });
    }
  }
  if (error) return tl::unexpected(std::move(*error));
  return {};
}

}  // namespace drover::bench
