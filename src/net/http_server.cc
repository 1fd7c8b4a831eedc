#include "net/http_server.h"

#include <list>
#include <mutex>
#include <optional>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <fmt/core.h>
#include <unistd.h>

#include "net/admission.h"
#include "net/listener.h"

namespace drover::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;

constexpr std::size_t kQuickHandlers = 2;

HttpRequest plain_request(http::request<http::string_body>&& from, std::string peer) {
  HttpRequest request;
  request.method = std::string(from.method_string());
  const std::string_view target(from.target().data(), from.target().size());
  const auto mark = target.find('?');
  request.path = std::string(target.substr(0, mark));
  if (mark != std::string_view::npos) request.query = std::string(target.substr(mark + 1));
  for (const auto& field : from) request.headers.emplace_back(field.name_string(), field.value());
  request.body = std::move(from.body());
  request.peer = std::move(peer);
  return request;
}

// As what the handlers of this program refuse: a client reads it the same way. The words need no escaping.
HttpResponse refusal(int status, std::string_view reason, std::string_view code, std::string_view detail) {
  HttpResponse response;
  response.status = status;
  response.body = fmt::format(R"({{"detail":"{}","error":{},"errorCode":"{}","parameters":[],"reason":"{}"}})", detail, status, code, reason);
  return response;
}

class Connection {
 public:
  virtual ~Connection() = default;
  virtual void begin(Admission::Id id) = 0;
  virtual void close() = 0;
};

struct Shared {
  Shared(HttpServer::Options o, HttpServer::Handler h, Log& l)
      : options(std::move(o)), handler(std::move(h)), log(l), admission(options.max_connections),
        handlers(static_cast<std::size_t>(options.handlers)) {}

  asio::thread_pool& pool_for(const HttpRequest& request) { return options.never_waits && options.never_waits(request) ? quick_handlers : handlers; }

  HttpServer::Options options;
  HttpServer::Handler handler;
  Log& log;
  Admission admission;  // of connections, which may live as long as `io`
  std::optional<asio::ssl::context> tls;
  std::mutex mutex;
  std::list<std::weak_ptr<Connection>> connections;
  asio::io_context io;
  asio::thread_pool handlers;
  asio::thread_pool quick_handlers{kQuickHandlers};
};

