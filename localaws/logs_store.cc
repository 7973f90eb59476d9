#include "localaws/logs_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <filesystem>

#include "base/log.h"
#include "localaws/data_directory.h"
#include "localaws/logs_merge.h"
#include "localaws/time_text.h"
#include "record/json_writer.h"

namespace noroshi::localaws {
namespace {

constexpr uint64_t kEventOverheadBytes = 26;

std::unexpected<AwsError> from(const Error& error) {
  return refuse(500, "InternalFailure", error.message);
}

std::unexpected<AwsError> no_group() {
  return refuse(400, "ResourceNotFoundException", "The specified log group does not exist.");
}

std::unexpected<AwsError> no_stream() {
  return refuse(400, "ResourceNotFoundException", "The specified log stream does not exist.");
}

std::string group_json(const LogGroup& group) {
  std::string out = "{\"name\":";
  write_json_string(out, group.name);
  out += fmt::format(",\"created\":{},\"retention_days\":{},\"class\":", group.created,
                     group.retention_days);
  write_json_string(out, group.log_class);
  out += ",\"kms_key\":";
  write_json_string(out, group.kms_key);
  out += ",\"tags\":{";
  for (size_t i = 0; i < group.tags.size(); ++i) {
    if (i > 0) out.push_back(',');
    write_json_string(out, group.tags[i].first);
    out.push_back(':');
    write_json_string(out, group.tags[i].second);
  }
  return out + "}}\n";
}

Result<LogGroup> group_from_json(const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  LogGroup group;
  std::string_view name, log_class, kms_key;
  int64_t retention = 0;
  simdjson::dom::object tags;
  if (parser.parse(text).get(object) != simdjson::SUCCESS ||
      object["name"].get(name) != simdjson::SUCCESS ||
      object["created"].get(group.created) != simdjson::SUCCESS ||
      object["retention_days"].get(retention) != simdjson::SUCCESS ||
      object["class"].get(log_class) != simdjson::SUCCESS ||
      object["kms_key"].get(kms_key) != simdjson::SUCCESS ||
      object["tags"].get(tags) != simdjson::SUCCESS) {
    return fail(ErrorCode::Corrupt, "not the metadata this program writes");
  }
  group.name = std::string(name);
  group.retention_days = static_cast<int>(retention);
  group.log_class = std::string(log_class);
  group.kms_key = std::string(kms_key);
  for (const auto& [key, value] : tags) {
    std::string_view tag;
    if (value.get(tag) == simdjson::SUCCESS) group.tags.emplace_back(key, tag);
  }
  return group;
}

void account(LogStream& stream, const LogBlock& block) {
  // A block's bytes hold 12 of header an event; AWS counts 26.
  stream.bytes += block.bytes + block.events * (kEventOverheadBytes - 12);
  stream.first = stream.events == 0 ? block.first : std::min(stream.first, block.first);
  stream.last = stream.events == 0 ? block.last : std::max(stream.last, block.last);
  stream.last_ingestion = std::max(stream.last_ingestion, block.ingestion);
  stream.events += block.events;
}

}  // namespace

LogsStore::LogsStore(std::string directory, const Clock& clock)
    : directory_(directory + "/logs"), clock_(clock) {}

int64_t LogsStore::now() const { return to_millis(clock_.wall()); }

Result<std::unique_ptr<LogsStore>> LogsStore::open(const std::string& directory,
                                                   const Clock& clock) {
  std::unique_ptr<LogsStore> store(new LogsStore(directory, clock));
  NOROSHI_TRY(store->load());
  return store;
}

Status LogsStore::load() {
  NOROSHI_TRY(make_directories(directory_));
  std::error_code error;
  MutexLock lock(mutex_);
  for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path().string();
    const auto text = read_whole_file(path + "/group.json");
    if (!text) {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);  // its creation or deletion was interrupted
      continue;
    }
    auto info = group_from_json(*text);
    if (!info) return std::unexpected(std::move(info).error().with_context(path));
    Group& group = groups_[info->name];
    group.info = *std::move(info);
    group.path = path;
    std::error_code stream_error;
    for (std::filesystem::directory_iterator file(path, stream_error), last;
         !stream_error && file != last; file.increment(stream_error)) {
      const std::string name = file->path().filename().string();
      if (!name.ends_with(".json") || name == "group.json") continue;
      const std::string stem = file->path().string();
      NOROSHI_TRY(
          load_stream(group, stem.substr(0, stem.size() - std::string_view(".json").size())));
    }
  }
  return {};
}

Status LogsStore::load_stream(Group& group, const std::string& path) {
  NOROSHI_ASSIGN(const std::string text, read_whole_file(path + ".json"));
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  std::string_view name;
  Stream stream;
  stream.path = path;
  if (parser.parse(text).get(object) != simdjson::SUCCESS ||
      object["name"].get(name) != simdjson::SUCCESS ||
      object["created"].get(stream.info.created) != simdjson::SUCCESS) {
    return fail(ErrorCode::Corrupt,
                fmt::format("{}.json: not the metadata this program writes", path));
  }
  stream.info.name = std::string(name);
  const UniqueFd fd(::open((path + ".log").c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, fmt::format("cannot open {}.log", path));
  auto log = load_log(fd.get());
  if (!log) return std::unexpected(std::move(log).error().with_context(path + ".log"));
  const auto file_bytes = static_cast<uint64_t>(::lseek(fd.get(), 0, SEEK_END));
  if (file_bytes > log->size) {
    log_warn("localaws", "{}.log: the last {} bytes are a torn batch and are cut", path,
             file_bytes - log->size);
    if (::ftruncate(fd.get(), static_cast<off_t>(log->size)) != 0) {
      return fail_errno(errno, fmt::format("cannot cut {}.log", path));
    }
  }
  stream.file_bytes = log->size;
  stream.blocks = std::move(log->blocks);
  for (const LogBlock& block : stream.blocks) account(stream.info, block);
  group.info.bytes += stream.info.bytes;
  group.info.events += stream.info.events;
  std::string key = stream.info.name;
  group.streams[std::move(key)] = std::move(stream);
  return {};
}

Answer<const LogsStore::Group*> LogsStore::group_for(std::string_view group) const {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return no_group();
  return &found->second;
}

Answer<LogsStore::Group*> LogsStore::group_for(std::string_view group) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return no_group();
  return &found->second;
}

