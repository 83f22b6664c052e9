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

/* --- mails --- */

#define LINE 4096
#define LINES 16 /* of a mail */

static void count_end(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    found++;
}

static const struct asynchat_handler mail = {
    .size = sizeof mail,
    .found_terminator = count_end,
};

/* Mails as a framing takes them, or only their end. */
static void mail_run(bool framed, bool dots)
{
    struct pair pair;
    char *data = malloc(MIB);
    memset(data, 'x', MIB);
    for (char *line = data; line < data + MIB; line += LINE) {
        memcpy(line, "..", dots ? 2 : 0);
        memcpy(line + LINE - 2, "\r\n", 2);
    }
    for (char *end = data + LINES * LINE; end <= data + MIB;
         end += LINES * LINE)
        memcpy(end - 5, "\r\n.\r\n", 5);
    pair_begin(&pair, &mail, 65536);
    int error =
        framed ? asynchat_set_framing(pair.ch[0], asynchat_framing_dotted(0))
               : asynchat_set_terminator(pair.ch[0], "\r\n.\r\n", 5);
    expect(error == 0, "no framing");
    asynchat_push(pair.ch[1], data, MIB);
    counted_loop(pair.base);
    expect(found == MIB / (LINES * LINE), "a wrong number of mails");
    pair_end(&pair);
    free(data);
}

/* --- both --- */

bool framed_scenario(const char *name)
{
    static const char begin[] = "framed_";
    size_t len = sizeof begin - 1;
    if (strncmp(name, begin, len) != 0)
        return false;
    name += len;
    enum framed kind = framed_find(name);
    bool dots = strcmp(name, "dots") == 0;
    if (kind < FRAMED_KINDS)
        framed_run(kind);
    else if (dots || strcmp(name, "dotted") == 0)
        mail_run(true, dots);
    else if (strcmp(name, "undotted") == 0)
        mail_run(false, false);
    else
        return false;
    return true;
}
