// Owners for OpenSSL's objects and its error queue as text. Inside this folder only.
#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

namespace culvert::crypto {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Freer<Free>>;

using OwnedAsn1Integer = Owned<ASN1_INTEGER, ASN1_INTEGER_free>;
using OwnedAsn1Time = Owned<ASN1_TIME, ASN1_TIME_free>;
using OwnedBio = Owned<BIO, BIO_free_all>;
using OwnedBignum = Owned<BIGNUM, BN_free>;
using OwnedCipher = Owned<EVP_CIPHER, EVP_CIPHER_free>;
using OwnedCipherCtx = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using OwnedCrl = Owned<X509_CRL, X509_CRL_free>;
using OwnedKdf = Owned<EVP_KDF, EVP_KDF_free>;
using OwnedKdfCtx = Owned<EVP_KDF_CTX, EVP_KDF_CTX_free>;
using OwnedKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using OwnedKeyCtx = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using OwnedMd = Owned<EVP_MD, EVP_MD_free>;
using OwnedRevoked = Owned<X509_REVOKED, X509_REVOKED_free>;
using OwnedSsl = Owned<SSL, SSL_free>;
using OwnedSslCtx = Owned<SSL_CTX, SSL_CTX_free>;
using OwnedX509 = Owned<X509, X509_free>;

/// Digests that are looked up once: EVP_sha256() and the like are looked up in each use. Where libcrypto has none
/// they are those, whose use then fails.
const EVP_MD* fetched_sha256();
const EVP_MD* fetched_sha1();

/// Did openssl.cnf leave it at the default provider, without FIPS? Else what it set up must go on deciding.
bool only_default_provider();

/// What OpenSSL queued as errors, oldest first, and empties the queue; "unknown error" when it is empty.
std::string take_errors();

/// A read-only BIO over the text, which must outlive it.
OwnedBio bio_of(std::string_view text);
/// All that was written into a memory BIO.
std::string text_of(BIO* bio);

}  // namespace culvert::crypto
