#include "parser/multiline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include <fmt/format.h>

#include "base/regex.h"
#include "config/classic.h"
#include "parser/multiline_registry.h"
#include "parser/parser_registry.h"
#include "record/counting_ack.h"
#include "record/json_record.h"
#include "record/json_writer.h"
#include "record/record_accessor.h"
#include "record/severity.h"

namespace noroshi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string json_of(std::string_view record) {
  std::string out;
  EXPECT_TRUE(write_json(out, record));
  return out;
}

struct Collected final : MultilineOutput {
  void take(MultilineMessage& message) override {
    records.push_back(json_of(message.record));
    times.push_back(message.time);
    for (auto& ack : message.acks) acks.push_back(std::move(ack));
  }
  std::vector<std::string> records;
  std::vector<Timestamp> times;
  std::vector<std::shared_ptr<PendingAck>> acks;
};

class Multiline : public testing::Test {
 protected:
  void use(std::string_view names, std::string conf = "", MultilineSettings settings = {}) {
    Diagnostics diagnostics;
    const Document document = parse_classic_text("parsers.conf", std::move(conf), diagnostics);
    for (const Section* section : document.find_all(SectionKind::Parser)) {
      registry.add(*section, diagnostics);
    }
    for (const Section* section : document.find_all(SectionKind::MultilineParser)) {
      registry.multiline().add(*section, diagnostics);
    }
    const uint64_t bytes = settings.message_bytes_max;
    if (bytes != MultilineSettings{}.message_bytes_max) {
      registry.multiline().set_message_bytes_max(bytes);
    }
    joiner = make_multiline_joiner({{"multiline.parser", std::string(names), {}}},
                                   std::move(settings), registry, clock, diagnostics);
    ASSERT_TRUE(joiner != nullptr) << diagnostics.render();
  }

  // What a caller sees: the joined records, and its own lines where add() said no.
  void line(std::string_view text, std::string_view stream = "s") {
    const Timestamp time = clock.wall();
    if (!joiner->add(stream, {.text = text, .time = time, .position = position++}, output)) {
      output.records.push_back(fmt::format("-{}", text));
    }
  }
  void lines(std::initializer_list<std::string_view> texts) {
    for (const std::string_view text : texts) line(text);
  }
  std::vector<std::string> finish() {
    joiner->release_all(output);
    EXPECT_TRUE(joiner->idle());
    return std::move(output.records);
  }

  ManualClock clock{Timestamp(Seconds(1795402380))};
  ParserRegistry registry{clock};
  std::unique_ptr<MultilineJoiner> joiner;
  Collected output;
  uint64_t position = 0;
};

std::string log(std::string_view text) {
  std::string out = R"({"log":)";
  write_json_string(out, text);
  return out + "}";
}

TEST_F(Multiline, ATracebackAndTheLineAboveItAreOne) {
  use("python");
  lines({"INFO:     Started server process [1]", "ERROR:    Exception in ASGI application",
         "Traceback (most recent call last):", "  File \"/app/main.py\", line 3, in f",
         "    raise ValueError(\"x\")", "    ^^^^^^^^^^^^^^^^^^^^^^", "ValueError: x",
         "INFO:     127.0.0.1:1 - \"GET / HTTP/1.1\" 500"});
  EXPECT_THAT(finish(), ElementsAre("-INFO:     Started server process [1]",
                                    log("ERROR:    Exception in ASGI application\n"
                                        "Traceback (most recent call last):\n"
                                        "  File \"/app/main.py\", line 3, in f\n"
                                        "    raise ValueError(\"x\")\n"
                                        "    ^^^^^^^^^^^^^^^^^^^^^^\n"
                                        "ValueError: x"),
                                    "-INFO:     127.0.0.1:1 - \"GET / HTTP/1.1\" 500"));
  EXPECT_EQ(joiner->joined(), 1u);
}

TEST_F(Multiline, ChainedExceptionsAreOne) {
  use("python");
  lines({"Traceback (most recent call last):", "  File \"a.py\", line 1, in <module>",
         "KeyError: 'a'", "", "During handling of the above exception, another exception occurred:",
         "", "Traceback (most recent call last):", "  File \"a.py\", line 3, in <module>",
         "app.errors.Gone", "",
         "The above exception was the direct cause of the following exception:", "",
         "Traceback (most recent call last):", "  File \"b.py\", line 9, in g",
         "RuntimeError: late", "", "after"});
  const auto got = finish();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_THAT(got[0], HasSubstr(R"(Gone\n\nThe above)"));
  EXPECT_THAT(got[0], testing::EndsWith(R"(RuntimeError: late"})")) << "blank end left out";
  EXPECT_EQ(got[1], "-after");
}

