// Work of many units, and what is left of it when nobody carries it on any more: see Engine::carry_on.
#include <algorithm>
#include <utility>

#include "sandbox/storage/engine_impl.h"

namespace drover::sandbox {

namespace {

// What a $out had not finished when the server ended, or when its command could not drop it.
bool is_abandoned_output(const Engine& engine, const CollectionInfo& collection) {
  const auto& name = collection.ns.collection;
  if (!name.starts_with(kUnfinishedOutput) || !collection.options["temp"].is_truthy()) return false;
  const auto work = Uuid::parse(std::string_view(name).substr(kUnfinishedOutput.size()));
  return !work || !engine.is_carried_on(*work);
}

bool has_abandoned(const Engine& engine, const CollectionInfo& collection) {
  const auto is_abandoned = [&](const auto& index) { return !index->ready && !engine.is_carried_on(index->build); };
  return is_abandoned_output(engine, collection) || std::ranges::any_of(collection.indexes, is_abandoned);
}

}  // namespace

Result<bool> Engine::tidy(WriteUnit& unit) const {
  bool is_held = false;
  for (const auto& collection : unit.catalog().all()) {
    if (!has_abandoned(*this, *collection)) continue;
    const auto kept = TRY(unit.abort_abandoned_builds(collection));
    if (!is_abandoned_output(*this, *kept)) continue;
    const auto dropped = unit.drop_collection(kept);
    if (!dropped && dropped.error().server_code != code::kWriteConflict) return tl::unexpected(dropped.error());
    is_held |= !dropped;
  }
  return is_held;
}

std::unique_ptr<CarriedWork> Engine::carry_on(const Uuid& work) {
  std::unique_ptr<CarriedWork> carried(new CarriedWork(*this, work));
  std::lock_guard lock(impl_->state);
  impl_->carried[work];
  return carried;
}

bool Engine::is_carried_on(const Uuid& work) const {
  std::lock_guard lock(impl_->state);
  return impl_->carried.contains(work);
}

CarriedWork::~CarriedWork() {
  std::lock_guard lock(engine_.impl_->state);
  engine_.impl_->carried.erase(work_);
  engine_.impl_->some_left = true;
}

std::optional<Error> CarriedWork::aborted() const {
  std::lock_guard lock(engine_.impl_->state);
  const auto at = engine_.impl_->carried.find(work_);
  return at == engine_.impl_->carried.end() ? std::nullopt : at->second;
}

void Engine::Impl::note_aborted(const Uuid& build, const Error& cause) {
  std::lock_guard lock(state);
  if (const auto at = carried.find(build); at != carried.end()) at->second = cause;
}

Status Engine::tidy_abandoned() {
  CatalogPtr catalog;
  {
    std::lock_guard lock(impl_->state);
    if (!std::exchange(impl_->some_left, false)) return {};
    catalog = impl_->catalog;
  }
  const auto collections = catalog->all();
  if (std::ranges::none_of(collections, [&](const auto& collection) { return has_abandoned(*this, *collection); })) return {};
  const auto tidied = [&]() -> Result<bool> {
    auto unit = begin_write();
    if (impl_->write_locks > 0) return true;
    const bool is_held = TRY(tidy(*unit));
    TRY(unit->commit());
    return is_held;
  }();
  if (!tidied || *tidied) {
    std::lock_guard lock(impl_->state);
    impl_->some_left = true;
  }
  return tidied.map([](bool) {});
}

}  // namespace drover::sandbox
