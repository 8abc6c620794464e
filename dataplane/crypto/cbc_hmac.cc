#include "dataplane/crypto/cbc_hmac.h"

#include "dataplane/crypto/wipe.h"

namespace culvert::aead {
namespace {

using abi::Cipher;
using abi::Digest;

IMB_HASH_ALG algorithm(Digest digest) {
  switch (digest) {
    case Digest::kNone:
      break;
    case Digest::kSha1:
      return IMB_AUTH_HMAC_SHA_1;
    case Digest::kSha224:
      return IMB_AUTH_HMAC_SHA_224;
    case Digest::kSha256:
      return IMB_AUTH_HMAC_SHA_256;
    case Digest::kSha384:
      return IMB_AUTH_HMAC_SHA_384;
    case Digest::kSha512:
      return IMB_AUTH_HMAC_SHA_512;
  }
  return IMB_AUTH_NULL;
}

/// State of the digest after its first block, the HMAC key with `pad` (RFC 2104): what HMAC of every packet begins
/// with.
void hash_padded_key(IMB_MGR* manager, Digest digest, const abi::DirectionKey& from, uint8_t pad, uint8_t* state) {
  alignas(64) std::array<uint8_t, IMB_SHA_512_BLOCK_SIZE> block;
  block.fill(pad);
  for (size_t i = 0; i < abi::digest_size(digest); ++i) block[i] = static_cast<uint8_t>(block[i] ^ from.hmac[i]);
  switch (digest) {
    case Digest::kNone:
      break;
    case Digest::kSha1:
      IMB_SHA1_ONE_BLOCK(manager, block.data(), state);
      break;
    case Digest::kSha224:
      IMB_SHA224_ONE_BLOCK(manager, block.data(), state);
      break;
    case Digest::kSha256:
      IMB_SHA256_ONE_BLOCK(manager, block.data(), state);
      break;
    case Digest::kSha384:
      IMB_SHA384_ONE_BLOCK(manager, block.data(), state);
      break;
    case Digest::kSha512:
      IMB_SHA512_ONE_BLOCK(manager, block.data(), state);
      break;
  }
  wipe(block);
}

}  // namespace

void CbcHmac::expand(Cipher cipher, Digest digest, const abi::DirectionKey& from, CbcKey& key) {
  switch (cipher) {
    case Cipher::kAes128Cbc:
      key.key_size = 16;
      IMB_AES_KEYEXP_128(manager_, from.key.data(), key.encrypt.data(), key.decrypt.data());
      break;
    case Cipher::kAes192Cbc:
      key.key_size = 24;
      IMB_AES_KEYEXP_192(manager_, from.key.data(), key.encrypt.data(), key.decrypt.data());
      break;
    default:
      key.key_size = 32;
      IMB_AES_KEYEXP_256(manager_, from.key.data(), key.encrypt.data(), key.decrypt.data());
      break;
  }
  key.digest = digest;
  key.tag_size = abi::digest_size(digest);
  hash_padded_key(manager_, digest, from, 0x36, key.inner.data());
  hash_padded_key(manager_, digest, from, 0x5c, key.outer.data());
}

void CbcHmac::seal(std::span<Job> jobs) {
  for (Job& job : jobs) ivs_.take(job.text - kIvSize);  // before the first job: taking may need the manager
  for (Job& job : jobs) submit(IMB_DIR_ENCRYPT, job, job.tag);
  finish();
}

void CbcHmac::open(std::span<Job> jobs) {
  constexpr size_t kAtOnce = 64;
  alignas(64) std::array<std::array<uint8_t, kMaxCbcTag>, kAtOnce> tags;
  while (!jobs.empty()) {
    auto now = jobs.first(std::min(jobs.size(), kAtOnce));
    jobs = jobs.subspan(now.size());
    for (size_t i = 0; i < now.size(); ++i) submit(IMB_DIR_DECRYPT, now[i], tags[i].data());
    finish();
    for (size_t i = 0; i < now.size(); ++i)
      now[i].authentic = equal_bytes(tags[i].data(), now[i].tag, now[i].key->cbc.tag_size);
  }
}

// Encryption fills `src` before the hash reads it, decryption after: both are in place.
void CbcHmac::submit(IMB_CIPHER_DIRECTION direction, const Job& packet, uint8_t* tag) {
  const CbcKey& key = packet.key->cbc;
  IMB_JOB* job = IMB_GET_NEXT_JOB(manager_);
  job->cipher_mode = IMB_CIPHER_CBC;
  job->cipher_direction = direction;
  job->chain_order = direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
  job->hash_alg = algorithm(key.digest);
  job->enc_keys = key.encrypt.data();
  job->dec_keys = key.decrypt.data();
  job->key_len_in_bytes = key.key_size;
  job->iv = packet.text - kIvSize;
  job->iv_len_in_bytes = kIvSize;
  job->src = packet.text - kIvSize;
  job->dst = packet.text;
  job->cipher_start_src_offset_in_bytes = kIvSize;
  job->msg_len_to_cipher_in_bytes = packet.length;
  job->hash_start_src_offset_in_bytes = 0;
  job->msg_len_to_hash_in_bytes = packet.length + kIvSize;
  job->auth_tag_output = tag;
  job->auth_tag_output_len_in_bytes = key.tag_size;
  job->u.HMAC._hashed_auth_key_xor_ipad = key.inner.data();
  job->u.HMAC._hashed_auth_key_xor_opad = key.outer.data();
  IMB_SUBMIT_JOB_NOCHECK(manager_);
}

void CbcHmac::finish() {
  while (IMB_FLUSH_JOB(manager_) != nullptr) {
  }
}

}  // namespace culvert::aead