TEST_F(Multiline, ExceptionGroupsAreOne) {
  use("python");
  lines({"  + Exception Group Traceback (most recent call last):",
         "  |   File \"g.py\", line 2, in <module>", "  |     raise ExceptionGroup(\"two\", [])",
         "  | ExceptionGroup: two (2 sub-exceptions)", "  +-+---------------- 1 ----------------",
         "    | Traceback (most recent call last):", "    | ValueError: one",
         "    +---------------- 2 ----------------", "    | TypeError: two",
         "    +------------------------------------", "plain"});
  const auto got = finish();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_THAT(got[0], HasSubstr("TypeError: two"));
  EXPECT_THAT(got[0], testing::EndsWith(R"(+------------------------------------"})"));
}

TEST_F(Multiline, TextsOfManyLinesBelongToTheException) {
  use("python");
  lines({"Traceback (most recent call last):", "  File \"a.py\", line 1, in <module>",
         "pydantic_core._pydantic_core.ValidationError: 2 validation errors for Item", "name",
         "  Field required [type=missing]", "items[0].price-x",
         "  Input should be a number [type=float_type]",
         "    For further information visit https://errors.pydantic.dev", "ready to go"});
  auto got = finish();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_THAT(got[0], HasSubstr("https://errors.pydantic.dev"));
  output.records.clear();
  lines({"Traceback (most recent call last):", "  File \"a.py\", line 1, in <module>",
         "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) no such table: t",
         "[SQL: SELECT 1]", "(Background on this error at: https://sqlalche.me/e/20/e3q8)"});
  EXPECT_EQ(finish().size(), 1u);
}

TEST_F(Multiline, JsonLinesStayRecordsOfTheirOwn) {
  use("python");
  lines({"Traceback (most recent call last):", R"({"level":"INFO","message":"one"})",
         "  File \"a.py\", line 1, in <module>", R"({"level":"ERROR","message":"KeyError: x"})",
         "    f()", "INFO:     a line of another worker", "ValueError: x",
         R"({"level":"INFO","message":"two"})"});
  EXPECT_THAT(
      finish(),
      ElementsAre(R"(-{"level":"INFO","message":"one"})",
                  R"(-{"level":"ERROR","message":"KeyError: x"})",
                  "-INFO:     a line of another worker", R"(-{"level":"INFO","message":"two"})",
                  log("Traceback (most recent call last):\n  File \"a.py\", line 1, in "
                      "<module>\n    f()\nValueError: x")));
}

TEST_F(Multiline, AnErrorLineWithoutATracebackIsUnchangedAndNotLate) {
  use("python");
  line("ERROR:    cannot connect");
  EXPECT_THAT(output.records, IsEmpty());
  line("INFO:     next");
  EXPECT_THAT(output.records, ElementsAre(log("ERROR:    cannot connect"), "-INFO:     next"));
  output.records.clear();
  line("ERROR:    last words");
  clock.advance(Milliseconds(400));
  joiner->release_expired(output);
  EXPECT_THAT(output.records, IsEmpty());
  clock.advance(Milliseconds(100));
  joiner->release_expired(output);
  EXPECT_THAT(output.records, ElementsAre(log("ERROR:    last words")));
  EXPECT_EQ(joiner->joined(), 0u);
  EXPECT_TRUE(joiner->idle());
}

TEST_F(Multiline, WhatComesAfterTheTimeoutIsJoinedToAFurtherRecord) {
  use("python");
  line("Traceback (most recent call last):");
  line("  File \"a.py\", line 1, in <module>");
  clock.advance(Seconds(4));
  joiner->release_expired(output);
  EXPECT_THAT(output.records,
              ElementsAre(log("Traceback (most recent call last):\n  File \"a.py\", line 1, in "
                              "<module>")));
  output.records.clear();
  lines({"    late()", "ValueError: x"});
  EXPECT_THAT(finish(), ElementsAre(log("    late()\nValueError: x")));
}

