#include "config/secret_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/secrets.h"
#include "config/classic.h"
#include "config/yaml.h"

namespace noroshi {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kMarker = "MARKED-SECRET";

TEST(SecretOptionsTest, NamesOfSecrets) {
  for (const char* name : {"shared_key",
                           "Shared_Key",
                           "password",
                           "http_passwd",
                           "tls.key_passwd",
                           "apikey",
                           "api_key",
                           "splunk_token",
                           "license_key",
                           "bearer_token",
                           "secret",
                           "account_key",
                           "security.users",
                           "rdkafka.sasl.password",
                           "AWS_SECRET_ACCESS_KEY",
                           "DB_PASSWORD",
                           "Authorization",
                           "X-Api-Key",
                           "shard_key",
                           "pasword",
                           "cloud_auth",
                           "http_pasword"}) {
    EXPECT_TRUE(is_secret_name(name)) << name;
  }
  for (const char* name : {"tls.key_file",
                           "sse_kms_key_id",
                           "log_key",
                           "time_key",
                           "empty_shared_key",
                           "username",
                           "aws_access_key_id",
                           "json_date_key",
                           "remove_key",
                           "token_file",
                           "bucket",
                           "host",
                           "port",
                           "tag_key",
                           "use_put_object",
                           "raw_message_key",
                           "path",
                           "parser",
                           "preserve_key",
                           "name"}) {
    EXPECT_FALSE(is_secret_name(name)) << name;
  }
}

std::string masked(std::string_view line) {
  const auto at = secret_in_line(line);
  return at ? std::string(line.substr(0, *at)) + "*" : std::string(line);
}

TEST(SecretOptionsTest, WhereASecretBeginsInALine) {
  EXPECT_EQ(masked("    Shared_Key  a b"), "    Shared_Key  *");
  EXPECT_EQ(masked("  - shared_key: x"), "  - shared_key: *");
  EXPECT_EQ(masked("- {name: forward, \"password\" : \"x\", tag: y}"),
            "- {name: forward, \"password\" : *");
  EXPECT_EQ(masked("@SET API_TOKEN=x"), "@SET API_TOKEN=*");
  EXPECT_EQ(masked("-o forward -p shared_key=x -p port=1"), "-o forward -p shared_key=*");
  EXPECT_EQ(masked("Header Authorization Bearer x"), "Header Authorization *");
  EXPECT_EQ(masked("tls.key_file /a/b"), "tls.key_file /a/b");
  EXPECT_EQ(masked("shared_key ${NAME} "), "shared_key ${NAME} ");
  EXPECT_EQ(masked("shared_key ${NAME:-x}"), "shared_key *");
  EXPECT_EQ(masked("shared_key x${NAME}"), "shared_key *");
  EXPECT_EQ(masked("shared_key"), "shared_key");
  EXPECT_EQ(masked("shared_key:  "), "shared_key:  ");
  EXPECT_EQ(masked(""), "");
}

TEST(SecretOptionsTest, AQuotedLineKeepsItsShapeAndLosesTheSecret) {
  const auto source = std::make_shared<const SourceText>(
      "x.conf", "[OUTPUT]\n    password  " + std::string(kMarker) + " and more\n");
  Diagnostics diagnostics;
  diagnostics.error({source, 2, 15, 22}, "the value");
  diagnostics.error({source, 2, 5, 8}, "the key").note("again", {source, 2, 20, 3});
  EXPECT_EQ(diagnostics.render(),
            "x.conf:2:5: error: the key\n"
            "    2 |     password  ********\n"
            "      |     ^~~~~~~~\n"
            "x.conf:2:20: note: again\n"
            "    2 |     password  ********\n"
            "      |               ^~~~~~~~\n"
            "\n"
            "x.conf:2:15: error: the value\n"
            "    2 |     password  ********\n"
            "      |               ^~~~~~~~\n"
            "\n"
            "2 errors\n");
}

TEST(SecretOptionsTest, AValueFromAVariableIsKnownWhereverItIsPrinted) {
  Diagnostics diagnostics;
  ClassicOptions options;
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "FROM_VARIABLE") return "MARKED-SECRET-of-a-variable";
    return std::nullopt;
  };
  const Document document =
      parse_classic_text("x.conf",
                         "[OUTPUT]\n    name forward\n    shared_key ${FROM_VARIABLE}\n"
                         "    security.users somebody MARKED-SECRET-of-a-user\n"
                         "    header Authorization Bearer MARKED-SECRET-of-a-header\n"
                         "    header X-Seen MARKED-no-secret\n",
                         diagnostics, options);
  EXPECT_EQ(without_secrets("it is MARKED-SECRET-of-a-variable."), "it is ********.");
  EXPECT_EQ(without_secrets("MARKED-SECRET-of-a-user by somebody"), "******** by somebody");
  EXPECT_EQ(without_secrets("Bearer MARKED-SECRET-of-a-header"), "Bearer ********");
  EXPECT_EQ(without_secrets("MARKED-no-secret"), "MARKED-no-secret");
  diagnostics.error({}, "quotes MARKED-SECRET-of-a-variable");
  EXPECT_THAT(diagnostics.render(), Not(HasSubstr(kMarker)));
}

TEST(SecretOptionsTest, YamlTooInBlocksOfSeveralLines) {
  Diagnostics diagnostics;
  const Document document =
      parse_yaml_text("x.yaml",
                      "pipeline:\n  outputs:\n    - name: forward\n      password: |\n"
                      "        MARKED-SECRET-first\n        MARKED-SECRET-second\n",
                      diagnostics, {});
  ASSERT_FALSE(diagnostics.has_errors()) << diagnostics.render();
  diagnostics.error({document.files.front(), 6, 9, 5}, "in the middle");
  EXPECT_THAT(diagnostics.render(), Not(HasSubstr(kMarker)));
  EXPECT_THAT(diagnostics.render(), HasSubstr("    6 |         ********\n"));
}

TEST(SecretsTest, UserinfoOfUrls) {
  EXPECT_EQ(without_secrets("proxy http://user:pass@host:3128/x failed"),
            "proxy http://********@host:3128/x failed");
  EXPECT_EQ(without_secrets("http://a:b@c@host, https://token@other?x=a@b"),
            "http://********@host, https://********@other?x=a@b");
  EXPECT_EQ(without_secrets("http://host/a@b http://"), "http://host/a@b http://");
}

TEST(SecretsTest, OneThatContainsAnotherAndShortOnes) {
  remember_secret("inner-part");
  remember_secret("the inner-part and more");
  remember_secret("short");
  remember_secret(R"(with"quote\and more)");
  EXPECT_EQ(without_secrets("the inner-part and more, inner-part, short"),
            "********, ********, short");
  EXPECT_EQ(without_secrets(R"({"x":"with\"quote\\and more"})"), R"({"x":"********"})");
}

TEST(SecretsTest, OnlySoManyAreRemembered) {
  for (size_t i = 0; i < kSecretsMax + 10; ++i)
    remember_secret("numbered-" + std::to_string(10000 + i));
  EXPECT_EQ(without_secrets("numbered-10000"), "numbered-10000");
  EXPECT_EQ(without_secrets("numbered-11000"), "********");
}

}  // namespace
}  // namespace noroshi
