#!/usr/bin/env python3
"""The example httpd: its answers to good and bad requests, however they are cut.

usage: test_httpd.py PROGRAM [SEED]
SPDX-License-Identifier: BSD-3-Clause
"""
import contextlib
import os
import random
import re
import resource
import signal
import sys
import tempfile
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import malformed
from client import CUTS, RING, TIMEOUT, Connection, make_folder, ring, send, serving, usable, whole

PROGRAM = os.path.abspath(sys.argv[1])
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
HOST = b"Host: x\r\n"
HELLO_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
NEXT = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
GIVEN, ECHOED = "GET, HEAD, OPTIONS", "OPTIONS, POST"  # what paths take


def expect(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r:.300} instead of {wanted!r:.300}")


def request(target, fields=b"", method=b"GET", version=b"HTTP/1.1"):
    return method + b" " + target + b" " + version + b"\r\n" + HOST + fields + b"\r\n"


def ask(port, target, fields=b"", method=b"GET", version=b"HTTP/1.1"):
    """Expects one answer, on a connection of its own that goes on."""
    with Connection(port) as c:
        c.socket.sendall(request(target, fields, method, version) + NEXT)
        answer = c.answer(method.decode())
        expect(c.answer().body, b"Hello, World!", "what follows")
        return answer


# --- requests that are no proper ones ---

def refuse_row(ports, row, rng):
    """Expects one answer, the right one, and the end of the connection, however the request is cut."""
    section, what, bad, status = row
    for cut in CUTS:
        if not usable(cut, bad):
            continue
        with Connection(ports[cut]) as c:
            sender = threading.Thread(target=send, args=(c, cut(rng, bad + NEXT)))
            sender.start()
            answer = c.answer()
            name = f"{section}, {what}, {cut.__name__}"
            expect(answer.status, status, name)
            expect(answer.fields.get("connection"), "close", name)
            if not c.ended():
                raise AssertionError(f"{name}: more than one answer: {c.got!r:.200}")
            sender.join()


def cut_off_row(ports, row, rng):
    section, what, bad, status = row
    for cut in CUTS:
        with Connection(ports[cut]) as c:
            send(c, cut(rng, bad))
            c.end()
            expect(c.answer().status, status, f"{section}, {what}")
            expect(c.ended(), True, what)


def half_a_request_and_gone(port):
    """Nobody is left to be answered; the server goes on."""
    for at in range(0, len(NEXT), 5):
        with Connection(port) as c:
            c.socket.sendall(NEXT[:at])
    expect(ask(port, b"/hello").status, 200)


# --- empty lines: RFC 9112, 2.2 ---

def an_empty_line_and_the_end_are_no_request(port):
    body = request(b"/echo", b"Content-Length: 2\r\n", b"POST") + b"ab"
    for sent, statuses in ((NEXT + b"\r\n", [200]), (body + b"\r\n", [200]), (body + b"\r\n" * 3, [200]),
                           (b"\r\n" * 2 + NEXT, [200]), (b"\r\n" + NEXT, [200]), (NEXT + b"\r\n" + NEXT, [200, 200]),
                           (b"\r\n", []), (b"\r\n" * 2, []), (b"", []), (NEXT + b"\r", [200]),
                           (NEXT + b"\r\nG", [200, 400])):
        with Connection(port) as c:
            c.socket.sendall(sent)
            c.end()
            expect([c.answer().status for _ in statuses], statuses, sent)
            expect(c.ended(), True, sent)


# --- good ones: a conversation, and what is expected of each answer ---

