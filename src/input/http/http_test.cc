#include "input/http/http.h"

#include <thread>

#include "input/forward/frame_builder.h"
#include "input/http/http_body.h"
#include "input/plugin_loop.h"
#include "record/json_record.h"

namespace noroshi {
namespace {

using namespace std::chrono_literals;

class Http : public ListeningLoop {
 protected:
  Http() : ListeningLoop(kHttpInput) {}

  static std::string request(std::string_view path, std::string_view body,
                             std::string_view type = "application/json",
                             std::string_view headers = "") {
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\n{}Content-Length: {}\r\n\r\n{}", path,
        type, headers, body.size(), body);
  }
  // The answer, once it is there: its first line, or all of it.
  std::string answer(SocketClient& client, bool whole = false) {
    std::string all;
    EXPECT_TRUE(run_until([&] {
      all += client.received();
      return all.find("\r\n\r\n") != std::string::npos;
    }));
    return whole ? all : all.substr(0, all.find("\r\n"));
  }
  std::string ask(const std::string& text, bool whole = false) {
    SocketClient client(port_);
    send(client, text);
    return answer(client, whole);
  }
};

TEST_F(Http, ObjectsArraysAndLinesBecomeRecords) {
  start({{"Tag", "web"}});
  EXPECT_EQ(ask(request("/", R"({"a":1})")), "HTTP/1.1 201 Created");
  EXPECT_EQ(ask(request("/app/log-1", R"([{"b":2},{"c":[3]}] {"d":4})")), "HTTP/1.1 201 Created");
  EXPECT_EQ(ask(request("/x?y=1", "{\"e\":5}\n{\"f\":6}\n", "application/x-ndjson")),
            "HTTP/1.1 201 Created");
  ASSERT_EQ(sink_.records.size(), 6u);
  EXPECT_EQ(sink_.records[0].record, record_of(R"({"a":1})"));
  EXPECT_EQ(sink_.records[0].tag, "web");
  EXPECT_EQ(sink_.records[2].record, record_of(R"({"c":[3]})"));
  EXPECT_EQ(sink_.records[3].tag, "app_log_1");
  EXPECT_EQ(sink_.records[5].tag, "x");
}

TEST_F(Http, TheAnswerWaitsForTheJournal) {
  start();
  sink_.hold_acks = true;
  SocketClient client(port_);
  send(client, request("/", R"({"a":1})"));
  ASSERT_TRUE(run_until_records(1));
  run_for(100ms);
  EXPECT_EQ(client.received(), "");
  EXPECT_TRUE(input_->busy());
  sink_.held.clear();
  EXPECT_EQ(answer(client), "HTTP/1.1 201 Created");
  // The connection stays open for the next one; what cannot be stored is not acknowledged.
  send(client, request("/", R"({"b":2})"));
  ASSERT_TRUE(run_until_records(2));
  for (const auto& ack : sink_.held) ack->fail();
  sink_.held.clear();
  EXPECT_EQ(answer(client), "HTTP/1.1 503 Service Unavailable");
}

TEST_F(Http, AFullJournalIsSaidBeforeTheBodyIsRead) {
  start();
  sink_.pause_after(0);
  EXPECT_EQ(ask(request("/", R"({"a":1})")), "HTTP/1.1 503 Service Unavailable");
  const std::string later = ask(request("/", R"({"a":1})"), true);
  EXPECT_NE(later.find("503"), std::string::npos);
  EXPECT_NE(later.find("Retry-After: 1"), std::string::npos);
  EXPECT_EQ(sink_.records.size(), 0u);
  sink_.resume();
  EXPECT_EQ(ask(request("/", R"({"a":1})")), "HTTP/1.1 201 Created");
  EXPECT_EQ(sink_.records.size(), 1u);
}

TEST_F(Http, WhatIsStoredInPartIsStoredWholeBeforeTheAnswer) {
  start({{"Tag_Key", "t"}});
  sink_.pause_after(1);
  SocketClient client(port_);
  send(client, request("/", R"([{"t":"a"},{"t":"b"},{"t":"c"}])"));
  ASSERT_TRUE(run_until_records(1));
  run_for(50ms);
  EXPECT_EQ(client.received(), "");
  sink_.resume();
  EXPECT_EQ(answer(client), "HTTP/1.1 201 Created");
  ASSERT_EQ(sink_.records.size(), 3u);
  EXPECT_EQ(sink_.records[2].tag, "c");
}

TEST_F(Http, GzipAndItsBombs) {
  start();
  const std::string plain = R"({"log":")" + std::string(100'000, 'x') + "\"}";
  EXPECT_EQ(ask(request("/", forward::gzip(plain), "application/json; charset=utf-8",
                        "Content-Encoding: gzip\r\n")),
            "HTTP/1.1 201 Created");
  EXPECT_EQ(sink_.records.at(0).record, record_of(plain));
  EXPECT_EQ(ask(request("/", forward::gzip(std::string(40 << 20, ' ')), "application/json",
                        "Content-Encoding: gzip\r\n")),
            "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(ask(request("/", "no gzip", "application/json", "Content-Encoding: gzip\r\n")),
            "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask(request("/", "x", "application/json", "Content-Encoding: br\r\n")),
            "HTTP/1.1 415 Unsupported Media Type");
}

