// The traps `noroshi check` warns of, through the whole builder with the real plugins: each with a
// configuration that walks into it and one that does not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "app/plugins.h"
#include "aws/credentials.h"
#include "pipeline/pipeline.h"

namespace noroshi {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kInput = "[INPUT]\n    Name dummy\n    Tag app\n";
constexpr std::string_view kS3 =
    "[OUTPUT]\n    Name s3\n    Match *\n    region eu-west-1\n    bucket logs-bucket\n";

// All warnings as text; errors fail the test.
std::string warnings(const std::string& text) {
  Diagnostics diagnostics;
  const std::string state = testing::TempDir() + "traps-" + std::to_string(getpid());
  const EnvironmentLookup environment = [&](const std::string& name) -> std::optional<std::string> {
    if (name == "NOROSHI_STORAGE_PATH") return state;
    return std::nullopt;
  };
  const Document document =
      parse_classic_text("test.conf", text, diagnostics, {.environment = environment});
  const auto pipeline = Pipeline::build(document,
                                        {.plugins = all_plugins(),
                                         .aws = aws_process_environment(),
                                         .environment = environment,
                                         .check_only = true},
                                        diagnostics);
  EXPECT_NE(pipeline, nullptr) << diagnostics.render();
  std::filesystem::remove_all(state);
  return diagnostics.render();
}

std::string with(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

TEST(Traps, AGoodConfigurationHasNone) {
  EXPECT_THAT(warnings(with({kInput, kS3, "    s3_key_format /logs/%Y/$UUID.gz\n"})), IsEmpty());
}

TEST(Traps, ALogKeyThatAnEarlierFilterConsumes) {
  constexpr std::string_view kFilter =
      "[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n    Parser json\n";
  const std::string logs =
      "[OUTPUT]\n    Name cloudwatch_logs\n    Match *\n    region eu-west-1\n    log_group_name "
      "g\n"
      "    log_stream_prefix p-\n    log_key log\n";
  EXPECT_THAT(warnings(with({kInput, kFilter, logs})), HasSubstr("log_key log is gone"));
  EXPECT_THAT(warnings(with({kInput, kFilter, "    Preserve_Key On\n", logs})),
              Not(HasSubstr("log_key")));
  EXPECT_THAT(warnings(with({kInput, logs})), IsEmpty());
}

TEST(Traps, AKeyFormatThatCannotBeUnique) {
  EXPECT_THAT(warnings(with({kInput, kS3, "    s3_key_format /logs/%Y/%m/%d.gz\n"})),
              HasSubstr("s3_key_format"));
}

TEST(Traps, AnOutputThatNoRecordReaches) {
  constexpr std::string_view kStdout = "[OUTPUT]\n    Name stdout\n    Match web.*\n";
  EXPECT_THAT(warnings(with({kInput, kStdout})), HasSubstr("no record can reach this output"));
  // Tags of a forward input come from its clients: nothing can be said.
  EXPECT_THAT(warnings(with({"[INPUT]\n    Name forward\n    Port 0\n", kStdout})), IsEmpty());
  // So it is after a rewrite_tag.
  EXPECT_THAT(
      warnings(with({kInput,
                     "[FILTER]\n    Name rewrite_tag\n    Match app\n    Rule $a ^b$ web.c false\n",
                     kStdout})),
      IsEmpty());
}

TEST(Traps, ARetryLimitThatCanLoseData) {
  constexpr std::string_view kStdout = "[OUTPUT]\n    Name stdout\n    Match *\n";
  EXPECT_THAT(warnings(with({kInput, kStdout, "    Retry_Limit 3\n"})),
              HasSubstr("after 3 retries records are lost"));
  EXPECT_THAT(warnings(with({kInput, kStdout, "    Retry_Limit no_retries\n"})),
              HasSubstr("without retries"));
  EXPECT_THAT(warnings(with({kInput, kStdout, "    Retry_Limit no_limits\n"})), IsEmpty());
}

TEST(Traps, ARouteThatSendsToItself) {
  constexpr std::string_view kForward = "[INPUT]\n    Name forward\n    Port 24321\n";
  const std::string own =
      "[OUTPUT]\n    Name forward\n    Match *\n    Host log-router\n    Port 24321\n";
  EXPECT_THAT(warnings(with({kForward, kS3, "    s3_key_format /$UUID\n", own})),
              HasSubstr("it is left out"));
  const std::string aggregator =
      "[OUTPUT]\n    Name forward\n    Match *\n    Host aggregator.example.com\n    Port 24321\n";
  EXPECT_THAT(warnings(with({kForward, kS3, "    s3_key_format /$UUID\n", aggregator})), IsEmpty());
  EXPECT_THAT(
      warnings(with(
          {kInput, "[FILTER]\n    Name rewrite_tag\n    Match app*\n    Rule $a ^b$ app.c false\n",
           kS3, "    s3_key_format /$UUID\n"})),
      HasSubstr("come back to this filter"));
}

}  // namespace
}  // namespace noroshi
