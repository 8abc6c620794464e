#include "control/openvpn/compression.h"

namespace culvert::openvpn {

using abi::Framing;

std::optional<CompressionChoice> read_compress(std::string_view argument) {
  if (argument.empty() || argument == "stub") return CompressionChoice{Framing::kStub, false, false};
  if (argument == "stub-v2") return CompressionChoice{Framing::kStubV2, false, false};
  if (argument == "migrate") return CompressionChoice{Framing::kNone, true, false};
  if (argument == "lzo" || argument == "lz4" || argument == "lz4-v2")
    return CompressionChoice{Framing::kNone, true, true};
  return std::nullopt;
}

std::optional<CompressionChoice> read_comp_lzo(std::string_view argument) {
  if (argument == "no") return CompressionChoice{Framing::kLzoStub, false, false};
  if (argument.empty() || argument == "yes" || argument == "adaptive")
    return CompressionChoice{Framing::kNone, true, true};
  return std::nullopt;
}

std::optional<Framing> framing_of_push(std::string_view option) {
  size_t space = option.find(' ');
  std::string_view name = option.substr(0, space);
  std::string_view argument = space == std::string_view::npos ? std::string_view() : option.substr(space + 1);
  auto choice = name == "compress"   ? read_compress(argument)
                : name == "comp-lzo" ? read_comp_lzo(argument)
                                     : std::nullopt;
  return choice && !choice->migrate ? std::optional(choice->framing) : std::nullopt;
}

bool has_compression(std::string_view peer_options) {
  // The name is of the first algorithm; the reference writes it for all of them, and for the stubs (options.c).
  return peer_options.find(",comp-lzo,") != std::string_view::npos || peer_options.ends_with(",comp-lzo");
}

Migration migrate(bool stub_v2) {
  if (stub_v2) return {"compress stub-v2", Framing::kStubV2};
  return {"comp-lzo no", Framing::kLzoStub};
}

}  // namespace culvert::openvpn
