// What moving data costs: copying and applying by `drover migrate`, each beside what the servers and the driver can do by
// themselves, measured in the same run. See bench/README.md.
//
//   drover_bench [--only sandbox|migration|replies] [--size BYTES] [--source URI --destination URI] [--server-version V] [--json]
//                [--figure KEY] [--shape "1 KB"]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include "base/json.h"
#include "base/runtime.h"
#include "ceilings.h"
#include "cli/demo_directory.h"
#include "cli/demo_sandbox.h"
#include "cli/signals.h"
#include "engine_run.h"
#include "process_cost.h"
#include "reply_cost.h"
#include "sandbox_speed.h"
#include "shape.h"
#include "terminal/format.h"

namespace drover::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kDefaultBytes = std::int64_t{2} << 30;
constexpr std::int64_t kMostEvents = 200'000;  // of one shape
constexpr std::int64_t kMostSmallDocuments = 1'000'000;
constexpr std::int64_t kBytesOfSmall = 512;    // the share of --size that lets one small document in

struct Options {
  std::int64_t bytes = kDefaultBytes;
  std::string source, destination;
  std::string version;  // empty: 4.4 for the sandbox by itself, which its references were measured with; else 8.0
  std::string only;     // "sandbox", "migration", "replies"; empty: all
  std::string figure;   // of the sandbox's; empty: all
  std::string shape;    // of the migration's; empty: all
  bool json = false;
};

struct Figures {
  Shape shape;
  double scan_seconds = 0, insert_seconds = 0, both_seconds = 0, copy_seconds = 0;
  double engine_core_seconds = 0, all_core_seconds = 0;  // while copying
  double both_server_core_seconds = 0;                   // of the servers, while scanning and inserting at once
  std::int64_t events = 0;
  double replace_seconds = 0, apply_seconds = 0;
  double replace_server_core_seconds = 0, apply_server_core_seconds = 0, apply_engine_core_seconds = 0;
  std::int64_t peak_bytes = 0;

  double rate(double seconds) const { return seconds > 0 ? static_cast<double>(shape.bytes()) / seconds / 1e6 : 0; }
  double ceiling() const { return std::min(rate(scan_seconds), rate(insert_seconds)); }
  double copy_ratio() const { return ceiling() > 0 ? rate(copy_seconds) / ceiling() : 0; }
  double both_ratio() const { return both_seconds > 0 && copy_seconds > 0 ? both_seconds / copy_seconds : 0; }
  double apply_rate(double seconds) const { return seconds > 0 ? static_cast<double>(events) / seconds : 0; }
  double apply_ratio() const { return apply_seconds > 0 ? replace_seconds / apply_seconds : 0; }
  double per_changed_gb(double seconds) const {
    return seconds / (static_cast<double>(events) * static_cast<double>(shape.document_bytes) / 1e9);
  }
  double per_gb(double seconds) const { return seconds / (static_cast<double>(shape.bytes()) / 1e9); }
  double cores_per_gb() const { return per_gb(engine_core_seconds); }
  double server_cores_per_gb() const { return per_gb(all_core_seconds - engine_core_seconds); }
  double engine_share() const { return all_core_seconds > 0 ? engine_core_seconds / all_core_seconds : 0; }
};

struct Servers {
  std::optional<cli::DemoSandbox> source_sandbox, destination_sandbox;
  std::string source, destination;
  double core_seconds() const {
    return (source_sandbox ? bench::core_seconds(source_sandbox->pid()) : 0) +
           (destination_sandbox ? bench::core_seconds(destination_sandbox->pid()) : 0);
  }
};

std::optional<std::int64_t> parse_size(const std::string& text) {
  static const std::map<std::string, std::int64_t> kUnits = {{"", 1}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}};
  std::size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  const auto unit = kUnits.find(text.substr(used));
  if (unit == kUnits.end() || number <= 0) return std::nullopt;
  return static_cast<std::int64_t>(number * static_cast<double>(unit->second));
}

Result<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--json") {
      options.json = true;
      continue;
    }
    if (i + 1 == argc) return fail(ErrorCode::kUsage, fmt::format("{}: not an option, or its value is missing", name));
    const std::string value = argv[++i];
    if (name == "--size" && parse_size(value)) options.bytes = *parse_size(value);
    else if (name == "--source") options.source = value;
    else if (name == "--destination") options.destination = value;
    else if (name == "--server-version") options.version = value;
    else if (name == "--only" && (value == "sandbox" || value == "migration" || value == "replies")) options.only = value;
    else if (name == "--figure") options.figure = value;
    else if (name == "--shape") options.shape = value;
    else return fail(ErrorCode::kUsage, fmt::format("{} {}: not an option, or not a value of it (500MB, 2GB)", name, value));
  }
  if (options.source.empty() != options.destination.empty()) return fail(ErrorCode::kUsage, "--source and --destination go together");
  return options;
}

