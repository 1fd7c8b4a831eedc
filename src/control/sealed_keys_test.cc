#include "control/sealed_keys.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace drover::control {
namespace {

class Sealed : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / ("drover keys " + std::to_string(::getpid()));
    std::filesystem::create_directory(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string path(const char* name) const { return (directory_ / name).string(); }
  std::filesystem::path directory_;
};

TEST_F(Sealed, WhatIsSealedOpensUnderItsNameAlone) {
  const auto keys = SealedKeys::open(path("key"));
  ASSERT_TRUE(keys) << keys.error().message;
  const auto sealed = keys->seal("key 1", "secret");
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  EXPECT_NE(sealed, keys->seal("key 1", "secret"));
  const auto again = SealedKeys::open(path("key"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->unseal("key 1", sealed).value_or(""), "secret");
  EXPECT_FALSE(again->unseal("key 2", sealed));
  const auto other = SealedKeys::open(path("other"));
  EXPECT_FALSE(other->unseal("key 1", sealed));
  auto altered = sealed;
  altered[20] = altered[20] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(keys->unseal("key 1", altered));
  for (const auto* wrong : {"", "AAAA", "not base64!"}) EXPECT_FALSE(keys->unseal("key 1", wrong));
}

TEST_F(Sealed, AKeyFileIsItsOwnersAlone) {
  ASSERT_TRUE(SealedKeys::open(path("key")));
  const auto mode = std::filesystem::status(path("key")).permissions();
  EXPECT_EQ(mode & std::filesystem::perms::mask, std::filesystem::perms(0600));
  std::filesystem::permissions(path("key"), std::filesystem::perms(0644));
  const auto open = SealedKeys::open(path("key"));
  ASSERT_FALSE(open);
  EXPECT_NE(open.error().message.find("chmod 600"), std::string::npos);
  std::ofstream(path("short")) << "abcd\n";
  std::filesystem::permissions(path("short"), std::filesystem::perms(0600));
  EXPECT_FALSE(SealedKeys::open(path("short")));
}

}  // namespace
}  // namespace drover::control
