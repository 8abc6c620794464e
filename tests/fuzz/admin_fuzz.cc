// Requests on the admin socket: whatever a line holds, one line of JSON answers it.
#include <nlohmann/json.hpp>

#include "control/io/admin_server.h"
#include "tests/fuzz/input.h"

namespace {

/// Reads the fields that the operator's commands read, with their types.
nlohmann::ordered_json handle(const nlohmann::json& request, const culvert::io::PeerCredentials&) {
  const std::string command = request.value("command", "");
  if (command == "session kill" || command == "push-update") {
    std::string session = request.value("session", "");
    bool restart = request.value("restart", false);
    return culvert::io::admin_ok(
        {{"session", session}, {"restart", restart}, {"options", request.value("options", "")}});
  }
  if (command == "drops") return culvert::io::admin_ok({{"all", request.value("all", false)}});
  return culvert::io::admin_error("unknown command \"" + command + "\"");
}

void require(bool condition) {
  if (!condition) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view line(reinterpret_cast<const char*>(data), size);
  line = line.substr(0, line.find('\n'));
  std::string answer = culvert::io::admin_answer(line, handle, {});
  require(answer.ends_with('\n') && answer.find('\n') + 1 == answer.size());
  auto read = nlohmann::json::parse(answer, nullptr, false);
  require(read.is_object() && read.contains("ok") && read["ok"].is_boolean());
  require(read["ok"].get<bool>() ? read.contains("data") : read.contains("error"));
  return 0;
}
