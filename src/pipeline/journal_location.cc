#include "pipeline/journal_location.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/log.h"

namespace noroshi {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDefaultStoreDirectory = "/tmp/fluent-bit/s3";  // Fluent Bit's
constexpr std::string_view kDefaultPlace = "/var/lib/noroshi";

// Empty if files can be made in place/journal, else the reason. With `keep_nothing` it only asks:
// the directories that exist are enough to tell, and two checks at once cannot disturb each other.
std::string unusable(const fs::path& place, bool keep_nothing) {
  std::error_code error;
  fs::path directory = place / "journal";
  if (!keep_nothing) {
    fs::create_directories(directory, error);
    if (error) return error.message();
  }
  while (!fs::exists(directory, error) && directory.has_relative_path()) {
    directory = directory.parent_path();
  }
  if (directory.empty()) directory = ".";
  if (!fs::is_directory(directory, error)) {
    return fmt::format("{} is not a directory", directory.string());
  }
  if (access(directory.c_str(), W_OK | X_OK) != 0) return std::strerror(errno);
  return {};
}

// "/tmp/fluent-bit" for a store_dir of "/tmp/fluent-bit/s3/"; empty without an S3 output.
fs::path beside_store_directory(const Document& document) {
  for (const Section* section : document.find_all(SectionKind::Output)) {
    if (section->plugin() != "s3") continue;
    const std::string_view configured = section->value("store_dir");
    fs::path directory(configured.empty() ? kDefaultStoreDirectory : configured);
    if (!directory.has_filename()) directory = directory.parent_path();
    return directory.parent_path();
  }
  return {};
}

}  // namespace

JournalLocation find_journal_location(const Document& document, const ServiceOptions& service,
                                      const EnvironmentLookup& environment, bool keep_nothing,
                                      Diagnostics& diagnostics) {
  if (!service.storage_path.empty()) {
    const JournalLocation named{service.storage_path, "storage.path"};
    if (const std::string reason = unusable(named.place, keep_nothing); !reason.empty()) {
      diagnostics
          .error(service.storage_path_where,
                 "the journal cannot live in " + service.storage_path + ": " + reason)
          .help(
              "name a directory this user can write, or leave storage.path out to search for one");
    }
    return named;
  }
  if (const auto variable = environment("NOROSHI_STORAGE_PATH"); variable && !variable->empty()) {
    const JournalLocation named{*variable, "NOROSHI_STORAGE_PATH"};
    if (const std::string reason = unusable(named.place, keep_nothing); !reason.empty()) {
      diagnostics.error(
          {}, "the journal cannot live in " + *variable + " (NOROSHI_STORAGE_PATH): " + reason);
    }
    return named;
  }
  const std::vector<JournalLocation> candidates = {
      {beside_store_directory(document), "beside the S3 store_dir"}, {kDefaultPlace, "default"}};
  for (const JournalLocation& candidate : candidates) {
    if (candidate.place.empty()) continue;
    const std::string reason = unusable(candidate.place, keep_nothing);
    if (reason.empty()) return candidate;
    log_info("journal", "does not live in {} ({}): {}", candidate.place.string(), candidate.why,
             reason);
  }
  diagnostics
      .warning({}, fmt::format("the journal lives in memory ({} MB): what is undelivered when the "
                               "process ends is lost",
                               kMemoryJournalBytes >> 20))
      .help("set [SERVICE] storage.path to a writable directory");
  return {{}, "no writable directory"};
}

JournalOptions journal_options(const JournalLocation& location, const ServiceOptions& service) {
  JournalOptions options;
  options.directory = location.journal();
  options.sync = service.storage_sync == StorageSync::Full ? SyncMode::Full : SyncMode::Normal;
  options.when_full = service.storage_when_full == WhenJournalFull::DropOldest
                          ? WhenFull::DropOldest
                          : WhenFull::Block;
  if (service.storage_limit.bytes > 0) {
    options.bytes_max = service.storage_limit.bytes;
  } else if (location.place.empty()) {
    options.bytes_max = kMemoryJournalBytes;
  } else {
    std::error_code error;
    const fs::space_info space = fs::space(location.place, error);
    options.bytes_max = error ? kDiskJournalBytesMax
                              : std::min<uint64_t>(kDiskJournalBytesMax, space.available / 2);
  }
  options.bytes_max = std::max<uint64_t>(options.bytes_max, kJournalBytesMin);
  return options;
}

}  // namespace noroshi
