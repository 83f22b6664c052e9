/* Headers of the PROXY protocol, compared with a model that sees all bytes: at
 * each cut, byte by byte, and with each byte changed.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <asynchat/error.h>

#include "proxy_model.h"

#define BEGIN "\r\n\r\n\0\r\nQUIT\n"
#define ADDRESSES "\xc0\0\2\1\xc0\0\2\2\x12\x67\0\x19"

static int countdown = -1; /* allocations that still succeed; -1: all */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return countdown < 0 || countdown-- > 0 ? __real_malloc(size) : NULL;
}

/* --- feeding --- */

/* Feeds a copy of exactly these bytes, so that reading beyond them is found. */
static int feed(struct proxy *p, const uint8_t *bytes, size_t len, size_t *used)
{
    uint8_t *copy = __real_malloc(len + 1);
    memcpy(copy, bytes, len);
    size_t now;
    int answer = asynchat__proxy_take(p, copy, len, &now);
    assert_true(now <= len);
    assert_true(answer != 0 || now == len);
    *used += now;
    if (answer > 0)
        assert_memory_equal(p->bytes + *used - now, copy, now);
    free(copy);
    return answer;
}

/* What is said of a stream that comes in pieces of `step` bytes, or in two,
 * of which the first has `cut`. */
static struct proxy_said say(const uint8_t *bytes, size_t len, size_t cut,
                             size_t step, size_t limit)
{
    struct proxy p = {.limit = limit};
    struct proxy_said s;
    size_t used = 0, at = 0;
    int answer = 0;
    while (answer == 0 && at < len) {
        size_t n = at < cut ? cut - at : step;
        n = n < len - at ? n : len - at;
        answer = feed(&p, bytes + at, n, &used);
        at += n;
    }
    proxy_said(answer, &p, used, &s);
    asynchat__proxy_free(&p);
    return s;
}

/* At each cut, and byte by byte, the same as the model. */
static void check(const void *stream, size_t len, size_t limit,
                  const char *expected)
{
    struct proxy_said s, model;
    proxy_model(stream, len, limit, &model);
    if (expected)
        assert_string_equal(model.text, expected);
    for (size_t cut = 0; cut <= len; cut++) {
        s = say(stream, len, cut, len, limit);
        assert_string_equal(s.text, model.text);
    }
    s = say(stream, len, 0, 1, limit);
    assert_string_equal(s.text, model.text);
}

#define CHECK(stream, expected)                                                \
    check(stream, sizeof(stream) - 1, PROXY_MOST, expected)

/* --- version 1 --- */

static void lines_name_addresses(void **state)
{
    (void)state;
    CHECK("PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n",
          "1: 40, 192.0.2.1 4711 > 192.0.2.2 25");
    CHECK("PROXY TCP4 192.0.2.1 192.0.2.2 0 65535\r\nEHLO\r\n",
          "1: 40, 192.0.2.1 0 > 192.0.2.2 65535");
    CHECK("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\nPROXY ",
          "1: 40, 2001:db8::1 1 > 2001:db8::2 2");
    CHECK("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "1: 104, ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 > "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535");
}

/* As nginx of Debian 12 sends it. */
static void the_second_address_may_be_of_another_family(void **state)
{
    (void)state;
    CHECK("PROXY TCP6 2001:db8::1 127.0.0.1 5555 22012\r\n",
          "1: 45, 2001:db8::1 5555 > 127.0.0.1 22012");
    CHECK("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 2\r\n",
          "1: 50, 192.0.2.7 1 > 192.0.2.1 2");
    CHECK("PROXY TCP4 192.0.2.7 ::1 1 18999\r\n",
          "1: 34, 192.0.2.7 1 > ::1 18999");
    CHECK("PROXY TCP4 192.0.2.7 unix:/run/x 1 0\r\n", "bad");
    CHECK("PROXY TCP6 192.0.2.7 ::1 1 18999\r\n", "bad");
    CHECK("PROXY TCP4 2001:db8::1 127.0.0.1 5555 22012\r\n", "bad");
    CHECK("PROXY TCP4 ::ffff:1.2.3.4 127.0.0.1 5555 22012\r\n", "bad");
}

