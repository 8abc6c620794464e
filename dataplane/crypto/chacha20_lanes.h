// ChaCha20 (RFC 8439, 2.3 and 2.4), one block of 64 bytes to each 32-bit lane of the vectors, in two ways: every lane
// has a key, nonce and counter of its own, so that blocks of any packets fill a pass; or a vector has blocks of one
// packet that follow each other, which saves the gathering. Include lanes_avx512.h or lanes_avx2.h first.
#pragma once

#include <bit>

#include "dataplane/crypto/lanes.h"
#if !defined(CULVERT_LANES_TARGET)
#include "dataplane/crypto/lanes_avx512.h"  // for whoever looks at this file alone
#endif

namespace culvert::aead::lanes::CULVERT_LANES_NAMESPACE {

constexpr size_t kPassBlocks = kVectors * kVectorBlocks;

/// The 16 words of the state, each for one block per lane.
using ChachaState = Words[16];

/// Words that passes leave behind. Secrets: wipe it.
struct alignas(64) ChachaScratch {
  Words words[kVectors][16];     ///< first the initial state without its constants, then the key stream
  uint32_t start[kVectors][16];  ///< whole blocks: the state after what all of them have in common
};

/// What each lane of a pass computes.
struct MixedBlocks {
  __m128i row[kPassBlocks];         ///< the last row of the state: 32-bit block counter, then the nonce
  const uint8_t* key[kPassBlocks];  ///< 32 bytes
  uint8_t* text[kPassBlocks];       ///< up to 64 bytes, in place
  uint64_t present[kPassBlocks];    ///< bit i: byte i of `text` exists; all ones in front of zeros
};

constexpr uint32_t kConstants[] = {0x61707865, 0x3320646E, 0x79622D32, 0x6B206574};

/// One step of kBeside quarter rounds of a round. kFrom: how far the second, third and fourth row stand rotated: 0 in a
/// column round, 1 in a diagonal round.
template <int kBits, int kSum, int kAddend, int kRotated, int kFrom, size_t kSide>
CULVERT_LANES_INLINE void step(ChachaState (&state)[kSide], int first) {
  CULVERT_LANES_UNROLL
  for (auto& words : state) {
    CULVERT_LANES_UNROLL
    for (int i = first; i < first + kBeside; ++i)
      add_xor_rotate<kBits>(words[4 * kSum + (i + kSum * kFrom) % 4], words[4 * kAddend + (i + kAddend * kFrom) % 4],
                            words[4 * kRotated + (i + kRotated * kFrom) % 4]);
  }
}

template <int kFrom, size_t kSide>
CULVERT_LANES_INLINE void round(ChachaState (&state)[kSide]) {
  CULVERT_LANES_UNROLL
  for (int first = 0; first < 4; first += kBeside) {
    step<16, 0, 1, 3, kFrom>(state, first);
    step<12, 2, 3, 1, kFrom>(state, first);
    step<8, 0, 1, 3, kFrom>(state, first);
    step<7, 2, 3, 1, kFrom>(state, first);
  }
}

/// Stores words, and keeps the compiler from holding them in registers as well: what comes next needs those.
CULVERT_LANES_INLINE void put(Words (&words)[16], const ChachaState& state) {
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 16; ++i) words[i] = state[i];
  __asm__ __volatile__("" : : "r"(&words) : "memory");
}
CULVERT_LANES_INLINE void get(ChachaState& state, const Words (&words)[16]) {
  CULVERT_LANES_UNROLL
  for (int i = 0; i < 16; ++i) state[i] = words[i];
}

