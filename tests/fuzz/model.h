/* How a stream must be delivered, by the plain definition: the whole stream is
 * kept, and searched from the beginning of each message.
 *
 * The library chooses how data is cut. So the model is asked at each callback
 * whether this callback may come now, and when all is quiet, whether everything
 * has come. SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asynchat/channel.h>

#define STREAM_MOST 16384
#define TERMINATOR_MOST 512

/* How far the data of the message in progress is known to go, and whether it
 * ends there. */
struct model_end {
    size_t at;
    bool found;
    size_t ends; /* the bytes of the terminator */
    size_t bad;  /* FRAMING: where a strict line has a bare CR or LF; or else
                    SIZE_MAX */
};

struct model {
    uint8_t stream[STREAM_MOST]; /* everything that was sent */
    size_t len;
    bool ended; /* nothing more will be sent */

    enum asynchat_terminator kind;
    uint8_t bytes[TERMINATOR_MOST];
    size_t bytes_len;
    size_t until; /* LENGTH: the message ends there */
    bool block;   /* LENGTH: it is a block */
    bool empty;   /* a block of 0 bytes is due */
    bool strict;  /* FRAMING: the lines are strict */
    bool due;     /* it has ended, and found_terminator must come */

    size_t begin; /* where the message in progress begins */
    size_t from;  /* where the terminator takes effect */
    size_t at;    /* bytes before it were delivered, or kept */

    /* STRING, FRAMING: the last result, and the search it came from */
    struct model_end last;
    size_t last_from, last_len;
};

struct model_end model_end(struct model *m);

/* Whether messages end at a terminator. */
bool model_ends(const struct model *m);

/* A terminator is set: `bytes` for STRING. */
void model_set(struct model *m, enum asynchat_terminator kind,
               const uint8_t *bytes, size_t len);

/* Lines, or a block, are set; bytes that were sent are skipped between two
 * messages. */
void model_set_lines(struct model *m, bool strict);
void model_set_block(struct model *m, size_t len);
void model_skip(struct model *m, size_t len);

/* Whether the message in progress is a strict line that is bad. */
bool model_bad(struct model *m);

/* The received bytes are dropped; everything that was sent was received. */
void model_discard(struct model *m);

/* Data has come in a piece. Returns whether it may come now. */
bool model_data(struct model *m, const uint8_t *data, size_t len);

/* The end of a message has come. Returns whether it may come now. */
bool model_found(struct model *m);

/* A message has come. Returns whether it may come now. */
bool model_message(struct model *m, const uint8_t *data, size_t len);

/* A message longer than the limit was dropped. Returns whether that may happen
 * now. A message that is cut off may be reported as well, and stays cut off. */
bool model_dropped(struct model *m, uint64_t total);

/* Whether everything has come that can come. Data of a `whole` message is
 * kept. */
bool model_quiet(struct model *m, bool whole);

#endif