static void unknown_may_be_followed_by_anything(void **state)
{
    char line[128];
    (void)state;
    CHECK("PROXY UNKNOWN\r\n", "1: 15, local");
    CHECK("PROXY UNKNOWN \r\nx", "1: 16, local");
    CHECK("PROXY UNKNOWN 2001:db8::1 \0 \r x 1 2 3\r\n", "1: 39, local");
    CHECK("PROXY UNKNOWNS\r\n", "bad");
    CHECK("PROXY UNKNOWN\n", "bad");
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + 105, "\r\n", 2);
    check(line, 120, PROXY_MOST, "1: 107, local");
    memcpy(line + 105, "x\r\n", 3);
    check(line, 120, PROXY_MOST, "bad");
    check(line, 107, PROXY_MOST, "bad");
    check(line, 106, PROXY_MOST, "more");
}

static void other_lines_are_bad(void **state)
{
    static const char *const lines[] = {
        "GET / HTTP/1.1\r\n",
        "P\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2  1 2\r\n",
        "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 100000\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.256 1 2\r\n",
        "PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
        "PROXY TCP4 a.example 192.0.2.2 1 2\r\n",
        "PROXY TCP6 fe80::1%lo fe80::2 1 2\r\n",
        "PROXY TCP6 :: :::: 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        check(lines[i], strlen(lines[i]), PROXY_MOST, "bad");
    CHECK("PROXY TCP4 192.0.2.1 192.0.2.2 1\0 2\r\n", "bad");
}

/* --- version 2 --- */

static void bytes_name_addresses(void **state)
{
    (void)state;
    CHECK(BEGIN "\x21\x11\0\x0c" ADDRESSES,
          "2: 28, 192.0.2.1 4711 > 192.0.2.2 25");
    CHECK(BEGIN "\x21\x11\0\x0f" ADDRESSES "\4\0\0hello",
          "2: 31, 192.0.2.1 4711 > 192.0.2.2 25");
    CHECK(BEGIN "\x21\x21\0\x24"
                "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\1\0\2",
          "2: 52, 2001:db8::1 1 > 2001:db8::2 2");
    CHECK(BEGIN "\x21\x21\0\x24"
                "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1"
                "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\0\1\0\2",
          "2: 52, 192.0.2.1 1 > 2001:db8::2 2");
}

static void local_is_skipped_whole(void **state)
{
    uint8_t header[16 + 216] = BEGIN "\x20\x31\0\xd8";
    (void)state;
    CHECK(BEGIN "\x20\0\0\0", "2: 16, local");
    CHECK(BEGIN "\x20\x11\0\x0f" ADDRESSES "\4\0\0hello", "2: 31, local");
    CHECK(BEGIN "\x20\xff\0\1\xff", "2: 17, local");
    CHECK(BEGIN "\x20\x11\0\1\xff", "2: 17, local");
    check(header, sizeof header, PROXY_MOST, "2: 232, local");
}

static void kinds_without_a_tcp_address_are_skipped(void **state)
{
    uint8_t header[16 + 216] = BEGIN "\x21\x31\0\xd8";
    (void)state;
    check(header, sizeof header, PROXY_MOST, "2: 232, local");
    CHECK(BEGIN "\x21\0\0\0", "2: 16, local");
    CHECK(BEGIN "\x21\0\0\3abc", "2: 19, local");
    CHECK(BEGIN "\x21\x12\0\x0c" ADDRESSES, "2: 28, local");
    CHECK(BEGIN "\x21\x41\0\2ab", "2: 18, local");
    CHECK(BEGIN "\x21\x13\0\2ab", "2: 18, local");
    CHECK(BEGIN "\x21\x31\0\2ab", "bad");
}

static void broken_bytes_are_bad(void **state)
{
    (void)state;
    CHECK(BEGIN "\x22\x11\0\x0c" ADDRESSES, "bad");
    CHECK(BEGIN "\x11\x11\0\x0c" ADDRESSES, "bad");
    CHECK(BEGIN "\x21\x11\0\x0b" ADDRESSES, "bad");
    CHECK(BEGIN "\x21\x21\0\x0c" ADDRESSES, "bad");
    CHECK(BEGIN "\x21\x11\0\x0d" ADDRESSES "\4", "bad");
    CHECK(BEGIN "\x21\x11\0\x0f" ADDRESSES "\4\0\1x", "bad");
    CHECK(BEGIN "\x21\x11\0\x0e" ADDRESSES "\4\0", "bad");
    CHECK("\r\n\r\n\0\r\nQUIT\r", "bad");
    CHECK("\r\n\r\n\0\r\nQUIT", "more");
}

/* The second header has a sum, of which each other value is wrong. */
static void sums_and_tlvs_of_tls_are_checked(void **state)
{
    uint8_t summed[] = BEGIN "\x21\x11\0\x13" ADDRESSES "\3\0\4\0\0\0\0";
    uint32_t sum = proxy_model_crc(summed, 35, 31);
    (void)state;
    CHECK(BEGIN "\x21\x11\0\x13" ADDRESSES "\3\0\4\0\0\0\0", "bad");
    CHECK(BEGIN "\x21\x11\0\x12" ADDRESSES "\3\0\3\0\0\0", "bad");
    for (int i = 0; i < 4; i++)
        summed[31 + i] = (uint8_t)(sum >> (24 - 8 * i));
    check(summed, 35, PROXY_MOST, "2: 35, 192.0.2.1 4711 > 192.0.2.2 25");
    for (size_t i = 0; i < 35; i++) {
        summed[i] ^= 1;
        check(summed, 35, PROXY_MOST, NULL);
        summed[i] ^= 1;
    }
    CHECK(BEGIN "\x21\x11\0\x14" ADDRESSES "\x20\0\5\1\0\0\0\0",
          "2: 36, 192.0.2.1 4711 > 192.0.2.2 25");
    CHECK(BEGIN "\x21\x11\0\x13" ADDRESSES "\x20\0\4\1\0\0\0", "bad");
    CHECK(BEGIN "\x21\x11\0\x16" ADDRESSES "\x20\0\7\1\0\0\0\0\x21\0", "bad");
    CHECK(BEGIN "\x21\x11\0\x18" ADDRESSES "\x20\0\x9\1\0\0\0\0\x21\0\1x",
          "2: 40, 192.0.2.1 4711 > 192.0.2.2 25");
}

/* Each of the two sums is that of the header with zeroes in its own place. */
static void a_second_sum_is_bad_even_if_it_is_right(void **state)
{
    static const uint8_t header[] =
        BEGIN "\x21\x11\0\x1a" ADDRESSES "\3\0\4\x1f\x5c\xdd\xe1"
              "\3\0\4\x66\xa7\x2c\x66";
    (void)state;
    assert_int_equal(proxy_model_crc(header, 42, 31), 0x1f5cdde1);
    assert_int_equal(proxy_model_crc(header, 42, 38), 0x66a72c66);
    check(header, 42, PROXY_MOST, "bad");
}

/* --- length --- */

static void the_longest_header_is_taken_in_pieces(void **state)
{
    static uint8_t header[PROXY_MOST + 5] = BEGIN "\x21\x11\xff\xff" ADDRESSES;
    static const size_t steps[] = {1,    7,          1000,
                                   4096, PROXY_MOST, PROXY_MOST + 5};
    (void)state;
    memcpy(header + 28, "\xe0\xff\xf0", 3); /* one TLV of all the rest */
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct proxy_said s =
            say(header, sizeof header, 0, steps[i], PROXY_MOST);
        assert_string_equal(s.text, "2: 65551, 192.0.2.1 4711 > 192.0.2.2 25");
        s = say(header, sizeof header, 0, steps[i], PROXY_MOST - 1);
        assert_string_equal(s.text, "bad");
    }
}

