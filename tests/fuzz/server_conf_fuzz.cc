// A server.conf as found in the wild.
#include <algorithm>

#include "control/config/openvpn_conf.h"
#include "tests/fuzz/config_files.h"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = fuzz::Input(data, size).rest_as_text();
  fuzz::ConfigFiles files;
  config::Report report;
  config::ServerConfig server = config::parse_openvpn(text, "etc/server.conf", files, report);
  fuzz::require_usable(report, static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1);
  if (!report.ok()) return 0;
  // What control relies on when nothing was refused.
  fuzz::require(!server.listen.empty() && (server.pool4 || server.pool6));
  fuzz::require(!server.settings.data_ciphers.empty() && server.settings.tun_mtu >= 68);
  if (server.pool4) fuzz::require(server.pool4->first <= server.pool4->last && server.pool4->prefix <= 32);
  if (server.pool6) fuzz::require(server.pool6->prefix <= 128);
  for (const std::string& option : server.push) fuzz::require(option.find_first_of("\n\r,") == std::string::npos);
  return 0;
}
