"""Malformed requests, and the status that answers each: for test_httpd.py.

A row has the section that requires the status (of RFC 9112, unless it says 9110, 3986 or 6585), what is wrong, the
request, and the status. After each request a proper one follows, which must not be answered: the connection ends.

SPDX-License-Identifier: BSD-3-Clause
"""
HOST = b"Host: x\r\n"


def get(fields=HOST, target=b"/hello", version=b"HTTP/1.1"):
    return b"GET " + target + b" " + version + b"\r\n" + fields + b"\r\n"


def post(fields, body=b""):
    return b"POST /echo HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body


def line(request_line):
    return request_line + b"\r\n" + HOST + b"\r\n"


def chunks(body, fields=b""):
    return post(b"Transfer-Encoding: chunked\r\n" + fields, body)


def length(value):
    return post(b"Content-Length:" + value + b"\r\n", b"hello")


def coding(value):
    return post(b"Transfer-Encoding: " + value + b"\r\n", b"5\r\nhello\r\n0\r\n\r\n")


REQUEST_LINES = [
    ("3", "no version", line(b"GET /hello"), 400),
    ("3", "only a method", line(b"GET"), 400),
    ("3", "two spaces before the target", line(b"GET  /hello HTTP/1.1"), 400),
    ("3", "two spaces before the version", line(b"GET /hello  HTTP/1.1"), 400),
    ("3", "a space behind the version", line(b"GET /hello HTTP/1.1 "), 400),
    ("3", "a tab as a space", line(b"GET\t/hello HTTP/1.1"), 400),
    ("3", "a space in the target", line(b"GET /hel lo HTTP/1.1"), 400),
    ("3", "no method", line(b" /hello HTTP/1.1"), 400),
    ("3.1", "a method that is no token", line(b"GE(T /hello HTTP/1.1"), 400),
    ("9110 15.6.2", "a method nobody knows", line(b"BREW /hello HTTP/1.1"), 501),
    ("9110 9.1", "a method in lower case", line(b"get /hello HTTP/1.1"), 501),
    ("9110 9.3.7", "OPTIONS of a part of all", line(b"OPTIONS */hello HTTP/1.1"), 400),
    ("9110 9.3.6", "CONNECT", line(b"CONNECT x:80 HTTP/1.1"), 501),
    ("2.3", "a version in lower case", line(b"GET /hello http/1.1"), 400),
    ("2.3", "a version of one number", line(b"GET /hello HTTP/1"), 400),
    ("2.3", "a version of three numbers", line(b"GET /hello HTTP/1.1.1"), 400),
    ("2.3", "a version of two digits", line(b"GET /hello HTTP/1.10"), 400),
    ("2.3", "a version with no point", line(b"GET /hello HTTP/1,1"), 400),
    ("9110 15.6.6", "version 2.0", line(b"GET /hello HTTP/2.0"), 505),
    ("9110 15.6.6", "version 0.9", line(b"GET /hello HTTP/0.9"), 505),
    ("9110 15.6.6", "HTTP/2 as its clients begin", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("3.2", "a target without a slash", line(b"GET hello HTTP/1.1"), 400),
    ("3.2", "a fragment", line(b"GET /hello#x HTTP/1.1"), 400),
    ("3.2", "a control character in the target", line(b"GET /hel\x01lo HTTP/1.1"), 400),
    ("3.2", "a byte that is not ASCII in the target", line(b"GET /h\xc3\xa4 HTTP/1.1"), 400),
    ("3.2", "an angle in the target", line(b"GET /<x> HTTP/1.1"), 400),
    ("3.2", "a backslash in the target", line(b"GET /\\x HTTP/1.1"), 400),
    ("3.2.4", "an asterisk for GET", line(b"GET * HTTP/1.1"), 400),
    ("3.2.3", "an authority for GET", line(b"GET x:80 HTTP/1.1"), 400),
    ("3.2.2", "an absolute target without a host", line(b"GET http:///hello HTTP/1.1"), 400),
    ("9110 4.2.1", "an absolute target without a host, with a port", line(b"GET http://:80/hello HTTP/1.1"), 400),
    ("9110 4.2.1", "an absolute target with an empty address", line(b"GET http://[]/hello HTTP/1.1"), 400),
    ("3986 2.1", "a coding that is none", line(b"GET /%zz HTTP/1.1"), 400),
    ("3986 2.1", "a coding that is cut off", line(b"GET /hello%2 HTTP/1.1"), 400),
    ("3986 2.1", "a coding of NUL", line(b"GET /hello.txt%00 HTTP/1.1"), 400),
    ("3986 2.1", "a coding of NUL in a folder", line(b"GET /..%00/secret HTTP/1.1"), 400),
    ("3986 2.2", "a coding of a slash", line(b"GET /..%2Fsecret HTTP/1.1"), 400),
    ("3986 2.2", "a coding of a slash below a folder", line(b"GET /sub%2fx HTTP/1.1"), 400),
    ("3.2.2", "an absolute target of another scheme", line(b"GET ftp://x/hello HTTP/1.1"), 400),
    ("9110 4.2.4", "a user in an absolute target", line(b"GET http://u@x/hello HTTP/1.1"), 400),
    ("3", "a target of 8001 bytes", line(b"GET /" + b"a" * 8000 + b" HTTP/1.1"), 414),
    ("3", "a request line without end", b"GET /" + b"a" * 70000, 414),
]

FIELDS = [
    ("3.2", "no Host", get(b""), 400),
    ("3.2", "two Hosts", get(b"Host: x\r\nHost: y\r\n"), 400),
    ("3.2", "the same Host twice", get(HOST + HOST), 400),
    ("9110 4.2.1", "an empty Host", get(b"Host:\r\n"), 400),
    ("9110 4.2.1", "an empty Host with a port", get(b"Host: :80\r\n"), 400),
    ("9110 4.2.1", "an empty Host in HTTP/1.0", get(b"Host: \r\n", version=b"HTTP/1.0"), 400),
    ("3.2", "an empty address as a Host", get(b"Host: []\r\n"), 400),
    ("3.2", "two Hosts in one", get(b"Host: x, y\r\n"), 400),
    ("3.2", "a Host with a space", get(b"Host: x y\r\n"), 400),
    ("3.2", "a Host with a path", get(b"Host: x/y\r\n"), 400),
    ("3.2", "a Host with a user", get(b"Host: u@x\r\n"), 400),
    ("3.2", "a Host with no port number", get(b"Host: x:http\r\n"), 400),
    ("3.2", "a Host with two ports", get(b"Host: x:80:80\r\n"), 400),
    ("3.2", "an IPv6 Host that does not end", get(b"Host: [::1\r\n"), 400),
    ("3.2", "an IPv6 Host that is none", get(b"Host: [::g]\r\n"), 400),
    ("3.2", "something behind an IPv6 Host", get(b"Host: [::1]x\r\n"), 400),
    ("5", "a field without a colon", get(HOST + b"Accept\r\n"), 400),
    ("5", "a field without a name", get(HOST + b": x\r\n"), 400),
    ("5.1", "a space before the colon", get(HOST + b"Accept : x\r\n"), 400),
    ("5.1", "a tab before the colon", get(HOST + b"Accept\t: x\r\n"), 400),
    ("5.1", "a space before the colon of a length", post(b"Content-Length : 5\r\n", b"hello"), 400),
    ("5.1", "a space in a name", get(HOST + b"Acc ept: x\r\n"), 400),
    ("5.1", "a name that is no token", get(HOST + b"Acc(ept: x\r\n"), 400),
    ("5.1", "a name that is not ASCII", get(HOST + b"Acc\xc3\xa4pt: x\r\n"), 400),
    ("5.2", "a value that goes on after a space", get(HOST + b"Accept: x\r\n y\r\n"), 400),
    ("5.2", "a value that goes on after a tab", get(HOST + b"Accept: x\r\n\ty\r\n"), 400),
    ("5.2", "a length that goes on", post(b"Content-Length:\r\n 5\r\n", b"hello"), 400),
    ("2.2", "a space before the first field", get(b" Host: x\r\n"), 400),
    ("9110 5.5", "NUL in a value", get(HOST + b"Accept: x\0y\r\n"), 400),
    ("9110 5.5", "a control character in a value", get(HOST + b"Accept: x\x01y\r\n"), 400),
    ("9110 5.5", "DEL in a value", get(HOST + b"Accept: x\x7fy\r\n"), 400),
    ("2.2", "a bare CR in a value", get(HOST + b"Accept: x\ry\r\n"), 400),
    ("2.2", "a bare CR at the end of a value", get(HOST + b"Accept: x\r\r\n"), 400),
    ("2.2", "a bare CR behind the request line", b"GET /hello HTTP/1.1\rHost: x\r\n\r\n", 400),
    ("2.2", "a bare LF behind the request line", b"GET /hello HTTP/1.1\nHost: x\r\n\r\n", 400),
    ("2.2", "a bare LF behind a field", get(b"Accept: x\n" + HOST), 400),
    ("2.2", "a bare LF before a length", post(b"Accept: x\nContent-Length: 5\r\n", b"hello"), 400),
    ("2.2", "bare LFs only", b"GET /hello HTTP/1.1\nHost: x\n\n", 400),
    ("2.2", "a bare LF in front", b"\n" + get(), 400),
    ("6585 5", "a head of more than 64 KiB", get(HOST + b"Accept: " + b"x" * 66000 + b"\r\n"), 431),
    ("6585 5", "a head without end", b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 12000, 431),
    ("9110 5.3", "two ranges", get(HOST + b"Range: bytes=0-1\r\n" * 2), 400),
    ("9110 10.1.1", "an expectation nobody knows", post(b"Expect: tea\r\nContent-Length: 5\r\n", b"hello"), 417),
]

LENGTHS = [
    ("6.3", "a coding and a length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"), 400),
    ("6.3", "a length and a coding", post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("6.1", "a coding in HTTP/1.0", b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("6.1", "chunked twice, in two lines", post(b"Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n"), 501),
    ("9110 5.3", "another coding, and chunked, in two lines",
     post(b"Transfer-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 501),
    ("9110 5.3", "chunked, and another coding, in two lines",
     post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: deflate\r\n", b"0\r\n\r\n"), 400),
    ("9110 5.6.1", "a list of no codings", coding(b", ,"), 400),
    ("6.1", "chunked twice", coding(b"chunked, chunked"), 501),
    ("6.3", "a coding that has no end", coding(b"gzip"), 400),
    ("6.3", "chunked, and not last", coding(b"chunked, gzip"), 400),
    ("6.1", "a coding nobody knows before chunked", coding(b"gzip, chunked"), 501),
    ("6.3", "identity", coding(b"identity"), 400),
    ("7", "nearly chunked", coding(b"xchunked"), 400),
    ("7", "chunked with a parameter", coding(b"chunked;q=1"), 400),
    ("6.1", "no coding", coding(b""), 400),
    ("9110 5.5", "chunked behind a vertical tab", coding(b"\x0bchunked"), 400),
    ("6.3", "two lengths", post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"), 400),
    ("6.3", "the same length twice", post(b"Content-Length: 5\r\n" * 2, b"hello"), 400),
    ("6.3", "a list of lengths", length(b" 5, 5"), 400),
    ("6.3", "a length with a plus", length(b" +5"), 400),
    ("6.3", "a length below 0", length(b" -5"), 400),
    ("6.3", "two numbers", length(b" 5 5"), 400),
    ("6.3", "a length in hexadecimal", length(b" 0x5"), 400),
    ("6.3", "a length and a letter", length(b" 5a"), 400),
    ("6.3", "a length with a point", length(b" 5.0"), 400),
    ("6.3", "an empty length", length(b""), 400),
    ("9110 8.6", "a length that fits in no number", length(b" 18446744073709551621"), 413),
    ("9110 15.5.14", "a length over the limit", length(b" 1048577"), 413),
    ("9110 15.5.12", "no length", post(b""), 411),
]

CHUNKS = [
    ("7.1", "a size with no digit", chunks(b"\r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a size that is no number", chunks(b"g\r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a size below 0", chunks(b"-5\r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a size with a plus", chunks(b"+5\r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a size with 0x", chunks(b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a space before the size", chunks(b" 5\r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a space behind the size", chunks(b"5 \r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a size and a letter", chunks(b"5z\r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a size that fits in no number", chunks(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), 413),
    ("9110 15.5.14", "a chunk over the limit", chunks(b"100001\r\nhello"), 413),
    ("9110 15.5.14", "chunks over the limit", chunks(b"5\r\nhello\r\nffffc\r\nhello"), 413),
    ("2.2", "a bare LF behind a size", chunks(b"5\nhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a bare CR behind a size", chunks(b"5\rhello\r\n0\r\n\r\n"), 400),
    ("7.1", "a chunk longer than its size", chunks(b"5\r\nhello!\r\n0\r\n\r\n"), 400),
    ("7.1", "two other bytes behind a chunk", chunks(b"5\r\nhello!!0\r\n\r\n"), 400),
    ("7.1", "a chunk shorter than its size", chunks(b"5\r\nhell\r\n0\r\n\r\n"), 400),
    ("7.1", "a bare LF behind a chunk", chunks(b"5\r\nhello\n0\r\n\r\n"), 400),
    ("7.1", "nothing behind a chunk", chunks(b"5\r\nhello0\r\n\r\n"), 400),
    ("7.1.1", "a control character in an extension", chunks(b"5;a=\x01\r\nhello\r\n0\r\n\r\n"), 400),
    ("7.1.1", "an extension without a name", chunks(b"1;\r\na\r\n0\r\n\r\n"), 400),
    ("7.1.1", "an extension of a blank", chunks(b"1; \r\na\r\n0\r\n\r\n"), 400),
    ("7.1.1", "extensions that are no names", chunks(b"1;=;=\r\na\r\n0\r\n\r\n"), 400),
    ("7.1.1", "an extension without a value", chunks(b"1;a=\r\na\r\n0\r\n\r\n"), 400),
    ("7.1.1", "a name with a space in it", chunks(b"1;a b\r\na\r\n0\r\n\r\n"), 400),
    ("7.1.1", "a blank behind an extension", chunks(b"1;a \r\na\r\n0\r\n\r\n"), 400),
    ("7.1.1", "a quote that does not end", chunks(b'1;a="\r\na\r\n0\r\n\r\n'), 400),
    ("7.1.1", "a quote that is not the end", chunks(b'1;a="b\\"\r\na\r\n0\r\n\r\n'), 400),
    ("7.1.1", "something behind a quote", chunks(b'1;a="b"c\r\na\r\n0\r\n\r\n'), 400),
    ("7.1.1", "a name in quotes", chunks(b'1;"a"\r\na\r\n0\r\n\r\n'), 400),
    ("7.1.1", "extensions without a semicolon", chunks(b"1 a=b\r\na\r\n0\r\n\r\n"), 400),
    ("7.1.1", "only an extension", chunks(b";a\r\na\r\n0\r\n\r\n"), 400),
    ("7.1.1", "extensions that are too long together", chunks(b"1;a=" + b"b" * 1000 + b"\r\nx\r\n") +
     (b"1;a=" + b"b" * 1000 + b"\r\nx\r\n") * 8 + b"0\r\n\r\n", 400),
    ("7.1.1", "an extension without end", chunks(b"5;" + b"a" * 2000), 400),
    ("7.1.2", "a trailer without a colon", chunks(b"0\r\nTrailer\r\n\r\n"), 400),
    ("5.1", "a trailer with a space before its colon", chunks(b"0\r\nA : b\r\n\r\n"), 400),
    ("5.2", "a trailer that goes on", chunks(b"0\r\nA: b\r\n c\r\n\r\n"), 400),
    ("2.2", "a bare LF in a trailer", chunks(b"0\r\nA: b\nC: d\r\n\r\n"), 400),
    ("6585 5", "a long trailer", chunks(b"0\r\nA: " + b"b" * 2000), 431),
    ("6585 5", "trailers without end", chunks(b"0\r\n" + b"A: b\r\n" * 300000), 431),
]

# Requests that are cut off: the client ends its side in the middle, and nothing follows.
CUT_OFF = [
    ("8", "a head that is cut off", get()[:-2], 400),
    ("8", "a request line that is cut off", b"GET /hel", 400),
    ("8", "a body that is cut off", length(b" 6"), 400),
    ("8", "a body that does not begin", post(b"Content-Length: 6\r\n"), 400),
    ("8", "a chunk that is cut off", chunks(b"6\r\nhello"), 400),
    ("8", "chunks that are cut off", chunks(b"5\r\nhello\r\n"), 400),
    ("8", "a trailer section that is cut off", chunks(b"5\r\nhello\r\n0\r\n"), 400),
]

ROWS = REQUEST_LINES + FIELDS + LENGTHS + CHUNKS
