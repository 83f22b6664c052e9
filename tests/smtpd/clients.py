#!/usr/bin/env python3
"""The example smtpd with clients that know nothing of us, behind HAProxy, and with Dovecot behind it.

usage: clients.py PROGRAM PEERS    PEERS is a folder with Postfix and Dovecot, unpacked, and nodemailer

SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import imaplib
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
import test_smtpd
from test_smtpd import MAIL, TIMEOUT, Client, Server, expect, server, tls_server, until

PEERS = os.path.abspath(sys.argv[2])
UNPACKED = PEERS + "/root"
TEXT = b"Subject: t\r\n\r\nhello\r\n.dot\r\n..\r\nthe end\r\n"
PLAIN = TEXT.replace(b"\r\n", b"\n")
ANN = ("ann", "s3cret")


def run(*command, said=b"", status=0, **more):
    done = subprocess.run(command, input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, **more)
    expect(done.returncode == 0 if status == 0 else done.returncode != 0, True, (command, done.stdout[-1000:]))
    return done.stdout.decode(errors="replace")


def unpacked(program, *args, **more):
    libraries = ":".join(f"{UNPACKED}/usr/lib/{folder}" for folder in ("postfix", "dovecot", "x86_64-linux-gnu"))
    return run(f"{UNPACKED}/usr/{program}", *args, env={**os.environ, "LD_LIBRARY_PATH": libraries}, **more)


def stored(s, count):
    """Each of the mails has the text in it; the client may have added headers, and an empty line at the end."""
    mails = s.stored()
    expect(len(mails), count)
    for mail in mails:
        expect(mail.rstrip().endswith(b"\r\n\r\nhello\r\n.dot\r\n..\r\nthe end"), True, mail)
    s.clear()


@contextlib.contextmanager
def servers():
    """One with TLS, and one that wants users as well; and the text as a file."""
    with tls_server() as open_one, tls_server("--users", open_one.files + "/users") as closed_one:
        with open(open_one.files + "/text", "wb") as file:
            file.write(TEXT)
        yield open_one, closed_one


def swaks():
    with servers() as (s, users):
        base = ("swaks", "-f", "a@x.example", "-t", "b@x.example,c@x.example", "--data", "@" + s.files + "/text", "-s")
        run(*base, f"127.0.0.1:{s.port}")
        run(*base, f"127.0.0.1:{s.port}", "--pipeline")
        run(*base, f"127.0.0.1:{s.port}", "--tls")
        run(*base, f"127.0.0.1:{s.ports[1]}", "--tlsc")
        stored(s, 4)
        for how in ("PLAIN", "LOGIN"):
            run(*base, f"127.0.0.1:{users.port}", "--tls", "-a", how, "-au", "ann", "-ap", "s3cret")
            run(*base, f"127.0.0.1:{users.port}", "--tls", "-a", how, "-au", "ann", "-ap", "wrong", status=28)
        stored(users, 2)


def msmtp():
    with servers() as (s, users):
        base = ("msmtp", "--host=localhost", "--from=a@x.example", "b@x.example", f"--tls-trust-file={s.files}/cert.pem")
        run(*base, f"--port={s.port}", said=PLAIN)
        run(*base, f"--port={s.port}", "--tls", said=PLAIN)
        run(*base, f"--port={s.ports[1]}", "--tls", "--tls-starttls=off", said=PLAIN)
        expect("554" in run(*base, f"--port={s.port}", said=b"Subject: t\n\na\rb\n", status=1), True)
        stored(s, 3)
        base = (*base[:-1], f"--tls-trust-file={users.files}/cert.pem", f"--port={users.port}", "--tls", "--user=ann")
        for how in ("plain", "login"):
            run(*base, f"--auth={how}", "--passwordeval=echo s3cret", said=PLAIN)
            run(*base, f"--auth={how}", "--passwordeval=echo wrong", said=PLAIN, status=1)
        stored(users, 2)


def curl():
    with servers() as (s, users):
        base = ("curl", "-sS", "--mail-from", "a@x.example", "--mail-rcpt", "b@x.example", "-T")
        run(*base, s.files + "/text", f"smtp://127.0.0.1:{s.port}/me")
        run(*base, s.files + "/text", "--cacert", s.files + "/cert.pem", "--ssl-reqd", f"smtp://localhost:{s.port}/me")
        run(*base, s.files + "/text", "--cacert", s.files + "/cert.pem", f"smtps://localhost:{s.ports[1]}/me")
        stored(s, 3)
        with open(s.files + "/bare", "wb") as file:
            file.write(PLAIN)
        run(*base, s.files + "/bare", f"smtp://127.0.0.1:{s.port}/me", status=55)
        run(*base, s.files + "/bare", "--crlf", f"smtp://127.0.0.1:{s.port}/me")
        stored(s, 1)
        run(*base, s.files + "/text", "-k", "--ssl-reqd", "-u", ":".join(ANN), f"smtp://localhost:{users.port}/me")
        run(*base, s.files + "/text", "-k", "--ssl-reqd", "-u", "ann:wrong", f"smtp://localhost:{users.port}/me", status=67)
        stored(users, 1)


def talk(*command):
    """A tool that passes on what is typed. Types the next line when there is an answer."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tool:
        timer = threading.Timer(TIMEOUT, tool.kill)
        timer.start()
        dotted = TEXT.replace(b"\n.", b"\n..") + b"."
        for line, answer in ((b"EHLO x", b"250 "), (MAIL.rstrip(), b"250 2.1.5"), (b"DATA", b"354"), (dotted, b"250 2.0.0"),
                             (b"QUIT", b"221")):
            tool.stdin.write(line + b"\r\n")
            tool.stdin.flush()
            expect(any(got.startswith(answer) for got in iter(tool.stdout.readline, b"")), True, (command, line))
        tool.stdin.close()
        tool.wait()
        timer.cancel()


