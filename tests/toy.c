/* A layer for tests. On the wire a frame is its type, a length in two bytes,
 * and for 'D' so many bytes, each of them twice, the second time inverted. The
 * others are words: 'H' of the handshake, 'T' is answered by 'R', 'A' tells of
 * an error, and 'X' is the last. SPDX-License-Identifier: BSD-3-Clause */
#include "toy.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FRAME 3

_Atomic int toys;

struct toy *toy_new(bool client)
{
    struct toy *toy = calloc(1, sizeof *toy);
    if (!toy)
        abort();
    toy->client = client;
    toy->half = -1;
    toy->error = ASYNCHAT_EPROTOCOL;
    toys++;
    return toy;
}

static struct toy *enter(void *layer)
{
    struct toy *toy = layer;
    if (toy->calls++ > 0)
        abort(); /* one at a time */
    return toy;
}

static int leave(struct toy *toy, int answer)
{
    toy->calls--;
    return answer;
}

/* --- opening --- */

static bool owes_hello(const struct toy *toy)
{
    bool turn = toy->client ? toy->said <= toy->heard : toy->said < toy->heard;
    return turn && toy->said + toy->heard < toy->steps;
}

static bool has_words(const struct toy *toy)
{
    return toy->alarm || owes_hello(toy) || toy->owes > 0 ||
           (toy->up && toy->greedy > 0);
}

static int come_up(struct toy *toy)
{
    if (toy->up || toy->said + toy->heard < toy->steps)
        return 0;
    toy->up = true;
    return ASYNCHAT_LAYER_UP;
}

static int hear(struct toy *toy)
{
    toy->frames++;
    if (toy->frames == toy->fail_open) {
        toy->alarm = toy->bad = true;
        return toy->error;
    }
    switch (toy->type) {
    case 'D':
        return 0;
    case 'H':
        toy->heard++;
        return come_up(toy);
    case 'T':
        toy->owes++;
        return 0;
    case 'R':
        toy->answers++;
        return 0;
    case 'X':
        toy->over = true;
        return ASYNCHAT_LAYER_OVER;
    case 'A':
        toy->alerted = true;
        return ASYNCHAT_EHANDSHAKE;
    default:
        return -EBADMSG;
    }
}

/* A byte of a frame; plain bytes go to *to. 1: the frame is complete; below 0
 * an error. */
static int take(struct toy *toy, unsigned char byte, unsigned char **to)
{
    if (toy->header < FRAME) {
        if (toy->header == 0)
            toy->type = byte;
        else
            toy->length = toy->length << 8 | byte;
        toy->header++;
    } else if (toy->half < 0) {
        toy->half = byte;
        return 0;
    } else {
        if ((toy->half ^ byte) != 0xff)
            return -EBADMSG;
        *(*to)++ = (unsigned char)toy->half;
        toy->half = -1;
        toy->have++;
    }
    if (toy->header < FRAME || toy->have < toy->length)
        return 0;
    toy->header = 0;
    toy->have = toy->length = 0;
    return 1;
}

static int toy_open(void *layer, const void *data, size_t len, size_t *taken,
                    void *to, size_t room, size_t *given)
{
    struct toy *toy = enter(layer);
    const unsigned char *from = data;
    unsigned char *at = to, *end = at + room;
    int how = 0, frames = 0;
    if (toy->stands)
        return leave(toy, 0);
    if (toy->babbles) {
        *at = 'b';
        *taken = len;
        *given = 1;
        return leave(toy, 0);
    }
    while (*taken < len && how >= 0 &&
           !(how & (ASYNCHAT_LAYER_LATER | ASYNCHAT_LAYER_OVER))) {
        if (at == end) {
            how |= ASYNCHAT_LAYER_LATER;
            break;
        }
        int done = take(toy, from[(*taken)++], &at);
        if (done < 0)
            toy->bad = true;
        int heard = done > 0 ? hear(toy) : done;
        how = heard < 0 ? heard : how | heard;
        if (done <= 0 || how < 0)
            continue;
        frames++;
        if (toy->waits > 0 && toy->frames % toy->waits == 0)
            how |= ASYNCHAT_LAYER_LATER;
        if (frames == toy->takes)
            break;
    }
    *given = (size_t)(at - (unsigned char *)to);
    if (how >= 0 && has_words(toy))
        how |= ASYNCHAT_LAYER_SAYS;
    return leave(toy, how);
}

