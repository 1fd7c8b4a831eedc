// Which host names stand for this machine alone, whatever a resolver says: "localhost", ::1 (without brackets), 127.0.0.0/8 in
// digits. A name that merely begins like an address ("127.example.com") does not. Thread-safe.
#pragma once

#include <string_view>

namespace drover::net {

inline bool is_loopback_host(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

}  // namespace drover::net