Answer<void> LogsStore::create_group(LogGroup group) {
  MutexLock lock(mutex_);
  if (groups_.contains(group.name)) {
    return refuse(400, "ResourceAlreadyExistsException", "The specified log group already exists");
  }
  group.created = now();
  const std::string path = directory_ + "/" + file_name_for(group.name);
  Status status = make_directories(path);
  if (status) status = replace_file(path + "/group.json", group_json(group));
  if (!status) return from(status.error());
  Group& created = groups_[group.name];
  created.path = path;
  created.info = std::move(group);
  return {};
}

Answer<void> LogsStore::delete_group(std::string_view group) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Group * found, group_for(group));
  ::unlink((found->path + "/group.json").c_str());  // the commit
  std::error_code ignored;
  std::filesystem::remove_all(found->path, ignored);
  groups_.erase(groups_.find(group));
  return {};
}

Answer<LogGroup> LogsStore::find_group(std::string_view group) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Group* found, group_for(group));
  return found->info;
}

std::vector<LogGroup> LogsStore::groups() const {
  MutexLock lock(mutex_);
  std::vector<LogGroup> out;
  for (const auto& [name, group] : groups_) out.push_back(group.info);
  return out;
}

Answer<void> LogsStore::update_group(std::string_view group,
                                     const std::function<void(LogGroup&)>& change) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Group * found, group_for(group));
  LogGroup changed = found->info;
  change(changed);
  if (const Status status = replace_file(found->path + "/group.json", group_json(changed));
      !status) {
    return from(status.error());
  }
  found->info = std::move(changed);
  return {};
}

Answer<void> LogsStore::create_stream(std::string_view group, std::string_view stream) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Group * found, group_for(group));
  if (found->streams.contains(stream)) {
    return refuse(400, "ResourceAlreadyExistsException", "The specified log stream already exists");
  }
  Stream created;
  created.info.name = std::string(stream);
  created.info.created = now();
  created.path = found->path + "/" + file_name_for(stream);
  created.file_bytes = kLogFileMagic.size();
  std::string json = "{\"name\":";
  write_json_string(json, stream);
  json += fmt::format(",\"created\":{}}}\n", created.info.created);
  Status status = replace_file(created.path + ".log", kLogFileMagic);
  if (status) status = replace_file(created.path + ".json", json);
  if (!status) return from(status.error());
  found->streams[std::string(stream)] = std::move(created);
  return {};
}

Answer<void> LogsStore::delete_stream(std::string_view group, std::string_view stream) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Group * found, group_for(group));
  const auto at = found->streams.find(stream);
  if (at == found->streams.end()) return no_stream();
  ::unlink((at->second.path + ".json").c_str());  // the commit
  ::unlink((at->second.path + ".log").c_str());
  found->info.bytes -= at->second.info.bytes;
  found->info.events -= at->second.info.events;
  found->streams.erase(at);
  return {};
}

Answer<LogStream> LogsStore::find_stream(std::string_view group, std::string_view stream) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Group* found, group_for(group));
  const auto at = found->streams.find(stream);
  if (at == found->streams.end()) return no_stream();
  return at->second.info;
}

Answer<std::vector<LogStream>> LogsStore::streams(std::string_view group) const {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(const Group* found, group_for(group));
  std::vector<LogStream> out;
  for (const auto& [name, stream] : found->streams) out.push_back(stream.info);
  return out;
}

Answer<void> LogsStore::append(std::string_view group, std::string_view stream,
                               const std::vector<LogEventView>& events) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Group * found, group_for(group));
  const auto at = found->streams.find(stream);
  if (at == found->streams.end()) return no_stream();
  Stream& target = at->second;
  const UniqueFd fd(::open((target.path + ".log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!fd.valid()) return refuse(500, "InternalFailure", "cannot open the stream's file");
  const size_t before = target.blocks.size();
  if (const Status status = append_batch(fd.get(), target.file_bytes, events, now(), target.blocks);
      !status) {
    return from(status.error());
  }
  const uint64_t bytes = target.info.bytes;
  for (size_t i = before; i < target.blocks.size(); ++i) account(target.info, target.blocks[i]);
  found->info.bytes += target.info.bytes - bytes;
  found->info.events += events.size();
  return {};
}

Answer<LogPage> LogsStore::read(const LogQuery& query) const {
  LogMerge merge(query);
  {
    MutexLock lock(mutex_);
    NOROSHI_ASSIGN(const Group* found, group_for(query.group));
    for (const auto& [name, stream] : found->streams) {
      if (query.wants_stream && !query.wants_stream(name)) continue;
      if (!merge.add_stream(name, stream.path + ".log", stream.blocks)) {
        return refuse(500, "InternalFailure", "cannot open the stream's file");
      }
    }
  }
  // The files only grow, so the rest needs no lock.
  auto page = merge.read();
  if (!page) return from(page.error());
  return *std::move(page);
}

}  // namespace noroshi::localaws
