// The `tail` input: lines of files that grow, are rotated and disappear. README.md says what it
// promises.
//
//   path_scan     which files, and their tags      line_records  their bytes as records
//   change_watch  inotify: something is new        offset_store  what survives a restart
//   tailed_file   one open file, what is stored    tail_input    turn by turn, all of it
//   first_line    the old multiline mode
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "input/plugin.h"
#include "input/tail/first_line.h"
#include "input/tail/path_scan.h"
#include "parser/multiline.h"
#include "parser/parser.h"

namespace noroshi {

struct TailOptions {
  std::vector<std::string> paths = {};
  std::vector<std::string> excluded = {};
  tail::FileTag tag;
  std::string key = "log";
  std::string path_key = {}, offset_key = {};
  bool read_from_head = false;
  bool read_new_from_head = true;  // files found later
  bool skip_long_lines = false, cut_long_lines = false, skip_empty_lines = false;
  bool exit_on_eof = false;
  bool inotify = true;
  Nanoseconds refresh_interval = Seconds(60);
  Nanoseconds rotate_wait = Seconds(5);
  Nanoseconds ignore_older = {};  // 0: nothing is too old
  size_t read_bytes = 256 << 10;  // of one file's turn
  size_t line_bytes_max = 1 << 20;
  size_t files_max = 4096;
  std::unique_ptr<Parser> parser = {};
  std::unique_ptr<MultilineJoiner> joiner = {};
  std::unique_ptr<tail::FirstLineRecords> first_line = {};  // what becomes of joined lines then
  std::string offsets_file = {};                            // empty: nothing survives a restart
};

[[nodiscard]] std::unique_ptr<Input> make_tail(TailOptions options, std::string instance_name,
                                               const Clock& clock = system_clock());

extern const InputPlugin kTailInput;

}  // namespace noroshi
