/* Headers of the PROXY protocol, read from pieces of any size, and written. No
 * I/O, and no channel.
 *
 * Tested by tests/test_proxy_header.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_FRAMER_PROXY_H
#define ASYNCHAT_SRC_FRAMER_PROXY_H

#include <asynchat/proxy.h>

#include "base/address.h"
#include "framer/spares.h"

#define PROXY_V1_MOST 107 /* bytes of a header of version 1 */
#define PROXY_V2_FIRST 16 /* the bytes that tell the length of version 2 */
#define PROXY_MOST 65551  /* bytes of a header of version 2 */
#define PROXY_TLVS_MOST 65000

/* What a header says. */
struct proxy_header {
    unsigned version;
    bool local; /* it has no address that counts */
    /* Both have a family if the header is not `local`, and none if it is. No
     * address of IPv6 stands for one of IPv4. */
    struct peer_address from, to;
    size_t tlvs, tlvs_len; /* where the TLVs lie in the header */
};

/* A header that comes. All zero but for `limit` at the beginning. Invariants:
 * `kept` has memory only between two pieces of a header, and after the last
 * piece; `have` bytes of it are used. */
struct proxy {
    struct proxy_header header;
    const uint8_t *bytes; /* the whole header, lent, once it is complete */
    struct spare kept;
    size_t have;
    size_t limit; /* the most bytes of a header */
};

/* Takes bytes of the stream, and gives in *used how many of them belong to the
 * header. 0: there is more to come, and all bytes were taken; 1: the header is
 * complete; it lies in these bytes, or in `kept`. ASYNCHAT_EPROXY: this is no
 * header; -ENOMEM. */
int asynchat__proxy_take(struct proxy *p, const void *bytes, size_t len,
                         size_t *used);

/* Gives the memory back. */
void asynchat__proxy_free(struct proxy *p);

/* Reads the TLV at *at of `len` bytes, and moves *at behind it. False: there is
 * none, or it is cut off; then *at is not `len`. */
bool asynchat__proxy_next(const uint8_t *tlvs, size_t len, size_t *at,
                          struct asynchat_proxy_tlv *tlv);

/* How many bytes a header needs at most. 0: it would be too long. `tlvs` may be
 * NULL. */
size_t asynchat__proxy_room(unsigned version,
                            const struct asynchat_proxy_tlv *tlvs);

/* Writes a header, and answers its length. If one of the addresses has no
 * family, the header says that there is no address. */
size_t asynchat__proxy_write(uint8_t *to, unsigned version,
                             struct peer_address from, struct peer_address dest,
                             const struct asynchat_proxy_tlv *tlvs);

#endif
