// The readers of honoured directives, one per directive or family of them. Each is called with a statement whose number
// of arguments is right, and either takes it into the draft or reports why not.
#pragma once

#include "control/config/draft.h"

namespace culvert::config {

struct Statement;

// read_network.cc
void read_mode(Draft& draft, const Statement& statement);
void read_server(Draft& draft, const Statement& statement);
void read_server_ipv6(Draft& draft, const Statement& statement);
void read_topology(Draft& draft, const Statement& statement);
void read_ifconfig(Draft& draft, const Statement& statement);
void read_ifconfig_ipv6(Draft& draft, const Statement& statement);
void read_ifconfig_pool(Draft& draft, const Statement& statement);
void read_ifconfig_pool_persist(Draft& draft, const Statement& statement);
void read_ifconfig_push_constraint(Draft& draft, const Statement& statement);
void read_ifconfig_ipv6_pool(Draft& draft, const Statement& statement);
void read_client_to_client(Draft& draft, const Statement& statement);
void read_duplicate_cn(Draft& draft, const Statement& statement);
void read_max_clients(Draft& draft, const Statement& statement);
void read_connect_freq_initial(Draft& draft, const Statement& statement);
void read_connect_freq(Draft& draft, const Statement& statement);
void read_dev(Draft& draft, const Statement& statement);
void read_dev_type(Draft& draft, const Statement& statement);
void read_txqueuelen(Draft& draft, const Statement& statement);

// routes.cc
void read_route(Draft& draft, const Statement& statement);
void read_route_ipv6(Draft& draft, const Statement& statement);
void read_route_gateway(Draft& draft, const Statement& statement);
void read_route_ipv6_gateway(Draft& draft, const Statement& statement);
void read_route_metric(Draft& draft, const Statement& statement);

// read_listen.cc
void read_port(Draft& draft, const Statement& statement);
void read_lport(Draft& draft, const Statement& statement);
void read_local(Draft& draft, const Statement& statement);
void read_proto(Draft& draft, const Statement& statement);
void read_tcp_nodelay(Draft& draft, const Statement& statement);
void read_socket_flags(Draft& draft, const Statement& statement);
void read_port_share(Draft& draft, const Statement& statement);
void read_bind(Draft& draft, const Statement& statement);
void read_bind_dev(Draft& draft, const Statement& statement);
void read_mark(Draft& draft, const Statement& statement);
void read_sndbuf(Draft& draft, const Statement& statement);
void read_rcvbuf(Draft& draft, const Statement& statement);
void read_tun_mtu(Draft& draft, const Statement& statement);
void read_mssfix(Draft& draft, const Statement& statement);
void read_max_packet_size(Draft& draft, const Statement& statement);

// read_tls.cc
void read_file(Draft& draft, const Statement& statement);
void read_askpass(Draft& draft, const Statement& statement);
void read_dh(Draft& draft, const Statement& statement);
void read_crl_verify(Draft& draft, const Statement& statement);
void read_verify_client_cert(Draft& draft, const Statement& statement);
void read_tls_version_min(Draft& draft, const Statement& statement);
void read_tls_version_max(Draft& draft, const Statement& statement);
void read_tls_cipher(Draft& draft, const Statement& statement);
void read_tls_ciphersuites(Draft& draft, const Statement& statement);
void read_tls_groups(Draft& draft, const Statement& statement);
void read_tls_cert_profile(Draft& draft, const Statement& statement);
void read_force_key_export(Draft& draft, const Statement& statement);
void read_providers(Draft& draft, const Statement& statement);
void read_tls_crypt_v2(Draft& draft, const Statement& statement);
void read_tls_auth(Draft& draft, const Statement& statement);
void read_key_direction(Draft& draft, const Statement& statement);
void read_auth(Draft& draft, const Statement& statement);

// read_peer.cc
void read_remote_cert_tls(Draft& draft, const Statement& statement);
void read_remote_cert_eku(Draft& draft, const Statement& statement);
void read_remote_cert_ku(Draft& draft, const Statement& statement);
void read_verify_x509_name(Draft& draft, const Statement& statement);
void read_x509_username_field(Draft& draft, const Statement& statement);
void read_x509_track(Draft& draft, const Statement& statement);
void read_peer_fingerprint(Draft& draft, const Statement& statement);
void read_verify_hash(Draft& draft, const Statement& statement);

// read_data.cc
void read_data_ciphers(Draft& draft, const Statement& statement);
void read_data_ciphers_fallback(Draft& draft, const Statement& statement);
void read_cipher(Draft& draft, const Statement& statement);
void read_replay_window(Draft& draft, const Statement& statement);
void read_compress_directive(Draft& draft, const Statement& statement);
void read_allow_compression(Draft& draft, const Statement& statement);
void read_push(Draft& draft, const Statement& statement);

// read_time.cc
void read_keepalive(Draft& draft, const Statement& statement);
void read_ping(Draft& draft, const Statement& statement);
void read_ping_restart(Draft& draft, const Statement& statement);
void read_reneg_sec(Draft& draft, const Statement& statement);
void read_reneg_bytes(Draft& draft, const Statement& statement);
void read_reneg_pkts(Draft& draft, const Statement& statement);
void read_inactive(Draft& draft, const Statement& statement);
void read_session_timeout(Draft& draft, const Statement& statement);
void read_ping_exit(Draft& draft, const Statement& statement);
void read_hand_window(Draft& draft, const Statement& statement);
void read_tran_window(Draft& draft, const Statement& statement);
void read_tls_timeout(Draft& draft, const Statement& statement);
void read_explicit_exit_notify(Draft& draft, const Statement& statement);

// read_management.cc
void read_management(Draft& draft, const Statement& statement);
void read_management_user(Draft& draft, const Statement& statement);
void read_management_group(Draft& draft, const Statement& statement);
void read_management_hold(Draft& draft, const Statement& statement);
void read_management_log_cache(Draft& draft, const Statement& statement);
void read_status(Draft& draft, const Statement& statement);
void read_status_version(Draft& draft, const Statement& statement);

// read_hooks.cc
/// A command as it stands in one argument: path and arguments, quoted like a line of the file (script-options.rst).
void read_program(Draft& draft, const Statement& statement, HookConfig::Program& program);
/// A directive that names nothing but a script.
template <HookConfig::Program HookConfig::*script>
void read_script(Draft& draft, const Statement& statement) {
  read_program(draft, statement, draft.config.hooks.*script);
}
void read_script_security(Draft& draft, const Statement& statement);
void read_tmp_dir(Draft& draft, const Statement& statement);
void read_setenv_safe(Draft& draft, const Statement& statement);
void read_auth_user_pass_verify(Draft& draft, const Statement& statement);
void read_tls_export_cert(Draft& draft, const Statement& statement);
void read_up_restart(Draft& draft, const Statement& statement);
void read_auth_user_pass_optional(Draft& draft, const Statement& statement);
void read_auth_gen_token(Draft& draft, const Statement& statement);
void read_username_as_common_name(Draft& draft, const Statement& statement);
void read_client_config_dir(Draft& draft, const Statement& statement);
void read_ccd_exclusive(Draft& draft, const Statement& statement);
void read_max_routes_per_client(Draft& draft, const Statement& statement);

// read_process.cc
void read_log(Draft& draft, const Statement& statement);
void read_log_append(Draft& draft, const Statement& statement);
void read_syslog(Draft& draft, const Statement& statement);
void read_writepid(Draft& draft, const Statement& statement);
void read_always_so(Draft& draft, const Statement& statement);
void read_user(Draft& draft, const Statement& statement);
void read_group(Draft& draft, const Statement& statement);
void read_verb(Draft& draft, const Statement& statement);
void read_setenv(Draft& draft, const Statement& statement);
void read_ignore_unknown(Draft& draft, const Statement& statement);

}  // namespace culvert::config
