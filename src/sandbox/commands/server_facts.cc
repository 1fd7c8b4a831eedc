#include "sandbox/commands/server_facts.h"

#include <unistd.h>

namespace drover::sandbox {

namespace {
constexpr std::int32_t kMaxBsonBytes = 16777216;
}

void append_build_info(bson::Builder& out, ServerVersion version, bool runs_scripts) {
  out.append("version", version.to_string()).append("gitVersion", "drover-sandbox");
  out.open_array("modules");
  out.append("allocator", "system").append("javascriptEngine", runs_scripts ? "mozjs" : "none").append("sysInfo", "deprecated");
  {
    auto numbers = out.open_array("versionArray");
    numbers.append(version.major).append(version.minor).append(version.patch).append(0);
  }
  out.open_document("openssl").append("running", "OpenSSL").append("compiled", "OpenSSL");
  out.open_document("buildEnvironment").append("distmod", "debian").append("distarch", "x86_64").append("target_os", "linux");
  out.append("bits", 64).append("debug", false).append("maxBsonObjectSize", kMaxBsonBytes);
}

bson::Document parsed_options(const ServerSettings& settings) {
  bson::Builder parsed;
  {
    auto net = parsed.open_document("net");
    net.append("port", settings.port);
    if (const auto& tls = settings.tls; !tls.mode.empty()) {
      auto told = net.open_document("tls");
      if (!tls.ca_file.empty()) told.append("CAFile", tls.ca_file);
      if (tls.allow_without_certificate) told.append("allowConnectionsWithoutCertificates", true);
      told.append("certificateKeyFile", tls.certificate_key_file).append("mode", tls.mode);
    }
  }
  parsed.open_document("replication").append("replSet", settings.repl_set);
  if (settings.auth) parsed.open_document("security").append("authorization", "enabled");
  parsed.open_document("setParameter").append("enableTestCommands", "1");  // fail points are always there; tests look here for them
  parsed.open_document("storage").append("dbPath", settings.dbpath);
  return std::move(parsed).finish();
}

std::string host_name() {
  char name[256] = "localhost";
  ::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace drover::sandbox
