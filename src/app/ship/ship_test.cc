// The whole verb, in a process of its own, against the real `forward` input.
#include "app/ship/ship.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "input/forward/server.h"
#include "input/recording_sink.h"
#include "record/msgpack_reader.h"

namespace noroshi::ship {
namespace {

using namespace std::chrono_literals;

class Ship : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() / ("noroshi-ship-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    start_router();
    options_.container = "backend";
    options_.destination.port = port_;
  }
  void TearDown() override {
    if (child_ > 0) ::kill(child_, SIGKILL), ::waitpid(child_, nullptr, 0);
    router_.reset();
    std::filesystem::remove_all(directory_);
  }

  void start_router() {
    auto listener = StreamListener::listen_tcp(loop_, "127.0.0.1", port_);
    ASSERT_TRUE(listener) << listener.error().message;
    port_ = (*listener)->port();
    router_ = std::make_unique<forward::Server>(loop_, forward::ServerOptions{}, sink_, metrics_);
    router_->serve(*std::move(listener));
  }

  // The pipe to its standard input; its stderr and stdout go to files.
  void start_ship() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(ends[0], STDIN_FILENO);
      ::dup2(::open((directory_ / "out").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600),
             STDOUT_FILENO);
      ::dup2(::open((directory_ / "err").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600),
             STDERR_FILENO);
      ::close_range(3, ~0U, 0);  // the router's sockets above all
      ::_exit(ship(options_));
    }
    ::close(ends[0]);
    input_ = UniqueFd(ends[1]);
  }
  template <typename Done>
  bool run_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_.restart();
      loop_.run_one_for(2ms);
    }
    return true;
  }
  // Writes all of it, the router running meanwhile.
  void write(std::string_view bytes) {
    ::fcntl(input_.get(), F_SETFL, O_NONBLOCK);
    ASSERT_TRUE(run_until([&] {
      const ssize_t count = ::write(input_.get(), bytes.data(), bytes.size());
      if (count > 0) bytes.remove_prefix(static_cast<size_t>(count));
      return bytes.empty();
    }));
  }
  // Ends the input; the exit code.
  int finish() {
    input_.reset();
    int status = -1;
    EXPECT_TRUE(run_until([&] { return ::waitpid(child_, &status, WNOHANG) == child_; }));
    child_ = 0;
    // What it has sent may still be in the kernel.
    EXPECT_TRUE(!router_ || run_until([&] { return metrics_.connections_open.get() == 0; }));
    loop_.restart();
    loop_.run_for(20ms);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  std::string file(const char* name) {
    std::stringstream text;
    text << std::ifstream(directory_ / name).rdbuf();
    return text.str();
  }
  static std::map<std::string, std::string> fields(const RecordedRecord& record) {
    std::map<std::string, std::string> out;
    MsgpackReader reader(record.record);
    for (uint32_t pairs = reader.read_map().value(); pairs > 0; --pairs) {
      const std::string key(reader.read_string().value());
      out[key] = reader.read_string().value();
    }
    return out;
  }
  std::vector<std::string> logs(std::string_view source) {
    std::vector<std::string> out;
    for (const RecordedRecord& record : sink_.records) {
      auto of = fields(record);
      if (of["source"] == source) out.push_back(of["log"]);
    }
    return out;
  }

  std::filesystem::path directory_;
  boost::asio::io_context loop_;
  RecordingSink sink_;
  InputMetrics metrics_;
  uint16_t port_ = 0;
  std::unique_ptr<forward::Server> router_;
  ShipOptions options_;
  pid_t child_ = 0;
  UniqueFd input_;
};

