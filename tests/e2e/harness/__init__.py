"""The stage on which the end-to-end tests play: one process each, one network namespace each.

    gateway namespace                   wire namespace                     client namespaces
   +--------------------------+      +------------------+      +--------------------------------------+
   | culvert up               |      |     bridge       |      | openvpn --config client.ovpn         |
   |  outer eth0 -------------+------+ p1           p10 +------+- eth0 192.0.2.10, 2001:db8::10       |
   |   192.0.2.1, 2001:db8::1 |      |                  |      |  tun0 10.8.0.2, fd00:8::2            |
   |  inner tun0              |      |                  |      +--------------------------------------+
   |   10.8.0.1, fd00:8::1    |      |              p11 +------+- eth0 192.0.2.11 ... the next client |
   |  file server, UDP stream |      |              p12 +------+- eth0 192.0.2.12 ... an attacker     |
   +--------------------------+      +------------------+      +--------------------------------------+

The bridge joins everybody; nothing leads out of it. What belongs to the "network behind the gateway" (the file server, one
end of the UDP streams) sits in the gateway's namespace on the tunnel address, so its packets go through the TUN.

One file, one purpose:
    waiting         conditions with a deadline; the only place that waits
    interruption    Ctrl-C and SIGTERM
    process         child processes, their logs, and that none of them outlives the run
    namespace       one network namespace: commands and sockets in it
    network         bridge, veth pairs and outer addresses
    certificates    a CA with good, revoked, expired and otherwise wrong certificates; static keys
    server_conf     the server.conf of a test
    gateway         what every gateway under test can do; culvert itself
    pktgen_gateway  culvert in NIC mode, pktgen at the other ends of its ports
    memif_reflector a process in its place that sends everything back
    systemd         a machine of its own in namespaces, with systemd as process 1 and the units of conf/
    stock_gateway   Debian's openvpn as the gateway: shows that the harness and the tests are right
    swarm           the swarm of perf/ against culvert or Debian's openvpn
    client          Debian's openvpn as the client
    download        a file over TCP through the tunnel, compared by SHA-256
    upload          a file the other way
    pairwise        few cases in which all pairs of settings occur
    udp_stream      a sequence-numbered stream in both directions: lost, duplicated, reordered
    crowd           the same for hundreds of clients, a few packets per second each
    attacker        garbage, truncated, replayed and bit-flipped packets
"""
