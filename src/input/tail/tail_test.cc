#include "input/tail/tail.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "config/classic.h"
#include "input/plugin_loop.h"
#include "input/tail/offset_store.h"
#include "record/json_record.h"
#include "record/map_pairs.h"

namespace noroshi {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

std::string field(std::string_view record, std::string_view name) {
  MapPairs pairs(record);
  for (MapPair pair; pairs.next(pair);) {
    if (pair.name != name) continue;
    MsgpackReader reader(pair.value);
    if (const auto text = reader.read_string()) return std::string(*text);
    if (const auto number = MsgpackReader(pair.value).read_int()) return std::to_string(*number);
  }
  return "missing";
}

class Tail : public PluginLoop {
 protected:
  Tail() : PluginLoop(kTailInput) {
    fs::create_directories(directory_ / "logs");
    fs::create_directories(directory_ / "state");
    context_.state_directory = directory_ / "state";
  }
  ~Tail() override {
    input_.reset();
    fs::remove_all(directory_);
  }

  std::string path(std::string_view name) const { return (directory_ / "logs" / name).string(); }
  void write(std::string_view name, std::string_view text) {
    std::ofstream(path(name), std::ios::app) << text;
  }

  void start(Properties properties = {}) {
    const bool has_path = std::any_of(properties.begin(), properties.end(),
                                      [](const auto& each) { return each.first == "Path"; });
    if (!has_path) properties.emplace_back("Path", path("*.log"));
    PluginLoop::start(std::move(properties));
  }
  // As a shutdown does it; what the sink got stays.
  void stop() {
    input_->close();
    run_for(5ms);
    input_.reset();
  }
  // As kill -9 does it: nothing is closed.
  void kill() {
    run_for(5ms);
    input_.reset();
  }
  void add_parser(const std::string& lines) {
    std::string text = "[PARSER]\n";
    std::istringstream each(lines);
    for (std::string line; std::getline(each, line);) text += "    " + line + "\n";
    Diagnostics diagnostics;
    const Document document = parse_classic_text("p.conf", text, diagnostics);
    parsers_.add(*document.find_all(SectionKind::Parser).front(), diagnostics);
    EXPECT_FALSE(diagnostics.has_errors()) << diagnostics.render();
  }
  Texts logs() const {
    Texts out;
    for (const RecordedRecord& each : sink_.records) out.push_back(field(each.record, "log"));
    return out;
  }
  Texts wait_for(size_t count) {
    EXPECT_TRUE(run_until_records(count)) << sink_.records.size() << " of " << count;
    run_for(10ms);
    return logs();
  }

