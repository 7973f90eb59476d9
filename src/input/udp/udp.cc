#include "input/udp/udp.h"

#include "config/diagnostics.h"
#include "input/datagram_server.h"
#include "input/text_options.h"

namespace noroshi {
namespace {

// What we ask the kernel to hold while we are busy; it gives net.core.rmem_max at most.
constexpr ByteSize kReceiveBuffer{4 << 20};

const OptionTable<TextSocketOptions>& udp_option_table() {
  using S = TextSocketOptions;
  static const auto table = [] {
    OptionTable<S> t = text_socket_table("udp", "JSON documents or lines in UDP datagrams.");
    t.option("buffer_size", &S::buffer_size,
             "Checked, without effect: a datagram is always taken whole.")
        .last_wins()
        .option("chunk_size", &S::chunk_size, "Likewise.")
        .last_wins();
    t.ignored("net.*", "accepted");
    return t;
  }();
  return table;
}

std::vector<OptionInfo> udp_options() { return udp_option_table().options(); }

class UdpInput final : public Input {
 public:
  UdpInput(std::string listen, uint16_t port, std::string tag, MessageFormat format,
           std::string name, const Clock& clock)
      : listen_(std::move(listen)),
        port_(port),
        tag_(std::move(tag)),
        format_(std::move(format)),
        name_(std::move(name)),
        reader_(make_message_reader(format_, clock)) {}

  Status bind(boost::asio::io_context& loop) override {
    loop_ = &loop;
    NOROSHI_ASSIGN(socket_, DatagramSocket::bind_udp(loop, listen_, port_, kReceiveBuffer.bytes));
    address_ = socket_->address();
    return {};
  }
  void start(ChunkSink& sink, InputMetrics& metrics) override {
    log_info("input:" + name_, "listening on UDP {}", address_);
    server_ = std::make_unique<DatagramServer>(*loop_, std::move(socket_), name_, tag_,
                                               framer_maker(format_)(), *reader_, sink, metrics);
  }
  bool busy() const override { return server_ && server_->busy(); }
  void close() override {
    socket_.reset();
    if (server_) server_->close();
  }
  std::string listening_on() const override { return address_; }

 private:
  const std::string listen_;
  const uint16_t port_;
  const std::string tag_;
  MessageFormat format_;
  const std::string name_;
  const std::unique_ptr<MessageReader> reader_;
  boost::asio::io_context* loop_ = nullptr;
  std::unique_ptr<DatagramSocket> socket_;
  std::string address_;
  std::unique_ptr<DatagramServer> server_;
};

std::optional<MadeInput> make(const Section& section, InputContext& context,
                              Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  const TextSocketOptions given = udp_option_table().parse(section, diagnostics);
  MessageFormat format = read_message_format(given, "udp", context, diagnostics);
  format.message_bytes_max = kMessageBytesDefault;  // more than a datagram has
  if (diagnostics.error_count() != errors_before) return std::nullopt;
  const std::string tag = given.tag.empty() ? context.instance_name : given.tag;
  MadeInput made;
  made.description = fmt::format("{} in UDP datagrams on {}:{}, tagged {}",
                                 format.json ? "JSON" : "text", given.listen, given.port, tag);
  made.input = std::make_unique<UdpInput>(given.listen, static_cast<uint16_t>(given.port), tag,
                                          std::move(format), context.instance_name, context.clock);
  return made;
}

}  // namespace

const InputPlugin kUdpInput = {
    .name = "udp",
    .aliases = {},
    .summary = "JSON documents or lines in UDP datagrams",
    .options = udp_options,
    .make = make,
};

}  // namespace noroshi
