/* The PROXY protocol, by which a balancer in front of a server says whose
 * connection it passes on. It is a header before everything else, a line of
 * text in version 1, and bytes in version 2.
 *
 *     static const char *const balancers[] = {"192.0.2.0/24", NULL};
 *     static const struct asynchat_proxy_options proxy = {
 *         .size = sizeof proxy,
 *         .from = balancers,
 *     };
 *     struct asynchat_server_options options = {
 *         .size = sizeof options,
 *         .proxy = &proxy,
 *     };
 *
 * With these options, a header is required on each connection from the listed
 * networks, and its address is the peer's from then on: for
 * asynchat_peer_address(), for the log, and for `max_per_address`. On
 * connections from elsewhere no header is read. Whether a header is read never
 * depends on what a connection sends, since anybody could then choose an
 * address.
 *
 * The header comes before TLS. Until the header is complete, no callback runs
 * for the connection, but those of its end: handle_error and handle_close. So a
 * server that greets its clients does so after the header.
 *
 * The other direction is asynchat_push_proxy().
 *
 * (The source is "The PROXY protocol, versions 1 & 2" of HAProxy.)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PROXY_H
#define ASYNCHAT_PROXY_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* The TLVs of a header are kept for asynchat_get_proxy(). Otherwise they are
 * checked and dropped. */
#define ASYNCHAT_PROXY_KEEP_TLVS 0x1u

/* Which headers a server takes, and from whom. `size` is sizeof the struct. A
 * field that is 0 has its default. New fields are only ever added at the
 * end. */
struct asynchat_proxy_options {
    size_t size;
    unsigned flags; /* ASYNCHAT_PROXY_KEEP_TLVS, or 0 */

    /* How many milliseconds a header may take, from accept to its last byte; at
     * most 2^31 - 1. 5000 unless set. After that the channel ends with
     * ASYNCHAT_ELATE. */
    unsigned time;

    /* The networks from which a header is required, such as "192.0.2.0/24",
     * "2001:db8::/32" or "127.0.0.1", with NULL at the end. NULL: a header is
     * required on each connection. A list without a network is an error. A peer
     * over a Unix socket has no address, and is in no network. Leave the
     * machine's own address out if a monitor on this machine connects without a
     * header. */
    const char *const *from;

    /* The most bytes of a header. 65551 unless set, which is the longest that
     * there can be. */
    size_t limit;

    /* The most connections of the server whose header is not complete. 4096
     * unless set. Further ones, of those that need a header, are closed.
     * `max_per_address` does not count a connection before its header is
     * complete, since its address is not known. */
    size_t most;
};

/* What a header has said. `size` is sizeof the struct, and is set by the
 * caller. Bytes and texts that a pointer leads to are lent until the channel is
 * gone; they have no NUL at their end, and a field that did not come has NULL
 * and 0. They come only with ASYNCHAT_PROXY_KEEP_TLVS. A peer may send
 * anything in them. */
struct asynchat_proxy {
    size_t size;
    unsigned version; /* 1 or 2 */

    /* 1: the header named no address of TCP, as with LOCAL, with UNKNOWN, or
     * with the path of a Unix socket. The peer is the balancer then. A balancer
     * sends such headers for its own checks, and for clients without an
     * address. */
    int local;

    /* ASYNCHAT_PROXY_OVER_TLS and the others, added up. 0: nothing is known
     * about TLS. */
    unsigned ssl;

    /* 1: the client showed the balancer a certificate, and it was good. */
    int verified;

    const void *alpn; /* the protocol of the client's, by ALPN: "h2" */
    size_t alpn_len;
    const char *authority; /* the server's name that the client has asked for */
    size_t authority_len;
    const void *unique_id; /* the balancer's name for the connection */
    size_t unique_id_len;
    const char *ssl_version; /* "TLSv1.3" */
    size_t ssl_version_len;
    const char *ssl_name; /* the common name of the client's certificate */
    size_t ssl_name_len;

    /* All TLVs, as they came: for each one byte for the type, two for the
     * length, the first of which is the higher one, and the value. */
    const void *tlvs;
    size_t tlvs_len;

