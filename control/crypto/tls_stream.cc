#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <climits>

#include "control/crypto/primitives.h"
#include "control/crypto/tls_internal.h"
#include "control/crypto/tls_recent_keys.h"

namespace culvert::crypto {
namespace {

constexpr size_t kMaxRecord = 16384;  // plaintext of one TLS record (RFC 8446, section 5.1)

bool over(TlsStatus status) {
  return status == TlsStatus::kFailed || status == TlsStatus::kClosed;
}

/// Empty when memory is short.
std::vector<uint8_t> digest_of(X509* certificate, const EVP_MD* digest) {
  std::vector<uint8_t> out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (X509_digest(certificate, digest, out.data(), &size) != 1) size = 0;
  out.resize(size);
  return out;
}

}  // namespace

PeerCertificate as_peer(X509* certificate, bool with_pem) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  PeerCertificate peer;
  peer.common_name = printable_name(common_name(subject).value_or(""));
  peer.subject = name_parts(subject);
  peer.serial = serial_text(X509_get0_serialNumber(certificate));
  peer.sha256 = digest_of(certificate, fetched_sha256());
  peer.sha1 = digest_of(certificate, fetched_sha1());
  if (with_pem) peer.pem = write_pem(certificate);
  return peer;
}

int stream_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

TlsStream::State* stream_of(X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  return ssl != nullptr ? static_cast<TlsStream::State*>(SSL_get_ex_data(ssl, stream_index())) : nullptr;
}

TlsStream::State::~State() {
  for (std::vector<uint8_t>& record : plaintext) wipe(record);
}

void TlsStream::State::fail(std::string text) {
  status = TlsStatus::kFailed;
  error = std::move(text);
}

/// As far as the bytes that are there allow.
void TlsStream::State::advance() {
  if (over(status)) return;
  const RecentKeys recent;
  ERR_clear_error();
  if (status == TlsStatus::kHandshaking) {
    const int result = SSL_do_handshake(ssl.get());
    if (result != 1) {
      const int reason = SSL_get_error(ssl.get(), result);
      if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE) fail(explain_failure(*this));
      return;
    }
    finish_handshake();
  }
  receive();
}

void TlsStream::State::finish_handshake() {
  status = TlsStatus::kEstablished;
  X509* certificate = SSL_get0_peer_certificate(ssl.get());
  if (certificate == nullptr) return;
  peer = as_peer(certificate, export_certificates);
  if (!policy->name_fields.empty()) peer->common_name = printable_name(peer_name(certificate, *policy).value_or(""));
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl.get());
  for (int depth = 1; depth < sk_X509_num(chain); ++depth) {
    X509* issuer = sk_X509_value(chain, depth);
    const auto known = authorities->peers.find(issuer);
    peer->issuers.push_back(known != authorities->peers.end() ? known->second : as_peer(issuer, export_certificates));
  }
}

void TlsStream::State::receive() {
  std::array<uint8_t, kMaxRecord> record;
  size_t used = 0;
  while (status == TlsStatus::kEstablished) {
    const int size = SSL_read(ssl.get(), record.data(), static_cast<int>(record.size()));
    if (size > 0) {
      used = std::max(used, static_cast<size_t>(size));
      plaintext.emplace_back(record.begin(), record.begin() + size);
      continue;
    }
    const int reason = SSL_get_error(ssl.get(), size);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) break;
    if (reason == SSL_ERROR_ZERO_RETURN)
      status = TlsStatus::kClosed;
    else
      fail(explain_failure(*this));
  }
  wipe(std::span(record).first(used));
}

TlsStream::TlsStream() : state_(std::make_unique<State>()) {}
TlsStream::~TlsStream() = default;

