/* Messages of each framing, to be compared with those that a string ends.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench/framed.h"

#include <stdlib.h>
#include <string.h>

#include "bench/peers/framing.h"
#include "counts/count.h"

#define SIZE 32

static void count(struct asynchat_channel *ch, const void *data, size_t len,
                  void *arg)
{
    (void)ch;
    (void)data;
    (void)len;
    (void)arg;
    found++;
}

static void count_block(struct asynchat_channel *ch, const void *data,
                        size_t len, void *arg)
{
    count(ch, data, len, arg);
    asynchat_set_block(ch, SIZE);
}

static const struct asynchat_handler counting = {
    .size = sizeof counting,
    .message = count,
};

static const struct asynchat_handler counting_blocks = {
    .size = sizeof counting_blocks,
    .message = count_block,
};

/* Messages over a pair, in reads of 64 KiB. */
static void framed_run(enum framed kind)
{
    struct pair pair;
    char *data = malloc(MIB);
    for (size_t i = 0; i < MIB / SIZE; i++)
        framed_put(kind, data + i * SIZE, SIZE, i);
    pair_begin(&pair, kind == FRAMED_BLOCK ? &counting_blocks : &counting,
               65536);
    expect(framing_set(pair.ch[0], kind, SIZE) == 0, "no framing");
    asynchat_push(pair.ch[1], data, MIB);
    counted_loop(pair.base);
    expect(found == MIB / SIZE, "a wrong number of messages");
    pair_end(&pair);
    free(data);
}

bool framed_scenario(const char *name)
{
    static const char begin[] = "framed_";
    size_t len = sizeof begin - 1;
    enum framed kind =
        strncmp(name, begin, len) == 0 ? framed_find(name + len) : FRAMED_KINDS;
    if (kind < FRAMED_KINDS)
        framed_run(kind);
    return kind < FRAMED_KINDS;
}
