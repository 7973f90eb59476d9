#include "output/file/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <list>

#include "base/fingerprint.h"
#include "base/unique_fd.h"
#include "output/text/text_batch.h"

namespace noroshi {
namespace {

// Kept open; the one used longest ago is closed beyond that.
constexpr size_t kOpenFilesMax = 16;

// A tag is up to 64 KiB long, and a sender chooses it; file systems take names of 255 bytes and
// paths of 4,096. What is longer is cut, and a fingerprint of the whole keeps it apart.
constexpr size_t kNameBytesMax = 200;
constexpr size_t kNameOfTagBytesMax = 1024;

std::string shortened(std::string_view name) {
  Fingerprint fingerprint;
  fingerprint.add(name);
  return fmt::format("{}~{:016x}", name.substr(0, kNameBytesMax - 17), fingerprint.value());
}

class FileOutput final : public Output {
 public:
  FileOutput(FileOptions options, TextOptions text, Nanoseconds age_max, const Clock& clock)
      : options_(std::move(options)),
        encoder_(std::make_shared<TextEncoder>(std::move(text))),
        age_max_(age_max),
        clock_(clock) {}

  BatchLimits limits() const override { return {.age_max = age_max_}; }
  std::string identity() const override {
    return fmt::format("file:{}/{}", options_.path,
                       options_.file.empty() ? "<tag>" : options_.file);
  }
  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    const std::filesystem::path name =
        options_.file.empty() ? file_name_of_tag(chunk.tag) : options_.file;
    key_ = (std::filesystem::path(options_.path) / name).string();
    groups.insert(groups.end(), records.size(), key_);
  }
  Result<std::unique_ptr<Batch>> open_batch(std::string_view group, const BatchStart&) override {
    return std::make_unique<TextBatch>(std::string(group), encoder_);
  }

  Delivery deliver(Batch& batch, Monotonic deadline) override {
    auto& text = static_cast<TextBatch&>(batch);
    const std::string& path = text.destination();
    const Status written = append(text, path, deadline);
    if (written) return Delivery::delivered();
    close(path);  // what is wrong with the file may be gone with the next one of that name
    return Delivery::retry(RetryClass::Transient, path + ": " + written.error().message);
  }
  void stop() override { open_.clear(); }

 private:
  struct OpenFile {
    std::string path;  // as the batch names it
    std::string name;  // as it is called
    UniqueFd fd;
  };

  Status append(TextBatch& batch, const std::string& path, Monotonic deadline) {
    NOROSHI_ASSIGN(const int fd, open(path));
    if (options_.csv_column_names && encoder_->options().format == TextFormat::Csv) {
      struct stat status{};
      if (::fstat(fd, &status) == 0 && status.st_size == 0) {
        // A short first line is written at once or not at all; a reader tolerates either.
        const std::string& names = batch.column_names();
        if (::write(fd, names.data(), names.size()) < 0) return fail_errno(errno, "cannot write");
      }
    }
    return batch.write_to(fd, deadline, clock_);
  }

  // The open file, unless somebody (logrotate) moved or removed it: then a new one of that name.
  Result<int> open(const std::string& path) {
    for (auto file = open_.begin(); file != open_.end(); ++file) {
      if (file->path != path) continue;
      struct stat ours{};
      struct stat named{};
      if (::fstat(file->fd.get(), &ours) == 0 && ::stat(file->name.c_str(), &named) == 0 &&
          ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
        open_.splice(open_.begin(), open_, file);
        return open_.front().fd.get();
      }
      open_.erase(file);
      break;
    }
    std::string name = path;
    Result<UniqueFd> fd = create(name);
    // A file cannot be beside a directory of its name: of the tags "a" and "a/b" whoever comes
    // second gets another one, or it would wait for ever, and the other tags behind it.
    if (!fd && options_.file.empty() && (errno == EISDIR || errno == ENOTDIR || errno == EEXIST)) {
      std::string flat = std::filesystem::path(path).lexically_relative(options_.path).string();
      std::ranges::replace(flat, '/', '_');
      name = (std::filesystem::path(options_.path) / (flat + "~")).string();
      fd = create(name);
    }
    if (!fd) return std::unexpected(std::move(fd).error());
    open_.push_front({path, std::move(name), *std::move(fd)});
    if (open_.size() > kOpenFilesMax) open_.pop_back();
    return open_.front().fd.get();
  }