TEST_F(Multiline, LimitsSplitAndLoseNothing) {
  use("python", "", {.message_bytes_max = 300});
  std::string all = "Traceback (most recent call last):";
  line(all);
  for (int i = 0; i < 40; ++i) {
    const std::string text = fmt::format("  File \"{}.py\", line 1, in f", i);
    line(text);
    all += "\n" + text;
  }
  line("ValueError: x");
  all += "\nValueError: x";
  const auto got = finish();
  EXPECT_GT(got.size(), 3u);
  EXPECT_EQ(joiner->splits(), got.size() - 1);
  std::string joined;
  for (const std::string& record : got) {
    EXPECT_LT(record.size(), 400u);
    const std::string packed = record_of(record);
    const auto text = find_key(packed, "log");
    joined += (joined.empty() ? "" : "\n");
    joined += MsgpackReader(*text).read_string().value_or("");
  }
  EXPECT_EQ(joined, all);
}

TEST_F(Multiline, StreamsDoNotMixAndTheOldestMakesRoom) {
  use("python");
  for (const char* stream : {"a", "b"}) line("Traceback (most recent call last):", stream);
  line("  of a", "a");
  line("  of b", "b");
  line("KeyError: a", "a");
  line("KeyError: b", "b");
  EXPECT_THAT(finish(),
              ElementsAre(log("Traceback (most recent call last):\n  of a\nKeyError: a"),
                          log("Traceback (most recent call last):\n  of b\nKeyError: b")));
  for (size_t i = 0; i <= kMultilineStreamsMax; ++i) {
    line(fmt::format("ERROR: {}", i), fmt::format("stream {}", i));
  }
  EXPECT_THAT(output.records, ElementsAre(log("ERROR: 0")));
  EXPECT_EQ(joiner->splits(), 1u);
}

TEST_F(Multiline, AcksAndPositionsAreHeldWithTheirLines) {
  use("python");
  int live = 0;
  std::vector<std::shared_ptr<PendingAck>> acks = {std::make_shared<CountingAck>(live)};
  EXPECT_TRUE(joiner->add(
      "s", {.text = "Traceback (most recent call last):", .acks = acks, .position = 7}, output));
  acks = {std::make_shared<CountingAck>(live)};
  EXPECT_TRUE(joiner->add("s", {.text = "  File", .acks = acks, .position = 9}, output));
  acks.clear();
  EXPECT_EQ(live, 2);
  EXPECT_EQ(joiner->first_position("s"), 7u);
  EXPECT_EQ(joiner->first_position("t"), std::nullopt);
  joiner->release_stream("s", output);
  EXPECT_EQ(output.acks.size(), 2u);
  output.acks.clear();
  EXPECT_EQ(live, 0);
  EXPECT_EQ(joiner->first_position("s"), std::nullopt);
}

TEST_F(Multiline, RecordsKeepTheirOtherFieldsAndTheTimeOfTheFirstLine) {
  use("python");
  const Timestamp first = clock.wall();
  for (const std::string_view text : {"Traceback (most recent call last):", "  File", "E: x"}) {
    std::string json = R"({"source":"stderr","log":)";
    write_json_string(json, text);
    json += fmt::format(R"(,"n":{}}})", text.size());
    const std::string record = record_of(json);
    EXPECT_TRUE(joiner->add("s", {.text = text, .time = clock.wall(), .record = record}, output));
    clock.advance(Milliseconds(1));
  }
  EXPECT_THAT(
      finish(),
      ElementsAre(
          R"({"source":"stderr","log":"Traceback (most recent call last):\n  File\nE: x","n":34})"));
  EXPECT_EQ(output.times.front(), first);
}

TEST_F(Multiline, Java) {
  use("java");
  lines({"Exception in thread \"main\" java.lang.RuntimeException: Something has gone wrong",
         "    at com.my.Project.main(Project.java:26)",
         "Caused by: java.lang.IllegalStateException: x", "\tat a.b.c(D.java:1)", "    ... 2 more",
         "java.lang.NullPointerException", "    at x.y(Z.java:1)", "done"});
  EXPECT_THAT(finish(),
              ElementsAre(testing::AllOf(HasSubstr("Something"), HasSubstr("2 more")),
                          log("java.lang.NullPointerException\n    at x.y(Z.java:1)"), "-done"));
}

