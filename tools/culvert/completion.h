// Completion for shells, made from the command tree, so that a new command or option is in it without further ado.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace culvert::cli {

/// A script for bash that completes commands, options, and the files and folders that they take.
std::string bash_completion(const CLI::App& program);

}  // namespace culvert::cli
