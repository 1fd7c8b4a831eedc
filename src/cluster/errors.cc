#include "cluster/errors.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace drover::cluster {
namespace {

// spec/engine.md 5.7; sorted.
constexpr std::array kTransientCodes = {
    6,   7,   24,  43,  50,  63,  64,   70,    89,    90,    91,    112,   117,   133,   134,   136,   175,   187,   189,
    202, 211, 237, 251, 262, 282, 290,  314,   317,   358,   365,   384,   402,   406,   407,   412,   9001,  10107, 11600,
    11601, 11602, 12586, 12587, 13388, 13435, 13436, 50915, 91331};

std::vector<std::string> labels_of(bson::View reply) {
  std::vector<std::string> labels;
  if (const auto array = reply["errorLabels"].to_array()) {
    for (const auto& label : *array) {
      if (const auto text = label.to_string_view()) labels.emplace_back(*text);
    }
  }
  return labels;
}

// The privilege that a command needs, where its name is not the action's.
std::string_view action_of(std::string_view command) {
  struct Row {
    std::string_view command, action;
  };
  static constexpr Row kActions[] = {
      {"aggregate", "find"},          {"getMore", "find"},           {"count", "find"},
      {"delete", "remove"},           {"create", "createCollection"}, {"drop", "dropCollection"},
      {"createIndexes", "createIndex"}, {"dropIndexes", "dropIndex"}, {"renameCollection", "renameCollectionSameDB"},
      {"currentOp", "inprog"},        {"setUserWriteBlockMode", "setUserWriteBlockMode"},
  };
  for (const auto& row : kActions) {
    if (row.command == command) return row.action;
  }
  return command;
}

std::string advice(Side side, const Doing& doing, int code, std::string_view message) {
  const auto word = side_word(side);
  switch (code) {
    case 13:
      return fmt::format("; grant the {} user a role with the action {} on {} (built-in roles that hold all needed: {})", word,
                         action_of(doing.command), doing.on,
                         side == Side::kSource ? "backup, clusterMonitor" : "readWriteAnyDatabase, restore, clusterMonitor");
    case 18:
      return fmt::format("; check user, password and authSource of the {} connection string", word);
    case 11000:
      return "";
    case 14031:
      return fmt::format("; free disk space on the {} and start again", word);
    case 371:
      return fmt::format("; writes are blocked on the {}: end the block (setUserWriteBlockMode) or grant bypassWriteBlockingMode",
                         word);
    case 225:
      return "; another process has taken over this session";
    case 20:
      if (message.find("replica set") != std::string_view::npos) {
        return fmt::format("; the {} must be a replica set", word);
      }
      return "";
    default:
      return "";
  }
}

Error server_error(Side side, const Doing& doing, bson::View reply, std::vector<std::string> labels) {
  Error error;
  error.server_code = static_cast<int>(reply["code"].to_int64().value_or(0));
  error.labels = std::move(labels);
  if (error.server_code == 225) {
    error.code = ErrorCode::kWrongState;
  } else {
    error.code = is_transient(error.server_code, error.labels) ? ErrorCode::kTemporary : side_code(side);
  }
  const auto text = reply["errmsg"].to_string_view().value_or("no message");
  error.message = fmt::format("{}: {} on {}: {} (code {}){}", side_word(side), doing.command, doing.on,
                              without_quotes(error.server_code, text), error.server_code,
                              advice(side, doing, error.server_code, text));
  return error;
}

}  // namespace

bool is_transient(int server_code, const std::vector<std::string>& labels) {
  if (std::binary_search(kTransientCodes.begin(), kTransientCodes.end(), server_code)) return true;
  return std::any_of(labels.begin(), labels.end(), [](const std::string& label) {
    return label == "RetryableWriteError" || label == "TransientTransactionError" || label == "ResumableChangeStreamError";
  });
}

std::string_view side_word(Side side) {
  switch (side) {
    case Side::kSource: return "source";
    case Side::kDestination: return "destination";
    case Side::kCluster0: return "cluster0";
    case Side::kCluster1: return "cluster1";
    case Side::kStore: return "store";
  }
  return "deployment";
}

ErrorCode side_code(Side side) {
  if (side == Side::kStore) return ErrorCode::kFailure;  // nobody's who asks for something
  return side == Side::kSource || side == Side::kCluster0 ? ErrorCode::kSource : ErrorCode::kDestination;
}

Error command_error(Side side, const Doing& doing, bson::View reply) {
  return server_error(side, doing, reply, labels_of(reply));
}

Error write_concern_error(Side side, const Doing& doing, bson::View error) {
  auto result = server_error(side, doing, error, labels_of(error));
  result.message += "; the write may not last, it was not acknowledged by a majority";
  return result;
}

namespace {

bool is_of_certificates(std::string_view message) {
  return message.find("certificate verif") != std::string_view::npos || message.find("validate TLS certificate") != std::string_view::npos;
}

std::string_view selection_advice(std::string_view message) {
  if (is_of_certificates(message))
    return "; if an authority of your own made the certificate, name it with tlsCAFile=FILE in the connection string, and name the host as the certificate does";
  return "; check the host names and ports, that the server runs, and the set's name if one is given";
}

}  // namespace

Error driver_error(Side side, const Doing& doing, DriverFailure failure, std::string_view message, std::string_view hosts,
                   bool reached) {
  Error error;
  const auto word = side_word(side);
  if (message.ends_with('.')) message.remove_suffix(1);  // more follows
  switch (failure) {
    case DriverFailure::kAuthentication:
      error.code = side_code(side);
      error.server_code = 18;
      error.message = fmt::format("{}: cannot log in to {}: {}{}", word, hosts, message, advice(side, doing, 18, message));
      break;
    case DriverFailure::kSelection:
      error.code = reached || (side == Side::kStore && !is_of_certificates(message)) ? ErrorCode::kTemporary : side_code(side);
      error.message = fmt::format("{}: {} on {}: no primary found at {}: {}{}", word, doing.command, doing.on, hosts, message,
                                  reached ? "" : selection_advice(message));
      break;
    case DriverFailure::kNetwork:
    case DriverFailure::kPool:
      error.code = ErrorCode::kTemporary;
      error.message = fmt::format("{}: {} on {}: {}", word, doing.command, doing.on, message);
      break;
    case DriverFailure::kOther:
      error.code = side_code(side);
      error.message = fmt::format("{}: {} on {}: {}", word, doing.command, doing.on, message);
      break;
  }
  return error;
}

Error malformed_reply(Side side, const Doing& doing, std::string_view hosts, std::string_view what) {
  return Error{side_code(side),
               fmt::format("{}: {} on {}: the answer of {} {}; no MongoDB server answers so: check what the connection string leads to",
                           side_word(side), doing.command, doing.on, hosts, what),
               0,
               {}};
}

std::string without_quotes(int server_code, std::string_view message) {
  // 13: 'not authorized on db to execute command { insert: "t", documents: [ ... ] }'
  // 11000: 'E11000 duplicate key error collection: db.t index: a_1 dup key: { a: "..." }'
  static constexpr std::string_view kCuts[] = {" to execute command", " dup key:"};
  for (const auto cut : kCuts) {
    if (const auto at = message.find(cut); at != std::string_view::npos) message = message.substr(0, at);
  }
  // Other refusals quote values in braces ("Cannot insert document { ... }"); names and codes stay outside of them.
  if (server_code != 72) {
    if (const auto brace = message.find('{'); brace != std::string_view::npos && brace > 0) {
      return std::string(message.substr(0, brace)) + "...";
    }
  }
  return std::string(message);
}

}  // namespace drover::cluster
