#include "filter/redact/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include <fmt/format.h>

#include "config/classic.h"
#include "config/diagnostics.h"
#include "filter/redact/sensitive_reference.h"
#include "filter/redact/sensitive_text.h"
#include "parser/parser_registry.h"
#include "record/json_record.h"
#include "record/json_writer.h"

namespace noroshi {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <typename Find>
std::vector<std::string> found_by(Find find, std::string_view text) {
  std::vector<SensitiveRange> found;
  find(text, 0u, found);
  std::vector<std::string> out;
  for (const SensitiveRange& range : found) {
    out.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return out;
}

TEST(SensitiveText, Mail) {
  EXPECT_THAT(found_by(find_mail, "to taro.yamada+x@mail.example.co.jp, cc <b@c.io>."),
              ElementsAre("taro.yamada+x@mail.example.co.jp", "b@c.io"));
  for (const char* none :
       {"@", "a@", "@b.de", "a@b", "npm @scope/pkg", "foo@1.2.3", "a@b..com", "a@-b.com", "x@y.c",
        "postgres://user:secret@db.example.com/x", "a @ b.com"}) {
    EXPECT_THAT(found_by(find_mail, none), IsEmpty()) << none;
  }
  EXPECT_THAT(found_by(find_mail, std::string(65, 'a') + "@b.com"), IsEmpty());
  EXPECT_THAT(found_by(find_mail, "mail=a@b.com."), ElementsAre("a@b.com"));
}

TEST(SensitiveText, Cards) {
  // Test numbers that the issuers and Stripe publish.
  for (const char* card :
       {"4242424242424242", "5555555555554444", "2223003122003222", "378282246310005",
        "6011111111111117", "3056930009020004", "36227206271667", "3566002020360505",
        "6200000000000005", "4242 4242 4242 4242", "5555-5555-5555-4444", "3782 822463 10005",
        "3622 720627 1667", "4222222222222"}) {
    EXPECT_THAT(found_by(find_cards, fmt::format("card={} ok", card)), ElementsAre(card));
    EXPECT_THAT(found_by(find_cards, card), ElementsAre(card));
  }
  for (const char* none :
       {"4242424242424241", "1795402380123", "1795402380123456789", "a4242424242424242",
        "4242424242424242b", "42424242424242424242", "0.4242424242424242", "4242424242424242.5",
        "4242 4242-4242 4242", "424-2424242424242", "00000000000000000000",
        "----------------------", "2026-11-23 02:53:00.123456789",
        "123e4567-e89b-12d3-a456-426614174000"}) {
    EXPECT_THAT(found_by(find_cards, none), IsEmpty()) << none;
  }
  EXPECT_THAT(found_by(find_cards, "2026-11-23 4242 4242 4242 4242 12"),
              ElementsAre("4242 4242 4242 4242"));
  EXPECT_THAT(found_by(find_cards, R"(line\n4242424242424242)"), ElementsAre("4242424242424242"));
}

TEST(SensitiveText, Tokens) {
  EXPECT_THAT(found_by(find_tokens, "Authorization: Bearer abcDEF123456.7890-xyz== end"),
              ElementsAre("abcDEF123456.7890-xyz=="));
  EXPECT_THAT(found_by(find_tokens, "bearer authentication-is-required here"), IsEmpty());
  const std::string token =
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_"
      "XgL0n3I9PlFUP0THsR8U";
  EXPECT_THAT(found_by(find_tokens, "jwt=" + token + ","), ElementsAre(token));
  EXPECT_THAT(found_by(find_tokens, "Bearer " + token), ElementsAre(token));
  EXPECT_THAT(found_by(find_tokens, "id AKIAIOSFODNN7EXAMPLE key"),
              ElementsAre("AKIAIOSFODNN7EXAMPLE"));
  EXPECT_THAT(found_by(find_tokens, "AKIAIOSFODNN7EXAMPLEX BKIAIOSFODNN7EXAMPLE"), IsEmpty());
  EXPECT_THAT(
      found_by(find_tokens, "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"),
      ElementsAre("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
  EXPECT_THAT(
      found_by(find_tokens, R"({"SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"})"),
      ElementsAre("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
  EXPECT_THAT(found_by(find_tokens, "postgresql+asyncpg://app:s3cr:et@db.local:5432/x"),
              ElementsAre("s3cr:et"));
  for (const char* none : {"http://host:80/a@b", "see http://x/y:z@w", "://a:b@c", "git@host:x.git",
                           "https://user@host/"}) {
    EXPECT_THAT(found_by(find_tokens, none), IsEmpty()) << none;
  }
}

// Pieces that are nearly something, put together at random: what the fast search finds is what the
// slow one finds.
TEST(SensitiveText, AgreesWithTheReference) {
  const std::vector<std::string> pool = {
      "4242424242424242",
      "4242",
      "5555",
      "4444",
      "378282246310005",
      "822463",
      "10005",
      "36227206271667",
      " ",
      "-",
      ".",
      "_",
      "x",
      "\\n",
      "\n",
      ":",
      "/",
      "@",
      "://",
      "user",
      "\"",
      "=",
      "a.b",
      "example.com",
      "Bearer ",
      "earer ",
      "bearer  ",
      "abcdefghijklmnop1",
      "eyJhbGciOi",
      "eyJ",
      "AKIAIOSFODNN7EXAMPLE",
      "ASIA",
      "secret_access_key",
      "ecretAccessKey",
      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      "1",
      "9",
      "\xe7\x8b\xbc",
      "io",
      "co.jp",
      "taro@example.com",
      "x@a.bc",
      "Bearer abcdefghijklmnop1",
      "eyJhbGciOi.eyJzdWIiOi.x",
      " AKIAIOSFODNN7EXAMPLE ",
      "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      "x://u:pw@",
      "4242-4242-4242-4242"};
  const auto seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  size_t hits[3] = {};
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (size_t i = random() % 9; i-- > 0;) text += pool[random() % pool.size()];
    SCOPED_TRACE(text);
    std::vector<SensitiveRange> found;
    find_mail(text, 0, found);
    merge_ranges(found);
    ASSERT_EQ(found, sensitive_reference::mail(text));
    hits[0] += found.size();
    found.clear();
    find_cards(text, 0, found);
    ASSERT_EQ(found, sensitive_reference::cards(text));
    hits[1] += found.size();
    found.clear();
    find_tokens(text, 0, found);
    merge_ranges(found);
    ASSERT_EQ(found, sensitive_reference::tokens(text));
    hits[2] += found.size();
  }
  for (const size_t count : hits) EXPECT_GT(count, 20u);
}

TEST(SensitiveText, LongTextsCostNoSquare) {
  for (const char c : {'@', '4', ' ', '-', 'J', 'A', ':', '.'}) {
    const std::string text(1 << 20, c);
    std::vector<SensitiveRange> found;
    find_mail(text, 0, found);
    find_cards(text, 0, found);
    find_tokens(text, 0, found);
    EXPECT_THAT(found, IsEmpty()) << c;
  }
}

struct NoOutput final : FilterOutput {
  void emit(Chunk&, bool) override { ADD_FAILURE() << "nothing is emitted"; }
};

class Redact : public testing::Test {
 protected:
  void use(const std::string& options) {
    Diagnostics diagnostics;
    const Document document = parse_classic_text(
        "t.conf", "[FILTER]\n    Name redact\n    Match *\n" + options, diagnostics);
    made = kRedactFilter.make(*document.find_all(SectionKind::Filter).front(), {.parsers = parsers},
                              diagnostics);
    ASSERT_TRUE(made.has_value()) << diagnostics.render();
  }
  std::string masked(std::string_view json) {
    Chunk chunk;
    chunk.append(Timestamp{}, record_of(R"({"clean":1})"));
    chunk.append(Timestamp{}, record_of(json));
    chunk.append(Timestamp{}, record_of(R"({"clean":2})"));
    made->filter->apply(chunk, output, metrics);
    EXPECT_EQ(chunk.records.size(), 3u);
    std::string out;
    EXPECT_TRUE(write_json(out, chunk.view().record(chunk.records[1])));
    EXPECT_EQ(chunk.view().record(chunk.records[2]), record_of(R"({"clean":2})"));
    return out;
  }
  uint64_t count(std::string_view pattern) {
    for (const auto& counter : made->counters) {
      if (counter->value == pattern) return counter->counter.get();
    }
    return 999;
  }

  ParserRegistry parsers;
  std::optional<MadeFilter> made;
  NoOutput output;
  FilterMetrics metrics;
};

TEST_F(Redact, NestedTextsNumbersAndCounters) {
  use("");
  EXPECT_EQ(
      masked(
          R"({"a@b.com":"a@b.com","n":{"l":["x","pay 4242424242424242"]},"card":4242424242424242,"t":1795402380123})"),
      R"({"a@b.com":"[mail]","n":{"l":["x","pay [card]"]},"card":"[card]","t":1795402380123})");
  EXPECT_EQ(count("mail"), 1u);
  EXPECT_EQ(count("card"), 2u);
  EXPECT_EQ(count("token"), 0u);
}

TEST_F(Redact, StarsKeepTheLastFourDigitsOfCards) {
  use("    replacement *\n");
  EXPECT_EQ(masked(R"({"m":"4242-4242-4242-4242 a@b.com"})"),
            R"({"m":"****-****-****-4242 *******"})");
}

TEST_F(Redact, OnlyTheKeysNamed) {
  use("    keys log, $user['mail']\n    replacement X\n");
  EXPECT_EQ(
      masked(R"({"log":"a@b.com","other":"a@b.com","user":{"mail":"a@b.com","alt":"a@b.com"}})"),
      R"({"log":"X","other":"a@b.com","user":{"mail":"X","alt":"a@b.com"}})");
}

TEST_F(Redact, OwnRegexes) {
  use("    regex phone \\+81[0-9-]{9,}\n    regex pass password=(\\S+)\n");
  EXPECT_EQ(masked(R"({"m":"call +81-90-1234-5678 password=x1 password=y2 a@b.com"})"),
            R"({"m":"call [phone] password=[pass] password=[pass] a@b.com"})");
  EXPECT_EQ(count("pass"), 2u);
}

TEST_F(Redact, ARegexThatTakesTooLongMasksTheWholeText) {
  use("    regex slow (?:a|aa)+!x\n");
  EXPECT_EQ(masked(R"({"m":")" + std::string(5000, 'a') + R"(! x"})"), R"({"m":"[slow]"})");
}

TEST_F(Redact, OverlapsAreMaskedOnce) {
  use("    pattern mail,token\n");
  EXPECT_EQ(masked(R"({"m":"amqp://u:a@b.com@host.io/ https://u:p@x.example.com"})"),
            R"({"m":"amqp://u:[token]@host.io/ https://u:[token]@x.example.com"})");
}

}  // namespace
}  // namespace noroshi
