/* Headers of the PROXY protocol that come.
 *
 * The first byte tells the version: 'P' for a line of text, CR for bytes. Until
 * the length of a header is known, it is only known how many bytes belong to it
 * for certain: no more are taken, since those behind it are not the header's.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <asynchat/error.h>

#include "base/networks.h"
#include "framer/crc32c.h"

static const char v1_prefix[] = "PROXY ";
static const char v2_prefix[] = "\r\n\r\n\0\r\nQUIT\n";
static const char v1_unknown[] = "UNKNOWN";
#define V1_UNKNOWN (sizeof v1_unknown - 1)
#define V1_PREFIX (sizeof v1_prefix - 1)
#define V2_PREFIX (sizeof v2_prefix - 1)

/* The two numbers in byte 13 of version 2. */
enum { V2_INET = 1, V2_INET6 = 2, V2_UNIX = 3 };
enum { V2_STREAM = 1, V2_DGRAM = 2 };

static size_t proxy_number(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* --- the length --- */

static bool proxy_begins(const uint8_t *bytes, size_t len, const char *prefix,
                         size_t most)
{
    return memcmp(bytes, prefix, len < most ? len : most) == 0;
}

/* The length of a line; 0: its end has not come. */
static int v1_length(const uint8_t *bytes, size_t len)
{
    size_t most = len < PROXY_V1_MOST ? len : PROXY_V1_MOST;
    const uint8_t *end = memchr(bytes, '\n', most);
    if (!proxy_begins(bytes, len, v1_prefix, V1_PREFIX))
        return ASYNCHAT_EPROXY;
    if (end)
        return (int)(end - bytes) + 1;
    return len < PROXY_V1_MOST ? 0 : ASYNCHAT_EPROXY;
}

static int v2_length(const uint8_t *bytes, size_t len)
{
    if (!proxy_begins(bytes, len, v2_prefix, V2_PREFIX) ||
        (len > V2_PREFIX && bytes[V2_PREFIX] != 0x20 &&
         bytes[V2_PREFIX] != 0x21))
        return ASYNCHAT_EPROXY;
    return len < PROXY_V2_FIRST
               ? 0
               : (int)proxy_number(bytes + 14) + PROXY_V2_FIRST;
}

/* How long the header is that begins so; 0: this is not known yet; or an
 * error. */
static int proxy_length(const uint8_t *bytes, size_t len, size_t limit)
{
    int length = *bytes == 'P' ? v1_length(bytes, len) : v2_length(bytes, len);
    return length > 0 && (size_t)length > limit ? ASYNCHAT_EPROXY : length;
}

/* How many of `len` new bytes belong to the header for certain. */
static size_t proxy_part(const struct proxy *p, const uint8_t *bytes,
                         size_t len)
{
    const uint8_t *kept = p->kept.bytes, *end;
    int length = proxy_length(kept, p->have, p->limit);
    size_t most = *kept == 'P' ? PROXY_V1_MOST : PROXY_V2_FIRST;
    if (length > 0)
        most = (size_t)length;
    most = len < most - p->have ? len : most - p->have;
    end = *kept == 'P' ? memchr(bytes, '\n', most) : NULL;
    return end ? (size_t)(end - bytes) + 1 : most;
}

/* --- version 1 --- */

/* Cuts the first word off. What is behind the last word is the empty word. */
static char *v1_word(char **rest)
{
    char *word = *rest, *end = strchr(word, ' ');
    *rest = end ? end + 1 : word + strlen(word);
    if (end)
        *end = '\0';
    return word;
}

static bool v1_address(const char *word, int family, struct peer_address *out)
{
    out->family = (sa_family_t)family;
    return inet_pton(family, word, out->ip) == 1;
}

static bool v1_port(const char *word, struct peer_address *out)
{
    unsigned long port = 0;
    size_t len = strlen(word);
    if (len == 0 || len > 5 || (len > 1 && *word == '0'))
        return false;
    for (; *word; word++) {
        if (*word < '0' || *word > '9')
            return false;
        port = port * 10 + (unsigned long)(*word - '0');
    }
    out->port = htons((uint16_t)port);
    return port <= UINT16_MAX;
}

/* `words` is what is behind "TCP4 " or "TCP6 ". The family is that of the first
 * address. The second one may be of the other family: nginx 1.22 sends such
 * lines if it has the first one from another balancer. */
static bool v1_addresses(char *words, int family, struct proxy_header *h)
{
    char *last = words + strlen(words);
    const char *from = v1_word(&words), *to = v1_word(&words);
    return v1_address(from, family, &h->from) &&
           (v1_address(to, AF_INET, &h->to) ||
            v1_address(to, AF_INET6, &h->to)) &&
           v1_port(v1_word(&words), &h->from) &&
           v1_port(v1_word(&words), &h->to) && words == last &&
           last[-1] != '\0';
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 4711 25". Behind UNKNOWN there may be
 * anything. The prefix and the end of the line are there: v1_length() has seen
 * them. */
static bool v1_read(const uint8_t *bytes, size_t len, struct proxy_header *h)
{
    char line[PROXY_V1_MOST] = "", *words = line;
    if (bytes[len - 2] != '\r')
        return false;
    memcpy(line, bytes + V1_PREFIX, len - 2 - V1_PREFIX);
    len -= 2 + V1_PREFIX;
    line[len] = '\0';
    h->version = 1;
    h->local = memcmp(line, v1_unknown, V1_UNKNOWN) == 0 &&
               (len == V1_UNKNOWN || line[V1_UNKNOWN] == ' ');
    if (h->local)
        return true;
    bool cut = strlen(line) != len;
    const char *protocol = v1_word(&words);
    bool six = strcmp(protocol, "TCP6") == 0;
    return !cut && (six || strcmp(protocol, "TCP4") == 0) &&
           v1_addresses(words, six ? AF_INET6 : AF_INET, h);
}

/* --- version 2: TLVs --- */

bool asynchat__proxy_next(const uint8_t *tlvs, size_t len, size_t *at,
                          struct asynchat_proxy_tlv *tlv)
{
    if (len - *at < 3) /* there may be no TLVs at all */
        return false;
    const uint8_t *bytes = tlvs + *at;
    if (len - *at - 3 < proxy_number(bytes + 1))
        return false;
    tlv->type = *bytes;
    tlv->len = (uint16_t)proxy_number(bytes + 1);
    tlv->value = bytes + 3;
    *at += 3 + (size_t)tlv->len;
    return true;
}

/* The sum is that of the header with zeroes in place of the sum. */
static bool v2_sum_is_right(const uint8_t *bytes, size_t len,
                            const struct asynchat_proxy_tlv *tlv)
{
    static const uint8_t zeroes[4];
    const uint8_t *at = tlv->value;
    if (tlv->len != sizeof zeroes)
        return false;
    uint32_t sum = asynchat__crc32c(0, bytes, (size_t)(at - bytes));
    sum = asynchat__crc32c(sum, zeroes, sizeof zeroes);
    sum = asynchat__crc32c(sum, at + 4, len - (size_t)(at + 4 - bytes));
    return sum == ((uint32_t)proxy_number(at) << 16 | proxy_number(at + 2));
}

/* A byte and a number of four bytes stand before TLVs of their own. */
static bool v2_ssl_is_whole(const struct asynchat_proxy_tlv *ssl)
{
    struct asynchat_proxy_tlv tlv;
    size_t at = 5;
    while (at < ssl->len)
        if (!asynchat__proxy_next(ssl->value, ssl->len, &at, &tlv))
            return false;
    return at == ssl->len;
}

/* A second sum is refused: work for nothing. */
static bool v2_tlvs_are_whole(const uint8_t *bytes, size_t len, size_t at)
{
    struct asynchat_proxy_tlv tlv;
    bool summed = false;
    while (at < len) {
        if (!asynchat__proxy_next(bytes, len, &at, &tlv))
            return false;
        bool sum = tlv.type == ASYNCHAT_PROXY_CRC32C;
        if (sum && (summed || !v2_sum_is_right(bytes, len, &tlv)))
            return false;
        if (tlv.type == ASYNCHAT_PROXY_SSL && !v2_ssl_is_whole(&tlv))
            return false;
        summed = summed || sum;
    }
    return true;
}

/* --- version 2 --- */

static void v2_address(struct peer_address *out, sa_family_t family,
                       const uint8_t *ip, size_t len, const uint8_t *port)
{
    out->family = family;
    memcpy(out->ip, ip, len);
    memcpy(&out->port, port, sizeof out->port);
}

static void v2_addresses(const uint8_t *at, sa_family_t family, size_t len,
                         struct proxy_header *h)
{
    v2_address(&h->from, family, at, len, at + 2 * len);
    v2_address(&h->to, family, at + len, len, at + 2 * len + 2);
}

/* How many bytes addresses of that kind have; 0: the kind is not known, and so
 * nothing of what follows. */
static size_t v2_room(uint8_t kind)
{
    static const uint8_t room[] = {
        [V2_INET] = 12, [V2_INET6] = 36, [V2_UNIX] = 216};
    unsigned family = kind >> 4, protocol = kind & 15;
    bool known =
        family < sizeof room && (protocol == V2_STREAM || protocol == V2_DGRAM);
    return known ? room[family] : 0;
}

/* Behind LOCAL there may be anything. */
static bool v2_read(const uint8_t *bytes, size_t len, struct proxy_header *h)
{
    uint8_t kind = bytes[13];
    size_t room = v2_room(kind), first = PROXY_V2_FIRST + room;
    h->version = 2;
    h->local = true;
    if (bytes[12] == 0x20 || room == 0)
        return true;
    if (len < first || !v2_tlvs_are_whole(bytes, len, first))
        return false;
    h->tlvs = first;
    h->tlvs_len = len - first;
    h->local = (kind & 15) != V2_STREAM || kind >> 4 == V2_UNIX;
    if (!h->local && kind >> 4 == V2_INET)
        v2_addresses(bytes + PROXY_V2_FIRST, AF_INET, 4, h);
    else if (!h->local)
        v2_addresses(bytes + PROXY_V2_FIRST, AF_INET6, 16, h);
    return true;
}

/* --- taking --- */

/* Reads a whole header: 1 or an error. */
static int proxy_read(struct proxy *p, const uint8_t *bytes, size_t len)
{
    struct proxy_header *h = &p->header;
    bool right =
        *bytes == 'P' ? v1_read(bytes, len, h) : v2_read(bytes, len, h);
    if (!right)
        return ASYNCHAT_EPROXY;
    asynchat__address_fold(&h->from);
    asynchat__address_fold(&h->to);
    p->bytes = bytes;
    return 1;
}

/* Memory grows as bytes come, and not as the length says. */
static bool proxy_keep(struct proxy *p, const uint8_t *bytes, size_t len)
{
    size_t need = p->have + len;
    size_t room = need < PROXY_V1_MOST ? PROXY_V1_MOST : need + need / 2;
    if (need > p->kept.capacity &&
        !asynchat__spare_grow(&p->kept, p->have, room))
        return false;
    memcpy(p->kept.bytes + p->have, bytes, len);
    p->have = need;
    return true;
}

/* Takes what surely belongs to the header: after two or three times nothing is
 * left, or the header is complete. */
static int proxy_collect(struct proxy *p, const uint8_t *bytes, size_t len,
                         size_t *used)
{
    for (*used = 0; *used < len;) {
        size_t part = proxy_part(p, bytes + *used, len - *used);
        if (!proxy_keep(p, bytes + *used, part))
            return -ENOMEM;
        *used += part;
        int length = proxy_length(p->kept.bytes, p->have, p->limit);
        if (length < 0)
            return length;
        if (length > 0 && p->have == (size_t)length)
            return proxy_read(p, p->kept.bytes, p->have);
    }
    return 0;
}

int asynchat__proxy_take(struct proxy *p, const void *bytes, size_t len,
                         size_t *used)
{
    *used = 0;
    if (len == 0)
        return 0;
    if (p->have > 0)
        return proxy_collect(p, bytes, len, used);
    int length = proxy_length(bytes, len, p->limit);
    if (length < 0)
        return length;
    *used = len;
    if (length > 0 && (size_t)length <= len) {
        *used = (size_t)length;
        return proxy_read(p, bytes, *used);
    }
    return proxy_keep(p, bytes, len) ? 0 : -ENOMEM;
}

void asynchat__proxy_free(struct proxy *p)
{
    asynchat__spare_free(p->kept);
    p->kept = (struct spare){NULL, 0};
    p->have = 0;
}
