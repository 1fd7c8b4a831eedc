#include "agent/config.h"

#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kMinimal = "mmsGroupId=66ee00000000000000000001\nmmsApiKey=secretkey\nmmsBaseUrl=http://127.0.0.1:8080\n";

TEST(AgentConfig, TheDocumentedKeysAreRead) {
  const auto config = parse_config("# provisioned\n; too\n" + kMinimal +
                                   " agentFeatureCloudMigrationEnabled = true \r\ncloudMigrationOplogPath=/data/oplog-buffer\n"
                                   "logFile=/tmp/a.log\nlogLevel=ROUTINE\nmaxLogFiles=10\ndialTimeoutSeconds=5\n"
                                   "serverSelectionTimeoutSeconds=7\nhttpsCAFile=/ca.pem\n"
                                   "sslRequireValidMMSServerCertificates=false");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->group_id, "66ee00000000000000000001");
  EXPECT_EQ(config->api_key, "secretkey");
  EXPECT_EQ(config->base_url, "http://127.0.0.1:8080");
  EXPECT_TRUE(config->cloud_migration);
  EXPECT_EQ(config->oplog_path, "/data/oplog-buffer");
  EXPECT_EQ(config->log_file, "/tmp/a.log");
  EXPECT_EQ(config->log_level, LogLevel::kDebug);
  EXPECT_EQ(config->dial_timeout.count(), 5);
  EXPECT_EQ(config->server_selection_timeout.count(), 7);
  EXPECT_EQ(config->https_ca_file, "/ca.pem");
  EXPECT_FALSE(config->verify_certificate);
  EXPECT_THAT(config->without_effect, ::testing::ElementsAre("maxLogFiles"));
}

TEST(AgentConfig, Defaults) {
  const auto config = parse_config(kMinimal);
  ASSERT_TRUE(config);
  EXPECT_FALSE(config->cloud_migration);
  EXPECT_TRUE(config->verify_certificate);
  EXPECT_EQ(config->log_file, "/var/log/mongodb-mms-automation/automation-agent.log");
}

TEST(AgentConfig, AnEditorsByteOrderMarkIsNoKey) {
  const auto config = parse_config("\xEF\xBB\xBF" + kMinimal);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->group_id, "66ee00000000000000000001");
}

struct Wrong {
  std::string text;
  const char* says;
};

TEST(AgentConfig, WhatIsWrongIsNamedAndNoValueIsQuoted) {
  const Wrong all[] = {
      {kMinimal + "mmsColour=blue-secret\nshape=x", "unknown keys: mmsColour, shape"},
      {kMinimal + "httpProxy=http://u:secret@p", "httpProxy must be http://HOST:PORT; a proxy that asks for a user"},
      {kMinimal + "httpProxy=https://p:3128", "httpProxy must be http://HOST:PORT"},
      {kMinimal + "httpProxy=p:3128", "httpProxy must be http://HOST:PORT"},
      {kMinimal + "tlsMMSServerClientCertificatePassword=secret", "tlsMMSServerClientCertificatePassword is not supported: a key file"},
      {kMinimal + "mmsApiKey=other-secret", "mmsApiKey stands there twice"},
      {kMinimal + "just secret words", "line 4"},
      {kMinimal + "=secret", "line 4"},
      {kMinimal + "logLevel=secret", "logLevel"},
      {kMinimal + "dialTimeoutSeconds=0", "dialTimeoutSeconds"},
      {kMinimal + "agentFeatureCloudMigrationEnabled=yes-secret", "agentFeatureCloudMigrationEnabled"},
      {kMinimal + "mmsApiKeyExec=print secret", "both there"},
      {"mmsGroupId=66ee00000000000000000001\nmmsApiKey=k\nmmsBaseUrl=http://u:secret@127.0.0.1:1", "mmsBaseUrl: "},
      {"mmsApiKey=secret\nmmsBaseUrl=http://h", "mmsGroupId"},
      {"mmsGroupId=66ee00000000000000000001\nmmsBaseUrl=http://h", "mmsApiKey"},
      {"mmsGroupId=66ee00000000000000000001\nmmsApiKey=secret", "mmsBaseUrl"},
  };
  for (const auto& row : all) {
    const auto config = parse_config(row.text);
    ASSERT_FALSE(config) << row.text;
    EXPECT_THAT(config.error().message, HasSubstr(row.says));
    EXPECT_THAT(config.error().message, Not(HasSubstr("secret")));
  }
}

class ConfigFile : public ::testing::Test {
 protected:
  const std::string path_ = ::testing::TempDir() + "agent-config-" + std::to_string(::getpid());
  void write(const std::string& text, mode_t mode) {
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), mode);
  }
  ~ConfigFile() override { ::unlink(path_.c_str()); }
};

TEST_F(ConfigFile, AKeyThatEverybodyMayReadIsRefused) {
  write(kMinimal, 0644);
  EXPECT_FALSE(read_config(path_, {}));
  write(kMinimal, 0640);
  EXPECT_TRUE(read_config(path_, {}));
  EXPECT_FALSE(read_config(path_ + ".none", {}));
}

TEST_F(ConfigFile, TheKeyMayComeFromACommand) {
  const std::string rest = "mmsGroupId=66ee00000000000000000001\nmmsBaseUrl=http://h\nmmsApiKeyExec=";
  write(rest + "printf 'k%s\\nnoise\\n' ey", 0644);
  const auto config = read_config(path_, {});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->api_key, "key");
  write(rest + "true", 0644);
  EXPECT_FALSE(read_config(path_, {}));
}

}  // namespace
}  // namespace drover::agent
