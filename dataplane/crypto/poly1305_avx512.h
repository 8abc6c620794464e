// Poly1305 (RFC 8439, 2.5) as the AEAD of section 2.8 uses it, one packet to each 64-bit lane: eight packets, eight
// keys. Numbers modulo 2^130 - 5 stand in three limbs of 44, 44 and 42 bits, because AVX-512 IFMA multiplies 52 bits
// and limbs with room need no carry inside a sum of products.
#pragma once

#include "dataplane/crypto/lanes_avx512.h"

namespace culvert::aead::lanes::avx512 {

constexpr size_t kMacLanes = 8;

/// Limbs of eight numbers. After reduce(): below 2^44, 2^44 + 2^10 and 2^42.
struct Limbs {
  __m512i limb[3];
};

/// A factor, and the two of its limbs that wrap around, times 20: 2^132 is 4 * 5 modulo 2^130 - 5.
struct Factor {
  __m512i limb[3];
  __m512i wrapped1, wrapped2;
};

/// Sums of products by weight: low[i] in units of 2^(44 i), high[i] in units of 2^(44 i + 52).
struct Sums {
  __m512i low[3], high[3];
};

/// Eight packets to authenticate. All lanes must be filled; a lane without a packet may repeat another one. Holds
/// secrets: wipe it.
struct alignas(64) MacInput {
  Factor powers[4];                ///< r, r^2, r^3, r^4; filled by authenticate()
  const uint8_t* key[kMacLanes];   ///< 64 bytes of which the first 32 are the one-time key
  const uint8_t* text[kMacLanes];  ///< ciphertext
  const uint8_t* aad[kMacLanes];
  uint64_t length[kMacLanes];
  uint64_t aad_length[kMacLanes];  ///< at most 16
  uint8_t tag[kMacLanes][16];      ///< result
};

CULVERT_LANES_INLINE __m512i splat(uint64_t value) {
  return _mm512_set1_epi64(static_cast<long long>(value));
}
CULVERT_LANES_INLINE __m512i low_bits(int bits) {
  return splat((uint64_t{1} << bits) - 1);
}
constexpr uint64_t kBlockEnd = uint64_t{1} << 40;  ///< the bit behind a block's 128, in limb 2

/// Blocks of 128 bits (in two halves) as numbers; `end` is kBlockEnd in each lane that has a block, else 0.
CULVERT_LANES_INLINE Limbs split(__m512i low, __m512i high, __m512i end) {
  constexpr int kOrAnd = 0xA8;  // (a | b) & c
  __m512i middle =
      _mm512_ternarylogic_epi64(_mm512_srli_epi64(low, 44), _mm512_slli_epi64(high, 20), low_bits(44), kOrAnd);
  return {{_mm512_and_si512(low, low_bits(44)), middle, _mm512_or_si512(_mm512_srli_epi64(high, 24), end)}};
}

CULVERT_LANES_INLINE Limbs add(const Limbs& a, const Limbs& b) {
  return {{_mm512_add_epi64(a.limb[0], b.limb[0]), _mm512_add_epi64(a.limb[1], b.limb[1]),
           _mm512_add_epi64(a.limb[2], b.limb[2])}};
}

CULVERT_LANES_INLINE __m512i times5(__m512i a) {
  return _mm512_add_epi64(a, _mm512_slli_epi64(a, 2));
}

CULVERT_LANES_INLINE Factor factor(const Limbs& a) {
  return {{a.limb[0], a.limb[1], a.limb[2]},
          _mm512_slli_epi64(times5(a.limb[1]), 2),
          _mm512_slli_epi64(times5(a.limb[2]), 2)};
}

CULVERT_LANES_INLINE void multiply_add(Sums& sums, int weight, __m512i a, __m512i b) {
  sums.low[weight] = _mm512_madd52lo_epu64(sums.low[weight], a, b);
  sums.high[weight] = _mm512_madd52hi_epu64(sums.high[weight], a, b);
}

/// Adds a * b. Limbs of `a` up to 2^46, so that four such products fit in `sums`.
CULVERT_LANES_INLINE void multiply_add(Sums& sums, const Limbs& a, const Factor& b) {
  multiply_add(sums, 0, a.limb[2], b.wrapped1);
  multiply_add(sums, 1, a.limb[2], b.wrapped2);
  multiply_add(sums, 2, a.limb[2], b.limb[0]);
  multiply_add(sums, 0, a.limb[0], b.limb[0]);
  multiply_add(sums, 1, a.limb[0], b.limb[1]);
  multiply_add(sums, 2, a.limb[0], b.limb[2]);
  multiply_add(sums, 0, a.limb[1], b.wrapped2);
  multiply_add(sums, 1, a.limb[1], b.limb[0]);
  multiply_add(sums, 2, a.limb[1], b.limb[1]);
}

CULVERT_LANES_INLINE Sums no_sums() {
  __m512i zero = _mm512_setzero_si512();
  return {{zero, zero, zero}, {zero, zero, zero}};
}

/// Carries between the limbs and wraps around what is above 2^130.
CULVERT_LANES_INLINE Limbs reduce(const Sums& sums) {
  const __m512i mask44 = low_bits(44), mask42 = low_bits(42);
  __m512i weight0 = sums.low[0];
  __m512i weight1 = _mm512_add_epi64(sums.low[1], _mm512_slli_epi64(sums.high[0], 8));
  __m512i weight2 = _mm512_add_epi64(sums.low[2], _mm512_slli_epi64(sums.high[1], 8));
  __m512i above = _mm512_add_epi64(_mm512_slli_epi64(sums.high[2], 10), _mm512_srli_epi64(weight2, 42));
  __m512i limb2 = _mm512_add_epi64(_mm512_and_si512(weight2, mask42), _mm512_srli_epi64(weight1, 44));
  __m512i limb1 = _mm512_add_epi64(_mm512_and_si512(weight1, mask44), _mm512_srli_epi64(weight0, 44));
  __m512i limb0 = _mm512_add_epi64(_mm512_and_si512(weight0, mask44), times5(above));
  return {{_mm512_and_si512(limb0, mask44), _mm512_add_epi64(limb1, _mm512_srli_epi64(limb0, 44)), limb2}};
}

CULVERT_LANES_INLINE Limbs multiply(const Limbs& a, const Factor& b) {
  Sums sums = no_sums();
  multiply_add(sums, a, b);
  return reduce(sums);
}

/// The hash after four more blocks, whose halves follow each other in `halves`. `end` as in split().
CULVERT_LANES_INLINE Limbs absorb(const Limbs& hash, const Factor (&powers)[4], const __m512i (&halves)[8],
                                  const __m512i (&end)[4]) {
  Sums sums = no_sums();
  // The first block, which waits for the hash, comes last.
  CULVERT_LANES_UNROLL
  for (int i = 1; i < 4; ++i) multiply_add(sums, split(halves[2 * i], halves[2 * i + 1], end[i]), powers[3 - i]);
  multiply_add(sums, add(hash, split(halves[0], halves[1], end[0])), powers[3]);
  return reduce(sums);
}

/// The AAD of each packet, at most one block, which is padded with zeros. Without AAD there is no block.
struct Aad {
  __m512i low, high, end;
};

CULVERT_LANES_INLINE Aad aad_of(const MacInput& input) {
  __m128i aad[8];
  CULVERT_LANES_UNROLL
  for (int lane = 0; lane < 8; ++lane)
    aad[lane] = _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << input.aad_length[lane]) - 1), input.aad[lane]);
  __m512i even = four(aad[0], aad[2], aad[4], aad[6]), odd = four(aad[1], aad[3], aad[5], aad[7]);
  __m512i length = _mm512_load_si512(input.aad_length);
  return {_mm512_unpacklo_epi64(even, odd), _mm512_unpackhi_epi64(even, odd),
          _mm512_maskz_mov_epi64(_mm512_test_epi64_mask(length, length), splat(kBlockEnd))};
}

