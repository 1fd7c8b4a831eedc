#include "sandbox/commands/expired_images.h"

#include "sandbox/commands/fsync_lock.h"
#include "sandbox/commands/support.h"
#include "sandbox/storage/side_collections.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

namespace {

// Removed in one unit.
constexpr std::size_t kUnit = 500;

struct Limits {
  bson::Timestamp oldest_entry;
  std::optional<std::int64_t> written_before;  // milliseconds

  bool have_expired(bson::View image) const {
    const auto entry = image.at_path("_id.ts").to_timestamp();
    if (entry && *entry < oldest_entry) return true;
    const auto written = image["operationTime"];
    return written_before && written.type() == bson::Type::kDateTime && written.date_value().millis < *written_before;
  }
};

// True when there may be more, and writes are not locked. Images stand in the order of their entries: the first that stays ends the pass.
Result<bool> delete_some(Engine& engine, const Limits& limits) {
  auto unit = begin_own_unit(engine);
  if (!unit) return false;
  const auto collection = unit->catalog().find(pre_images_namespace());
  if (!collection) return false;
  std::vector<std::pair<RecordId, bson::Document>> expired;
  RecordCursor images(*unit, *collection);
  while (expired.size() < kUnit) {
    const auto image = TRY(images.next());
    if (!image || !limits.have_expired(*image)) break;
    expired.emplace_back(images.id(), *image);
  }
  if (expired.empty()) return false;
  unit->set_replicated(false);
  for (const auto& [id, image] : expired) TRY(unit->remove(collection, id, image));
  TRY(unit->commit());
  return expired.size() == kUnit;
}

}  // namespace

Status delete_expired_images(Services& services, const std::stop_token& stop) {
  auto& engine = services.engine;
  if (services.settings.version < kPreImagesSince) return {};
  Limits limits{.oldest_entry = engine.oldest_oplog_time(), .written_before = {}};
  const auto lifetime = TRY(pre_image_lifetime(*make_reader(engine, engine.view())));
  if (lifetime) limits.written_before = wall_millis(services.runtime) - std::chrono::duration_cast<std::chrono::milliseconds>(*lifetime).count();
  while (!stop.stop_requested() && TRY(delete_some(engine, limits))) {
  }
  return {};
}

}  // namespace drover::sandbox