TEST_F(Http, RefusalsStoreNothing) {
  start({{"Buffer_Max_Size", "1KiB"}});
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask(request("/", R"({"a":1})", "text/plain")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask(request("/", "")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask(request("/", R"({"a":1}{"b":)")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask(request("/", R"([{"a":1},2])")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask(request("/", "17")), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask(request("/", R"({"a":")" + std::string(2000, 'x') + "\"}")),
            "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(sink_.records.size(), 0u);
  EXPECT_EQ(metrics_.malformed.get(), 4u);
}

// What is noted of each record counts, and an object is parsed as a whole.
TEST_F(Http, MoreThanMemoryMayHold) {
  start();
  const auto gzipped = [&](const std::string& plain) {
    return ask(
        request("/", forward::gzip(plain), "application/json", "Content-Encoding: gzip\r\n"));
  };
  std::string records = "[{}";
  for (int n = 0; n < 1'000'000; ++n) records += ",{}";
  EXPECT_EQ(gzipped(records + "]"), "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(gzipped(R"({"a":")" + std::string(5 << 20, 'x') + "\"}"),
            "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(sink_.records.size(), 0u);
  EXPECT_EQ(metrics_.malformed.get(), 2u);
  // Refused by what it says, before its body is there.
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                "Content-Length: 1099511627776\r\n\r\nx"),
            "HTTP/1.1 413 Payload Too Large");
  EXPECT_EQ(metrics_.malformed.get(), 3u);
}

TEST_F(Http, ArraysAreReadObjectByObject) {
  start();
  EXPECT_EQ(ask(request("/", "[] [ ] [\n{\"a\":1} ,\t{\"b\":[{},[]]}\n] ")),
            "HTTP/1.1 201 Created");
  EXPECT_EQ(sink_.records.size(), 2u);
  EXPECT_EQ(sink_.records.at(1).record, record_of(R"({"b":[{},[]]})"));
  for (const std::string_view bad :
       {"[", "[{}", "[{},", "[{},]", "[,{}]", "[{}{}]", "[{}}", "[[{}]]", "[{},1]", "[{]"}) {
    EXPECT_EQ(ask(request("/", bad)), "HTTP/1.1 400 Bad Request") << bad;
  }
  EXPECT_EQ(sink_.records.size(), 2u);
}

TEST_F(Http, FormsAddressesHeadersAndHealth) {
  start({{"Successful_Response_Code", "200"},
         {"Success_Header", "X-Router noroshi"},
         {"Add_Remote_Addr", "on"},
         {"Enable_Health_Endpoint", "on"}});
  const std::string reply =
      ask(request("/form", "a=1&b=two+words%21&=x&c\n", "application/x-www-form-urlencoded",
                  "X-Forwarded-For: 10.1.2.3, 10.0.0.1\r\n"),
          true);
  EXPECT_NE(reply.find("200 OK"), std::string::npos);
  EXPECT_NE(reply.find("X-Router: noroshi"), std::string::npos);
  EXPECT_EQ(sink_.records.at(0).record,
            record_of(R"({"a":"1","b":"two words!","REMOTE_ADDR":"10.1.2.3"})"));
  EXPECT_EQ(ask(request("/", R"({"REMOTE_ADDR":"mine"})")), "HTTP/1.1 200 OK");
  EXPECT_EQ(sink_.records.at(1).record, record_of(R"({"REMOTE_ADDR":"mine"})"));
  EXPECT_EQ(ask("GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK");
}

TEST_F(Http, ManyConnectionsAndRequests) {
  start();
  std::vector<std::unique_ptr<SocketClient>> clients;
  for (int n = 0; n < 50; ++n) clients.push_back(std::make_unique<SocketClient>(port_));
  for (int round = 0; round < 20; ++round) {
    for (auto& client : clients) send(*client, request("/", R"({"n":1})"));
    for (auto& client : clients) ASSERT_EQ(answer(*client), "HTTP/1.1 201 Created");
  }
  EXPECT_EQ(sink_.records.size(), 1000u);
}

TEST_F(Http, CloseStoresWhatWasRead) {
  start();
  SocketClient client(port_);
  ASSERT_GT(client.send_some(request("/", R"({"a":1})")), 0u);
  std::this_thread::sleep_for(100ms);  // decoded on its own thread, not taken by the loop yet
  input_->close();
  EXPECT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(answer(client), "HTTP/1.1 201 Created");
  EXPECT_EQ(ask(request("/", R"({"b":2})")), "HTTP/1.1 503 Service Unavailable");
}

}  // namespace
}  // namespace noroshi