double seconds_since(Clock::time_point begun) { return std::chrono::duration<double>(Clock::now() - begun).count(); }

// Until the servers have merged and removed what earlier steps left, so that none is charged for another's.
void settle(const Servers& servers) {
  constexpr auto kLook = std::chrono::milliseconds(500);
  constexpr double kIdle = 0.05;  // core-seconds in a look
  constexpr int kMostLooks = 240;
  double before = -1;
  for (int quiet = 0, look = 0; quiet < 2 && look < kMostLooks && servers.source_sandbox; ++look) {
    const auto now = servers.core_seconds();
    quiet = before >= 0 && now - before < kIdle ? quiet + 1 : 0;
    before = now;
    std::this_thread::sleep_for(kLook);
  }
}

// Removes what a shape left on the destination.
Status clear(const Servers& servers) {
  for (const char* db : {kDatabase, kCeilingDatabase}) TRY(drop_database(servers.destination, db));
  settle(servers);
  return {};
}

Result<Figures> measure(const Shape& shape, const Servers& servers, const cli::DemoDirectory& directory) {
  Figures figures{.shape = shape};
  fmt::print(stderr, "{}: {} documents, {}\n", shape.name, shape.documents, terminal::format_bytes(static_cast<double>(shape.bytes())));
  TRY_WITH(insert_all(servers.source, kDatabase, shape), "loading the source");
  settle(servers);
  figures.scan_seconds = TRY_WITH(scan_all(servers.source, shape), "the scan ceiling");
  figures.insert_seconds = TRY_WITH(insert_all(servers.destination, kCeilingDatabase, shape), "the insert ceiling");
  TRY(clear(servers));
  const auto both_before = servers.core_seconds();
  figures.both_seconds = TRY_WITH(scan_and_insert_all(servers.source, servers.destination, kCeilingDatabase, shape), "scanning and inserting at once");
  figures.both_server_core_seconds = servers.core_seconds() - both_before;
  settle(servers);
  figures.events = std::min(shape.documents, kMostEvents);
  // Replaced by what it is already, a document is not written: each is made to differ first.
  TRY_WITH(update_all(servers.destination, kCeilingDatabase, shape, figures.events), "changing what is to be replaced");
  settle(servers);
  const auto replace_before = servers.core_seconds();
  figures.replace_seconds = TRY_WITH(replace_all(servers.source, servers.destination, shape, figures.events), "the replace ceiling");
  figures.replace_server_core_seconds = servers.core_seconds() - replace_before;
  TRY(clear(servers));

  const auto servers_before = servers.core_seconds();
  auto engine = TRY(EngineRun::start(directory, servers.source, servers.destination, fmt::format("{}.{}", kDatabase, shape.collection)));
  figures.copy_seconds = TRY_WITH(engine.await_copy(), "the copy");
  figures.engine_core_seconds = core_seconds(engine.pid());
  figures.all_core_seconds = figures.engine_core_seconds + servers.core_seconds() - servers_before;

  const auto applied_before = engine.events();
  engine.hold();
  const auto updated = update_all(servers.source, kDatabase, shape, figures.events);
  settle(servers);
  engine.go_on();
  TRY_WITH(updated, "changing the source");
  const auto apply_before = servers.core_seconds(), engine_before = core_seconds(engine.pid());
  const auto begun = Clock::now();
  TRY_WITH(engine.await_events(applied_before + figures.events), "applying");
  figures.apply_seconds = seconds_since(begun);
  figures.apply_server_core_seconds = servers.core_seconds() - apply_before;
  figures.apply_engine_core_seconds = core_seconds(engine.pid()) - engine_before;
  figures.peak_bytes = peak_memory_bytes(engine.pid());
  engine.end();
  TRY(clean_up(directory));
  TRY(clear(servers));
  TRY(drop_database(servers.source, kDatabase));
  return figures;
}

