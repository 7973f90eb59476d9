#include "config/option_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/common_options.h"

namespace noroshi {
namespace {

enum class Shape { Round, Square };

struct Options {
  std::string bucket = {};
  ByteSize size = {};
  Nanoseconds timeout = {};
  bool use_put_object = true;
  int64_t parts = 7;
  double ratio = {};
  std::vector<std::string> tags = {};
  std::optional<int64_t> days = {};
  std::string compression = {};
  Shape shape = Shape::Round;
  std::vector<LocatedText> rules = {};
};

const OptionTable<Options>& table() {
  static const auto table =
      OptionTable<Options>("s3", "Objects in Amazon S3.")
          .required("bucket", &Options::bucket, "Bucket name.")
          .option("total_file_size", &Options::size, "100M", "Size that closes an object.")
          .alias("file_size")
          .between("1M", "50G")
          .option("upload_timeout", &Options::timeout, "10m", "Age that closes an object.")
          .option("use_put_object", &Options::use_put_object, "false", "Never multipart.")
          .option("parts", &Options::parts, "Keeps seven.")
          .option("ratio", &Options::ratio, "0.5", "A number.")
          .option("tag", &Options::tags, "Object tag.")
          .option("days", &Options::days, "Optional.")
          .choice("compression", &Options::compression, "none", {"none", "gzip", "zstd"},
                  "Encoding.")
          .choice("shape", &Options::shape, "round",
                  {{"round", Shape::Round}, {"square", Shape::Square}}, "Form.")
          .option("add", &Options::rules, "Rule.")
          .option("remove", &Options::rules, "Rule.")
          .ignored("workers", "Accepted.", "has no effect")
          .ignored("blob_*", "Accepted.");
  return table;
}

// One line per property, "key value".
Section section_of(const std::string& text, SectionKind kind = SectionKind::Output) {
  const auto source = std::make_shared<const SourceText>("test.conf", "[OUTPUT]\n" + text);
  Section section{.kind = kind,
                  .title = "OUTPUT",
                  .where = {source, 1, 1, 8},
                  .properties = {},
                  .children = {}};
  for (uint32_t line = 2; !source->line(line).empty(); ++line) {
    const std::string_view all = source->line(line);
    const size_t space = std::min(all.find(' '), all.size());
    const std::string key(all.substr(0, space)), value(trim(all.substr(space)));
    section.properties.push_back(
        {key,
         to_lower(key),
         {source, line, 1, static_cast<uint32_t>(key.size())},
         {{value,
           {source, line, static_cast<uint32_t>(space + 2), static_cast<uint32_t>(value.size())},
           false}}});
  }
  return section;
}

TEST(OptionTable, SetsEveryTypeAndKeepsDefaults) {
  Diagnostics diagnostics;
  const Options options =
      table().parse(section_of("Name s3\nBucket b\nFile_Size 2MiB\nupload_timeout 1.5s\n"
                               "use_put_object on\nratio 2.25\ntag a\ntag b\ndays 3\n"
                               "compression GZIP\nshape square\nadd x\nremove y\nadd z\n"
                               "blob_file q\n"),
                    diagnostics);
  EXPECT_EQ(diagnostics.render(), "");
  EXPECT_EQ(options.bucket, "b");
  EXPECT_EQ(options.size.bytes, 2097152u);
  EXPECT_EQ(options.timeout, Milliseconds(1500));
  EXPECT_TRUE(options.use_put_object);
  EXPECT_EQ(options.parts, 7);
  EXPECT_EQ(options.ratio, 2.25);
  EXPECT_THAT(options.tags, testing::ElementsAre("a", "b"));
  EXPECT_EQ(options.days, 3);
  EXPECT_EQ(options.compression, "gzip");
  EXPECT_EQ(options.shape, Shape::Square);
  ASSERT_EQ(options.rules.size(), 3u);
  EXPECT_EQ(options.rules[1].name, "remove");
  EXPECT_EQ(options.rules[2].text, "z");
  EXPECT_EQ(options.rules[2].where.line, 15u);

  const Options defaults = table().defaults();
  EXPECT_EQ(defaults.size.bytes, 100'000'000u);
  EXPECT_EQ(defaults.timeout, std::chrono::minutes(10));
  EXPECT_FALSE(defaults.use_put_object);
  EXPECT_FALSE(defaults.days.has_value());
}

struct BadCase {
  const char* text;
  const char* rendered;
};
class OptionTableErrors : public testing::TestWithParam<BadCase> {};

TEST_P(OptionTableErrors, NameThePlaceAndTheWayOut) {
  Diagnostics diagnostics;
  static_cast<void>(table().parse(section_of(GetParam().text), diagnostics));
  EXPECT_EQ(diagnostics.render(), GetParam().rendered);
}

INSTANTIATE_TEST_SUITE_P(
    All, OptionTableErrors,
    testing::Values(
        BadCase{"Name s3\n",
                "test.conf:1:1: error: output s3: the required option \"bucket\" is missing\n"
                "    1 | [OUTPUT]\n"
                "      | ^~~~~~~~\n"
                "help: bucket: Bucket name.\n\n1 error\n"},
        BadCase{"Name s3\nbucket \n",
                "test.conf:3:8: error: output s3: the required option \"bucket\" is empty\n"
                "    3 | bucket \n"
                "help: bucket: Bucket name.\n\n1 error\n"},
        BadCase{"Name s3\nbucket b\ntotal_file_sise 1M\n",
                "test.conf:4:1: error: output s3 has no option \"total_file_sise\"\n"
                "    4 | total_file_sise 1M\n"
                "      | ^~~~~~~~~~~~~~~\n"
                "help: did you mean \"total_file_size\"?\n\n1 error\n"},
        BadCase{"Name s3\nbucket b\nretry_limt 1\n",
                "test.conf:4:1: error: output s3 has no option \"retry_limt\"\n"
                "    4 | retry_limt 1\n"
                "      | ^~~~~~~~~~\n"
                "help: did you mean \"retry_limit\"?\n\n1 error\n"},
        BadCase{"Name s3\nbucket b\nqqqqqqqq 1\n",
                "test.conf:4:1: error: output s3 has no option \"qqqqqqqq\"\n"
                "    4 | qqqqqqqq 1\n"
                "      | ^~~~~~~~\n"
                "help: its options are bucket, total_file_size, upload_timeout, use_put_object, "
                "parts, ratio, "
                "tag, days, compression, shape, add and remove\n\n1 error\n"},
        BadCase{"Name s3\nbucket b\nBucket c\n",
                "test.conf:4:1: error: output s3: \"bucket\" is set twice\n"
                "    4 | Bucket c\n"
                "      | ^~~~~~\n"
                "test.conf:3:1: note: first set here\n"
                "    3 | bucket b\n"
                "      | ^~~~~~\n\n1 error\n"},
        BadCase{"Name s3\nbucket b\nfile_size 10XB\n",
                "test.conf:4:11: error: output s3 total_file_size: \"10XB\" is not a size: write a "
                "number and K, M, "
                "G (decimal) or KiB, MiB, GiB, such as 100M\n"
                "    4 | file_size 10XB\n"
                "      |           ^~~~\n\n1 error\n"},
        BadCase{"Name s3\nbucket b\ntotal_file_size 100\n",
                "test.conf:4:17: error: output s3 total_file_size: 100 is too small: at least 1M\n"
                "    4 | total_file_size 100\n"
                "      |                 ^~~\n\n1 error\n"},
        BadCase{"Name s3\nbucket b\ncompression gzpi\n",
                "test.conf:4:13: error: output s3 compression: \"gzpi\" is not one of none, gzip "
                "and zstd\n"
                "    4 | compression gzpi\n"
                "      |             ^~~~\n"
                "help: did you mean \"gzip\"?\n\n1 error\n"},
        BadCase{"Name s3\nbucket b\nworkers 4\n",
                "test.conf:4:1: warning: output s3: \"workers\" has no effect\n"
                "    4 | workers 4\n"
                "      | ^~~~~~~\n\n1 warning\n"}));

TEST(OptionTable, ReportsAllProblemsAtOnceAndStillGivesDefaults) {
  Diagnostics diagnostics;
  const Options options = table().parse(
      section_of("ratio x\ndays 1.5\nuse_put_object maybe\nupload_timeout soon\nbogus 1\n"),
      diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 6u);  // and the missing bucket
  EXPECT_EQ(options.ratio, 0.5);
  EXPECT_EQ(options.timeout, std::chrono::minutes(10));
}

TEST(OptionTable, LeavesCommonOptionsAloneAndUnknownServiceKeysAreWarnings) {
  Diagnostics diagnostics;
  static_cast<void>(table().parse(section_of("Name s3\nbucket b\nMatch *\nnet.keepalive "
                                             "on\ntls.debug 1\ngrep level ERROR\nstorage.x 1\n"),
                                  diagnostics));
  EXPECT_EQ(diagnostics.render(), "");
  static_cast<void>(
      table().parse(section_of("bucket b\nbukket b\n", SectionKind::Service), diagnostics));
  EXPECT_EQ(diagnostics.error_count(), 0u);
  EXPECT_EQ(diagnostics.warning_count(), 1u);
}

TEST(OptionTable, UnknownKeysBelowACommonPrefixAreWarningsUnlessThePluginHasThem) {
  struct Tls {
    std::string extra = {};
  };
  const auto own = OptionTable<Tls>("x", "X.").option("tls.extra", &Tls::extra, "Its own.");
  const Section section = section_of("Name x\ntls.extra 1\ntls.verfy off\ncondition y\n");
  Diagnostics diagnostics;
  EXPECT_EQ(own.parse(section, diagnostics).extra, "1");
  static_cast<void>(parse_output_common(section, diagnostics));
  EXPECT_EQ(diagnostics.error_count(), 0u);
  EXPECT_EQ(diagnostics.warning_count(), 2u) << diagnostics.render();
  EXPECT_THAT(diagnostics.render(), testing::HasSubstr("\"tls.verfy\" is not known"));
}

TEST(OptionTable, OneProblemSeenByBothTablesIsReportedOnce) {
  struct Http {
    int64_t port = 0;
  };
  const auto http = OptionTable<Http>("http", "HTTP.").option("port", &Http::port, "80", "Port.");
  const Section section = section_of("Name http\nport x\n");
  Diagnostics diagnostics;
  static_cast<void>(http.parse(section, diagnostics));
  static_cast<void>(parse_output_common(section, diagnostics));
  EXPECT_EQ(diagnostics.error_count(), 1u) << diagnostics.render();
}

TEST(OptionTable, RendersMarkdownAndHelp) {
  struct Small {
    std::string key = {};
    bool on = false;
  };
  const auto small = OptionTable<Small>("small", "Does little.")
                         .required("key", &Small::key, "A|B.")
                         .option("on", &Small::on, "true", "Switch.")
                         .alias("enabled")
                         .ignored("workers", "Accepted.");
  EXPECT_EQ(render_markdown_table(small),
            "| Name | Type | Default | Meaning |\n|---|---|---|---|\n"
            "| `key` | text | **required** | A\\|B. |\n"
            "| `on` (or `enabled`) | boolean | `true` | Switch. |\n"
            "\nAccepted without effect: `workers`.\n");
  EXPECT_EQ(render_help(small),
            "small: Does little.\n"
            "\n  key  (text, required)\n      A|B.\n"
            "\n  on, enabled  (boolean, default true)\n      Switch.\n");
}

TEST(CommonOptions, ReadOutputs) {
  Diagnostics diagnostics;
  const OutputCommon common = parse_output_common(
      section_of(
          "Name s3\nMatch app.*\nalias a\nGrep level ERROR,FATAL\nGrep path /x/\nretry_limit "
          "no_limits\n"
          "storage.total_limit_size 1G\nlog_level debug\ntls on\nport 443\nbucket b\nMatch b.*\n"),
      diagnostics);
  EXPECT_EQ(diagnostics.error_count(), 0u) << diagnostics.render();
  EXPECT_EQ(diagnostics.warning_count(), 1u);  // Match twice, the last wins
  EXPECT_EQ(common.match.text, "b.*");
  EXPECT_EQ(common.match.where.line, 13u);
  ASSERT_EQ(common.grep.size(), 2u);
  EXPECT_EQ(common.grep[1].text, "path /x/");
  EXPECT_EQ(common.retry_limit, RetryLimit{});
  EXPECT_EQ(common.storage_total_limit_size.bytes, 1'000'000'000u);
  EXPECT_EQ(common.log_level, LogLevel::Debug);
  EXPECT_EQ(common.tls, true);
  EXPECT_EQ(common.port, 443);
}

TEST(CommonOptions, RetryLimitZeroIsOneWithAWarningAndRubbishIsAnError) {
  Diagnostics diagnostics;
  EXPECT_EQ(parse_output_common(section_of("retry_limit 0\n"), diagnostics).retry_limit,
            (RetryLimit{RetryLimit::Kind::Count, 1}));
  EXPECT_EQ(diagnostics.error_count(), 0u);
  EXPECT_EQ(diagnostics.warning_count(), 1u);
  EXPECT_FALSE(
      parse_output_common(section_of("retry_limit many\n"), diagnostics).retry_limit.has_value());
  EXPECT_EQ(diagnostics.error_count(), 1u);
}

TEST(CommonOptions, ACommentBehindANumberIsReadAsWhatIsMeant) {
  Diagnostics diagnostics;
  const OutputCommon common = parse_output_common(
      section_of("retry_limit 5 # often\nport many # ports\nmatch * # all\n"), diagnostics);
  EXPECT_EQ(common.retry_limit, (RetryLimit{RetryLimit::Kind::Count, 5}));
  EXPECT_EQ(common.match.text, "* # all") << "a text is what stands there";
  EXPECT_EQ(diagnostics.warning_count(), 1u);
  EXPECT_EQ(diagnostics.error_count(), 1u);
}

}  // namespace
}  // namespace noroshi
