// CatalogChanger, what concerns views.
#include "engine/catalog_changer.h"
#include "engine/mutants.h"
#include "engine/planner.h"
#include "engine/retry.h"
#include "engine/server_codes.h"

namespace drover::engine {
namespace {

std::optional<CollectionInfo> find_in(const std::vector<CollectionInfo>& infos, const Namespace& ns) {
  for (const auto& info : infos)
    if (info.ns == ns) return info;
  return std::nullopt;
}

}  // namespace

// By state: views hold no data, and every later change of them comes again.
Status CatalogChanger::synchronise_views(const std::string& db, const std::stop_token& stop) {
  if (mutant("views_ignored")) return {};
  const auto wanted = TRY(retry_temporary(runtime_, stop, [&] { return list_wanted(source_, db, filter_); }));
  const auto present = TRY(retry_temporary(runtime_, stop, [&] { return list_wanted(destination_, db, filter_); }));
  for (const auto& info : present) {
    if (!info.is_view()) continue;
    const auto same = find_in(wanted, info.ns);
    if (same && same->is_view() && same->options == info.options) continue;
    TRY(on_destination_.drop_view(info.ns, stop));
  }
  for (const auto& info : wanted) {
    if (!info.is_view()) continue;
    const auto same = find_in(present, info.ns);
    if (same && same->is_view() && same->options == info.options) continue;
    const Status created = on_destination_.create_view(info, stop);
    // Its name is still a collection's here: the drop, and then the view's own change, are on the way.
    if (!created && created.error().server_code != kServerNamespaceExists) return created;
  }
  return {};
}

}  // namespace drover::engine
