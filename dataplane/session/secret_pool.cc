#include "dataplane/session/secret_pool.h"

#include <sys/mman.h>

#include "dataplane/crypto/wipe.h"
#include "dataplane/session/pages.h"

namespace culvert::session {
namespace {
constexpr size_t kPiece = kHugePage;
}

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
  for (size_t at = kPiece / object_size_; at > 0; --at)
    free_.push_back(static_cast<char*>(piece) + (at - 1) * object_size_);
  return true;
}

}  // namespace culvert::session
