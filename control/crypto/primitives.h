// The few cryptographic building blocks that the OpenVPN control channel needs outside TLS, over OpenSSL's libcrypto.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/now.h"
#include "dataplane/abi/command.h"

namespace culvert::crypto {

using Bytes = std::span<const uint8_t>;

/// The bytes of a text, without a terminating NUL.
inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// Overwrites secrets in a way that the compiler does not drop. The strings and vectors are emptied as well.
void wipe(std::span<uint8_t> secret);
void wipe(std::string& secret);
void wipe(std::vector<uint8_t>& secret);

/// Fixed-size secret: zero at first, wiped when it goes out of scope.
template <size_t N>
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::span<const uint8_t, N> value) { std::copy(value.begin(), value.end(), bytes_.begin()); }
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { wipe(bytes_); }

  std::span<uint8_t, N> span() { return bytes_; }
  std::span<const uint8_t, N> span() const { return bytes_; }
  std::array<uint8_t, N>& bytes() { return bytes_; }
  const std::array<uint8_t, N>& bytes() const { return bytes_; }
  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }
  static constexpr size_t size() { return N; }

 private:
  std::array<uint8_t, N> bytes_{};
};

/// True when both are equal; takes the same time wherever they differ. Different lengths are unequal.
bool equal_constant_time(Bytes a, Bytes b);

using abi::Digest;
using abi::digest_size;
inline constexpr size_t kMaxDigestSize = 64;

/// "SHA256": what both OpenSSL and OpenVPN's options call it. Empty for kNone.
constexpr std::string_view digest_name(Digest digest) {
  switch (digest) {
    case Digest::kNone:
      break;
    case Digest::kSha1:
      return "SHA1";
    case Digest::kSha224:
      return "SHA224";
    case Digest::kSha256:
      return "SHA256";
    case Digest::kSha384:
      return "SHA384";
    case Digest::kSha512:
      return "SHA512";
  }
  return "";
}

/// HMAC (RFC 2104) over the parts as if they stood one after the other. `out` takes digest_size(digest) bytes.
/// False when libcrypto refuses (out of memory, or a policy that forbids the digest); `out` is then undefined.
[[nodiscard]] bool hmac(Digest digest, Bytes key, std::initializer_list<Bytes> parts, std::span<uint8_t> out);

/// AES-256 in counter mode: the same call encrypts and decrypts. `out` has the size of `in`; both may be the same
/// memory.
[[nodiscard]] bool aes256_ctr(std::span<const uint8_t, 32> key, std::span<const uint8_t, 16> iv, Bytes in,
                              std::span<uint8_t> out);

[[nodiscard]] bool sha256(Bytes data, std::span<uint8_t, 32> out);

/// The pseudo-random function of TLS 1.0 (RFC 2246, section 5: MD5 and SHA-1 together), filling `out`. The label is
/// part of the seed. False when this machine's policy forbids MD5 (FIPS mode).
[[nodiscard]] bool tls1_prf(Bytes secret, std::initializer_list<Bytes> seed, std::span<uint8_t> out);

/// The kernel's random generator, getrandom(2). It is ready before any process of ours starts, so a failure has no way
/// on: it ends the process. Never returns without having filled `out`.
class SystemRandom : public Random {
 public:
  void fill(std::span<uint8_t> out) override;
};

}  // namespace culvert::crypto