/* --- sealing --- */

static void frame(unsigned char **to, char type, size_t len)
{
    *(*to)++ = (unsigned char)type;
    *(*to)++ = (unsigned char)(len >> 8);
    *(*to)++ = (unsigned char)len;
}

/* One word in a call. */
static int speak(struct toy *toy, unsigned char **to)
{
    if (toy->alarm) {
        toy->alarm = false;
        toy->alerts++;
        frame(to, 'A', 0);
    } else if (owes_hello(toy)) {
        toy->said++;
        frame(to, 'H', 0);
        return come_up(toy);
    } else if (toy->owes > 0) {
        toy->owes--;
        frame(to, 'R', 0);
    } else if (toy->up && toy->greedy > 0) {
        toy->greedy--;
        toy->words++;
        frame(to, 'T', 0);
    }
    return 0;
}

static void seal_piece(struct toy *toy, const unsigned char *data, size_t len,
                       unsigned char **to)
{
    frame(to, 'D', len);
    for (size_t i = 0; i < len; i++) {
        *(*to)++ = data[i];
        *(*to)++ = (unsigned char)~data[i];
    }
    if (toy->talks > 0 && toy->pieces % toy->talks == 0) {
        toy->words++;
        frame(to, 'T', 0);
    }
}

static int toy_seal(void *layer, const void *data, size_t len, void *to,
                    size_t room, size_t *given)
{
    struct toy *toy = enter(layer);
    unsigned char *at = to;
    if (room < ASYNCHAT_LAYER_ROOM || len > ASYNCHAT_LAYER_PIECE)
        abort();
    int how = len == 0 ? come_up(toy) : 0;
    if (len == 0)
        how |= speak(toy, &at);
    else if (!toy->up)
        abort(); /* nothing is sealed before */
    else if (++toy->pieces == toy->fail_seal) {
        toy->alarm = toy->bad = true;
        how = toy->error;
    } else
        seal_piece(toy, data, len, &at);
    *given = (size_t)(at - (unsigned char *)to);
    if (how >= 0 && has_words(toy))
        how |= ASYNCHAT_LAYER_SAYS;
    return leave(toy, how);
}

/* --- ending --- */

static int toy_ended(void *layer)
{
    struct toy *toy = enter(layer);
    toy->ends++;
    if (toy->fail_end)
        return leave(toy, toy->error);
    return leave(toy, toy->over ? ASYNCHAT_EOF : ASYNCHAT_ECUTOFF);
}

static int toy_finish(void *layer, void *to, size_t room, size_t *given)
{
    struct toy *toy = enter(layer);
    unsigned char *at = to;
    if (room < ASYNCHAT_LAYER_WORDS || toy->lasts++ > 0 || !toy->up)
        abort();
    if (toy->fail_finish)
        return leave(toy, -EIO);
    frame(&at, 'X', 0);
    *given = FRAME;
    return leave(toy, 0);
}

static const char *toy_text(const void *layer)
{
    const struct toy *toy = layer;
    return toy->bad ? "a toy is broken" : NULL;
}

static void toy_release(void *layer)
{
    struct toy *toy = enter(layer);
    toys--;
    free(toy);
}

const struct asynchat_layer_ops toy_ops = {
    .size = sizeof toy_ops,
    .open = toy_open,
    .seal = toy_seal,
    .ended = toy_ended,
    .finish = toy_finish,
    .text = toy_text,
    .release = toy_release,
};