TEST_F(Multiline, Go) {
  use("go");
  lines({"panic: my panic", "", "goroutine 4 [running]:", "panic(0x45cb40, 0x47ad70)",
         "\t/usr/local/go/src/runtime/panic.go:542 +0x46c fp=0xc42003f7b8", "main.main.func1()",
         "\tmain.go:6 +0x39", "created by main.main", "\tmain.go:5 +0x40", "",
         "goroutine 1 [select]:", "exit status 2"});
  const auto got = finish();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_THAT(got[0], HasSubstr("goroutine 1 [select]:"));
  EXPECT_EQ(got[1], "-exit status 2");
}

TEST_F(Multiline, Ruby) {
  use("ruby");
  lines({"/app/a.rb:6:in `/': divided by 0 (ZeroDivisionError)", "  from /app/a.rb:6:in `inner'",
         "  from /app/a.rb:2:in `outer'", "ready"});
  EXPECT_THAT(finish(), ElementsAre(HasSubstr("outer'"), "-ready"));
}

TEST_F(Multiline, DockerAndCriTakeTheirOwnLines) {
  use("docker, cri");
  lines({R"({"log":"one, ","stream":"stdout","time":"2026-11-23T02:53:00.1Z"})",
         R"({"log":"err\n","stream":"stderr","time":"2026-11-23T02:53:00.2Z"})",
         R"({"log":"two\n","stream":"stdout","time":"2026-11-23T02:53:00.3Z"})",
         "2026-11-23T02:53:01.5Z stdout P par", "2026-11-23T02:53:01.6Z stdout F t",
         "2026-11-23T02:53:01.6Z stdout F ", "no format at all"});
  EXPECT_THAT(
      finish(),
      ElementsAre(R"({"log":"err\n","stream":"stderr","time":"2026-11-23T02:53:00.2Z"})",
                  R"({"log":"one, two\n","stream":"stdout","time":"2026-11-23T02:53:00.1Z"})",
                  R"({"time":"2026-11-23T02:53:01.5Z","stream":"stdout","_p":"P","log":"part"})",
                  R"({"time":"2026-11-23T02:53:01.6Z","stream":"stdout","_p":"F","log":""})",
                  "-no format at all"));
  EXPECT_EQ(output.times[1], Timestamp(Milliseconds(1795402380100)));
}

// documentation/examples/multiline/regex-001
TEST_F(Multiline, RulesOfTheUser) {
  use("multiline-regex-test",
      "[MULTILINE_PARSER]\n    name          multiline-regex-test\n    type          regex\n"
      "    flush_timeout 1000\n"
      "    rule      \"start_state\"   \"/([a-zA-Z]+ \\d+ \\d+\\:\\d+\\:\\d+)(.*)/\"  \"cont\"\n"
      "    rule      \"cont\"          \"/^\\s+at.*/\"                     \"cont\"\n");
  lines({"single line...",
         "Dec 14 06:41:08 Exception in thread \"main\" java.lang.RuntimeException",
         "    at com.myproject.module.MyProject.badMethod(MyProject.java:22)",
         "    at com.myproject.module.MyProject.main(MyProject.java:6)", "another line..."});
  EXPECT_THAT(finish(),
              ElementsAre("-single line...", HasSubstr("MyProject.java:6"), "-another line..."));
  line("Dec 14 06:41:08 x");
  clock.advance(Milliseconds(999));
  joiner->release_expired(output);
  EXPECT_THAT(output.records, IsEmpty());
  clock.advance(Milliseconds(1));
  joiner->release_expired(output);
  EXPECT_THAT(output.records, ElementsAre(log("Dec 14 06:41:08 x")));
}

TEST_F(Multiline, EndsWithAndEqualAndNegate) {
  use("backslash",
      "[MULTILINE_PARSER]\n    name backslash\n    type endswith\n    match_string \\\n"
      "    negate on\n");
  lines({"make a \\", "b \\", "c", "alone"});
  EXPECT_THAT(finish(), ElementsAre(log("make a \\\nb \\\nc"), "-alone"));
  use("end",
      "[MULTILINE_PARSER]\n    name end\n    type eq\n    match_string END\n"
      "    key_content message\n");
  lines({"a", "b", "END", "c"});
  EXPECT_THAT(finish(), ElementsAre(R"({"message":"abEND"})", R"({"message":"c"})"));
}

