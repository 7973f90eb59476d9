// ResponseParser: the bytes of a connection become one HttpResponse. The grammar is Beast's, which
// refuses what could be read in two ways (several lengths, broken chunks); what this adds is the
// limit on the body and that answers before the answer (100 Continue) are skipped.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/http_client.h"

namespace noroshi {

class ResponseParser {
 public:
  // `no_body`: the request was HEAD or CONNECT. A longer body is cut at `body_bytes_max` and
  // marked.
  ResponseParser(bool no_body, size_t body_bytes_max);
  ~ResponseParser();
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // The next bytes, in any cut. Corrupt: not HTTP.
  [[nodiscard]] Status put(std::string_view bytes);
  // The peer has closed. Corrupt unless that is how the body ends.
  [[nodiscard]] Status put_end();

  [[nodiscard]] bool begun() const { return begun_; }  // a byte has come
  [[nodiscard]] bool has_head() const;                 // of the answer itself
  [[nodiscard]] bool done() const { return done_; }    // or cut
  // Done, and the connection is at the beginning of a next answer.
  [[nodiscard]] bool connection_reusable() const;
  [[nodiscard]] HttpResponse take() { return std::move(response_); }

 private:
  class Grammar;

  const bool no_body_;
  const size_t body_bytes_max_;
  HttpResponse response_;
  std::unique_ptr<Grammar> grammar_;
  std::string unread_;  // a line whose end has not come
  bool begun_ = false;
  bool done_ = false;
};

}  // namespace noroshi