// Everything of a connection happens on its stream's strand, but the handler.
template <typename Stream>
class HttpConnection final : public Connection, public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(Shared& shared, Stream stream, std::string peer)
      : shared_(shared), stream_(std::move(stream)), peer_(std::move(peer)) {}
  ~HttpConnection() override { shared_.admission.leave(id_); }

  void begin(Admission::Id id) override {
    id_ = id;
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] { self->handshake(); });
  }

  void close() override {
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] { beast::get_lowest_layer(self->stream_).close(); });
  }

 private:
  void handshake() {
    if constexpr (std::is_same_v<Stream, beast::tcp_stream>) {
      await_request();
    } else {
      beast::get_lowest_layer(stream_).expires_after(kHttpRequestTimeout);
      stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](beast::error_code failed) {
        if (!failed) self->await_request();
        else if (failed.category() == asio::error::get_ssl_category()) self->end();  // the client is to hear why
      });
    }
  }

  // A connection that has been used may wait for a while; a request that has begun must arrive.
  void await_request() {
    if (!shared_.admission.await(id_, Awaiting::kHead)) return;
    if (buffer_.size() > 0) return read_request();
    beast::get_lowest_layer(stream_).expires_after(used_ ? kHttpIdleTimeout : kHttpRequestTimeout);
    stream_.async_read_some(buffer_.prepare(1024),
                            [self = this->shared_from_this()](beast::error_code failed, std::size_t size) {
                              if (failed) return;
                              self->buffer_.commit(size);
                              self->read_request();
                            });
  }

  void read_request() {
    parser_.emplace();
    parser_->header_limit(kMaxHttpHeadBytes);
    parser_->body_limit(shared_.options.max_body_bytes);
    beast::get_lowest_layer(stream_).expires_after(kHttpRequestTimeout);
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = this->shared_from_this()](beast::error_code failed, std::size_t) { self->on_head(failed); });
  }

  void on_head(beast::error_code failed) {
    if (failed) return refuse(failed);
    if (!parser_->is_done() && !shared_.admission.await(id_, Awaiting::kBody)) return;
    // A client that waits for leave to send its body gets it.
    if (parser_->get()[http::field::expect] == "100-continue") {
      continue_ = http::response<http::empty_body>(http::status::continue_, 11);
      http::async_write(stream_, continue_, [self = this->shared_from_this()](beast::error_code cut, std::size_t) {
        if (!cut) self->read_body();
      });
      return;
    }
    read_body();
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](beast::error_code failed, std::size_t) { self->on_request(failed); });
  }

  void on_request(beast::error_code failed) {
    if (failed) return refuse(failed);
    // One that has had to make room could not hear the answer: nothing is done for it.
    if (!shared_.admission.await(id_, Awaiting::kNothing)) return;
    used_ = true;
    auto message = parser_->release();
    keep_alive_ = message.keep_alive();
    head_only_ = message.method() == http::verb::head;
    // RFC 9112 3.2: exactly one, which may be empty.
    if (message.version() >= 11 && message.count(http::field::host) != 1) {
      keep_alive_ = false;
      return answer(refusal(400, "Bad Request", "INVALID_REQUEST", "A request of HTTP/1.1 names its host once: the Host header is not there, or there twice."));
    }
    beast::get_lowest_layer(stream_).expires_never();
    auto request = plain_request(std::move(message), peer_);
    auto& pool = shared_.pool_for(request);
    asio::post(pool, [self = this->shared_from_this(), request = std::move(request)]() {
      auto response = std::make_shared<HttpResponse>(self->shared_.handler(request));
      asio::post(self->stream_.get_executor(), [self, response] { self->answer(std::move(*response)); });
    });
  }

  void refuse(beast::error_code failed) {
    keep_alive_ = false;
    if (failed == http::error::body_limit) return answer(refusal(413, "Payload Too Large", "PAYLOAD_TOO_LARGE", "The request's body is too large."));
    if (failed == http::error::header_limit || failed == http::error::buffer_overflow)
      return answer(refusal(431, "Request Header Fields Too Large", "REQUEST_HEAD_TOO_LARGE", "The request's head is too large."));
    if (failed.category() == http::make_error_code(http::error::bad_version).category() &&
        failed != http::error::end_of_stream && failed != http::error::partial_message)
      return answer(refusal(400, "Bad Request", "INVALID_REQUEST", "This is not an HTTP request."));
  }

  void answer(HttpResponse response) {
    if (!shared_.admission.await(id_, Awaiting::kReading)) return;
    reply_ = {};
    reply_.version(11);
    reply_.result(static_cast<unsigned>(response.status));
    for (const auto& [name, value] : response.headers) reply_.insert(name, value);
    if (response.status != 204 && !response.content_type.empty()) reply_.set(http::field::content_type, response.content_type);
    reply_.keep_alive(keep_alive_);
    const auto size = response.body.size();
    if (!head_only_) reply_.body() = std::move(response.body);
    reply_.prepare_payload();
    if (head_only_) reply_.content_length(size);
    beast::get_lowest_layer(stream_).expires_after(kHttpReplyTimeout);
    http::async_write(stream_, reply_, [self = this->shared_from_this()](beast::error_code failed, std::size_t) {
      if (failed) return;
      if (self->keep_alive_) self->await_request();
      else self->end();
    });
  }

  // Lets the client read the answer before the connection is gone: what it still sends is thrown away for a moment.
  void end() {
    auto& socket = beast::get_lowest_layer(stream_).socket();
    beast::error_code ignored;
    socket.shutdown(Tcp::socket::shutdown_send, ignored);
    beast::get_lowest_layer(stream_).expires_after(std::chrono::seconds(2));
    drain();
  }
  void drain() {
    buffer_.clear();
    beast::get_lowest_layer(stream_).async_read_some(
        buffer_.prepare(4096), [self = this->shared_from_this()](beast::error_code failed, std::size_t) {
          if (!failed) self->drain();
        });
  }

  Shared& shared_;
  Stream stream_;
  const std::string peer_;
  Admission::Id id_ = 0;
  beast::flat_buffer buffer_{kMaxHttpHeadBytes + (64 << 10)};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::empty_body> continue_;
  http::response<http::string_body> reply_;
  bool used_ = false;
  bool keep_alive_ = false;
  bool head_only_ = false;
};