def conversations(files):
    """Yields (name, the bytes sent, [(method, status, body, fields)])"""
    large, small = files["large"], files["sub/x"]

    def one(name, sent, status, body=None, method="GET", **fields):
        return name, sent, [(method, status, body, fields)]

    def got(name, target, fields, status, body=None, method=b"GET", **wanted):
        return one(name, request(target, fields, method), status, body, method.decode(), **wanted)

    def hello(name, fields, status, body=None, **wanted):
        return got(name, b"/hello.txt", fields, status, body, **wanted)

    def post(fields, body):
        return request(b"/echo", fields, b"POST") + body

    chunked = b"Transfer-Encoding: chunked\r\n"
    last = f"Last-Modified: {HELLO_DATE}".encode()
    text, part = files["hello.txt"], files["hello.txt"][2:5]
    return [
        hello("a file", b"", 200, text, content_type="text/plain; charset=utf-8", last_modified=HELLO_DATE,
              accept_ranges="bytes"),
        got("an empty file", b"/empty", b"", 200, b"", content_length="0"),
        got("a file of another type", b"/page.html", b"", 200, files["page.html"],
            content_type="text/html; charset=utf-8"),
        got("a name that is coded", b"/sub/a%20b%25.txt", b"", 200, b"odd\n"),
        got("a name that need not be coded", b"/%68ell%6F.txt", b"", 200, text),
        got("a query", b"/hello.txt?a=b/c?d", b"", 200, text),
        got("slashes", b"//sub//deep///y", b"", 200, b"y\n"),
        got("points", b"/sub/./deep/././y", b"", 200, b"y\n"),
        got("a file of 32 KiB", b"/32k", b"", 200, files["32k"]),
        got("a file that is sent by the system", b"/32k+1", b"", 200, files["32k+1"]),
        got("a large file", b"/large", b"", 200, large),
        got("nothing there", b"/nothing", b"", 404),
        got("a file as a folder", b"/hello.txt/", b"", 404),
        got("a name that is too long", b"/" + b"n" * 300, b"", 404),
        got("a folder without its slash", b"/sub?q", b"", 301, location="./sub/?q"),
        got("a folder below a folder", b"/sub/deep", b"", 301, location="./deep/"),
        got("a folder that looks like a host", b"//sub", b"", 301, location="./sub/"),
        got("HEAD", b"/large", b"", 200, b"", b"HEAD", content_length=str(len(large))),
        got("HEAD of nothing", b"/nothing", b"", 404, b"", b"HEAD"),
        got("HEAD with a range", b"/large", b"Range: bytes=0-1\r\n", 200, b"", b"HEAD",
            content_length=str(len(large))),
        # 9112 3.2.2
        one("an absolute target", b"GET http://y:80/hello.txt HTTP/1.1\r\n" + HOST + b"\r\n", 200, text),
        one("an absolute target without a path", b"GET http://[::1]:80 HTTP/1.1\r\n" + HOST + b"\r\n", 200),
        one("an IPv6 Host", b"GET /hello.txt HTTP/1.1\r\nhOST: [::1]:8080 \t\r\n\r\n", 200, text),
        one("empty lines in front", b"\r\n\r\n\r\n" + request(b"/hello.txt"), 200, text),
        one("a later minor version", request(b"/hello.txt", version=b"HTTP/1.9"), 200, text),
        hello("a head of nearly 64 KiB", b"A: " + b"b" * 65000 + b"\r\n", 200, text),
        got("a target of 8000 bytes", b"/hello.txt?" + b"q" * 7989, b"", 200, text),
        got("another name of /hello", b"/%68ello", b"", 200, b"Hello, World!"),
        one("another name of /echo", request(b"/%65ch%6F?a", b"Content-Length: 2\r\n", b"POST") + b"hi", 200, b"hi"),
        # 9110 9.1, 15.5.6
        got("POST to a file", b"/hello.txt", b"", 405, method=b"POST", allow=GIVEN),
        got("GET of the echo", b"/echo", b"", 405, allow=ECHOED),
    ] + [
        got(f"{method.decode()} of {path.decode()}", path, b"", 405, method=method, allow=allow)
        for method in (b"PUT", b"DELETE", b"TRACE", b"PATCH")
        for path, allow in ((b"/hello.txt", GIVEN), (b"/hello", GIVEN), (b"/nothing", GIVEN), (b"/echo", ECHOED))
    ] + [
        # 9110 9.3.7, 8.6
        one(f"OPTIONS of {path.decode()}", request(path, method=b"OPTIONS"), 204, b"", "OPTIONS", allow=allow,
            content_length=None)
        for path, allow in ((b"*", GIVEN), (b"/", GIVEN), (b"/hello", GIVEN), (b"/nothing", GIVEN), (b"/echo", ECHOED),
                            (b"http://y", GIVEN), (b"http://y:80/echo?a", ECHOED))
    ] + [
        # 9112 6, 7
        one("a body by its length", post(b"Content-Length: 5\r\n", b"hello"), 200, b"hello"),
        one("no body", post(b"Content-Length: 0\r\n", b""), 200, b""),
        one("a large body", post(b"Content-Length: 1000000\r\n", large[:1000000]), 200, large[:1000000]),
        one("chunks", post(chunked, b"5\r\nhello\r\n1\r\n,\r\n006\r\n world\r\n0\r\n\r\n"), 200, b"hello, world"),
        one("a chunk in upper case", post(chunked, b"A\r\n0123456789\r\n000\r\n\r\n"), 200, b"0123456789"),
        one("large chunks", post(chunked, b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (
            large[i:i + 70000] for i in range(0, 700000, 70000))) + b"0\r\n\r\n"), 200, large[:700000]),
        one("extensions and trailers", post(chunked, b'5;a="b";c\r\nhello\r\n0 ;x\r\nA: b\r\nHost: y\r\n\r\n'), 200,
            b"hello"),
        one("extensions of every form", post(chunked, b'1 ; a = "b;\\"\\\\\xff" ;c=d;e\r\nx\r\n1;a=""\r\ny\r\n0;f\r\n\r\n'),
            200, b"xy"),
        one("long extensions", post(chunked, (b"1;a=" + b"b" * 1000 + b"\r\nx\r\n") * 8 + b"0\r\n\r\n"), 200, b"x" * 8),
        one("chunks with newlines", post(chunked, b"4\r\n\r\n\r\n\r\n2\r\n0\n\r\n0\r\n\r\n"), 200, b"\r\n\r\n0\n"),
        one("CHUNKED", post(b"tRANSFER-eNCODING:CHUNKED\r\n", b"1\r\nx\r\n0\r\n\r\n"), 200, b"x"),
        # 9110 5.6.1
        one("chunked in a list", post(b"Transfer-Encoding: , chunked\t,\r\n", b"1\r\nx\r\n0\r\n\r\n"), 200, b"x"),
        one("chunked and an empty coding", post(chunked + b"Transfer-Encoding:\r\n", b"1\r\nx\r\n0\r\n\r\n"), 200, b"x"),
        # 9110 14
        hello("a range", b"Range: bytes=2-4\r\n", 206, part, content_range="bytes 2-4/13", content_length="3"),
        hello("a range of one byte", b"Range: bytes=0-0\r\n", 206, text[:1], content_range="bytes 0-0/13"),
        hello("a range without end", b"Range: bytes=10-\r\n", 206, text[10:], content_range="bytes 10-12/13"),
        hello("a range over the end", b"Range: bytes=10-99\r\n", 206, text[10:], content_range="bytes 10-12/13"),
        hello("the last bytes", b"Range: BYTES=-3\r\n", 206, text[-3:], content_range="bytes 10-12/13"),
        hello("more last bytes than there are", b"Range: bytes=-99\r\n", 206, text, content_range="bytes 0-12/13"),
        hello("a range that fits in no number", b"Range: bytes=5-99999999999999999999999\r\n", 206, text[5:]),
        hello("a range behind the end", b"Range: bytes=13-\r\n", 416, content_range="bytes */13"),
        hello("the last no bytes", b"Range: bytes=-0\r\n", 416, content_range="bytes */13"),
        hello("two ranges", b"Range: bytes=0-1,3-4\r\n", 200, text),
        hello("a range backwards", b"Range: bytes=4-2\r\n", 200, text),
        hello("no range", b"Range: bytes=-\r\n", 200, text),
        hello("a range of letters", b"Range: bytes=a-b\r\n", 200, text),
        hello("a range of lines", b"Range: lines=0-1\r\n", 200, text),
        got("a range of nothing", b"/empty", b"Range: bytes=0-\r\n", 416, content_range="bytes */0"),
        got("the last byte of nothing", b"/empty", b"Range: bytes=-1\r\n", 200, b"", content_length="0"),
        got("the last no bytes of nothing", b"/empty", b"Range: bytes=-0\r\n", 416, content_range="bytes */0"),
        got("a large range", b"/large", b"Range: bytes=7-1000007\r\n", 206, large[7:1000008]),
        got("a range across files of the echo", b"/sub/x", b"Range: bytes=999-\r\n", 206, small[999:]),
        # 9110 13
        hello("not modified", b"If-Modified-Since: " + HELLO_DATE.encode() + b"\r\n", 304, b"",
              last_modified=HELLO_DATE),
        hello("not modified, as of RFC 850", b"If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 304, b""),
        hello("not modified, as of asctime", b"If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n", 304, b""),
        hello("modified", b"If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200, text),
        hello("a date that is none", b"If-Modified-Since: yesterday\r\n", 200, text),
        hello("a day that is none", b"If-Modified-Since: Sat, 31 Feb 2099 01:02:03 GMT\r\n", 200, text),
        hello("a date in another form", b"If-Modified-Since: thu,1jan2099 1:2:3GMT\r\n", 200, text),
        hello("a date to come", b"If-Modified-Since: Thu, 01 Jan 2099 01:02:03 GMT\r\n", 304, b""),
        hello("any tag", b"If-None-Match: *\r\n", 304, b""),
        hello("another tag, which counts", b'If-None-Match: "x"\r\nIf-Modified-Since: ' + HELLO_DATE.encode() +
              b"\r\n", 200, text),
        hello("not modified since", b"If-Unmodified-Since: " + HELLO_DATE.encode() + b"\r\n", 200, text),
        hello("modified since", b"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412),
        hello("a tag that must match", b'If-Match: "x", "y"\r\n', 412),
        hello("any tag that must match", b"If-Match: *\r\n", 200, text),
        hello("a part if it is of the same second", b"Range: bytes=2-4\r\nIf-Range: " + HELLO_DATE.encode() + b"\r\n",
              200, text),
        hello("a part of what is another", b'Range: bytes=2-4\r\nIf-Range: "x"\r\n', 200, text),
        hello("two dates", b"If-Modified-Since: " + HELLO_DATE.encode() + b"\r\n" + b"If-Modified-Since: " +
              HELLO_DATE.encode() + b"\r\n", 200, text),
        hello("two dates in a list", b"If-Modified-Since: %s, %s\r\n" % ((HELLO_DATE.encode(),) * 2), 200, text),
        hello("two dates that are over", b"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n" * 2, 200, text),
    ] + [
        # conditions on what has no tag and no date
        one(f"{field.decode()}, of {name.decode()}", b"GET " + name + b" HTTP/1.1\r\n" + HOST + field + b"\r\n\r\n", status,
            b"" if status == 304 else None)
        for name in (b"/hello", b"http://y:80/hello", b"/%68ello", b"/", b"http://y:80/", b"http://y:80")
        for field, status in ((b"If-None-Match: *", 304), (b'If-None-Match: "x"', 200), (b'If-Match: "x"', 412),
                              (b"If-Match: *", 200), (b"If-Modified-Since: Thu, 01 Jan 2099 01:02:03 GMT", 200),
                              (b"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 200), (b"Range: bytes=0-1", 200))
    ] + [
        # 9112 9
        ("many in one", request(b"/hello.txt") * 3 + post(b"Content-Length: 2\r\n", b"hi") + request(b"/large"),
         [("GET", 200, text, {})] * 3 + [("POST", 200, b"hi", {}), ("GET", 200, large, {})]),
        ("HEAD and GET", request(b"/large", method=b"HEAD") + request(b"/empty"),
         [("HEAD", 200, b"", {}), ("GET", 200, b"", {})]),
        ("404 and GET", request(b"/nothing") + request(b"/empty"), [("GET", 404, None, {}), ("GET", 200, b"", {})]),
        # 9110 10.1.1
        ("100 twice in a list", post(b"Expect: 100-continue\r\nExpect: 100-Continue, \r\nContent-Length: 5\r\n", b"hello"),
         [("POST", 100, b"", {}), ("POST", 200, b"hello", {})]),
        ("100 and the body", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
         [("POST", 100, b"", {}), ("POST", 200, b"hello", {})]),
    ] + [
        # this answer also ends the connection
        (name + ", and the end", sent, [("GET", status, body, {"connection": connection}), None])
        for name, sent, status, body, connection in (
            ("close", request(b"/hello.txt", b"Connection: x, Close\r\n"), 200, text, "close"),
            ("HTTP/1.0", b"GET /hello.txt HTTP/1.0\r\n\r\n", 200, text, "close"),
            ("a file and close", request(b"/large", b"Connection: close\r\n"), 200, large, "close"),
            ("close and other lines", request(b"/empty", b"Connection: x\r\nConnection: close\r\n"), 200, b"", "close"),
            # an unwanted body is not read, and is not taken for a request: 9112 9.3
            ("GET with a body", request(b"/hello.txt", b"Content-Length: 5\r\n") + b"hello", 200, text, "close"),
            ("GET with chunks", request(b"/hello.txt", chunked) + b"0\r\n\r\n", 200, text, "close"),
            ("DELETE with a body", request(b"/hello.txt", b"Content-Length: 5\r\n", b"DELETE") + b"hello", 405, None, "close"),
            ("OPTIONS with a body", request(b"/echo", b"Content-Length: 5\r\n", b"OPTIONS") + b"hello", 204, b"", "close"),
            ("OPTIONS of a proxy that asks for health", b"OPTIONS / HTTP/1.0\r\n\r\n", 204, b"", "close"),
            ("POST to a file, with a body", request(b"/hello.txt", b"Content-Length: 5\r\n", b"POST") + b"hello", 405, None,
             "close"),
        )
    ] + [
        one("HTTP/1.0 that goes on", b"GET /hello.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 200, text,
            connection="keep-alive"),
    ]


def hold_conversation(ports, conversation, rng):
    """The answers are the same however the requests are cut."""
    name, sent, wanted = conversation
    first = None
    for cut in CUTS:
        if not usable(cut, sent):
            continue
        with Connection(ports[cut]) as c:
            sender = threading.Thread(target=send, args=(c, cut(rng, sent + NEXT)))
            sender.start()
            answers = []
            for one in wanted:
                if one is None:
                    expect(c.ended(), True, name)
                    break
                method, status, body, fields = one
                answer = c.answer(method)
                answers.append(answer.same())
                expect(answer.status, status, f"{name}, {cut.__name__}")
                if body is not None and answer.body != body:
                    raise AssertionError(f"{name}, {cut.__name__}: another body: {answer.body!r:.100}")
                for field, value in fields.items():
                    expect(answer.fields.get(field.replace("_", "-")), value, f"{name}: {field}")
            else:
                expect(c.answer().body, b"Hello, World!", f"{name}: what follows")
            sender.join()
            expect(answers, first or answers, f"{name}, {cut.__name__}")
            first = answers


# --- what takes more than one look ---

def tags_match(port):
    tag = ask(port, b"/hello.txt").fields["etag"].encode()
    for status, fields in ((304, b"If-None-Match: %s" % tag), (304, b"If-None-Match: W/%s" % tag),
                           (304, b'If-None-Match: "a,b", %s' % tag), (200, b'If-Match: W/%s, %s' % (tag, tag)),
                           (304, b'If-None-Match: "a"\r\nA: b\r\nIf-None-Match: %s' % tag),
                           (200, b'If-Match: "a"\r\nIf-Match: %s' % tag), (412, b'If-Match: "a"\r\nIf-Match: "b"'),
                           (200, b"If-None-Match: %s" % tag[:-1]), (200, b"If-Match: %s" % tag), (412, b"If-Match: W/%s" % tag),
                           (206, b"Range: bytes=0-1\r\nIf-Range: %s" % tag),
                           (200, b"Range: bytes=0-1\r\nIf-Range: W/%s" % tag)):
        answer = ask(port, b"/hello.txt", fields + b"\r\n")
        expect(answer.status, status, fields)
        expect(answer.fields.get("etag"), None if status == 412 else tag.decode(), fields)
    if ask(port, b"/32k").fields["etag"] == ask(port, b"/32k+1").fields["etag"]:
        raise AssertionError("two files have one tag")


def nothing_outside_is_given(port):
    outside = [b"/../secret", b"/sub/../../secret", b"/%2e%2e/secret", b"/%2E./secret", b"/.%2e/secret", b"/out", b"/etc/",
               b"/etc/passwd", b"/magic/passwd", b"/sub/../sub/../../secret", b"/../../../../../../etc/passwd",
               b"//../secret", b"/..", b"/../", b"/in/../../secret"]
    for target in outside:
        answer = ask(port, target)
        expect(answer.status in (403, 404), True, target)
        expect(b"secret" in answer.body or b"root:" in answer.body, False, target)
    for target in (b"/../secret", b"/out", b"/loop", b"/in", b"/pipe", b"/sub/../hello.txt"):
        expect(ask(port, target).status, 403, target)


def a_folder_is_listed(port):
    answer = ask(port, b"/")
    page = answer.body.decode()
    expect((answer.status, answer.fields["content-type"]), (200, "text/html; charset=utf-8"))
    names = re.findall(r'<a href="\./([^"]*)">([^<]*)</a>', page)
    plain = [urllib.parse.unquote(href) for href, _ in names]
    expect((plain, len(plain)), (sorted(plain), 14), "order")
    expect(("%3Cb%3E%26%22%27/", "&#60;b&#62;&#38;&#34;&#39;/") in names, True, page)
    for href, _ in names:
        wanted = 403 if href in ("out", "etc", "magic", "loop", "in", "pipe") else 200
        expect(ask(port, b"/" + href.encode()).status, wanted, href)
    expect(re.findall(r'href="([^"]*)"', ask(port, b"/sub/").body.decode()), ["./a%20b%25.txt", "./deep/", "./x"])
    head = ask(port, b"/sub/", method=b"HEAD")
    expect(head.fields["content-length"], str(len(ask(port, b"/sub/").body)))


def the_body_waits_for_100(port):
    with Connection(port) as c:
        c.socket.sendall(request(b"/echo", b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"POST"))
        expect(c.answer().status, 100)
        c.socket.sendall(b"hello")
        expect(c.answer().body, b"hello")
        c.socket.sendall(request(b"/echo", b"Expect: 100-continue\r\nContent-Length: 9999999\r\n", b"POST"))
        expect((c.answer().status, c.ended()), (413, True))
    with Connection(port) as c:
        c.socket.sendall(request(b"/empty", b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"POST"))
        answer = c.answer()
        expect((answer.status, answer.fields["allow"], c.ended()), (405, GIVEN, True))
    with Connection(port) as c:
        c.socket.sendall(request(b"/empty", b"Expect: 100-continue\r\nContent-Length: 5\r\n"))
        expect((c.answer().status, c.ended()), (200, True))
    with Connection(port) as c:
        c.socket.sendall(request(b"/echo", b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"POST", b"HTTP/1.0") + b"hello")
        expect(c.answer().status, 200)


def a_client_that_still_sends_gets_its_refusal(port):
    """Sends more than any buffer takes. If the connection were reset, the answer would be lost."""
    with Connection(port) as c:
        c.socket.sendall(request(b"/echo", b"Content-Length: 50000000\r\n", b"POST"))
        expect(c.answer().status, 413)
        for _ in range(100):  # a reset connection refuses this
            c.socket.sendall(b"x" * 65536)
        expect(c.ended(), True)
    for fields in (b"Content-Length: 50000000\r\n", b"Transfer-Encoding: chunked\r\n"):
        with Connection(port) as c:
            body = b"300000\r\n" + b"x" * 20000000
            c.socket.settimeout(5)
            send(c, [request(b"/echo", fields, b"POST"), body])
            expect(c.answer().status, 413)


def one_that_pipelines_and_does_not_read_is_not_read(port, files):
    """4000 large files are 8 GB, and need more descriptors than allowed."""
    count = 4000
    with Connection(port) as c:
        sender = threading.Thread(target=send, args=(c, [request(b"/large") * count]))
        sender.start()
        for _ in range(5):
            expect(c.answer().body == files["large"], True)
        expect(ask(port, b"/hello.txt").status, 200, "another")
        c.socket.shutdown(2)
        sender.join()
    with Connection(port) as c:
        sender = threading.Thread(target=send, args=(c, [request(b"/sub/x") * count]))
        sender.start()
        for _ in range(count):
            expect(c.answer().body, files["sub/x"])
        sender.join()


def half_closed_clients_get_all(port, files):
    with Connection(port) as c:
        c.socket.sendall(request(b"/large") * 3)
        c.end()
        for _ in range(3):
            expect(c.answer().body == files["large"], True)
        expect(c.ended(), True)


# --- another protocol: RFC 9110, 7.8 ---

UPGRADE = request(b"/echo", b"Connection: x, Upgrade\r\nUpgrade: h2c, Echo\r\n")


def upgraded(port, sent):
    """A connection that has sent this, which ends with an upgrade, or behind it, and has got the 101."""
    c = Connection(port)
    c.socket.sendall(sent)
    answer = c.answer()
    expect((answer.status, answer.fields), (101, {"connection": "Upgrade", "upgrade": "echo"}))
    return c


def an_upgrade_is_an_echo_from_then_on(ports, files):
    for port in ports.values():
        with upgraded(port, UPGRADE) as c:
            c.socket.sendall(NEXT)
            expect(c.take(len(NEXT)), NEXT)
        with upgraded(port, UPGRADE + b"early\r\n\r\n" + NEXT) as c:
            sender = threading.Thread(target=send, args=(c, [files["large"]]))
            sender.start()
            expect(c.take(9 + len(NEXT)), b"early\r\n\r\n" + NEXT)
            expect(c.take(len(files["large"])) == files["large"], True, "a lot")
            sender.join()
            c.end()
            expect(c.ended(), True)
        with Connection(port) as c:
            c.socket.sendall(NEXT + request(b"/large") + UPGRADE + b"hi")
            expect((c.answer().status, c.answer().body == files["large"], c.answer().status, c.take(2)),
                   (200, True, 101, b"hi"))


def what_is_no_upgrade_is_answered(port):
    fields = b"Connection: upgrade\r\nUpgrade: echo\r\n"
    for status, target, others, method, version in (
            (405, b"/echo", b"Upgrade: echo\r\n", b"GET", b"HTTP/1.1"),
            (405, b"/echo", b"Connection: upgrade\r\n", b"GET", b"HTTP/1.1"),
            (405, b"/echo", b"Connection: upgrade\r\nUpgrade: echoes, ech\r\n", b"GET", b"HTTP/1.1"),
            (405, b"/echo", fields, b"HEAD", b"HTTP/1.1"), (200, b"/hello.txt", fields, b"GET", b"HTTP/1.1"),
            (405, b"/echo", b"Connection: keep-alive\r\n" + fields, b"GET", b"HTTP/1.0")):
        expect(ask(port, target, others, method, version).status, status, others)
    for others in (b"Content-Length: 5\r\n", b"Connection: close\r\n"):
        with Connection(port) as c:
            c.socket.sendall(request(b"/echo", fields + others) + b"hello")
            expect((c.answer().status, c.ended()), (405, True), others)


def an_echo_has_its_time(folder):
    with serving(PROGRAM, folder, "--timeout", "300", "--log", "1") as (port, said, _):
        with upgraded(port, UPGRADE) as c:
            c.socket.sendall(b"hi")
            expect((c.take(2), c.ended()), (b"hi", True))
        last = upgraded(port, UPGRADE)  # the server stops meanwhile
    expect(last.ended(), True)
    expect(re.findall(r'"GET .*', said[0]), ['"GET /echo HTTP/1.1" 101 0'] * 2)


# --- servers of their own ---

def no_file_of_a_zone_is_read(folder):
    """A pipe to which nobody writes would hold the server up."""
    zone = os.path.join(os.path.dirname(folder), "zone")
    os.mkfifo(zone)
    with serving(PROGRAM, folder, env={**os.environ, "TZ": ":" + zone}) as (port, _, _):
        expect(ask(port, b"/hello.txt", b"If-Modified-Since: " + HELLO_DATE.encode() + b"\r\n").status, 304)


def slow_clients_are_told(folder):
    """Each client waits for the server. No answer comes before the timeout."""
    def wait(port, first, status):
        with Connection(port) as c:
            c.socket.sendall(first)
            if status:
                expect(c.answer().status, status, first)
            expect(c.ended(), True, first)

    with serving(PROGRAM, folder, "--timeout", "300") as (port, _, _):
        echo = request(b"/echo", b"Content-Length: 9\r\n", b"POST")
        chunked = request(b"/echo", b"Transfer-Encoding: chunked\r\n", b"POST")
        slow = [(b"", None), (b"GET", 408), (NEXT[:-1], 408), (echo, 408), (echo + b"hello", 408), (chunked, 408),
                (chunked + b"5", 408), (chunked + b"5\r\nhel", 408), (chunked + b"5\r\nhello", 408),
                (chunked + b"0\r\n", 408), (chunked + b"0\r\nA: b\r\n", 408), (b"\r\n", None)]
        with ThreadPoolExecutor(len(slow)) as pool:
            list(pool.map(lambda one: wait(port, *one), slow))
        with Connection(port) as c:
            c.socket.sendall(NEXT + NEXT[:9])
            expect((c.answer().status, c.answer().status, c.ended()), (200, 408, True))
        with Connection(port) as c:
            c.socket.sendall(NEXT + b"\r\n")
            expect((c.answer().status, c.ended()), (200, True), "an empty line")


def drips(port, first, pieces):
    """Sends a piece at a time, while the server waits, until the server gives up."""
    with Connection(port) as c:
        c.socket.sendall(first)
        c.socket.settimeout(0.05)
        for piece in pieces:
            try:
                return c.answer().status
            except TimeoutError:
                send(c, [piece])
    raise AssertionError(f"it waits for ever: {first!r}")


def one_that_drips_is_told(folder):
    """Something comes all the time, but never enough."""
    with serving(PROGRAM, folder, "--timeout", "1000") as (port, _, _):
        chunked = request(b"/echo", b"Transfer-Encoding: chunked\r\n", b"POST")
        with ThreadPoolExecutor(3) as pool:
            for status in pool.map(lambda one: drips(port, *one), (
                    (b"GET / HTTP/1.1\r\n", [b"A: b\r\n"] * 400),
                    (request(b"/echo", b"Content-Length: 99999\r\n", b"POST"), [b"x"] * 400),
                    (chunked, [b"1\r\nx\r\n"] * 400))):
                expect(status, 408)


def the_end_comes_in_order(folder):
    """Requests in progress are finished, idle connections are closed, and nothing new begins."""
    def ending(signal_number):
        with serving(PROGRAM, folder, end=None) as (port, _, process):
            idle, line, busy, drip, loading = (Connection(port) for _ in range(5))
            idle.socket.sendall(NEXT)
            expect(idle.answer().status, 200)
            line.socket.sendall(NEXT + b"\r\n")
            expect(line.answer().status, 200)
            busy.socket.sendall(request(b"/echo", b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"POST"))
            expect(busy.answer().status, 100)
            drip.socket.sendall(b"GET / HT")
            loading.socket.sendall(request(b"/large"))
            process.send_signal(signal_number)
            expect(idle.ended(), True, "idle")
            expect(line.ended(), True, "an empty line")
            busy.socket.sendall(b"hello" + NEXT)
            answer = busy.answer()
            expect((answer.body, answer.fields["connection"], busy.ended()), (b"hello", "close", True))
            expect(len(loading.answer().body), 2008000)
            for c in (idle, line, busy, drip, loading):
                c.socket.close()
    ending(signal.SIGTERM)
    ending(signal.SIGINT)


def limits_and_log_are_options(folder):
    with serving(PROGRAM, folder, "--max-body", "10", "--log", "1") as (port, said, _):
        with Connection(port) as c:
            c.socket.sendall(request(b"/echo", b"Content-Length: 10\r\n", b"POST") + b"0123456789")
            expect(c.answer().body, b"0123456789")
            c.socket.sendall(request(b"/echo", b"Content-Length: 11\r\n", b"POST"))
            expect(c.answer().status, 413)
        expect(ask(port, b"/hello.txt", method=b"HEAD").status, 200)
        with Connection(port) as c:
            c.socket.sendall(b"GET /\x1b[31m HTTP/1.1\r\n\r\n")
            expect(c.answer().status, 400)
    log = [re.sub(r"^127\.0\.0\.1:\d+ \[[A-Z][a-z]{2}, [^]]*GMT\] ", "", line) for line in said[0].splitlines()]
    expect(log, ['"POST /echo HTTP/1.1" 200 10', '"POST /echo HTTP/1.1" 413 22', '"HEAD /hello.txt HTTP/1.1" 200 0',
                 '"GET /hello HTTP/1.1" 200 13', '"- - HTTP/1.1" 400 16'])


def few_descriptors_are_no_end(folder):
    """If there is no descriptor for a file, the answer says so, and the connection goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(PROGRAM, folder) as (port, _, process):
        with Connection(port) as c:
            c.socket.sendall(NEXT)
            expect(c.answer().status, 200)
            used = len(os.listdir(f"/proc/{process.pid}/fd"))
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used, hard))
            c.socket.sendall(request(b"/hello.txt"))
            expect(c.answer().status, 503)
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))
            c.socket.sendall(request(b"/hello.txt"))
            expect(c.answer().status, 200)


# --- all of them ---

def outcome(check):
    name, function, arguments = check
    try:
        function(*arguments)
    except Exception as problem:  # a failure prints a line, and the other tests go on
        return f"failed: {name}: {type(problem).__name__}: {problem}"
    return None


def checks_of(ports, folder, files):
    port = ports[whole]
    rng = random.Random(SEED)
    good = conversations(files)
    rows = [(row[1], refuse_row, (ports, row, rng)) for row in malformed.ROWS]
    rows += [(row[1], cut_off_row, (ports, row, rng)) for row in malformed.CUT_OFF]
    rows += [(row[0], hold_conversation, (ports, row, rng)) for row in good]
    rows += [(f.__name__, f, (port,)) for f in (
        half_a_request_and_gone, an_empty_line_and_the_end_are_no_request, tags_match, nothing_outside_is_given, a_folder_is_listed, the_body_waits_for_100,
        a_client_that_still_sends_gets_its_refusal, what_is_no_upgrade_is_answered)]
    rows += [("an upgrade", an_upgrade_is_an_echo_from_then_on, (ports, files))]
    rows += [(f.__name__, f, (port, files)) for f in (one_that_pipelines_and_does_not_read_is_not_read,
                                                      half_closed_clients_get_all)]
    rows += [(f.__name__, f, (folder,)) for f in (
        slow_clients_are_told, one_that_drips_is_told, the_end_comes_in_order, limits_and_log_are_options,
        few_descriptors_are_no_end, an_echo_has_its_time, no_file_of_a_zone_is_read)]
    return rows


def open_descriptors(servers):
    return [len(os.listdir(f"/proc/{process.pid}/fd")) for _, _, process in servers.values()]


def descriptors_left(servers, before):
    """Returns None when the servers have noticed that all clients are gone."""
    for _ in range(TIMEOUT * 20):
        if open_descriptors(servers) == before:
            return []
        time.sleep(0.05)
    return [f"failed: descriptors are left: {before}, then {open_descriptors(servers)}"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        www, files = make_folder(folder)
        with contextlib.ExitStack() as stack:
            servers = {cut: stack.enter_context(serving(PROGRAM, www, *options)) for cut, options in CUTS.items()}
            checks = checks_of({cut: server[0] for cut, server in servers.items()}, www, files)
            before = open_descriptors(servers)
            with ThreadPoolExecutor(4) as pool:
                failures = [line for line in pool.map(outcome, checks) if line]
            failures += descriptors_left(servers, before)
            print(*failures, sep="\n", end="\n" if failures else "")
            print(f"httpd: {len(malformed.ROWS)} requests refused and {len(malformed.CUT_OFF)} cut off, {len(checks)} checks,"
                  f" {len(failures)} failed; seed {SEED}", flush=True)
    return 1 if failures else 0


if RING and not ring.kernel_has_rings():
    print("httpd: skipped, since the kernel has no io_uring, or forbids it")
    sys.exit(77)
sys.exit(main())
