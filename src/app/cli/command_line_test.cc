#include "app/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace noroshi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CommandLine parse(std::vector<std::string> words) {
  words.insert(words.begin(), "fluent-bit");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return parse_command_line(static_cast<int>(words.size()), argv.data());
}

// "input name=dummy rate=2".
std::vector<std::string> sections(const CommandLine& line) {
  std::vector<std::string> texts;
  for (const Section& section : line.arguments.sections) {
    std::string text(to_string(section.kind));
    for (const Property& property : section.properties)
      text += " " + property.name + "=" + property.value();
    texts.push_back(text);
  }
  return texts;
}

TEST(CommandLine, TheEntrypointOfAwsForFluentBit) {
  const CommandLine line =
      parse({"-e", "/fluent-bit/firehose.so", "-e", "/fluent-bit/cloudwatch.so", "-e",
             "/fluent-bit/kinesis.so", "-c", "/fluent-bit/etc/fluent-bit.conf"});
  EXPECT_EQ(line.action, CommandLine::Action::Run) << line.mistake;
  EXPECT_EQ(line.arguments.config, "/fluent-bit/etc/fluent-bit.conf");
  EXPECT_THAT(line.arguments.warnings, IsEmpty());
  EXPECT_THAT(parse({"-e", "/opt/mine.so"}).arguments.warnings,
              ElementsAre(HasSubstr("/opt/mine.so")));
}

TEST(CommandLine, PropertiesBelongToThePluginBeforeThem) {
  const CommandLine line =
      parse({"-i", "dummy", "-p",     "Rate=2", "-p",       "dummy={\"a\":\"b=c\"}", "-t", "app",
             "-F", "grep",  "-m",     "*",      "-p",       "regex=log ERROR",       "-o", "stdout",
             "-m", "app",   "-ofile", "-p",     "path=/tmp"});
  EXPECT_EQ(line.action, CommandLine::Action::Run) << line.mistake;
  EXPECT_THAT(sections(line),
              ElementsAre("input name=dummy rate=2 dummy={\"a\":\"b=c\"} tag=app",
                          "filter name=grep match=* regex=log ERROR",
                          "output name=stdout match=app", "output name=file path=/tmp"));
  const SourceLocation& where = line.arguments.sections[0].properties[1].where();
  EXPECT_EQ(where.to_string(), "command line:1:18");  // the 2 of Rate=2
  EXPECT_EQ(where.source->line(1).substr(where.column - 1, where.length), "2");
}

TEST(CommandLine, AnOutputWithItsAddress) {
  EXPECT_THAT(sections(parse({"-o", "forward://10.0.0.1:24224", "-o", "http://[::1]:80/logs", "-o",
                              "es://search", "-i", "tcp://:5170"})),
              ElementsAre("output name=forward host=10.0.0.1 port=24224",
                          "output name=http host=[::1] port=80 uri=/logs",
                          "output name=es host=search", "input name=tcp port=5170"));
}

TEST(CommandLine, EveryFlagOfFluentBit) {
  const CommandLine line =
      parse({"-c",      "a.conf", "-R", "p1",  "--parser=p2", "-f", "3",    "-b",   "/data",
             "-w",      "/",      "-l", "log", "-d",          "-H", "-P",   "2021", "-L",
             "0.0.0.0", "-vv",    "-Y", "-W",  "-Z",          "-s", "24576"});
  EXPECT_EQ(line.action, CommandLine::Action::Run) << line.mistake;
  const RunArguments& arguments = line.arguments;
  EXPECT_THAT(arguments.parsers_files, ElementsAre("p1", "p2"));
  EXPECT_EQ(arguments.flush, "3");
  EXPECT_EQ(arguments.storage_path, "/data");
  EXPECT_EQ(arguments.working_directory, "/");
  EXPECT_EQ(arguments.log_file, "log");
  EXPECT_TRUE(arguments.daemon && arguments.http && arguments.hot_reload);
  EXPECT_EQ(arguments.http_port, "2021");
  EXPECT_EQ(arguments.http_listen, "0.0.0.0");
  EXPECT_EQ(arguments.verbosity, 2);
  EXPECT_EQ(parse({"-q"}).arguments.verbosity, -1);
  EXPECT_EQ(parse({"--http_port=1", "--http_listen", "::"}).arguments.http_port, "1");
  EXPECT_EQ(parse({"-D", "-c", "x"}).action, CommandLine::Action::Check);
  EXPECT_EQ(parse({"--dry-run"}).action, CommandLine::Action::Check);
  EXPECT_EQ(parse({"-V"}).action, CommandLine::Action::Version);
  EXPECT_EQ(parse({"--version"}).action, CommandLine::Action::Version);
  EXPECT_EQ(parse({"-h"}).action, CommandLine::Action::Help);
  const CommandLine help = parse({"-i", "tail", "-h"});
  EXPECT_EQ(help.action, CommandLine::Action::HelpOfPlugin);
  EXPECT_EQ(help.plugin, "input/tail");
  EXPECT_EQ(parse({}).action, CommandLine::Action::Run);
}

TEST(CommandLine, MistakesAreNamed) {
  for (const auto& [words, reason] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--confg", "x"}, "--confg"},
           {{"-x"}, "-x"},
           {{"-c"}, "-c needs a value"},
           {{"--parser"}, "--parser needs a value"},
           {{"-p", "a=b"}, "belongs to no plugin"},
           {{"-i", "dummy", "-p", "rate"}, "KEY=VALUE"},
           {{"-c", "x", "y"}, "\"y\""},
           {{"-T", "SELECT"}, "stream processor"},
           {{"-C", "x"}, "custom"},
           {{"--enable-fips"}, "FIPS"}}) {
    const CommandLine line = parse(words);
    EXPECT_EQ(line.action, CommandLine::Action::Mistake) << reason;
    EXPECT_THAT(line.mistake, HasSubstr(reason));
  }
}

TEST(CommandLine, TheHelpNamesEveryFlagThatDoesSomething) {
  const std::string help = command_line_help();
  for (const char* flag : {"-c, --config=FILE", "-R, --parser", "-D, --dry-run", "-V, --version"})
    EXPECT_THAT(help, HasSubstr(flag));
}

}  // namespace
}  // namespace noroshi
