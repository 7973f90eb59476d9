#include "input/syslog/syslog.h"

#include <sys/stat.h>

#include <filesystem>
#include <random>

#include "input/framed_messages.h"
#include "input/plugin_loop.h"
#include "input/syslog/syslog_framer.h"
#include "record/json_record.h"
#include "record/map_pairs.h"

namespace noroshi {
namespace {

using syslog::Framing;
using syslog::SyslogFramer;
using Texts = std::vector<std::string>;

Texts messages(Framing framing, std::string_view text, size_t piece = 1000, size_t max = 100,
               size_t* problems = nullptr) {
  SyslogFramer framer(framing, max);
  return framed_messages(framer, text, piece, problems);
}

TEST(SyslogFramer, BothFramingsInOneStream) {
  const std::string text =
      "<13>one\n9 <13>two\n\n7 <13>3\n\n<13>four\r\n<13>five" + std::string(1, '\0') + "<13>six";
  for (size_t piece = 1; piece < text.size(); ++piece) {
    EXPECT_EQ(messages(Framing::Either, text, piece),
              (Texts{"<13>one", "<13>two\n\n", "<13>3\n\n", "<13>four", "<13>five", "<13>six"}))
        << piece;
  }
}

TEST(SyslogFramer, NumbersInFrontOfALineAreNoCountThere) {
  EXPECT_EQ(messages(Framing::Either, "12 apples\n4 <13>\n"), (Texts{"12 apples", "<13>"}));
  EXPECT_EQ(messages(Framing::Newline, "4 <13>\n"), Texts{"4 <13>"});
  size_t problems = 0;
  EXPECT_EQ(messages(Framing::OctetCounted, "<13>no count\n3 abc2 de", 1000, 100, &problems),
            (Texts{"abc", "de"}));
  EXPECT_EQ(problems, 1u);
}

TEST(SyslogFramer, LongMessagesComeInPiecesAndCutOnesAreKept) {
  size_t problems = 0;
  const std::string x(250, 'x');
  EXPECT_EQ(
      messages(Framing::Either, "<1>" + x + "\n254 <2>" + x + "Z5 <3>ab", 7, 100, &problems).size(),
      7u);
  EXPECT_EQ(problems, 4u);
  problems = 0;
  EXPECT_EQ(messages(Framing::OctetCounted, "10 abc", 3, 100, &problems), Texts{"abc"});
  EXPECT_EQ(problems, 1u);
}

TEST(SyslogFramer, AnyPiecesGiveTheSame) {
  const auto seed = std::random_device{}();
  std::mt19937_64 random(seed);
  constexpr std::string_view kLetters = "<12 3a\n\r0>";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (uint64_t n = random() % 40; n > 0; --n) text += kLetters[random() % kLetters.size()];
    for (const Framing framing : {Framing::Either, Framing::Newline, Framing::OctetCounted}) {
      ASSERT_EQ(messages(framing, text, 1 + random() % 5, 8), messages(framing, text, 1000, 8))
          << "seed " << seed << ": " << text;
    }
  }
}

std::string field(std::string_view record, std::string_view name) {
  MapPairs pairs(record);
  for (MapPair pair; pairs.next(pair);) {
    if (pair.name != name) continue;
    const auto value = MsgpackReader(pair.value).read_binary();
    return value ? std::string(*value) : "not text";
  }
  return "missing";
}

class Syslog : public ListeningLoop {
 protected:
  Syslog() : ListeningLoop(kSyslogInput) {}

  std::string value(size_t index, std::string_view name) const {
    return field(sink_.records.at(index).record, name);
  }

  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("noroshi-syslog-" + std::to_string(::getpid())))
          .string();
};

constexpr std::string_view k5424 =
    "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
    "[exampleSDID@32473 iut=\"3\"] An application event log entry";

TEST_F(Syslog, OverTcpBothRfcsAndWhatIsNeither) {
  start({{"Mode", "tcp"}, {"Tag", "sys"}});
  SocketClient client(port_);
  send(client, std::string(k5424) + "\n" + std::to_string(k5424.size()) + " " + std::string(k5424) +
                   "<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed\n"
                   "free text\n");
  ASSERT_TRUE(run_until_records(4));
  for (size_t i : {0u, 1u}) {
    EXPECT_EQ(value(i, "pri"), "165");
    EXPECT_EQ(value(i, "host"), "mymachine.example.com");
    EXPECT_EQ(value(i, "ident"), "evntslog");
    EXPECT_EQ(value(i, "message"), "An application event log entry");
    EXPECT_EQ(sink_.records[i].time, Timestamp(Milliseconds(1'065'910'455'003)));
  }
  EXPECT_EQ(value(2, "host"), "mymachine");
  EXPECT_EQ(value(2, "pid"), "7");
  EXPECT_EQ(value(2, "message"), "'su root' failed");
  EXPECT_EQ(value(3, "log"), "free text");
  EXPECT_EQ(metrics_.malformed.get(), 1u);
  EXPECT_EQ(sink_.records[0].tag, "sys");
}

TEST_F(Syslog, OverUdpWithTheRawMessageAndTheSource) {
  start({{"Mode", "udp"}, {"Raw_Message_Key", "raw"}, {"Source_Address_Key", "from"}});
  SocketClient client(port_, SOCK_DGRAM);
  client.send_some(std::string(k5424) + "\n");
  ASSERT_TRUE(run_until_records(1));
  EXPECT_EQ(value(0, "raw"), k5424);
  EXPECT_TRUE(value(0, "from").starts_with("udp://127.0.0.1:"));
  EXPECT_EQ(value(0, "msgid"), "ID47");
}

TEST_F(Syslog, OverUnixSockets) {
  for (const char* mode : {"unix_udp", "unix_tcp"}) {
    const bool stream = std::string_view(mode) == "unix_tcp";
    sink_.records.clear();
    start({{"Mode", mode}, {"Path", path_}, {"Unix_Perm", "0600"}});
    struct stat status{};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    SocketClient client(path_, stream ? SOCK_STREAM : SOCK_DGRAM);
    send(client, "<34>Oct 11 22:14:15 su[7]: failed\n");
    ASSERT_TRUE(run_until_records(1)) << mode;
    EXPECT_EQ(value(0, "ident"), "su");
    EXPECT_EQ(value(0, "message"), "failed");
    input_.reset();
    EXPECT_FALSE(std::filesystem::exists(path_)) << "the socket's file is removed";
  }
}

TEST_F(Syslog, WrongOptions) {
  const auto wrong = [&](std::vector<std::pair<std::string, std::string>> properties) {
    properties.insert(properties.begin(), {"Name", "syslog"});
    Diagnostics diagnostics;
    EXPECT_FALSE(kSyslogInput.make(section_of(properties), context_, diagnostics));
    return diagnostics.render();
  };
  EXPECT_NE(wrong({}).find("needs a path"), std::string::npos);
  EXPECT_NE(wrong({{"Mode", "quic"}}).find("unix_tcp"), std::string::npos);
  EXPECT_NE(wrong({{"Mode", "tcp"}, {"Parser", "syslog-rfc3614"}}).find("syslog-rfc3164"),
            std::string::npos);
}

}  // namespace
}  // namespace noroshi
