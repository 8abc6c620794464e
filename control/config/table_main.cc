// directive_table FILE: puts the table of directives into FILE (conf/README.md), between its two marks.
// Run through `ninja -C build directive-table` after a change of directives.def.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "control/config/openvpn_conf.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: directive_table FILE\n", stderr);
    return 2;
  }
  const std::string begin = "<!-- directives begin -->\n";
  const std::string end = "<!-- directives end -->\n";
  std::stringstream buffer;
  buffer << std::ifstream(argv[1]).rdbuf();
  std::string text = buffer.str();
  size_t from = text.find(begin);
  size_t to = text.find(end);
  if (from == std::string::npos || to == std::string::npos || to < from) {
    std::fprintf(stderr, "%s: has no lines '<!-- directives begin -->' and '<!-- directives end -->'\n", argv[1]);
    return 1;
  }
  from += begin.size();
  text.replace(from, to - from, culvert::config::directive_table());
  std::ofstream out(argv[1]);
  out << text;
  out.close();
  if (!out) std::fprintf(stderr, "%s: can't be written\n", argv[1]);
  return out ? 0 : 1;
}
