#include "dataplane/session/secret_pool.h"

#include <sys/mman.h>

#include "dataplane/crypto/wipe.h"
#include "dataplane/session/pages.h"

namespace culvert::session {
namespace {

constexpr size_t kPiece = kHugePage;

/// From one object to the next. Of objects that fill whole cache lines an odd number: with an even one, the lines that
/// every packet reads of each would share some of a cache's sets, and leave the others free.
constexpr size_t stride_of(size_t object_size) {
  constexpr size_t kLine = 64;
  return object_size % kLine == 0 ? (object_size / kLine | 1) * kLine : object_size;
}

}  // namespace

SecretMemory::~SecretMemory() {
  for (void* piece : pieces_) {
    aead::wipe(piece, kPiece);
    unmap_pages(piece, kPiece);
  }
}

void* SecretMemory::take() {
  if (free_.empty() && !grow()) return nullptr;
  void* object = free_.back();
  free_.pop_back();
  return object;
}

void SecretMemory::give_back(void* object) {
  aead::wipe(object, object_size_);
  free_.push_back(object);
}

bool SecretMemory::grow() {
  void* piece = map_pages(kPiece);
  if (piece == nullptr) return false;
  // Best effort, both: what the kernel refuses (limits, no such option) doesn't keep the gateway from working.
  madvise(piece, kPiece, MADV_DONTDUMP);
  mlock2(piece, kPiece, MLOCK_ONFAULT);
  pieces_.push_back(piece);
  const size_t stride = stride_of(object_size_);
  for (size_t at = kPiece / stride; at > 0; --at) free_.push_back(static_cast<char*>(piece) + (at - 1) * stride);
  return true;
}

}  // namespace culvert::session
