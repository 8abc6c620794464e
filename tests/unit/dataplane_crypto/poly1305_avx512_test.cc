#include "dataplane/crypto/poly1305_avx512.h"
// Behind what it tests:
#include "tests/unit/dataplane_crypto/poly1305_check.h"

namespace culvert::aead {
namespace {

TEST(Poly1305Avx512, ComputesEveryVectorInEveryLane) {
  if (!chacha_poly_avx512_supported()) GTEST_SKIP() << "this CPU lacks the instructions";
  lanes::avx512::check_every_vector_in_every_lane();
}

TEST(Poly1305Avx512, LanesOfDifferentLengthsDoNotDisturbEachOther) {
  if (!chacha_poly_avx512_supported()) GTEST_SKIP() << "this CPU lacks the instructions";
  lanes::avx512::check_lanes_of_different_lengths();
}

}  // namespace
}  // namespace culvert::aead
