#include "faults.h"

#include <vector>

namespace drover::sim {

Faults Faults::draw(Random& random) {
  Faults faults;
  faults.latency = std::chrono::milliseconds(random.pick(std::vector<int>{0, 1, 5, 20}));
  faults.lag = std::chrono::milliseconds(random.pick(std::vector<int>{0, 1, 10, 100, 400}));
  if (random.below(4) == 0) return faults;  // a quiet network
  const std::vector<std::uint32_t> rates{0, 0, 1'000, 5'000, 20'000, 60'000};
  faults.lost_request = random.pick(rates);
  faults.late_request = random.pick(rates);
  faults.lost_reply = random.pick(rates);
  faults.duplicated = random.pick(rates);
  faults.partial_batch = random.pick(rates);
  faults.lost_cursor = random.pick(rates);
  faults.snapshot_too_old = random.pick(rates);
  faults.slow = random.pick(rates) / 2;
  faults.cut = random.pick(rates) / 20;
  faults.note_refused = random.pick(rates) * 4;
  if (random.below(2) == 0) faults.election_every = std::chrono::milliseconds(random.between(2'000, 40'000));
  return faults;
}

}  // namespace drover::sim
