#include "record/condition.h"

#include <gtest/gtest.h>

#include <random>

#include "record/json_record.h"

namespace noroshi {
namespace {

RecordCondition condition(std::initializer_list<std::string_view> greps,
                          std::string_view level_min = {}) {
  RecordCondition condition;
  for (const std::string_view line : greps) {
    const Status status = condition.add_grep(line);
    EXPECT_TRUE(status.has_value()) << line << ": " << (status ? "" : status.error().message);
  }
  EXPECT_TRUE(level_min.empty() || condition.set_level_min(level_min).has_value());
  return condition;
}

// evaluate() and matches() must agree; returns their answer.
bool selects(const RecordCondition& condition, std::string_view json) {
  Chunk chunk;
  chunk.append({}, record_of(json));
  Bitmap selected;
  condition.evaluate(chunk.records, chunk.body, selected);
  EXPECT_EQ(selected.size(), 1u);
  const std::string record = record_of(json);
  EXPECT_EQ(selected.test(0), condition.matches(record, infer_severity(record))) << json;
  return selected.test(0);
}

TEST(RecordCondition, TheSpecifiedGrep) {
  const RecordCondition grep = condition({"level ERROR,CRITICAL,FATAL"});
  for (const char* yes :
       {R"({"level":"ERROR"})", R"({"level":"error"})", R"({"level":"ERR"})", R"({"level":50})",
        R"({"level":"50"})", R"({"level":"Critical"})", R"({"level":"fatal"})",
        R"({"level":"emerg"})", R"({"severity":"ERROR"})",
        R"({"levelname":"CRITICAL","levelno":50})",
        R"({"log":"ERROR:    Exception in ASGI application"})",
        R"({"log":"Traceback (most recent call last):"})", R"({"log":"{\"level\":\"ERROR\"}"})",
        R"({"level":"high","log":"[ERROR] x"})"}) {
    EXPECT_TRUE(selects(grep, yes)) << yes;
  }
  for (const char* no :
       {R"({"level":"INFO"})", R"({"level":"WARNING"})", R"({"level":30})", R"({"level":"ERRORS"})",
        R"({"level":"alert"})", R"({"level":"INFO","log":"ERROR: x"})",
        R"({"level":"info","severity":"error"})", R"({"log":"error rate is fine"})",
        R"({"log":"INFO:     GET /error 500"})", R"({})", R"({"level":null})"}) {
    EXPECT_FALSE(selects(grep, no)) << no;
  }
}

TEST(RecordCondition, OtherKeysCompareTheWholeValue) {
  const RecordCondition grep = condition({"logger uvicorn.access, App"});
  EXPECT_TRUE(selects(grep, R"({"logger":"uvicorn.access"})"));
  EXPECT_TRUE(selects(grep, R"({"logger":"app"})"));
  EXPECT_FALSE(selects(grep, R"({"logger":"app2"})"));
  EXPECT_FALSE(selects(grep, R"({"message":"app"})"));
  EXPECT_TRUE(selects(condition({"status 500,502"}), R"({"status":500})"));
  EXPECT_TRUE(selects(condition({"status 500,502"}), R"({"status":"502"})"));
  EXPECT_FALSE(selects(condition({"status 500"}), R"({"status":5000})"));
  EXPECT_TRUE(selects(condition({"ok true"}), R"({"ok":true})"));
  EXPECT_TRUE(selects(condition({"path /health,/ready"}), R"({"path":"/ready"})")) << "no regex";
  EXPECT_TRUE(selects(condition({"$http['path'] /x"}), R"({"http":{"path":"/x"}})"));
  EXPECT_TRUE(selects(condition({"$a['b c'] yes"}), R"({"a":{"b c":"YES"}})"));
  EXPECT_FALSE(selects(condition({"kind error"}), R"({"log":"ERROR: x"})")) << "kind is no level";
  EXPECT_FALSE(selects(condition({"kind error"}), R"({"kind":"err"})"));
}

TEST(RecordCondition, SeveralLinesMustAllHold) {
  const RecordCondition grep = condition({"level ERROR", "logger app"});
  EXPECT_TRUE(selects(grep, R"({"level":"ERROR","logger":"app"})"));
  EXPECT_FALSE(selects(grep, R"({"level":"ERROR","logger":"x"})"));
  EXPECT_FALSE(selects(grep, R"({"level":"INFO","logger":"app"})"));
}

TEST(RecordCondition, RegularExpressions) {
  EXPECT_TRUE(selects(condition({"path /^\\/api\\//"}), R"({"path":"/api/x"})"));
  EXPECT_FALSE(selects(condition({"path /^\\/api\\//"}), R"({"path":"/x/api/"})"));
  EXPECT_TRUE(
      selects(condition({"message /time out|refused/i"}), R"({"message":"Connection REFUSED"})"));
  EXPECT_TRUE(selects(condition({"status /^5/"}), R"({"status":503})"));
  EXPECT_TRUE(selects(condition({"level /^(ERROR|FATAL)$/"}), R"({"log":"ERROR: x"})"))
      << "the inferred level's name, in capitals too";
  EXPECT_TRUE(selects(condition({"level /^error$/"}), R"({"log":"ERROR: x"})"));
  EXPECT_FALSE(selects(condition({"level /^error$/"}), R"({"level":"ERROR"})"))
      << "a value that is there is matched as it is";
  EXPECT_FALSE(selects(condition({"nothing /.*/"}), R"({"a":1})"));
}

TEST(RecordCondition, LevelMin) {
  const RecordCondition warn = condition({}, "warn");
  EXPECT_TRUE(selects(warn, R"({"level":"warning"})"));
  EXPECT_TRUE(selects(warn, R"({"level":"ALERT"})"));
  EXPECT_TRUE(selects(warn, R"({"log":"[ERROR] x"})"));
  EXPECT_FALSE(selects(warn, R"({"level":"notice"})"));
  EXPECT_FALSE(selects(warn, R"({"log":"no level"})"));
  EXPECT_TRUE(selects(condition({"logger a"}, "error"), R"({"logger":"a","level":"error"})"));
  EXPECT_FALSE(selects(condition({"logger a"}, "error"), R"({"logger":"a","level":"warn"})"));
}

TEST(RecordCondition, WithoutLinesEverythingIsSelected) {
  const RecordCondition none;
  EXPECT_TRUE(none.always());
  EXPECT_TRUE(selects(none, "{}"));
  EXPECT_EQ(none.text(), "");
  EXPECT_FALSE(condition({}, "trace").always());
}

TEST(RecordCondition, WholeChunks) {
  Chunk chunk;
  const char* const kLevels[] = {"INFO", "ERROR", "WARN"};
  for (int i = 0; i < 200; ++i) {
    chunk.append({}, record_of(R"({"level":")" + std::string(kLevels[i % 3]) + "\"}"),
                 i % 2 == 0 ? std::string_view("\x80") : std::string_view());
  }
  Bitmap selected;
  condition({}, "error").evaluate(chunk.records, chunk.body, selected);
  EXPECT_EQ(selected.count(), 67u);
  selected.for_each([](uint32_t i) { EXPECT_EQ(i % 3, 1u); });
  EXPECT_EQ(chunk.records[1].severity, Severity::Error) << "remembered";
  // A severity that is there already is believed, not inferred again.
  chunk.records[0].severity = Severity::Fatal;
  condition({}, "error").evaluate(chunk.records, chunk.body, selected);
  EXPECT_TRUE(selected.test(0));
}