/// Where the blocks of eight texts stand. They are taken in steps of four, counted from the end, so that all texts end
/// together. A shorter one joins later, its AAD standing before its first block. What is before that is the number 0
/// (no bit behind it), which leaves a hash of 0 as it is.
struct Texts {
  Aad aad;
  __m512i length;    ///< in bytes
  __m512i blocks;    ///< the last one may be partial
  uint64_t end[8];   ///< address behind the last block, as if it were whole
  uint64_t longest;  ///< in blocks
  uint64_t whole;    ///< from this step down, all texts have four blocks; steps count down to 1, the last
  uint64_t partial;  ///< 1 when the last step has a partial block somewhere, else 0
};

CULVERT_LANES_INLINE Texts texts_of(const MacInput& input) {
  Texts texts;
  texts.aad = aad_of(input);
  texts.length = _mm512_load_si512(input.length);
  texts.blocks = _mm512_srli_epi64(_mm512_add_epi64(texts.length, splat(15)), 4);
  _mm512_storeu_si512(texts.end, _mm512_add_epi64(_mm512_load_si512(input.text), _mm512_slli_epi64(texts.blocks, 4)));
  texts.longest = _mm512_reduce_max_epu64(texts.blocks);
  texts.whole = _mm512_reduce_min_epu64(texts.blocks) / 4;
  texts.partial = _mm512_test_epi64_mask(texts.length, splat(15)) != 0 ? 1 : 0;
  return texts;
}

