#!/usr/bin/env python3
"""Breaks the server in one place after the other: the test must see each.

usage: broken.py COMPILER-AND-FLAGS...    which build a program of the examples' sources; -o and these are added
SPDX-License-Identifier: BSD-3-Clause
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.realpath(HERE + "/../../examples")
MAIN, REQUEST, FILES, TEXT = "httpd.c", "httpd/request.c", "httpd/files.c", "httpd/text.c"

# what is broken, where, what is there, what is there instead
BROKEN = [
    ("a bare newline is one", MAIN, "if (at == text->bytes || at[-1] != '\\r')", "if (0)"),
    ("a bare newline over two pieces is one", MAIN, "if (at == text->bytes || at[-1] != '\\r')",
     "if (at > end - added && at[-1] != '\\r')"),
    ("a space before the colon is none", REQUEST, "if (name.len == 0 || !is_all(name, TOKEN) || !is_all(line, VALUE))",
     "name = trim(name);\n    if (name.len == 0 || !is_all(name, TOKEN) || !is_all(line, VALUE))"),
    ("any byte is a value", REQUEST, "|| !is_all(line, VALUE))", ")"),
    ("the last Host counts", REQUEST, "if (!known[field].is_list && has(r, field))", "if (field > HOST && has(r, field))"),
    ("the last length counts", REQUEST, "if (!known[field].is_list && has(r, field))",
     "if (field != CONTENT_LENGTH && !known[field].is_list && has(r, field))"),
    ("no Host is needed", REQUEST, ": r->minor > 0)", ": false)"),
    ("any Host will do", REQUEST, "if (has_host ? !is_host(value)", "if (has_host ? false"),
    ("a coding and a length", REQUEST, "if (r->minor == 0 || has(r, CONTENT_LENGTH))", "if (r->minor == 0)"),
    ("a coding in HTTP/1.0", REQUEST, "if (r->minor == 0 || has(r, CONTENT_LENGTH))", "if (has(r, CONTENT_LENGTH))"),
    ("a sign in a length", REQUEST, "!parse_number(value, 10, &r->length))",
     "!parse_number(value.at[0] == '+' ? skip(value, 1) : value, 10, &r->length))"),
    ("lengths wrap", TEXT, ": UINT64_MAX;", ": *n * radix + (unsigned)digit;"),
    ("what is behind a chunk is not looked at", MAIN, 'if (memcmp(span_of(&c->line).at, "\\r\\n", 2) == 0)', "if (1)"),
    ("bodies have no limit", MAIN, "if (!status && r->length > max_body)", "if (0)"),
    ("chunks have no limit", MAIN, "else if (size > max_body - c->received)", "else if (0)"),
    ("refused, and goes on", MAIN, "    answer_status(c, status);\n    end(c);", "    answer_status(c, status);\n    expect_request(c);"),
    ("closed at once", MAIN, "asynchat_close_in_stages(c->ch)", "asynchat_close_when_done(c->ch)"),
    ("any version", REQUEST, "return version.at[5] == '1' ? 0 : 505;", "return 0;"),
    ("any target", REQUEST, "if (!is_all(target, TARGET))", "if (0)"),
    ("no limit for targets", REQUEST, "if (target.len > TARGET_MOST)", "if (0 && target.len > 9000)"),
    ("any expectation", REQUEST, 'return 417;', 'return 0;'),
    ("up and out", FILES, 'if (strcmp(name, "..") == 0)', "if (0)"),
    ("over links", FILES, "flags | O_NOFOLLOW | O_CLOEXEC", "flags | O_CLOEXEC"),
    ("NUL ends a name", FILES, "if (byte == '\\0')", "if (0)"),
    ("pipes are opened", FILES, "O_RDONLY | O_NONBLOCK | O_NOCTTY", "O_RDONLY | O_NOCTTY"),
    ("ranges one too long", FILES, "(last < size ? last + 1 : size)", "(last < size ? last + 2 : size)"),
    ("no range is too far", FILES, "return 416;", "return 200;"),
    ("weak tags are strong", FILES, "name == IF_NONE_MATCH)", "true)"),
    ("dates one too late", FILES, "f->modified <= at)", "f->modified < at)"),
    ("links are not escaped", FILES, 'strchr("&<>\\"\'", *text)', "NULL"),
    ("HEAD with a body", MAIN, "bool wanted = c->request.method != HEAD && status != 304;", "bool wanted = status != 304;"),
    ("always persistent", MAIN, "    if (r->persists)\n        expect_request(c);", "    if (1)\n        expect_request(c);"),
    ("never persistent", MAIN, "    if (r->persists)\n        expect_request(c);", "    if (0)\n        expect_request(c);"),
    ("no 100", MAIN, "if (r->minor > 0 && has(r, EXPECT))", "if (0)"),
    ("pipelining without end", MAIN, "check_channel(c, asynchat_join(ch, ch));", ""),
    ("heads have no time", MAIN, ".message = request,", ""),
    ("bodies have no time", MAIN, ".min_rate = rate,", ""),
    ("chunks have no time", MAIN, "    return (uint64_t)(time(NULL) - c->began) > seconds;",
     "    (void)seconds;\n    return false;"),
    ("nobody is idle", MAIN, ".idle = timeout,", ""),
    ("slow ones are not told", MAIN, "return 408;\n    if (error != ASYNCHAT_ETOOLONG)",
     "return 0;\n    if (error != ASYNCHAT_ETOOLONG)"),
    ("heads have no limit", MAIN, '"\\r\\n\\r\\n", HEAD_MOST);\n    set_time', '"\\r\\n\\r\\n", SIZE_MAX);\n    set_time'),
    ("idle ones are not closed", MAIN, "if (c->state == REQUEST && c->head.len == 0)", "if (0)"),
    ("those in progress are closed", MAIN, "if (c->state == REQUEST && c->head.len == 0)", "if (1)"),
    ("ends with 1", MAIN, "return ran < 0 ||", "return ran >= 0 ||"),
    ("a descriptor is left", FILES, "    if (folder != root)\n        close(folder);\n    return fd;", "    return fd;"),
    ("the log is raw", MAIN, "r->line.len > 0 && is_all(r->line, VALUE)", "r->line.len > 0"),
    ("cut-off requests are not answered", MAIN, "(c->state == REQUEST && !cut_off))", "1)"),
]


def make(folder, broken, compiler):
    """The sources, broken, as a program."""
    _, where, there, instead = broken
    shutil.copytree(EXAMPLES, folder + "/examples", dirs_exist_ok=True)
    with open(f"{folder}/examples/{where}") as file:
        text = file.read()
    if text.count(there) != 1:
        raise AssertionError(f"{there!r} is there {text.count(there)} times")
    with open(f"{folder}/examples/{where}", "w") as file:
        file.write(text.replace(there, instead))
    sources = [f"{folder}/examples/{name}" for name in (MAIN, REQUEST, FILES, TEXT)]
    subprocess.run([compiler[0], "-o", folder + "/httpd", *sources, *compiler[1:]], check=True)


def seen(broken, compiler):
    """What the test says of it, or None if that is nothing."""
    with tempfile.TemporaryDirectory() as folder:
        make(folder, broken, compiler)
        test = subprocess.run([sys.executable, HERE + "/test_httpd.py", folder + "/httpd", "1"], text=True, timeout=400,
                              env={**os.environ, "HTTPD_TIMEOUT": "4"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        first = re.search(r"^(failed: .*?|\w*Error: .*)$", test.stdout, re.M)
        return (first[1] if first else test.stdout[-200:]) if test.returncode else None


def main():
    missed = 0
    with ThreadPoolExecutor(2) as pool:
        for broken, told in zip(BROKEN, pool.map(lambda one: seen(one, sys.argv[1:]), BROKEN)):
            print(f"{broken[0]}: {told[:110] if told else 'NOT SEEN'}", flush=True)
            missed += told is None
    print(f"broken servers: {len(BROKEN)}, not seen: {missed}")
    return 1 if missed else 0


sys.exit(main())