// A chunk remembers the answer for the last text; a record alone cannot.
TEST(RecordCondition, RecordsOfAChunkAreAnsweredAsEachAlone) {
  static constexpr const char* kJson[] = {R"({"level":"ERROR"})",
                                          R"({"level":"INFO"})",
                                          R"({"level":"50"})",
                                          R"({"level":50})",
                                          R"({"level":5.5})",
                                          R"({"level":""})",
                                          R"({"level":null})",
                                          R"({"level":{"a":1}})",
                                          R"({"level":"{\"a\":1}"})",
                                          R"({"level":true})",
                                          R"({"level":"true"})",
                                          R"({"level":"null"})",
                                          R"({"log":"ERROR: x"})",
                                          R"({"log":"INFO:     x"})",
                                          R"({"level":"high","log":"[ERROR] x"})",
                                          R"({"level":"high","log":"[INFO] x"})"};
  std::mt19937 random(7);
  for (const char* line : {"level ERROR,FATAL", "level /^(err|5)/i", "level true,null,{\"a\":1}"}) {
    const RecordCondition grep = condition({line, "level /./", line});
    Chunk chunk;
    for (int i = 0; i < 5000; ++i) chunk.append({}, record_of(kJson[random() % std::size(kJson)]));
    Bitmap selected;
    grep.evaluate(chunk.records, chunk.body, selected);
    for (uint32_t i = 0; i < chunk.records.size(); ++i) {
      const std::string_view record = chunk.view().record(chunk.records[i]);
      ASSERT_EQ(selected.test(i), grep.matches(record, infer_severity(record))) << line << i;
    }
  }
}

TEST(RecordCondition, CanonicalText) {
  EXPECT_EQ(condition({"level ERROR,Fatal", "a b"}).text(),
            condition({"a B", "$level fatal, error"}).text());
  EXPECT_NE(condition({"level ERROR"}).text(), condition({"level /ERROR/"}).text());
  EXPECT_NE(condition({"level ERROR"}).text(), condition({"level ERROR"}, "warn").text());
  EXPECT_EQ(condition({}, "warning").text(), condition({}, "WARN").text());
  EXPECT_NE(condition({"a b,c"}).text(), condition({"a b", "a c"}).text());
}

TEST(RecordCondition, Errors) {
  RecordCondition condition;
  for (const char* bad :
       {"", "level", "level ", "level ,", "level ERROR,,FATAL", "level /(/", "$a[ x"}) {
    const Status status = condition.add_grep(bad);
    ASSERT_FALSE(status.has_value()) << bad;
    EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
  }
  EXPECT_FALSE(condition.set_level_min("loud").has_value());
  EXPECT_TRUE(condition.always());
}

}  // namespace
}  // namespace noroshi