def openssl_and_gnutls():
    with tls_server() as s:
        client = ("openssl", "s_client", "-quiet", "-CAfile", s.files + "/cert.pem", "-connect")
        talk(*client, f"localhost:{s.port}", "-starttls", "smtp")
        talk(*client, f"localhost:{s.ports[1]}")
        talk("gnutls-cli", "--starttls-proto=smtp", "--x509cafile=" + s.files + "/cert.pem", f"--port={s.port}", "localhost")
        talk("gnutls-cli", "--x509cafile=" + s.files + "/cert.pem", f"--port={s.ports[1]}", "localhost")
        stored(s, 4)


NODEMAILER = """
const nodemailer = require(process.argv[2] + '/node_modules/nodemailer');
(async () => {
    for (const how of JSON.parse(process.argv[3])) {
        const transport = nodemailer.createTransport({host: '127.0.0.1', tls: {rejectUnauthorized: false}, ...how});
        await transport.sendMail({from: 'a@x.example', to: 'b@x.example, c@x.example', raw: process.argv[4]});
        transport.close();
    }
})().catch((error) => { console.log(error); process.exit(1); });
"""


def nodemailer():
    if not os.path.isdir(PEERS + "/node_modules/nodemailer"):
        return "there is no nodemailer"
    with servers() as (s, users):
        ways = f'[{{"port": {s.port}, "ignoreTLS": true}}, {{"port": {s.port}}}, {{"port": {s.ports[1]}, "secure": true}}, ' \
            f'{{"port": {s.port}, "pool": true}}]'
        run("node", "-e", NODEMAILER, "x", PEERS, ways, TEXT.decode())
        stored(s, 4)
        way = f'[{{"port": {users.port}, "auth": {{"user": "ann", "pass": "s3cret"}}}}]'
        run("node", "-e", NODEMAILER, "x", PEERS, way, TEXT.decode())
        stored(users, 1)
    return None


def smtp_source():
    """Each mail is there once. Each session ends with a reset, since smtp-source does not read the 221."""
    with server() as s:
        for options in ((), ("-d",), ("-d", "-r", "5"), ("-d", "-l", "100000", "-m", "50")):
            unpacked("sbin/smtp-source", "-s", "20", "-m", "200", "-l", "1000", *options, f"127.0.0.1:{s.port}")
            expect(len(s.stored()), 50 if "50" in options else 200, options)
            s.clear()