class BeastServer final : public HttpServer {
 public:
  BeastServer(const Options& options, Handler handler, Log& log) : shared_(options, std::move(handler), log) {}
  ~BeastServer() override { stop(); }

  Status open() {
    if (!shared_.options.tls_certificate_key_file.empty()) TRY(open_tls());
    listeners_ = TRY(listen_on(shared_.options.bind_ip, shared_.options.port));
    port_ = listeners_.front().port();
    for (const auto& listener : listeners_) TRY(adopt(listener));
    for (auto& acceptor : acceptors_) accept(*acceptor);
    io_thread_ = std::thread([this] { shared_.io.run(); });
    return {};
  }

  int port() const override { return port_; }

  void stop() override {
    if (!io_thread_.joinable()) return;
    asio::post(shared_.io, [this] {
      for (auto& acceptor : acceptors_) {
        beast::error_code ignored;
        acceptor->close(ignored);
      }
    });
    {
      std::lock_guard lock(shared_.mutex);
      for (auto& weak : shared_.connections)
        if (const auto connection = weak.lock()) connection->close();
    }
    shared_.handlers.join();
    shared_.quick_handlers.join();
    work_.reset();
    shared_.io.stop();
    io_thread_.join();
  }

 private:
  Status open_tls() {
    auto& tls = shared_.tls.emplace(asio::ssl::context::tls_server);
    const auto& file = shared_.options.tls_certificate_key_file;
    try {
      tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                      asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
      tls.use_certificate_chain_file(file);
      tls.use_private_key_file(file, asio::ssl::context::pem);
      if (!shared_.options.tls_ca_file.empty()) {
        tls.load_verify_file(shared_.options.tls_ca_file);
        tls.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
      }
    } catch (const boost::system::system_error& error) {
      return fail(ErrorCode::kUnsupported,
                  fmt::format("reading the TLS files {} {}: {}; a PEM file with certificate and key is needed", file,
                              shared_.options.tls_ca_file, error.code().message()));
    }
    return {};
  }

