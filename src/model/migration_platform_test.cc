#include "model/migration_platform.h"

#include <gtest/gtest.h>

namespace drover {
namespace {

struct HostRow {
  HostPlatform platform;
  bool legacy;
  bool sync;
};

TEST(MigrationHosts, EachPlatformOnEachPath) {
  const HostRow rows[] = {
      {{"linux", "x86_64", "ubuntu", "18.04"}, true, true},   {{"linux", "x86_64", "ubuntu", "20.04"}, true, true},
      {{"linux", "x86_64", "ubuntu", "22.04"}, true, true},   {{"linux", "x86_64", "ubuntu", "24.04"}, true, true},
      {{"linux", "aarch64", "ubuntu", "22.04"}, true, false}, {{"linux", "x86_64", "ubuntu", "16.04"}, true, false},
      {{"linux", "x86_64", "ubuntu", "22.10"}, true, false},  {{"linux", "x86_64", "rhel", "7.9"}, true, true},
      {{"linux", "x86_64", "rhel", "8.10"}, true, true},      {{"linux", "x86_64", "rhel", "9"}, true, true},
      {{"linux", "x86_64", "rhel", "10.0"}, true, false},     {{"linux", "x86_64", "rhel", "6.10"}, true, false},
      {{"linux", "aarch64", "amzn", "2023"}, true, true},     {{"linux", "x86_64", "amzn", "2"}, true, true},
      {{"linux", "x86_64", "amzn", "2018.03"}, true, false},  {{"linux", "x86_64", "debian", "12"}, true, true},
      {{"linux", "x86_64", "debian", "11"}, true, false},     {{"linux", "x86_64", "suse", "15.5"}, true, false},
      {{"linux", "s390x", "rhel", "8.6"}, true, false},       {{"linux", "i686", "ubuntu", "18.04"}, false, false},
      {{"linux", "armv7l", "debian", "12"}, false, false},    {{"windows", "x86_64", "", "10"}, false, false},
      {{"macos", "aarch64", "", "14"}, false, false},         {{"linux", "x86_64", "", ""}, true, false},
  };
  for (const auto& row : rows) {
    const auto& at = row.platform;
    EXPECT_EQ(!refuses_host(at, MigrationPath::kLegacy), row.legacy) << at.os << at.arch << at.distribution << at.version;
    EXPECT_EQ(!refuses_host(at, MigrationPath::kSync), row.sync) << at.os << at.arch << at.distribution << at.version;
    EXPECT_EQ(!refuses_host(at), row.legacy);
  }
}

TEST(MigrationHosts, ARefusalSaysWhatToDo) {
  EXPECT_NE(refuses_host({"windows", "x86_64", "", ""})->find("Linux"), std::string::npos);
  EXPECT_NE(refuses_host({"linux", "x86_64", "debian", "11"}, MigrationPath::kSync)->find("Ubuntu 22.04"), std::string::npos);
}

TEST(MigrationSources, WindowsMayMacMayNot) {
  EXPECT_FALSE(refuses_source(os_of_host_info("Linux")));
  EXPECT_FALSE(refuses_source(os_of_host_info("Windows")));
  EXPECT_TRUE(refuses_source(os_of_host_info("Darwin")));
  EXPECT_TRUE(refuses_source(os_of_host_info("Mac OS X")));
  EXPECT_FALSE(refuses_source(""));
}

TEST(OsRelease, IsRead) {
  HostPlatform platform;
  read_os_release("PRETTY_NAME=\"Ubuntu 22.04\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\r\nnonsense\nVERSION='x'", platform);
  EXPECT_EQ(platform.distribution, "ubuntu");
  EXPECT_EQ(platform.version, "22.04");
}

}  // namespace
}  // namespace drover
