#include "control/crypto/tls_signatures.h"

#include <algorithm>

#include "control/crypto/primitives.h"
#include "control/crypto/tls_internal.h"

namespace culvert::crypto {
namespace {

using Mark = KnownSignatures::Mark;
using Chain = STACK_OF(X509);

/// OpenSSL's own steps of a verification, for whatever is not known.
struct OpensslSteps {
  X509_STORE_CTX_verify_fn verify = nullptr;
  X509_STORE_CTX_check_crl_fn check_crl = nullptr;
};
const OpensslSteps& openssl() {
  static const OpensslSteps steps = [] {
    OpensslSteps found;
    Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
    Owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
    if (store && context && X509_STORE_CTX_init(context.get(), store.get(), nullptr, nullptr) == 1)
      found = {X509_STORE_CTX_get_verify(context.get()), X509_STORE_CTX_get_check_crl(context.get())};
    return found;
  }();
  return steps;
}

/// The time at which this verification judges; nothing when it is not an everyday one: other flags than ours change
/// what OpenSSL looks at.
std::optional<time_t> everyday_time(X509_STORE_CTX* store) {
  constexpr unsigned long kOurs =
      X509_V_FLAG_USE_CHECK_TIME | X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_TRUSTED_FIRST;
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(store);
  const unsigned long flags = X509_VERIFY_PARAM_get_flags(param);
  if ((flags & ~kOurs) != 0 || (flags & X509_V_FLAG_USE_CHECK_TIME) == 0) return std::nullopt;
  return X509_VERIFY_PARAM_get_time(param);
}

/// Zero is "can't be read".
bool before(const ASN1_TIME* at, time_t now) {
  return at != nullptr && X509_cmp_time(at, &now) < 0;
}
bool after(const ASN1_TIME* at, time_t now) {
  return at != nullptr && X509_cmp_time(at, &now) > 0;
}

bool valid_at(const X509* certificate, time_t now) {
  return before(X509_get0_notBefore(certificate), now) && after(X509_get0_notAfter(certificate), now);
}

/// From a peer's certificate up to a CA that is its own issuer; no proxy certificates (RFC 3820), whose issuers need
/// another key usage.
bool plain(const Chain* chain) {
  const int size = sk_X509_num(chain);
  if (size < 2) return false;
  X509* top = sk_X509_value(chain, size - 1);
  if (X509_check_issued(top, top) != X509_V_OK) return false;
  for (int depth = 0; depth < size; ++depth)
    if ((X509_get_extension_flags(sk_X509_value(chain, depth)) & EXFLAG_PROXY) != 0) return false;
  return true;
}

/// SHA-256 of the certificate's part that is signed (TBSCertificate), as the peer has encoded it: OpenSSL keeps those
/// bytes, and gives them out inside of the whole. Nothing: memory is short, or it is no DER.
std::optional<Mark> digest_of_signed_part(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return std::nullopt;
  const unsigned char* const end = der + size;
  const unsigned char* begin = der;
  const unsigned char* inside = nullptr;
  long length = 0;
  int tag = 0;
  int kind = 0;
  const auto enter = [&] {  // into the SEQUENCE at `begin`
    inside = begin;
    return ASN1_get_object(&inside, &length, &tag, &kind, end - begin) == V_ASN1_CONSTRUCTED && tag == V_ASN1_SEQUENCE;
  };
  bool found = enter();
  begin = inside;
  found = found && enter();
  Mark digest{};
  found = found && sha256(std::span(begin, inside + length), digest);
  OPENSSL_free(der);
  return found ? std::optional(digest) : std::nullopt;
}

/// One for each certificate below the topmost; empty when memory is short.
std::vector<Mark> marks_of(const Chain* chain, const KnownSignatures& known) {
  std::vector<Mark> marks;
  for (int depth = 0; depth + 1 < sk_X509_num(chain); ++depth) {
    const auto mark = known.mark(sk_X509_value(chain, depth), sk_X509_value(chain, depth + 1));
    if (!mark) return {};
    marks.push_back(*mark);
  }
  return marks;
}

/// The callback hears of each certificate, from the CA down, as from OpenSSL.
int confirm(X509_STORE_CTX* store, const Chain* chain) {
  const X509_STORE_CTX_verify_cb callback = X509_STORE_CTX_get_verify_cb(store);
  for (int depth = sk_X509_num(chain) - 1; depth >= 0; --depth) {
    X509_STORE_CTX_set_error_depth(store, depth);
    X509_STORE_CTX_set_current_cert(store, sk_X509_value(chain, depth));
    if (callback(1, store) == 0) return 0;
  }
  return 1;
}

/// OpenSSL's step "signatures, key usage of the issuers, dates". A chain of which anything is neither known nor found
/// good here, or not valid, goes through OpenSSL's own, which decides and finds the words for it.
int verify(X509_STORE_CTX* store) {
  TlsStream::State* stream = stream_of(store);
  const Chain* chain = X509_STORE_CTX_get0_chain(store);
  const auto now = everyday_time(store);
  if (stream == nullptr || !now || !plain(chain)) return openssl().verify(store);
  KnownSignatures& known = *stream->signatures;
  const std::vector<Mark> marks = marks_of(chain, known);
  bool good = !marks.empty();
  for (int depth = 0; good && depth < sk_X509_num(chain); ++depth) good = valid_at(sk_X509_value(chain, depth), *now);
  for (size_t at = 0; good && at < marks.size(); ++at) {
    const int depth = static_cast<int>(at);
    good = known.has(marks[at]) || known.signed_by(sk_X509_value(chain, depth), sk_X509_value(chain, depth + 1));
  }
  const int accepted = good ? confirm(store, chain) : openssl().verify(store);
  if (accepted == 1 && X509_STORE_CTX_get_error(store) == X509_V_OK)
    for (const Mark& mark : marks) known.add(mark);
  return accepted;
}

/// OpenSSL's step "is this list, which it has chosen for the current certificate, genuine and in force?"
int check_crl(X509_STORE_CTX* store, X509_CRL* crl) {
  const TlsStream::State* stream = stream_of(store);
  const Chain* chain = X509_STORE_CTX_get0_chain(store);
  const auto now = everyday_time(store);
  const X509* certificate = X509_STORE_CTX_get_current_cert(store);
  const int above = std::min(X509_STORE_CTX_get_error_depth(store) + 1, sk_X509_num(chain) - 1);
  const X509* issuer = sk_X509_value(chain, above);
  const bool good = stream != nullptr && now && certificate != nullptr && issuer != nullptr &&
                    X509_STORE_CTX_get0_current_issuer(store) == issuer && stream->signatures->has_list(crl, issuer) &&
                    X509_NAME_cmp(X509_get_issuer_name(certificate), X509_CRL_get_issuer(crl)) == 0 &&
                    before(X509_CRL_get0_lastUpdate(crl), *now) &&
                    (X509_CRL_get0_nextUpdate(crl) == nullptr || after(X509_CRL_get0_nextUpdate(crl), *now));
  return good ? 1 : openssl().check_crl(store, crl);
}

}  // namespace

void KnownSignatures::add_authority(X509* authority) {
  const auto mark = digest(authority);
  if (!mark || X509_up_ref(authority) != 1) return;
  held_authorities_.emplace_back(authority);
  authorities_[authority] = *mark;
}

void KnownSignatures::expect_many_of(X509* authority) {
  // No key usage at all allows everything, and reads as all bits set.
  const bool may_sign = (X509_get_key_usage(authority) & KU_KEY_CERT_SIGN) != 0;
  if (!may_sign || tables_.size() == kTables || !authorities_.contains(authority)) return;
  if (auto table = EcdsaTable::of(X509_get0_pubkey(authority))) tables_[authority] = std::move(table);
}

bool KnownSignatures::signed_by(X509* certificate, const X509* authority) const {
  const auto table = tables_.find(authority);
  if (table == tables_.end()) return false;
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_get0_signature(&signature, &algorithm, certificate);
  constexpr long kUnusedBits = 7;  // of a BIT STRING's flags
  if (OBJ_obj2nid(algorithm->algorithm) != NID_ecdsa_with_SHA256 || (signature->flags & kUnusedBits) != 0 ||
      X509_ALGOR_cmp(algorithm, X509_get0_tbs_sigalg(certificate)) != 0)
    return false;
  const auto digest = digest_of_signed_part(certificate);
  return digest && table->second->verifies(*digest, std::span(ASN1_STRING_get0_data(signature),
                                                              static_cast<size_t>(ASN1_STRING_length(signature))));
}

void KnownSignatures::add_list(X509_CRL* list, X509* authority) {
  const bool simple = X509_CRL_get_ext_by_NID(list, NID_issuing_distribution_point, -1) < 0 &&
                      X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) < 0;
  // No key usage at all allows everything, and reads as all bits set.
  if (!simple || (X509_get_key_usage(authority) & KU_CRL_SIGN) == 0) return;
  if (X509_up_ref(authority) != 1) return;
  held_authorities_.emplace_back(authority);
  if (X509_CRL_up_ref(list) != 1) return;
  held_lists_.emplace_back(list);
  lists_.insert({list, authority});
}

