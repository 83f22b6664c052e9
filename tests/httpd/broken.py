#!/usr/bin/env python3
"""Breaks the server in one place after the other. The test must notice each.

usage: broken.py STEP COMPILER-AND-FLAGS...    tries every STEPth place. The other arguments compile the example's
source;
-o, the program and the source are added
SPDX-License-Identifier: BSD-3-Clause
"""
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.realpath(HERE + "/../../examples/httpd.c")

# what is broken, the text in the source, its replacement
BROKEN = [
    ("a bare newline is one", 'const char *status = parse_request_line(r, strsep(&text, "\\r"));',
     "static char copy[2 * HEAD_MOST];\n    char *to = copy;\n    for (char *at = text; *at; *to++ = *at++)\n"
     "        if (*at == '\\n' && (at == text || at[-1] != '\\r'))\n            *to++ = '\\r';\n    *to = 0;\n"
     '    text = copy;\n    const char *status = parse_request_line(r, strsep(&text, "\\r"));'),
    ("a space before the colon is none", "if (!line || !*name || *skip(name, TOKEN)",
     "if (line)\n        name = trim(name, BLANKS);\n    if (!line || !*name || *skip(name, TOKEN)"),
    ("any byte is a value", "|| !is_value(line))\n        return BAD;\n    while", ")\n        return BAD;\n    while"),
    ("NUL ends a line", "if (strlen(text) < len)", "if (0)"),
    ("the last Host counts", "if (!r->fields[field])", "if (!r->fields[field] || field == HOST)"),
    ("the last length counts", "if (!r->fields[field])", "if (!r->fields[field] || field == CONTENT_LENGTH)"),
    ("the last coding counts", "if (!r->fields[field])", "if (!r->fields[field] || field == TRANSFER_ENCODING)"),
    ("no Host is needed", ": r->minor == 0;", ": true;"),
    ("any Host will do", "host ? (host = skip_host(host)) && !*host", "host ? true"),
    ("an empty host is one", "if (end == s + in || (in", "if ((in"),
    ("an empty member is one", "coding = trim(coding, BLANKS \",\")", "coding"),
    ("a coding and a length", "length || r->minor == 0", "r->minor == 0"),
    ("a coding in HTTP/1.0", "length || r->minor == 0", "length"),
    ("chunked need not be last", "(!r->chunked || length", "(length"),
    ("a sign in a length", "if (!*s || s[strspn(s, radix", "s += *s == '+';\n    if (!*s || s[strspn(s, radix"),
    ("lengths wrap", "*n = strtoull(s, NULL, radix);",
     "for (*n = 0; *s; s++)\n"
     "        *n = *n * (unsigned)radix + (unsigned)((*s | 32) < 'a' ? *s - '0' : (*s | 32) - 'a' + 10);"),
    ("what is behind a chunk is not looked at", 'if (memcmp(c->body + c->len, "\\r\\n", 2) == 0)', "if (1)"),
    ("bodies have no limit", "if (r->length > max_body)", "if (0)"),
    ("chunks have no limit", "else if (size > max_body - c->len)", "else if (0)"),
    ("refused, and goes on", "    send_status(c, status, \"\");\n    end(c);",
     "    send_status(c, status, \"\");\n    c->step = NULL;\n    expect_request(c);"),
    ("closed at once", "asynchat_close_in_stages(c->ch)", "asynchat_close_when_done(c->ch)"),
    ("any version", "if (strncmp(line, \"HTTP/1.\", 7) != 0 || ", "if ("),
    ("any target", "if (*skip(target, TARGET) ||", "if ("),
    ("no limit for targets", "if (strlen(target) > TARGET_MOST)", "if (strlen(target) > 8900)"),
    ("any expectation", 'return "417 Expectation Failed";', "return NULL;"),
    ("a body nobody wants is a request", "r->persists = r->persists && (is_echo || (!r->chunked && r->length == 0));", ""),
    ("up and out", 'fd = strcmp(one, "..") == 0 ? -1', "fd = 0 ? -1"),
    ("over links", "how | O_NOFOLLOW | O_CLOEXEC", "how | O_CLOEXEC"),
    ("NUL ends a name", "!= 1 || !*name ||", "!= 1 ||"),
    ("pipes are opened", "O_RDONLY | O_NONBLOCK | O_NOCTTY", "O_RDONLY | O_NOCTTY"),
    ("ranges one too long", "(last < f->size ? last + 1 : f->size)", "(last < f->size ? last + 2 : f->size)"),
    ("no range is too far", "return NO_RANGE;", "return OK;"),
    ("weak tags are strong", "matches(these, tag, false)", "matches(these, tag, true)"),
    ("a weak tag hides the others", "        at++;\n    return at ||", "        return false;\n    return at ||"),
    ("dates one too late", "modified <= since", "modified < since"),
    ("links are not escaped", 'strchr("&<>\\"\'", *s)', "0"),
    ("HEAD with a body", "r->method != HEAD && status != NOT_MODIFIED", "status != NOT_MODIFIED"),
    ("always persistent", "    if (r->persists)\n        expect_request(c);", "    if (1)\n        expect_request(c);"),
    ("never persistent", "    if (r->persists)\n        expect_request(c);", "    if (0)\n        expect_request(c);"),
    ("no 100", "if (r->fields[EXPECT] && r->minor > 0)", "if (0)"),
    ("pipelining without end", "    expect_request(c);\n    asynchat_join(ch, ch);\n", "    expect_request(c);\n"),
    ("heads have no deadline", "asynchat_set_deadline(c->ch, (unsigned)(3 * timeout))", "asynchat_set_deadline(c->ch, 0)"),
    ("each byte gains all the time", "ms = ms < timeout ? ms : timeout;", "ms = timeout;"),
    ("slow ones are not told", 'refuse(c, "408 Request Timeout");', "return;"),
    ("heads have no limit", '"\\r\\n\\r\\n", HEAD_MOST);', '"\\r\\n\\r\\n", SIZE_MAX);'),
    ("long targets are long heads", '? "414 URI Too Long"', '? "431 Header Fields Too Large"'),
    ("trailers have no limit", "if ((c->extras += strlen(line)) > EXTRAS_MOST)", "if (0)"),
    ("idle ones are not closed", "if (c && !is_busy(c))", "if (0)"),
    ("those in progress are closed", "if (c && !is_busy(c))", "if (c)"),
    ("ends with 1", "return ran < 0 ||", "return ran >= 0 ||"),
    ("a descriptor is left", "        if (folder != root)\n            close(folder);", ""),
    ("files are left open", "    if (f.fd >= 0)\n        close(f.fd);", ""),
    ("the log is raw", "    if (strlen(target) > TARGET_MOST)",
     "    r->target = target;\n    if (strlen(target) > TARGET_MOST)"),
    ("an empty line is a request", "        len--;\n    return", "        break;\n    return"),
    ("extensions may be anything", "regexec(&chunk_line, line, 0, NULL, 0) == 0", "1"),
    ("extensions have no limit", "c->extras <= EXTRAS_MOST &&", ""),
    ("of two dates the last counts", "if (!r->fields[field])", "if (!r->fields[field] || field == IF_MODIFIED_SINCE)"),
    ("texts have no conditions", "*status = try_conditions(&c->request, NULL, 0);", "*status = OK;"),
    ("an empty file has no last bytes", "if (!*from && last > 0 && f->size == 0)", "if (0)"),
    ("OPTIONS is like the others", "if (r->method == OPTIONS)\n", "if (0)\n"),
    ("a path has one name", "const char *status = decode_path(path, file_name);",
     "const char *status = decode_path(path, file_name);\n    if (strchr(path, '%'))\n        r->is_echo = false;\n    else"),
    ("zones are read", 'setenv("TZ", "UTC0", 1);', ""),
    ("everybody is upgraded", 'has_member(f[UPGRADE], "echo")', "1"),
    ("nobody is upgraded", 'has_member(f[UPGRADE], "echo")', "0"),
    ("what came before an upgrade is lost", "asynchat_unread(ch, rest);", ""),
    ("an echo has no end", "asynchat_set_steady_deadline(ch, (unsigned)timeout)", "asynchat_set_steady_deadline(ch, 0)"),
    ("cut-off requests are not answered", "    if (is_busy(c))\n        refuse(c, BAD);", ""),
]


