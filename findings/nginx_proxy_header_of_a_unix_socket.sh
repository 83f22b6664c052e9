#!/usr/bin/env bash
# nginx as a relay of PROXY headers, behind another balancer and over a Unix socket: the header that it sends on names a
# path as an IPv4 address. SPDX-License-Identifier: BSD-3-Clause
#
# Set up as manuals say: a stream server that listens on a Unix socket with proxy_protocol, trusts what comes over it
# (set_real_ip_from unix:), and sends the header on (proxy_protocol on).
#
# What most would expect: the header with both addresses as they came, or PROXY UNKNOWN, since the connection to nginx
# itself has no internet address. What came, with nginx 1.22.1: "PROXY TCP4 192.0.2.7 unix:/... 4711 0". The source is
# the client's of the header, and the destination is nginx's own socket. A line that says TCP4 may only have an IPv4
# address there, and HAProxy 2.6 and this library refuse the line; nginx itself reads it.
#
# Guessed before: PROXY UNKNOWN. Wrong.
#
# Why it matters here: the connection ends with ASYNCHAT_EPROXY, and the log shows the line. A server behind such a relay
# has to have nginx listen on an IP address.
set -eu
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"

version=1.22.1-9+deb12u11
apt-get -q download "nginx=$version" "libnginx-mod-stream=$version" >log 2>&1 || { cat log; exit 1; }
for deb in *.deb; do dpkg -x "$deb" root; done
module=$(find root -name ngx_stream_module.so)

cat >nginx.conf <<END
load_module $work/$module;
daemon off;
user root;
pid $work/pid;
error_log $work/error.log;
events { }
stream {
    server {
        listen unix:$work/front proxy_protocol;
        set_real_ip_from unix:;
        proxy_protocol on;
        proxy_pass unix:$work/back;
    }
}
END

cat >ask.py <<'END'
import re
import socket
import sys
import time

back = socket.socket(socket.AF_UNIX)
back.bind("back")
back.listen()
back.settimeout(10)
for _ in range(100):
    front = socket.socket(socket.AF_UNIX)
    try:
        front.connect("front")
        break
    except OSError:
        time.sleep(0.1)
front.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\nhello\r\n")
line = back.accept()[0].recv(1000).split(b"\r\n")[0].decode()
print(re.sub(r"unix:\S*/front", "unix:FRONT", line))
END
root/usr/sbin/nginx -p "$work" -c "$work/nginx.conf" 2>log &
pid=$!
came=$(python3 ask.py) || { cat log error.log; exit 1; }

echo "nginx $version"
echo "expected: PROXY TCP4 192.0.2.7 192.0.2.1 4711 25, or PROXY UNKNOWN"
echo "came:     $came"
[ "$came" = "PROXY TCP4 192.0.2.7 unix:FRONT 4711 0" ] || { echo "this has changed"; exit 1; }
