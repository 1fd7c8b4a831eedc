#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "bson/builder.h"
#include "bson/key_string.h"
#include "sim_deployment.h"
#include "workload.h"

namespace drover::sim {
namespace {

using bson::make_document;
using cluster::ReadAt;
using cluster::WriteContext;
using std::chrono::milliseconds;

const Namespace kNs{"app", "t"};
const WriteContext kFirst{Uuid{{1}}, 1};

struct World {
  Scheduler& scheduler;
  SimCluster& cluster;
  SimDeployment& deployment;
  Process& process;
};

void simulate(std::uint64_t seed, ClusterOptions options, const std::function<void(World&)>& body) {
  Scheduler::Options run;
  run.seed = seed;
  run.max_steps = 2'000'000;
  run.on_failure = [](const std::string& message) { throw std::runtime_error(message); };
  Scheduler scheduler(run);
  Process process{"p"};
  scheduler.run([&] {
    SimCluster cluster(scheduler, options);
    cluster.start();
    SimDeployment deployment(cluster, process, ErrorCode::kDestination, {});
    World world{scheduler, cluster, deployment, process};
    body(world);
    cluster.stop();
  });
}

bson::Document numbered(int id, int v) { return make_document({{"_id", id}, {"v", v}}); }

bson::Document array_of(const std::vector<bson::Document>& items) { return bson::make_array(items); }

std::size_t count(World& world) {
  const auto* entry = world.cluster.store().find(kNs);
  return entry == nullptr ? 0 : world.cluster.store().documents_at(entry->info.uuid, world.cluster.store().last()).size();
}

ClusterOptions faulty(const std::function<void(Faults&)>& set) {
  ClusterOptions options;
  options.faults.lag = milliseconds(5);
  set(options.faults);
  return options;
}

TEST(SimCluster, AnUnansweredCommandIsRepeatedWithoutHarm) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    simulate(seed, faulty([](Faults& faults) {
               faults.lost_request = faults.lost_reply = faults.late_request = 150'000;
               faults.duplicated = faults.partial_batch = 150'000;
             }),
             [&](World& world) {
               std::vector<bson::Document> items;
               for (int i = 0; i < 6; ++i) items.push_back(numbered(i, 1));
               const auto batch = array_of(items);
               for (;;) {
                 const auto reply = world.deployment.insert(kFirst, kNs, batch);
                 if (!reply) {
                   ASSERT_EQ(reply.error().code, ErrorCode::kTemporary) << reply.error().message;
                   ++lost;
                   continue;
                 }
                 EXPECT_EQ(reply->n, 6);
                 EXPECT_TRUE(reply->errors.empty());
                 break;
               }
               EXPECT_EQ(count(world), 6u);
             });
  }
  EXPECT_GT(lost, 0);
}

TEST(SimCluster, AnOlderNumberIsRefused) {
  simulate(1, {}, [](World& world) {
    ASSERT_TRUE(world.deployment.insert({Uuid{{1}}, 5}, kNs, array_of({numbered(1, 1)})));
    const auto refused = world.deployment.insert({Uuid{{1}}, 4}, kNs, array_of({numbered(2, 1)}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().server_code, 225);
    EXPECT_EQ(count(world), 1u);
  });
}

TEST(SimCluster, AFencedSessionIsShutOut) {
  simulate(1, {}, [](World& world) {
    ASSERT_TRUE(world.deployment.insert(kFirst, kNs, array_of({numbered(1, 1)})));
    ASSERT_TRUE(world.deployment.fence_session(kFirst.session));
    const auto late = world.deployment.insert({kFirst.session, 2}, kNs, array_of({numbered(2, 1)}));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().server_code, 225);
  });
}