/* A header over the limit is refused as soon as its length is known. */
static void the_limit_holds(void **state)
{
    static const uint8_t header[28] = BEGIN "\x21\x11\0\x0c" ADDRESSES;
    (void)state;
    check(header, 28, 28, "2: 28, 192.0.2.1 4711 > 192.0.2.2 25");
    check(header, 28, 27, "bad");
    check(header, 16, 27, "bad");
    check(header, 15, 27, "more");
    check("PROXY UNKNOWN\r\n", 15, 15, "1: 15, local");
    check("PROXY UNKNOWN\r\n", 15, 14, "bad");
}

/* Memory grows as bytes come. */
static void a_long_header_has_memory_for_what_has_come(void **state)
{
    struct proxy p = {.limit = PROXY_MOST};
    size_t used = 0;
    (void)state;
    assert_int_equal(
        feed(&p, (const uint8_t *)BEGIN "\x21\x11\xff\xff", 16, &used), 0);
    assert_true(p.kept.capacity <= 128);
    asynchat__proxy_free(&p);
}

static void no_memory_is_an_error(void **state)
{
    struct proxy p = {.limit = PROXY_MOST};
    size_t used;
    (void)state;
    countdown = 0;
    assert_int_equal(asynchat__proxy_take(&p, "PROXY", 5, &used), -ENOMEM);
    countdown = 1;
    assert_int_equal(
        asynchat__proxy_take(&p, BEGIN "\x21\x11\x0f\xff", 16, &used), 0);
    static const uint8_t rest[200];
    assert_int_equal(asynchat__proxy_take(&p, rest, 200, &used), -ENOMEM);
    countdown = -1;
    asynchat__proxy_free(&p);
}

