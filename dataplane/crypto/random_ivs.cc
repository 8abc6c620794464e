#include "dataplane/crypto/random_ivs.h"

#include <sys/random.h>

#include <algorithm>

#include "dataplane/crypto/wipe.h"

namespace culvert::aead {

RandomIvs::~RandomIvs() {
  wipe(key_);
  wipe(stream_);
}

bool RandomIvs::start() {
  return getrandom(key_.data(), key_.size(), 0) == static_cast<ssize_t>(key_.size());
}

void RandomIvs::take(uint8_t* iv) {
  if (left_ == 0) [[unlikely]]
    refill();
  uint8_t* next = stream_.data() + kKeySize + --left_ * kIvSize;
  std::copy_n(next, kIvSize, iv);
  std::fill_n(next, kIvSize, uint8_t{0});
}

void RandomIvs::refill() {
  alignas(16) std::array<uint32_t, 60> encrypt, decrypt;
  alignas(16) constexpr std::array<uint8_t, 16> kCounter{};  // each key is used for one refill only
  IMB_AES_KEYEXP_256(manager_, key_.data(), encrypt.data(), decrypt.data());
  stream_.fill(0);
  IMB_JOB* job = IMB_GET_NEXT_JOB(manager_);
  job->cipher_mode = IMB_CIPHER_CNTR;
  job->cipher_direction = IMB_DIR_ENCRYPT;
  job->chain_order = IMB_ORDER_CIPHER_HASH;
  job->hash_alg = IMB_AUTH_NULL;
  job->enc_keys = encrypt.data();
  job->dec_keys = encrypt.data();
  job->key_len_in_bytes = kKeySize;
  job->iv = kCounter.data();
  job->iv_len_in_bytes = kCounter.size();
  job->src = stream_.data();
  job->dst = stream_.data();
  job->cipher_start_src_offset_in_bytes = 0;
  job->msg_len_to_cipher_in_bytes = stream_.size();
  if (IMB_SUBMIT_JOB_NOCHECK(manager_) == nullptr) IMB_FLUSH_JOB(manager_);
  std::copy_n(stream_.begin(), kKeySize, key_.begin());
  std::fill_n(stream_.begin(), kKeySize, uint8_t{0});
  wipe(encrypt);
  wipe(decrypt);
  left_ = kIvs;
}

}  // namespace culvert::aead
