#include "net/address_range.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>

#include <fmt/format.h>

namespace drover::net {
namespace {

constexpr std::size_t kMaxAddressText = 64;

struct Address {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};
};

std::optional<Address> parse_address(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  if (text.empty() || text.size() >= kMaxAddressText || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string whole(text);
  Address address;
  if (::inet_pton(AF_INET, whole.c_str(), address.bytes.data()) == 1) return address;
  if (::inet_pton(AF_INET6, whole.c_str(), address.bytes.data()) != 1) return std::nullopt;
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::memcmp(address.bytes.data(), kMapped, sizeof kMapped) == 0) {
    std::array<std::uint8_t, 16> v4{};
    std::copy_n(address.bytes.begin() + 12, 4, v4.begin());
    return Address{false, v4};
  }
  address.v6 = true;
  return address;
}

void clear_behind(std::array<std::uint8_t, 16>& bytes, int prefix) {
  for (int bit = prefix; bit < 128; ++bit) bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
}

}  // namespace

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  AddressRange range;
  range.v6_ = address->v6;
  range.bytes_ = address->bytes;
  range.prefix_ = range.width();
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), range.prefix_);
    if (failed != std::errc() || end != digits.data() + digits.size() || range.prefix_ < 0 || range.prefix_ > range.width())
      return std::nullopt;
  }
  clear_behind(range.bytes_, range.prefix_);
  return range;
}

bool AddressRange::contains(std::string_view text) const {
  auto address = parse_address(text);
  if (!address || address->v6 != v6_) return false;
  clear_behind(address->bytes, prefix_);
  return address->bytes == bytes_;
}

std::string AddressRange::address() const {
  char text[kMaxAddressText];
  ::inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof text);
  return text;
}

std::string AddressRange::cidr() const { return fmt::format("{}/{}", address(), prefix_); }

std::string host_of_peer(std::string_view peer) {
  auto host = peer.substr(0, peer.rfind(':'));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return std::string(host);
}

bool is_loopback(std::string_view address) {
  static const auto v4 = AddressRange::parse("127.0.0.0/8"), v6 = AddressRange::parse("::1");
  return v4->contains(address) || v6->contains(address);
}

bool any_contains(const std::vector<std::string>& ranges, std::string_view address) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const std::string& text) {
    const auto range = AddressRange::parse(text);
    return range && range->contains(address);
  });
}

}  // namespace drover::net
