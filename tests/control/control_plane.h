// An atlas site's parts on an embedded store, with an embedded server as the destination, a link that tells of a source, and a clock that is moved.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/mongo_deployment.h"
#include "control/fields.h"
#include "control/live_import_intake.h"
#include "control/live_import_reconciler.h"
#include "moved_clock.h"
#include "sandbox/server/sandbox.h"

namespace drover::control {

inline std::string path_of(const char* name) {
  return (std::filesystem::temp_directory_path() / ("drover control " + std::to_string(::getpid()) + name)).string();
}

template <typename T>
T good(Result<T> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return std::move(*result);
}
inline void good(const Status& status) { EXPECT_TRUE(status) << (status ? "" : status.error().message); }

class ControlPlane : public ::testing::Test {
 protected:
  void SetUp() override {
    sandbox_ = good(sandbox::Sandbox::start({.dbpath = path_of("data"), .port = 0, .version = {8, 0, 4}}, clock_, *log_));
    const auto connect = [this](const std::string& uri) { return cluster::connect({.uri = uri}, clock_, {}); };
    deployment_ = good(connect(sandbox_->uri()));
    keys_ = std::make_unique<SealedKeys>(good(SealedKeys::open(path_of("key"))));
    store_ = std::make_unique<Store>(*deployment_, clock_);
    good(store_->open());
    links_ = std::make_unique<Links>(*store_, *keys_, clock_);
    clusters_ = std::make_unique<Clusters>(*store_, *keys_, clock_, connect);
    access_lists_ = std::make_unique<AccessLists>(*store_, clock_);
    networks_ = std::make_unique<NetworkRecords>(*store_, clock_);
    imports_ = std::make_unique<LiveImports>(*store_, *keys_, clock_, *clusters_, LiveImports::Options{});
    intake_ = std::make_unique<LiveImportIntake>(*links_, *clusters_, *access_lists_, *networks_, *imports_, Policy{});
    reconciler_ = std::make_unique<LiveImportReconciler>(*imports_, *clusters_, *links_, clock_, *log_);
    good(clusters_->register_deployment(kGroup, "shop", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
    const auto token = good(decode_token(good(links_->create_token(kOrg, {}, "http://127.0.0.1:1"))));
    link_ = good(links_->claim(token.link, token.secret, {"site", "org", "Org", std::string(64, 'a'), "127.0.0.1"}))->id;
    const auto project = good(Json::parse(R"({"name": "p", "migrationHosts": [{"hostname": "mig01"}], "deployments": [
      {"name": "src", "mongoDBVersion": "6.0.17", "featureCompatibilityVersion": "6.0", "managed": false, "sharded": false, "tlsEnabled": false}]})"));
    good(links_->put_project(link_, kSource, 1, project));
  }
  void TearDown() override {
    deployment_.reset();
    sandbox_.reset();
    std::filesystem::remove_all(path_of("data"));
    std::filesystem::remove(path_of("key"));
  }

  LiveImportRequest request() {
    LiveImportRequest request;
    request.source_group = kSource;
    request.source_cluster = "src";
    request.destination_group = kGroup;
    request.destination_cluster = "shop";
    request.host = "mig01";
    return request;
  }
  std::string begin(ImportKind kind) {
    const auto taken = intake_->take(kind, kOrg, request());
    EXPECT_TRUE(taken) << (taken ? "" : taken.error().error.message);
    good(reconciler_->step());
    return taken ? taken->id : "";
  }
  // Another link of the same site.
  Link claimed(char secret) {
    const auto token = good(decode_token(good(links_->create_token(kOrg, {}, "http://127.0.0.1:1"))));
    return *good(links_->claim(token.link, token.secret, {"site", "org", "Org", std::string(64, secret), "127.0.0.1"}));
  }
  LiveImport see(ImportKind kind, const std::string& id) { return *good(imports_->find(kind, kGroup, id)); }
  LiveImport migration(const std::string& id) { return see(ImportKind::kMigration, id); }
  void report(const std::string& id, const char* state, const char* more = "") {
    const auto json = good(Json::parse("{\"sequence\": " + std::to_string(++sequence_) + ", \"state\": \"" + state + "\"" + more + "}"));
    EXPECT_TRUE(good(imports_->report(link_, id, json)));
  }
  void ready(const std::string& id) { report(id, "RUNNING", R"(, "canCommit": true, "lagTimeSeconds": 2)"); }
  void after(std::chrono::milliseconds time) {
    clock_.move(time);
    good(reconciler_->step());
  }
  std::vector<std::string> open() {
    std::vector<std::string> ids;
    good(imports_->each_open(bson::View(), [&](const LiveImport& one) -> Status {
      ids.push_back(one.id);
      return {};
    }));
    return ids;
  }
  std::vector<std::string> events() {
    std::vector<std::string> names;
    for (const auto& event : good(store_->find("events", bson::make_document({{"groupId", kGroup}})))) names.push_back(text_of(event, "eventTypeName"));
    return names;
  }

  const std::string kOrg = std::string(24, '1'), kGroup = std::string(24, '2'), kSource = std::string(24, '3');
  MovedClock clock_;
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<sandbox::Sandbox> sandbox_;
  std::unique_ptr<cluster::Deployment> deployment_;
  std::unique_ptr<SealedKeys> keys_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Links> links_;
  std::unique_ptr<Clusters> clusters_;
  std::unique_ptr<AccessLists> access_lists_;
  std::unique_ptr<NetworkRecords> networks_;
  std::unique_ptr<LiveImports> imports_;
  std::unique_ptr<LiveImportIntake> intake_;
  std::unique_ptr<LiveImportReconciler> reconciler_;
  std::string link_;
  std::int64_t sequence_ = 0;
};

using std::chrono::hours;
using std::chrono::minutes;

}  // namespace drover::control
