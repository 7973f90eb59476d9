#include "output/s3/s3.h"

#include <fmt/format.h>

#include <map>

#include "base/fingerprint.h"
#include "output/aws_destination.h"
#include "output/s3/object_key.h"

namespace noroshi {
namespace {

// One for each directory and hour that records come for; each costs one block of text
// (s3_batch.cc).
constexpr uint32_t kGroupsMax = 32;
// Rendered groups kept from chunk to chunk.
constexpr size_t kGroupCacheMax = 64;
// At shutdown, for aborting uploads that were given up.
constexpr Nanoseconds kAbortAtStop = Seconds(5);
constexpr size_t kOrphansPerDelivery = 4;

class S3Output final : public Output {
 public:
  S3Output(std::string identity, std::string id_seed, std::string journal_id,
           ObjectKeyFormat key_format, std::shared_ptr<S3BatchContext> batches,
           S3UploadOptions upload, std::filesystem::path state_directory,
           Nanoseconds upload_timeout, const AwsEnvironment& environment)
      : identity_(std::move(identity)),
        id_seed_(std::move(id_seed)),
        journal_id_(std::move(journal_id)),
        key_format_(std::move(key_format)),
        batches_(std::move(batches)),
        upload_(std::move(upload), environment),
        state_directory_(std::move(state_directory)),
        upload_timeout_(upload_timeout) {}

  BatchLimits limits() const override {
    return {.age_max = upload_timeout_, .groups_max = kGroupsMax};
  }
  std::string identity() const override { return identity_; }
  bool needs_durable_journal() const override { return true; }
  int shutdown_order() const override { return 10; }

  void start(OutputMetrics& metrics) override {
    batches_->metrics = &metrics;
    if (const Status disk = batches_->spools.prepare(); !disk) {
      // Second choice: beside the journal, whose directory is known to work.
      const std::string why = disk.error().message;
      batches_->spools = SpoolSpace(state_directory_, 0);
      const bool other = !state_directory_.empty() && batches_->spools.prepare().has_value();
      log_warn(batches_->component, "{}; objects are made in {}", why,
               other ? state_directory_.string()
                     : fmt::format("memory, of {} MB at most",
                                   batches_->spools.batch_bytes_max() / 1'000'000));
    }
    batches_->uploads.load(batches_->spools.directory());
  }

  void stop() override {
    upload_.abort_orphans(batches_->uploads, OpenUploads::kOrphansMax,
                          system_clock().monotonic() + kAbortAtStop);
  }

  void group(const ChunkView& chunk, std::span<const uint32_t> records,
             std::vector<std::string_view>& groups) override {
    if (cached_tag_ != chunk.tag || cached_.size() > kGroupCacheMax) {
      cached_.clear();
      cached_tag_ = chunk.tag;
    }
    const int64_t step = key_format_.time_step().count();
    int64_t known = 0;
    std::string_view rendered;
    for (const uint32_t index : records) {
      const Timestamp time = chunk.records[index].time;
      const int64_t slot =
          step == 0
              ? 0
              : floor_divide(std::chrono::floor<Seconds>(time).time_since_epoch().count(), step);
      if (rendered.data() == nullptr || slot != known) {
        std::string& text = cached_[slot];
        if (text.empty()) key_format_.append_group(text, chunk.tag, time);
        if (text.empty()) text = "/";  // no directory at all
        rendered = text;
        known = slot;
      }
      groups.push_back(rendered);
    }
  }

  Result<std::unique_ptr<Batch>> open_batch(std::string_view, const BatchStart& start) override {
    const std::string id = unique_id(journal_id_, id_seed_, start.offset.value, start.time);
    NOROSHI_ASSIGN(std::unique_ptr<Spool> spool, batches_->spools.open());
    return std::make_unique<S3Batch>(
        key_format_.render(start.tag, start.time, id, start.offset.value), std::move(spool),
        batches_);
  }

  Delivery deliver(Batch& batch, Monotonic deadline) override {
    auto& object = static_cast<S3Batch&>(batch);
    Delivery delivery = upload_.deliver(object, deadline);
    if (delivery.outcome == Delivery::Outcome::Delivered) {
      batches_->spools.note_delivered();
      log_debug(batches_->component, "s3 object {} ({} bytes)", object.key(), object.bytes());
      // S3 answers: a good moment to tidy up.
      upload_.abort_orphans(batches_->uploads, kOrphansPerDelivery, deadline);
    }
    return delivery;
  }

 private:
  static int64_t floor_divide(int64_t value, int64_t by) {
    return value >= 0 ? value / by : -((-value + by - 1) / by);
  }

  const std::string identity_;
  const std::string id_seed_;
  const std::string journal_id_;
  const ObjectKeyFormat key_format_;
  std::shared_ptr<S3BatchContext> batches_;
  S3Upload upload_;
  std::filesystem::path state_directory_;
  const Nanoseconds upload_timeout_;

