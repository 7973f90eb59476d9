#include "pipeline/journal_location.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <thread>

namespace noroshi {
namespace {

namespace fs = std::filesystem;

class JournalLocationTest : public testing::Test {
 protected:
  JournalLocationTest() {
    std::string name = (fs::temp_directory_path() / "noroshi-location-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~JournalLocationTest() override { fs::remove_all(folder_); }

  // The problem with `place` as NOROSHI_STORAGE_PATH; "" if the journal can live there.
  [[nodiscard]] static std::string problem(const fs::path& place, bool keep_nothing) {
    Diagnostics diagnostics;
    const Document document = parse_classic_text("test.conf", "", diagnostics, {});
    const JournalLocation location = find_journal_location(
        document, {},
        [&](const std::string& name) -> std::optional<std::string> {
          if (name == "NOROSHI_STORAGE_PATH") return place.string();
          return std::nullopt;
        },
        keep_nothing, diagnostics);
    EXPECT_EQ(location.place, place);
    return diagnostics.has_errors() ? diagnostics.all().front().message : "";
  }

  fs::path folder_;
};

TEST_F(JournalLocationTest, MakesTheDirectoryUnlessItOnlyAsks) {
  EXPECT_EQ(problem(folder_ / "a/b", true), "");
  EXPECT_TRUE(fs::is_empty(folder_));
  EXPECT_EQ(problem(folder_ / "a/b", false), "");
  EXPECT_TRUE(fs::is_directory(folder_ / "a/b/journal"));
  EXPECT_EQ(problem(folder_ / "a/b", true), "");
}

TEST_F(JournalLocationTest, SaysWhyNot) {
  std::ofstream(folder_ / "file") << "x";
  for (const bool keep_nothing : {true, false})
    EXPECT_THAT(problem(folder_ / "file/state", keep_nothing),
                testing::ContainsRegex("the journal cannot live in .*[Nn]ot a directory"));
}

TEST_F(JournalLocationTest, ChecksDoNotDisturbEachOther) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int times = 0; times < 200; ++times) EXPECT_EQ(problem(folder_ / "state", true), "");
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace noroshi
