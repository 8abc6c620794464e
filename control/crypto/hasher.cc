#include "control/crypto/hasher.h"

#include <algorithm>
#include <array>

namespace culvert::crypto {
namespace {

constexpr uint8_t kInnerPad = 0x36;
constexpr uint8_t kOuterPad = 0x5C;

HashFunction look_up(Digest digest) {
  const std::string name(digest_name(digest));
  const size_t block = digest_size(digest) > 32 ? 128 : 64;                           // FIPS 180-4, figure 1
  return {EVP_MD_fetch(nullptr, name.c_str(), nullptr), digest_size(digest), block};  // kept until the process ends
}

}  // namespace

HashFunction hash_function(Digest digest) {
  static const std::array functions = {look_up(Digest::kSha1), look_up(Digest::kSha224), look_up(Digest::kSha256),
                                       look_up(Digest::kSha384), look_up(Digest::kSha512)};
  const size_t index = static_cast<size_t>(digest) - static_cast<size_t>(Digest::kSha1);
  return index < functions.size() ? functions[index] : HashFunction{};
}

bool Hasher::begin() {
  return context_ && function_.digest != nullptr && EVP_DigestInit_ex2(context_.get(), function_.digest, nullptr) == 1;
}

bool Hasher::add(std::initializer_list<Bytes> parts) {
  return std::ranges::all_of(parts, [this](Bytes part) {
    return part.empty() || EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1;
  });
}

bool Hasher::end(std::span<uint8_t> out) {
  unsigned size = 0;
  return out.size() >= function_.size && EVP_DigestFinal_ex(context_.get(), out.data(), &size) == 1 &&
         size == function_.size;
}

bool Hasher::hash(std::initializer_list<Bytes> parts, std::span<uint8_t> out) {
  return begin() && add(parts) && end(out);
}

bool Hasher::hmac(Bytes key, std::initializer_list<Bytes> parts, std::span<uint8_t> out) {
  Secret<kMaxHashBlock> memory;
  Secret<kMaxDigestSize> inner;
  const auto pad = memory.span().first(function_.block);
  if (key.size() <= pad.size())
    std::ranges::copy(key, pad.begin());
  else if (!hash({key}, pad))
    return false;
  for (uint8_t& byte : pad) byte ^= kInnerPad;
  if (!begin() || !add({pad}) || !add(parts) || !end(inner.span())) return false;
  for (uint8_t& byte : pad) byte ^= kInnerPad ^ kOuterPad;
  return hash({pad, inner.span().first(function_.size)}, out);
}

}  // namespace culvert::crypto