/* --- random ones --- */

static size_t random_line(uint8_t *to)
{
    static const char *const words[] = {
        "PROXY", "TCP4",    "TCP6", "UNKNOWN",        "192.0.2.1", "1.2.3.4",
        "::1",   "2001::9", "25",   "::ffff:1.2.3.4", "65535",     "0"};
    static const unsigned usual[][6] = {
        {0, 1, 4, 5, 8, 10}, {0, 2, 6, 7, 8, 11}, {0, 2, 9, 4, 8, 11}};
    unsigned row = (unsigned)rand() % 3;
    char *at = (char *)to;
    for (unsigned i = 0; i < 6; i++) {
        unsigned word = rand() % 20 ? usual[row][i] : (unsigned)rand() % 12;
        at += sprintf(at, "%s%s", words[word], i < 5 ? " " : "\r\n");
    }
    return (size_t)(at - (char *)to);
}

static size_t random_bytes(uint8_t *to)
{
    static const uint8_t kinds[] = {0x11, 0x21, 0x11, 0x21, 0x31, 0, 0x12};
    uint8_t *at = to + 16;
    memcpy(to, BEGIN, 12);
    to[12] = rand() % 8 ? 0x21 : 0x20;
    to[13] = kinds[rand() % 7];
    size_t room = to[13] == 0x11 ? 12 : to[13] == 0x21 ? 36 : 216;
    for (size_t i = 0; i < room; i++)
        *at++ = (uint8_t)rand();
    for (int i = rand() % 4; i > 0; i--) {
        uint8_t len = (uint8_t)(rand() % 20);
        *at++ = (uint8_t)(rand() % 4 ? rand() % 8 : 0x20);
        *at++ = 0;
        *at++ = len;
        for (int k = 0; k < len; k++)
            *at++ = (uint8_t)(rand() % 3 ? rand() % 4 : rand());
    }
    to[14] = (uint8_t)((at - to - 16) >> 8);
    to[15] = (uint8_t)(at - to - 16);
    return (size_t)(at - to);
}

static void random_headers_equal_the_model(void **state)
{
    uint8_t stream[1024];
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        size_t len = i % 2 ? random_line(stream) : random_bytes(stream);
        while (rand() % 2)
            stream[(size_t)rand() % len] = (uint8_t)(rand() % 256);
        len -= rand() % 8 ? 0 : (size_t)rand() % len;
        len += rand() % 2 ? 0 : 3;
        check(stream, len, PROXY_MOST, NULL);
    }
}

/* --- writing --- */

static struct peer_address end_of(int family, const char *text, unsigned port)
{
    struct peer_address end = {.family = (sa_family_t)family};
    if (family)
        assert_int_equal(inet_pton(family, text, end.ip), 1);
    end.port = htons((uint16_t)port);
    return end;
}

/* Whatever is written is read by the model. */
static void wrote(unsigned version, struct peer_address from,
                  struct peer_address to, const struct asynchat_proxy_tlv *tlvs,
                  const char *expected)
{
    size_t room = asynchat__proxy_room(version, tlvs);
    uint8_t *bytes = __real_malloc(room);
    size_t len = asynchat__proxy_write(bytes, version, from, to, tlvs);
    assert_true(len <= room);
    check(bytes, len, PROXY_MOST, expected);
    if (version == 1)
        assert_true(len <= PROXY_V1_MOST);
    free(bytes);
}