TEST(SimCluster, ADuplicateIdIsRefusedByValue) {
  simulate(1, {}, [](World& world) {
    ASSERT_TRUE(world.deployment.insert(kFirst, kNs, array_of({numbered(1, 1)})));
    const auto reply = world.deployment.insert({kFirst.session, 2}, kNs,
                                               array_of({make_document({{"_id", 1.0}}), numbered(2, 2)}));
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->errors.size(), 1u);
    EXPECT_EQ(reply->errors[0].index, 0);
    EXPECT_EQ(reply->errors[0].code, 11000);
    EXPECT_EQ(reply->n, 1);
  });
}

TEST(SimCluster, UniqueIndexesAreEnforcedAndHoldersFound) {
  simulate(1, {}, [](World& world) {
    ASSERT_TRUE(world.deployment.create_collection(kNs, bson::View(), nullptr));
    const auto spec = make_document({{"v", 2}, {"unique", true}, {"key", make_document({{"v", 1}})}, {"name", "v_1"}});
    ASSERT_TRUE(world.deployment.create_indexes(kNs, std::vector<bson::Document>{spec}, {}));
    ASSERT_TRUE(world.deployment.insert(kFirst, kNs, array_of({numbered(1, 7)})));
    const auto refused = numbered(2, 7);
    const auto reply = world.deployment.insert({kFirst.session, 2}, kNs, array_of({refused}));
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->errors.size(), 1u);
    const auto holders = world.deployment.find_holders(kNs, spec, refused);
    ASSERT_TRUE(holders);
    ASSERT_EQ(holders->size(), 1u);
    EXPECT_EQ((*holders)[0].element().int32_value(), 1);
    // Removals first: both fit.
    std::vector<cluster::TransactionStatement> statements(2);
    statements[0].ns = statements[1].ns = kNs;
    statements[0].id = (*holders)[0];
    statements[1].kind = cluster::TransactionStatement::Kind::kInsert;
    statements[1].document = refused;
    EXPECT_TRUE(world.deployment.transaction({kFirst.session, 3}, statements));
    EXPECT_EQ(count(world), 1u);
    std::swap(statements[0], statements[1]);
    statements[0].document = numbered(3, 7);
    const auto failed = world.deployment.transaction({kFirst.session, 4}, statements);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().server_code, 11000);
    EXPECT_EQ(count(world), 1u);
  });
}

TEST(SimCluster, AMajorityScanSeesDocumentsAtDifferentTimes) {
  std::set<std::pair<int, int>> seen;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    simulate(seed, {}, [&](World& world) {
      ASSERT_TRUE(world.deployment.insert(kFirst, kNs, array_of({numbered(1, 0), numbered(2, 0)})));
      const auto before = *world.deployment.majority_time();
      std::int64_t number = 1;
      for (int v = 1; v <= 2; ++v) {
        const auto one = numbered(1, v);
        const auto two = numbered(2, v);
        const std::vector<bson::View> both{one, two};
        ASSERT_TRUE(world.deployment.replace({kFirst.session, ++number}, kNs, both));
      }
      cluster::RangeRead range;
      range.ns = kNs;
      range.uuid = world.cluster.store().find(kNs)->info.uuid;
      range.at.time = before;
      auto cursor = *world.deployment.read_range(range);
      std::vector<int> values;
      for (bool last = false; !last;) {
        const auto batch = cursor->next({});
        ASSERT_TRUE(batch);
        for (const auto& item : batch->array) values.push_back(item.document_value()["v"].int32_value());
        last = batch->last;
      }
      ASSERT_EQ(values.size(), 2u);
      seen.emplace(values[0], values[1]);
    });
  }
  EXPECT_TRUE(seen.contains({0, 2}));
  EXPECT_TRUE(seen.contains({2, 0}));
}

