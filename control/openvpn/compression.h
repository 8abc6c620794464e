// What is left of compression: its framing. Nothing is ever compressed, because the length of a compressed packet tells
// what it holds (VORACLE); but clients that have compression switched on put its framing around every packet, and can
// be pushed off it (man page, allow-compression and compress).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dataplane/abi/command.h"

namespace culvert::openvpn {

/// What `compress ARGUMENT` or `comp-lzo ARGUMENT` (empty: none) asks of a server.
struct CompressionChoice {
  abi::Framing framing{};
  bool migrate = false;     ///< framing is each client's own: those with compression are pushed off it
  bool compresses = false;  ///< the operator asked for an algorithm; it becomes `migrate`
};
/// Nothing when the argument is none of the reference's.
std::optional<CompressionChoice> read_compress(std::string_view argument);
std::optional<CompressionChoice> read_comp_lzo(std::string_view argument);

/// The framing that a pushed option such as "compress stub-v2" brings about; nothing when it asks for an algorithm, or
/// is no such option.
std::optional<abi::Framing> framing_of_push(std::string_view option);

/// True when the options string of a client (OCC) says that it has compression, and so its framing, switched on.
bool has_compression(std::string_view peer_options);

/// For a server with `compress migrate` (multi.c, multi_client_connect_compress_migrate): what a client with
/// compression is pushed, and the framing from then on. `stub_v2`: the client knows that framing (IV_COMP_STUBv2).
struct Migration {
  std::string push;
  abi::Framing framing{};
};
Migration migrate(bool stub_v2);

}  // namespace culvert::openvpn
