#include "workload.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "bson/builder.h"
#include "bson/key_string.h"

namespace drover::sim {

using std::chrono::milliseconds;
using Form = SimCluster::Form;

WorkloadOptions WorkloadOptions::draw(Random& random) {
  WorkloadOptions options;
  options.writers = static_cast<int>(random.between(1, 4));
  options.collections = static_cast<int>(random.between(1, 4));
  options.ids = static_cast<int>(random.pick(std::vector<int>{4, 12, 40, 90}));
  options.documents = static_cast<int>(random.below(options.ids * 3 / 2));
  options.busy_writes = static_cast<int>(random.pick(std::vector<int>{10, 60, 200}));
  options.pause = milliseconds(random.pick(std::vector<int>{1, 10, 60}));
  options.catalog_changes = random.below(3) != 0;
  options.unique_indexes = random.below(3) != 0;
  options.contended = options.unique_indexes && random.below(4) == 0;
  if (options.contended) {
    options.writers = 4;
    options.ids = random.coin() ? 5 : 12;
    options.busy_writes = 400;
    options.pause = milliseconds(random.pick(std::vector<int>{1, 4}));
  }
  return options;
}

void Workload::prepare() {
  for (int i = 0; i < options_.collections; ++i) {
    const Namespace ns{i % 2 == 0 ? "app" : "shop", fmt::format("c{}", i)};
    CHECK(source_.create(ns, draw_options(), nullptr).has_value(), "a first collection");
    for (int n = 0; n < options_.documents; ++n) {
      const auto writes = draw_write(source_, ns);
      if (!writes.empty()) (void)source_.write(writes, writes.size() > 1 ? Form::kTransaction : Form::kEach, true, {});
    }
    if (options_.contended) (void)source_.create_index(ns, unique_index(), true);
    const int indexes = static_cast<int>(source_.random().below(3));
    for (int n = 0; n < indexes; ++n) (void)source_.create_index(ns, draw_index(), true);
  }
  if (source_.random().coin()) {
    (void)source_.create({"app", "a_view"}, bson::make_document({{"viewOn", "c0"}, {"pipeline", bson::ArrayView{bson::View()}}}),
                         nullptr);
  }
}

void Workload::start() {
  const auto spawn = [this](std::string name, void (Workload::*body)()) {
    ++running_;
    scheduler_.spawn(std::move(name), nullptr, [this, body] {
      (this->*body)();
      --running_;
      scheduler_.wake(this);
    });
  };
  for (int i = 0; i < options_.writers; ++i) spawn(fmt::format("writer {}", i), &Workload::write_documents);
  if (options_.catalog_changes) spawn("administrator", &Workload::change_catalog);
}

void Workload::leave_source() {
  left_source_ = true;
  while (inside_source_ > 0) scheduler_.block("the users to leave the source", this);
}

void Workload::open_destination() { destination_open_ = true; }

void Workload::stop() {
  stopped_ = true;
  while (running_ > 0) scheduler_.block("the users to end", this);
}

bool Workload::pause(milliseconds typical) {
  const auto micros = scheduler_.random().below(static_cast<std::uint64_t>(typical.count()) * 2000 + 1);
  scheduler_.sleep_for(std::chrono::microseconds(micros));
  return !stopped_;
}

// Users tire, so that even a slow destination catches up some time.
milliseconds Workload::rest() const {
  return milliseconds(300) + std::chrono::duration_cast<milliseconds>(scheduler_.now()) / 40;
}

void Workload::write_documents() {
  int done = 0;
  while (pause(done < options_.busy_writes ? options_.pause : rest())) {
    SimCluster* cluster = destination_open_ ? &destination_ : left_source_ ? nullptr : &source_;
    if (cluster == nullptr || !cluster->enter_user_write()) {
      pause(milliseconds(30));
      continue;
    }
    const bool source = cluster == &source_;
    if (source) ++inside_source_;
    // A writer that passed the block's check and still writes.
    if (scheduler_.random().below(4) == 0) {
      scheduler_.sleep_for(milliseconds(scheduler_.random().below(scheduler_.random().below(8) == 0 ? 800 : 20)));
    }
    act(*cluster);
    cluster->leave_user_write();
    if (source) --inside_source_;
    scheduler_.wake(this);
    ++done;
  }
}

Namespace Workload::draw_collection(SimCluster& cluster) {
  if (const auto ns = draw_existing(cluster); ns && scheduler_.random().below(30) != 0) return *ns;
  return {scheduler_.random().coin() ? "app" : "shop", fmt::format("c{}", scheduler_.random().below(5))};
}

std::optional<Namespace> Workload::draw_existing(SimCluster& cluster) {
  std::vector<Namespace> there;
  for (const auto& [ns, entry] : cluster.store().catalog()) {
    if (!entry.info.is_view() && ns.db != kStateDatabase && !is_system_collection(ns.collection)) there.push_back(ns);
  }
  if (there.empty()) return std::nullopt;
  return scheduler_.random().pick(there);
}

void Workload::act(SimCluster& cluster) {
  if (!cluster.has_primary()) return;
  const auto ns = draw_collection(cluster);
  const auto* entry = cluster.store().find(ns);
  if (entry != nullptr && entry->info.is_view()) return;
  if (entry == nullptr && !cluster.create(ns, bson::View(), nullptr)) return;
  act_on(cluster, ns);
}

bool Workload::write_surely(SimCluster& cluster) {
  const auto ns = draw_existing(cluster);
  if (!ns || !cluster.has_primary()) return false;
  const auto* entry = cluster.store().find(*ns);
  Write write;
  write.ns = *ns;
  write.uuid = entry->info.uuid;
  write.document = std::make_shared<const bson::Document>(bson::make_document({{"_id", 2'000'000 + ++serial_}}));
  write.key = logical_key(*entry, (*write.document)["_id"]);
  return commit(cluster, {write}, Form::kEach);
}

void Workload::act_on(SimCluster& cluster, const Namespace& ns) {
  switch (scheduler_.random().below(options_.contended ? 6 : 12)) {
    case 0: return transaction(cluster);
    case 1: return swap_unique(cluster, ns);
    case 2: return move_unique(cluster, ns);
    case 3: return reinsert(cluster, ns);
    default: break;
  }
  (void)commit(cluster, draw_write(cluster, ns), Form::kEach);
}

bool Workload::commit(SimCluster& cluster, const std::vector<Write>& writes, Form form) {
  if (writes.empty() || !cluster.has_primary()) return false;
  std::optional<EntrySession> session;
  if (scheduler_.random().coin()) {
    session.emplace();
    for (auto& byte : session->id.bytes) byte = static_cast<std::uint8_t>(scheduler_.random().next());
    session->txn_number = static_cast<std::int64_t>(scheduler_.random().below(100));
  }
  const bool done = cluster.write(writes, form, true, session).has_value();
  if (done) ++writes_;
  return done;
}

// One write that fits what is there: an insert, a field update, a replacement or a delete. Nothing when it does not fit.
std::vector<Write> Workload::draw_write(SimCluster& cluster, const Namespace& ns) {
  auto& random = scheduler_.random();
  const auto* entry = cluster.store().find(ns);
  if (entry == nullptr || entry->info.is_view()) return {};
  const auto id = ids_.draw(random);
  Write write;
  write.ns = ns;
  write.uuid = entry->info.uuid;
  write.key = logical_key(*entry, id.element());
  const auto before = cluster.store().latest(write.uuid, write.key);
  if (!before) {
    write.document = std::make_shared<const bson::Document>(draw_document(id, random, body(false)));
    return {write};
  }
  switch (random.below(5)) {
    case 0: {
      write.kind = Write::Kind::kDelete;
      bson::Builder change;
      change.append("_id", (*before)["_id"]);
      write.change = std::move(change).finish();
      return {write};
    }
    case 1: {
      const bson::Value own_id((*before)["_id"]);
      return {change_of(cluster, ns, *entry, *before, draw_document(own_id, random, body(!cluster.at_least(5))), true)};
    }
    case 2:
      return {change_of(cluster, ns, *entry, *before, with_field(*before, "u", draw_unique_value(random, body(false).unique_values)), false)};
    default: {
      const auto extra = draw_unique_value(random, 12);
      const char* field = random.below(4) == 0 ? "w" : "v";
      return {change_of(cluster, ns, *entry, *before, with_field(*before, field, extra), false)};
    }
  }
}

Write Workload::change_of(SimCluster& cluster, const Namespace& ns, const CatalogEntry& entry,
                          const bson::Document& before, bson::Document after, bool replacement) {
  Write write;
  write.kind = replacement ? Write::Kind::kReplace : Write::Kind::kUpdate;
  write.ns = ns;
  write.uuid = entry.info.uuid;
  write.key = logical_key(entry, before["_id"]);
  write.document = std::make_shared<const bson::Document>(std::move(after));
  const char* field = before["v"].exists() && (*write.document)["v"].exists() ? "v" : "_id";
  write.change = set_field_change(cluster.options().version, field, (*write.document)[field], false);
  return write;
}

void Workload::transaction(SimCluster& cluster) {
  auto& random = scheduler_.random();
  const auto size = 1 + random.below(random.below(4) == 0 ? 12 : 4);
  std::vector<Write> writes;
  std::vector<std::pair<Uuid, std::string>> seen;
  for (std::uint64_t i = 0; i < size; ++i) {
    const auto ns = draw_existing(cluster);
    if (!ns) return;
    for (auto& write : draw_write(cluster, *ns)) {
      const auto key = std::make_pair(write.uuid, write.key);
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
      seen.push_back(key);
      writes.push_back(std::move(write));
    }
  }
  const bool deletes_only = std::all_of(writes.begin(), writes.end(),
                                        [](const Write& write) { return write.kind == Write::Kind::kDelete; });
  if (!writes.empty() && random.below(4) == 0) {
    EntrySession session{{}, 1};
    for (auto& byte : session.id.bytes) byte = static_cast<std::uint8_t>(random.next());
    if (cluster.write_prepared(writes, session)) ++writes_;
    return;
  }
  auto form = size > 4 || random.below(4) == 0 ? Form::kChain : Form::kTransaction;
  if (deletes_only && cluster.at_least(7)) form = Form::kBatch;
  (void)commit(cluster, writes, form);
}

// d1.u: x → y and d2.u: y → x, through a value of neither: in one transaction, or write by write.
void Workload::swap_unique(SimCluster& cluster, const Namespace& ns) {
  auto& random = scheduler_.random();
  const auto* entry = cluster.store().find(ns);
  if (entry == nullptr) return;
  std::vector<DocumentPtr> holders;
  for (auto& document : cluster.store().documents_at(entry->info.uuid, cluster.store().last())) {
    if ((*document)["u"].exists()) holders.push_back(std::move(document));
  }
  if (holders.size() < 2) return;
  const auto first = random.pick(holders);
  const auto second = random.pick(holders);
  if (first == second) return;
  const bson::Value x((*first)["u"]);
  const bson::Value y((*second)["u"]);
  bson::Builder between;
  between.append("", 1'000'000 + ++serial_);
  const bson::Value neither(std::move(between).finish().view().first());
  const std::vector<Write> steps{
      change_of(cluster, ns, *entry, *first, with_field(*first, "u", neither), false),
      change_of(cluster, ns, *entry, *second, with_field(*second, "u", x), false),
      change_of(cluster, ns, *entry, *first, with_field(*first, "u", y), false),
  };
  if (random.coin()) {
    (void)commit(cluster, steps, random.coin() ? Form::kTransaction : Form::kChain);
    return;
  }
  for (const auto& step : steps) {
    const auto* still = cluster.store().find(step.uuid);
    if (still == nullptr || still->info.ns != ns || !cluster.store().latest(step.uuid, step.key)) return;
    if (!commit(cluster, {step}, Form::kEach)) return;
    if (random.below(3) == 0) scheduler_.sleep_for(std::chrono::microseconds(random.below(5'000)));
  }
}

// The value of one document moves to another: the old holder loses it by update or delete, the new one gets it at once.
void Workload::move_unique(SimCluster& cluster, const Namespace& ns) {
  auto& random = scheduler_.random();
  const auto* entry = cluster.store().find(ns);
  if (entry == nullptr) return;
  std::vector<DocumentPtr> holders;
  for (auto& document : cluster.store().documents_at(entry->info.uuid, cluster.store().last())) {
    if ((*document)["u"].exists()) holders.push_back(std::move(document));
  }
  if (holders.empty()) return;
  const auto from = random.pick(holders);
  const bson::Value value((*from)["u"]);
  std::vector<Write> steps;
  if (random.coin()) {
    steps.push_back(change_of(cluster, ns, *entry, *from, with_field(*from, "u", bson::Value()), false));
  } else {
    Write removal;
    removal.kind = Write::Kind::kDelete;
    removal.ns = ns;
    removal.uuid = entry->info.uuid;
    removal.key = logical_key(*entry, (*from)["_id"]);
    bson::Builder change;
    change.append("_id", (*from)["_id"]);
    removal.change = std::move(change).finish();
    steps.push_back(std::move(removal));
  }
  const auto id = ids_.draw(random);
  const auto key = logical_key(*entry, id.element());
  if (key == steps[0].key) return;
  const auto before = cluster.store().latest(entry->info.uuid, key);
  if (before) {
    steps.push_back(change_of(cluster, ns, *entry, *before, with_field(*before, "u", value), false));
  } else {
    Write insertion;
    insertion.ns = ns;
    insertion.uuid = entry->info.uuid;
    insertion.key = key;
    insertion.document = std::make_shared<const bson::Document>(with_field(draw_document(id, random, body(false)), "u", value));
    steps.push_back(std::move(insertion));
  }
  if (random.coin()) {
    (void)commit(cluster, steps, Form::kTransaction);
  } else if (commit(cluster, {steps[0]}, Form::kEach)) {
    (void)commit(cluster, {steps[1]}, Form::kEach);
  }
}

// Delete, and insert again under an equal _id of another numeric type.
void Workload::reinsert(SimCluster& cluster, const Namespace& ns) {
  auto& random = scheduler_.random();
  const auto* entry = cluster.store().find(ns);
  if (entry == nullptr) return;
  const auto id = ids_.draw(random);
  const auto key = logical_key(*entry, id.element());
  const auto before = cluster.store().latest(entry->info.uuid, key);
  if (!before) return;
  Write removal;
  removal.kind = Write::Kind::kDelete;
  removal.ns = ns;
  removal.uuid = entry->info.uuid;
  removal.key = key;
  bson::Builder change;
  change.append("_id", (*before)["_id"]);
  removal.change = std::move(change).finish();
  Write insertion;
  insertion.ns = ns;
  insertion.uuid = entry->info.uuid;
  insertion.key = key;
  insertion.document = std::make_shared<const bson::Document>(with_id(*before, id));
  if (random.coin()) {
    (void)commit(cluster, {removal, insertion}, Form::kTransaction);
  } else if (commit(cluster, {removal}, Form::kEach)) {
    if (random.coin()) (void)commit(cluster, {insertion}, Form::kEach);
  }
}

}  // namespace drover::sim
