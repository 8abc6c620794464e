// The file of directive `ifconfig-pool-persist`: one line NAME,IPv4,IPv6 per client (pool.c, ifconfig_pool_read). With
// topology net30 the IPv4 address is the first of the client's four, as in the reference, so that its files can be
// used.
#pragma once

#include <string>
#include <vector>

#include "control/io/fd.h"
#include "control/now.h"
#include "control/pool/address_pool.h"
#include "dataplane/abi/result.h"

namespace culvert::pool {

class PersistentPool {
 public:
  /// Opens the file while the process may still do so. `read_only`: it is never written, must exist, and its addresses
  /// stay with their names; else it is made when it is not there (0600).
  static Result<PersistentPool> open(const std::string& path, bool read_only);

  /// Tells `pool` who had which address. Findings: lines that could not be used ("FILE:3: …").
  std::vector<std::string> read(AddressPool& pool, MonoTime now) const;
  /// Replaces the contents by what `pool` remembers, if that differs. No-op when read-only.
  Status write(const AddressPool& pool);

 private:
  PersistentPool(std::string path, io::Fd fd, bool read_only)
      : path_(std::move(path)), fd_(std::move(fd)), read_only_(read_only) {}

  std::string path_;
  io::Fd fd_;
  bool read_only_;
  std::string written_;
};

}  // namespace culvert::pool
