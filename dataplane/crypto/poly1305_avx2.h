// Poly1305 as poly1305_avx512.h, for AVX2: one packet to each 64-bit lane, four packets, four keys. Numbers modulo
// 2^130 - 5 stand in five limbs of 26 bits, because AVX2 multiplies 32 bits.
#pragma once

#include <algorithm>

#include "dataplane/crypto/lanes_avx2.h"

namespace culvert::aead::lanes::avx2 {

constexpr size_t kMacLanes = 4;

/// Limbs of four numbers. After reduce(): below 2^26 + 2^12.
struct Limbs {
  __m256i limb[5];
};

/// A factor, and those of its limbs that wrap around, times 5: 2^130 is 5 modulo 2^130 - 5. wrapped[0] is not used.
struct Factor {
  __m256i limb[5], wrapped[5];
};

/// Four packets to authenticate. All lanes must be filled; a lane without a packet may repeat another one. Holds
/// secrets: wipe it.
struct alignas(64) MacInput {
  Factor powers[4];                ///< r, r^2, r^3, r^4; filled by authenticate()
  const uint8_t* key[kMacLanes];   ///< the first 32 bytes are the one-time key
  const uint8_t* text[kMacLanes];  ///< ciphertext
  const uint8_t* aad[kMacLanes];
  uint64_t length[kMacLanes];
  uint64_t aad_length[kMacLanes];  ///< at most 16
  uint8_t tag[kMacLanes][16];      ///< result
};

constexpr uint64_t kMask26 = (uint64_t{1} << 26) - 1;

CULVERT_LANES_INLINE __m256i splat(uint64_t value) {
  return _mm256_set1_epi64x(static_cast<long long>(value));
}
CULVERT_LANES_INLINE __m256i low_26(__m256i a) {
  return _mm256_and_si256(a, splat(kMask26));
}

/// Blocks of 128 bits (in two halves) as numbers; `end` is 1 in each lane that has a block, else 0.
CULVERT_LANES_INLINE Limbs split(__m256i low, __m256i high, __m256i end) {
  __m256i middle = _mm256_or_si256(_mm256_srli_epi64(low, 52), _mm256_slli_epi64(high, 12));
  return {{low_26(low), low_26(_mm256_srli_epi64(low, 26)), low_26(middle), low_26(_mm256_srli_epi64(high, 14)),
           _mm256_or_si256(_mm256_srli_epi64(high, 40), _mm256_slli_epi64(end, 24))}};
}

CULVERT_LANES_INLINE Limbs add(const Limbs& a, const Limbs& b) {
  Limbs sum;
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 5; ++i) sum.limb[i] = _mm256_add_epi64(a.limb[i], b.limb[i]);
  return sum;
}

CULVERT_LANES_INLINE __m256i times5(__m256i a) {
  return _mm256_add_epi64(a, _mm256_slli_epi64(a, 2));
}

CULVERT_LANES_INLINE Factor factor(const Limbs& a) {
  Factor made;
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 5; ++i) {
    made.limb[i] = a.limb[i];
    made.wrapped[i] = times5(a.limb[i]);
  }
  return made;
}

/// Adds a * b. Limbs of `a` below 2^28: four such products fit, with 2^28.4 for those of `b` times 5.
CULVERT_LANES_INLINE void multiply_add(Limbs& sums, const Limbs& a, const Factor& b) {
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 5; ++i) {
    CULVERT_LANES_UNROLL
    for (int j = 0; j < 5; ++j) {
      __m256i with = i + j < 5 ? b.limb[j] : b.wrapped[j];
      sums.limb[(i + j) % 5] = _mm256_add_epi64(sums.limb[(i + j) % 5], _mm256_mul_epu32(a.limb[i], with));
    }
    // Keeps the compiler from reordering: else it finds no registers for all that it begins.
    __asm__ __volatile__(""
                         : "+x"(sums.limb[0]), "+x"(sums.limb[1]), "+x"(sums.limb[2]), "+x"(sums.limb[3]),
                           "+x"(sums.limb[4]));
  }
}

CULVERT_LANES_INLINE Limbs nothing() {
  __m256i zero = _mm256_setzero_si256();
  return {{zero, zero, zero, zero, zero}};
}

/// Carries between the limbs and wraps around what is above 2^130.
CULVERT_LANES_INLINE Limbs reduce(Limbs sums) {
  auto carry = [&](int from) CULVERT_LANES_LAMBDA {
    __m256i above = _mm256_srli_epi64(sums.limb[from], 26);
    sums.limb[from] = low_26(sums.limb[from]);
    __m256i& to = sums.limb[(from + 1) % 5];
    to = _mm256_add_epi64(to, from == 4 ? times5(above) : above);
  };
  carry(0), carry(3);  // two chains side by side
  carry(1), carry(4);
  carry(2), carry(0);
  carry(3);
  return sums;
}

CULVERT_LANES_INLINE Limbs multiply(const Limbs& a, const Factor& b) {
  Limbs sums = nothing();
  multiply_add(sums, a, b);
  return reduce(sums);
}

