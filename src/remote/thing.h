// What commands name: by its id, or by a name that only one of them has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "remote/site_client.h"

namespace drover::remote {

enum class Thing { kNone, kOrg, kProject, kKey, kAccount, kAgentKey, kDeployment, kHost, kCluster, kDatabaseUser, kSourceProject, kMigration };

struct ThingFacts {
  Thing thing;
  std::string_view word;   // "project"
  Api api;
  std::string_view path;   // of their list, with {orgId} or {groupId}
  std::string_view sent;   // the field that paths and bodies take
  std::vector<std::string_view> names;  // other fields, or patterns of fields, that name one
  int id_digits;           // hexadecimal digits of an id, which needs no look-up; 0: none is known by its look
  std::string_view list;   // the command that lists them
  // Of things that end and leave their name to the next one: which one goes on. Of several with a name it is that one that is meant.
  bool (*is_current)(const Json&) = nullptr;
  std::string_view told = "";  // beside its name, where several are listed
};
const ThingFacts& facts_of(Thing thing);

// Whether it can be sent as it is.
bool is_sendable(const ThingFacts& facts, std::string_view given);

// The field `sent` of the one that is called `given`. An id counts before a name. A 404 error when there is none, kUsage with the
// candidates when there are several. Of several that have ended a reader means the newest, and who changes something none: kWrongState.
enum class PickFor { kReading, kChange };
Result<std::string> pick(const ThingFacts& facts, const std::vector<Json>& all, std::string_view given, PickFor what = PickFor::kReading);
// The one that there is; kUsage with the candidates when there are several. `flag` says which one.
Result<std::string> pick_only(const ThingFacts& facts, const std::vector<Json>& all, std::string_view flag);

}  // namespace drover::remote
