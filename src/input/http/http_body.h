// What the body of a request holds: JSON documents or a form, as records. On the HTTP thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "input/http_source.h"
#include "record/json_parser.h"
#include "record/record_accessor.h"

namespace noroshi::http_input {

// One object. Parsing it takes some five times its size, beside the body that it is in.
inline constexpr size_t kObjectBytesMax = 4 << 20;

struct BodyOptions {
  std::optional<RecordAccessor> tag_key = {};  // the tag is this field of the record, if it is text
  std::string remote_address_key = {};         // "": not added
};

// The tag a path asks for: "/app/log" is "app_log"; "" for "/".
[[nodiscard]] std::string tag_of_path(std::string_view path);

class BodyReader {
 public:
  BodyReader(BodyOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  // Objects, arrays of objects, one after the other, with or without newlines between them. False:
  // problem() says where it is none of them; `chunks` is to be thrown away.
  [[nodiscard]] bool read_json(std::string_view body, std::string_view tag,
                               std::string_view remote_address, RequestChunks& chunks);
  // One record of texts: "a=1&b=two+words".
  [[nodiscard]] bool read_form(std::string_view body, std::string_view tag,
                               std::string_view remote_address, RequestChunks& chunks);
  [[nodiscard]] const std::string& problem() const { return problem_; }
  // The problem is that it is more than a request may hold.
  [[nodiscard]] bool too_large() const { return too_large_; }

 private:
  // `body` begins with a '[' or '{', and afterwards with what follows the array or object.
  [[nodiscard]] bool read_array(std::string_view& body, std::string_view tag,
                                std::string_view remote_address, RequestChunks& chunks);
  [[nodiscard]] bool read_object(std::string_view& body, std::string_view tag,
                                 std::string_view remote_address, RequestChunks& chunks);
  void add_record(std::string_view record, std::string_view tag, std::string_view remote_address,
                  RequestChunks& chunks);

  const BodyOptions options_;
  const Clock& clock_;
  JsonToMsgpack json_;
  std::string record_, tag_, problem_;
  bool too_large_ = false;
};

}  // namespace noroshi::http_input
