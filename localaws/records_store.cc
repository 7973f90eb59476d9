#include "localaws/records_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "localaws/data_directory.h"
#include "localaws/json_text.h"

namespace noroshi::localaws {
namespace {

constexpr size_t kReadBytesMax = 4 << 20;

}  // namespace

std::string_view to_string(RecordsService service) {
  return service == RecordsService::Firehose ? "firehose" : "kinesis";
}

Result<std::unique_ptr<RecordsStore>> RecordsStore::open(const std::string& directory,
                                                         const Clock& clock) {
  std::unique_ptr<RecordsStore> store(new RecordsStore(directory + "/records", clock));
  NOROSHI_TRY(store->load(RecordsService::Firehose));
  NOROSHI_TRY(store->load(RecordsService::Kinesis));
  return store;
}

Status RecordsStore::load(RecordsService service) {
  const std::string path = fmt::format("{}/{}", directory_, to_string(service));
  NOROSHI_TRY(make_directories(path));
  std::error_code error;
  MutexLock lock(mutex_);
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    // Stream names are file names: letters, digits, '_', '.' and '-'.
    NOROSHI_TRY(open_stream(service, entry.path().filename().string()));
  }
  if (error) return fail_errno(error.value(), "cannot read " + path);
  return {};
}

Status RecordsStore::open_stream(RecordsService service, const std::string& name) {
  Stream stream;
  stream.path = fmt::format("{}/{}/{}", directory_, to_string(service), name);
  stream.fd = UniqueFd(::open(stream.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!stream.fd.valid()) return fail_errno(errno, "cannot open " + stream.path);
  NOROSHI_ASSIGN(const std::string text, read_whole_file(stream.path));
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string::npos) break;  // half a line of a kill: written over
    stream.positions.push_back(at);
    stream.end = at = end + 1;
  }
  streams_.insert_or_assign({service, name}, std::move(stream));
  return {};
}

Answer<RecordsStore::Stream*> RecordsStore::find(RecordsService service, std::string_view name) {
  const auto found = streams_.find({service, std::string(name)});
  if (found != streams_.end()) return &found->second;
  return refuse(400, "ResourceNotFoundException",
                service == RecordsService::Firehose
                    ? fmt::format("Firehose {} not found under account", name)
                    : fmt::format("Stream {} under account not found.", name));
}

Answer<void> RecordsStore::create(RecordsService service, std::string_view stream) {
  MutexLock lock(mutex_);
  if (streams_.contains({service, std::string(stream)})) {
    return refuse(400, "ResourceInUseException",
                  fmt::format("Stream {} under account already exists.", stream));
  }
  if (const Status made = open_stream(service, std::string(stream)); !made)
    return internal_error(made.error().message);
  return {};
}

Answer<void> RecordsStore::remove(RecordsService service, std::string_view stream) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Stream * found, find(service, stream));
  ::unlink(found->path.c_str());
  streams_.erase({service, std::string(stream)});
  return {};
}

std::vector<std::string> RecordsStore::names(RecordsService service) const {
  MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [key, stream] : streams_) {
    if (key.first == service) names.push_back(key.second);
  }
  return names;
}

Answer<uint64_t> RecordsStore::append(RecordsService service, std::string_view stream,
                                      const std::vector<NewRecord>& records) {
  const auto time =
      std::chrono::duration_cast<Milliseconds>(clock_.wall().time_since_epoch()).count();
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Stream * found, find(service, stream));
  Stream& target = *found;
  std::string lines;
  std::vector<uint64_t> positions;
  for (const NewRecord& record : records) {
    positions.push_back(target.end + lines.size());
    lines += fmt::format("{{\"key\":{},\"time\":{},\"data\":{}}}\n", json_text(record.key), time,
                         json_text(record.data));
  }
  for (size_t written = 0; written < lines.size();) {
    const ssize_t count = ::pwrite(target.fd.get(), lines.data() + written, lines.size() - written,
                                   static_cast<off_t>(target.end + written));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return internal_error(fmt::format("cannot write {}", target.path));
    written += static_cast<size_t>(count);
  }
  const uint64_t first = target.positions.size();
  target.positions.insert(target.positions.end(), positions.begin(), positions.end());
  target.end += lines.size();
  return first;
}

Answer<uint64_t> RecordsStore::count(RecordsService service, std::string_view stream) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Stream * found, find(service, stream));
  return found->positions.size();
}

Answer<std::vector<std::string>> RecordsStore::read(RecordsService service, std::string_view stream,
                                                    uint64_t from, size_t records_max) {
  MutexLock lock(mutex_);
  NOROSHI_ASSIGN(Stream * found, find(service, stream));
  std::vector<std::string> lines;
  size_t bytes = 0;
  for (uint64_t i = from; i < found->positions.size() && lines.size() < records_max &&
                          (lines.empty() || bytes < kReadBytesMax);
       ++i) {
    const uint64_t begin = found->positions[i];
    const uint64_t end = i + 1 < found->positions.size() ? found->positions[i + 1] : found->end;
    std::string line(end - begin - 1, '\0');
    if (::pread(found->fd.get(), line.data(), line.size(), static_cast<off_t>(begin)) !=
        static_cast<ssize_t>(line.size())) {
      return internal_error(fmt::format("cannot read {}", found->path));
    }
    bytes += line.size();
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace noroshi::localaws
