// The parameters of one server that clients read (getParameter) and set (setParameter), with what this server does by them. Kept in memory,
// as the server's are. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "sandbox/commands/log_verbosity.h"

namespace drover::sandbox {

class Parameters {
 public:
  // `tls_mode`: "requireTLS", "preferTLS", "allowTLS"; empty: it has no certificate.
  explicit Parameters(std::string_view tls_mode);

  // Of those whose names `wanted` has as fields, or of all. Returns how many.
  std::size_t append_to(bson::Builder& out, bson::View wanted, bool all) const;
  // 72 InvalidOptions for an unknown one, 20 for what cannot be changed.
  Status check_settable(std::string_view name) const;
  // {"": value} as it was before. Refused as above; 2 for a value out of bounds.
  Result<bson::Document> set(const bson::Element& parameter);

  // logLevel and logComponentVerbosity.
  LogVerbosity& log_verbosity() { return log_verbosity_; }

  bool refuses_table_scans() const { return no_table_scan_; }      // notablescan
  bool expires_documents() const { return ttl_monitor_enabled_; }  // ttlMonitorEnabled
  Duration expiry_interval() const { return std::chrono::seconds(ttl_monitor_sleep_seconds_); }
  Duration transaction_lifetime() const { return std::chrono::seconds(transaction_seconds_); }
  Duration cursor_timeout() const { return std::chrono::milliseconds(cursor_millis_); }
  // For passwords that are set from now on.
  int scram_iterations(bool sha256) const { return sha256 ? scram_sha256_iterations_ : scram_sha1_iterations_; }

 private:
  struct Entry {
    bson::Document value;  // {"": value}
    bool settable;
  };
  template <typename T>
  void add(std::string name, T value, bool settable);
  void act_by(std::string_view name, const bson::Element& value);

  LogVerbosity log_verbosity_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> values_;  // which there are is known from the beginning
  // What is done by them, asked often.
  std::atomic<bool> no_table_scan_ = false, ttl_monitor_enabled_ = true;
  std::atomic<std::int64_t> ttl_monitor_sleep_seconds_ = 0, transaction_seconds_ = 0, cursor_millis_ = 0;
  std::atomic<int> scram_sha1_iterations_ = 0, scram_sha256_iterations_ = 0;
};

}  // namespace drover::sandbox
