// Validation of what control asks for: every field, before anything is done with it.
#pragma once

#include "dataplane/abi/result.h"
#include "dataplane/abi/setup.h"

namespace culvert::dataplane {

Status check_hello(const abi::Hello& hello);
Status check_open_port(const abi::OpenPort& request);
Status check_open_tun(const abi::OpenTun& request);

/// An address of a request as it should be: a known family, unused bytes zero.
bool is_valid(const abi::IpAddress& address);

}  // namespace culvert::dataplane
