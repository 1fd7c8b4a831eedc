#include <cerrno>
#include <mutex>

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/wait.h"

namespace drover::net {

namespace {

std::string openssl_reason() {
  const auto code = ERR_get_error();
  if (code == 0) return "connection closed";
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

// What an SSL call asks for before it can go on.
enum class Want { kRead, kWrite, kFailed, kClosed };

Want want_of(SSL* ssl, int result) {
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ: return Want::kRead;
    case SSL_ERROR_WANT_WRITE: return Want::kWrite;
    case SSL_ERROR_ZERO_RETURN: return Want::kClosed;
    default: return Want::kFailed;
  }
}

class TlsSocket final : public Socket {
 public:
  TlsSocket(int descriptor, SslPtr ssl) : descriptor_(descriptor), ssl_(std::move(ssl)) {}
  ~TlsSocket() override {
    ssl_.reset();
    ::close(descriptor_);
  }

  ReadEnd read_exact(std::span<std::uint8_t> out, std::chrono::milliseconds timeout) override {
    const Deadline deadline(timeout);
    std::size_t done = 0;
    while (done < out.size()) {
      const int n = SSL_read(ssl_.get(), out.data() + done, static_cast<int>(std::min<std::size_t>(out.size() - done, 1 << 24)));
      if (n > 0) {
        done += static_cast<std::size_t>(n);
        continue;
      }
      const auto want = want_of(ssl_.get(), n);
      if (want == Want::kFailed || want == Want::kClosed) {
        ERR_clear_error();
        return done == 0 ? ReadEnd::kClosed : ReadEnd::kCut;
      }
      if (!wait_ready(descriptor_, want == Want::kRead ? POLLIN : POLLOUT, deadline, patience_)) return ReadEnd::kTimedOut;
    }
    return ReadEnd::kFull;
  }

  Status write_all(std::span<const std::uint8_t> data, std::chrono::milliseconds timeout) override {
    const Deadline deadline(timeout);
    while (!data.empty()) {
      const int n = SSL_write(ssl_.get(), data.data(), static_cast<int>(std::min<std::size_t>(data.size(), 1 << 24)));
      if (n > 0) {
        data = data.subspan(static_cast<std::size_t>(n));
        continue;
      }
      const auto want = want_of(ssl_.get(), n);
      if (want == Want::kFailed || want == Want::kClosed) {
        return fail(ErrorCode::kFailure, fmt::format("writing to a TLS connection: {}", openssl_reason()));
      }
      if (!wait_ready(descriptor_, want == Want::kRead ? POLLIN : POLLOUT, deadline, patience_)) {
        return fail(ErrorCode::kTimedOut, "writing to a TLS connection: the peer does not read");
      }
    }
    return {};
  }

  void shut_down() override { ::shutdown(descriptor_, SHUT_RDWR); }
  bool peer_gone() const override { return peer_has_closed(descriptor_); }
  SSL* ssl() const { return ssl_.get(); }

 private:
  const int descriptor_;
  SslPtr ssl_;
};

std::string subject_of(const X509* certificate) {
  BIO* memory = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(memory, &data);
  std::string subject(data, static_cast<std::size_t>(size));
  BIO_free(memory);
  return subject;
}

class OpenSslContext final : public TlsContext {
 public:
  explicit OpenSslContext(SSL_CTX* context) : context_(context) {}
  ~OpenSslContext() override { SSL_CTX_free(context_); }

  Result<std::unique_ptr<Socket>> accept(int descriptor, std::chrono::milliseconds timeout) override {
    prepare_stream(descriptor);
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    SslPtr ssl(SSL_new(context_));
    SSL_set_fd(ssl.get(), descriptor);
    const Deadline deadline(timeout);
    for (;;) {
      const int result = SSL_accept(ssl.get());
      if (result == 1) return std::unique_ptr<Socket>(std::make_unique<TlsSocket>(descriptor, std::move(ssl)));
      const auto want = want_of(ssl.get(), result);
      const bool failed = want == Want::kFailed || want == Want::kClosed;
      if (failed || !wait_ready(descriptor, want == Want::kRead ? POLLIN : POLLOUT, deadline)) {
        auto reason = failed ? openssl_reason() : std::string("timed out");
        ssl.reset();
        ::close(descriptor);
        return fail(ErrorCode::kFailure, fmt::format("TLS handshake: {}", reason));
      }
    }
  }

  std::string peer_subject(const Socket& socket) const override {
    const auto* tls = dynamic_cast<const TlsSocket*>(&socket);
    if (tls == nullptr) return {};
    X509* certificate = SSL_get1_peer_certificate(tls->ssl());
    if (certificate == nullptr) return {};
    auto subject = subject_of(certificate);
    X509_free(certificate);
    return subject;
  }

  CertificateFacts own_certificate() const override {
    const X509* certificate = SSL_CTX_get0_certificate(context_);
    if (certificate == nullptr) return {};
    std::tm until{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) != 1) return {.subject = subject_of(certificate)};
    return {.subject = subject_of(certificate), .expires = ::timegm(&until)};
  }

 private:
  SSL_CTX* const context_;
};

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::open(const TlsOptions& options) {
  SSL_CTX* raw = SSL_CTX_new(TLS_server_method());
  auto context = std::make_shared<OpenSslContext>(raw);
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const auto& file = options.certificate_key_file;
  if (SSL_CTX_use_certificate_chain_file(raw, file.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(raw, file.c_str(), SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(raw) != 1) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("TLS certificate and key file {}: {}; it must hold a PEM certificate and its private key",
                            file, openssl_reason()));
  }
  if (!options.ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(raw, options.ca_file.c_str(), nullptr) != 1) {
      return fail(ErrorCode::kUnsupported, fmt::format("TLS CA file {}: {}", options.ca_file, openssl_reason()));
    }
    SSL_CTX_set_client_CA_list(raw, SSL_load_client_CA_file(options.ca_file.c_str()));
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | (options.require_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       nullptr);
  }
  return std::shared_ptr<TlsContext>(std::move(context));
}

}  // namespace drover::net
