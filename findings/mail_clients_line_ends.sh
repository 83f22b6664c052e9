#!/usr/bin/env bash
# Mail clients of today send line ends that RFC 5321 forbids. SPDX-License-Identifier: BSD-3-Clause
#
# RFC 5321, section 2.3.8: a client must send CRLF at the end of each line, and CR and LF nowhere else. A message whose
# lines end in LF, as files here do, is given to eight clients; one of its lines has a CR in the middle.
#
# What most would expect: each client sends CRLF, and does something about the lone CR. What came: six send the CR as it
# is, and three of these send lines that end in LF alone.
#
# Guessed before: msmtp, swaks, esmtp and curl leave the CR; s-nail encodes it; nodemailer makes it a line end; curl
# without --crlf leaves LF. Guessed wrong: that emailjs makes CRLF of all, and that Python's smtplib does (it does so for
# str only; bytes go out as they are, with the dots doubled behind each LF).
#
# Why it matters here: a server whose framing takes CRLF alone as the end of a line refuses mail of honest clients, or
# waits for the end of a line that was there. That has to be an answer to the client that names the line, not a reset.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

debs=(msmtp=1.8.23-1 swaks=20201014.0-2 s-nail=14.9.24-2 esmtp=1.2-18+b1 libesmtp6=1.1.0-3.1~deb12u1
    curl=7.88.1-10+deb12u15 libcurl4=7.88.1-10+deb12u15 python3.11-minimal=3.11.2-6+deb12u9
    libpython3.11-minimal=3.11.2-6+deb12u9 libpython3.11-stdlib=3.11.2-6+deb12u9 libsecret-1-0=0.20.5-3
    libidn12=1.41-1 libntlm0=1.6-4 libgssglue1=0.7-1.1 libgsasl18=2.2.0-1+deb12u2)
apt-get -q download "${debs[@]}" >log 2>&1 || { cat log; exit 1; }
for deb in *.deb; do dpkg -x "$deb" root; done
npm install --silent --no-audit --no-fund nodemailer@10.6.1 emailjs@5.0.3 >log 2>&1 || { cat log; exit 1; }
libraries=$work/root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)

{
    printf 'From: a@example.org\nTo: b@example.org\nSubject: t\n\none\rstill one\n.dot\n'
    printf 'x%.0s' {1..3000}
    printf '\nlast\n'
} >message

# A server for one mail: its port, and then what it was sent, as words that say which line ends.
cat >server.py <<'END'
import re, socket
s = socket.create_server(('127.0.0.1', 0))
s.settimeout(20)
open('port.new', 'w').write(str(s.getsockname()[1]))
__import__('os').rename('port.new', 'port')
c = s.accept()[0]
c.settimeout(20)
f = c.makefile('rb')
c.sendall(b'220 here\r\n')
data = b''
for line in f:
    verb = line[:4].upper()
    if verb == b'EHLO':
        c.sendall(b'250-here\r\n250 8BITMIME\r\n')
    elif verb == b'DATA':
        c.sendall(b'354 go\r\n')
        while not data.endswith(b'\r\n.\r\n'):
            data += f.read(1)
        c.sendall(b'250 taken\r\n')
    elif verb == b'QUIT':
        c.sendall(b'221 bye\r\n')
        break
    else:
        c.sendall(b'250 ok\r\n')
cr, lf = re.search(rb'\r(?!\n)', data), re.search(rb'(?<!\r)\n', data)
print(('CR' if cr else '') + ('LF' if lf else '') or 'good', len(data))
END

cat >nodemailer.cjs <<'END'
const transport = require('nodemailer').createTransport({host: '127.0.0.1', port: +process.argv[2], ignoreTLS: true});
transport.sendMail({envelope: {from: 'a@example.org', to: ['b@example.org']}, raw: require('fs').readFileSync('message')})
    .then(() => transport.close());
END
cat >emailjs.mjs <<'END'
import {SMTPClient} from 'emailjs';
import {readFileSync} from 'fs';
const client = new SMTPClient({host: '127.0.0.1', port: +process.argv[2], ssl: false});
const text = readFileSync('message', 'utf8').replace(/^[^]*?\n\n/, '');
await client.sendAsync({text, from: 'a@example.org', to: 'b@example.org', subject: 't'});
process.exit(0);
END
cat >smtplib_bytes.py <<'END'
import smtplib, sys
with smtplib.SMTP('127.0.0.1', int(sys.argv[1])) as s:
    s.sendmail('a@example.org', ['b@example.org'], open('message', 'rb').read())
END

wrong=0
# try NAME EXPECTED COMMAND...: PORT in it is the server's.
try() {
    local name=$1 expected=$2 came port
    shift 2
    rm -f port
    python3 server.py >came 2>&1 &
    while [ ! -e port ]; do sleep 0.02; done
    port=$(cat port)
    echo "hostname = 127.0.0.1:$port" >esmtprc
    HOME=$work LD_LIBRARY_PATH=$libraries timeout 20 "${@/PORT/$port}" <message >log 2>&1 || cat log
    wait
    came=$(cut -d' ' -f1 came)
    printf '%-42s %s\n' "$name" "$came"
    [ "$came" = "$expected" ] || { echo "    this was $expected"; wrong=1; }
}

bin=root/usr/bin
echo 'bare line ends that were sent (good: none)'
try 'msmtp 1.8.23' CR $bin/msmtp --host=127.0.0.1 --port=PORT --from=a@example.org --auth=off --tls=off b@example.org
try 'swaks 20201014.0' CR perl $bin/swaks --server 127.0.0.1:PORT --from a@example.org --to b@example.org --data @message
try 'esmtp 1.2' CR $bin/esmtp -C esmtprc -f a@example.org b@example.org
try 's-nail 14.9.24' good $bin/s-nail -:/ -Sv15-compat -Smta=smtp://127.0.0.1:PORT -Ssmtp-auth=none \
    -Sfrom=a@example.org -t
curl=("$bin/curl" -s smtp://127.0.0.1:PORT/x --mail-from a@example.org --mail-rcpt b@example.org -T message)
try 'curl 7.88.1' CRLF "${curl[@]}"
try 'curl 7.88.1 --crlf' CR "${curl[@]}" --crlf
try "Python 3.11.2's smtplib, given bytes" CRLF env PYTHONHOME="$work/root/usr" $bin/python3.11 smtplib_bytes.py PORT
try 'nodemailer 10.6.1 (npm)' good node nodemailer.cjs PORT
try 'emailjs 5.0.3 (npm)' CRLF node emailjs.mjs PORT
exit $wrong