  const fs::path directory_ =
      fs::temp_directory_path() / ("noroshi-tail-" + std::to_string(::getpid()) + "-" +
                                   testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(Tail, ReadsWhatIsAppendedAndNewFilesFromTheirStart) {
  write("a.log", "old\n");
  start();
  run_for(20ms);
  write("a.log", "one\ntw");
  EXPECT_EQ(wait_for(1), Texts{"one"});
  write("a.log", "o\r\n\nthree\n");
  EXPECT_EQ(wait_for(4), (Texts{"one", "two", "", "three"}));
  write("b.log", "from the start\n");
  write("c.txt", "no match\n");
  EXPECT_EQ(wait_for(5).back(), "from the start");
  EXPECT_EQ(sink_.records[0].tag, "tail.0");
}

TEST_F(Tail, FromTheHeadWithTagPathAndOffset) {
  write("app.log", "first\nsecond\n");
  write("skip.log", "excluded\n");
  start({{"Path", path("*.log") + ", " + path("none")},
         {"Exclude_Path", "skip*"},
         {"Read_from_Head", "on"},
         {"Tag", "t.*"},
         {"Path_Key", "file"},
         {"Offset_Key", "at"}});
  EXPECT_EQ(wait_for(2), (Texts{"first", "second"}));
  EXPECT_EQ(field(sink_.records[1].record, "file"), path("app.log"));
  EXPECT_EQ(field(sink_.records[1].record, "at"), "6");
  std::string tag = "t" + path("app.log");
  std::replace(tag.begin(), tag.end(), '/', '.');
  EXPECT_EQ(sink_.records[0].tag, tag);
}

TEST_F(Tail, TagRegexTakesThePathApart) {
  write("web_prod.log", "x\n");
  start({{"Read_from_Head", "on"},
         {"Tag", "kube.<app>.<stage>.<none>"},
         {"Tag_Regex", "(?<app>[a-z]+)_(?<stage>[a-z]+)\\.log$"}});
  wait_for(1);
  EXPECT_EQ(sink_.records[0].tag, "kube.web.prod._");
}

TEST_F(Tail, RotationByRenameLosesAndRepeatsNothing) {
  write("app.log", "");
  start({{"Path", path("app.log")}, {"Read_from_Head", "on"}});
  run_for(20ms);
  Texts expected;
  for (int n = 0; n < 20; ++n) {
    for (int line = 0; line < 5; ++line) {
      expected.push_back(std::to_string(n) + "." + std::to_string(line));
      write("app.log", expected.back() + "\n");
      run_for(1ms);
    }
    fs::rename(path("app.log"), path("app.log.1"));
    // The application still has the old file open.
    expected.push_back(std::to_string(n) + ".late");
    write("app.log.1", expected.back() + "\n");
    write("app.log", "");
    wait_for(expected.size());
  }
  Texts got = logs();
  std::sort(got.begin(), got.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(got, expected);
}

TEST_F(Tail, AFileRenamedBeforeAnybodyLookedIsRead) {
  start({{"Path", path("app.log")}, {"Tag", "t.*"}, {"Read_from_Head", "on"}});
  run_for(20ms);
  write("app.log", "first\n");
  fs::rename(path("app.log"), path("app.log.1"));
  write("app.log", "second\n");
  fs::rename(path("app.log.1"), path("app.log.2"));
  fs::rename(path("app.log"), path("app.log.1"));
  write("app.log", "third\n");
  Texts got = wait_for(3);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (Texts{"first", "second", "third"}));
  for (const RecordedRecord& each : sink_.records) EXPECT_TRUE(each.tag.ends_with("app.log"));
  // A name that never was ours stays unread, whatever becomes of it.
  write("other", "no\n");
  fs::rename(path("other"), path("other.1"));
  run_for(50ms);
  EXPECT_EQ(logs().size(), 3u);
}

TEST_F(Tail, CopyTruncateAlsoWhenTheFileIsLongerAgain) {
  write("app.log", "a1\na2\n");
  start({{"Read_from_Head", "on"}});
  wait_for(2);
  std::ofstream(path("app.log"), std::ios::trunc) << "b1\n";
  wait_for(3);
  std::ofstream(path("app.log"), std::ios::trunc) << "c1 is longer than what was\nc2\n";
  EXPECT_EQ(wait_for(5), (Texts{"a1", "a2", "b1", "c1 is longer than what was", "c2"}));
}

TEST_F(Tail, ADeletedFileIsReadToItsEndAndClosed) {
  write("app.log", "one\n");
  start({{"Read_from_Head", "on"}, {"Rotate_Wait", "0"}});
  wait_for(1);
  const int fd = ::open(path("app.log").c_str(), O_WRONLY | O_APPEND);
  fs::remove(path("app.log"));
  ASSERT_EQ(::write(fd, "last words\nunfinished", 21), 21);
  ::close(fd);
  EXPECT_EQ(wait_for(3), (Texts{"one", "last words", "unfinished"}));
}

TEST_F(Tail, GoesOnWhereItWasAfterAStopAndAfterAKill) {
  write("app.log", "one\ntwo\nunfin");
  start({{"Read_from_Head", "on"}});
  wait_for(2);
  stop();
  write("app.log", "ished\nthree\n");
  write("new.log", "written while down\n");
  start({{"Read_from_Head", "on"}});
  Texts got = wait_for(5);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (Texts{"one", "three", "two", "unfinished", "written while down"}));
  write("app.log", "four\n");
  wait_for(6);
  kill();
  write("app.log", "five\n");
  start();
  EXPECT_EQ(wait_for(7).back(), "five");
}

TEST_F(Tail, WhatWasRotatedWhileDownIsReadToItsEnd) {
  write("app.log", "one\n");
  start({{"Path", path("app.log")}, {"Read_from_Head", "on"}, {"Tag", "x.*"}});
  wait_for(1);
  const std::string tag = sink_.records[0].tag;
  stop();
  write("app.log", "two\n");
  fs::rename(path("app.log"), path("app.log.1"));
  write("app.log", "three\n");
  start({{"Path", path("app.log")}, {"Read_from_Head", "on"}, {"Tag", "x.*"}});
  Texts got = wait_for(3);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (Texts{"one", "three", "two"}));
  for (const RecordedRecord& each : sink_.records) EXPECT_EQ(each.tag, tag);
}

TEST_F(Tail, AFileThatWasEmptyWhenItWasLastSeenAndIsRotatedWhileDown) {
  write("app.log", "");
  start({{"Path", path("app.log")}, {"Read_from_Head", "on"}});
  run_for(20ms);
  kill();
  write("app.log", "one\n");
  fs::rename(path("app.log"), path("app.log.1"));
  start({{"Path", path("app.log")}, {"Read_from_Head", "on"}});
  EXPECT_EQ(wait_for(1), Texts{"one"});
}

TEST_F(Tail, AnotherFileWithTheSameInodeIsReadFromItsStart) {
  write("app.log", "a long first line\n");
  start({{"Read_from_Head", "on"}});
  wait_for(1);
  stop();
  // The same inode with other content is what reuse looks like.
  std::ofstream(path("app.log"), std::ios::trunc) << "something else\nand even more than before\n";
  start();
  EXPECT_EQ(wait_for(3).back(), "and even more than before");
}

TEST_F(Tail, OffsetsFollowTheJournalAndNotTheReading) {
  write("app.log", "one\ntwo\n");
  sink_.hold_acks = true;  // as a filter that waits for more
  start({{"Read_from_Head", "on"}});
  wait_for(2);
  kill();
  for (const auto& ack : sink_.held) ack->fail();
  sink_.held.clear();
  sink_.hold_acks = false;
  start({{"Read_from_Head", "on"}});
  EXPECT_EQ(wait_for(4), (Texts{"one", "two", "one", "two"}));
  kill();
  start({{"Read_from_Head", "on"}});
  run_for(50ms);
  EXPECT_EQ(sink_.records.size(), 4u);
}

TEST_F(Tail, BackpressureReadsNothingAndLosesNothing) {
  sink_.pause_after(1);
  std::string text;
  for (int n = 0; n < 100'000; ++n) text += "line " + std::to_string(n) + "\n";
  write("a.log", text);
  start({{"Read_from_Head", "on"}});
  run_for(50ms);
  EXPECT_LT(sink_.records.size(), 50'000u);
  EXPECT_TRUE(input_->busy());
  sink_.resume();
  const Texts got = wait_for(100'000);
  for (size_t n = 0; n < got.size(); ++n) ASSERT_EQ(got[n], "line " + std::to_string(n));
}

TEST_F(Tail, LongLines) {
  const std::string text = std::string(2500, 'x') + "\nshort\n";
  const auto run = [&](Properties properties) {
    sink_.records.clear();
    fs::remove_all(directory_ / "state");
    fs::remove(path("a.log"));
    write("a.log", text);
    properties.insert(properties.end(), {{"Read_from_Head", "on"}, {"Buffer_Max_Size", "1KiB"}});
    start(properties);
    EXPECT_TRUE(run_until([&] { return !sink_.records.empty() && logs().back() == "short"; }));
    input_.reset();
    return logs();
  };
  EXPECT_EQ(run({}), (Texts{std::string(1024, 'x'), std::string(1024, 'x'), std::string(452, 'x'),
                            "short"}));
  EXPECT_EQ(run({{"Skip_Long_Lines", "on"}}), Texts{"short"});
  EXPECT_EQ(run({{"Truncate_Long_Lines", "on"}}), (Texts{std::string(1024, 'x'), "short"}));
  EXPECT_EQ(run({{"Buffer_Chunk_Size", "1KiB"}, {"Skip_Long_Lines", "on"}}), Texts{"short"});
  EXPECT_GE(metrics_.malformed.get(), 5u);
}

TEST_F(Tail, ManyEmptyLinesStayWithinAChunk) {
  write("a.log", std::string(300'000, '\n') + "end\n");
  start({{"Read_from_Head", "on"}, {"Path_Key", "a path makes each record long"}});
  EXPECT_EQ(wait_for(300'001).back(), "end");
}

TEST_F(Tail, WithoutInotify) {
  start({{"Inotify_Watcher", "off"}, {"Refresh_Interval", "100ms"}});
  run_for(20ms);
  write("late.log", "one\n");
  EXPECT_EQ(wait_for(1), Texts{"one"});
  write("late.log", "two\n");
  EXPECT_EQ(wait_for(2), (Texts{"one", "two"}));
}

TEST_F(Tail, ExitOnEof) {
  write("a.log", "one\nno newline");
  start({{"Exit_On_Eof", "on"}});
  EXPECT_TRUE(run_until([&] { return input_->ended(); }));
  EXPECT_EQ(logs(), (Texts{"one", "no newline"}));
}

TEST_F(Tail, ATracebackBecomesOneRecordAndIsRepeatedWholeAfterAKill) {
  const std::string traceback =
      "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\n";
  write("a.log", "plain\n" + traceback);
  start({{"Read_from_Head", "on"}, {"multiline.parser", "python"}});
  EXPECT_EQ(wait_for(1), Texts{"plain"});
  kill();  // the message is open: its first line must be read again
  write("a.log", "ValueError: bad\nafter\n");
  start({{"Read_from_Head", "on"}, {"multiline.parser", "python"}});
  const Texts got = wait_for(3);
  EXPECT_NE(got[1].find("Traceback"), std::string::npos);
  EXPECT_NE(got[1].find("ValueError: bad"), std::string::npos);
  EXPECT_EQ(got[2], "after");
}

TEST_F(Tail, DockerAndCriFiles) {
  write("docker.log",
        "{\"log\":\"first \",\"stream\":\"stdout\",\"time\":\"2026-11-23T01:02:03.5Z\"}\n"
        "{\"log\":\"second\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-23T01:02:03.6Z\"}\n");
  write("cri.txt",
        "2026-11-23T01:02:03.5Z stdout P first \n2026-11-23T01:02:03.6Z stdout F second\n");
  start({{"Read_from_Head", "on"}, {"Docker_Mode", "on"}});
  EXPECT_EQ(wait_for(1)[0].substr(0, 12), "first second");
  input_.reset();
  start({{"Path", path("*.txt")}, {"Read_from_Head", "on"}, {"multiline.parser", "docker, cri"}});
  wait_for(2);
  const std::string& record = sink_.records[1].record;
  const std::string text = field(record, "log") + field(record, "message");
  EXPECT_NE(text.find("first second"), std::string::npos) << text;
}

// As many configurations still write it for Java and for plain text logs.
TEST_F(Tail, TheOldMultilineMode) {
  add_parser(
      "Name head\nFormat regex\n"
      "Regex ^(?<time>\\d+-\\d+-\\d+ \\d+:\\d+:\\d+) (?<level>\\w+) (?<message>.*)$\n"
      "Time_Format %Y-%m-%d %H:%M:%S\n");
  add_parser("Name cause\nFormat regex\nRegex ^Caused by: (?<cause>.*)$\n");
  const Properties options{{"Read_from_Head", "on"}, {"Multiline", "On"},
                           {"Multiline_Flush", "1"}, {"Parser_Firstline", "head"},
                           {"Parser_1", "cause"},    {"Path_Key", "file"}};
  write("a.log",
        "no head yet\n"
        "2026-11-23 02:53:00 ERROR it failed\n"
        "\tat a.b(C.java:1)\n\n"
        "Caused by: java.io.IOException\n"
        "\tat d.e(F.java:2)\n"
        "2026-11-23 02:53:01 INFO fine\n");
  start(options);
  EXPECT_EQ(wait_for(2)[0], "no head yet");
  const std::string& failed = sink_.records[1].record;
  EXPECT_EQ(field(failed, "level"), "ERROR");
  EXPECT_EQ(field(failed, "message"), "it failed\n\tat a.b(C.java:1)\n");
  EXPECT_EQ(field(failed, "cause"), "java.io.IOException\n\tat d.e(F.java:2)");
  EXPECT_EQ(field(failed, "file"), path("a.log"));
  EXPECT_EQ(MapPairs(failed).count(), 4u);
  EXPECT_EQ(sink_.records[1].time, Timestamp(Seconds(1795402380)));
  // The last one is open: after a kill its first line is read again.
  kill();
  write("a.log", "and more\n2026-11-23 02:53:02 INFO end\n");
  start(options);
  wait_for(3);
  EXPECT_EQ(field(sink_.records[2].record, "message"), "fine\nand more");
  stop();
  EXPECT_EQ(field(sink_.records.back().record, "message"), "end");
}

TEST_F(Tail, LinesBehindAFieldThatIsNoTextAreKept) {
  add_parser("Name head\nFormat regex\nRegex ^(?<code>\\d+)$\nTypes code:integer\n");
  write("a.log", "500\none\ntwo\n");
  start({{"Read_from_Head", "on"}, {"Multiline", "On"}, {"Parser_Firstline", "head"}});
  run_for(50ms);
  stop();
  ASSERT_EQ(sink_.records.size(), 1u);
  EXPECT_EQ(field(sink_.records[0].record, "code"), "500");
  EXPECT_EQ(field(sink_.records[0].record, "log"), "one\ntwo");
}

TEST_F(Tail, WrongOptions) {
  const auto wrong = [&](Properties properties) {
    properties.insert(properties.begin(), {"Name", "tail"});
    InputContext context{.parsers = parsers_, .listeners = listeners_, .instance_name = "tail.0"};
    Diagnostics diagnostics;
    EXPECT_FALSE(kTailInput.make(section_of(properties), context, diagnostics));
    return diagnostics.render();
  };
  EXPECT_NE(wrong({}).find("path"), std::string::npos);
  EXPECT_NE(wrong({{"Path", "/x"}, {"Tag_Regex", "("}}).find("tag_regex"), std::string::npos);
  EXPECT_NE(wrong({{"Path", "/x"}, {"Multiline", "on"}}).find("multiline.parser"),
            std::string::npos);
  EXPECT_NE(wrong({{"Path", "/x"}, {"Multiline", "on"}, {"Parser_Firstline", "jsn"}}).find("json"),
            std::string::npos);
  EXPECT_NE(wrong({{"Path", "/x"},
                   {"Multiline", "on"},
                   {"Parser_Firstline", "json"},
                   {"Parser_1", "nowhere"}})
                .find("nowhere"),
            std::string::npos);
  EXPECT_NE(wrong({{"Path", "/x"},
                   {"Multiline", "on"},
                   {"Parser_Firstline", "json"},
                   {"multiline.parser", "python"}})
                .find("exclude each other"),
            std::string::npos);
  EXPECT_NE(wrong({{"Path", "/x"}, {"multiline.parser", "pyton"}}).find("python"),
            std::string::npos);
  EXPECT_NE(wrong({{"Path", "/x"}, {"Generic.Encoding", "ShiftJIS"}}).find("UTF-8"),
            std::string::npos);
}

TEST_F(Tail, TheOffsetFileSurvivesATornEndAndGarbage) {
  const std::string file = (directory_ / "state" / "x.offsets").string();
  {
    auto store = tail::OffsetStore::open(file);
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_FALSE(store->had_former_run());
    EXPECT_FALSE(tail::OffsetStore::open(file)) << "one owner only";
    for (uint64_t n = 1; n <= 10; ++n) {
      store->set({1, n % 3}, {.position = n, .path = "/a"});
      ASSERT_TRUE(store->flush());
    }
    store->forget({1, 0});
    ASSERT_TRUE(store->flush());
  }
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  uint64_t last = 10;
  for (size_t size = bytes.size(); size > 15; --size) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes.substr(0, size);
    auto store = tail::OffsetStore::open(file);
    ASSERT_TRUE(store);
    EXPECT_TRUE(store->had_former_run());
    const tail::StoredOffset* one = store->find({1, 1});
    const uint64_t now = one == nullptr ? 0 : one->position;
    EXPECT_LE(now, last) << "a shorter file knows less";
    last = now;
  }
  for (int round = 0; round < 200; ++round) {
    std::string broken = bytes;
    broken[15 + random() % (broken.size() - 15)] ^= static_cast<char>(1 + random() % 255);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << broken;
    auto store = tail::OffsetStore::open(file);
    ASSERT_TRUE(store) << "seed " << seed;
    for (const auto& [id, offset] : store->entries()) EXPECT_LE(offset.position, 10u);
  }
}

}  // namespace
}  // namespace noroshi
