#include "app/cli/init_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "aws/testing/fake_environment.h"

namespace noroshi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> found(std::vector<std::string> entries) {
  std::vector<char*> environment;
  for (std::string& entry : entries) environment.push_back(entry.data());
  environment.push_back(nullptr);
  std::vector<std::string> texts;
  for (const InitFile& file : init_files(environment.data()))
    texts.push_back((file.in_s3 ? "s3 " : "file ") + file.variable + " " + file.value);
  return texts;
}

TEST(InitFiles, AreThoseOfTheInitImageInTheOrderOfTheEnvironment) {
  // Its rule: the name contains the pattern; the number says nothing about the order.
  EXPECT_THAT(found({"PATH=/bin", "NOROSHI_CONFIG_S3=arn:aws:s3:::b/own.conf",
                     "aws_fluent_bit_init_s3_10=arn:aws:s3:::b/z.conf",
                     "aws_fluent_bit_init_S3_2=arn:aws:s3:::b/a.conf",
                     "aws_fluent_bit_init_file_1=/ecs/s3.conf", "my_aws_fluent_bit_init_File=/x=y",
                     "aws_fluent_bit_init_s3_3=", "aws_fluent_bit_init_ignore_firelens_config=true",
                     "nonsense"}),
              ElementsAre("s3 aws_fluent_bit_init_s3_10 arn:aws:s3:::b/z.conf",
                          "s3 aws_fluent_bit_init_S3_2 arn:aws:s3:::b/a.conf",
                          "file aws_fluent_bit_init_file_1 /ecs/s3.conf",
                          "file my_aws_fluent_bit_init_File /x=y",
                          "s3 NOROSHI_CONFIG_S3 arn:aws:s3:::b/own.conf"));
  EXPECT_TRUE(init_files(nullptr).empty());
}

TEST(InitFiles, AreReadOrTheVariableIsNamed) {
  testing::FakeEnvironment fake;
  fake.variables = {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                    {"AWS_SECRET_ACCESS_KEY", "secret"},
                    {"AWS_REGION", "eu-west-1"}};
  const AwsEnvironment aws = fake.environment();
  Diagnostics diagnostics;
  fake.http.answer(200, "[FILTER]\n");
  const auto text = read_init_file({"V", "arn:aws:s3:::b/a.conf", true}, aws, diagnostics);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->name, "s3://b/a.conf");
  EXPECT_EQ(text->text, "[FILTER]\n");
  const std::string path = ::testing::TempDir() + "init_files_test.conf";
  std::ofstream(path) << "[OUTPUT]\n";
  EXPECT_EQ(read_init_file({"V", path, false}, aws, diagnostics)->text, "[OUTPUT]\n");
  EXPECT_EQ(diagnostics.render(), "");

  fake.http.answer(403, "<Error><Code>AccessDenied</Code></Error>");
  EXPECT_FALSE(read_init_file({"V1", "arn:aws:s3:::b/a.conf", true}, aws, diagnostics));
  EXPECT_FALSE(read_init_file({"V2", "b/a.conf", true}, aws, diagnostics));
  EXPECT_FALSE(read_init_file({"V3", "/does/not/exist", false}, aws, diagnostics));
  EXPECT_EQ(diagnostics.error_count(), 3u);
  for (const char* words : {"V1", "task role", "V2", "V3", "/does/not/exist"})
    EXPECT_THAT(diagnostics.render(), HasSubstr(words));
}

}  // namespace
}  // namespace noroshi
