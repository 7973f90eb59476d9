#include "http/response_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include "net/chunked_end.h"

namespace noroshi {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

constexpr uint32_t kHeadBytesMax = 64 << 10;
constexpr size_t kHeaderLinesMax = 200;

bool is_interim(int status) { return status >= 100 && status < 200; }

}  // namespace

class ResponseParser::Grammar final : public http::basic_parser<false> {
 public:
  Grammar(HttpResponse& response, bool no_body, size_t body_bytes_max)
      : response_(response), body_bytes_max_(body_bytes_max) {
    header_limit(kHeadBytesMax);
    body_limit(boost::none);
    eager(true);
    skip(no_body);
  }

 private:
  void on_request_impl(http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int status, string_view, int, error_code&) override {
    response_.status = status;
  }
  void on_field_impl(http::field, string_view name, string_view value, error_code&) override {
    if (response_.headers.size() < kHeaderLinesMax) response_.headers.add(name, value);
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>&, error_code&) override {}
  size_t on_body_impl(string_view bytes, error_code& error) override {
    const size_t room = body_bytes_max_ - response_.body.size();
    response_.body.append(bytes.data(), std::min(bytes.size(), room));
    if (bytes.size() > room) {
      response_.body_cut = true;
      error = http::error::body_limit;  // ends the parsing: memory stays bounded
    }
    return bytes.size();
  }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view bytes, error_code& error) override {
    return on_body_impl(bytes, error);
  }
  void on_finish_impl(error_code&) override {}

  HttpResponse& response_;
  const size_t body_bytes_max_;
};

ResponseParser::ResponseParser(bool no_body, size_t body_bytes_max)
    : no_body_(no_body),
      body_bytes_max_(body_bytes_max),
      grammar_(std::make_unique<Grammar>(response_, no_body, body_bytes_max)) {}
ResponseParser::~ResponseParser() = default;

Status ResponseParser::put(std::string_view bytes) {
  begun_ = begun_ || !bytes.empty();
  const bool line_begun = !unread_.empty();
  unread_ += bytes;
  const bool in_chunks = grammar_->is_header_done() && grammar_->chunked();
  if (line_begun && in_chunks && is_part_of_empty_body(unread_)) return {};
  while (!unread_.empty() && !done_) {
    error_code error;
    const size_t used = grammar_->put(boost::asio::buffer(unread_), error);
    unread_.erase(0, used);
    if (response_.body_cut) {
      done_ = true;
    } else if (error == http::error::need_more) {
      return {};
    } else if (error) {
      return fail(ErrorCode::Corrupt, "the answer is not HTTP: " + error.message());
    } else if (grammar_->is_done() && is_interim(response_.status)) {
      response_ = {};
      grammar_ = std::make_unique<Grammar>(response_, no_body_, body_bytes_max_);
    } else {
      done_ = grammar_->is_done();
    }
  }
  return {};
}

Status ResponseParser::put_end() {
  error_code error;
  const bool begun = grammar_->got_some();  // without that Beast may not be told of the end
  if (begun) grammar_->put_eof(error);
  if (!begun || error || !grammar_->is_done())
    return fail(ErrorCode::Corrupt, "the connection was closed in the middle of the answer");
  done_ = true;
  return {};
}

bool ResponseParser::has_head() const {
  return done_ || (grammar_->is_header_done() && !is_interim(response_.status));
}

bool ResponseParser::connection_reusable() const {
  return done_ && !response_.body_cut && unread_.empty() && grammar_->keep_alive();
}

}  // namespace noroshi