/// Four blocks of four packets: lower and upper halves, and whether the lane has the block.
struct Blocks {
  __m256i low[4], high[4], end[4];
};

/// From 64 bytes per packet.
template <class Bytes>
CULVERT_LANES_INLINE void load(Blocks& blocks, Bytes bytes_of) {
  CULVERT_LANES_UNROLL
  for (int pair = 0; pair < 2; ++pair) {
    __m256i rows[4];
    CULVERT_LANES_UNROLL
    for (size_t lane = 0; lane < 4; ++lane) rows[lane] = load256(bytes_of(lane) + 32 * pair);
    transpose_64(rows);
    CULVERT_LANES_UNROLL
    for (int i = 0; i < 2; ++i) {
      blocks.low[2 * pair + i] = rows[2 * i];
      blocks.high[2 * pair + i] = rows[2 * i + 1];
    }
  }
}

/// The hash after four more blocks.
CULVERT_LANES_INLINE Limbs absorb(const Limbs& hash, const Factor (&powers)[4], const Blocks& blocks) {
  Limbs sums = nothing();
  // The first block, which waits for the hash, comes last.
  CULVERT_LANES_UNROLL
  for (int i = 1; i < 4; ++i) multiply_add(sums, split(blocks.low[i], blocks.high[i], blocks.end[i]), powers[3 - i]);
  multiply_add(sums, add(hash, split(blocks.low[0], blocks.high[0], blocks.end[0])), powers[3]);
  return reduce(sums);
}

/// Where the blocks of four texts stand, in steps as those of poly1305_avx512.h: four blocks each, counted from the end
/// down to 1; a shorter text joins later, its AAD in front.
struct Texts {
  int64_t blocks[kMacLanes];      ///< the last one may be partial
  const uint8_t* end[kMacLanes];  ///< behind the last block, as if it were whole
  uint64_t longest = 0;           ///< in blocks
  uint64_t whole = UINT64_MAX;    ///< from this step down, all texts have four blocks
  uint64_t partial = 0;           ///< 1 when the last step has a partial block somewhere, else 0
};

inline Texts texts_of(const MacInput& input) {
  Texts texts;
  for (size_t lane = 0; lane < kMacLanes; ++lane) {
    uint64_t blocks = (input.length[lane] + 15) / 16;
    texts.blocks[lane] = static_cast<int64_t>(blocks);
    texts.end[lane] = input.text[lane] + 16 * blocks;
    texts.longest = std::max(texts.longest, blocks);
    texts.whole = std::min(texts.whole, blocks / 4);
    if (input.length[lane] % 16 != 0) texts.partial = 1;
  }
  return texts;
}

/// A step in which every text has four whole blocks.
CULVERT_LANES_INLINE Limbs absorb_whole(const Limbs& hash, const Factor (&powers)[4], const Texts& texts,
                                        uint64_t step) {
  Blocks blocks;
  load(blocks, [&](size_t lane) { return texts.end[lane] - 64 * step; });
  CULVERT_LANES_UNROLL
  for (auto& end : blocks.end) end = splat(1);
  return absorb(hash, powers, blocks);
}

/// What stands in any step, put together byte by byte. Reads nothing outside the texts.
struct alignas(32) PartialStep {
  uint8_t bytes[kMacLanes][64] = {};
  uint64_t end[4][kMacLanes] = {};

  PartialStep(const MacInput& input, const Texts& texts, uint64_t step) {
    for (size_t lane = 0; lane < kMacLanes; ++lane) {
      // Blocks from this step on: above 4 when the text began before it, negative when it begins after it.
      int64_t left = texts.blocks[lane] - 4 * static_cast<int64_t>(step - 1);
      if (left < 0) continue;
      size_t missing = left < 4 ? static_cast<size_t>(4 - left) : 0;
      if (missing > 0 && input.aad_length[lane] != 0) {
        std::memcpy(bytes[lane] + 16 * (missing - 1), input.aad[lane], input.aad_length[lane]);
        end[missing - 1][lane] = 1;
      }
      if (missing == 4) continue;
      for (size_t i = missing; i < 4; ++i) end[i][lane] = 1;
      size_t behind = step == 1 ? (0 - input.length[lane]) % 16 : 0;
      std::memcpy(bytes[lane] + 16 * missing, texts.end[lane] - 64 * step + 16 * missing, 64 - 16 * missing - behind);
    }
  }
};

/// Any step.
CULVERT_LANES_INLINE Limbs absorb_partial(const Limbs& hash, const MacInput& input, const Texts& texts, uint64_t step) {
  const PartialStep partial(input, texts, step);
  Blocks blocks;
  load(blocks, [&](size_t lane) { return partial.bytes[lane]; });
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 4; ++i) blocks.end[i] = load256(partial.end[i]);
  return absorb(hash, input.powers, blocks);
}

/// Four 64-bit words, one of each lane.
struct alignas(32) LaneWords {
  uint64_t of[kMacLanes] = {};
  CULVERT_LANES_INLINE __m256i all() const { return load256(of); }
};

