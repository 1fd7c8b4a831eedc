// Addresses and ranges of them, as access lists name them: "203.0.113.7", "10.0.0.0/8", "2001:db8::/32".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drover::net {

class AddressRange {
 public:
  // An address or CIDR notation; nothing when it is neither. Bits behind the prefix are ignored.
  static std::optional<AddressRange> parse(std::string_view text);

  // `address`: as a peer is named, without port; in brackets or not. An IPv4 address in IPv6's clothes is the IPv4 one.
  bool contains(std::string_view address) const;
  std::string cidr() const;     // "203.0.113.7/32", with the bits behind the prefix cleared
  std::string address() const;  // "203.0.113.7"
  bool is_single() const { return prefix_ == width(); }

 private:
  int width() const { return v6_ ? 128 : 32; }
  bool v6_ = false;
  std::array<std::uint8_t, 16> bytes_{};
  int prefix_ = 0;
};

// "127.0.0.1" of "127.0.0.1:51000", "::1" of "[::1]:51000".
std::string host_of_peer(std::string_view peer);
bool is_loopback(std::string_view address);
// Whether any of them contains it. Texts that are no ranges contain nothing.
bool any_contains(const std::vector<std::string>& ranges, std::string_view address);

}  // namespace drover::net
