// Reads OpenVPN 2.6 server syntax (man page of 2.6: every directive it names has its fate in directives.def; none is
// ignored in silence).
#pragma once

#include <string>
#include <string_view>

#include "control/config/diagnostic.h"
#include "control/config/file_loader.h"
#include "control/config/server_config.h"

namespace culvert::config {

/// Reads the text of a server.conf. `file` is its path: named in findings, and its folder is what relative paths count
/// from unless `cd` says otherwise. Files it names come from `loader`. The value is only worth using when the report
/// has no error.
ServerConfig parse_openvpn(std::string_view text, const std::string& file, FileLoader& loader, Report& report);

/// The table of all directives and their fate, as Markdown (stands in conf/README.md).
std::string directive_table();

}  // namespace culvert::config
