// The tests of Poly1305 in lanes, for lanes of any width: tags that were computed without our code, in every lane and
// beside every other length. Include poly1305_avx512.h or poly1305_avx2.h first.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "dataplane/crypto/chacha_poly.h"
#include "tests/unit/support/vectors.h"

namespace culvert::aead::lanes::CULVERT_LANES_NAMESPACE {
namespace {

using Bytes = std::vector<uint8_t>;

CULVERT_LANES void compute(MacInput& input) {
  authenticate(input);
}

struct Vector {
  std::string name;
  Bytes key, aad, text, tag;
};

std::vector<Vector> vectors() {
  std::istringstream lines(testing::read_vector("poly1305/tags.txt"));
  std::vector<Vector> all;
  auto bytes = [](const std::string& hex) { return hex == "-" ? Bytes{} : testing::from_hex(hex); };
  for (std::string name, key, aad, text, tag; lines >> name >> key >> aad >> text >> tag;) {
    all.push_back({name, bytes(key), bytes(aad), bytes(text), bytes(tag)});
    all.back().key.resize(64, 0xAA);  // what follows a key must not matter
  }
  EXPECT_GT(all.size(), 500u);
  return all;
}

/// Authenticates vectors[(first + lane * stride) % size] in each lane.
void check(const std::vector<Vector>& all, size_t first, size_t stride) {
  MacInput input;
  auto in_lane = [&](size_t lane) -> const Vector& { return all[(first + lane * stride) % all.size()]; };
  for (size_t lane = 0; lane < kMacLanes; ++lane) {
    const Vector& vector = in_lane(lane);
    input.key[lane] = vector.key.data();
    input.text[lane] = vector.text.data();
    input.aad[lane] = vector.aad.data();
    input.length[lane] = vector.text.size();
    input.aad_length[lane] = vector.aad.size();
  }
  compute(input);
  for (size_t lane = 0; lane < kMacLanes; ++lane)
    EXPECT_EQ(Bytes(input.tag[lane], input.tag[lane] + 16), in_lane(lane).tag)
        << in_lane(lane).name << " in lane " << lane;
}

void check_every_vector_in_every_lane() {
  auto all = vectors();
  for (size_t first = 0; first < all.size(); ++first) check(all, first, 0);
}

void check_lanes_of_different_lengths() {
  auto all = vectors();
  for (size_t stride : {1, 2, 5, 22, 101, 257})
    for (size_t first = 0; first < all.size(); ++first) check(all, first, stride);
}

}  // namespace
}  // namespace culvert::aead::lanes::CULVERT_LANES_NAMESPACE
