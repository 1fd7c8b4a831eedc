// The fuzz targets without a fuzzer: seeds, and mutations of them drawn from a fixed sequence, so that every run is the
// same. What `make test` runs; the fuzz preset builds the same targets for libFuzzer.
//
//   replay SEEDS RUNS [--frames]     SEEDS: a file with one Extended JSON document a line; --frames: as OP_MSG
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bson/ejson.h"
#ifdef DROVER_FUZZ_FRAMES
#include "sandbox/server/message.h"
#endif

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes encode(const drover::bson::Document& document) {
#ifdef DROVER_FUZZ_FRAMES
  return drover::sandbox::make_request(1, document);
#else
  const auto bytes = document.view().bytes();
  return Bytes(bytes.begin(), bytes.end());
#endif
}

std::vector<Bytes> read_seeds(const char* path) {
  std::vector<Bytes> seeds;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    const auto document = drover::bson::from_ejson(line);
    if (!document) {
      std::fprintf(stderr, "%s: %s\n", document.error().message.c_str(), line.c_str());
      std::exit(1);
    }
    seeds.push_back(encode(*document));
  }
  return seeds;
}

// A few bytes changed, often to ones that mean something: types, lengths, the ends of ranges.
Bytes mutate(Bytes bytes, const std::vector<Bytes>& seeds, std::mt19937_64& random) {
  constexpr std::uint8_t kTelling[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0f, 0x10,
                                       0x11, 0x12, 0x13, 0x24, 0x2e, 0x30, 0x7f, 0x80, 0xff};
  const auto changes = 1 + random() % 4;
  for (std::uint64_t i = 0; i < changes && !bytes.empty(); ++i) {
    auto& byte = bytes[random() % bytes.size()];
    switch (random() % 6) {
      case 0: byte = static_cast<std::uint8_t>(random()); break;
      case 1: byte = kTelling[random() % std::size(kTelling)]; break;
      case 2: byte = static_cast<std::uint8_t>(byte ^ (1u << random() % 8)); break;
      case 3: byte = static_cast<std::uint8_t>(byte + (random() % 2 ? 1 : -1)); break;
      case 4: {  // a piece of another seed over this one
        const Bytes& other = seeds[random() % seeds.size()];
        const auto at = random() % bytes.size();
        const auto from = random() % other.size();
        const auto size = std::min({std::size_t{1 + random() % 16}, bytes.size() - at, other.size() - from});
        std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(from), size, bytes.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      }
      default: bytes.resize(1 + random() % bytes.size());
    }
  }
  return bytes;
}

// What is being tried, for the report when it breaks.
Bytes current;

void report(int signal) {
  std::fputs("the input that broke: ", stderr);
  for (const auto byte : current) std::fprintf(stderr, "%02x", byte);
  std::fputc('\n', stderr);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(Bytes bytes) {
  current = std::move(bytes);
  LLVMFuzzerTestOneInput(current.data(), current.size());
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 1;
  const auto seeds = read_seeds(arguments[1]);
  if (seeds.empty()) return 1;
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE}) std::signal(signal, report);
  for (const auto& seed : seeds) run(seed);
  const long runs = std::atol(arguments[2]);
  std::mt19937_64 random(20240501);
  for (long i = 0; i < runs; ++i) {
    run(mutate(seeds[random() % seeds.size()], seeds, random));
  }
  std::printf("%zu seeds, %ld mutations\n", seeds.size(), runs);
  return 0;
}
