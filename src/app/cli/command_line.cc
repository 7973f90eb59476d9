#include "app/cli/command_line.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include "config/values.h"

namespace noroshi {
namespace {

// Flags without a letter.
enum LongOnly { kSupervisor = 256, kFips, kTrace, kTraceInput, kTraceOutput, kTraceProperty };

struct Flag {
  int letter;  // or a LongOnly
  const char* name;
  const char* argument;  // what --help calls it; null: none
  const char* help;      // null: a second name of the flag before
};

constexpr Flag kFlags[] = {
    {'c', "config", "FILE", "configuration file; NOROSHI_CONFIG and NOROSHI_CONFIG_S3 add to it"},
    {'R', "parser", "FILE", "a further parsers file; may be repeated"},
    {'i', "input", "INPUT", "add an input; -p, -t behind it are its options"},
    {'F', "filter", "FILTER", "add a filter; -p, -m behind it are its options"},
    {'o', "output", "OUTPUT",
     "add an output (or NAME://HOST:PORT); -p, -m behind it are its options"},
    {'p', "prop", "KEY=VALUE", "an option of the plugin before it"},
    {'m', "match", "MATCH", "as -p match=MATCH"},
    {'t', "tag", "TAG", "as -p tag=TAG"},
    {'e', "plugin", "FILE", "accepted for the plugins of aws-for-fluent-bit, which are built in"},
    {'f', "flush", "SECONDS", "as [SERVICE] Flush"},
    {'b', "storage_path", "PATH", "where the journal lives, as [SERVICE] storage.path"},
    {'w', "workdir", "PATH", "change to this directory first"},
    {'l', "log_file", "FILE", "write the log to this file instead of stderr"},
    {'D', "dry-run", nullptr, "as the verb check"},
    {'d', "daemon", nullptr, "go into the background once everything runs"},
    {'H', "http", nullptr, "the HTTP API, which is on unless HTTP_Server says off"},
    {'H', "http_server", nullptr, nullptr},
    {'P', "port", "PORT", "port of the HTTP API (2020)"},
    {'P', "http_port", "PORT", nullptr},
    {'L', "http_listen", "ADDRESS", "address of the HTTP API (127.0.0.1)"},
    {'Y', "enable-hot-reload", nullptr, "as [SERVICE] Hot_Reload on"},
    {'v', "verbose", nullptr, "more log; twice: everything"},
    {'q', "quiet", nullptr, "no log at all"},
    {'V', "version", nullptr, "print the version"},
    {'h', "help", nullptr, "this page; behind -i, -F or -o: the options of that plugin"},
    // Without a meaning here, but no reason to refuse to start.
    {'s', "coro_stack_size", "BYTES", "accepted, without effect: there are no coroutine stacks"},
    {'S', "sosreport", nullptr, "accepted, without effect: `noroshi check` shows the pipeline"},
    {'W', "disable-thread-safety-on-hot-reload", nullptr, "accepted, without effect"},
    {'Z', "enable-chunk-trace", nullptr, "accepted, without effect: there is no chunk tracing"},
    {kTrace, "trace", "PROPERTIES", nullptr},
    {kTraceInput, "trace-input", "INPUT", nullptr},
    {kTraceOutput, "trace-output", "OUTPUT", nullptr},
    {kTraceProperty, "trace-output-property", "KEY=VALUE", nullptr},
    {kSupervisor, "supervisor", nullptr, "accepted, without effect"},
    // Refused: running without what they ask for would be a lie.
    {'C', "custom", "CUSTOM", nullptr},
    {'r', "processor", "PROCESSOR", nullptr},
    {'T', "sp-task", "SQL", nullptr},
    {'J', "help-json", nullptr, nullptr},
    {kFips, "enable-fips", nullptr, nullptr},
};

// Go plugins of aws-for-fluent-bit; their outputs are built in, under the same names.
constexpr std::string_view kBuiltInSharedObjects[] = {"cloudwatch.so", "firehose.so", "kinesis.so"};

std::string short_flags() {
  std::string letters = ":";  // a missing argument is told from an unknown flag
  for (const Flag& flag : kFlags) {
    if (flag.letter >= kSupervisor || letters.find(static_cast<char>(flag.letter)) != letters.npos)
      continue;
    letters += static_cast<char>(flag.letter);
    if (flag.argument != nullptr) letters += ':';
  }
  return letters;
}

std::vector<option> long_flags() {
  std::vector<option> flags;
  for (const Flag& flag : kFlags) {
    flags.push_back({flag.name, flag.argument != nullptr ? required_argument : no_argument, nullptr,
                     flag.letter});
  }
  flags.push_back({});
  return flags;
}

std::string_view basename_of(std::string_view path) {
  return path.substr(path.rfind('/') == path.npos ? 0 : path.rfind('/') + 1);
}

// The words of the command line as a text, so that messages can point into it.
class CommandLineText {
 public:
  CommandLineText(int argc, char* const* argv) {
    std::string text;
    for (int i = 1; i < argc; ++i) {
      if (i > 1) text += ' ';
      // A line end in a word would break the line that messages quote.
      for (const char* letter = argv[i]; *letter != '\0'; ++letter)
        text += *letter == '\n' || *letter == '\r' ? ' ' : *letter;
      starts_.push_back({argv[i], text.size() - std::char_traits<char>::length(argv[i])});
    }
    source_ = std::make_shared<const SourceText>("command line", std::move(text));
  }

