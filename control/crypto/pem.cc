#include "control/crypto/pem.h"

#include <openssl/pem.h>

#include <climits>

#include "control/crypto/openssl.h"
#include "control/crypto/primitives.h"

namespace culvert::crypto {
namespace {

/// One PEM block as OpenSSL hands it out; freed and wiped.
struct Block {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;

  Block() = default;
  Block(const Block&) = delete;
  ~Block() {
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<size_t>(size));
  }
};

}  // namespace

Result<std::string> pem_encode(std::string_view label, std::span<const uint8_t> bytes) {
  OwnedBio bio(BIO_new(BIO_s_secmem()));
  std::string name(label);
  if (!bio || bytes.size() > INT_MAX ||
      PEM_write_bio(bio.get(), name.c_str(), "", bytes.data(), static_cast<long>(bytes.size())) <= 0)
    return Error{"can't write PEM: " + take_errors()};
  return text_of(bio.get());
}

Result<std::vector<uint8_t>> pem_decode(std::string_view label, std::string_view text) {
  OwnedBio bio = bio_of(text);
  if (!bio) return Error{"can't read PEM: " + take_errors()};
  std::string found;
  for (;;) {
    Block block;
    if (PEM_read_bio(bio.get(), &block.name, &block.header, &block.data, &block.size) != 1) break;
    if (label == block.name) {
      if (*block.header != '\0')
        return Error{"the block \"" + std::string(label) + "\" is encrypted: only plain keys are read"};
      return std::vector<uint8_t>(block.data, block.data + block.size);
    }
    if (found.empty()) found = block.name;
  }
  bool none = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string wanted = "\"-----BEGIN " + std::string(label) + "-----\"";
  if (!none) return Error{"damaged PEM block: " + take_errors()};
  ERR_clear_error();
  if (!found.empty()) return Error{"expected " + wanted + ", found \"" + found + "\""};
  return Error{"no line " + wanted + " in it"};
}

}  // namespace culvert::crypto
