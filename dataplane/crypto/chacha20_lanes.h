// ChaCha20 (RFC 8439, 2.3 and 2.4), one block of 64 bytes to each 32-bit lane of the vectors. Every lane has a key,
// nonce and counter of its own, so that blocks of any packets fill a pass.
#pragma once

#include "dataplane/crypto/chacha_lanes.h"

namespace culvert::aead::lanes {

/// Blocks of one vector, and of a pass: two vectors, which together use every register and hide the latency of the
/// rounds.
constexpr size_t kVectorBlocks = 16;
constexpr size_t kPassBlocks = 2 * kVectorBlocks;

/// What each lane of a pass computes. The lists have room for what add_blocks() writes too much. Holds secrets: wipe
/// `initial`.
struct alignas(64) ChachaPass {
  __m512i initial[2][12];                  ///< initial state without its constants, word by word; filled by run()
  __m128i counter_nonce[kPassBlocks + 4];  ///< 32-bit counter, then the nonce
  const uint8_t* key[kPassBlocks + 8];     ///< 32 bytes
  uint8_t* text[kPassBlocks + 8];          ///< up to 64 bytes, in place
  uint64_t present[kPassBlocks + 8];       ///< bit i: byte i of `text` exists
};

/// Gives lanes `at` … `at` + `count` - 1 (count > 0) the blocks of one packet that start at `text` and with
/// `counter_nonce`. The last lane has `last_present` of its bytes.
CULVERT_LANES_INLINE void add_blocks(ChachaPass& pass, size_t at, size_t count, const uint8_t* key,
                                     __m128i counter_nonce, uint8_t* text, uint64_t last_present) {
  // The rounds give the cache time to bring the text.
  for (size_t i = 0; i < count; ++i) _mm_prefetch(reinterpret_cast<const char*>(text + 64 * i), _MM_HINT_T0);
  if (count == 1) {
    pass.key[at] = key;
    pass.text[at] = text;
    pass.present[at] = last_present;
    pass.counter_nonce[at] = counter_nonce;
    return;
  }
  const __m512i keys = _mm512_set1_epi64(reinterpret_cast<long long>(key));
  __m512i texts = _mm512_add_epi64(_mm512_set1_epi64(reinterpret_cast<long long>(text)),
                                   _mm512_set_epi64(448, 384, 320, 256, 192, 128, 64, 0));
  for (size_t i = 0; i < count; i += 8, texts = _mm512_add_epi64(texts, _mm512_set1_epi64(512))) {
    _mm512_storeu_si512(pass.key + at + i, keys);
    _mm512_storeu_si512(pass.text + at + i, texts);
    _mm512_storeu_si512(pass.present + at + i, _mm512_set1_epi64(-1));
  }
  pass.present[at + count - 1] = last_present;
  const __m512i lane = _mm512_set_epi32(0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0);
  const __m512i four_on = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4);
  __m512i counters = _mm512_add_epi32(_mm512_broadcast_i32x4(counter_nonce), lane);
  for (size_t i = 0; i < count; i += 4, counters = _mm512_add_epi32(counters, four_on))
    _mm512_storeu_si512(pass.counter_nonce + at + i, counters);
}

/// The 16 words of the state, each for 16 blocks.
using ChachaState = __m512i[16];

template <int kBits>
CULVERT_LANES_INLINE void add_xor_rotate(__m512i& sum, __m512i addend, __m512i& rotated) {
  sum = _mm512_add_epi32(sum, addend);
  rotated = _mm512_rol_epi32(_mm512_xor_si512(rotated, sum), kBits);
  // Keeps the compiler from reordering: the 32 words of two vectors have 32 registers only as long as each result takes
  // the place of its operand (a sixth faster with GCC 12).
  __asm__ __volatile__("" : "+v"(sum), "+v"(rotated));
}