  // On error errno says why.
  Result<UniqueFd> create(const std::string& name) {
    if (options_.mkdir) {
      std::error_code error;
      std::filesystem::create_directories(std::filesystem::path(name).parent_path(), error);
      if (error) {
        auto failed = fail_errno(error.value(), "cannot make its directory");
        errno = error.value();
        return failed;
      }
    }
    UniqueFd fd(::open(name.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644));
    if (fd.valid()) return fd;
    const int number = errno;
    auto failed = fail_errno(number, "cannot open");
    errno = number;
    return failed;
  }

  void close(const std::string& path) {
    open_.remove_if([&](const OpenFile& file) { return file.path == path; });
  }

  FileOptions options_;
  std::shared_ptr<const TextEncoder> encoder_;
  Nanoseconds age_max_;
  const Clock& clock_;
  std::list<OpenFile> open_;  // the last used first
  std::string key_;
};

// "\t" or tab, space, comma. Fluent Bit ignores anything else silently; here it is an error.
std::string parse_delimiter(const LocatedText& option, std::string otherwise,
                            Diagnostics& diagnostics) {
  if (option.text.empty()) return otherwise;
  const std::string word = to_lower(option.text);
  if (word == "\\t" || word == "tab" || word == "\t") return "\t";
  if (word == "space") return " ";
  if (word == "comma" || word == ",") return ",";
  diagnostics.error(option.where, fmt::format("{} cannot be \"{}\"", option.name, option.text))
      .help("possible are \\t (or tab), space and comma");
  return otherwise;
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  FileOptions options = file_option_table().parse(section, diagnostics);
  TextOptions text{.format = options.format, .record_template = options.record_template};
  const bool ltsv = options.format == TextFormat::Ltsv;
  text.delimiter = parse_delimiter(options.delimiter, ltsv ? "\t" : ",", diagnostics);
  text.label_delimiter = parse_delimiter(options.label_delimiter, ":", diagnostics);
  const std::string directory = options.path.empty() ? "." : options.path;
  std::error_code error;
  if (!options.mkdir && !std::filesystem::is_directory(directory, error)) {
    diagnostics.error(section.where_of("path"), fmt::format("there is no directory {}", directory))
        .help("make it, or set \"mkdir on\"");
  }
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  MadeOutput made;
  made.destination =
      fmt::format("files {}/{}", directory, options.file.empty() ? "<tag>" : options.file);
  made.output = std::make_unique<FileOutput>(std::move(options), std::move(text),
                                             context.flush.value_or(Nanoseconds{}), context.clock);
  return made;
}

}  // namespace

std::string file_name_of_tag(std::string_view tag) {
  std::string name;
  while (!tag.empty()) {
    const size_t slash = tag.find_first_of("/\\");
    const std::string_view part = tag.substr(0, slash);
    tag = slash == std::string_view::npos ? std::string_view() : tag.substr(slash + 1);
    if (part.empty()) continue;
    if (!name.empty()) name += '/';
    if (part == "." || part == "..") {
      name += '_';
      continue;
    }
    std::string safe(part);
    for (char& c : safe) {
      const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
      if (!kept) c = '_';
    }
    name += safe.size() > kNameBytesMax ? shortened(safe) : safe;
  }
  if (name.size() > kNameOfTagBytesMax) {
    std::ranges::replace(name, '/', '_');
    return shortened(name);
  }
  return name.empty() ? "_" : name;
}

const OptionTable<FileOptions>& file_option_table() {
  using O = FileOptions;
  static const auto table =
      OptionTable<O>("file", "Records as text, appended to files.")
          .option("path", &O::path, "Directory; not set: the working directory.")
          .option("file", &O::file, "File name; not set: the tag.")
          .option("mkdir", &O::mkdir, "off", "Make missing directories.")
          .choice("format", &O::format, "out_file",
                  {{"out_file", TextFormat::OutFile},
                   {"plain", TextFormat::Plain},
                   {"csv", TextFormat::Csv},
                   {"ltsv", TextFormat::Ltsv},
                   {"template", TextFormat::Template}},
                  "out_file: \"tag: [time, {record}]\"; plain: the record as JSON; csv; ltsv; "
                  "template.")
          .option("delimiter", &O::delimiter,
                  "Between fields: \\t (tab), space, comma. csv: comma, ltsv: tab.")
          .option("label_delimiter", &O::label_delimiter,
                  "Between label and value of ltsv; not set: a colon.")
          .option("template", &O::record_template, "{time} {message}",
                  "Text with {key} and {time}.")
          .option("csv_column_names", &O::csv_column_names, "off",
                  "An empty csv file begins with the keys.");
  return table;
}

const OutputPlugin kFilePlugin = {
    .name = "file",
    .aliases = {},
    .summary = "Records as text, appended to files",
    .options = [] { return file_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
