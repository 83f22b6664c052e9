/* A BIO between buffers: see wire.h. SPDX-License-Identifier: BSD-3-Clause */
#include "tls/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static BIO_METHOD *method; /* made once, and never freed */

/* OpenSSL's buffers lie wherever malloc puts them. So a copy of more than 2 KiB
 * may be one of those that SPARES_PAGE in framer/spares.h tells of. Such a copy
 * is made in pieces that are short enough. */
#define PAGE 4096
#define NEAR 32
#define PIECE 2048

static void wire_copy(uint8_t *to, const uint8_t *from, size_t len)
{
    size_t behind = ((uintptr_t)to - (uintptr_t)from) % PAGE;
    if (behind > 0 && behind < NEAR)
        for (; len > PIECE; to += PIECE, from += PIECE, len -= PIECE)
            memcpy(to, from, PIECE);
    memcpy(to, from, len);
}

static int wire_read(BIO *bio, char *to, size_t room, size_t *n)
{
    struct wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *n = wire->in_len < room ? wire->in_len : room;
    if (*n == 0 || wire->stopped) {
        BIO_set_retry_read(bio);
        return 0;
    }
    wire_copy((uint8_t *)to, wire->in, *n);
    wire->in += *n;
    wire->in_len -= *n;
    return 1;
}

/* Doubles the room as often as needed. False: there is no memory. */
static bool wire_grow(struct wire *wire, size_t len)
{
    size_t room = wire->kept_room > 0 ? wire->kept_room : 1024;
    while (room < wire->kept_len + len)
        room *= 2;
    uint8_t *kept = realloc(wire->kept, room);
    if (!kept)
        return false;
    wire->kept = kept;
    wire->kept_room = room;
    return true;
}

/* Bytes never overtake others that are kept. */
static int wire_write(BIO *bio, const char *data, size_t len, size_t *n)
{
    struct wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->out && wire->kept_len == 0 &&
        len <= wire->out_room - wire->out_len) {
        wire_copy(wire->out + wire->out_len, (const uint8_t *)data, len);
        wire->out_len += len;
    } else {
        if (wire->kept_room - wire->kept_len < len && !wire_grow(wire, len)) {
            ERR_raise(ERR_LIB_BIO, ERR_R_MALLOC_FAILURE);
            return 0;
        }
        memcpy(wire->kept + wire->kept_len, data, len);
        wire->kept_len += len;
    }
    *n = len;
    return 1;
}

static long wire_ctrl(BIO *bio, int what, long number, void *arg)
{
    (void)bio;
    (void)number;
    (void)arg;
    return what == BIO_CTRL_FLUSH;
}

int asynchat__tls_wire_prepare(void)
{
    if (method)
        return 0;
    int index = BIO_get_new_index();
    BIO_METHOD *made =
        index > 0 ? BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "asynchat")
                  : NULL;
    if (!made)
        return -ENOMEM;
    BIO_meth_set_read_ex(made, wire_read);
    BIO_meth_set_write_ex(made, wire_write);
    BIO_meth_set_ctrl(made, wire_ctrl);
    method = made;
    return 0;
}

int asynchat__tls_wire_attach(SSL *ssl, struct wire *wire)
{
    BIO *bio = BIO_new(method);
    if (!bio)
        return -ENOMEM;
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return 0;
}

size_t asynchat__tls_wire_take(struct wire *wire, void *to, size_t room)
{
    size_t n = wire->kept_len < room ? wire->kept_len : room;
    if (n == 0)
        return 0;
    memcpy(to, wire->kept, n);
    wire->kept_len -= n;
    if (wire->kept_len > 0)
        memmove(wire->kept, wire->kept + n, wire->kept_len);
    else
        asynchat__tls_wire_free(wire);
    return n;
}

void asynchat__tls_wire_free(struct wire *wire)
{
    free(wire->kept);
    wire->kept = NULL;
    wire->kept_len = wire->kept_room = 0;
}
