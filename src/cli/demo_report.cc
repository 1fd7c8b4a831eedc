#include "cli/demo_report.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/format_count.h"
#include "terminal/format.h"

namespace drover::cli {
namespace {

using terminal::format_bytes;

double number(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  if (value == nullptr) return 0;
  if (const auto* integer = value->as_int()) return static_cast<double>(*integer);
  return value->as_double() ? *value->as_double() : 0;
}

std::string count(const Json& object, std::string_view key) { return format_count(static_cast<std::uint64_t>(number(object, key))); }

Json kills_json(const std::vector<EngineKill>& kills) {
  Json::Array array;
  for (const auto& kill : kills)
    array.push_back(Json(Json::Object{{"phase", kill.phase}, {"atMs", kill.at_ms}, {"batchesInFlight", kill.batches_in_flight}}));
  return Json(std::move(array));
}

std::size_t steps(const Json& control_plane) {
  const auto* all = control_plane.find("steps");
  return all != nullptr && all->as_array() != nullptr ? all->as_array()->size() : 0;
}

bool is_equal(const Json& verification) {
  const auto* equal = verification.find("equal");
  return equal != nullptr && equal->as_bool() != nullptr && *equal->as_bool();
}

}  // namespace

std::string demo_table(const DemoReport& report) {
  std::string out;
  const auto row = [&](std::string_view name, const std::string& text) { out += fmt::format("  {:<28} {}\n", name, text); };
  const auto seconds = number(report.engine, "copySeconds");
  const auto documents = number(report.engine, "documents"), bytes = number(report.engine, "bytes");
  out += "\nThe migration\n";
  row("source", report.source);
  row("destination", report.destination);
  row("loaded", fmt::format("{} documents, {} in {:.1f} s", format_count(report.loaded_documents),
                            format_bytes(static_cast<double>(report.loaded_bytes)), report.load_seconds));
  row("copied", fmt::format("{}{} in {:.1f} s{}", documents > 0 ? format_count(static_cast<std::uint64_t>(documents)) + " documents, " : "",
                            format_bytes(bytes), seconds, seconds > 0 ? fmt::format(" ({}/s)", format_bytes(bytes / seconds)) : ""));
  row("changes followed", count(report.engine, "changeEventsApplied"));
  row("lag", fmt::format("at most {:.1f} s", report.max_lag_seconds));
  for (const auto& kill : report.kills)
    row("engine killed", fmt::format("in {} after {:.1f} s, {} batches in flight", kill.phase, static_cast<double>(kill.at_ms) / 1000, kill.batches_in_flight));
  if (!report.control_plane.is_null()) {
    row("ready for cutover", fmt::format("{:.1f} s after the start", number(report.control_plane, "readyAfterSeconds")));
    row("steps", fmt::format("{}, each as by hand", steps(report.control_plane)));
  }
  const bool killed_there = std::any_of(report.kills.begin(), report.kills.end(), [](const auto& kill) { return kill.phase == "cutover"; });
  row("writes unavailable",
      report.write_unavailable_millis ? fmt::format("{} ms{}", std::llround(*report.write_unavailable_millis),
                                                    killed_there ? ", with an engine killed in its cutover and started again" : "")
                                      : "not known");
  out += "\nThe application's writes, acknowledged\n";
  std::int64_t total = 0;
  for (const auto& kind : report.writes) {
    row(kind.name, format_count(static_cast<std::uint64_t>(kind.count)));
    total += kind.count;
  }
  row("in all", format_count(static_cast<std::uint64_t>(total)));
  if (report.repeats > 0) row("repeated for want of answer", format_count(static_cast<std::uint64_t>(report.repeats)));
  out += "\nThe proof\n";
  row("verify", fmt::format("{}: {} documents in {} collections compared", is_equal(report.verification) ? "equal" : "DIFFERENT",
                            count(report.verification, "documents"), count(report.verification, "collections")));
  row("ledgers of the writers", report.ledger_differences == 0
                                    ? fmt::format("all {} documents are on the destination as acknowledged", format_count(report.ledger_documents))
                                    : fmt::format("{} of {} documents DIFFER", format_count(report.ledger_differences), format_count(report.ledger_documents)));
  return out;
}

Json unfinished_engine(const Json& last, const Json& progress, double max_lag_seconds) {
  if (const auto* fields = last.as_object()) {
    Json::Object out;
    for (const auto& field : *fields)
      if (field.first != "error") out.push_back(field);  // the demo has its own
    return Json(std::move(out));
  }
  if (progress.as_object() == nullptr) return {};
  const auto known = [&](std::string_view key) {
    const auto* value = progress.find(key);
    return value != nullptr ? *value : Json();
  };
  return Json(Json::Object{{"state", known("state")},
                           {"documents", known("documents")},
                           {"bytes", known("bytes")},
                           {"copySeconds", Json()},
                           {"changeEventsApplied", known("changeEventsApplied")},
                           {"maxLagSeconds", max_lag_seconds},
                           {"finalLagSeconds", known("lagSeconds")},
                           {"writeUnavailableMillis", Json()},
                           {"restarts", known("restarts")},
                           {"kills", Json::Array{}},
                           {"verification", Json()}});
}

Json demo_json(const DemoReport& report) {
  Json::Object out;
  if (const auto* engine = report.engine.as_object()) out = *engine;
  const auto set = [&](std::string_view key, Json value) {
    const auto found = std::find_if(out.begin(), out.end(), [&](const auto& field) { return field.first == key; });
    if (found != out.end()) found->second = std::move(value);
    else out.emplace_back(std::string(key), std::move(value));
  };
  set("maxLagSeconds", std::max(report.max_lag_seconds, number(report.engine, "maxLagSeconds")));
  const auto pause = report.write_unavailable_millis;
  set("writeUnavailableMillis", pause ? Json(static_cast<std::int64_t>(std::llround(*pause))) : Json());
  set("kills", kills_json(report.kills));
  Json::Object verification;
  for (const char* key : {"equal", "collections", "documents", "mismatches"}) {
    const auto* value = report.verification.find(key);
    verification.emplace_back(key, value != nullptr ? *value : Json());
  }
  set("verification", report.verification.is_null() ? Json() : Json(std::move(verification)));
  Json::Object writes;
  for (const auto& kind : report.writes) writes.emplace_back(kind.name, kind.count);
  set("writes", Json(std::move(writes)));
  const bool compared = report.ledger_documents > 0;
  set("ledger", compared ? Json(Json::Object{{"documents", report.ledger_documents}, {"differences", report.ledger_differences}}) : Json());
  if (!report.control_plane.is_null()) set("controlPlane", report.control_plane);
  return Json(std::move(out));
}

}  // namespace drover::cli
