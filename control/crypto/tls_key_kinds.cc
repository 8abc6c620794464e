#include "control/crypto/tls_key_kinds.h"

#include <algorithm>
#include <array>
#include <optional>

#include "control/crypto/tls_library.h"

namespace culvert::crypto {
namespace {

constexpr std::array<uint8_t, 7> kEcPublicKey = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01};  // RFC 5480, section 2.1.1

/// Takes elements from the front of DER, or numbers and bytes from the front of a TLS message. After anything that is
/// not there or not as expected, everything is missing.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}

  bool at_end() const { return good_ && rest_.empty(); }

  Bytes take(size_t size) {
    good_ = good_ && size <= rest_.size();
    if (!good_) return {};
    const Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  /// As long as the number of `size` bytes before it says.
  Bytes take_counted(size_t size) {
    size_t length = 0;
    for (const uint8_t byte : take(size)) length = length << 8 | byte;
    return take(length);
  }

  /// The content of the element.
  Bytes enter(int tag, int kind = V_ASN1_UNIVERSAL) {
    const auto found = next();
    good_ = found && found->tag == tag && found->kind == kind;
    return good_ ? found->content : Bytes();
  }
  void skip() { good_ = next().has_value(); }
  bool next_is(int tag, int kind) const {
    const auto found = Reader(*this).next();
    return found && found->tag == tag && found->kind == kind;
  }

 private:
  struct Element {
    int tag;
    int kind;  ///< V_ASN1_UNIVERSAL, V_ASN1_CONTEXT_SPECIFIC …
    Bytes content;
  };

  std::optional<Element> next() {
    if (!good_ || rest_.empty()) return std::nullopt;
    const unsigned char* inside = rest_.data();
    long length = 0;
    int tag = 0;
    int kind = 0;
    const int form = ASN1_get_object(&inside, &length, &tag, &kind, static_cast<long>(rest_.size()));
    constexpr int kError = 0x80;
    constexpr int kIndefinite = 1;
    if ((form & (kError | kIndefinite)) != 0) return std::nullopt;
    take(static_cast<size_t>(inside - rest_.data()));
    return Element{tag, kind, take(static_cast<size_t>(length))};
  }

  Bytes rest_;
  bool good_ = true;
};

/// RFC 5280, section 4.1.
bool has_ec_key(Bytes certificate) {
  Reader signed_part(Reader(Reader(certificate).enter(V_ASN1_SEQUENCE)).enter(V_ASN1_SEQUENCE));
  if (signed_part.next_is(0, V_ASN1_CONTEXT_SPECIFIC)) signed_part.skip();  // version
  constexpr int kBefore = 5;  // serial number, signature, issuer, validity, subject
  for (int element = 0; element < kBefore; ++element) signed_part.skip();
  Reader key(signed_part.enter(V_ASN1_SEQUENCE));
  return std::ranges::equal(Reader(key.enter(V_ASN1_SEQUENCE)).enter(V_ASN1_OBJECT), kEcPublicKey);
}

bool all_have_ec_keys(Bytes message, bool tls13) {
  Reader whole(message);
  whole.take(1);  // type
  Reader body(whole.take_counted(3));
  if (!whole.at_end()) return false;
  if (tls13) body.take_counted(1);  // context of the request
  Reader list(body.take_counted(3));
  if (!body.at_end()) return false;
  while (!list.at_end()) {
    if (!has_ec_key(list.take_counted(3))) return false;
    if (tls13) list.take_counted(2);  // extensions
  }
  return true;
}

/// SSL_CTX_set_msg_callback: hears of each message before OpenSSL reads what is in it.
void see_message(int sent, int version, int type, const void* data, size_t size, SSL*, void*) {
  const Bytes message(static_cast<const uint8_t*>(data), size);
  if (sent != 0 || type != SSL3_RT_HANDSHAKE || message.empty() || message[0] != SSL3_MT_CERTIFICATE) return;
  if (!has_only_ec_keys(message, version == TLS1_3_VERSION)) add_other_keys();
}

}  // namespace

bool has_only_ec_keys(Bytes message, bool tls13) {
  ERR_set_mark();
  const bool only = all_have_ec_keys(message, tls13);
  ERR_pop_to_mark();
  return only;
}

void expect_any_key(SSL_CTX* context) {
  SSL_CTX_set_msg_callback(context, see_message);
}

}  // namespace culvert::crypto