/// One step of all quarter rounds of a round. kFrom: how far the second, third and fourth row stand rotated: 0 in a
/// column round, 1 in a diagonal round.
template <int kBits, int kSum, int kAddend, int kRotated, int kFrom, int kVectors>
CULVERT_LANES_INLINE void step(ChachaState (&state)[kVectors]) {
  CULVERT_LANES_UNROLL
  for (auto& words : state) {
    CULVERT_LANES_UNROLL
    for (int i = 0; i < 4; ++i)
      add_xor_rotate<kBits>(words[4 * kSum + (i + kSum * kFrom) % 4], words[4 * kAddend + (i + kAddend * kFrom) % 4],
                            words[4 * kRotated + (i + kRotated * kFrom) % 4]);
  }
}

template <int kFrom, int kVectors>
CULVERT_LANES_INLINE void round(ChachaState (&state)[kVectors]) {
  step<16, 0, 1, 3, kFrom>(state);
  step<12, 2, 3, 1, kFrom>(state);
  step<8, 0, 1, 3, kFrom>(state);
  step<7, 2, 3, 1, kFrom>(state);
}

/// Words `at` … `at` + 3 of the initial state, from 16 bytes per block that `row` points to.
template <class Row>
CULVERT_LANES_INLINE void gather(__m512i* words, Row row) {
  __m512i in[4];
  CULVERT_LANES_UNROLL
  for (size_t i = 0; i < 4; ++i)
    in[i] = four(load16(row(i)), load16(row(i + 4)), load16(row(i + 8)), load16(row(i + 12)));
  transpose_quarters(in[0], in[1], in[2], in[3]);
  CULVERT_LANES_UNROLL
  for (size_t i = 0; i < 4; ++i) words[i] = in[i];
}

/// XORs 16 blocks of key stream, still word by word, into their texts.
CULVERT_LANES_INLINE void apply(ChachaState& words, uint8_t* const* text, const uint64_t* present) {
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 16; i += 4) transpose_quarters(words[i], words[i + 1], words[i + 2], words[i + 3]);
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 4; ++i) {
    transpose_128(words[i], words[i + 4], words[i + 8], words[i + 12]);
    CULVERT_LANES_UNROLL
    for (int quarter = 0; quarter < 4; ++quarter) {
      int block = 4 * quarter + i;
      __mmask64 mask = present[block];
      __m512i in = _mm512_maskz_loadu_epi8(mask, text[block]);
      _mm512_mask_storeu_epi8(text[block], mask, _mm512_xor_si512(in, words[i + 4 * quarter]));
    }
  }
}

/// Computes the first 16 * kVectors blocks of `pass` and applies them to their texts.
template <int kVectors>
CULVERT_LANES_INLINE void run(ChachaPass& pass) {
  constexpr int kConstants[] = {0x61707865, 0x3320646E, 0x79622D32, 0x6B206574};
  CULVERT_LANES_UNROLL
  for (size_t v = 0; v < kVectors; ++v) {
    size_t first = v * kVectorBlocks;
    gather(pass.initial[v], [&](size_t i) { return pass.key[first + i]; });
    gather(pass.initial[v] + 4, [&](size_t i) { return pass.key[first + i] + 16; });
    gather(pass.initial[v] + 8, [&](size_t i) { return &pass.counter_nonce[first + i]; });
  }
  ChachaState state[kVectors];
  CULVERT_LANES_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    CULVERT_LANES_UNROLL
    for (int i = 0; i < 16; ++i) state[v][i] = i < 4 ? _mm512_set1_epi32(kConstants[i & 3]) : pass.initial[v][i - 4];
  }
  for (int double_round = 0; double_round < 10; ++double_round) {
    round<0>(state);
    round<1>(state);
  }
  CULVERT_LANES_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    CULVERT_LANES_UNROLL
    for (int i = 0; i < 16; ++i)
      state[v][i] =
          _mm512_add_epi32(state[v][i], i < 4 ? _mm512_set1_epi32(kConstants[i & 3]) : pass.initial[v][i - 4]);
    apply(state[v], pass.text + 16 * v, pass.present + 16 * v);
  }
}

}  // namespace culvert::aead::lanes
