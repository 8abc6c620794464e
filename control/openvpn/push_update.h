// PUSH_UPDATE (OpenVPN 2.7): a server changes what its connected clients were pushed. Written by operators as
//
//   route 10.1.0.0 255.255.0.0, -dns, ?block-ipv6
//
// An option replaces all that the client has of its name; `-name` takes them away; `?` in front of a name lets a client
// that does not know it skip it (management-notes.txt, push-update-broad).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/result.h"

namespace culvert::openvpn {

struct PushChange {
  bool remove = false;
  bool optional = false;
  std::string option;  ///< with its arguments; of a removal the name alone
};

/// Splits and checks an operator's or a server's text. Error: form, an option that can't be changed while connected
/// (which one, and the way out), nothing named, or more than a client would take.
Result<std::vector<PushChange>> parse_push_update(std::string_view text);

/// As it goes over the wire.
std::string to_text(const PushChange& change);

/// Applies the changes to a list of options: those of a name that is changed go, new ones follow at the end.
void apply_push_update(std::vector<std::string>& options, const std::vector<PushChange>& changes);

}  // namespace culvert::openvpn