void print_table(const std::vector<Figures>& all) {
  fmt::print("\n{:<8} {:>8} {:>8} {:>8} {:>8} {:>6} {:>7}  {:>9} {:>9} {:>6}  {:>6} {:>6} {:>7} {:>7} {:>9}\n", "", "scan", "insert", "both",
             "copy", "ratio", "of both", "replace", "apply", "ratio", "engine", "share", "servers", "in both", "peak");
  fmt::print("{:<8} {:>8} {:>8} {:>8} {:>8} {:>6} {:>7}  {:>9} {:>9} {:>6}  {:>6} {:>6} {:>7} {:>7}\n", "", "MB/s", "MB/s", "MB/s", "MB/s", "",
             "", "events/s", "events/s", "", "core-s", "", "/GB", "/GB");
  for (const auto& f : all)
    fmt::print("{:<8} {:>8.1f} {:>8.1f} {:>8.1f} {:>8.1f} {:>6.2f} {:>7.2f}  {:>9.0f} {:>9.0f} {:>6.2f}  {:>6.1f} {:>5.0f}% {:>7.1f} {:>7.1f} {:>9}\n", f.shape.name,
               f.rate(f.scan_seconds), f.rate(f.insert_seconds), f.rate(f.both_seconds), f.rate(f.copy_seconds), f.copy_ratio(), f.both_ratio(),
               f.apply_rate(f.replace_seconds), f.apply_rate(f.apply_seconds), f.apply_ratio(), f.cores_per_gb(), 100 * f.engine_share(),
               f.server_cores_per_gb(), f.per_gb(f.both_server_core_seconds), terminal::format_bytes(static_cast<double>(f.peak_bytes)));
  fmt::print("\n{:<8} {:>16} {:>16} {:>16}\n{:<8} {:>16} {:>16} {:>16}\n", "", "replace: servers", "apply: servers", "engine", "", "core-s/GB",
             "core-s/GB", "core-s/GB");
  for (const auto& f : all)
    fmt::print("{:<8} {:>16.1f} {:>16.1f} {:>16.1f}\n", f.shape.name, f.per_changed_gb(f.replace_server_core_seconds),
               f.per_changed_gb(f.apply_server_core_seconds), f.per_changed_gb(f.apply_engine_core_seconds));
  fmt::print("\nscan, insert, both (at once), replace: ceilings, plain loops over the driver. ratio: copy to the lower of scan and\n"
             "insert, apply to replace; of both: copy to both at once, the ceiling when the two servers share the machine.\n"
             "core-s/GB: the engine's while copying, its share of all core-seconds, and both servers', beside what they need for scanning\n"
             "and inserting at once. Below, of a GB of documents replaced, or changed and applied.\n");
}

Json to_json(const Figures& f) {
  return Json(Json::Object{{"shape", f.shape.name},
                           {"documents", f.shape.documents},
                           {"bytes", f.shape.bytes()},
                           {"scanMBps", f.rate(f.scan_seconds)},
                           {"insertMBps", f.rate(f.insert_seconds)},
                           {"scanAndInsertMBps", f.rate(f.both_seconds)},
                           {"copyMBps", f.rate(f.copy_seconds)},
                           {"copyDocumentsPerSecond", f.copy_seconds > 0 ? static_cast<double>(f.shape.documents) / f.copy_seconds : 0},
                           {"copyRatio", f.copy_ratio()},
                           {"replaceEventsPerSecond", f.apply_rate(f.replace_seconds)},
                           {"applyEventsPerSecond", f.apply_rate(f.apply_seconds)},
                           {"applyRatio", f.apply_ratio()},
                           {"replaceServerCoreSecondsPerGB", f.per_changed_gb(f.replace_server_core_seconds)},
                           {"applyServerCoreSecondsPerGB", f.per_changed_gb(f.apply_server_core_seconds)},
                           {"applyEngineCoreSecondsPerGB", f.per_changed_gb(f.apply_engine_core_seconds)},
                           {"engineCoreSecondsPerGB", f.cores_per_gb()},
                           {"engineShareOfCoreSeconds", f.engine_share()},
                           {"serverCoreSecondsPerGB", f.server_cores_per_gb()},
                           {"scanAndInsertServerCoreSecondsPerGB", f.per_gb(f.both_server_core_seconds)},
                           {"peakMemoryBytes", f.peak_bytes}});
}

void print_speed(const std::vector<SpeedFigure>& figures) {
  fmt::print("\n{:<42} {:>12} {:>12} {:>6} {:>14}\n", "", "per second", "MongoDB", "ratio", "server core-us");
  for (const auto& f : figures)
    fmt::print("{:<42} {:>12.0f} {:>12} {:>6} {:>14.2f}\n", f.name, f.rate(), f.reference > 0 ? fmt::format("{:.0f}", f.reference) : "-",
               f.reference > 0 ? fmt::format("{:.2f}", f.rate() / f.reference) : "-", f.server_micros());
  fmt::print("\nMongoDB: 4.4.1, one member, measured on another machine of two cores. core-us: CPU of the server for each.\n");
}

