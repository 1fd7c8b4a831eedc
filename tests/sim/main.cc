// drover_sim: runs seeds of the simulation, each in a process of its own.
//
//   drover_sim [--seeds N] [--first S] [--jobs J] [--mutant M] [--verification] [--trace] [--kept FILE] [--twice]
//   drover_sim --mutants [--bound N] [--jobs J] [--hints FILE]     every mutant must be caught by some seed; FILE has one to
//                                                                  begin with for each: lines of mutant and seed
#include <fcntl.h>
#include <poll.h>
#include <sys/personality.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "mutant_names.h"
#include "simulation.h"

namespace {

using drover::sim::SeedOptions;
using Clock = std::chrono::steady_clock;

constexpr int kMostSecondsPerSeed = 100;  // of processor time
constexpr unsigned kMostWaiting = 1'000;  // seconds in all

struct Arguments {
  std::uint64_t seeds = 200;
  std::uint64_t first = 1;
  int jobs = 2;
  std::string mutant;
  std::string kept;
  std::string hints;
  bool trace = false;
  bool mutants = false;
  bool verification = false;
  bool verbose = false;
  bool twice = false;  // and the two runs must be the same, step by step
  std::uint64_t bound = 400;
};

struct Report {
  bool passed = false;
  std::string text;
};

// In the child: never returns.
[[noreturn]] void run_seed(const Arguments& arguments, std::uint64_t seed, const std::string& mutant, int out) {
  const itimerval limit{{0, 0}, {kMostSecondsPerSeed, 0}};
  setitimer(ITIMER_PROF, &limit, nullptr);
  alarm(kMostWaiting);
  SeedOptions options;
  options.seed = seed;
  options.mutant = mutant;
  options.verification = arguments.verification;
  options.spool_directory = "/tmp";
  const auto say = [out](const std::string& text) {
    if (write(out, text.data(), text.size()) < 0) _exit(3);
  };
  options.on_failure = [&](const std::string& message) {
    say(message);
    _exit(1);
  };
  if (arguments.trace) {
    options.on_trace = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  }
  const auto result = drover::sim::simulate(options);
  char hash[32];
  std::snprintf(hash, sizeof hash, " [%016llx]", static_cast<unsigned long long>(result.trace_hash));
  say(result.summary + hash);
  _exit(0);
}

class Pool {
 public:
  explicit Pool(const Arguments& arguments) : arguments_(arguments) {}

  void start(std::uint64_t seed, const std::string& mutant) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) run_seed(arguments_, seed, mutant, ends[1]);
    close(ends[1]);
    running_[child] = {seed, ends[0]};
  }
  std::size_t running() const { return running_.size(); }

  // Waits for one to end.
  std::pair<std::uint64_t, Report> next() {
    // A long message fills the pipe: read while waiting.
    for (;;) {
      for (auto& [child, job] : running_) {
        pollfd ready{job.in, POLLIN, 0};
        if (poll(&ready, 1, 0) <= 0 || (ready.revents & (POLLIN | POLLHUP)) == 0) continue;
        char text[4096];
        const auto size = read(job.in, text, sizeof text);
        if (size > 0) {
          job.text.append(text, static_cast<std::size_t>(size));
          continue;
        }
        return finish(child);
      }
      std::vector<pollfd> all;
      for (const auto& [child, job] : running_) all.push_back({job.in, POLLIN, 0});
      poll(all.data(), all.size(), 1000);
    }
  }

 private:
  struct Job {
    std::uint64_t seed;
    int in;
    std::string text;
  };

  std::pair<std::uint64_t, Report> finish(pid_t child) {
    Job job = running_[child];
    running_.erase(child);
    close(job.in);
    int status = 0;
    waitpid(child, &status, 0);
    Report report{WIFEXITED(status) && WEXITSTATUS(status) == 0, std::move(job.text)};
    if (WIFSIGNALED(status)) {
      report.text += WTERMSIG(status) == SIGPROF || WTERMSIG(status) == SIGALRM
                         ? "it hangs (no end within the real time allowed)"
                         : std::string("the process died: ") + strsignal(WTERMSIG(status));
    }
    return {job.seed, std::move(report)};
  }

  const Arguments& arguments_;
  std::map<pid_t, Job> running_;
};

std::vector<std::uint64_t> kept_seeds(const std::string& file) {
  std::vector<std::uint64_t> seeds;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line[0] != '#') seeds.push_back(std::strtoull(line.c_str(), nullptr, 10));
  }
  return seeds;
}

