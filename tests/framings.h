/* Framings, with a stream for each and the events that it gives.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FRAMINGS_H
#define FRAMINGS_H

/* A byte string, or else a number, where 0 is no terminator. */
struct terminator {
    const char *bytes;
    unsigned number;
};

/* The terminators of a stream in turn, beginning again after the last one, and
 * the events that the stream gives. */
struct framing {
    struct terminator terminators[6];
    unsigned count;
    const char *stream, *events;
};

#define A8 "aaaaaaaa"
#define A24 A8 A8 A8
#define STRING(bytes) {{bytes, 0}}, 1
#define NUMBER(number) {{NULL, number}}, 1

static const struct framing framings[] = {
    {STRING("\n"), "one\n\ntwo\nth",
     "data(one) found found data(two) found data(th) eof(cut off) closed(EOF)"},
    {STRING("\r\n"), "a\r\r\n\r\n\rb\nc\r\n\r",
     "data(a\\r) found found data(\\rb\\nc) found data(\\r) eof(cut off) "
     "closed(EOF)"},
    {STRING("aab"), "aaabaababaa",
     "data(a) found found data(abaa) eof(cut off) closed(EOF)"},
    {STRING("abab"), "abababxababaabab",
     "found data(abx) found data(a) found eof closed(EOF)"},
    {STRING("aaaa"), "aaaaaaaaaa",
     "found found data(aa) eof(cut off) closed(EOF)"},
    {STRING("abacabab"), "abacabacababacabababacabaabacabab",
     "data(abac) found data(acabababacaba) found eof closed(EOF)"},
    {STRING("\r\n.\r\n"), "x\r\n.\r\n.\r\n\r\n.\r\n",
     "data(x) found data(.\\r\\n) found eof closed(EOF)"},
    {STRING(A24 "b"), "x" A24 "c" A8 A24 "b" A24,
     "data(x" A24 "c" A8 ") found data(" A24 ") eof(cut off) closed(EOF)"},
    {NUMBER(1), "abc",
     "data(a) found data(b) found data(c) found eof closed(EOF)"},
    {NUMBER(3), "abcdefgh",
     "data(abc) found data(def) found data(gh) eof(cut off) closed(EOF)"},
    {NUMBER(100), "abcdefgh", "data(abcdefgh) eof(cut off) closed(EOF)"},
    {NUMBER(0), "a\r\nb", "data(a\\r\\nb) eof closed(EOF)"},
    {{{NULL, 5}, {NULL, 0}},
     2,
     "abcdefgh",
     "data(abcde) found data(fgh) eof closed(EOF)"},
    {{{"\r\n", 0}, {NULL, 4}},
     2,
     "\r\n\r\n\r\none\r\nbody\r\n\r\n\rend\r\n",
     "found data(\\r\\n\\r\\n) found data(one) found data(body) found found "
     "data(\\r\\n\\re) found data(nd) found eof closed(EOF)"},
    {{{"\r\n", 0}, {"\r\n.\r\n", 0}},
     2,
     "DATA\r\n\r.\r\n.\r\nQUIT\r\n.\r\n",
     "data(DATA) found data(\\r.) found data(QUIT) found data(.\\r\\n) "
     "eof(cut off) closed(EOF)"},
    {{{"ab", 0}, {NULL, 2}, {"a", 0}, {"aab", 0}, {NULL, 1}, {NULL, 0}},
     6,
     "xaababbaaaabaab",
     "data(xa) found data(ab) found data(b) found data(a) found data(a) found "
     "data(ab) eof closed(EOF)"},
};
#define FRAMINGS (sizeof framings / sizeof framings[0])

#endif
