// The cases of the drivers' specifications that concern Drover's own code, not a server: BSON and Extended JSON (bson_corpus),
// connection strings (connection_uri, uri-options). Their files are in the C driver's source tree, which run_specifications.py
// knows; it reads one line for each case from here: "passed|failed <tab> suite <tab> file <tab> description <tab> what was wrong".
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include <fmt/core.h>
#include <mongoc/mongoc.h>

#include "base/json.h"
#include "bson/ejson.h"
#include "bson/validate.h"
#include "cluster/uri.h"

namespace drover::conformance {
namespace {

namespace fs = std::filesystem;

using Bytes = std::vector<std::uint8_t>;

struct Case {
  std::string suite, file, description;
  void passed() const { std::cout << fmt::format("passed\t{}\t{}\t{}\t\n", suite, file, description); }
  void failed(std::string why) const {
    for (auto& c : why) c = c == '\t' || c == '\n' ? ' ' : c;
    std::cout << fmt::format("failed\t{}\t{}\t{}\t{}\n", suite, file, description, why);
  }
  // Empty: it passed.
  void judged(const std::string& why) const { why.empty() ? passed() : failed(why); }
};

std::string text_of(const Json& json, std::string_view name) {
  const auto* field = json.find(name);
  const auto* text = field ? field->as_string() : nullptr;
  return text ? *text : std::string();
}

const Json::Array& array_of(const Json& json, std::string_view name) {
  static const Json::Array kNone;
  const auto* field = json.find(name);
  const auto* array = field ? field->as_array() : nullptr;
  return array ? *array : kNone;
}

Bytes from_hex(const std::string& hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

std::string hex_of(bson::View document) {
  std::string hex;
  for (std::size_t i = 0; i < document.size(); ++i) hex += fmt::format("{:02X}", document.data()[i]);
  return hex;
}

std::string one_form(const std::string& json) {
  const auto parsed = Json::parse(json);
  return parsed ? parsed->dump() : "not JSON: " + json;
}

// Bytes are accepted; their two texts are as the specification writes them; and the canonical text leads back to the bytes.
std::string check_valid(const Json& test) {
  const auto bytes = from_hex(text_of(test, "canonical_bson"));
  const auto document = bson::validate(bytes);
  if (!document) return "refused: " + document.error().message;
  const auto canonical = text_of(test, "canonical_extjson");
  if (const auto written = bson::to_canonical_ejson(*document); one_form(written) != one_form(canonical)) return "written as " + written;
  if (const auto relaxed = text_of(test, "relaxed_extjson"); !relaxed.empty()) {
    if (const auto written = bson::to_relaxed_ejson(*document); one_form(written) != one_form(relaxed)) return "relaxed, written as " + written;
  }
  const auto* lossy = test.find("lossy");
  if (lossy && lossy->as_bool() && *lossy->as_bool()) return "";
  const auto read = bson::from_ejson(canonical);
  if (!read) return "its text is not read: " + read.error().message;
  return read->view().same_bytes(*document) ? "" : "its text is read as " + hex_of(*read);
}

std::string check_decode_error(const Json& test) {
  return bson::validate(from_hex(text_of(test, "bson"))) ? "accepted" : "";
}

// Of decimals the case is the number alone.
std::string check_parse_error(const Json& test, bool is_decimal) {
  const auto text = text_of(test, "string");
  const auto read = bson::from_ejson(is_decimal ? fmt::format(R"({{"d": {{"$numberDecimal": {}}}}})", json_quote(text)) : text);
  return read ? "read as " + hex_of(*read) : "";
}

void run_bson_corpus(const fs::path& path, const Json& file) {
  const auto named = [&](const Json& test, const char* kind) {
    return Case{kind, path.filename().string(), text_of(test, "description")};
  };
  for (const auto& test : array_of(file, "valid")) named(test, "bson-valid").judged(check_valid(test));
  for (const auto& test : array_of(file, "decodeErrors")) named(test, "bson-decode-error").judged(check_decode_error(test));
  const bool is_decimal = text_of(file, "bson_type") == "0x13";
  for (const auto& test : array_of(file, "parseErrors")) named(test, "bson-parse-error").judged(check_parse_error(test, is_decimal));
}

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// -1 for none. The driver's own readers take 0 for none.
std::int64_t number_option(const mongoc_uri_t* uri, const char* name) {
  bson_iter_t at;
  return bson_iter_init_find_case(&at, mongoc_uri_get_options(uri), name) ? bson_iter_as_int64(&at) : -1;
}

// What the string says is kept; options that Drover sets itself (cluster/uri.cc) are not compared.
std::string check_options(const mongoc_uri_t* uri, const Json::Object& options) {
  for (const auto& [name, wanted] : options) {
    const auto key = lower(name);
    if (key == "retrywrites" || key == "retryreads" || key == "serverselectiontimeoutms" || key == "minpoolsize") continue;
    if (const auto* text = wanted.as_string()) {
      const char* found = key == "authmechanism" ? mongoc_uri_get_auth_mechanism(uri)
                        : key == "authsource" ? mongoc_uri_get_auth_source(uri)
                        : key == "appname" ? mongoc_uri_get_appname(uri)
                        : key == "replicaset" ? mongoc_uri_get_replica_set(uri)
                                              : mongoc_uri_get_option_as_utf8(uri, key.c_str(), nullptr);
      if (key == "readconcernlevel") found = mongoc_read_concern_get_level(mongoc_uri_get_read_concern(uri));
      if (key == "w") found = mongoc_write_concern_get_wtag(mongoc_uri_get_write_concern(uri));
      if (key == "readpreference") continue;  // by name and mode: Drover reads from the primary
      if (!found || *text != found) return fmt::format("{} is {}", name, found ? found : "missing");
    } else if (const auto* flag = wanted.as_bool()) {
      const bool found = key == "journal" ? mongoc_write_concern_get_journal(mongoc_uri_get_write_concern(uri))
                                          : mongoc_uri_get_option_as_bool(uri, key.c_str(), !*flag);
      if (found != *flag) return fmt::format("{} is not {}", name, *flag);
    } else if (const auto* number = wanted.as_int()) {
      const auto found = key == "w" ? mongoc_write_concern_get_w(mongoc_uri_get_write_concern(uri))
                       : key == "wtimeoutms" ? mongoc_write_concern_get_wtimeout_int64(mongoc_uri_get_write_concern(uri))
                                             : number_option(uri, key.c_str());
      if (found != *number) return fmt::format("{} is {}", name, found);
    }
  }
  return "";
}

std::string check_hosts(const mongoc_uri_t* uri, const Json::Array& hosts) {
  const auto* found = mongoc_uri_get_hosts(uri);
  for (const auto& wanted : hosts) {
    if (!found) return "a host is missing";
    const auto name = text_of(wanted, "host");
    if (lower(name) != found->host) return fmt::format("the host is {}", found->host);
    const auto* port = wanted.find("port");
    if (port && port->as_int() && *port->as_int() != found->port) return fmt::format("the port is {}", found->port);
    found = found->next;
  }
  return found ? "more hosts than there are" : "";
}

std::string check_login(const mongoc_uri_t* uri, const Json& login) {
  const std::pair<const char*, const char*> fields[] = {{"username", mongoc_uri_get_username(uri)}, {"password", mongoc_uri_get_password(uri)},
                                                        {"db", mongoc_uri_get_database(uri)}};
  for (const auto& [name, found] : fields) {
    const auto* wanted = login.find(name);
    if (!wanted || wanted->is_null()) continue;
    if (text_of(login, name) != (found ? found : "")) return fmt::format("{} is {}", name, found ? found : "missing");
  }
  return "";
}

std::string check_connection_string(const Json& test) {
  const auto text = text_of(test, "uri");
  const bool valid = test.find("valid") && test.find("valid")->as_bool() && *test.find("valid")->as_bool();
  const auto* login = test.find("auth");
  const auto password = login ? text_of(*login, "password") : "";
  // Nothing that is shown may hold the password.
  const auto shows = [&](const std::string& shown) { return password.size() > 2 && shown.find(password) != std::string::npos; };
  if (shows(cluster::redact(text))) return "its password is shown";
  const auto uri = cluster::parse_uri({.uri = text});
  if (!uri && shows(uri.error().message)) return "its error shows the password";
  if (!valid) return uri ? "accepted" : "";
  if (!uri) return "refused: " + uri.error().message;
  if (const auto* hosts = test.find("hosts"); hosts && hosts->as_array()) {
    if (auto why = check_hosts(uri->driver.get(), *hosts->as_array()); !why.empty()) return why;
  }
  if (login && login->as_object()) {
    if (auto why = check_login(uri->driver.get(), *login); !why.empty()) return why;
  }
  const auto* options = test.find("options");
  return options && options->as_object() ? check_options(uri->driver.get(), *options->as_object()) : "";
}

template <typename Run>
void for_each_file(const fs::path& directory, Run&& run) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    const auto json = Json::parse(text.str());
    if (json) run(path, *json);
    else Case{"files", path.filename().string(), "is JSON"}.failed(json.error().message);
  }
}

}  // namespace
}  // namespace drover::conformance

int main(int argc, char** argv) {
  using namespace drover::conformance;
  if (argc != 4) {
    std::cerr << "usage: specification_cases BSON-CORPUS CONNECTION-URI URI-OPTIONS\n";
    return 64;
  }
  mongoc_init();
  mongoc_log_set_handler(nullptr, nullptr);  // warnings about options are part of the cases
  for_each_file(argv[1], run_bson_corpus);
  for (int i = 2; i < 4; ++i) {
    for_each_file(argv[i], [](const auto& path, const drover::Json& file) {
      for (const auto& test : array_of(file, "tests")) {
        Case{"connection-string", path.filename().string(), text_of(test, "description")}.judged(check_connection_string(test));
      }
    });
  }
  mongoc_cleanup();
  return 0;
}