  // `word` points into argv, as optarg does.
  [[nodiscard]] SourceLocation where(const char* word) const {
    for (const auto& [begin, position] : starts_) {
      const size_t length = std::char_traits<char>::length(begin);
      if (word < begin || word > begin + length) continue;
      const auto skipped = static_cast<size_t>(word - begin);
      return {.source = source_,
              .line = 1,
              .column = static_cast<uint32_t>(position + skipped + 1),
              .length = static_cast<uint32_t>(length - skipped)};
    }
    return {.source = source_, .line = 1, .column = 0, .length = 0};
  }

 private:
  std::shared_ptr<const SourceText> source_;
  std::vector<std::pair<const char*, size_t>> starts_;
};

class Parser {
 public:
  Parser(int argc, char* const* argv) : argc_(argc), argv_(argv), text_(argc, argv) {}

  CommandLine parse() {
    const std::string letters = short_flags();
    const std::vector<option> names = long_flags();
    optind = 0;  // glibc: start afresh, also where another getopt() ran before
    opterr = 0;
    for (int flag;
         result_.action != CommandLine::Action::Mistake &&
         (flag = getopt_long(argc_, argv_, letters.c_str(), names.data(), nullptr)) != -1;) {
      if (!take(flag)) break;
    }
    if (result_.action == CommandLine::Action::Run && optind < argc_) {
      mistake(fmt::format("\"{}\" belongs to no flag", argv_[optind]));
    }
    return std::move(result_);
  }

 private:
  // False: nothing behind this flag matters.
  bool take(int flag) {
    RunArguments& arguments = result_.arguments;
    switch (flag) {
      case 'c':
        arguments.config = optarg;
        break;
      case 'R':
        arguments.parsers_files.emplace_back(optarg);
        break;
      case 'i':
        begin_section(SectionKind::Input);
        break;
      case 'F':
        begin_section(SectionKind::Filter);
        break;
      case 'o':
        begin_section(SectionKind::Output);
        break;
      case 'p':
        return property();
      // As Fluent Bit: -m and -t of a plugin that takes none, or of none at all, say nothing.
      case 'm':
        if (section() != nullptr && section()->kind != SectionKind::Input) add("match", optarg);
        break;
      case 't':
        if (section() != nullptr) add("tag", optarg);
        break;
      case 'e':
        shared_object();
        break;
      case 'f':
        arguments.flush = optarg;
        break;
      case 'b':
        arguments.storage_path = optarg;
        break;
      case 'w':
        arguments.working_directory = optarg;
        break;
      case 'l':
        arguments.log_file = optarg;
        break;
      case 'D':
        result_.action = CommandLine::Action::Check;
        break;
      case 'd':
        arguments.daemon = true;
        break;
      case 'H':
        arguments.http = true;
        break;
      case 'P':
        arguments.http_port = optarg;
        break;
      case 'L':
        arguments.http_listen = optarg;
        break;
      case 'Y':
        arguments.hot_reload = true;
        break;
      case 'v':
        arguments.verbosity = std::max(arguments.verbosity, 0) + 1;
        break;
      case 'q':
        arguments.verbosity = -1;
        break;
      case 'V':
        result_.action = CommandLine::Action::Version;
        return false;
      case 'h':
        help();
        return false;
      case 's':
      case 'W':
      case 'Z':
      case kTrace:
      case kTraceInput:
      case kTraceOutput:
      case kTraceProperty:
        break;
      case 'S':
      case kSupervisor:
        arguments.warnings.push_back(fmt::format("{} has no effect", last_flag()));
        break;
      case 'C':
        return mistake("custom plugins are not supported: leave out -C");
      case 'r':
        return mistake("-r only helped to print a processor's options: see `noroshi options`");
      case 'T':
        return mistake("there is no stream processor: write what the SQL selects as filters");
      case 'J':
        return mistake("there is no --help-json: `noroshi options` lists every option");
      case kFips:
        return mistake("this build uses no FIPS module: run Fluent Bit where one is required");
      case ':':
        return mistake(fmt::format("{} needs a value", last_flag()));
      default:
        return mistake(fmt::format("there is no flag {}", last_flag()));
    }
    return true;
  }

