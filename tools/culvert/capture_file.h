// A capture as Wireshark and tcpdump read it: pcapng (draft-ietf-opsawg-pcapng), packets that begin with their IP
// header (LINKTYPE_RAW).
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/abi/result.h"
#include "dataplane/abi/trace.h"

namespace culvert::cli {

/// The blocks of a file, in their order: head(), packet() any number of times, tail().
namespace pcapng {

enum class Flow : uint8_t { kUnknown = 0, kInbound = 1, kOutbound = 2 };  ///< seen from the gateway, as in epb_flags

/// Section header and the one interface. `name`, `description`: of the interface; `snap`: bytes per packet.
std::vector<uint8_t> head(const std::string& name, const std::string& description, uint32_t snap);
/// `wall_ns`: nanoseconds since 1970. `bytes`: what was captured of a packet of `length` bytes. `comment` may be empty.
std::vector<uint8_t> packet(uint64_t wall_ns, std::span<const uint8_t> bytes, uint32_t length, Flow flow,
                            const std::string& comment);
/// Statistics of the interface: packets `received`, and those `lost` of them.
std::vector<uint8_t> tail(uint64_t wall_ns, uint64_t received, uint64_t lost);

}  // namespace pcapng

/// The IP and UDP headers that a tunnel packet of `payload` bytes travels under from `source` to `destination`; TCP
/// connections are shown as datagrams, which dissectors understand without the stream. `captured`: as much of the
/// payload as there is; the UDP checksum is right when that is all of it. Nothing when both addresses are unknown.
std::vector<uint8_t> outer_headers(const abi::Endpoint& source, const abi::Endpoint& destination, uint32_t payload,
                                   std::span<const uint8_t> captured);

class CaptureFile {
 public:
  /// Makes `path`, which must not exist, readable for its owner only; "-": standard output.
  static Result<std::unique_ptr<CaptureFile>> create(const std::string& path);
  ~CaptureFile();
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;

  /// False: the disk is full, or the reader of standard output is gone.
  bool write(std::span<const uint8_t> bytes);
  bool flush();
  /// Takes away what create() made: nothing comes into it after all.
  void discard();
  uint64_t size() const { return size_; }

 private:
  /// `path`: empty when the file is not ours.
  CaptureFile(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}

  std::FILE* file_;
  std::string path_;
  uint64_t size_ = 0;
};

}  // namespace culvert::cli
