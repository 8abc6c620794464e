#include <cstdio>

#include "tools/culvert/commands.h"

namespace culvert::cli {

void Context::fail(const std::string& text) {
  std::fprintf(stderr, "culvert: %s\n", text.c_str());
  exit_status = 1;
}

}  // namespace culvert::cli