Json to_json(const SpeedFigure& f) {
  return Json(Json::Object{{"figure", f.key},
                           {"operations", f.operations},
                           {"perSecond", f.rate()},
                           {"referencePerSecond", f.reference},
                           {"serverMicros", f.server_micros()}});
}

// The sandbox alone, in a process of its own that ends before the migration is measured.
Result<std::vector<SpeedFigure>> run_sandbox(const Options& options, const cli::DemoDirectory& directory, Runtime& runtime,
                                             const std::stop_token& stop) {
  const auto documents = std::min(kMostSmallDocuments, options.bytes / kBytesOfSmall);
  if (!options.source.empty()) return measure_sandbox(options.source, documents, 0, options.figure);
  const auto version = options.version.empty() ? "4.4" : options.version;
  const auto server = TRY(cli::DemoSandbox::start(directory, "sandbox", version, runtime, stop, DROVER_PROGRAM));
  return measure_sandbox(server.engine_uri(), documents, server.pid(), options.figure);
}

Result<std::vector<Figures>> run_migration(const Options& options, const cli::DemoDirectory& directory, Runtime& runtime,
                                           const std::stop_token& stop) {
  Servers servers{.source = options.source, .destination = options.destination};
  if (options.source.empty()) {
    const auto version = options.version.empty() ? "8.0" : options.version;
    servers.source_sandbox.emplace(TRY(cli::DemoSandbox::start(directory, "source", version, runtime, stop, DROVER_PROGRAM)));
    servers.destination_sandbox.emplace(TRY(cli::DemoSandbox::start(directory, "destination", version, runtime, stop, DROVER_PROGRAM)));
    servers.source = servers.source_sandbox->engine_uri();
    servers.destination = servers.destination_sandbox->engine_uri();
  }
  std::vector<Figures> all;
  for (const auto& shape : shapes(options.bytes)) {
    if (stop.stop_requested()) return fail(ErrorCode::kInterrupted, "stopped");
    if (!options.shape.empty() && options.shape != shape.name) continue;
    all.push_back(TRY_WITH(measure(shape, servers, directory), shape.name));
  }
  return all;
}

Status run(int argc, char** argv) {
  const auto options = TRY(parse(argc, argv));
  const auto stop = cli::stop_on_signals();
  const auto runtime = make_real_runtime();
  const auto directory = TRY(cli::DemoDirectory::create());
  Json::Object result{{"bytes", options.bytes}};
  if (options.only.empty() || options.only == "replies") {
    const auto costs = TRY_WITH(measure_replies(), "replies");
    Json::Array array;
    for (const auto& cost : costs) {
      fmt::print("looking at replies of {:<9} {:>6.3f} core-s/GB\n", cost.shape, cost.core_seconds_per_gb);
      array.push_back(Json(Json::Object{{"shape", cost.shape}, {"coreSecondsPerGB", cost.core_seconds_per_gb}}));
    }
    result.emplace_back("replies", Json(std::move(array)));
  }
  if (options.only.empty() || options.only == "sandbox") {
    const auto figures = TRY_WITH(run_sandbox(options, directory, *runtime, stop), "the sandbox");
    print_speed(figures);
    Json::Array array;
    for (const auto& figure : figures) array.push_back(to_json(figure));
    result.emplace_back("sandbox", Json(std::move(array)));
  }
  if (options.only.empty() || options.only == "migration") {
    const auto figures = TRY(run_migration(options, directory, *runtime, stop));
    print_table(figures);
    Json::Array array;
    for (const auto& figure : figures) array.push_back(to_json(figure));
    result.emplace_back("shapes", Json(std::move(array)));
  }
  if (options.json) fmt::print("{}\n", Json(std::move(result)).dump());
  return {};
}

}  // namespace
}  // namespace drover::bench

int main(int argc, char** argv) {
  ::setenv("MONGOC_DISABLE_SHM", "1", 0);  // its counters would outlive a killed run and be in the way of the next with the same id
  mongoc_init();
  const auto status = drover::bench::run(argc, argv);
  mongoc_cleanup();
  if (status) return 0;
  fmt::print(stderr, "bench: {}\n", status.error().message);
  return drover::exit_code(status.error().code);
}