CULVERT_LANES_INLINE const uint8_t* address(const Texts& texts, int lane, uint64_t step) {
  return reinterpret_cast<const uint8_t*>(texts.end[lane] - 64 * step);
}

/// A step in which every text has four whole blocks. Loads by blocks do a part of what transposing would take, and the
/// unit for permutations, of which there is one, is what limits that.
CULVERT_LANES_INLINE Limbs absorb_whole(const Limbs& hash, const Factor (&powers)[4], const Texts& texts,
                                        uint64_t step) {
  const uint8_t* at[8];
  CULVERT_LANES_UNROLL
  for (int lane = 0; lane < 8; ++lane) {
    at[lane] = address(texts, lane, step);
    _mm_prefetch(reinterpret_cast<const char*>(at[lane]) + kAhead, _MM_HINT_T0);
  }
  __m512i halves[8];
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 4; ++i) {
    auto block = [&](int lane) CULVERT_LANES_LAMBDA { return load16(at[lane] + 16 * i); };
    __m512i even = four(block(0), block(2), block(4), block(6)), odd = four(block(1), block(3), block(5), block(7));
    halves[2 * i] = _mm512_unpacklo_epi64(even, odd);
    halves[2 * i + 1] = _mm512_unpackhi_epi64(even, odd);
  }
  const __m512i end = splat(kBlockEnd);
  return absorb(hash, powers, halves, {end, end, end, end});
}

/// Any step. Touches no byte outside the texts.
CULVERT_LANES_INLINE Limbs absorb_masked(const Limbs& hash, const Factor (&powers)[4], const Texts& texts,
                                         uint64_t step) {
  // Blocks from this step on: above 4 when the text began before it, negative when it begins after it.
  __m512i left = _mm512_sub_epi64(texts.blocks, splat(4 * (step - 1)));
  // Bytes of this step before the text and behind it. A shift by 64 or more leaves 0.
  __m512i before = _mm512_slli_epi64(_mm512_sub_epi64(splat(4), left), 4);
  before = _mm512_max_epi64(before, _mm512_setzero_si512());
  __m512i behind = _mm512_sub_epi64(_mm512_slli_epi64(texts.blocks, 4), texts.length);
  if (step > 1) behind = _mm512_setzero_si512();
  const __m512i ones = splat(~uint64_t{0});
  alignas(64) uint64_t present[8];
  _mm512_store_si512(present, _mm512_and_si512(_mm512_sllv_epi64(ones, before), _mm512_srlv_epi64(ones, behind)));
  // A text that begins later is not looked for where it isn't: loads of nothing, too, wait for memory.
  __m512i own_steps = _mm512_srli_epi64(_mm512_add_epi64(texts.blocks, splat(3)), 2);
  __m512i back = _mm512_slli_epi64(_mm512_min_epu64(own_steps, splat(step)), 6);
  alignas(64) uint64_t at[8];
  _mm512_store_si512(at, _mm512_sub_epi64(_mm512_loadu_si512(texts.end), back));
  __m512i packets[8];
  CULVERT_LANES_UNROLL
  for (int lane = 0; lane < 8; ++lane)
    packets[lane] = _mm512_maskz_loadu_epi8(present[lane], reinterpret_cast<const void*>(at[lane]));
  transpose_64(packets);
  __m512i end[4];
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 4; ++i) {
    __mmask8 text = _mm512_cmpge_epi64_mask(left, _mm512_set1_epi64(4 - i));
    __mmask8 aad = _mm512_cmpeq_epi64_mask(left, _mm512_set1_epi64(3 - i));
    packets[2 * i] = _mm512_mask_mov_epi64(packets[2 * i], aad, texts.aad.low);
    packets[2 * i + 1] = _mm512_mask_mov_epi64(packets[2 * i + 1], aad, texts.aad.high);
    end[i] = _mm512_mask_mov_epi64(_mm512_maskz_mov_epi64(text, splat(kBlockEnd)), aad, texts.aad.end);
  }
  return absorb(hash, powers, packets, end);
}

/// The hash before the first step: 0, but for those of the longest texts whose first step has no room for the AAD.
CULVERT_LANES_INLINE Limbs first_hash(const Texts& texts, const Factor& r) {
  Aad aad = texts.aad;
  __mmask8 now = _mm512_cmpeq_epi64_mask(texts.blocks, splat(texts.longest));
  if (texts.longest % 4 != 0) now = 0;
  return multiply(split(_mm512_maskz_mov_epi64(now, aad.low), _mm512_maskz_mov_epi64(now, aad.high),
                        _mm512_maskz_mov_epi64(now, aad.end)),
                  r);
}

