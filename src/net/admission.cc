#include "net/admission.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace drover::net {

Admission::Admission(std::size_t limit) : limit_(limit) {}

Admission::Ruling Admission::enter(const std::string& address, const std::function<void()>& close) {
  const auto origin = origin_of(address);
  std::function<void()> goes;
  Ruling ruling{Verdict::kIn};
  {
    std::lock_guard lock(mutex_);
    const auto own = by_origin_.find(origin);
    const bool has_its_share = !origin.empty() && own != by_origin_.end() && own->second >= std::max<std::size_t>(1, limit_ / 2);
    if (has_its_share || members_.size() >= limit_) {
      if (!pick(has_its_share ? &origin : nullptr, goes)) return {has_its_share ? Verdict::kShareUsed : Verdict::kFull};
      ruling.verdict = Verdict::kInForAnother;
    }
    ruling.id = next_++;
    auto& heads = waiting(Awaiting::kHead);
    members_.emplace(ruling.id, Member{origin, close, Awaiting::kHead, heads.insert(heads.end(), ruling.id)});
    ++by_origin_[origin];
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
  auto& to = waiting(what);
  to.splice(to.end(), waiting(member.awaiting), member.place);
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
    for (std::function<void()> one; members_.size() > limit_ && pick(nullptr, one);) go.push_back(std::move(one));
  }
  for (const auto& one : go) one();
  return !go.empty();
}

std::size_t Admission::size() const {
  std::lock_guard lock(mutex_);
  return members_.size();
}

bool Admission::pick(const std::string* origin, std::function<void()>& close) {
  for (const auto what : {Awaiting::kHead, Awaiting::kBody, Awaiting::kReading}) {
    auto goes = members_.end();
    std::size_t most = 0;
    for (const auto id : waiting(what)) {
      const auto found = members_.find(id);
      const auto& from = found->second.origin;
      if (origin != nullptr && from != *origin) continue;
      const auto has = by_origin_.at(from);
      if (has <= most) continue;
      goes = found;
      most = has;
    }
    if (goes == members_.end()) continue;
    close = std::move(goes->second.close);
    remove(goes);
    return true;
  }
  return false;
}

void Admission::remove(std::unordered_map<Id, Member>::iterator found) {
  waiting(found->second.awaiting).erase(found->second.place);
  if (const auto own = by_origin_.find(found->second.origin); --own->second == 0) by_origin_.erase(own);
  members_.erase(found);
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
