#include "record/severity.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "record/json_record.h"
#include "record/severity_words.h"

namespace noroshi {
namespace {

using enum Severity;

TEST(Severity, Words) {
  for (const auto& word : severity_tables::kWords) {
    EXPECT_EQ(parse_severity(word.word), word.severity) << word.word;
    std::string capitals(word.word);
    for (char& c : capitals) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(parse_severity(capitals), word.severity) << capitals;
    EXPECT_EQ(parse_severity(" " + capitals + " "), word.severity) << capitals;
    EXPECT_EQ(parse_severity(capitals + "x"), std::nullopt) << capitals;
  }
  for (const Severity severity :
       {Trace, Debug, Info, Notice, Warn, Error, Critical, Alert, Fatal}) {
    EXPECT_EQ(parse_severity(to_string(severity)), severity);
  }
  for (const char* none :
       {"", "unknown", "errors", "high", "200 OK", "informationals", "x", "-1", "1e3"}) {
    EXPECT_EQ(parse_severity(none), std::nullopt) << none;
  }
}

TEST(Severity, Numbers) {
  const auto number = [](std::string_view key, int64_t value) {
    return severity_of_number(key, value).value_or(Unknown);
  };
  // pino and bunyan
  EXPECT_EQ(number("level", 10), Trace);
  EXPECT_EQ(number("level", 30), Info);
  EXPECT_EQ(number("level", 50), Error);
  EXPECT_EQ(number("Level", 60), Fatal);
  // Python's logging
  EXPECT_EQ(number("levelno", 10), Debug);
  EXPECT_EQ(number("levelno", 40), Error);
  EXPECT_EQ(number("levelno", 50), Critical);
  EXPECT_EQ(number("levelno", 5), Trace);
  EXPECT_EQ(number("levelno", 25), Notice);
  EXPECT_EQ(number("levelno", 0), Unknown);
  EXPECT_EQ(number("severity", 40), Error);
  EXPECT_EQ(number("severity", 60), Fatal);
  // syslog
  EXPECT_EQ(number("level", 3), Error);
  EXPECT_EQ(number("severity", 0), Fatal);
  EXPECT_EQ(number("severity", 7), Debug);
  EXPECT_EQ(number("level", 8), Unknown);
  // OpenTelemetry
  EXPECT_EQ(number("severity_number", 1), Trace);
  EXPECT_EQ(number("SeverityNumber", 9), Info);
  EXPECT_EQ(number("severityNumber", 17), Error);
  EXPECT_EQ(number("severity_number", 24), Fatal);
  EXPECT_EQ(number("severity_number", 0), Unknown);
  EXPECT_EQ(number("severity_number", 25), Unknown);
  // Google Cloud, Monolog, logback
  EXPECT_EQ(number("severity", 500), Error);
  EXPECT_EQ(number("severity", 800), Fatal);
  EXPECT_EQ(number("level", 250), Notice);
  EXPECT_EQ(number("level", 400), Error);
  EXPECT_EQ(number("level_value", 40000), Error);
  EXPECT_EQ(number("level", -1), Unknown);
  EXPECT_EQ(number("level", INT64_MAX), Unknown);
}

TEST(Severity, Keys) {
  for (const char* key :
       {"level", "Level", "LEVEL", "severity", "log_level", "log-level", "logLevel", "log.level",
        "levelname", "level_name", "lvl", "severity_text", "SeverityText", "severity_number",
        "severityNumber", "@level", "levelno", "LogLevel", "level_value"}) {
    EXPECT_TRUE(is_severity_key(key)) << key;
  }
  for (const char* key :
       {"", "l", "lv", "levels", "log", "status", "priority", "message", "sublevel", "seve",
        "severity_text_of_something_long", "@", "@@@", "---"}) {
    EXPECT_FALSE(is_severity_key(key)) << key;
  }
}

Severity infer(std::string_view json) { return infer_severity(record_of(json)); }

TEST(Severity, OfRecords) {
  EXPECT_EQ(infer(R"({"timestamp":"x","level":"ERROR","message":"INFO: x"})"), Error);
  EXPECT_EQ(infer(R"({"level":"high","severity":"warning"})"), Warn) << "high is no level";
  EXPECT_EQ(infer(R"({"level":null,"log":"[ERROR] x"})"), Error);
  EXPECT_EQ(infer(R"({"level":{"a":1},"msg":"CRITICAL: x"})"), Critical);
  EXPECT_EQ(infer(R"({"level":50})"), Error);
  EXPECT_EQ(infer(R"({"level":"50"})"), Error);
  EXPECT_EQ(infer(R"({"level":30.0})"), Info);
  EXPECT_EQ(infer(R"({"level":30.5})"), Unknown);
  EXPECT_EQ(infer(R"({"levelname":"CRITICAL","levelno":50})"), Critical);
  EXPECT_EQ(infer(R"({"severityNumber":17,"severityText":"ERROR"})"), Error);
  EXPECT_EQ(infer(R"({"level":"info","severity":"error"})"), Info) << "the first one";
  EXPECT_EQ(infer(R"({"log":"ERROR:    Exception in ASGI application"})"), Error);
  EXPECT_EQ(infer(R"({"container_id":"x","source":"stderr","log":"all is well"})"), Unknown)
      << "stderr alone is no level";
  EXPECT_EQ(infer(R"({"log":"{\"level\":\"error\",\"msg\":\"x\"}"})"), Error)
      << "a JSON line that no filter has parsed";
  EXPECT_EQ(infer(R"({"log":"{\"log\":\"{\\\"level\\\":\\\"error\\\"}\"}"})"), Unknown) << "once";
  EXPECT_EQ(infer(R"({"log":"{not json ERROR"})"), Unknown);
  EXPECT_EQ(infer("{}"), Unknown);
  EXPECT_EQ(infer("[]"), Unknown);
  EXPECT_EQ(infer_severity(""), Unknown);
  EXPECT_EQ(infer_severity("\x81\xa5level"), Unknown) << "truncated";
  EXPECT_EQ(infer_severity("\x82\x01\x02\xa5level\xc4\x03"
                           "err"),
            Error)
      << "odd keys, binary value";
}

TEST(Severity, OfLines) {
  const std::pair<const char*, Severity> kLines[] = {
      {"ERROR:    Exception in ASGI application", Error},
      {"INFO:     127.0.0.1:39104 - \"GET /error HTTP/1.1\" 500 Internal Server Error", Info},
      {"INFO:     Started server process [7]", Info},
      {"WARNING:  ASGI 'lifespan' protocol appears unsupported.", Warn},
      {"[ERROR] something", Error},
      {"[error] something", Error},
      {"[error    ] structlog pads", Error},
      {"ERROR:root:msg", Error},
      {"CRITICAL:app.module:msg", Critical},
      {"ERROR", Error},
      {"ERROR something happened", Error},
      {"error: something happened", Error},
      {"Error: Cannot find module 'x'", Error},
      {"warning: unused variable", Warn},
      {"npm ERR! code E404", Unknown},
      {"2026-11-23 02:53:00,123 ERROR module: text", Error},
      {"2026-11-23 02:53:00,123 - my.app - ERROR - text", Error},
      {"2026-11-23 02:53:00,123 - root - WARNING - text", Warn},
      {"2026-11-23 02:53:00,123 - ERROR - text", Error},
      {"2026-11-23T02:53:00.123Z [error] text", Error},
      {"2026-11-23T02:53:00.123Z ERROR 1 --- [main] com.example.App : text", Error},
      {"2026-11-23T02:53:00.123456Z  WARN hyper::proto: text", Warn},
      {"2026-11-23 02:53:00 [main] ERROR com.example.App - text", Error},
      {"02:53:00.123 [http-nio-8080-exec-1] DEBUG c.e.App - text", Debug},
      {"02:53:00.123 [worker thread 1] FATAL c.e.App - text", Fatal},
      {"2026-11-23 02:53:00.123 | ERROR    | app:main:12 - text", Error},
      {"2026/11/23 02:53:00 [error] 7#7: *1 open() failed", Error},
      {"2026/11/23 02:53:00 [emerg] 1#1: bind() failed", Fatal},
      {"[Mon Nov 23 02:53:00.123456 2026] [core:error] [pid 1:tid 2] text", Error},
      {"[2026-11-23 02:53:00 +0000] [7] [INFO] Booting worker", Info},
      {"[2026-11-23 02:53:00,123: ERROR/MainProcess] Task raised", Error},
      {"[2026-11-23T02:53:00Z ERROR my_crate] text", Error},
      {"2026-11-23 02:53:00.123 UTC [1] ERROR:  relation \"x\" does not exist", Error},
      {"2026-11-23 02:53:00.123 UTC [1] FATAL:  password failed", Fatal},
      {"2026-11-23T02:53:00.123456Z 0 [Warning] [MY-010068] [Server] CA certificate", Warn},
      {"E, [2026-11-23T02:53:00.123456 #1] ERROR -- : text", Error},
      {"Nov 23 02:53:00 ip-10-0-0-1 app[12]: ERROR text", Error},
      {"fail: Microsoft.AspNetCore.Server[13]", Error},
      {"crit: Microsoft.Hosting[1]", Critical},
      {"\x1b[31mERROR\x1b[0m: red", Error},
      {"\x1b[32mINFO\x1b[0m:     Uvicorn running", Info},
      {"level=error msg=\"it broke\"", Error},
      {"time=\"2026-11-23T02:53:00Z\" level=warning msg=\"x level=error\"", Warn},
      {"ts=1 caller=x.go:1 lvl=eror msg=x", Error},
      {"msg=\"level=error\" a=b", Unknown},
      {"E1123 02:53:00.123456       1 file.cc:12] text", Error},
      {"I1123 02:53:00.123456 1 main.go:1] text", Info},
      {"<11>Nov 23 02:53:00 host app: text", Error},
      {"<165>1 2026-11-23T02:53:00Z host app - - - text", Notice},
      {"<999>x", Unknown},
      {"Traceback (most recent call last):", Error},
      {"ValueError: invalid literal", Error},
      {"sqlalchemy.exc.OperationalError: (psycopg2) x", Error},
      {"java.lang.NullPointerException", Error},
      {"KeyError: 'x'", Error},
      {"Exception in thread \"main\" java.lang.Error", Error},
      {"/app/x.py:12: DeprecationWarning: old", Warn},
      {"panic: runtime error: index out of range", Fatal},
      {"fatal error: all goroutines are asleep - deadlock!", Fatal},
      {"DEBUG [main] text", Debug},
      {"  ERROR indented", Error},
      // Prose and other lines that only mention a level.
      {"error rate is fine", Unknown},
      {"Error rate is fine", Unknown},
      {"errors: 0", Unknown},
      {"the ERROR page was shown", Unknown},
      {"GET /ERROR HTTP/1.1", Unknown},
      {"no error", Unknown},
      {"config: loaded", Unknown},
      {"log: x", Unknown},
      {"INFORMATION_SCHEMA is ready", Unknown},
      {"ERROR_CODE 5", Unknown},
      {"Done. ERROR is a word", Unknown},
      {"2026-11-23 02:53:00 received ERROR from upstream", Unknown},
      {"2026-11-23 02:53:00 all fine", Unknown},
      {"    File \"/app/main.py\", line 12, in handler", Unknown},
      {"    raise ValueError(\"x\")", Unknown},
      {"", Unknown},
      {"   ", Unknown},
      {"<", Unknown},
      {"[", Unknown},
      {"[]", Unknown},
      {"=", Unknown},
      {"\x1b[", Unknown},
      {"狼煙 ERROR", Unknown},
  };
  for (const auto& [line, expected] : kLines) {
    EXPECT_EQ(to_string(severity_of_line(line).value_or(Unknown)), to_string(expected)) << line;
  }
  EXPECT_EQ(severity_of_line(std::string(100000, ' ') + "ERROR"), std::nullopt) << "prefix only";
  EXPECT_EQ(severity_of_line("ERROR: first\nsecond"), Error);
  EXPECT_EQ(severity_of_line("first\nERROR: second"), std::nullopt);
}

TEST(Severity, TheUsersPageNamesEveryKeyAndWord) {
  std::ifstream file(NOROSHI_SOURCE_DIR "/docs/severity.md");
  ASSERT_TRUE(file.good());
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  for (const auto& word : severity_tables::kWords) {
    EXPECT_NE(page.find("`" + std::string(word.word) + "`"), page.npos) << word.word;
  }
  // Keys are listed in one of their usual spellings.
  std::string squeezed;
  for (const char c : page) {
    if (c != '_' && c != '-' && c != '.') squeezed += static_cast<char>(std::tolower(c));
  }
  for (const std::string_view key : severity_tables::kKeys) {
    EXPECT_NE(squeezed.find("`" + std::string(key) + "`"), squeezed.npos) << key;
  }
}

}  // namespace
}  // namespace noroshi
