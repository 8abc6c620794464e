// Files that results are saved to.
#pragma once

#include <string>

#include "dataplane/abi/result.h"

namespace culvert::perf {

/// Asked before anything is measured, which may take an hour: could write_file write there? An empty path is none.
Status check_writable(const std::string& path);

/// Replaces the file's content. An empty path is none.
Status write_file(const std::string& path, const std::string& text);

}  // namespace culvert::perf
