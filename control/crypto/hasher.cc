// The functions below EVP are deprecated in OpenSSL 3.0, in favour of EVP; they are in all of its releases.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "control/crypto/hasher.h"

#include <algorithm>
#include <array>

namespace culvert::crypto {
namespace {

constexpr uint8_t kInnerPad = 0x36;
constexpr uint8_t kOuterPad = 0x5C;

template <auto Member, auto Begin, auto Add, auto End>
constexpr DirectHash direct_hash = {
    [](HashState& state) { return Begin(&(state.*Member)); },
    [](HashState& state, Bytes part) { return Add(&(state.*Member), part.data(), part.size()); },
    [](HashState& state, uint8_t* out) { return End(out, &(state.*Member)); }};

const DirectHash* direct(Digest digest) {
  switch (digest) {
    case Digest::kSha1:
      return &direct_hash<&HashState::sha1, SHA1_Init, SHA1_Update, SHA1_Final>;
    case Digest::kSha224:
      return &direct_hash<&HashState::sha256, SHA224_Init, SHA224_Update, SHA224_Final>;
    case Digest::kSha256:
      return &direct_hash<&HashState::sha256, SHA256_Init, SHA256_Update, SHA256_Final>;
    case Digest::kSha384:
      return &direct_hash<&HashState::sha512, SHA384_Init, SHA384_Update, SHA384_Final>;
    case Digest::kSha512:
      return &direct_hash<&HashState::sha512, SHA512_Init, SHA512_Update, SHA512_Final>;
    case Digest::kNone:
      break;
  }
  return nullptr;
}

HashFunction look_up(Digest digest) {
  const std::string name(digest_name(digest));
  const size_t block = digest_size(digest) > 32 ? 128 : 64;            // FIPS 180-4, figure 1
  EVP_MD* const known = EVP_MD_fetch(nullptr, name.c_str(), nullptr);  // kept until the process ends
  const bool below_evp = known != nullptr && only_default_provider();
  return {known, below_evp ? direct(digest) : nullptr, digest_size(digest), block};
}

}  // namespace

HashFunction hash_function(Digest digest) {
  static const std::array functions = {look_up(Digest::kSha1), look_up(Digest::kSha224), look_up(Digest::kSha256),
                                       look_up(Digest::kSha384), look_up(Digest::kSha512)};
  const size_t index = static_cast<size_t>(digest) - static_cast<size_t>(Digest::kSha1);
  return index < functions.size() ? functions[index] : HashFunction{};
}

HashFunction evp_hash_function(Digest digest) {
  HashFunction function = hash_function(digest);
  function.direct = nullptr;
  return function;
}

Hasher::Hasher(const HashFunction& function) : function_(function) {
  if (function.direct == nullptr && function.digest != nullptr) context_.reset(EVP_MD_CTX_new());
}

Hasher::~Hasher() {
  if (function_.direct != nullptr) OPENSSL_cleanse(&state_, sizeof(state_));  // OpenSSL wipes an EVP_MD_CTX
}

bool Hasher::begin() {
  if (function_.direct != nullptr) return function_.direct->begin(state_) == 1;
  return context_ && EVP_DigestInit_ex2(context_.get(), function_.digest, nullptr) == 1;
}

bool Hasher::add(std::initializer_list<Bytes> parts) {
  return std::ranges::all_of(parts, [this](Bytes part) {
    if (part.empty()) return true;
    if (function_.direct != nullptr) return function_.direct->add(state_, part) == 1;
    return EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1;
  });
}

bool Hasher::end(std::span<uint8_t> out) {
  if (out.size() < function_.size) return false;
  if (function_.direct != nullptr) return function_.direct->end(state_, out.data()) == 1;
  unsigned size = 0;
  return EVP_DigestFinal_ex(context_.get(), out.data(), &size) == 1 && size == function_.size;
}

bool Hasher::resume(const Hasher& other) {
  if (function_.direct == nullptr) return context_ && EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1;
  state_ = other.state_;
  return true;
}

bool Hasher::hash(std::initializer_list<Bytes> parts, std::span<uint8_t> out) {
  return begin() && add(parts) && end(out);
}

HmacKey::HmacKey(const HashFunction& function, Bytes key)
    : function_(function), inner_(function), outer_(function), work_(function) {
  Secret<kMaxHashBlock> pad;
  const auto turn = [&pad](uint8_t with) {
    for (uint8_t& byte : pad.bytes()) byte ^= with;
  };
  if (key.size() <= function.block)
    std::ranges::copy(key, pad.bytes().begin());
  else if (!work_.hash({key}, pad.span()))
    good_ = false;
  const Bytes block = Bytes(pad.bytes()).first(function.block);
  turn(kInnerPad);
  good_ = good_ && inner_.begin() && inner_.add({block});
  turn(kInnerPad ^ kOuterPad);
  good_ = good_ && outer_.begin() && outer_.add({block});
}

bool HmacKey::tag(std::initializer_list<Bytes> parts, std::span<uint8_t> out) {
  Secret<kMaxDigestSize> inner;
  return good_ && work_.resume(inner_) && work_.add(parts) && work_.end(inner.span()) && work_.resume(outer_) &&
         work_.add({inner.span().first(function_.size)}) && work_.end(out);
}

}  // namespace culvert::crypto
