// Files and sockets that a server.conf has made when the gateway starts.
#pragma once

#include "control/config/diagnostic.h"
#include "control/config/file_loader.h"
#include "control/config/server_config.h"

namespace culvert::config {

/// An error for each whose folder is not there, or can't be looked into. Asked before a start only: a gateway that runs
/// has them open, and a reload does not make them anew.
void look_for_folders(const ServerConfig& server, FileLoader& loader, Report& report);

}  // namespace culvert::config