/// The hash before the first step: 0, but for those of the longest texts whose first step has no room for the AAD.
CULVERT_LANES_INLINE Limbs first_hash(const MacInput& input, const Texts& texts) {
  if (texts.longest % 4 != 0) return nothing();
  LaneWords low, high, end;
  for (size_t lane = 0; lane < kMacLanes; ++lane) {
    if (static_cast<uint64_t>(texts.blocks[lane]) != texts.longest || input.aad_length[lane] == 0) continue;
    uint64_t aad[2] = {};
    std::memcpy(aad, input.aad[lane], input.aad_length[lane]);
    low.of[lane] = aad[0], high.of[lane] = aad[1], end.of[lane] = 1;
  }
  return multiply(split(low.all(), high.all(), end.all()), input.powers[0]);
}

/// Fills in the powers of r; returns the two halves of s, which is added at the end.
CULVERT_LANES_INLINE void load_keys(MacInput& input, __m256i& s_low, __m256i& s_high) {
  __m256i keys[4];
  CULVERT_LANES_UNROLL
  for (int lane = 0; lane < 4; ++lane) keys[lane] = load256(input.key[lane]);
  transpose_64(keys);
  s_low = keys[2];
  s_high = keys[3];
  __m256i r_low = _mm256_and_si256(keys[0], splat(0x0FFFFFFC0FFFFFFF));
  __m256i r_high = _mm256_and_si256(keys[1], splat(0x0FFFFFFC0FFFFFFC));
  Limbs power = split(r_low, r_high, _mm256_setzero_si256());
  Factor r = factor(power);
  input.powers[0] = r;
  Limbs square = multiply(power, r);
  Factor r2 = factor(square);
  input.powers[1] = r2;
  input.powers[2] = factor(multiply(power, r2));
  input.powers[3] = factor(multiply(square, r2));
}

/// Fully reduced and put together: the value modulo 2^130 - 5, its low 128 bits.
CULVERT_LANES_INLINE void pack(Limbs hash, __m256i& low, __m256i& high) {
  __m256i(&h)[5] = hash.limb;
  auto carry = [&](int from) CULVERT_LANES_LAMBDA {
    __m256i above = _mm256_srli_epi64(h[from], 26);
    h[from] = low_26(h[from]);
    h[(from + 1) % 5] = _mm256_add_epi64(h[(from + 1) % 5], from == 4 ? times5(above) : above);
  };
  // The second time round, what wraps around is so small that it ends in limb 1.
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 11; ++i) carry(i % 5);
  // Minus the modulus, where that isn't negative: 5 more, without the bit of 2^130.
  __m256i g[5], above = splat(5);
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 5; ++i) {
    g[i] = _mm256_add_epi64(h[i], above);
    above = _mm256_srli_epi64(g[i], 26);
    g[i] = low_26(g[i]);
  }
  const __m256i negative = _mm256_cmpeq_epi64(above, _mm256_setzero_si256());
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 5; ++i) h[i] = _mm256_blendv_epi8(g[i], h[i], negative);
  low = _mm256_or_si256(_mm256_or_si256(h[0], _mm256_slli_epi64(h[1], 26)), _mm256_slli_epi64(h[2], 52));
  high = _mm256_or_si256(_mm256_or_si256(_mm256_srli_epi64(h[2], 12), _mm256_slli_epi64(h[3], 14)),
                         _mm256_slli_epi64(h[4], 40));
}

/// Computes the tags of four packets.
CULVERT_LANES_INLINE void authenticate(MacInput& input) {
  __m256i s_low, s_high;
  load_keys(input, s_low, s_high);
  const Texts texts = texts_of(input);
  Limbs hash = first_hash(input, texts);
  uint64_t step = (texts.longest + 3) / 4;
  for (; step > texts.whole; --step) hash = absorb_partial(hash, input, texts, step);
  for (; step > texts.partial; --step) hash = absorb_whole(hash, input.powers, texts, step);
  if (step > 0) hash = absorb_partial(hash, input, texts, step);
  __m256i aad_lengths = load256(input.aad_length), lengths = load256(input.length);
  hash = multiply(add(hash, split(aad_lengths, lengths, splat(1))), input.powers[0]);

  __m256i low, high;
  pack(hash, low, high);
  __m256i tag_low = _mm256_add_epi64(low, s_low), tag_high = _mm256_add_epi64(high, s_high);
  // Carried when the sum is less than a summand; AVX2 compares signed numbers only.
  const __m256i sign = splat(uint64_t{1} << 63);
  __m256i carried = _mm256_cmpgt_epi64(_mm256_xor_si256(low, sign), _mm256_xor_si256(tag_low, sign));
  tag_high = _mm256_sub_epi64(tag_high, carried);
  __m256i even = _mm256_unpacklo_epi64(tag_low, tag_high), odd = _mm256_unpackhi_epi64(tag_low, tag_high);
  auto* tags = reinterpret_cast<__m256i*>(input.tag);
  _mm256_storeu_si256(tags, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(tags + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

}  // namespace culvert::aead::lanes::avx2
