// The whole command tree: what is parsed, and what help, completion and manual are made from.
#pragma once

#include <memory>

#include "tools/culvert/commands.h"

namespace culvert::cli {

/// All commands with their options. `context` outlives it and is filled in by the parser.
std::unique_ptr<CLI::App> make_program(Context& context);

}  // namespace culvert::cli
