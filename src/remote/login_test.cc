#include "remote/login.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote/private_file.h"

namespace drover::remote {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LoginTest : public ::testing::Test {
 protected:
  LoginTest() {
    std::string pattern = ::testing::TempDir() + "login test XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~LoginTest() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const auto path = directory_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  }
  Result<Login> find(const LoginFlags& flags, SiteRole role = SiteRole::kAny) {
    return find_login(flags, role, [this](const char* name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? "" : found->second;
    }, {});
  }

  std::string directory_;
  std::map<std::string, std::string> environment_;
};

constexpr const char* kKey = R"({"orgId":"66bb00000000000000000001","publicKey":"filekey1","privateKey":"secret of file"})";

TEST_F(LoginTest, WhatTheServerPrintsIsACredentialsFile) {
  const auto login = find({.site = "http://127.0.0.1:1", .credentials = file("shop.json", kKey)});
  ASSERT_TRUE(login) << login.error().message;
  EXPECT_EQ(login->public_key, "filekey1");
  EXPECT_EQ(login->private_key, "secret of file");
  EXPECT_EQ(login->org, "66bb00000000000000000001");
  EXPECT_FALSE(login->by_token());
  EXPECT_THAT(login->who(), HasSubstr("shop.json"));
  EXPECT_THAT(login->who(), Not(HasSubstr("secret")));
}

TEST_F(LoginTest, AnswersThatShowAKeyAreCredentialsToo) {
  auto login = parse_credentials(R"({"desc":"d","id":"1","links":[],"privateKey":"p","publicKey":"u","roles":[],"site":"http://h"})", "f");
  ASSERT_TRUE(login);
  EXPECT_EQ(login->private_key, "p");
  login = parse_credentials(R"({"clientId":"mdb_sa_id_1","createdAt":"t","description":"d","name":"n","roles":[],"secrets":[{"id":"1","secret":"mdb_sa_sk_1"}]})", "f");
  ASSERT_TRUE(login);
  EXPECT_TRUE(login->by_token());
  EXPECT_EQ(login->client_secret, "mdb_sa_sk_1");
  login = parse_credentials(R"({"apiKey":{"publicKey":"u","privateKey":"p"},"organization":{"id":"o"},"orgOwnerId":null,"skipDefaultAlertsSettings":false})", "f");
  ASSERT_TRUE(login);
  EXPECT_EQ(login->public_key + login->private_key + login->org, "upo");
}

TEST_F(LoginTest, AFileOfOthersIsRefused) {
  for (const mode_t mode : {0640, 0604, 0644, 0660}) {
    const auto login = find({.site = "http://127.0.0.1:1", .credentials = file("open.json", kKey, mode)});
    ASSERT_FALSE(login) << mode;
    EXPECT_EQ(login.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(login.error().message, HasSubstr("chmod 600"));
    EXPECT_THAT(login.error().message, Not(HasSubstr("secret of file")));
  }
}

TEST_F(LoginTest, AFileThatIsWrongSaysSoWithoutItsSecret) {
  for (const auto* text : {"", "{\"privateKey\":\"hidden", "[]", R"({"publicKey":"a","privateKey":"hidden","privateKy":"hidden"})", R"({"publicKey":1,"privateKey":"hidden"})",
                           R"({"publicKey":"a"})", R"({"privateKey":"hidden"})", R"({"publicKey":"a","privateKey":"hidden","clientId":"c","clientSecret":"hidden"})",
                           R"({"publicKey":"a","privateKey":"********-hidden"})", R"({"clientId":"c"})"}) {
    const auto login = find({.site = "http://127.0.0.1:1", .credentials = file("wrong.json", text)});
    ASSERT_FALSE(login) << text;
    EXPECT_EQ(login.error().code, ErrorCode::kUsage) << text;
    EXPECT_THAT(login.error().message, HasSubstr("wrong.json"));
    EXPECT_THAT(login.error().message, Not(HasSubstr("hidden")));
  }
  EXPECT_EQ(find({.site = "http://127.0.0.1:1", .credentials = directory_ + "/not there"}).error().code, ErrorCode::kUsage);
}

TEST_F(LoginTest, TheNearestCounts) {
  environment_ = {{"DROVER_SITE", "http://127.0.0.1:2"}, {"DROVER_PUBLIC_KEY", "envkey01"}, {"DROVER_PRIVATE_KEY", "e"}, {"DROVER_ORG", "Env"},
                  {"DROVER_CREDENTIALS", file("env.json", R"({"site":"http://127.0.0.1:3","publicKey":"filekey2","privateKey":"f","projectId":"P"})")}};
  auto login = find({});
  ASSERT_TRUE(login) << login.error().message;
  EXPECT_EQ(login->site, "http://127.0.0.1:2");
  EXPECT_EQ(login->public_key, "envkey01");
  EXPECT_EQ(login->org, "Env");
  EXPECT_EQ(login->project, "P");
  // A file that was named on the command line is nearer than the environment.
  login = find({.site = "http://127.0.0.1:4", .credentials = file("flag.json", kKey), .org = "Flag"});
  ASSERT_TRUE(login);
  EXPECT_EQ(login->site, "http://127.0.0.1:4");
  EXPECT_EQ(login->public_key + login->private_key, "filekey1secret of file");
  EXPECT_EQ(login->org, "Flag");
  EXPECT_EQ(login->project, "");  // the environment's file is another login's
}

TEST_F(LoginTest, TheTwoSitesMayHaveAFileEach) {
  environment_ = {{"DROVER_ATLAS_CREDENTIALS", file("a.json", R"({"site":"http://127.0.0.1:1","publicKey":"a","privateKey":"p"})")},
                  {"DROVER_MANAGER_CREDENTIALS", file("m.json", R"({"site":"http://127.0.0.1:2","publicKey":"m","privateKey":"p"})")}};
  EXPECT_EQ(find({}, SiteRole::kAtlas)->public_key, "a");
  EXPECT_EQ(find({}, SiteRole::kManager)->site, "http://127.0.0.1:2");
  const auto either = find({}, SiteRole::kAny);
  ASSERT_FALSE(either);
  EXPECT_THAT(either.error().message, HasSubstr("--credentials"));
  environment_.erase("DROVER_ATLAS_CREDENTIALS");
  EXPECT_EQ(find({}, SiteRole::kAny)->public_key, "m");
}

TEST_F(LoginTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(find({.credentials = file("k.json", kKey)}).error().message, HasSubstr("--site"));
  EXPECT_THAT(find({.site = "http://127.0.0.1:1"}).error().message, HasSubstr("--create-organization"));
  environment_ = {{"DROVER_PUBLIC_KEY", "abc"}};
  EXPECT_THAT(find({.site = "http://127.0.0.1:1"}).error().message, HasSubstr("private key is missing"));
}

TEST_F(LoginTest, PlainHttpIsForThisMachine) {
  const auto credentials = file("k.json", kKey);
  for (const auto* site : {"http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1", "https://atlas.example.net"})
    EXPECT_TRUE(find({.site = site, .credentials = credentials})) << site;
  for (const auto* site : {"http://atlas.example.net", "http://127.example.com", "http://10.0.0.1:8080"}) {
    EXPECT_EQ(find({.site = site, .credentials = credentials}).error().code, ErrorCode::kUnsupported) << site;
    EXPECT_TRUE(find({.site = site, .credentials = credentials, .allow_plain_http = true})) << site;
  }
  const auto wrong = find({.site = "http://u:secret@h", .credentials = credentials});
  EXPECT_EQ(wrong.error().code, ErrorCode::kUsage);
  EXPECT_THAT(wrong.error().message, Not(HasSubstr("secret")));
}

TEST_F(LoginTest, FilesAreReadWithoutTheirLineEnd) {
  EXPECT_EQ(*read_file(file("a", "pass word\r\n"), "the password", Secrecy::kSecret, {}), "pass word");
  EXPECT_EQ(*read_file(file("b", "x\n\n"), "the password", Secrecy::kSecret, {}), "x\n");
  EXPECT_EQ(*read_file(file("c", "{}", 0644), "JSON", Secrecy::kPublic, {}), "{}");
  EXPECT_THAT(read_file(file("d", "\n"), "the password", Secrecy::kSecret, {}).error().message, HasSubstr("must hold the password"));
  EXPECT_EQ(read_file(file("e", std::string(kMaxFileBytes + 1, 'x')), "the password", Secrecy::kSecret, {}).error().code, ErrorCode::kUsage);
  EXPECT_FALSE(read_file(directory_, "the password", Secrecy::kSecret, {}));
}

TEST_F(LoginTest, ASecretIsWrittenForItsOwnerOnlyAndOverNothing) {
  const auto path = directory_ + "/out";
  {
    auto made = PrivateFile::create(path);
    ASSERT_TRUE(made);
    EXPECT_TRUE(made->write("secret\n"));
  }
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_EQ(*read_file(path, "it", Secrecy::kSecret, {}), "secret");
  const auto again = PrivateFile::create(path);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kUsage);
  EXPECT_FALSE(PrivateFile::create(directory_ + "/no/such/directory"));
  {
    auto late = PrivateFile::create(directory_ + "/raced");
    ASSERT_TRUE(late);
    file("raced", "somebody else's");
    EXPECT_FALSE(late->write("secret"));
  }
  EXPECT_EQ(*read_file(directory_ + "/raced", "it", Secrecy::kSecret, {}), "somebody else's");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), std::filesystem::directory_iterator()), 2) << "nothing is left beside them";
  { EXPECT_TRUE(PrivateFile::create(directory_ + "/unused")); }
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/unused"));
}

}  // namespace
}  // namespace drover::remote
