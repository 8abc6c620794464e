// Signatures on certificates and revocation lists that need not be verified again. Inside this folder only.
#pragma once

#include <openssl/x509_vfy.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "control/crypto/ecdsa_table.h"
#include "control/crypto/openssl.h"

namespace culvert::crypto {

/// Remembers which certificates were found to be signed by which, as long as its context lives. The same bytes under
/// the same issuer's certificate have the same good signature for ever, so nothing that can change is remembered:
/// dates, revocation, purpose, names and the strength of keys are judged in every handshake, by OpenSSL and
/// verify_peer(). Only what an authority has signed can get in, and the newest takes the place of an older one, so that
/// a peer can neither fill it nor put anything wrong into it.
class KnownSignatures {
 public:
  /// Stands for "this certificate, signed by the owner of that one": SHA-256 over both, signatures included.
  using Mark = std::array<uint8_t, 32>;
  static constexpr size_t kSlots = 4096;  ///< 128 KiB, once the first is remembered

  static constexpr size_t kTables = 4;  ///< authorities with an EcdsaTable; what making them costs has a bound

  /// A CA of ours, whose digest is wanted often.
  void add_authority(X509* authority);
  /// That CA may have signed many certificates that we shall see: gets a table of its key, if one can be made and its
  /// key usage lets it sign certificates.
  void expect_many_of(X509* authority);
  /// Is the certificate's signature one of this authority's key? True only where X509_verify() says so too and the
  /// authority may sign; false also for authorities without a table and other signatures than ECDSA with SHA-256.
  bool signed_by(X509* certificate, const X509* authority) const;
  /// `list` was found to be signed by `authority`. Taken only when OpenSSL's check of it comes down to signature, key
  /// usage of the CA and dates: a full list of one CA for all its certificates.
  void add_list(X509_CRL* list, X509* authority);
  bool has_list(const X509_CRL* list, const X509* authority) const { return lists_.contains({list, authority}); }

  /// Nothing when memory is short.
  std::optional<Mark> mark(X509* certificate, X509* issuer) const;
  bool has(const Mark& mark) const;
  void add(const Mark& mark);

 private:
  std::optional<Mark> digest(X509* certificate) const;

  std::map<const X509*, Mark> authorities_;  ///< their digests
  std::map<const X509*, std::shared_ptr<const EcdsaTable>> tables_;
  std::set<std::pair<const X509_CRL*, const X509*>> lists_;
  /// What the addresses above belong to: held, so that no certificate of a peer ever stands at one of them.
  std::vector<OwnedX509> held_authorities_;
  std::vector<OwnedCrl> held_lists_;
  std::vector<Mark> slots_;  ///< each mark has one place; zeros: nothing there
};

/// Has the verifications of this store (one of a TlsContext) look into the context's KnownSignatures first.
void use_known_signatures(X509_STORE* store);

}  // namespace culvert::crypto
