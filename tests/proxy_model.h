/* What a PROXY header says, by a model that sees all bytes that there are: lines
 * by a regular expression, and everything else one byte after the other.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef PROXY_MODEL_H
#define PROXY_MODEL_H

#include <arpa/inet.h>
#include <regex.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is known of a header, as text: "more", "bad", or for example "7 of 9:
 * 192.0.2.1 25 > 192.0.2.2 26". */
struct proxy_said {
    char text[256];
};

/* One word for each end: an address of IPv4 as four numbers. */
static inline void proxy_end_text(char *text, size_t size, int family,
                                  const uint8_t *ip, unsigned port)
{
    char host[INET6_ADDRSTRLEN];
    inet_ntop(family, ip, host, sizeof host);
    snprintf(text, size, "%s %u", host, port);
}

/* An address that was mapped becomes the one of IPv4. */
static inline void proxy_end_folded(char *text, size_t size, bool six,
                                    const uint8_t *ip, unsigned port)
{
    bool mapped = six && ip[10] == 0xff && ip[11] == 0xff;
    for (int i = 0; i < 10 && mapped; i++)
        mapped = ip[i] == 0;
    proxy_end_text(text, size, six && !mapped ? AF_INET6 : AF_INET,
                   mapped ? ip + 12 : ip, port);
}

/* --- a line --- */

/* Only the second address may be of another family. */
static inline bool proxy_model_word(const char *line, regmatch_t at, bool six,
                                    bool second, uint8_t *ip, bool *is_six)
{
    char word[64] = "";
    size_t len = (size_t)(at.rm_eo - at.rm_so);
    if (len >= sizeof word)
        return false;
    memcpy(word, line + at.rm_so, len);
    *is_six = strchr(word, ':') != NULL;
    return (second || six == *is_six) &&
           inet_pton(*is_six ? AF_INET6 : AF_INET, word, ip) == 1;
}

static inline bool proxy_model_tcp(const char *line, struct proxy_said *s,
                                   size_t len)
{
    static regex_t rule;
    static bool made;
    regmatch_t at[6];
    uint8_t ip[2][16];
    char ends[2][80];
    if (!made)
        made = regcomp(&rule,
                       "^PROXY TCP([46]) ([^ ]+) ([^ ]+) "
                       "(0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r$",
                       REG_EXTENDED) == 0;
    if (regexec(&rule, line, 6, at, 0) != 0)
        return false;
    bool six = line[at[1].rm_so] == '6', is_six;
    for (int i = 0; i < 2; i++) {
        long port = strtol(line + at[4 + i].rm_so, NULL, 10);
        if (port > 65535 ||
            !proxy_model_word(line, at[2 + i], six, i > 0, ip[i], &is_six))
            return false;
        proxy_end_folded(ends[i], sizeof ends[i], is_six, ip[i],
                         (unsigned)port);
    }
    snprintf(s->text, sizeof s->text, "1: %zu, %s > %s", len, ends[0], ends[1]);
    return true;
}

static inline void proxy_model_line(const uint8_t *bytes, size_t len,
                                    size_t limit, struct proxy_said *s)
{
    char line[128] = "";
    size_t i = 0;
    while (i < len && i < 107 && bytes[i] != '\n')
        i++;
    bool begins = i < 6 ? memcmp(bytes, "PROXY ", i) == 0
                        : memcmp(bytes, "PROXY ", 6) == 0;
    bool over = i < len && i < 107;
    memcpy(line, bytes, i);
    strcpy(s->text, "bad");
    if (!begins || (over && (i < 6 || i >= limit)) || (!over && i == 107))
        return;
    bool whole = over && line[i - 1] == '\r';
    bool unknown =
        memcmp(line, "PROXY UNKNOWN", 13) == 0 && (line[13] == ' ' || i == 14);
    if (!over)
        strcpy(s->text, "more");
    else if (whole && unknown)
        snprintf(s->text, sizeof s->text, "1: %zu, local", i + 1);
    else if (whole && strlen(line) == i)
        proxy_model_tcp(line, s, i + 1);
}

/* --- bytes --- */

