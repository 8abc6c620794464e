#include <cstdio>

#include "tools/culvert/commands.h"

namespace culvert::cli {

void Context::fail(const std::string& text) {
  std::fprintf(stderr, "culvert: %s\n", text.c_str());
  exit_status = 1;
}

void Context::wrong_use(const std::string& text) {
  fail(text);
  exit_status = 2;
}

}  // namespace culvert::cli