std::unique_ptr<TlsStream> TlsContext::open(std::chrono::sys_seconds wall) const {
  std::unique_ptr<TlsStream> stream(new TlsStream);
  TlsStream::State& state = *stream->state_;
  state.role = state_->role;
  state.min_version = state_->min_version;
  state.policy = state_->policy;
  state.signatures = state_->signatures;
  state.authorities = state_->authority_peers;
  state.export_certificates = state_->export_certificates;
  state.ssl.reset(SSL_new(state_->context.get()));
  OwnedBio in(BIO_new(BIO_s_mem()));
  OwnedBio out(BIO_new(BIO_s_mem()));
  if (!state.ssl || !in || !out || SSL_set_ex_data(state.ssl.get(), stream_index(), &state) != 1) {
    state.fail("TLS could not start: " + take_errors());
    return stream;
  }
  X509_VERIFY_PARAM_set_time(SSL_get0_param(state.ssl.get()), static_cast<time_t>(wall.time_since_epoch().count()));
  state.in = in.release();
  state.out = out.release();
  // Empty means "more may come", not "end".
  BIO_set_mem_eof_return(state.in, -1);
  BIO_set_mem_eof_return(state.out, -1);
  SSL_set_bio(state.ssl.get(), state.in, state.out);
  if (state.role == TlsRole::kServer)
    SSL_set_accept_state(state.ssl.get());
  else
    SSL_set_connect_state(state.ssl.get());
  return stream;
}

TlsStatus TlsStream::feed(std::span<const uint8_t> ciphertext) {
  if (over(state_->status)) return state_->status;
  if (!ciphertext.empty()) {
    const bool fits = ciphertext.size() <= INT_MAX;
    if (!fits || BIO_write(state_->in, ciphertext.data(), static_cast<int>(ciphertext.size())) !=
                     static_cast<int>(ciphertext.size())) {
      state_->fail("out of memory for the peer's TLS bytes");
      return state_->status;
    }
  }
  state_->advance();
  return state_->status;
}

TlsStatus TlsStream::start() {
  state_->advance();
  return state_->status;
}

std::vector<uint8_t> TlsStream::drain(size_t max) {
  std::vector<uint8_t> bytes;
  if (!has_output() || max == 0) return bytes;
  bytes.resize(std::min({max, BIO_ctrl_pending(state_->out), size_t{INT_MAX}}));
  const int size = BIO_read(state_->out, bytes.data(), static_cast<int>(bytes.size()));
  bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return bytes;
}

size_t TlsStream::output_size() const {
  return state_->out != nullptr ? BIO_ctrl_pending(state_->out) : 0;
}

bool TlsStream::write(std::span<const uint8_t> plaintext) {
  if (state_->status != TlsStatus::kEstablished || plaintext.empty() || plaintext.size() > kMaxRecord) return false;
  ERR_clear_error();
  const int size = static_cast<int>(plaintext.size());
  if (SSL_write(state_->ssl.get(), plaintext.data(), size) == size) return true;
  state_->fail(explain_failure(*state_));
  return false;
}

std::vector<uint8_t> TlsStream::read() {
  if (state_->plaintext.empty()) return {};
  std::vector<uint8_t> record = std::move(state_->plaintext.front());
  state_->plaintext.pop_front();
  return record;
}

bool TlsStream::export_keying_material(std::string_view label, std::span<uint8_t> out) const {
  if (state_->status != TlsStatus::kEstablished) return false;
  const bool done = SSL_export_keying_material(state_->ssl.get(), out.data(), out.size(), label.data(), label.size(),
                                               nullptr, 0, 0) == 1;
  if (!done) ERR_clear_error();
  return done;
}

TlsStatus TlsStream::status() const {
  return state_->status;
}
const std::string& TlsStream::error() const {
  return state_->error;
}
const PeerCertificate* TlsStream::peer() const {
  return state_->peer ? &*state_->peer : nullptr;
}
std::string TlsStream::version() const {
  return state_->ssl ? SSL_get_version(state_->ssl.get()) : "";
}

std::string TlsStream::cipher() const {
  const SSL_CIPHER* cipher = state_->ssl ? SSL_get_current_cipher(state_->ssl.get()) : nullptr;
  return cipher != nullptr ? SSL_CIPHER_get_name(cipher) : "";
}

}  // namespace culvert::crypto