/// Computes the first kSide * kVectorBlocks blocks of `blocks` and applies them to their texts.
template <size_t kSide>
CULVERT_LANES_INLINE void run_mixed(const MixedBlocks& blocks, ChachaScratch& scratch) {
  CULVERT_LANES_UNROLL
  for (size_t v = 0; v < kSide; ++v) {
    size_t first = v * kVectorBlocks;
    Words* initial = scratch.words[v];
    gather(initial + 4, [&](size_t i) { return blocks.key[first + i]; });
    gather(initial + 8, [&](size_t i) { return blocks.key[first + i] + 16; });
    gather(initial + 12, [&](size_t i) { return &blocks.row[first + i]; });
  }
  auto initial = [&](size_t v, int i)
                     CULVERT_LANES_LAMBDA { return i < 4 ? every_lane(kConstants[i & 3]) : scratch.words[v][i]; };
  ChachaState state[kSide];
  CULVERT_LANES_UNROLL
  for (size_t v = 0; v < kSide; ++v) {
    CULVERT_LANES_UNROLL
    for (int i = 0; i < 16; ++i) state[v][i] = initial(v, i);
  }
  for (int double_round = 0; double_round < 10; ++double_round) {
    round<0>(state);
    round<1>(state);
  }
  CULVERT_LANES_UNROLL
  for (size_t v = 0; v < kSide; ++v) {
    CULVERT_LANES_UNROLL
    for (int i = 0; i < 16; ++i) state[v][i] = sum(state[v][i], initial(v, i));
    put(scratch.words[v], state[v]);
  }
  CULVERT_LANES_UNROLL
  for (size_t v = 0; v < kSide; ++v) {
    get(state[v], scratch.words[v]);
    each_block(state[v], [&](size_t i, const auto& stream) CULVERT_LANES_LAMBDA {
      exclusive_or(blocks.text[v * kVectorBlocks + i], stream, blocks.present[v * kVectorBlocks + i]);
    });
  }
}

inline void quarter_round(uint32_t (&words)[16], int column) {
  uint32_t &a = words[column], &b = words[4 + column], &c = words[8 + column], &d = words[12 + column];
  a += b, d = std::rotl(d ^ a, 16);
  c += d, b = std::rotl(b ^ c, 12);
  a += b, d = std::rotl(d ^ a, 8);
  c += d, b = std::rotl(b ^ c, 7);
}

/// Computes kSide times kVectorBlocks whole blocks.
template <size_t kSide>
CULVERT_LANES_INLINE void run_whole(const WholeBlocks* blocks, ChachaScratch& scratch) {
  ChachaState state[kSide];
  CULVERT_LANES_UNROLL
  for (size_t v = 0; v < kSide; ++v) {
    uint32_t(&start)[16] = scratch.start[v];
    std::memcpy(start, kConstants, 16);
    std::memcpy(start + 4, blocks[v].key, 32);
    std::memcpy(start + 12, &blocks[v].row, 16);
    // The counter, in which the blocks differ, is in the first column: the others of the first round are the same.
    for (int column = 1; column < 4; ++column) quarter_round(start, column);
    __asm__ __volatile__("" : : "r"(start) : "memory");  // to be broadcast from memory: from registers is dearer
    CULVERT_LANES_UNROLL
    for (int i = 0; i < 16; ++i) state[v][i] = every_lane(start[i]);
    ChachaState& words = state[v];
    words[12] = sum(words[12], lane_numbers());
    add_xor_rotate<16>(words[0], words[4], words[12]);
    add_xor_rotate<12>(words[8], words[12], words[4]);
    add_xor_rotate<8>(words[0], words[4], words[12]);
    add_xor_rotate<7>(words[8], words[12], words[4]);
  }
  round<1>(state);
  for (int double_round = 1; double_round < 10; ++double_round) {
    round<0>(state);
    round<1>(state);
  }
  CULVERT_LANES_UNROLL
  for (size_t v = 0; v < kSide; ++v) {
    const uint8_t* key = blocks[v].key;
    const auto* row = reinterpret_cast<const uint8_t*>(&blocks[v].row);
    CULVERT_LANES_UNROLL
    for (int i = 0; i < 16; ++i) {
      uint32_t initial = i < 4 ? kConstants[i & 3] : load32(i < 12 ? key + 4 * (i - 4) : row + 4 * (i - 12));
      state[v][i] = sum(state[v][i], every_lane(initial));
    }
    state[v][12] = sum(state[v][12], lane_numbers());
    put(scratch.words[v], state[v]);
  }
  CULVERT_LANES_UNROLL
  for (size_t v = 0; v < kSide; ++v) {
    get(state[v], scratch.words[v]);
    each_block(state[v], [&](size_t i, const auto& stream)
                             CULVERT_LANES_LAMBDA { exclusive_or(blocks[v].text + 64 * i, stream); });
  }
}

}  // namespace culvert::aead::lanes::CULVERT_LANES_NAMESPACE
