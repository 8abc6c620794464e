// The MTU that an interface had before a port changed it, kept where a kill of the process can't lose it: at the
// interface, as an alternative name ("altname" of ip link; ip-link(8), property add). So it lives as long as what it
// tells of: another interface, another network namespace and another boot know nothing of it.
#pragma once

#include <optional>

namespace culvert::drivers {

struct FoundMtu {
  int found;  ///< bytes, before
  int set;    ///< and since
};

/// Notes it in the place of what was noted before. Best effort: kernels before 5.5 have no such names.
void note_found_mtu(int interface, const FoundMtu& mtu);
/// What was noted last; nothing: nothing was, or it was forgotten.
std::optional<FoundMtu> noted_mtu(int interface);
void forget_noted_mtu(int interface);

}  // namespace culvert::drivers