  std::string cached_tag_;
  std::map<int64_t, std::string> cached_;  // by time step
};

// ---- From the section to the parts --------------------------------------------------------------

std::optional<ObjectKeyFormat> make_key_format(const Section& section, const S3Options& options,
                                               Diagnostics& diagnostics) {
  ObjectKeyOptions key_options{.tag_delimiters = options.s3_key_format_tag_delimiters,
                               .zone = {},
                               .allow_repeats = options.static_file_path};
  if (!options.timezone.empty()) {
    auto zone = TimeZone::load(options.timezone);
    if (zone) {
      key_options.zone = *std::move(zone);
    } else {
      diagnostics.error(section.where_of("timezone"), zone.error().message)
          .help("zones are named as in Asia/Tokyo; the package tzdata must be installed");
    }
  }
  auto format = ObjectKeyFormat::parse(options.s3_key_format.text, std::move(key_options));
  if (!format) {
    diagnostics.error(section.where_of("s3_key_format"),
                      "s3_key_format: " + format.error().message);
    return std::nullopt;
  }
  const bool written = section.find("s3_key_format") != nullptr;
  if (!format->names_id()) {
    const bool indexed = options.s3_key_format.text.find("$INDEX") != std::string::npos;
    const std::string why =
        indexed ? "an $INDEX begins again with every new task" : "a time may name several objects";
    if (options.static_file_path) {
      diagnostics.warning(section.where_of("s3_key_format"),
                          "s3_key_format has no $UUID, and static_file_path keeps it so: " + why +
                              ", and objects overwrite each other");
    } else if (written) {
      diagnostics
          .warning(
              section.where_of("s3_key_format"),
              "s3_key_format has no $UUID: " + why + "; \"-<id>\" is put in front of the extension")
          .help("name the place with $UUID, as in %H%M%S-$UUID.gz");
    }
  }
  return *std::move(format);
}

// What makes the records of this output other than those of another one to the same keys.
std::string selection_of(const Section& section) {
  std::string text;
  for (const Property& property : section.properties) {
    if (property.name != "match" && property.name != "match_regex" && property.name != "grep" &&
        property.name != "level_min") {
      continue;
    }
    for (const PropertyValue& value : property.values)
      text += property.name + '=' + value.text + '\n';
  }
  return text;
}

std::string describe_destination(const S3Options& options, const AwsDestination& aws) {
  std::string text = fmt::format("S3 s3://{}{}{}, ", options.bucket,
                                 options.s3_key_format.text.starts_with('/') ? "" : "/",
                                 options.s3_key_format.text);
  return text + (aws.endpoint->custom ? aws.endpoint->url.to_string() : aws.region_text());
}

std::optional<MadeOutput> make(const Section& section, OutputContext& context,
                               Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const S3Options options = s3_option_table().parse(section, diagnostics);

  check_s3_options(section, options, diagnostics);
  std::optional<ObjectKeyFormat> key_format = make_key_format(section, options, diagnostics);

  S3UploadOptions upload;
  upload.component = "output:" + context.instance_name;
  upload.bucket = options.bucket;
  upload.multipart_threshold =
      options.use_put_object ? UINT64_MAX : options.multipart_threshold.bytes;
  upload.part_bytes = options.upload_chunk_size.bytes;
  upload.checksum = options.checksum;
  upload.content_md5 = options.send_content_md5;
  upload.object_headers = s3_object_headers(options);
  if (!options.expected_bucket_owner.empty()) {
    upload.request_headers.set("x-amz-expected-bucket-owner", options.expected_bucket_owner);
  }
  AwsDestination aws =
      resolve_aws_destination(kS3, aws_settings_of(options), section, context.aws, diagnostics);
  upload.aws = std::move(aws.settings);
  if (diagnostics.error_count() != errors_before || !key_format) return std::nullopt;

  std::string identity = "s3:" + options.bucket + "/" + options.s3_key_format.text;
  if (!options.endpoint.empty()) identity += "@" + options.endpoint;
  std::string id_seed = identity + '\n' + selection_of(section);
  // Two outputs may name the same store_dir. No SHA-256: its first use sets up all of OpenSSL,
  // which a router that has sent nothing does not need.
  Fingerprint fingerprint;
  fingerprint.add(id_seed);
  const std::string own_name = fmt::format("noroshi-{:016x}", fingerprint.value());

  NdjsonOptions lines;
  const std::string date_key = to_lower(options.json_date_key);
  lines.date_key = date_key == "false" || date_key == "off" ? "" : options.json_date_key;
  lines.date_format =
      parse_json_date_format(options.json_date_format).value_or(JsonDateFormat::Iso8601);
  // Not make_shared: the context cannot be moved.
  const std::shared_ptr<S3BatchContext> batches(
      new S3BatchContext{.component = upload.component,
                         .lines = std::move(lines),
                         .log_key = options.log_key,
                         .total_file_size = options.total_file_size.bytes,
                         .compressor = make_object_compressor(options.compression),
                         .spools = SpoolSpace(std::filesystem::path(options.store_dir) / own_name,
                                              options.store_dir_limit_size.bytes)});
  MadeOutput made;
  made.destination = describe_destination(options, aws);
  if (!options.log_key.empty()) made.log_key = options.log_key;
  made.output = std::make_unique<S3Output>(
      std::move(identity), std::move(id_seed), context.journal_id, *std::move(key_format), batches,
      std::move(upload),
      context.state_directory.empty() ? std::filesystem::path()
                                      : context.state_directory / "s3" / own_name,
      options.upload_timeout, context.aws);
  return made;
}

}  // namespace

const OutputPlugin kS3Plugin = {
    .name = "s3",
    .aliases = {},
    .summary = "Amazon S3",
    .options = [] { return s3_option_table().options(); },
    .make = make,
};

}  // namespace noroshi