    /* The address of the balancer, which has sent the header; "" if it is not
     * known any more. */
    char balancer[ASYNCHAT_ADDRESS_SIZE];

    /* The address that the client has connected to; "" if `local`. */
    char destination[ASYNCHAT_ADDRESS_SIZE];
};

/* The client has come to the balancer over TLS. */
#define ASYNCHAT_PROXY_OVER_TLS 0x1u
/* It has shown a certificate on this connection. */
#define ASYNCHAT_PROXY_CERTIFICATE 0x2u
/* It has shown a certificate in this session, maybe on an earlier
 * connection. */
#define ASYNCHAT_PROXY_CERTIFICATE_BEFORE 0x4u

/* Tells what the header of a connection has said. From handle_connect on.
 * Errors: -EINVAL (`ch` or `out` is NULL, or the size in `out` is not that of
 * any version), -ENOENT (no header came). Since 0.1. */
ASYNCHAT_API int asynchat_get_proxy(const struct asynchat_channel *ch,
                                    struct asynchat_proxy *out);

/* --- Sending a PROXY header --- */

/* Types of TLVs. The ones from 0xe0 to 0xef are free for programs. */
enum asynchat_proxy_type {
    ASYNCHAT_PROXY_ALPN = 0x01,
    ASYNCHAT_PROXY_AUTHORITY = 0x02,
    ASYNCHAT_PROXY_CRC32C = 0x03, /* asynchat_push_proxy() makes the value */
    ASYNCHAT_PROXY_NOOP = 0x04,
    ASYNCHAT_PROXY_UNIQUE_ID = 0x05,
    ASYNCHAT_PROXY_SSL = 0x20,
    ASYNCHAT_PROXY_SSL_VERSION = 0x21, /* inside of ASYNCHAT_PROXY_SSL */
    ASYNCHAT_PROXY_SSL_NAME = 0x22,    /* inside of ASYNCHAT_PROXY_SSL */
    ASYNCHAT_PROXY_NETNS = 0x30
};

/* A piece of a header of version 2: a type, and a value of its own. */
struct asynchat_proxy_tlv {
    uint8_t type; /* see enum asynchat_proxy_type; 0 ends an array */
    uint16_t len; /* of `value`, in bytes */
    const void *value;
};

/* Sends a PROXY header of version 1 or 2 in front of everything else: in front
 * of what was pushed before, and of a layer. Nothing may have been sent yet, so
 * the place for this call is right after asynchat_connect(), or
 * handle_connect. The header leaves in one system call, since receivers such as
 * HAProxy 2.6 and nginx 1.22 refuse a header in two pieces.
 * asynchat_discard_buffers() drops it only after handle_connect.
 *
 * The header tells the addresses of `from`, the connection that is passed on:
 * its peer's, and the one that the peer has connected to. If `from` came with a
 * header itself, these are the ones in that header. Addresses of IPv4 that are
 * mapped into IPv6 are told as IPv4. If only one of the two is of IPv4, it is
 * mapped into IPv6. If `from` is NULL, or has no address, as over a Unix
 * socket, the header says so: "PROXY UNKNOWN" in version 1, LOCAL in version 2,
 * and nothing else.
 *
 * `tlvs` is an array that ends with type 0, or NULL; it is for version 2 only,
 * and copied. Of ASYNCHAT_PROXY_CRC32C only the type matters: the sum is made
 * here. Many receivers take short headers only: nginx 1.22 refuses more than
 * 107 bytes, and HAProxy 2.6 more than its buffer, of 16 KiB.
 *
 * Errors: -EINVAL (`ch` is NULL, there is no such version, or there are TLVs
 * for version 1), -EMSGSIZE (the TLVs have more than 65,000 bytes), -EBUSY
 * (something was sent, or a layer was set, or a header was pushed or has come,
 * or the channel is just releasing output), ASYNCHAT_ECLOSED (the channel has
 * ended; or it is connected, and told to close), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_push_proxy(struct asynchat_channel *ch,
                                     unsigned version,
                                     const struct asynchat_channel *from,
                                     const struct asynchat_proxy_tlv *tlvs);

ASYNCHAT_END_DECLS

#endif