TEST(SimCluster, SnapshotReadsAreExactAndOnlyFrom5) {
  const auto read = [](World& world, ClusterTime time) {
    cluster::RangeRead range;
    range.ns = kNs;
    range.uuid = world.cluster.store().find(kNs)->info.uuid;
    range.at = {ReadAt::Level::kSnapshot, time};
    auto cursor = *world.deployment.read_range(range);
    return cursor->next({});
  };
  ClusterOptions newer;
  newer.version = {5, 0, 0};
  for (const bool supported : {false, true}) {
    simulate(1, supported ? newer : ClusterOptions{}, [&](World& world) {
      ASSERT_TRUE(world.deployment.insert(kFirst, kNs, array_of({numbered(1, 0)})));
      const auto time = *world.deployment.majority_time();
      const auto changed = numbered(1, 9);
      const std::vector<bson::View> one{changed};
      ASSERT_TRUE(world.deployment.replace({kFirst.session, 2}, kNs, one));
      const auto batch = read(world, time);
      if (!supported) {
        ASSERT_FALSE(batch);
        EXPECT_EQ(batch.error().server_code, 72);
        return;
      }
      ASSERT_TRUE(batch);
      EXPECT_EQ(batch->array.first().document_value()["v"].int32_value(), 0);
    });
  }
}

TEST(SimCluster, AcknowledgedWritesSurviveElectionsAndOthersAreRepeated) {
  std::uint64_t failed = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    simulate(seed, faulty([](Faults& faults) {
               faults.election_every = milliseconds(300);
               faults.lag = milliseconds(100);
             }),
             [&](World& world) {
               for (int i = 1; i <= 20; ++i) {
                 const auto item = array_of({numbered(i, i)});
                 while (!world.deployment.insert({kFirst.session, i}, kNs, item)) {
                   ++failed;
                   world.scheduler.sleep_for(milliseconds(20));
                 }
               }
               EXPECT_EQ(count(world), 20u);
             });
  }
  EXPECT_GT(failed, 0u);
}

TEST(SimCluster, TheOplogIsDeliveredWithoutGaps) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    simulate(seed, faulty([](Faults& faults) { faults.lost_cursor = faults.lost_reply = 100'000; }), [](World& world) {
      const auto from = world.cluster.store().oplog().front().ts;
      for (int i = 1; i <= 30; ++i) {
        while (!world.deployment.insert({kFirst.session, i}, kNs, array_of({numbered(i, i)}))) {
        }
      }
      std::vector<int> ids;
      ClusterTime position = from;
      while (ids.size() < 30) {
        auto cursor = world.deployment.tail_oplog(position);
        if (!cursor) continue;
        for (;;) {
          const auto entries = (*cursor)->next(milliseconds(50), {});
          if (!entries) break;
          for (const auto& entry : *entries) {
            const auto ts = *entry["ts"].to_timestamp();
            if (ts <= position) continue;
            position = ts;
            if (entry["op"].to_string_view() == std::string_view("i")) {
              ids.push_back(static_cast<int>(*entry["o"].document_value()["_id"].to_int64()));
            }
          }
          if (ids.size() >= 30) break;
        }
      }
      ASSERT_EQ(ids.size(), 30u);
      for (int i = 0; i < 30; ++i) EXPECT_EQ(ids[i], i + 1);
    });
  }
}

TEST(SimCluster, ALongTransactionIsAChainOfEntries) {
  simulate(3, {}, [](World& world) {
    ASSERT_TRUE(world.cluster.create(kNs, bson::View(), nullptr));
    std::vector<Write> writes;
    for (int i = 0; i < 9; ++i) {
      Write write;
      write.ns = kNs;
      write.uuid = world.cluster.store().find(kNs)->info.uuid;
      write.document = std::make_shared<const bson::Document>(numbered(i, i));
      write.key = bson::key_string((*write.document)["_id"]);
      writes.push_back(std::move(write));
    }
    while (true) {
      const auto before = world.cluster.store().last();
      const auto ts = world.cluster.write(writes, SimCluster::Form::kChain, true, std::nullopt);
      ASSERT_TRUE(ts);
      std::size_t operations = 0;
      ClusterTime previous;
      for (const auto& entry : world.cluster.store().oplog()) {
        if (entry.ts <= before) continue;
        const auto command = entry.document["o"].document_value();
        operations += command["applyOps"].document_value().field_count();
        EXPECT_EQ(*entry.document["prevOpTime"].document_value()["ts"].to_timestamp(), previous);
        EXPECT_EQ(command["partialTxn"].exists(), entry.ts != *ts);
        previous = entry.ts;
      }
      EXPECT_EQ(operations, 9u);
      if (previous.increment > before.increment + 1) break;  // it was more than one entry
      for (auto& write : writes) write.kind = Write::Kind::kReplace;
    }
  });
}

