#include "localaws/s3_metadata.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <concepts>

#include "record/json_writer.h"

namespace noroshi::localaws {
namespace {

// {"name":value,…}, one member at a time.
class JsonObject {
 public:
  JsonObject& add(std::string_view name, std::string_view value) {
    begin(name);
    write_json_string(out_, value);
    return *this;
  }
  JsonObject& add(std::string_view name, const char* value) {
    return add(name, std::string_view(value));
  }
  template <std::integral Number>
  JsonObject& add(std::string_view name, Number value) {
    begin(name);
    out_ += fmt::format("{}", value);
    return *this;
  }
  JsonObject& add(std::string_view name, Timestamp time) {
    return add(name, time.time_since_epoch().count());
  }
  JsonObject& add(std::string_view name, const Parameters& pairs) {
    begin(name);
    out_.push_back('[');
    for (size_t i = 0; i < pairs.size(); ++i) {
      out_ += i > 0 ? ",[" : "[";
      write_json_string(out_, pairs[i].first);
      out_.push_back(',');
      write_json_string(out_, pairs[i].second);
      out_.push_back(']');
    }
    out_.push_back(']');
    return *this;
  }
  [[nodiscard]] std::string text() const { return out_ + "}\n"; }

 private:
  void begin(std::string_view name) {
    out_.push_back(out_.empty() ? '{' : ',');
    write_json_string(out_, name);
    out_.push_back(':');
  }
  std::string out_;
};

// Members of a document we wrote ourselves; the first that is missing or of another type is
// remembered.
class Members {
 public:
  explicit Members(const std::string& text) {
    failed_ = parser_.parse(text).get(object_) != simdjson::SUCCESS;
  }
  std::string string(std::string_view name) {
    std::string_view value;
    if (!failed_ && object_[name].get(value) != simdjson::SUCCESS) failed_ = true;
    return std::string(value);
  }
  uint64_t number(std::string_view name) {
    uint64_t value = 0;
    if (!failed_ && object_[name].get(value) != simdjson::SUCCESS) failed_ = true;
    return value;
  }
  Timestamp time(std::string_view name) {
    return Timestamp(Nanoseconds(static_cast<int64_t>(number(name))));
  }
  Parameters pairs(std::string_view name) {
    Parameters out;
    simdjson::dom::array array;
    if (failed_ || object_[name].get(array) != simdjson::SUCCESS) {
      failed_ = true;
      return out;
    }
    for (const simdjson::dom::element pair : array) {
      std::string_view first, second;
      if (pair.at(0).get(first) != simdjson::SUCCESS ||
          pair.at(1).get(second) != simdjson::SUCCESS) {
        failed_ = true;
        return out;
      }
      out.emplace_back(first, second);
    }
    return out;
  }
  template <typename T>
  Result<T> result(T value) {
    if (failed_) return fail(ErrorCode::Corrupt, "not the metadata this program writes");
    return value;
  }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::object object_;
  bool failed_ = false;
};

}  // namespace

std::string to_json(const ObjectInfo& info) {
  return JsonObject()
      .add("key", info.key)
      .add("bytes", info.bytes)
      .add("etag", info.etag)
      .add("modified", info.modified)
      .add("headers", info.headers)
      .add("checksums", info.checksums)
      .add("checksum_type", info.checksum_type)
      .add("file", info.file)
      .text();
}

std::string to_json(const PartInfo& part) {
  return JsonObject()
      .add("number", part.number)
      .add("bytes", part.bytes)
      .add("etag", part.etag)
      .add("modified", part.modified)
      .add("checksums", part.checksums)
      .add("file", part.file)
      .text();
}

std::string to_json(const UploadInfo& upload) {
  return JsonObject()
      .add("id", upload.id)
      .add("key", upload.key)
      .add("initiated", upload.initiated)
      .add("headers", upload.headers)
      .add("checksum_algorithm", upload.checksum_algorithm)
      .add("checksum_type", upload.checksum_type)
      .text();
}

std::string bucket_json(std::string_view name, std::string_view region, Timestamp created) {
  return JsonObject().add("name", name).add("region", region).add("created", created).text();
}

Result<ObjectInfo> object_from_json(const std::string& text) {
  Members members(text);
  ObjectInfo info;
  info.key = members.string("key");
  info.bytes = members.number("bytes");
  info.etag = members.string("etag");
  info.modified = members.time("modified");
  info.headers = members.pairs("headers");
  info.checksums = members.pairs("checksums");
  info.checksum_type = members.string("checksum_type");
  info.file = members.string("file");
  return members.result(std::move(info));
}

Result<PartInfo> part_from_json(const std::string& text) {
  Members members(text);
  PartInfo part;
  part.number = static_cast<int>(members.number("number"));
  part.bytes = members.number("bytes");
  part.etag = members.string("etag");
  part.modified = members.time("modified");
  part.checksums = members.pairs("checksums");
  part.file = members.string("file");
  return members.result(std::move(part));
}

Result<UploadInfo> upload_from_json(const std::string& text) {
  Members members(text);
  UploadInfo upload;
  upload.id = members.string("id");
  upload.key = members.string("key");
  upload.initiated = members.time("initiated");
  upload.headers = members.pairs("headers");
  upload.checksum_algorithm = members.string("checksum_algorithm");
  upload.checksum_type = members.string("checksum_type");
  return members.result(std::move(upload));
}

Result<BucketDescription> bucket_from_json(const std::string& text) {
  Members members(text);
  BucketDescription bucket;
  bucket.name = members.string("name");
  bucket.region = members.string("region");
  bucket.created = members.time("created");
  return members.result(std::move(bucket));
}

}  // namespace noroshi::localaws
