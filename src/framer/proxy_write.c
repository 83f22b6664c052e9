/* Headers of the PROXY protocol that are sent.
 *
 * Tested by tests/test_proxy_header.c. SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/networks.h"
#include "framer/crc32c.h"
#include "framer/proxy.h"

/* --- addresses --- */

static void map_four(struct peer_address *address)
{
    if (address->family != AF_INET)
        return;
    memmove(address->ip + 12, address->ip, 4);
    memset(address->ip, 0, 10);
    memset(address->ip + 10, 0xff, 2);
    address->family = AF_INET6;
}

/* Makes the two of one family. False: there are none. */
static bool proxy_unite(struct peer_address *from, struct peer_address *dest)
{
    asynchat__address_fold(from);
    asynchat__address_fold(dest);
    if (from->family != dest->family) {
        map_four(from);
        map_four(dest);
    }
    return from->family != 0 && from->family == dest->family;
}

/* --- version 1 --- */

static size_t v1_write(uint8_t *to, const struct peer_address *from,
                       const struct peer_address *dest)
{
    char one[INET6_ADDRSTRLEN], other[INET6_ADDRSTRLEN];
    inet_ntop(from->family, from->ip, one, sizeof one);
    inet_ntop(dest->family, dest->ip, other, sizeof other);
    int len =
        snprintf((char *)to, PROXY_V1_MOST + 1, "PROXY TCP%c %s %s %u %u\r\n",
                 from->family == AF_INET ? '4' : '6', one, other,
                 ntohs(from->port), ntohs(dest->port));
    return (size_t)len;
}

/* --- version 2 --- */

static size_t write_number(uint8_t *to, size_t number)
{
    to[0] = (uint8_t)(number >> 8);
    to[1] = (uint8_t)number;
    return 2;
}

static size_t write_bytes(uint8_t *to, const void *bytes, size_t len)
{
    if (len > 0)
        memcpy(to, bytes, len);
    return len;
}

static size_t v2_write_addresses(uint8_t *to, const struct peer_address *from,
                                 const struct peer_address *dest)
{
    size_t len = from->family == AF_INET ? 4 : 16, at = 0;
    at += write_bytes(to, from->ip, len);
    at += write_bytes(to + at, dest->ip, len);
    at += write_bytes(to + at, &from->port, sizeof from->port);
    at += write_bytes(to + at, &dest->port, sizeof dest->port);
    return at;
}

static size_t v2_value_len(const struct asynchat_proxy_tlv *tlv)
{
    return tlv->type == ASYNCHAT_PROXY_CRC32C ? 4 : tlv->len;
}

/* *sum becomes where the sum is to be written. */
static size_t v2_write_tlv(uint8_t *to, const struct asynchat_proxy_tlv *tlv,
                           uint8_t **sum)
{
    static const uint8_t zeroes[4];
    bool sums = tlv->type == ASYNCHAT_PROXY_CRC32C;
    size_t len = v2_value_len(tlv);
    to[0] = tlv->type;
    write_number(to + 1, len);
    if (sums)
        *sum = to + 3;
    return 3 + write_bytes(to + 3, sums ? zeroes : tlv->value, len);
}

static void v2_write_sum(uint8_t *to, const uint8_t *header, size_t len)
{
    uint32_t sum = asynchat__crc32c(0, header, len);
    write_number(to, sum >> 16);
    write_number(to + 2, sum & 0xffff);
}

static size_t v2_write(uint8_t *to, const struct peer_address *from,
                       const struct peer_address *dest,
                       const struct asynchat_proxy_tlv *tlvs)
{
    size_t at = PROXY_V2_FIRST;
    uint8_t *sum = NULL;
    to[12] = 0x21;
    to[13] = from->family == AF_INET ? 0x11 : 0x21;
    at += v2_write_addresses(to + at, from, dest);
    for (; tlvs && tlvs->type; tlvs++)
        at += v2_write_tlv(to + at, tlvs, &sum);
    write_number(to + 14, at - PROXY_V2_FIRST);
    if (sum)
        v2_write_sum(sum, to, at);
    return at;
}

/* Says that there is no address, in the only words that HAProxy 2.6 takes. */
static size_t write_unknown(uint8_t *to, unsigned version)
{
    static const char unknown[] = "PROXY UNKNOWN\r\n";
    if (version == 1)
        return write_bytes(to, unknown, sizeof unknown - 1);
    to[12] = 0x20;
    memset(to + 13, 0, 3);
    return PROXY_V2_FIRST;
}

/* --- both --- */

/* With a NUL behind version 1, as snprintf writes it. A second sum has no
 * place. */
size_t asynchat__proxy_room(unsigned version,
                            const struct asynchat_proxy_tlv *tlvs)
{
    size_t room = version == 1 ? PROXY_V1_MOST + 1 : PROXY_V2_FIRST + 36;
    size_t all = 0;
    for (; tlvs && tlvs->type && all <= PROXY_TLVS_MOST; tlvs++)
        all += 3 + v2_value_len(tlvs);
    return all <= PROXY_TLVS_MOST ? room + all : 0;
}

size_t asynchat__proxy_write(uint8_t *to, unsigned version,
                             struct peer_address from, struct peer_address dest,
                             const struct asynchat_proxy_tlv *tlvs)
{
    static const uint8_t prefix[] = "\r\n\r\n\0\r\nQUIT\n";
    bool known = proxy_unite(&from, &dest);
    if (version == 2)
        memcpy(to, prefix, sizeof prefix - 1);
    if (!known)
        return write_unknown(to, version);
    return version == 1 ? v1_write(to, &from, &dest)
                        : v2_write(to, &from, &dest, tlvs);
}