  bool mistake(std::string text) {
    result_.action = CommandLine::Action::Mistake;
    result_.mistake = std::move(text);
    return false;
  }

  // As the user wrote it.
  std::string last_flag() const {
    const std::string word = argv_[std::clamp(optind - 1, 1, argc_ - 1)];
    return optopt != 0 && optopt < kSupervisor && !word.starts_with("--")
               ? fmt::format("-{}", static_cast<char>(optopt))
               : word;
  }

  Section* section() {
    return result_.arguments.sections.empty() ? nullptr : &result_.arguments.sections.back();
  }

  void begin_section(SectionKind kind) {
    Section section;
    section.kind = kind;
    section.title = std::string(to_string(kind));
    section.where = text_.where(optarg);
    result_.arguments.sections.push_back(std::move(section));
    // "forward://10.0.0.1:24224/path": the plugin with its host, port and uri.
    const std::string_view word = optarg;
    const size_t scheme = word.find("://");
    if (scheme == word.npos) return add("name", optarg);
    add("name", std::string(word.substr(0, scheme)), optarg);
    const size_t authority = scheme + 3;
    const size_t slash = word.find('/', authority);
    const std::string_view address = word.substr(authority, slash - authority);
    // The last colon outside of an IPv6 address's brackets.
    const size_t colon = address.find(':', address.starts_with('[') ? address.find(']') : 0);
    if (const std::string_view host = address.substr(0, colon); !host.empty())
      add("host", std::string(host), optarg + authority);
    if (colon != address.npos)
      add("port", std::string(address.substr(colon + 1)), optarg + authority + colon + 1);
    if (slash != word.npos && slash + 1 < word.size())
      add("uri", std::string(word.substr(slash)), optarg + slash);
  }

  bool property() {
    if (section() == nullptr)
      return mistake(fmt::format("-p {} belongs to no plugin: -i, -F or -o comes first", optarg));
    const std::string_view word = optarg;
    const size_t equals = word.find('=');
    if (equals == word.npos || equals == 0)
      return mistake(fmt::format("-p {}: write KEY=VALUE", optarg));
    add(std::string(word.substr(0, equals)), std::string(word.substr(equals + 1)),
        optarg + equals + 1);
    return true;
  }

  void add(std::string key, const char* value) { add(std::move(key), value, value); }
  void add(std::string key, std::string value, const char* at) {
    Property property;
    property.name = to_lower(key);
    property.key = std::move(key);
    property.key_where = text_.where(at);
    property.values.push_back({.text = std::move(value), .where = text_.where(at)});
    section()->properties.push_back(std::move(property));
  }

  void shared_object() {
    const std::string_view name = basename_of(optarg);
    if (std::ranges::find(kBuiltInSharedObjects, name) != std::end(kBuiltInSharedObjects)) return;
    result_.arguments.warnings.push_back(
        fmt::format("-e {}: shared objects are not loaded; if there is a built-in plugin of that "
                    "name, it is used (`noroshi options` lists them)",
                    optarg));
  }

  void help() {
    result_.action = CommandLine::Action::Help;
    if (section() == nullptr) return;
    result_.action = CommandLine::Action::HelpOfPlugin;
    result_.plugin = fmt::format("{}/{}", to_string(section()->kind), section()->plugin());
  }

  int argc_;
  char* const* argv_;
  CommandLineText text_;
  CommandLine result_;
};

}  // namespace

CommandLine parse_command_line(int argc, char* const* argv) { return Parser(argc, argv).parse(); }

std::string command_line_help() {
  std::string text;
  for (const Flag& flag : kFlags) {
    if (flag.help == nullptr) continue;
    const std::string left =
        flag.letter < kSupervisor ? fmt::format("-{}, ", static_cast<char>(flag.letter)) : "    ";
    const std::string argument = flag.argument == nullptr ? "" : fmt::format("={}", flag.argument);
    text +=
        fmt::format("  {:<28} {}\n", fmt::format("{}--{}{}", left, flag.name, argument), flag.help);
  }
  return text;
}

}  // namespace noroshi
