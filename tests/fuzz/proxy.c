/* A fuzzer: a PROXY header, cut anywhere, is what the model says; and what the
 * library writes of what it has read is read as the same again.
 *
 * An input: from the front the stream, from the back how many bytes come at a
 * time, and the limit. SPDX-License-Identifier: BSD-3-Clause */
#include "input.h"

#include "proxy_model.h"

#define STREAM 65536

/* Feeds the stream in pieces that the input chooses. */
static int take(struct proxy *p, struct input *in, const uint8_t *stream,
                size_t len, size_t *used)
{
    int answer = 0;
    for (size_t at = 0; answer == 0 && at < len;) {
        size_t now, piece = 1 + input_back(in) % 64;
        if (piece > len - at || piece == 64)
            piece = len - at;
        uint8_t *copy = malloc(piece);
        CHECK(copy);
        memcpy(copy, stream + at, piece);
        answer = asynchat__proxy_take(p, copy, piece, &now);
        CHECK(now <= piece && (answer != 0 || now == piece));
        CHECK(answer <= 0 || p->bytes == copy || p->bytes == p->kept.bytes);
        free(copy);
        *used += now;
        at += piece;
    }
    return answer;
}

/* Each TLV lies in the header. */
static void walk(const uint8_t *header, const struct proxy_header *h)
{
    struct asynchat_proxy_tlv tlv;
    const uint8_t *tlvs = header + h->tlvs;
    size_t at = 0, sum = 0;
    while (asynchat__proxy_next(tlvs, h->tlvs_len, &at, &tlv))
        for (size_t i = 0; i < tlv.len; i++)
            sum += ((const uint8_t *)tlv.value)[i];
    CHECK(at == h->tlvs_len && sum < SIZE_MAX);
}

static void write_again(const struct proxy_header *h, unsigned version)
{
    static const struct asynchat_proxy_tlv tlvs[] = {
        {ASYNCHAT_PROXY_CRC32C, 0, NULL}, {0, 0, NULL}};
    uint8_t bytes[PROXY_V1_MOST + 1];
    struct proxy p = {.limit = PROXY_MOST};
    size_t used = 0;
    size_t len = asynchat__proxy_write(bytes, version, h->from, h->to,
                                       version == 2 ? tlvs : NULL);
    CHECK(len <= sizeof bytes);
    CHECK(asynchat__proxy_take(&p, bytes, len, &used) == 1 && used == len);
    struct peer_address from = p.header.from, to = p.header.to;
    CHECK(memcmp(&from, &h->from, sizeof from) == 0);
    CHECK(memcmp(&to, &h->to, sizeof to) == 0);
    CHECK(p.header.local == h->local);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t limits[] = {PROXY_MOST, 28, 107, 300};
    struct input in = {data, data + size};
    struct proxy p = {.limit = limits[input_back(&in) % 4]};
    struct proxy_said s, model;
    size_t used = 0;
    const uint8_t *stream = in.at;
    size_t len = (size_t)(in.end - in.at);
    int answer = take(&p, &in, stream, len, &used);
    proxy_said(answer, &p, used, &s);
    proxy_model(stream, len, p.limit, &model);
    CHECK(strcmp(s.text, model.text) == 0);
    if (answer > 0) {
        walk(stream, &p.header);
        write_again(&p.header, 1);
        write_again(&p.header, 2);
    }
    asynchat__proxy_free(&p);
    return 0;
}
