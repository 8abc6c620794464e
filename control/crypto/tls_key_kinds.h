// Which kinds of keys the certificates of a peer have. Inside this folder only.
#pragma once

#include "control/crypto/openssl.h"
#include "control/crypto/primitives.h"

namespace culvert::crypto {

/// Does a handshake message "Certificate" (with its header; RFC 5246, section 7.4.2, and RFC 8446, section 4.4.2, of
/// TLS 1.3) hold nothing but certificates with EC keys, or none at all? No, also for what can't be read here.
bool has_only_ec_keys(Bytes message, bool tls13);

/// Makes this context's streams see to it that a peer's key can be read, of whichever kind it is.
void expect_any_key(SSL_CTX* context);

}  // namespace culvert::crypto
