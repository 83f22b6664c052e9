/* The PROXY protocol, versions 1 and 2: a balancer in front of a server says
 * whose connection it passes on, by a header before everything else. (The source
 * is "The PROXY protocol, versions 1 & 2" of HAProxy.)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PROXY_H
#define ASYNCHAT_PROXY_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* Types of TLVs. The ones from 0xe0 to 0xef are free for programs. */
enum asynchat_proxy_type {
    ASYNCHAT_PROXY_ALPN = 0x01,
    ASYNCHAT_PROXY_AUTHORITY = 0x02,
    ASYNCHAT_PROXY_CRC32C = 0x03,
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

ASYNCHAT_END_DECLS

#endif
