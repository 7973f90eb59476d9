#include "base/regex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

namespace noroshi {
namespace {

Regex compiled(std::string_view pattern, RegexOptions options = {}) {
  auto regex = Regex::compile(pattern, options);
  EXPECT_TRUE(regex.has_value()) << (regex ? "" : regex.error().message);
  return std::move(*regex);
}

std::map<std::string, std::string> named(const Regex& regex, std::string_view subject) {
  RegexMatch match;
  std::map<std::string, std::string> groups;
  if (regex.search(subject, match) != RegexOutcome::Match) return groups;
  for (const auto& [name, number] : regex.names()) groups[name] = match[number];
  return groups;
}

TEST(Regex, FluentBitsCriParser) {
  const Regex cri =
      compiled("^(?<time>[^ ]+) (?<stream>stdout|stderr) (?<logtag>[^ ]*) (?<message>.*)$");
  const auto groups = named(cri, "2026-11-23T02:53:00.1Z stderr F hello world");
  EXPECT_EQ(groups, (std::map<std::string, std::string>{{"time", "2026-11-23T02:53:00.1Z"},
                                                        {"stream", "stderr"},
                                                        {"logtag", "F"},
                                                        {"message", "hello world"}}));
  EXPECT_FALSE(cri.matches("no such line"));
}

TEST(Regex, FluentBitsApacheParser) {
  const Regex apache = compiled(
      R"re(^(?<host>[^ ]*) [^ ]* (?<user>[^ ]*) \[(?<time>[^\]]*)\] "(?<method>\S+)(?: +(?<path>[^\"]*?)(?: +\S*)?)?" (?<code>[^ ]*) (?<size>[^ ]*)(?: "(?<referer>[^\"]*)" "(?<agent>[^\"]*)")?$)re");
  const auto groups =
      named(apache, R"(1.2.3.4 - bob [23/Nov/2026:02:53:00 +0000] "GET /a/b HTTP/1.1" 200 12)");
  EXPECT_EQ(groups.at("path"), "/a/b");
  EXPECT_EQ(groups.at("code"), "200");
  EXPECT_EQ(groups.at("agent"), "");
}

TEST(Regex, GroupThatTookNoPartHasNoData) {
  const Regex regex = compiled("(?<a>x)|(?<b>y)");
  RegexMatch match;
  ASSERT_EQ(regex.search("y", match), RegexOutcome::Match);
  ASSERT_EQ(match.size(), 3u);
  EXPECT_EQ(match[1].data(), nullptr);
  EXPECT_EQ(match[2], "y");
  ASSERT_EQ(regex.search("z", match), RegexOutcome::NoMatch);
  EXPECT_EQ(match.size(), 0u);
}

TEST(Regex, RubyMeaning) {
  EXPECT_TRUE(compiled("^b$").matches("a\nb\nc")) << "^ and $ are per line";
  EXPECT_FALSE(compiled("\\Ab").matches("a\nb"));
  EXPECT_FALSE(compiled("a.b").matches("a\nb"));
  EXPECT_TRUE(compiled("(?m)a.b").matches("a\nb"));
  EXPECT_TRUE(compiled("(?mi:A.b)").matches("a\nB"));
  EXPECT_TRUE(compiled("(?m-i:a.b)").matches("a\nb"));
  EXPECT_TRUE(compiled("^\\h+$").matches("09afAF"));
  EXPECT_FALSE(compiled("^\\h+$").matches("xyz "));
  EXPECT_TRUE(compiled("^[\\h-]+$").matches("12-ab"));
  EXPECT_TRUE(compiled("\\H").matches("g"));
  EXPECT_TRUE(compiled("\\u3042").matches("あ"));
  EXPECT_TRUE(compiled("^[[:alpha:]]+$").matches("abc"));
  EXPECT_TRUE(compiled("^[]a]+$").matches("]a"));
  EXPECT_TRUE(compiled("^[^]a]+$").matches("b"));
  EXPECT_FALSE(compiled("\\\\h").matches("f")) << "an escaped backslash, then h";
}

TEST(Regex, PlainGroupsDoNotCaptureBesideNamedOnes) {
  RegexMatch match;
  ASSERT_EQ(compiled("(a)(?<n>b)").search("ab", match), RegexOutcome::Match);
  ASSERT_EQ(match.size(), 2u);
  EXPECT_EQ(match[1], "b");
  ASSERT_EQ(compiled("(a)(?<=a)(b)").search("ab", match), RegexOutcome::Match);
  EXPECT_EQ(match.size(), 3u) << "a lookbehind is not a name";
}

TEST(Regex, SlashesAndOptions) {
  EXPECT_TRUE(compiled("/^er/").matches("error"));
  EXPECT_FALSE(compiled("/^er/").matches("ERROR"));
  EXPECT_TRUE(compiled("/^er/i").matches("ERROR"));
  EXPECT_TRUE(compiled("/a b/x").matches("ab"));
  EXPECT_TRUE(compiled("/a.b/m").matches("a\nb"));
  EXPECT_TRUE(compiled("/api/v1").matches("GET /api/v1")) << "v1 is no option: all is the pattern";
  EXPECT_TRUE(compiled("^er", {.ignore_case = true}).matches("ERROR"));
  EXPECT_TRUE(compiled("/").matches("a/b"));
  EXPECT_TRUE(compiled("").matches(""));
}

TEST(Regex, DuplicateNamesAreAllowed) {
  const Regex regex = compiled("(?<v>a)|(?<v>b)");
  EXPECT_EQ(regex.names().size(), 2u);
}

TEST(Regex, InvalidUtf8NeverFailsTheCall) {
  EXPECT_TRUE(compiled("ok").matches("\xff\xfe ok \xc3"));
  EXPECT_FALSE(compiled("^.+$").matches("\xff\xff"));
  EXPECT_TRUE(compiled("^あ+$").matches("ああ"));
}

TEST(Regex, BadPatternsSayWhere) {
  for (const char* pattern : {"(", "[a", "a**b(", "(?<a", "[a-z&&[^b]]", "\\C"}) {
    const auto regex = Regex::compile(pattern);
    ASSERT_FALSE(regex.has_value()) << pattern;
    EXPECT_EQ(regex.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(regex.error().message.find(pattern), std::string::npos);
  }
  EXPECT_FALSE(Regex::compile(std::string(kRegexPatternBytesMax + 1, 'a')).has_value());
}

TEST(Regex, CatastrophicPatternIsBounded) {
  const Regex regex = compiled("^(a+)+$");
  const std::string subject = std::string(5000, 'a') + "!";
  const auto start = std::chrono::steady_clock::now();
  RegexMatch match;
  EXPECT_EQ(regex.search(subject, match), RegexOutcome::LimitReached);
  EXPECT_FALSE(regex.matches(subject));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Regex, SharedByThreads) {
  const Regex regex = compiled("(?<n>\\d+)$");
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      RegexMatch match;
      for (int i = 0; i < 1000; ++i) {
        const std::string subject = "x" + std::to_string(t * 1000 + i);
        if (regex.search(subject, match) != RegexOutcome::Match || match[1] != subject.substr(1)) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Regex, GroupNamesMayBeLong) {
  const std::string name = "upstream_transport_failure_reason";  // 33 letters, PCRE2 takes 32
  const auto regex =
      Regex::compile("(?<a>x)-(?<" + name + ">[a-z]+)-\\k<" + name + ">-(?<" + name + "s>.)");
  ASSERT_TRUE(regex) << regex.error().message;
  ASSERT_EQ(regex->names().size(), 3u);
  EXPECT_EQ(regex->names()[1].first, name);
  EXPECT_EQ(regex->names()[2].first, name + "s");
  RegexMatch match;
  ASSERT_EQ(regex->search("x-why-why-y", match), RegexOutcome::Match);
  EXPECT_EQ(match[2], "why");
  EXPECT_EQ(regex->search("x-why-not-y", match), RegexOutcome::NoMatch);
}

TEST(Regex, SaysWhereTheMistakeIs) {
  size_t where = 0;
  EXPECT_FALSE(Regex::compile("a(b", {}, &where));
  EXPECT_EQ(where, 3u);
  EXPECT_FALSE(Regex::compile("/\\h\\h[z-a]/i", {}, &where));
  EXPECT_EQ(where, 8u) << "of the pattern as written, not of its translation";
}

}  // namespace
}  // namespace noroshi
