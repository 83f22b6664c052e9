/* The BIO between OpenSSL and the buffers of a stage: every byte arrives,
 * wherever in their pages the two ends of a copy lie.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "tls/wire.h"

#define PAGE 4096
#define MOST 20000

static const size_t lengths[] = {1, 2047, 2048, 2049, 4096, 4097, 16406};

struct ends {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *bio;
    struct wire wire;
    uint8_t *ours, *theirs; /* each begins at a page */
};

static int setup(void **state)
{
    struct ends *ends = calloc(1, sizeof *ends);
    assert_int_equal(asynchat__tls_wire_prepare(), 0);
    ends->ctx = SSL_CTX_new(TLS_method());
    ends->ssl = SSL_new(ends->ctx);
    assert_int_equal(asynchat__tls_wire_attach(ends->ssl, &ends->wire), 0);
    ends->bio = SSL_get_rbio(ends->ssl);
    ends->ours = aligned_alloc(PAGE, 8 * PAGE);
    ends->theirs = aligned_alloc(PAGE, 8 * PAGE);
    *state = ends;
    return 0;
}

static int teardown(void **state)
{
    struct ends *ends = *state;
    SSL_free(ends->ssl);
    SSL_CTX_free(ends->ctx);
    free(ends->ours);
    free(ends->theirs);
    free(ends);
    return 0;
}

static void fill(uint8_t *bytes, size_t len, unsigned salt)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)((i * 7 + i / 251 + salt) % 253);
}

/* Copies by `copy` for all lengths and for distances from the beginning of a
 * page, and checks that exactly the bytes meant are written. */
static void check(struct ends *ends,
                  void (*copy)(struct ends *ends, uint8_t *to,
                               const uint8_t *from, size_t len),
                  uint8_t *to, uint8_t *from)
{
    uint8_t want[MOST];
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t at = 0; at < 40; at++) {
            size_t len = lengths[i];
            fill(want, len, (unsigned)at);
            memcpy(from, want, len);
            memset(to, 0xFF, len + 100);
            copy(ends, to + at, from, len);
            assert_memory_equal(to + at, want, len);
            assert_true(to[at + len] == 0xFF);
            assert_true(at == 0 || to[at - 1] == 0xFF);
        }
}

static void read_to(struct ends *ends, uint8_t *to, const uint8_t *from,
                    size_t len)
{
    size_t n;
    ends->wire.in = from;
    ends->wire.in_len = len;
    assert_int_equal(BIO_read_ex(ends->bio, to, len + 7, &n), 1);
    assert_int_equal(n, len);
    assert_int_equal(ends->wire.in_len, 0);
}

static void write_to(struct ends *ends, uint8_t *to, const uint8_t *from,
                     size_t len)
{
    size_t n;
    ends->wire.out = to;
    ends->wire.out_len = 0;
    ends->wire.out_room = len;
    assert_int_equal(BIO_write_ex(ends->bio, from, len, &n), 1);
    assert_int_equal(n, len);
    assert_int_equal(ends->wire.out_len, len);
}

static void every_byte_is_read(void **state)
{
    struct ends *ends = *state;
    check(ends, read_to, ends->theirs, ends->ours);
}

static void every_byte_is_written(void **state)
{
    struct ends *ends = *state;
    check(ends, write_to, ends->ours, ends->theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_byte_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(every_byte_is_written, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
