// HttpItemProtocol: the ItemProtocol of services where a request is the joined items of a batch and
// the status is the answer. A plugin says how a record is encoded; what differs from that it
// overrides.
#pragma once

#include <string>

#include "output/request/http_answer.h"
#include "output/request/http_sender.h"
#include "output/request/item_protocol.h"

namespace noroshi {

class HttpItemProtocol : public ItemProtocol {
 public:
  RequestAnswer send(ItemBatch& batch, std::span<const uint32_t> items, Monotonic deadline) final {
    HttpSender::Content content;
    content.body = body(batch, items);
    prepare(batch, content);
    const auto response = sender_.send(path_, content, deadline);
    if (!response) return classify_http_error(response.error());
    return read_answer(*response, items);
  }

 protected:
  HttpItemProtocol(HttpSender sender, std::string path)
      : sender_(std::move(sender)), path_(std::move(path)) {}

  [[nodiscard]] virtual std::string_view body(ItemBatch& batch, std::span<const uint32_t> items) {
    return batch.join(items, gathered_);
  }
  // Content type, headers, bounds.
  virtual void prepare(const ItemBatch& /*batch*/, HttpSender::Content& /*content*/) {}
  [[nodiscard]] virtual RequestAnswer read_answer(const HttpResponse& response,
                                                  std::span<const uint32_t> /*items*/) {
    return classify_http_answer(response, sender_.clock().wall());
  }

  [[nodiscard]] const Clock& clock() const { return sender_.clock(); }

  std::string gathered_;

 private:
  HttpSender sender_;
  std::string path_;
};

}  // namespace noroshi