TEST_F(Ship, LinesOfStandardInputAsDockerSendsThem) {
  start_ship();
  write("first\nsecond\r\n\n\xff\xfe not UTF-8\nno newline at the end");
  ASSERT_EQ(finish(), 0);
  ASSERT_EQ(sink_.records.size(), 5u);
  EXPECT_EQ(logs("stdout"), (std::vector<std::string>{"first", "second\r", "", "\xff\xfe not UTF-8",
                                                      "no newline at the end"}));
  auto first = fields(sink_.records[0]);
  EXPECT_EQ(first.size(), 4u);
  EXPECT_EQ(first["container_name"], "/backend");
  EXPECT_EQ(first["container_id"].size(), 64u);
  EXPECT_EQ(sink_.records[0].tag, "backend-firelens-" + first["container_id"].substr(0, 32));
  const auto age = system_clock().wall() - sink_.records[0].time;
  EXPECT_LT(age, 60s);
  EXPECT_NE(sink_.records[0].time.time_since_epoch().count() % 1'000'000'000, 0) << "sub-second";
  auto last = fields(sink_.records[4]);
  EXPECT_EQ(last["partial_message"], "true");
  EXPECT_EQ(last["partial_ordinal"], "1");
  EXPECT_EQ(last["partial_last"], "false");
  EXPECT_NE(file("err").find("5 lines read, 5 records sent"), std::string::npos) << file("err");
}

TEST_F(Ship, ManyLinesArriveOnceAndInOrder) {
  start_ship();
  std::string text;
  for (int n = 0; n < 100'000; ++n) text += "line " + std::to_string(n) + "\n";
  write(text);
  ASSERT_EQ(finish(), 0);
  ASSERT_EQ(sink_.records.size(), 100'000u);
  const auto all = logs("stdout");
  for (int n = 0; n < 100'000; ++n)
    ASSERT_EQ(all[static_cast<size_t>(n)], "line " + std::to_string(n));
  EXPECT_LT(sink_.chunks, 20'000) << "what is there together travels together";
}

TEST_F(Ship, WrapsACommandKeepsItsStreamsApartAndItsExitCode) {
  options_.command = {"sh", "-c", "echo out; echo err >&2; exit 7"};
  start_ship();
  EXPECT_EQ(finish(), 7);
  EXPECT_EQ(logs("stdout"), std::vector<std::string>{"out"});
  EXPECT_EQ(logs("stderr"), std::vector<std::string>{"err"});
  EXPECT_EQ(file("out"), "");
}

TEST_F(Ship, TeeCopiesBothStreams) {
  options_.tee = true;
  options_.command = {"sh", "-c", "echo out; echo err >&2"};
  start_ship();
  EXPECT_EQ(finish(), 0);
  EXPECT_EQ(file("out"), "out\n");
  EXPECT_EQ(file("err").rfind("err\n", 0), 0u);
  EXPECT_EQ(sink_.records.size(), 2u);
}

TEST_F(Ship, SignalsReachTheCommandWhichMaySayItsLastWords) {
  options_.command = {
      "sh", "-c", "trap 'echo last words; exit 9' TERM; echo ready; while :; do sleep 0.05; done"};
  start_ship();
  ASSERT_TRUE(run_until([&] { return sink_.records.size() == 1; }));
  ::kill(child_, SIGTERM);
  EXPECT_EQ(finish(), 9);
  EXPECT_EQ(logs("stdout"), (std::vector<std::string>{"ready", "last words"}));
}

TEST_F(Ship, ACommandEndedByASignal) {
  options_.command = {"sh", "-c", "kill -KILL $$"};
  start_ship();
  EXPECT_EQ(finish(), 128 + SIGKILL);
}

TEST_F(Ship, CommandsThatCannotRun) {
  options_.command = {"/nonexistent/program"};
  start_ship();
  EXPECT_EQ(finish(), 127);
  EXPECT_NE(file("err").find("/nonexistent/program"), std::string::npos);
  options_.command = {"/tmp"};
  start_ship();
  EXPECT_EQ(finish(), 126);
  options_.container.clear();
  start_ship();
  EXPECT_EQ(finish(), 1);
}

TEST_F(Ship, AcksAreWaitedForAndALostConnectionRepeatsWithoutDuplicates) {
  options_.request_ack = true;
  sink_.hold_acks = true;  // the router has stored, but its acks will be lost
  start_ship();
  write("one\ntwo\nthree\n");
  ASSERT_TRUE(run_until([&] { return sink_.records.size() == 3; }));
  sink_.hold_acks = false;
  for (const auto& ack : sink_.held) ack->fail();
  sink_.held.clear();
  router_.reset();
  sink_.records.clear();  // as if it had not stored them: it has not said so
  start_router();
  ASSERT_TRUE(run_until([&] { return sink_.records.size() == 3; }));
  write("four\n");
  ASSERT_EQ(finish(), 0);
  EXPECT_EQ(logs("stdout"), (std::vector<std::string>{"one", "two", "three", "four"}));
  EXPECT_NE(file("err").find("4 records acknowledged"), std::string::npos) << file("err");
}

TEST_F(Ship, ManyAcks) {
  options_.request_ack = true;
  start_ship();
  std::string text;
  for (int n = 0; n < 30'000; ++n) text += std::to_string(n) + "\n";
  write(text);
  ASSERT_EQ(finish(), 0);
  EXPECT_EQ(sink_.records.size(), 30'000u);
  EXPECT_NE(file("err").find("30000 records acknowledged"), std::string::npos) << file("err");
}

TEST_F(Ship, ARouterThatComesLaterGetsEverything) {
  router_.reset();
  start_ship();
  write("one\ntwo\n");
  std::this_thread::sleep_for(300ms);
  start_router();
  ASSERT_EQ(finish(), 0);
  EXPECT_EQ(logs("stdout"), (std::vector<std::string>{"one", "two"}));
}

TEST_F(Ship, WithoutARouterItEndsInTimeAndSaysWhatIsLost) {
  router_.reset();
  options_.flush_limit = 300ms;
  start_ship();
  write("one\ntwo\n");
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(finish(), 3);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
  const std::string said = file("err");
  EXPECT_NE(said.find("2 lines read, 0 records sent"), std::string::npos) << said;
  EXPECT_NE(said.find("2 not delivered"), std::string::npos) << said;
}

TEST_F(Ship, AFullQueueBlocksTheWriter) {
  options_.queue.records = 10;
  sink_.pause();
  start_ship();
  ::fcntl(input_.get(), F_SETFL, O_NONBLOCK);
  const std::string line(1000, 'x');
  const std::string text = line + "\n";
  size_t written = 0;
  int refused = 0;
  // Sockets and pipe fill up, then nothing goes any more.
  ASSERT_TRUE(run_until([&] {
    ssize_t count = 0;
    for (; (count = ::write(input_.get(), text.data(), text.size())) > 0; refused = 0) {
      written += static_cast<size_t>(count);
    }
    return ++refused > 100;
  }));
  sink_.resume();
  if (written % text.size() != 0) write(std::string_view(text).substr(written % text.size()));
  ASSERT_EQ(finish(), 0);
  EXPECT_EQ(sink_.records.size(), (written + text.size() - 1) / text.size());
  EXPECT_NE(file("err").find("0 dropped"), std::string::npos) << file("err");
}

TEST_F(Ship, AFullQueueDropsTheNewestIfTold) {
  router_.reset();
  options_.queue.records = 2;
  options_.queue.drop_when_full = true;
  options_.flush_limit = 5s;
  start_ship();
  for (int n = 0; n < 20; ++n) {
    write(std::to_string(n) + "\n");
    std::this_thread::sleep_for(10ms);  // one read each
  }
  start_router();
  EXPECT_EQ(finish(), 3);
  EXPECT_GE(sink_.records.size(), 2u);
  EXPECT_LT(sink_.records.size(), 20u);
  EXPECT_EQ(logs("stdout")[0], "0");
  EXPECT_NE(file("err").find(std::to_string(20 - sink_.records.size()) + " dropped"),
            std::string::npos)
      << file("err");
}

TEST_F(Ship, AGrandchildWithoutOurPipesDoesNotHoldTheExit) {
  options_.command = {"sh", "-c", "echo here; (sleep 60 >/dev/null 2>&1 </dev/null &) ; exit 0"};
  start_ship();
  EXPECT_EQ(finish(), 0);
  EXPECT_EQ(logs("stdout"), std::vector<std::string>{"here"});
}

}  // namespace
}  // namespace noroshi::ship
