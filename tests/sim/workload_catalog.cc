// The administrator of Workload: catalog changes on the source.
#include <fmt/format.h>

#include "bson/builder.h"
#include "workload.h"

namespace drover::sim {

using std::chrono::milliseconds;
using Form = SimCluster::Form;

void Workload::change_catalog() {
  int done = 0;
  while (pause(done < 12 ? milliseconds(700) : 20 * rest())) {
    if (left_source_ || destination_open_ || !source_.enter_user_write()) continue;
    ++inside_source_;
    draw_catalog_change();
    source_.leave_user_write();
    --inside_source_;
    scheduler_.wake(this);
    ++done;
  }
}

bson::Document Workload::draw_options() {
  auto& random = scheduler_.random();
  switch (random.below(5)) {
    case 0: {
      bson::Builder out;
      out.append("validator", bson::make_document({{"v", bson::make_document({{"$exists", true}})}}));
      out.append("validationLevel", "off");
      return std::move(out).finish();
    }
    case 1:
      if (random.coin()) {
        bson::Builder spec;
        spec.append("locale", "en").append("strength", 2);
        auto collator = bson::Collator::open(std::move(spec).finish());
        if (!collator) return bson::Document();
        bson::Builder out;
        out.append("collation", (*collator)->spec());
        return std::move(out).finish();
      }
      return bson::Document();
    default: return bson::Document();
  }
}

bson::Document Workload::draw_index() {
  auto& random = scheduler_.random();
  if (options_.unique_indexes && random.below(3) != 0) return unique_index();
  bson::Builder out;
  const std::string field = random.coin() ? "v" : "w";
  out.append("v", 2).append("key", bson::make_document({{field, random.coin() ? 1 : -1}})).append("name", field + "_x");
  return std::move(out).finish();
}

bson::Document Workload::unique_index() const {
  bson::Builder out;
  out.append("v", 2).append("unique", true).append("key", bson::make_document({{"u", 1}})).append("name", "u_1");
  out.append("sparse", true);
  return std::move(out).finish();
}

void Workload::draw_catalog_change() {
  auto& random = scheduler_.random();
  if (!source_.has_primary()) return;
  const auto existing = draw_existing(source_);
  const Namespace fresh{random.coin() ? "app" : "shop", fmt::format("c{}", random.below(6))};
  Status status;
  switch (random.below(13)) {
    case 0: status = source_.create(fresh, draw_options(), nullptr); break;
    case 1:
      if (existing) status = source_.drop(*existing);
      break;
    case 2:
      if (existing) {
        (void)source_.drop(*existing);
        status = source_.create(*existing, draw_options(), nullptr);
      }
      break;
    case 3:
      if (existing) status = source_.rename(*existing, {existing->db, fresh.collection}, false);
      break;
    case 4:
      if (existing) status = source_.rename(*existing, {existing->db, fresh.collection}, true);
      break;
    case 5:
    case 6:
      if (existing) status = source_.create_index(*existing, draw_index(), true);
      break;
    case 7:
      if (existing) {
        const auto& indexes = source_.store().find(*existing)->info.indexes;
        if (indexes.size() > 1) {
          status = source_.drop_index(*existing, std::string(*indexes.back()["name"].to_string_view()));
        }
      }
      break;
    case 8:
      if (existing && random.coin()) {
        const auto& indexes = source_.store().find(*existing)->info.indexes;
        if (indexes.size() < 2) break;
        bson::Builder index;
        index.append("name", *indexes.back()["name"].to_string_view()).append("hidden", random.coin());
        status = source_.coll_mod(*existing, bson::make_document({{"index", std::move(index).finish()}}));
      } else if (existing) {
        status = source_.coll_mod(*existing, bson::make_document({{"validationLevel", random.coin() ? "off" : "strict"}}));
      }
      break;
    case 9: {
      const Namespace view{fresh.db, "a_view"};
      if (source_.store().find(view) == nullptr) {
        status = source_.create(view, bson::make_document({{"viewOn", fresh.collection}, {"pipeline", bson::ArrayView{bson::View()}}}),
                                nullptr);
      } else if (random.coin()) {
        status = source_.coll_mod(view, bson::make_document({{"viewOn", fresh.collection}}));
      } else {
        status = source_.drop(view);
      }
      break;
    }
    case 10:
      if (random.below(3) == 0) source_.drop_database(fresh.db);
      break;
    case 11: out_stage(); break;
    default: rename_across(); break;
  }
  if (status) ++catalog_changes_;
}

// $out: a temporary collection is filled and renamed over the target.
void Workload::out_stage() {
  auto& random = scheduler_.random();
  const auto target = draw_existing(source_);
  if (!target) return;
  const Namespace temporary{target->db, fmt::format("tmp.agg_out.{}", ++serial_)};
  if (!source_.create(temporary, bson::View(), nullptr)) return;
  for (std::uint64_t i = random.below(8); i-- > 0;) {
    if (random.below(3) == 0) scheduler_.sleep_for(milliseconds(random.below(20)));
    const auto writes = draw_write(source_, temporary);
    if (!writes.empty() && writes[0].kind == Write::Kind::kInsert) (void)commit(source_, writes, Form::kEach);
  }
  if (!source_.has_primary() || !source_.rename(temporary, *target, true)) (void)source_.drop(temporary);
}

// A rename into another database: copied there under a temporary name, renamed, and the old one dropped.
void Workload::rename_across() {
  const auto from = draw_existing(source_);
  if (!from) return;
  const std::string other = from->db == "app" ? "shop" : "app";
  const Namespace temporary{other, fmt::format("tmp{}.renameCollection", ++serial_)};
  const auto info = source_.store().find(*from)->info;
  if (!source_.create(temporary, info.options, nullptr)) return;
  for (std::size_t i = 1; i < info.indexes.size(); ++i) (void)source_.create_index(temporary, info.indexes[i], true);
  const auto* copy = source_.store().find(temporary);
  if (copy == nullptr) return;
  for (const auto& document : source_.store().documents_at(info.uuid, source_.store().last())) {
    Write write;
    write.ns = temporary;
    write.uuid = copy->info.uuid;
    write.key = logical_key(*copy, (*document)["_id"]);
    write.document = document;
    if (!commit(source_, {write}, Form::kEach)) break;
  }
  (void)source_.rename(temporary, {other, from->collection}, true);
  (void)source_.drop(temporary);
  (void)source_.drop(*from);
}

}  // namespace drover::sim
