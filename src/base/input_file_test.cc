#include "base/input_file.h"

#include <chrono>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace drover {
namespace {

class Input : public ::testing::Test {
 protected:
  const std::string path_ = ::testing::TempDir() + "input-file-" + std::to_string(::getpid());
  ~Input() override { ::unlink(path_.c_str()); }
};

TEST_F(Input, AFileIsReadToItsEndOrOneByteMoreThanTheLimit) {
  std::ofstream(path_) << std::string(10'000, 'a');
  EXPECT_EQ(InputFile::open(path_)->read(10'000, {})->size(), 10'000u);
  EXPECT_EQ(InputFile::open(path_)->read(100, {})->size(), 101u);
  ::chmod(path_.c_str(), 0640);
  EXPECT_TRUE(InputFile::open(path_)->grants(077));
  EXPECT_FALSE(InputFile::open(path_)->grants(07));
  EXPECT_FALSE(InputFile::open(path_ + ".none"));
  EXPECT_FALSE(InputFile::open(::testing::TempDir())->read(1, {}));
}

TEST_F(Input, APipesWriterMayComeLateAndWriteSlowly) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  std::thread writer([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    std::ofstream pipe(path_);
    pipe << "one " << std::flush;
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    pipe << "two";
  });
  const auto text = InputFile::open(path_)->read(100, {});
  writer.join();
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "one two");
}

TEST_F(Input, ALineIsEnoughOfAPipeThatStaysOpen) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  auto file = InputFile::open(path_);
  std::ofstream pipe(path_);
  pipe << "one\ntwo" << std::flush;
  EXPECT_EQ(file->read_line(100, {}).value(), "one");
}

TEST_F(Input, NobodyWaitsForAWriterAfterAStop) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0644), 0);
  std::stop_source source;
  const std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    source.request_stop();
  });
  const auto begun = std::chrono::steady_clock::now();
  const auto text = InputFile::open(path_)->read(100, source.get_token());
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kInterrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
}

}  // namespace
}  // namespace drover