static void what_is_written_can_be_read(void **state)
{
    struct peer_address four = end_of(AF_INET, "192.0.2.1", 4711);
    struct peer_address other = end_of(AF_INET, "192.0.2.2", 25);
    struct peer_address six = end_of(AF_INET6, "2001:db8::1", 1);
    (void)state;
    wrote(1, four, other, NULL, "1: 40, 192.0.2.1 4711 > 192.0.2.2 25");
    wrote(2, four, other, NULL, "2: 28, 192.0.2.1 4711 > 192.0.2.2 25");
    wrote(1, six, six, NULL, "1: 40, 2001:db8::1 1 > 2001:db8::1 1");
    wrote(2, six, six, NULL, "2: 52, 2001:db8::1 1 > 2001:db8::1 1");
    wrote(1, end_of(AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
          end_of(AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
          NULL, NULL);
}

/* No receiver takes a header of two families. */
static void mapped_and_mixed_addresses_become_one_family(void **state)
{
    struct peer_address mapped = end_of(AF_INET6, "::ffff:192.0.2.1", 4711);
    struct peer_address four = end_of(AF_INET, "192.0.2.2", 25);
    struct peer_address six = end_of(AF_INET6, "2001:db8::1", 1);
    uint8_t line[PROXY_V1_MOST + 1];
    (void)state;
    wrote(1, mapped, four, NULL, "1: 40, 192.0.2.1 4711 > 192.0.2.2 25");
    wrote(2, mapped, mapped, NULL, "2: 28, 192.0.2.1 4711 > 192.0.2.1 4711");
    wrote(2, six, four, NULL, "2: 52, 2001:db8::1 1 > 192.0.2.2 25");
    size_t len = asynchat__proxy_write(line, 1, six, four, NULL);
    assert_int_equal(len, 46);
    assert_memory_equal(line,
                        "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1 25\r\n", 46);
}

static void without_an_address_nothing_else_is_said(void **state)
{
    struct peer_address none = {.family = 0};
    struct peer_address four = end_of(AF_INET, "192.0.2.2", 25);
    const struct asynchat_proxy_tlv tlvs[] = {{ASYNCHAT_PROXY_NOOP, 0, NULL},
                                              {0, 0, NULL}};
    uint8_t bytes[128];
    (void)state;
    assert_int_equal(asynchat__proxy_write(bytes, 1, none, four, NULL), 15);
    assert_memory_equal(bytes, "PROXY UNKNOWN\r\n", 15);
    assert_int_equal(asynchat__proxy_write(bytes, 2, four, none, tlvs), 16);
    assert_memory_equal(bytes, BEGIN "\x20\0\0\0", 16);
}

static void tlvs_are_written_with_their_sum(void **state)
{
    struct peer_address four = end_of(AF_INET, "192.0.2.2", 25);
    struct asynchat_proxy_tlv tlvs[] = {
        {ASYNCHAT_PROXY_ALPN, 2, "h2"},
        {ASYNCHAT_PROXY_CRC32C, 0, NULL},
        {ASYNCHAT_PROXY_UNIQUE_ID, 3, "abc"},
        {ASYNCHAT_PROXY_NOOP, 0, NULL},
        {0, 0, NULL},
    };
    static const uint8_t zeroes[65000];
    (void)state;
    wrote(2, four, four, tlvs, "2: 49, 192.0.2.2 25 > 192.0.2.2 25");
    tlvs[0] = (struct asynchat_proxy_tlv){0xe0, 64981, zeroes};
    assert_true(asynchat__proxy_room(2, tlvs) > 0);
    tlvs[0].len = 64982;
    assert_int_equal(asynchat__proxy_room(2, tlvs), 0);
    tlvs[0].len = 65000; /* already the first one is too long */
    assert_int_equal(asynchat__proxy_room(2, tlvs), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_name_addresses),
        cmocka_unit_test(the_second_address_may_be_of_another_family),
        cmocka_unit_test(unknown_may_be_followed_by_anything),
        cmocka_unit_test(other_lines_are_bad),
        cmocka_unit_test(bytes_name_addresses),
        cmocka_unit_test(local_is_skipped_whole),
        cmocka_unit_test(kinds_without_a_tcp_address_are_skipped),
        cmocka_unit_test(broken_bytes_are_bad),
        cmocka_unit_test(sums_and_tlvs_of_tls_are_checked),
        cmocka_unit_test(a_second_sum_is_bad_even_if_it_is_right),
        cmocka_unit_test(the_longest_header_is_taken_in_pieces),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(a_long_header_has_memory_for_what_has_come),
        cmocka_unit_test(no_memory_is_an_error),
        cmocka_unit_test(random_headers_equal_the_model),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(mapped_and_mixed_addresses_become_one_family),
        cmocka_unit_test(without_an_address_nothing_else_is_said),
        cmocka_unit_test(tlvs_are_written_with_their_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