TEST_F(Multiline, TheFirstParserThatALineStartsIsUsed) {
  use("go, java");
  lines({"panic: java.lang.Error: x", "", "goroutine 1 [running]:",
         "java.lang.IllegalStateException: y", "\tat a.b(C.java:1)", "z"});
  EXPECT_THAT(finish(), ElementsAre(HasSubstr("goroutine"), HasSubstr("C.java"), "-z"));
}

TEST_F(Multiline, BadDefinitionsSayWhatToDo) {
  Diagnostics diagnostics;
  const Document document = parse_classic_text(
      "parsers.conf",
      "[MULTILINE_PARSER]\n    name a\n    type regex\n"
      "[MULTILINE_PARSER]\n    name b\n    type regex\n    rule \"cont\" \"/x/\" \"cont\"\n"
      "[MULTILINE_PARSER]\n    name c\n    type regex\n    rule \"start_state\" \"/x/\" \"cnt\"\n"
      "[MULTILINE_PARSER]\n    name d\n    type regex\n    rule \"start_state\" \"/(x/\" \"c\"\n"
      "[MULTILINE_PARSER]\n    name e\n    type regex\n    rule \"start_state\n"
      "[MULTILINE_PARSER]\n    name f\n    type endswith\n"
      "[MULTILINE_PARSER]\n    name g\n    type regexp\n"
      "[MULTILINE_PARSER]\n    name h\n"
      "[MULTILINE_PARSER]\n    name ok\n    type equal\n    match_string x\n    parser none\n",
      diagnostics);
  for (const Section* section : document.find_all(SectionKind::MultilineParser)) {
    registry.multiline().add(*section, diagnostics);
  }
  const std::string text = diagnostics.render();
  EXPECT_EQ(diagnostics.error_count(), 8u) << text;
  EXPECT_THAT(text, HasSubstr("needs at least one rule"));
  EXPECT_THAT(text, HasSubstr("no message would ever start"));
  EXPECT_THAT(text, HasSubstr("leads to the state \"cnt\""));
  EXPECT_THAT(text, HasSubstr("need match_string"));
  EXPECT_THAT(text, HasSubstr("has no type"));
  EXPECT_EQ(make_multiline_joiner({{"multiline.parser", "ok, pyton", {}}}, {}, registry, clock,
                                  diagnostics),
            nullptr);
  EXPECT_THAT(diagnostics.render(), HasSubstr("did you mean \"python\"?"));
  EXPECT_THAT(diagnostics.render(), HasSubstr("names the parser none, which does not exist"));
}

// The python rules once more, written as plain regular expressions over whole lines: slow, and easy
// to compare with the comment at the top of multiline_python.cc.
class PythonReference {
 public:
  // o other, s starts, c continues, p passes
  char step(const std::string& with_end) {
    std::string line = with_end;
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.pop_back();
    if (is(R"(\A\{.*\} *\z)", line)) return state_.empty() ? 'o' : 'p';
    const auto severity = severity_of_line(line);
    const bool low = severity && *severity < Severity::Error;
    std::string next;
    if (state_ == "header" || state_ == "chain") {
      if (line == "Traceback (most recent call last):") next = "frames";
      if (is(R"(\A[ \t]*\+ Exception Group Traceback \(most recent call last\):\z)", line))
        next = "raised";
      if (state_ == "chain" && is(R"(\A[ \t]*\z)", line)) next = "chain";
    } else if (state_ == "frames") {
      if (is(R"(\A[ \t]+[^ \t])", line)) {
        next = "frames";
      } else if (is(R"(\A(?![\d.])[\w.<>\x80-\x{10ffff}]+(?:: .*|:)?\z)", line) &&
                 !is(R"(\A(?:ERROR|INFO|WARNING|DEBUG|CRITICAL|FATAL):)", line)) {
        next = is("ValidationError: .*validation error", line) ? "fields" : "raised";
      } else if (low) {
        return 'p';
      }
    } else if (state_ == "raised" || state_ == "fields") {
      if (is(R"(\A[ \t]*\z)", line))
        next = "blank";
      else if (is(R"(\A[ \t])", line) ||
               is(R"(\A(?:\[SQL: |\[parameters: |\[generated in |\[cached since |\(Background on))",
                  line))
        next = state_;
      else if (is(chain_, line))
        next = "chain";
      else if (state_ == "fields" && is(R"(\A[\w.<>\[\]-]+\z)", line))
        next = "fields";
    } else if (state_ == "blank") {
      if (is(R"(\A[ \t]*\z)", line)) next = "blank";
      if (is(chain_, line)) next = "chain";
    }
    if (!next.empty()) {
      state_ = next;
      return 'c';
    }
    if (is(R"(\+ Exception Group Traceback \(most recent call last\):\z)", line))
      state_ = "raised";
    else if (is(R"(Traceback \(most recent call last\):\z)", line))
      state_ = "frames";
    else if (severity && *severity >= Severity::Error && !is(R"(\A[ \t])", line))
      state_ = "header";
    else
      state_.clear();
    return state_.empty() ? 'o' : 's';
  }

