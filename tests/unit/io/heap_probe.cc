// Starts as control does and says what came of it, on two lines: GLIBC_TUNABLES as scripts would get it, and the flags
// of the heap (VmFlags in /proc/self/smaps, proc(5)).
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "control/io/heap.h"

int main(int argc, char** argv) {
  culvert::io::tune_heap(argv);
  if (argc != 2 || std::string(argv[1]) != "argument") return 2;
  const char* tunables = getenv("GLIBC_TUNABLES");
  std::cout << (tunables != nullptr ? tunables : "none") << '\n';
  std::ifstream file("/proc/self/smaps");
  bool in_heap = false;
  for (std::string line; std::getline(file, line);) {
    const bool is_header = line.find('-') < line.find(' ');
    if (is_header) in_heap = line.ends_with("[heap]");
    if (in_heap && line.starts_with("VmFlags:")) std::cout << line << '\n';
  }
  return 0;
}
