#include "cli/plain_http.h"

#include <algorithm>

#include <fmt/format.h>

#include "net/loopback.h"

namespace drover::cli {

Status check_loopback(std::string_view option, std::string_view addresses, std::string_view why) {
  for (std::size_t begin = 0; begin <= addresses.size();) {
    const auto end = std::min(addresses.find(',', begin), addresses.size());
    const auto address = addresses.substr(begin, end - begin);
    begin = end + 1;
    if (net::is_loopback_host(address)) continue;
    return fail(ErrorCode::kUsage, fmt::format("{} {}: {} is no loopback address, {}", option, addresses, address.empty() ? "an empty one" : address, why));
  }
  return {};
}

}  // namespace drover::cli