/// Fully reduced and put together: the value modulo 2^130 - 5, its low 128 bits.
CULVERT_LANES_INLINE void pack(const Limbs& hash, __m512i& low, __m512i& high) {
  const __m512i mask44 = low_bits(44), mask42 = low_bits(42);
  __m512i h1 = hash.limb[1];
  __m512i h2 = _mm512_add_epi64(hash.limb[2], _mm512_srli_epi64(h1, 44));
  __m512i h0 = _mm512_add_epi64(hash.limb[0], times5(_mm512_srli_epi64(h2, 42)));
  h1 = _mm512_add_epi64(_mm512_and_si512(h1, mask44), _mm512_srli_epi64(h0, 44));
  h0 = _mm512_and_si512(h0, mask44);
  h2 = _mm512_add_epi64(_mm512_and_si512(h2, mask42), _mm512_srli_epi64(h1, 44));
  h1 = _mm512_and_si512(h1, mask44);
  // Now below 2^130. Minus the modulus, where that isn't negative.
  __m512i g0 = _mm512_add_epi64(h0, splat(5));
  __m512i g1 = _mm512_add_epi64(h1, _mm512_srli_epi64(g0, 44));
  __m512i g2 = _mm512_sub_epi64(_mm512_add_epi64(h2, _mm512_srli_epi64(g1, 44)), splat(uint64_t{1} << 42));
  __mmask8 negative = _mm512_movepi64_mask(g2);
  h0 = _mm512_mask_blend_epi64(negative, _mm512_and_si512(g0, mask44), h0);
  h1 = _mm512_mask_blend_epi64(negative, _mm512_and_si512(g1, mask44), h1);
  h2 = _mm512_mask_blend_epi64(negative, g2, h2);
  low = _mm512_or_si512(h0, _mm512_slli_epi64(h1, 44));
  high = _mm512_or_si512(_mm512_srli_epi64(h1, 20), _mm512_slli_epi64(h2, 24));
}

/// Fills in the powers of r; returns the two halves of s, which is added at the end.
CULVERT_LANES_INLINE void load_keys(MacInput& input, __m512i& s_low, __m512i& s_high) {
  __m512i keys[8];
  CULVERT_LANES_UNROLL
  for (int lane = 0; lane < 8; ++lane) keys[lane] = _mm512_loadu_si512(input.key[lane]);
  transpose_64(keys);
  s_low = keys[2];
  s_high = keys[3];
  __m512i r_low = _mm512_and_si512(keys[0], splat(0x0FFFFFFC0FFFFFFF));
  __m512i r_high = _mm512_and_si512(keys[1], splat(0x0FFFFFFC0FFFFFFC));
  Limbs power = split(r_low, r_high, _mm512_setzero_si512());
  Factor r = factor(power);
  input.powers[0] = r;
  Limbs square = multiply(power, r);
  Factor r2 = factor(square);
  input.powers[1] = r2;
  input.powers[2] = factor(multiply(power, r2));
  input.powers[3] = factor(multiply(square, r2));
}

/// Computes the tags of eight packets.
CULVERT_LANES_INLINE void authenticate(MacInput& input) {
  __m512i s_low, s_high;
  load_keys(input, s_low, s_high);
  const Texts texts = texts_of(input);
  Limbs hash = first_hash(texts, input.powers[0]);
  uint64_t step = (texts.longest + 3) / 4;
  for (; step > texts.whole; --step) hash = absorb_masked(hash, input.powers, texts, step);
  for (; step > texts.partial; --step) hash = absorb_whole(hash, input.powers, texts, step);
  if (step > 0) hash = absorb_masked(hash, input.powers, texts, step);
  __m512i lengths_low = _mm512_load_si512(input.aad_length);
  hash = multiply(add(hash, split(lengths_low, texts.length, splat(kBlockEnd))), input.powers[0]);

  __m512i low, high;
  pack(hash, low, high);
  __m512i tag_low = _mm512_add_epi64(low, s_low);
  __m512i tag_high = _mm512_add_epi64(high, s_high);
  tag_high = _mm512_mask_add_epi64(tag_high, _mm512_cmplt_epu64_mask(tag_low, low), tag_high, splat(1));
  const __m512i first_four = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
  const __m512i last_four = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
  _mm512_store_si512(input.tag[0], _mm512_permutex2var_epi64(tag_low, first_four, tag_high));
  _mm512_store_si512(input.tag[4], _mm512_permutex2var_epi64(tag_low, last_four, tag_high));
}

}  // namespace culvert::aead::lanes::avx512