 private:
  static bool is(const std::string& pattern, const std::string& line) {
    static std::map<std::string, Regex> compiled;
    auto found = compiled.find(pattern);
    if (found == compiled.end()) {
      found = compiled.emplace(pattern, *Regex::compile(pattern)).first;
    }
    return found->second.matches(line);
  }
  const std::string chain_ =
      R"(\A(?:During handling of the above|The above exception was the direct cause))";
  std::string state_;
};

TEST_F(Multiline, PythonRulesAgreeWithTheReference) {
  const auto rules = MultilineRules::built_in("python");
  const std::vector<std::string> pool = {
      "Traceback (most recent call last):",
      "  + Exception Group Traceback (most recent call last):",
      "Task: Traceback (most recent call last):",
      "  File \"a.py\", line 1, in f",
      "    f()\r",
      "\t^^^",
      "ValueError: x",
      "KeyboardInterrupt",
      "a.b.<locals>.E: y",
      "\xc3\xa9tat.Erreur: z",
      "1.Error: x",
      "E:x",
      "",
      "   ",
      "\r\n",
      "During handling of the above exception, another exception occurred:",
      "The above exception was the direct cause of the following exception:",
      "x.ValidationError: 1 validation error for Item",
      "items[0].price",
      "[SQL: SELECT 1]",
      "(Background on this error at: https://x)",
      "ERROR:    Exception in ASGI application",
      "INFO:     started",
      "2026-11-23 02:53:00,123 - app - INFO - x",
      "CRITICAL: y",
      "{\"a\":1}",
      "{\"a\":1",
      "prose of some words",
      ":",
  };
  const auto seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  PythonReference reference;
  MultilineRules::State state = MultilineRules::kNothingOpen;
  std::map<char, int> seen;
  for (int i = 0; i < 50'000; ++i) {
    const std::string& line = pool[random() % pool.size()];
    MultilineRules::State nothing = MultilineRules::kNothingOpen;
    EXPECT_EQ(rules->may_start(line), rules->step(nothing, line).role != LineRole::Other) << line;
    const auto before = state;
    const char expected = reference.step(line);
    ++seen[expected];
    const LineRole role = rules->step(state, line).role;
    ASSERT_EQ(expected, "oscp"[static_cast<int>(role)]) << "'" << line << "' in " << before;
  }
  for (const char role : {'o', 's', 'c', 'p'}) EXPECT_GT(seen[role], 100) << role;
}

// Skipping lines by may_start() while idle gives what adding all of them gives.
TEST_F(Multiline, TheFastPathChangesNothing) {
  const std::vector<std::string> pool = {
      "panic: x",
      "",
      "goroutine 1 [running]:",
      "main.f(1)",
      "\tmain.go:1",
      "java.lang.Exception: x",
      "java.lang.Error",
      "\tat a.b(C.java:1)",
      "Caused by: y",
      "/a.rb:1:in `f'",
      "  from /a.rb:2:in `g'",
      "Traceback (most recent call last):",
      "ValueError: x",
      "ERROR: y",
      "{\"Exception\": \"panic: x\"}",
      "prose",
  };
  const auto seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  use("java, go, ruby, python");
  auto slow = std::move(joiner);
  use("java, go, ruby, python");
  Collected slow_output;
  for (int i = 0; i < 20'000; ++i) {
    const std::string& text = pool[random() % pool.size()];
    if (!slow->add("s", {.text = text}, slow_output)) slow_output.records.push_back("-" + text);
    if (joiner->idle() && !joiner->may_start(text)) {
      output.records.push_back("-" + text);
    } else {
      line(text);
    }
    ASSERT_EQ(slow->idle(), joiner->idle()) << text;
  }
  slow->release_all(slow_output);
  EXPECT_EQ(finish(), slow_output.records);
}

}  // namespace
}  // namespace noroshi