/* One bit at a time. */
static inline uint32_t proxy_model_crc(const uint8_t *bytes, size_t len,
                                       size_t hole)
{
    uint32_t sum = 0xffffffff;
    for (size_t i = 0; i < len; i++) {
        sum ^= i >= hole && i < hole + 4 ? 0 : bytes[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum & 1 ? sum >> 1 ^ 0x82f63b78 : sum >> 1;
    }
    return ~sum;
}

static inline bool proxy_model_tlvs(const uint8_t *bytes, size_t len,
                                    size_t from, size_t to, bool inside)
{
    unsigned sums = 0;
    while (from < to) {
        if (to - from < 3)
            return false;
        size_t n = bytes[from + 1] * 256u + bytes[from + 2];
        size_t value = from + 3;
        if (n > to - value)
            return false;
        if (!inside && bytes[from] == 3) {
            if (n != 4 || ++sums > 1)
                return false;
            uint32_t sum = proxy_model_crc(bytes, len, value);
            for (int i = 0; i < 4; i++)
                if (bytes[value + (size_t)i] != (uint8_t)(sum >> (24 - 8 * i)))
                    return false;
        }
        if (!inside && bytes[from] == 0x20 &&
            (n < 5 ||
             !proxy_model_tlvs(bytes, len, value + 5, value + n, true)))
            return false;
        from = value + n;
    }
    return true;
}

static inline void proxy_model_bytes(const uint8_t *bytes, size_t len,
                                     size_t limit, struct proxy_said *s)
{
    static const uint8_t begin[12] = {13, 10, 13, 10, 0,  13,
                                      10, 81, 85, 73, 84, 10};
    static const size_t rooms[4] = {0, 12, 36, 216};
    char ends[2][80];
    strcpy(s->text, "bad");
    for (size_t i = 0; i < 12 && i < len; i++)
        if (bytes[i] != begin[i])
            return;
    if (len > 12 && bytes[12] / 16 * 16 + (bytes[12] & 14) != 32)
        return;
    size_t all = len < 16 ? 0 : 16u + bytes[14] * 256u + bytes[15];
    if (all > limit)
        return;
    if (len < 16 || len < all) {
        strcpy(s->text, "more");
        return;
    }
    unsigned family = bytes[13] / 16, protocol = bytes[13] % 16;
    bool known = family >= 1 && family <= 3 && (protocol == 1 || protocol == 2);
    if (bytes[12] == 0x21 && known) {
        size_t tlvs = 16 + rooms[family], half = (rooms[family] - 4) / 2;
        if (all < tlvs || !proxy_model_tlvs(bytes, all, tlvs, all, false))
            return;
        const uint8_t *ports = bytes + 16 + 2 * half;
        for (unsigned i = 0; i < 2 && family < 3; i++)
            proxy_end_folded(ends[i], sizeof ends[i], family == 2,
                             bytes + 16 + i * half,
                             ports[2 * i] * 256u + ports[2 * i + 1]);
        if (protocol == 1 && family < 3) {
            snprintf(s->text, sizeof s->text, "2: %zu, %s > %s", all, ends[0],
                     ends[1]);
            return;
        }
    }
    snprintf(s->text, sizeof s->text, "2: %zu, local", all);
}

static inline void proxy_model(const uint8_t *bytes, size_t len, size_t limit,
                               struct proxy_said *s)
{
    if (len == 0)
        strcpy(s->text, "more");
    else if (*bytes == 'P')
        proxy_model_line(bytes, len, limit, s);
    else
        proxy_model_bytes(bytes, len, limit, s);
}

/* --- what src/framer/proxy.c says, as the same text --- */

#include "framer/proxy.h"

static inline void proxy_said_end(char *text, size_t size,
                                  const struct peer_address *end)
{
    proxy_end_text(text, size, end->family, end->ip, ntohs(end->port));
}

static inline void proxy_said(int answer, const struct proxy *p, size_t used,
                              struct proxy_said *s)
{
    const struct proxy_header *h = &p->header;
    char from[80], to[80];
    if (answer <= 0) {
        strcpy(s->text, answer == 0 ? "more" : "bad");
    } else if (h->local) {
        snprintf(s->text, sizeof s->text, "%u: %zu, local", h->version, used);
    } else {
        proxy_said_end(from, sizeof from, &h->from);
        proxy_said_end(to, sizeof to, &h->to);
        snprintf(s->text, sizeof s->text, "%u: %zu, %s > %s", h->version, used,
                 from, to);
    }
}

#endif