def smtp_source_and_kills():
    """10,000 mails, and 20 kills. A mail is logged before it gets 250: all that are logged are there, and are whole."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        s = Server(folder)
        port, done = s.port, threading.Event()

        def send():
            libraries = f"{UNPACKED}/usr/lib/postfix:{UNPACKED}/usr/lib/x86_64-linux-gnu"
            while not done.is_set():
                subprocess.run([UNPACKED + "/usr/sbin/smtp-source", "-d", "-s", "20", "-m", "500", "-l", "1000",
                                f"127.0.0.1:{port}"], check=False, stderr=subprocess.DEVNULL,
                               env={**os.environ, "LD_LIBRARY_PATH": libraries})
        sender = threading.Thread(target=send)
        sender.start()
        for number in range(20):
            until("more mails", lambda: len(os.listdir(s.mail + "/new")) > number * 500)
            s.process.kill()
            s.process.wait()
            s = Server(folder, "--port", str(port))
        until("all mails", lambda: len(os.listdir(s.mail + "/new")) >= 10_000)
        done.set()
        sender.join()
        s.stop()
        said = set(re.findall(r"^(\S+): .*: 250$", s.said(), re.MULTILINE))
        expect(said - set(os.listdir(s.mail + "/new")), set(), "mails that are lost")
        expect(len({len(mail.split(b"\r\n\r\n", 1)[1]) for mail in s.stored()}), 1, "mails that are cut off")
        return f"{len(said)} mails, 20 kills"


POSTFIX = """
compatibility_level = 3.6
queue_directory = {0}/queue
data_directory = {0}/data
daemon_directory = {1}/usr/lib/postfix/sbin
command_directory = {1}/usr/sbin
shlib_directory = {1}/usr/lib/postfix
meta_directory = {1}/etc/postfix
mail_owner = daemon
setgid_group = staff
myhostname = sender.example
mydestination =
relayhost = [127.0.0.1]:{2}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
smtp_tls_security_level = encrypt
message_size_limit = 20000000
maillog_file = {0}/log
maillog_file_prefixes = {0}
import_environment = MAIL_CONFIG LANG=C LD_LIBRARY_PATH={1}/usr/lib/postfix:{1}/usr/lib/x86_64-linux-gnu
export_environment = MAIL_CONFIG LANG LD_LIBRARY_PATH
"""
POSTFIX_SERVICES = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
retry unix - - n - - error
showq unix n - n - - showq
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def make_postfix(folder, port):
    """Files and folders of a Postfix that sends all mails to the port."""
    queue = "active bounce corrupt defer deferred flush hold incoming maildrop private public saved trace"
    for name in ("data", *("queue/" + name for name in queue.split())):
        os.makedirs(f"{folder}/{name}")
        shutil.chown(f"{folder}/{name}", "daemon", "staff")
    os.chmod(folder + "/queue/maildrop", 0o730)
    os.chmod(folder + "/queue/public", 0o710)
    os.mkdir(folder + "/queue/pid")
    os.chmod(folder, 0o755)
    for name, text in (("main.cf", POSTFIX.format(folder, UNPACKED, port)), ("master.cf", POSTFIX_SERVICES), ("log", "")):
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            file.write(text)


def postfix():
    """Postfix sends mails over TLS, returns one that is too large, and keeps those that come while the server is away."""
    if os.geteuid() != 0:
        return "it wants to be root"
    with tempfile.TemporaryDirectory() as folder, tls_server("--max-size", "100000") as s:
        def send(text, count=1):
            for _ in range(count):
                unpacked("sbin/sendmail", "-C", folder, "-f", "a@x.example", "b@x.example", "c@x.example", said=text)

        def in_log(text, count):
            with open(folder + "/log", encoding="utf-8") as log:
                until(f"{count} times {text}", lambda: log.seek(0) or log.read().count(text) >= count)

        make_postfix(folder, s.port)
        libraries = f"{UNPACKED}/usr/lib/postfix:{UNPACKED}/usr/lib/x86_64-linux-gnu"
        with subprocess.Popen([UNPACKED + "/usr/lib/postfix/sbin/master", "-c", folder, "-d"], start_new_session=True,
                              env={**os.environ, "LD_LIBRARY_PATH": libraries}) as master:
            try:
                until("pickup", lambda: os.path.exists(folder + "/queue/public/pickup"))
                send(PLAIN, 20)
                in_log("status=sent", 40)
                stored(s, 20)
                send(PLAIN + b"x\n" * 40_000)
                in_log("status=bounced", 2)
                in_log("status=sent", 41)  # what tells the sender
                expect(b"5.3.4" in s.stored()[0], True, "what the sender is told")
                s.clear()
                s.stop()
                send(PLAIN, 5)
                in_log("status=deferred", 10)
                again = Server(s.folder, "--port", str(s.port), "--tls", s.files + "/cert.pem", s.files + "/key.pem")
                unpacked("sbin/postqueue", "-c", folder, "-f")
                in_log("status=sent", 51)
                stored(again, 5)
                until("an empty queue", lambda: "is empty" in unpacked("sbin/postqueue", "-c", folder, "-p"))
                again.stop()
            finally:
                master.terminate()


def haproxy():
    """HAProxy marks the server up by its own check, and says whose connections it passes on."""
    with server("--proxy-protocol") as s, tempfile.TemporaryDirectory() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.close()
        with open(folder + "/config", "w", encoding="ascii") as file:
            file.write(f"""global
    stats socket {folder}/stats
