// What scripts are told about the gateway and about a client (script-options.rst, "Environmental Variables").
#pragma once

#include <chrono>
#include <string>

#include "control/config/server_config.h"
#include "control/hooks/environment.h"
#include "control/openvpn/output.h"
#include "control/openvpn/settings.h"

namespace culvert::hooks {

/// The same for all scripts of a server: the operator's own variables, configuration, listeners, tunnel.
Environment server_environment(const config::ServerConfig& server, const std::string& tun_name,
                               std::chrono::sys_seconds started);

/// One certificate: X509_0_CN, tls_id_0, tls_serial_0, tls_digest_0 and so on.
void add_certificate(Environment& environment, size_t depth, const openvpn::ClientIssuer& certificate);

/// Certificates (X509_0_CN, tls_serial_0, …), peer-info (IV_…, UV_…), username, common_name. Not the password.
void add_identity(Environment& environment, const openvpn::ClientIdentity& identity);

/// session_id and session_state of auth-gen-token; without a session nothing.
void add_token(Environment& environment, const std::string& session, const std::string& state);

/// trusted_ip, trusted_ip6 and trusted_port, or untrusted_… while nobody has vouched for the client.
void add_remote(Environment& environment, const abi::Endpoint& remote, bool trusted);

/// ifconfig_pool_remote_ip and so on.
void add_addresses(Environment& environment, const openvpn::ClientGrant& grant);

/// "10.1.0.0/24"; a single address without its length.
std::string network_text(const abi::InnerPrefix& network);

/// Command::client of a session.
std::string client_key(abi::SessionRef session);

/// time_unix and time_ascii of the connection.
void add_time(Environment& environment, std::chrono::sys_seconds connected);

}  // namespace culvert::hooks
