#include "preflight/removal.h"

#include "bson/builder.h"

namespace drover::preflight {
namespace {

Result<std::optional<Removal>> without_a_record(const LoadState& load) {
  if (!TRY(load("x_migration")).empty()) return std::optional<Removal>();
  bool rest = false;
  for (const auto* collection : {"x_catalog", "x_checkpoint", "x_cutover", "x_plans", "x_partitions", "x_hooks"})
    rest = rest || !TRY(load(collection)).empty();
  if (!rest) return std::optional<Removal>();
  Removal removal;
  removal.job = TRY(job_of_state(load));
  removal.committed = !TRY(load("x_hooks")).empty();  // it is written after the commit
  // Decided, and without x_migration: nobody can finish it any more, but the applications may be there.
  for (const auto& cutover : TRY(load("x_cutover"))) removal.committed |= cutover["step"].to_string_view() != std::string_view("intent");
  return std::optional(std::move(removal));
}

}  // namespace

std::optional<Removal> removal_in(bson::View owner) {
  const auto removing = owner["removing"].to_document();
  if (!removing) return std::nullopt;
  return Removal{std::string((*removing)["job"].to_string_view().value_or("")), (*removing)["committed"].is_truthy(), true};
}

bson::Document to_document(const Removal& removal) { return bson::make_document({{"job", removal.job}, {"committed", removal.committed}}); }

Result<std::optional<Removal>> unfinished_removal(const LoadState& load) {
  for (const auto& owner : TRY(load("x_owner")))
    if (auto removal = removal_in(owner)) return removal;
  return without_a_record(load);
}

Result<std::string> job_of_state(const LoadState& load) {
  std::string job;
  for (const auto& control : TRY(load("x_control"))) job = job_in(control);
  return job;
}

std::string job_in(bson::View control) { return std::string(control["job"].to_string_view().value_or("")); }

}  // namespace drover::preflight
