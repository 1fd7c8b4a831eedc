// The commands of the control plane as data: `drover GROUP VERB …`. One row says what a command takes, which route it calls and how the
// answer is shown; what no row can say is an Action. The table is verbs.cc; the command line is made of it, and so is its help.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "remote/login.h"
#include "remote/site_client.h"
#include "remote/thing.h"

namespace drover::remote {

enum class Kind {
  kText,
  kNumber,      // always sent: `otherwise` when it is not given
  kFlag,        // a flag in a body is always sent, true or false
  kTexts,       // repeatable
  kUri,         // a connection string, @FILE or env:NAME
  kSecretFile,  // the file's text is what is sent
  kJsonFile,
  kAddress,     // "ipAddress", or "cidrBlock" when it has a slash
  kHostPort,    // "hostname" and "port"
};

struct Argument {
  std::string_view name;   // "--description"; without dashes it is positional
  std::string_view help;
  std::string_view place;  // "path:apiUserId", "query:providerName", "body:source.clusterName"; empty: the action or finish() reads it
  Kind kind = Kind::kText;
  bool required = false;
  Thing thing = Thing::kNone;  // what it names: its id is sent
  std::vector<std::string> choices{};
  std::int64_t low = 0, high = 0, otherwise = 0;  // of a number
  bool asked = false;          // a secret that is not given is asked for at the terminal
};

struct Value {
  std::string text;
  std::int64_t number = 0;
  bool flag = false;
  std::vector<std::string> texts;
};
using Values = std::map<std::string, Value, std::less<>>;  // by the argument's name

enum class Format { kPlain, kBytes, kMillis };
struct Column {
  std::string_view header;
  std::string_view value;  // see expand()
  Format format = Format::kPlain;
};

enum class Shape { kOne, kList, kNothing };

struct Outcome {
  Shape shape = Shape::kOne;
  Json value;              // of kOne
  std::vector<Json> list;  // of kList
  int exit = 0;
  std::string remark;      // for people, on standard error
  std::string text;        // instead of the value's fields, for people
  bool printed = false;    // standard output has had it all
};

class Session;
using Action = Result<Outcome> (*)(Session&);

struct Example {
  std::string_view command;
  std::string_view comment = "";
};

struct Verb {
  std::string_view group, name;
  std::string_view summary;   // one line, no full stop
  std::string_view about = "";
  SiteRole site = SiteRole::kAny;
  std::string_view needs = "";  // the role of the key
  std::string_view method = "GET";
  Api api = Api::kEither;
  std::string_view path = "";   // {orgId} and {groupId} are --org's and --project's unless an argument is in their place
  bool org_flag = false, project_flag = false;  // these flags, though the path has no such name
  std::vector<Argument> arguments{};
  Shape shape = Shape::kOne;
  std::vector<Column> columns{};   // of a list
  Json::Object constants{};        // of the body, by dotted path
  Result<Json> (*finish)(const Values&, Json body) = nullptr;  // what a table cannot say of a body
  bool array_body = false;         // the body is an array of this one object
  std::string_view question = "";  // asked before it is done: "Delete the project {PROJECT}?"
  std::string_view asks_with = "";  // only with this flag; empty: always
  std::string_view typed = "";      // the argument whose value is the answer to be typed; empty: yes
  std::string_view done = "";      // said when there is nothing to show: "No alerts."
  std::string_view shown_once = "";  // the field of a secret: --out is there for it
  bool alone = false;              // of a secret: it is printed, and written, alone
  bool credentials = false;        // of a secret: the file is one for --credentials
  Action action = nullptr;
  std::vector<Example> examples{};
};

struct Group {
  std::string_view name, summary, about;
};

const std::vector<Group>& groups();  // in the order of --help
const std::vector<Verb>& verbs();    // in the order of --help, group by group

// Whether it has the flags --org and --project.
bool takes_org(const Verb& verb);
bool takes_project(const Verb& verb);

}  // namespace drover::remote
