#include "output/file/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "output/testing/chunk_builder.h"
#include "output/testing/output_section.h"

namespace noroshi {
namespace {

namespace fs = std::filesystem;
using testing::ChunkBuilder;
using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = (fs::temp_directory_path() / "noroshi-file-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override { fs::remove_all(directory_); }

  std::optional<MadeOutput> make(const testing::OptionPairs& pairs) {
    diagnostics_ = Diagnostics();
    OutputContext context = testing::output_context(kFilePlugin);
    return kFilePlugin.make(testing::output_section("file", pairs), context, diagnostics_);
  }
  static Delivery deliver(Output& output, std::string_view tag, std::string_view record) {
    ChunkBuilder chunk{std::string(tag)};
    chunk.json(Timestamp(Seconds(5)), record);
    std::vector<std::string_view> groups;
    output.group(chunk.view(), chunk.all(), groups);
    auto batch = output.open_batch(groups.at(0), {}).value();
    std::vector<RejectedRecord> rejected;
    EXPECT_EQ(batch->add(chunk.view(), chunk.all(), rejected), 1u);
    return output.deliver(*batch, system_clock().monotonic() + Seconds(5));
  }
  std::string content(const fs::path& name) const {
    std::ostringstream text;
    text << std::ifstream(directory_ / name).rdbuf();
    return text.str();
  }

  fs::path directory_;
  Diagnostics diagnostics_;
};

TEST_F(FileTest, AppendsToTheFileOfTheTag) {
  std::ofstream(directory_ / "app.web") << "before\n";
  const auto made = make({{"path", directory_.string()}});
  ASSERT_TRUE(made) << diagnostics_.render();
  EXPECT_EQ(deliver(*made->output, "app.web", R"({"a":1})").outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(deliver(*made->output, "app.web", R"({"a":2})").outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(deliver(*made->output, "../evil tag", R"({"a":3})").outcome,
            Delivery::Outcome::Retry);  // no mkdir
  EXPECT_EQ(content("app.web"),
            "before\napp.web: [5.000000000, {\"a\":1}]\napp.web: [5.000000000, {\"a\":2}]\n");
}

TEST_F(FileTest, MakesDirectories) {
  const auto made =
      make({{"path", (directory_ / "x/y").string()}, {"mkdir", "true"}, {"format", "plain"}});
  ASSERT_TRUE(made) << diagnostics_.render();
  EXPECT_EQ(deliver(*made->output, "../a/b", "{}").outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(content("x/y/_/a/b"), "{}\n");
}

// Two tags of which one would have to be a file and a directory: nobody waits for ever.
TEST_F(FileTest, AFileAndADirectoryOfTheSameNameAreBothWritten) {
  const auto made = make({{"path", directory_.string()}, {"mkdir", "true"}, {"format", "plain"}});
  ASSERT_TRUE(made) << diagnostics_.render();
  for (const char* const tag : {"a", "a/b", "c/d", "c", "a/b", "c"})
    EXPECT_EQ(deliver(*made->output, tag, "{}").outcome, Delivery::Outcome::Delivered) << tag;
  EXPECT_EQ(content("a"), "{}\n");
  EXPECT_EQ(content("a_b~"), "{}\n{}\n");
  EXPECT_EQ(content("c/d"), "{}\n");
  EXPECT_EQ(content("c~"), "{}\n{}\n");
}

TEST_F(FileTest, ReopensARotatedFile) {
  const auto made = make({{"path", directory_.string()}, {"file", "log"}, {"format", "plain"}});
  ASSERT_TRUE(made);
  ASSERT_EQ(deliver(*made->output, "t", R"({"n":1})").outcome, Delivery::Outcome::Delivered);
  fs::rename(directory_ / "log", directory_ / "log.1");
  ASSERT_EQ(deliver(*made->output, "t", R"({"n":2})").outcome, Delivery::Outcome::Delivered);
  fs::remove(directory_ / "log");
  ASSERT_EQ(deliver(*made->output, "t", R"({"n":3})").outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(content("log.1"), "{\"n\":1}\n");
  EXPECT_EQ(content("log"), "{\"n\":3}\n");
}

TEST_F(FileTest, FullDiskIsARetry) {
  const auto made = make({{"path", "/dev"}, {"file", "full"}});
  ASSERT_TRUE(made);
  const Delivery delivery = deliver(*made->output, "t", "{}");
  EXPECT_EQ(delivery.outcome, Delivery::Outcome::Retry);
  EXPECT_THAT(delivery.reason, HasSubstr("No space left"));
}

TEST_F(FileTest, CsvBeginsWithTheColumnNames) {
  const auto made = make({{"path", directory_.string()},
                          {"file", "t.csv"},
                          {"format", "csv"},
                          {"csv_column_names", "on"}});
  ASSERT_TRUE(made);
  ASSERT_EQ(deliver(*made->output, "t", R"({"a":1,"b":"x"})").outcome,
            Delivery::Outcome::Delivered);
  ASSERT_EQ(deliver(*made->output, "t", R"({"a":2,"b":"y"})").outcome,
            Delivery::Outcome::Delivered);
  EXPECT_EQ(content("t.csv"), "timestamp,\"a\",\"b\"\n5.000000000,1,\"x\"\n5.000000000,2,\"y\"\n");
}

TEST_F(FileTest, Options) {
  EXPECT_FALSE(make({{"path", (directory_ / "missing").string()}}));
  EXPECT_THAT(diagnostics_.render(), HasSubstr("there is no directory"));
  EXPECT_FALSE(make({{"path", directory_.string()}, {"format", "csv"}, {"delimiter", "|"}}));
  EXPECT_FALSE(make({{"path", directory_.string()}, {"format", "parquet"}}));
  const auto made = make({{"path", directory_.string()},
                          {"format", "ltsv"},
                          {"label_delimiter", "comma"},
                          {"file", "l"}});
  ASSERT_TRUE(made) << diagnostics_.render();
  EXPECT_EQ(made->output->identity(), "file:" + directory_.string() + "/l");
  ASSERT_EQ(deliver(*made->output, "t", R"({"a":1})").outcome, Delivery::Outcome::Delivered);
  EXPECT_EQ(content("l"), "\"time\",5.000000\t\"a\",1\n");
}

TEST(FileNameOfTag, StaysInside) {
  EXPECT_EQ(file_name_of_tag("app.web-1_x"), "app.web-1_x");
  EXPECT_EQ(file_name_of_tag("/var//log/x"), "var/log/x");
  EXPECT_EQ(file_name_of_tag("../../etc/passwd"), "_/_/etc/passwd");
  EXPECT_EQ(file_name_of_tag("a b:c\n"), "a_b_c_");
  EXPECT_EQ(file_name_of_tag("a\\..\\b"), "a/_/b");
  EXPECT_EQ(file_name_of_tag(""), "_");
  EXPECT_EQ(file_name_of_tag("//"), "_");
  // No file system takes them as they are, and none may stop the output for good.
  const std::string long_part = file_name_of_tag("a/" + std::string(60'000, 'x') + "/b");
  EXPECT_EQ(long_part.size(), 2u + 200 + 2);
  EXPECT_NE(long_part, file_name_of_tag("a/" + std::string(60'001, 'x') + "/b"));
  std::string deep;
  for (int i = 0; i < 20'000; ++i) deep += "d/";
  EXPECT_LE(file_name_of_tag(deep).size(), 200u);
  EXPECT_EQ(file_name_of_tag(deep).find('/'), std::string::npos);
}

}  // namespace
}  // namespace noroshi
