#include "input/tail/tail.h"

#include <fmt/format.h>

#include "base/fingerprint.h"
#include "config/diagnostics.h"
#include "config/option_table.h"
#include "config/split_list.h"
#include "input/text_options.h"
#include "parser/multiline_registry.h"
#include "parser/parser_registry.h"

namespace noroshi {
namespace {

// parser_1 to parser_9.
constexpr int kFurtherParsersMax = 9;

struct SectionOptions {
  LocatedText path, tag_regex, parser, db, parser_firstline, unicode_encoding, generic_encoding;
  std::vector<std::string> exclude_path;
  std::string tag, key, path_key, offset_key;
  std::vector<LocatedText> multiline_parser, further_parsers;
  bool read_from_head = false, read_new_from_head = true;
  bool skip_long_lines = false, truncate_long_lines = false, skip_empty_lines = false;
  bool exit_on_eof = false, inotify_watcher = true, docker_mode = false, multiline = false;
  Nanoseconds refresh_interval, rotate_wait, ignore_older, docker_mode_flush, multiline_flush;
  ByteSize buffer_chunk_size, buffer_max_size;
  int64_t files_max = 0;
};

const OptionTable<SectionOptions>& tail_option_table() {
  using S = SectionOptions;
  static const auto table = [] {
    OptionTable<S> t("tail", "Lines of files that grow, are rotated and disappear.");
    t.required("path", &S::path, "Files to read: paths with * ? [...], separated by commas.")
        .last_wins()
        .option("exclude_path", &S::exclude_path,
                "Files to leave out: patterns for the whole path or the name, separated by commas.")
        .option("tag", &S::tag,
                "Tag of the records; * stands for the path with dots. Default: the instance's "
                "name, \"tail.0\".")
        .last_wins()
        .option("tag_regex", &S::tag_regex,
                "Takes a path apart: `<name>` in the tag becomes that group of it.")
        .last_wins()
        .option("key", &S::key, "log", "Key of a line without a parser.")
        .last_wins()
        .option("path_key", &S::path_key, "Key for the file's path.")
        .last_wins()
        .option("offset_key", &S::offset_key, "Key for the position of the line in its file.")
        .last_wins()
        .option("parser", &S::parser,
                "Parser for the lines; a line it does not take is {\"log\": line}.")
        .last_wins()
        .option("multiline.parser", &S::multiline_parser,
                "Joins lines to messages: docker, cri, python, java, go, ruby or your own, "
                "separated by commas.")
        .option("read_from_head", &S::read_from_head, "off",
                "The first time, read what the files already hold.")
        .last_wins()
        .option("read_newly_discovered_files_from_head", &S::read_new_from_head, "on",
                "The same for files that appear later.")
        .last_wins()
        .option("refresh_interval", &S::refresh_interval, "60s",
                "How often patterns are looked through; new files of a directory without "
                "wildcards are found at once.")
        .between("100ms", "1d")
        .last_wins()
        .option("rotate_wait", &S::rotate_wait, "5s",
                "How long a file is still read after its name went to another one.")
        .between("0", "1h")
        .last_wins()
        .option("ignore_older", &S::ignore_older, "0",
                "Files that were not written for so long are not opened. 0: none is too old.")
        .last_wins()
        .option("buffer_chunk_size", &S::buffer_chunk_size, "256KiB", "Bytes of one read.")
        .between("1KiB", "1MiB")
        .last_wins()
        .option("buffer_max_size", &S::buffer_max_size, "1MiB", "Longest line.")
        .between("1KiB", "3MiB")
        .last_wins()
        .option("skip_long_lines", &S::skip_long_lines, "off",
                "A longer line is left out; off: it becomes several records.")
        .last_wins()
        .option("truncate_long_lines", &S::truncate_long_lines, "off",
                "A longer line loses its end.")
        .last_wins()
        .option("skip_empty_lines", &S::skip_empty_lines, "off", "Empty lines are no records.")
        .last_wins()
        .option("exit_on_eof", &S::exit_on_eof, "off", "Ends when all files are read to their end.")
        .last_wins()
        .option("inotify_watcher", &S::inotify_watcher, "on",
                "off: files are looked at every 250 ms instead.")
        .last_wins()
        .option("docker_mode", &S::docker_mode, "off", "The same as multiline.parser docker.")
        .last_wins()
        .option("docker_mode_flush", &S::docker_mode_flush, "4s",
                "How long an unfinished line waits for its rest then.")
        .between("1s", "1h")
        .last_wins()
        .option("files_max", &S::files_max, "4096", "Open files at most. noroshi's own.")
        .between("1", "100000")
        .last_wins()
        .option("db", &S::db,
                "Accepted: offsets are always kept, beside the journal; no SQLite file is written.")
        .last_wins()
        .option("multiline", &S::multiline, "off",
                "The old mode: lines up to the next one that parser_firstline takes are a message.")
        .last_wins()
        .option("parser_firstline", &S::parser_firstline,
                "With multiline on: the parser of a message's first line, whose fields it has. "
                "Further lines go to the end of its last text, or give the fields of the first of "
                "`parser_1`, `parser_2` … that takes them.")
        .last_wins()
        .option("multiline_flush", &S::multiline_flush, "4s",
                "With multiline on: how long a message waits for a further line.")
        .between("1s", "1h")
        .last_wins()
        .option("unicode.encoding", &S::unicode_encoding, "Not supported: an error.")
        .last_wins()
        .option("generic.encoding", &S::generic_encoding, "Not supported: an error.")
        .last_wins();
    for (int n = 1; n <= kFurtherParsersMax; ++n)
      t.option(fmt::format("parser_{}", n), &S::further_parsers, "See parser_firstline.");
    t.ignored("db.*", "accepted; offsets are kept beside the journal")
        .ignored("watcher_interval", "accepted; rotation is noticed at once")
        .ignored("progress_check_interval", "accepted; every file is looked at each second")
        .ignored("progress_check_interval_nsec", "accepted")
        .ignored("static_batch_size", "accepted; one read of each file in turn")
        .ignored("event_batch_size", "accepted; one read of each file in turn")
        .ignored("file_cache_advise", "accepted; the kernel decides")
        .ignored("ignore_active_older_files", "accepted")
        .ignored("docker_mode_parser", "has no effect",
                 "has no effect: use multiline.parser with rules of your own");
    return t;
  }();
  return table;
}

std::vector<OptionInfo> tail_options() { return tail_option_table().options(); }

void refuse_encoding(const LocatedText& given, Diagnostics& diagnostics) {
  if (given.text.empty()) return;
  diagnostics
      .error(given.where, fmt::format("tail: {} is not supported: files must be UTF-8", given.name))
      .help("let the application write UTF-8");
}

// One file for each instance, found again whatever the order of the sections.
std::string offsets_file_of(const InputContext& context, const Section& section,
                            const SectionOptions& given) {
  if (context.state_directory.empty()) return {};
  const std::string alias(section.value("alias"));
  Fingerprint identity;
  identity.add(alias);
  if (alias.empty()) {
    identity.add(given.path.text);
    identity.add(given.tag);
  }
  return (context.state_directory / "tail" / fmt::format("{:016x}.offsets", identity.value()))
      .string();
}

void check_old_mode(const Section& section, const SectionOptions& given, Diagnostics& diagnostics) {
  if (given.parser_firstline.text.empty()) {
    diagnostics.error(section.where_of("multiline"), "tail: multiline on needs parser_firstline")
        .help("or use multiline.parser: docker, cri, python, java, go, ruby or your own");
  }
  if (!given.multiline_parser.empty() || given.docker_mode) {
    diagnostics.error(section.where_of("multiline"),
                      "tail: multiline, multiline.parser and docker_mode exclude each other");
  }
}

std::unique_ptr<tail::FirstLineRecords> make_first_line_records(const SectionOptions& given,
                                                                const InputContext& context,
                                                                Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  auto first = find_parser(given.parser_firstline, "tail", context.parsers, diagnostics);
  std::vector<std::unique_ptr<Parser>> further;
  for (const LocatedText& name : given.further_parsers)
    further.push_back(find_parser(name, "tail", context.parsers, diagnostics));
  if (diagnostics.error_count() != errors_before) return nullptr;
  return std::make_unique<tail::FirstLineRecords>(std::move(first), std::move(further));
}

std::unique_ptr<MultilineJoiner> make_first_line_joiner(const SectionOptions& given,
                                                        const InputContext& context,
                                                        Diagnostics& diagnostics) {
  MultilineSettings settings;
  settings.message_bytes_max = context.parsers.multiline().message_bytes_max();
  auto first = find_parser(given.parser_firstline, "tail", context.parsers, diagnostics);
  if (!first) return nullptr;
  auto joiner =
      MultilineJoiner::make({tail::make_first_line_rules(std::move(first), given.multiline_flush)},
                            std::move(settings), context.parsers, context.clock);
  return *std::move(joiner);  // these rules name no parser that may be missing
}

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  SectionOptions given = tail_option_table().parse(section, diagnostics);
  const std::string tag = given.tag.empty() ? context.instance_name : given.tag;
  Result<tail::FileTag> file_tag = tail::FileTag::make(tag, given.tag_regex.text);
  if (!file_tag)
    diagnostics.error(given.tag_regex.where, "tail: tag_regex: " + file_tag.error().message);
  refuse_encoding(given.unicode_encoding, diagnostics);
  refuse_encoding(given.generic_encoding, diagnostics);
  if (given.multiline) check_old_mode(section, given, diagnostics);
  if (given.docker_mode && given.multiline_parser.empty()) {
    given.multiline_parser.push_back(
        {.name = "docker_mode", .text = "docker", .where = section.where_of("docker_mode")});
  }
  if (!given.db.text.empty() && context.state_directory.empty()) {
    diagnostics
        .warning(given.db.where, "tail: the journal is in memory: offsets do not survive a restart")
        .help("set [SERVICE] storage.path to a directory that does; db itself is not written");
  }
  auto parser = find_parser(given.parser, "tail", context.parsers, diagnostics);
  std::unique_ptr<MultilineJoiner> joiner;
  std::unique_ptr<tail::FirstLineRecords> first_line;
  if (given.multiline && !given.parser_firstline.text.empty()) {
    first_line = make_first_line_records(given, context, diagnostics);
    if (first_line) joiner = make_first_line_joiner(given, context, diagnostics);
  } else if (!given.multiline_parser.empty()) {
    MultilineSettings settings;
    settings.key_content = {};
    if (given.docker_mode) settings.flush_timeout = given.docker_mode_flush;
    joiner = make_multiline_joiner(given.multiline_parser, std::move(settings), context.parsers,
                                   context.clock, diagnostics);
  }
  if (file_tag && split_list(given.path.text).empty()) {
    diagnostics.error(section.where_of("path"), "tail: path names no file");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;

  TailOptions options{.paths = split_list(given.path.text), .tag = *std::move(file_tag)};
  for (const std::string& each : given.exclude_path) {
    for (std::string& pattern : split_list(each)) options.excluded.push_back(pattern);
  }
  options.key = given.key;
  options.path_key = given.path_key;
  options.offset_key = given.offset_key;
  options.read_from_head = given.read_from_head;
  options.read_new_from_head = given.read_new_from_head;
  options.skip_long_lines = given.skip_long_lines;
  options.cut_long_lines = given.truncate_long_lines;
  options.skip_empty_lines = given.skip_empty_lines;
  options.exit_on_eof = given.exit_on_eof;
  options.inotify = given.inotify_watcher;
  options.refresh_interval = given.refresh_interval;
  options.rotate_wait = given.rotate_wait;
  options.ignore_older = given.ignore_older;
  options.read_bytes = given.buffer_chunk_size.bytes;
  options.line_bytes_max = given.buffer_max_size.bytes;
  options.files_max = static_cast<size_t>(given.files_max);
  options.parser = std::move(parser);
  options.joiner = std::move(joiner);
  options.first_line = std::move(first_line);
  options.offsets_file = offsets_file_of(context, section, given);

  MadeInput made;
  made.other_tags = given.tag.find_first_of("*<") != std::string::npos;
  made.description = fmt::format("lines of {} tagged {}", given.path.text, tag);
  made.input = make_tail(std::move(options), context.instance_name, context.clock);
  return made;
}

}  // namespace

const InputPlugin kTailInput = {
    .name = "tail",
    .aliases = {},
    .summary = "Lines of files that grow, are rotated and disappear",
    .options = tail_options,
    .make = make,
};

}  // namespace noroshi