std::optional<Mark> KnownSignatures::digest(X509* certificate) const {
  if (const auto found = authorities_.find(certificate); found != authorities_.end()) return found->second;
  Mark out{};
  unsigned size = 0;
  if (X509_digest(certificate, fetched_sha256(), out.data(), &size) == 1 && size == out.size()) return out;
  ERR_clear_error();
  return std::nullopt;
}

std::optional<Mark> KnownSignatures::mark(X509* certificate, X509* issuer) const {
  const auto lower = digest(certificate);
  const auto upper = digest(issuer);
  if (!lower || !upper) return std::nullopt;
  std::array<uint8_t, 2 * sizeof(Mark)> both{};
  std::ranges::copy(*upper, std::ranges::copy(*lower, both.begin()).out);
  Mark out{};
  if (!sha256(both, out)) return std::nullopt;
  return out;
}

bool KnownSignatures::has(const Mark& mark) const {
  return !slots_.empty() && slots_[(mark[0] << 8 | mark[1]) % kSlots] == mark;
}

void KnownSignatures::add(const Mark& mark) {
  slots_.resize(kSlots);
  slots_[(mark[0] << 8 | mark[1]) % kSlots] = mark;
}

void use_known_signatures(X509_STORE* store) {
  if (openssl().verify == nullptr || openssl().check_crl == nullptr) return;
  X509_STORE_set_verify(store, verify);
  X509_STORE_set_check_crl(store, check_crl);
}

}  // namespace culvert::crypto
