#include "net/admission.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace drover::net {

Admission::Admission(std::size_t limit, Now now) : limit_(limit), now_(std::move(now)) {}

Admission::Ruling Admission::enter(const std::string& address, const std::function<void()>& close) {
  const auto name = origin_of(address);
  std::function<void()> goes;
  Ruling ruling{Verdict::kIn};
  {
    std::lock_guard lock(mutex_);
    const auto own = origins_.find(name);
    const bool has_its_share = !name.empty() && own != origins_.end() && own->second.members >= std::max<std::size_t>(1, limit_ / 2);
    if (has_its_share || members_.size() >= limit_) {
      Origin* const among = has_its_share ? &own->second : nullptr;
      const auto found = next_to_go(among, Age::kEnough);
      if (found.member == members_.end()) return {found.others ? Verdict::kTooSoon : has_its_share ? Verdict::kShareUsed : Verdict::kFull};
      goes = send_away(found.member);
      ruling.verdict = Verdict::kInForAnother;
    }
    auto& origin = origins_[name];
    origin.name = name;
    ++origin.members;
    ruling.id = next_++;
    auto& heads = origin.of(Awaiting::kHead);
    members_.emplace(ruling.id, Member{&origin, close, Awaiting::kHead, heads.insert(heads.end(), Waiting{ruling.id, ++clock_, now_()})});
  }
  if (goes) goes();
  return ruling;
}

bool Admission::await(Id id, Awaiting what) {
  std::lock_guard lock(mutex_);
  const auto found = members_.find(id);
  if (found == members_.end()) return false;
  auto& member = found->second;
  if (member.awaiting == what) return true;
  auto& to = member.origin->of(what);
  to.splice(to.end(), member.origin->of(member.awaiting), member.place);
  member.place->since = ++clock_;
  member.place->begun = now_();
  member.awaiting = what;
  return true;
}

void Admission::leave(Id id) {
  std::lock_guard lock(mutex_);
  if (const auto found = members_.find(id); found != members_.end()) remove(found);
}

bool Admission::lower_limit() {
  std::vector<std::function<void()>> go;
  {
    std::lock_guard lock(mutex_);
    limit_ = std::min(limit_, std::max(kLeastLimit, members_.size() - members_.size() / 4));
    while (members_.size() > limit_) {
      const auto found = next_to_go(nullptr, Age::kAny);
      if (found.member == members_.end()) break;
      go.push_back(send_away(found.member));
    }
  }
  for (const auto& one : go) one();
  return !go.empty();
}

std::size_t Admission::size() const {
  std::lock_guard lock(mutex_);
  return members_.size();
}

Admission::Found Admission::next_to_go(Origin* origin, Age age) {
  const auto now = now_();
  Found found{members_.end()};
  for (const auto what : {Awaiting::kHead, Awaiting::kBody, Awaiting::kReading}) {
    Origin* goes = nullptr;
    const auto consider = [&](Origin& one) {
      if (one.of(what).empty()) return;
      const auto& eldest = one.of(what).front();
      const auto waited = now - eldest.begun;
      if (age == Age::kEnough && waited < patience_with(what)) {
        // For its own next one an address is not waited for longer than for a head: behind it everybody waits.
        (origin == nullptr || waited < kLeastPatience ? found.others : found.known) = true;
        return;
      }
      const bool more = goes == nullptr || one.members > goes->members;
      if (more || (one.members == goes->members && eldest.since < goes->of(what).front().since)) goes = &one;
    };
    if (origin != nullptr) consider(*origin);
    else
      for (auto& [name, one] : origins_) consider(one);
    if (goes == nullptr) continue;
    found.member = members_.find(goes->of(what).front().id);
    return found;
  }
  if (found.known) found.others = false;
  return found;
}

std::function<void()> Admission::send_away(Members::iterator found) {
  auto close = std::move(found->second.close);
  remove(found);
  return close;
}

void Admission::remove(Members::iterator found) {
  auto& origin = *found->second.origin;
  origin.of(found->second.awaiting).erase(found->second.place);
  members_.erase(found);
  if (--origin.members == 0) origins_.erase(origins_.find(origin.name));
}

std::string origin_of(const std::string& address) {
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127 ? "" : address;
  in6_addr v6{};
  const auto scope = address.find('%');
  if (::inet_pton(AF_INET6, address.substr(0, scope).c_str(), &v6) != 1) return address;
  if (IN6_IS_ADDR_LOOPBACK(&v6)) return "";
  constexpr std::size_t kNetworkBytes = 8;
  return std::string(reinterpret_cast<const char*>(&v6), kNetworkBytes);
}

}  // namespace drover::net