int run_seeds(const Arguments& arguments) {
  std::vector<std::uint64_t> seeds = kept_seeds(arguments.kept);
  for (std::uint64_t i = 0; i < arguments.seeds; ++i) seeds.push_back(arguments.first + i);
  if (arguments.twice) seeds.insert(seeds.end(), seeds.begin(), seeds.end());
  std::map<std::uint64_t, std::string> earlier;  // what a seed's first run ended with, its trace's hash included
  Pool pool(arguments);
  const auto begun = Clock::now();
  std::vector<std::uint64_t> failed;
  std::size_t at = 0;
  while (at < seeds.size() || pool.running() > 0) {
    while (at < seeds.size() && pool.running() < static_cast<std::size_t>(arguments.jobs)) {
      pool.start(seeds[at++], arguments.mutant);
    }
    auto [seed, report] = pool.next();
    if (const auto first = earlier.emplace(seed, report.text).first; arguments.twice && first->second != report.text) {
      report.passed = false;
      report.text += "; another run of this seed ended otherwise: " + first->second;
    }
    if (report.passed && arguments.verbose) std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), report.text.c_str());
    if (report.passed) continue;
    failed.push_back(seed);
    std::printf("seed %llu FAILED: %s\n", static_cast<unsigned long long>(seed), report.text.c_str());
    std::fflush(stdout);
  }
  const double spent = std::chrono::duration<double>(Clock::now() - begun).count();
  std::printf("%zu seeds, %zu failed, %.1f s, %.3f s per seed\n", seeds.size(), failed.size(), spent,
              seeds.empty() ? 0.0 : spent / static_cast<double>(seeds.size()));
  for (const auto seed : failed) {
    std::printf("  replay: drover_sim --seeds 1 --first %llu%s%s%s --trace\n", static_cast<unsigned long long>(seed),
                arguments.mutant.empty() ? "" : " --mutant ", arguments.mutant.c_str(),
                arguments.verification ? " --verification" : "");
  }
  return failed.empty() ? 0 : 1;
}

std::map<std::string, std::uint64_t> hinted_seeds(const std::string& file) {
  std::map<std::string, std::uint64_t> seeds;
  std::ifstream in(file);
  std::string mutant;
  for (std::uint64_t seed; in >> mutant >> seed;) seeds[mutant] = seed;
  return seeds;
}

// The first seed that catches `mutant`, or 0: `hint`, or one from arguments.first on.
std::uint64_t caught_by(const Arguments& arguments, const std::string& mutant, std::uint64_t hint, std::string& how) {
  Pool pool(arguments);
  std::uint64_t next = arguments.first;
  std::uint64_t caught = 0;
  if (hint != 0) pool.start(hint, mutant);
  while (pool.running() > 0 || (caught == 0 && next < arguments.first + arguments.bound)) {
    while (hint == 0 && caught == 0 && next < arguments.first + arguments.bound &&
           pool.running() < static_cast<std::size_t>(arguments.jobs)) {
      pool.start(next++, mutant);
    }
    hint = 0;  // from the second round on the others
    const auto [seed, report] = pool.next();
    if (!report.passed && caught == 0) {
      caught = seed;
      how = report.text.substr(0, report.text.find('\n'));
    }
  }
  return caught;
}

int run_mutants(const Arguments& arguments) {
  int survived = 0;
  const auto hints = hinted_seeds(arguments.hints);
  for (const char* mutant : drover::sim::kMutants) {
    if (!arguments.mutant.empty() && arguments.mutant != mutant) continue;
    std::string how;
    const auto hint = hints.find(mutant);
    const auto seed = caught_by(arguments, mutant, hint == hints.end() ? 0 : hint->second, how);
    if (seed == 0) {
      ++survived;
      std::printf("%-24s NOT CAUGHT by %llu seeds\n", mutant, static_cast<unsigned long long>(arguments.bound));
    } else {
      std::printf("%-24s caught by seed %llu: %.160s\n", mutant, static_cast<unsigned long long>(seed), how.c_str());
    }
    std::fflush(stdout);
  }
  return survived == 0 ? 0 : 1;
}

bool parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&]() -> const char* { return i + 1 < argc ? argv[++i] : ""; };
    if (name == "--seeds") arguments.seeds = std::strtoull(value(), nullptr, 10);
    else if (name == "--first") arguments.first = std::strtoull(value(), nullptr, 10);
    else if (name == "--jobs") arguments.jobs = std::max(1, std::atoi(value()));
    else if (name == "--mutant") arguments.mutant = value();
    else if (name == "--hints") arguments.hints = value();
    else if (name == "--kept") arguments.kept = value();
    else if (name == "--bound") arguments.bound = std::strtoull(value(), nullptr, 10);
    else if (name == "--trace") arguments.trace = true;
    else if (name == "--verification") arguments.verification = true;
    else if (name == "--verbose") arguments.verbose = true;
    else if (name == "--twice") arguments.twice = true;
    else if (name == "--mutants") arguments.mutants = true;
    else return false;
  }
  return true;
}

// Engine code may order by address: the same addresses in every run make a seed replay exactly.
void fix_addresses(char** argv) {
  const int now = personality(0xffffffff);
  if (now == -1 || (now & ADDR_NO_RANDOMIZE) != 0) return;
  if (personality(static_cast<unsigned long>(now) | ADDR_NO_RANDOMIZE) != -1) execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  fix_addresses(argv);
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "usage: drover_sim [--seeds N] [--first S] [--jobs J] [--mutant M] [--verification] [--kept FILE] [--trace]\n"
                 "                  [--verbose] [--twice]\n"
                 "       drover_sim --mutants [--bound N] [--first S] [--jobs J] [--mutant M] [--hints FILE]\n");
    return 2;
  }
  if (arguments.trace) arguments.jobs = 1;
  return arguments.mutants ? run_mutants(arguments) : run_seeds(arguments);
}