TEST(SimCluster, ADeadProcessHasNoEffect) {
  simulate(1, {}, [](World& world) {
    world.process.dead = true;
    const auto reply = world.deployment.insert(kFirst, kNs, array_of({numbered(1, 1)}));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, ErrorCode::kInterrupted);
    EXPECT_EQ(count(world), 0u);
  });
}

TEST(SimCluster, TheBlockHoldsUsersOnlyWhereAuthorizationIsOn) {
  ClusterOptions options;
  options.version = {6, 0, 5};
  for (const bool authorization : {false, true}) {
    options.authorization = authorization;
    simulate(1, options, [&](World& world) {
      ASSERT_TRUE(world.cluster.enter_user_write());
      ASSERT_TRUE(world.deployment.set_write_block(true));
      EXPECT_EQ(world.deployment.running_writes()->others, 1);
      world.cluster.leave_user_write();
      EXPECT_EQ(world.cluster.enter_user_write().has_value(), !authorization);
      EXPECT_TRUE(world.deployment.write_block()->enabled);
      EXPECT_EQ(world.deployment.write_block()->effective, authorization);
    });
  }
}

TEST(SimCluster, StateIsSavedOnlyByTheOwner) {
  simulate(1, {}, [](World& world) {
    const auto save = [&](std::int64_t number, std::int64_t epoch, cluster::StateCondition condition) {
      return *world.deployment.save_state({kFirst.session, number}, "s",
                                          make_document({{"_id", "o"}, {"epoch", epoch}, {"n", number}}), condition);
    };
    EXPECT_TRUE(save(1, 3, cluster::StateCondition::kEpochBelow));
    EXPECT_FALSE(save(2, 3, cluster::StateCondition::kEpochBelow));
    EXPECT_TRUE(save(3, 3, cluster::StateCondition::kEpochAtMost));
    EXPECT_FALSE(save(4, 2, cluster::StateCondition::kEpochAtMost));
    EXPECT_FALSE(save(5, 4, cluster::StateCondition::kSameEpoch));
    const std::vector<bson::Value> ids{bson::Value(make_document({{"_id", "o"}})["_id"])};
    EXPECT_TRUE(world.deployment.remove_state({kFirst.session, 6}, "s", ids, 2));
    const auto state = *world.deployment.load_state("s");
    ASSERT_EQ(state.size(), 1u);
    EXPECT_EQ(*state[0]["n"].to_int64(), 3);
  });
}

std::uint64_t hash_of_a_workload(std::uint64_t seed) {
  Scheduler::Options run;
  run.seed = seed;
  run.on_failure = [](const std::string& message) { throw std::runtime_error(message); };
  Scheduler scheduler(run);
  scheduler.run([&] {
    ClusterOptions options;
    options.version = {8, 0, 0};
    options.faults = Faults::draw(scheduler.random());
    SimCluster source(scheduler, options);
    SimCluster destination(scheduler, options);
    source.start();
    Workload workload(scheduler, source, destination, WorkloadOptions{});
    workload.prepare();
    workload.start();
    scheduler.sleep_for(std::chrono::seconds(20));
    workload.stop();
    source.stop();
    EXPECT_GT(workload.writes(), 50u);
    EXPECT_GT(workload.catalog_changes(), 5u);
  });
  return scheduler.trace_hash();
}

TEST(Workload, SameSeedSameTrace) {
  EXPECT_EQ(hash_of_a_workload(11), hash_of_a_workload(11));
  EXPECT_NE(hash_of_a_workload(11), hash_of_a_workload(12));
}

}  // namespace
}  // namespace drover::sim