  Status adopt(const Listener& listener) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(listener.descriptor(), reinterpret_cast<sockaddr*>(&address), &size);
    auto acceptor = std::make_unique<Tcp::acceptor>(shared_.io);
    beast::error_code failed;
    acceptor->assign(address.ss_family == AF_INET6 ? Tcp::v6() : Tcp::v4(), ::dup(listener.descriptor()), failed);
    if (failed) return fail(ErrorCode::kFailure, "listening for HTTP: " + failed.message());
    acceptors_.push_back(std::move(acceptor));
    return {};
  }

  void accept(Tcp::acceptor& acceptor) {
    acceptor.async_accept(asio::make_strand(shared_.io), [this, &acceptor](beast::error_code failed, Tcp::socket socket) {
      if (!acceptor.is_open()) return;
      if (!failed) return take(std::move(socket), acceptor);
      if (is_out_of_descriptors(failed)) return make_room_and_accept(acceptor);
      accept(acceptor);
    });
  }

  static bool is_out_of_descriptors(beast::error_code failed) {
    return failed == asio::error::no_descriptors || failed == boost::system::errc::too_many_files_open_in_system;
  }

  // Whoever waits stays in the system's queue meanwhile. Where nobody could make room it would spin without the pause.
  void make_room_and_accept(Tcp::acceptor& acceptor) {
    constexpr std::chrono::milliseconds kPause{50}, kNone{0};
    const bool some_went = shared_.admission.lower_limit();
    tell_full("out of file descriptors, so fewer connections are taken; raise the limit of open files (ulimit -n)", "");
    later(some_went ? kNone : kPause, acceptor, [this, &acceptor] { accept(acceptor); });
  }

  template <typename Action>
  void later(std::chrono::milliseconds pause, Tcp::acceptor& acceptor, Action action) {
    auto timer = std::make_shared<asio::steady_timer>(shared_.io, pause);
    timer->async_wait([timer, &acceptor, action = std::move(action)](beast::error_code) {
      if (acceptor.is_open()) action();
    });
  }

  // One line for many: who fills the server up must not fill up the log.
  void tell_full(std::string_view what, const std::string& peer) {
    constexpr std::chrono::seconds kTellEvery{10};
    ++full_times_;
    const auto now = std::chrono::steady_clock::now();
    if (told_full_ && now - *told_full_ < kTellEvery) return;
    told_full_ = now;
    shared_.log.warn(what, {{"peer", peer},
                            {"limit", static_cast<std::int64_t>(shared_.options.max_connections)},
                            {"times", std::exchange(full_times_, 0)}});
  }

  void take(Tcp::socket socket, Tcp::acceptor& acceptor) {
    beast::error_code gone;
    const auto remote = socket.remote_endpoint(gone);
    if (gone) return accept(acceptor);
    const auto address = remote.address().to_string();
    const auto peer = fmt::format("{}:{}", address, remote.port());
    std::shared_ptr<Connection> connection;
    if (shared_.tls)
      connection = std::make_shared<HttpConnection<beast::ssl_stream<beast::tcp_stream>>>(
          shared_, beast::ssl_stream<beast::tcp_stream>(beast::tcp_stream(std::move(socket)), *shared_.tls), peer);
    else
      connection = std::make_shared<HttpConnection<beast::tcp_stream>>(shared_, beast::tcp_stream(std::move(socket)), peer);
    admit(std::move(connection), address, peer, acceptor);
  }

  // While nobody can make room, this one waits, and behind it, in the system's queue, everybody else.
  void admit(std::shared_ptr<Connection> connection, const std::string& address, const std::string& peer, Tcp::acceptor& acceptor) {
    constexpr std::chrono::milliseconds kPause{5};
    const auto ruling = shared_.admission.enter(address, [weak = std::weak_ptr<Connection>(connection)] {
      if (const auto open = weak.lock()) open->close();
    });
    switch (ruling.verdict) {
      case Admission::Verdict::kFull:
        tell_full("connections wait: too many are open, all with a request", peer);
        [[fallthrough]];
      case Admission::Verdict::kTooSoon:
        return later(kPause, acceptor, [this, connection, address, peer, &acceptor] { admit(connection, address, peer, acceptor); });
      case Admission::Verdict::kShareUsed:
        tell_full("connections were refused: their address has half of all, each with a request", peer);
        return accept(acceptor);
      case Admission::Verdict::kInForAnother: tell_full("connections without a request were closed: too many are open", peer); break;
      case Admission::Verdict::kIn: break;
    }
    {
      std::lock_guard lock(shared_.mutex);
      shared_.connections.remove_if([](const auto& weak) { return weak.expired(); });
      shared_.connections.push_back(connection);
    }
    connection->begin(ruling.id);
    accept(acceptor);
  }

  Shared shared_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(shared_.io);
  std::vector<Listener> listeners_;
  std::vector<std::unique_ptr<Tcp::acceptor>> acceptors_;
  std::thread io_thread_;
  int port_ = 0;
  // Of the one thread of `io`.
  std::optional<std::chrono::steady_clock::time_point> told_full_;
  std::int64_t full_times_ = 0;
};

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (beast::iequals(key, name)) return value;
  return {};
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Options& options, Handler handler, Log& log) {
  auto server = std::make_unique<BeastServer>(options, std::move(handler), log);
  TRY(server->open());
  return server;
}

}  // namespace drover::net