defaults
    mode tcp
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen mail
    bind 127.0.0.1:{port}
    option smtpchk EHLO check.example
    server one 127.0.0.1:{s.port} check inter 100 send-proxy-v2 check-send-proxy
""")
        with subprocess.Popen(["haproxy", "-db", "-f", folder + "/config"], stderr=subprocess.DEVNULL) as balancer:
            def state():
                with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as c:
                    c.connect(folder + "/stats")
                    c.sendall(b"show stat\n")
                    said = b"".join(iter(lambda: c.recv(65536), b"")).decode()
                    row = next(line for line in said.splitlines() if line.startswith("mail,one,")).split(",")
                    return row[17], row[36]  # status and check_status
            until("a check that is good", lambda: (state() or ("", ""))[1] == "L7OK")
            time.sleep(1)
            expect(state(), ("UP", "L7OK"))
            for _ in range(20):
                with smtplib.SMTP("127.0.0.1", port, timeout=TIMEOUT) as c:
                    c.sendmail("a@x.example", "b@x.example", TEXT)
                    peer = c.sock.getsockname()
                expect(f": {peer[0]}:{peer[1]} from=" in s.said(), True, peer)
            stored(s, 20)
            balancer.terminate()


DOVECOT = """
base_dir = {0}/run
protocols = imap lmtp
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
log_path = {0}/log
ssl = no
disable_plaintext_auth = no
import_environment = LD_LIBRARY_PATH={1}
mail_location = maildir:{0}/mail/%u
first_valid_uid = 1
mail_uid = nobody
mail_gid = nogroup
passdb {{
  driver = static
  args = password=pw
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={0}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {2}
    address = 127.0.0.1
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
"""
# Dovecot looks for itself below /usr, and only there. So it runs where its folders lie over those of the system.
MOUNT = """
for folder in bin lib; do
    mount -t overlay -o lowerdir={0}/usr/$folder:/usr/$folder overlay /usr/$folder || exit 77
done
LD_LIBRARY_PATH={2} exec {0}/usr/sbin/dovecot -F -c {1}/config
"""


def dovecot():
    """Dovecot gets what was sent, for each recipient, and gives it out by IMAP."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.close()
        libraries = f"{UNPACKED}/usr/lib/x86_64-linux-gnu:{UNPACKED}/usr/lib/dovecot"
        for name in ("run", "mail"):
            os.mkdir(f"{folder}/{name}")
        shutil.chown(folder + "/mail", "nobody", "nogroup")
        os.chmod(folder, 0o755)
        with open(folder + "/config", "w", encoding="ascii") as file:
            file.write(DOVECOT.format(folder, libraries, port))
        script = MOUNT.format(UNPACKED, folder, libraries)
        with subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stderr=subprocess.DEVNULL) as other:
            until("Dovecot", lambda: os.path.exists(folder + "/run/lmtp") or other.poll() is not None)
            if other.poll() is not None:
                return "it cannot be mounted"
            try:
                talk_to_dovecot(folder, port)
            finally:
                other.send_signal(signal.SIGTERM)
                other.wait(TIMEOUT)
    return None


def talk_to_dovecot(folder, port):
    with server("--lmtp", f"unix:{folder}/run/lmtp") as s, smtplib.SMTP("127.0.0.1", s.port, timeout=TIMEOUT) as c:
        for _ in range(5):
            expect(c.sendmail("a@x.example", ["bob@x.example", "eve@x.example"], TEXT), {})
    for name in ("bob", "eve"):
        with imaplib.IMAP4("127.0.0.1", port, timeout=TIMEOUT) as box:
            box.login(name + "@x.example", "pw")
            expect(box.select(), ("OK", [b"5"]))
            for number in range(1, 6):
                expect(box.fetch(str(number), "(RFC822)")[1][0][1].endswith(TEXT), True, number)


def main():
    for judge in (swaks, msmtp, curl, openssl_and_gnutls, nodemailer, smtp_source, smtp_source_and_kills, postfix,
                  haproxy, dovecot):
        began = time.monotonic()
        print(f"{judge.__name__}: {judge() or 'ok'}, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{test_smtpd.checks} checks")


main()