def make(folder, broken, compiler):
    """Compiles the broken source."""
    _, there, instead = broken
    with open(SOURCE) as file:
        text = file.read()
    if text.count(there) != 1:
        raise AssertionError(f"{there!r} is there {text.count(there)} times")
    with open(folder + "/httpd.c", "w") as file:
        file.write(text.replace(there, instead))
    command = [compiler[0], "-o", folder + "/httpd", "-I", os.path.dirname(SOURCE), folder + "/httpd.c", *compiler[1:]]
    subprocess.run(command, check=True)


def seen(broken, compiler):
    """The message of the test, or None if the test notices nothing."""
    with tempfile.TemporaryDirectory() as folder:
        make(folder, broken, compiler)
        test = subprocess.run([sys.executable, HERE + "/test_httpd.py", folder + "/httpd", "1"], text=True, timeout=400,
                              env={**os.environ, "HTTPD_TIMEOUT": "4"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        first = re.search(r"^(failed: .*?|\w*Error: .*)$", test.stdout, re.M)
        return (first[1] if first else test.stdout[-200:]) if test.returncode else None


def main():
    missed = 0
    some = BROKEN[::int(sys.argv[1])]
    with ThreadPoolExecutor(2) as pool:
        for broken, told in zip(some, pool.map(lambda one: seen(one, sys.argv[2:]), some)):
            print(f"{broken[0]}: {told[:110] if told else 'NOT SEEN'}", flush=True)
            missed += told is None
    print(f"broken servers: {len(some)} of {len(BROKEN)}, not seen: {missed}")
    return 1 if missed else 0


sys.exit(main())
