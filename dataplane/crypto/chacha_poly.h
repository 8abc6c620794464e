// CHACHA20-POLY1305 for CPUs with AVX2, or AVX-512 and IFMA: kernels of our own, because ipsec-mb works on one packet
// from end to end, so that a small packet leaves most of each vector idle. Here a burst is the unit: ChaCha20 has one
// block of any packet in each 32-bit lane, Poly1305 one packet in each 64-bit lane.
//
// Facts: RFC 8439 (ChaCha20, Poly1305 and the AEAD made of them).
#pragma once

#include <cstddef>
#include <span>

namespace culvert::aead {

struct Job;

// True when this CPU (and the operating system's state saving) has all that the functions below use.
bool chacha_poly_avx512_supported();
bool chacha_poly_avx2_supported();

// Each seals or opens every job, all of them CHACHA20-POLY1305, with an AAD of at most 16 bytes. As Engine::seal and
// Engine::open.
void chacha_poly_seal_avx512(std::span<Job> jobs);
void chacha_poly_open_avx512(std::span<Job> jobs);
void chacha_poly_seal_avx2(std::span<Job> jobs);
void chacha_poly_open_avx2(std::span<Job> jobs);

}  // namespace culvert::aead
