// Who keeps a connection of a server when there are more than it takes. Anybody may open connections, also who cannot log in,
// and a hundred programs of one machine come from one address: so nobody new is turned away while there is a connection that
// asks for nothing. It makes room: of those of the address that has most connections the one that has kept us waiting longest. So
// whoever opens many has to do without his own, and a slow client far away is left in peace.
//
// An address of another machine may have half of all connections. At that it makes room for itself.
//
// Nobody makes room before he has been waited for for a moment (patience_with): however fast others come, who has connected has
// the time to send what he came with, a body more of it, and the time to read his answer. Who comes meanwhile waits.
//
// Knows no sockets: whoever is to go is told by a call. Thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

namespace drover::net {

// What a server waits for. The order is that in which connections make room: most have not even asked for anything.
enum class Awaiting {
  kHead,     // a handshake or a request's head to be complete, or a next request to begin
  kBody,     // the rest of a request
  kReading,  // the client to take its answer
  kNothing   // the request is being carried out: such a connection stays
};

class Admission {
 public:
  using Id = std::uint64_t;
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  static constexpr std::chrono::milliseconds kLeastPatience{20}, kBodyPatience{500}, kReadingPatience{2000};
  static constexpr std::chrono::milliseconds patience_with(Awaiting what) {
    return what == Awaiting::kHead ? kLeastPatience : what == Awaiting::kBody ? kBodyPatience : kReadingPatience;
  }

  enum class Verdict {
    kIn,
    kInForAnother,  // somebody has made room
    kShareUsed,     // not let in: all of this address's connections are being served, or have begun to send or read only just now
    kFull,          // not now: all connections are being served, which ends
    kTooSoon        // not now: who would make room has only just come
  };
  struct Ruling {
    Verdict verdict;
    Id id = 0;  // 0 when it is not let in
  };

  explicit Admission(std::size_t limit, Now now = Clock::now);

  // `address` without its port; `close` is called at most once, without a lock held, when this connection is to make room.
  // A new connection is awaited for its head.
  Ruling enter(const std::string& address, const std::function<void()>& close);
  // False when the connection has had to make room: nothing that comes from it counts any more. What is awaited anew begins
  // now; the same as before has begun when it did, whatever has dripped in since.
  bool await(Id id, Awaiting what);
  // Idempotent.
  void leave(Id id);
  // As many as there are have turned out to be too many (of descriptors, say): from now on the limit is a quarter below that,
  // and who is over it makes room. The rest of the process needs some, too. False when nobody could.
  bool lower_limit();
  std::size_t size() const;

 private:
  static constexpr std::size_t kKinds = 4;
  static constexpr std::size_t kLeastLimit = 16;

  struct Waiting {
    Id id;
    std::uint64_t since;  // counted: the order of all
    Clock::time_point begun;
  };
  struct Origin {
    std::string name;
    std::size_t members = 0;
    std::array<std::list<Waiting>, kKinds> waiting;  // by what is awaited, the longest first

    std::list<Waiting>& of(Awaiting what) { return waiting[static_cast<std::size_t>(what)]; }
  };
  struct Member {
    Origin* origin;
    std::function<void()> close;
    Awaiting awaiting = Awaiting::kHead;
    std::list<Waiting>::iterator place;
  };
  using Members = std::unordered_map<Id, Member>;

  enum class Age { kEnough, kAny };
  // Who would make room, of those who have been waited for for long enough: of this origin, or of the one with the most connections;
  // members_.end() for nobody. `others`: there are some, who have only just come. The lock is held.
  struct Found {
    Members::iterator member;
    bool others = false;
    bool known = false;  // of this origin there are some who have been there for longer than heads are waited for
  };
  Found next_to_go(Origin* origin, Age age);
  std::function<void()> send_away(Members::iterator found);
  void remove(Members::iterator found);

  mutable std::mutex mutex_;
  std::size_t limit_;
  const Now now_;
  Id next_ = 1;
  std::uint64_t clock_ = 0;
  Members members_;
  std::unordered_map<std::string, Origin> origins_;  // with members; their addresses last
};

// What counts as one address: IPv4 as it is, an IPv6 network of 64 bits, since a host has all of that; empty for loopback, which
// is everybody of this machine and has no share of its own.
std::string origin_of(const std::string& address);

}  // namespace drover::net
