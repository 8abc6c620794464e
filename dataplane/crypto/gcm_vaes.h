// AES-GCM for CPUs with VAES and VPCLMULQDQ on 512-bit vectors: kernels of our own, because ipsec-mb works on one
// packet from end to end, so that a small packet waits for the latency of each instruction in turn. Here a burst is one
// loop without calls, short enough per packet that the CPU has several packets in flight; a large packet's AES rounds
// stand beside the GHASH of the blocks before.
//
// Facts: NIST SP 800-38D (GCM); Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for
// Computing the GCM Mode" (bit-reflected multiplication, aggregated reduction).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace culvert::aead {

struct Job;

/// Expanded key: H^40 … H^1 (H: the hash key, doubled once as the reflected multiplication wants it), then the round
/// keys. So the low powers, which every packet needs, and the round keys are adjacent cache lines, the last ones of a
/// Key; and loading four powers from H^3 on stays inside. H^5 … H^2, which a packet of four blocks takes together, are
/// one line.
struct alignas(64) GcmVaesKey {
  static constexpr size_t kPowers = 40;
  std::array<uint8_t, 144> unused;
  std::array<std::array<uint8_t, 16>, kPowers> powers;
  std::array<std::array<uint8_t, 16>, 15> round;
};
static_assert((offsetof(GcmVaesKey, powers) + (GcmVaesKey::kPowers - 5) * 16) % 64 == 0);
static_assert(offsetof(GcmVaesKey, round) == offsetof(GcmVaesKey, powers) + sizeof GcmVaesKey::powers);

enum class AesRounds : uint8_t { k10 = 10, k12 = 12, k14 = 14 };

/// True when this CPU (and the operating system's state saving) has all that the functions below use.
bool gcm_vaes_supported();

/// Fills `key` from its round keys (FIPS 197, in the order of encryption).
void gcm_vaes_expand(AesRounds rounds, GcmVaesKey& key);

/// Seals or opens every job, all of them AES-GCM with `rounds`, with an AAD of at most 16 bytes, of any text length
/// that GCM allows. As Engine::seal and Engine::open.
void gcm_vaes_seal(AesRounds rounds, std::span<Job> jobs);
void gcm_vaes_open(AesRounds rounds, std::span<Job> jobs);

}  // namespace culvert::aead
