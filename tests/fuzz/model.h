/* How a stream must be delivered: the naive model of tests/naive.h, with
 * terminators that change, and limits.
 *
 * The library chooses how data is cut. So the model is asked at each callback
 * whether this callback may come now, and when all is quiet, whether everything
 * has come. SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include "../naive.h"

#define STREAM_MOST NAIVE_MOST
#define TERMINATOR_MOST 512

struct model {
    uint8_t stream[STREAM_MOST]; /* everything that was sent */
    size_t len;
    bool ended; /* nothing more will be sent */
    size_t limit;

    struct naive ends;
    uint8_t bytes[TERMINATOR_MOST]; /* of a string */
    bool due;    /* the message has ended, and found_terminator must come */
    int spoiled; /* why the message is dropped, whatever ends it now; or 0 */

    size_t from;              /* where the terminator takes effect */
    size_t before;            /* bytes of the message that came before that */
    size_t said;              /* bytes that came behind it */
    uint8_t got[STREAM_MOST]; /* these bytes; those that were dropped are not
                                 all there */

    /* The message that begins at `read_from`, as far as it was known when
     * `read_len` bytes had been sent. */
    struct naive_message message;
    size_t read_from, read_len;
};

void model_begin(struct model *m);

/* The message in progress from `from` on. */
const struct naive_message *model_message(struct model *m);

/* How many bytes of it may come, and why no more, or 0. */
size_t model_allowed(struct model *m, int *error);

/* Whether no byte of the message in progress has come, and no end is due. */
bool model_is_between(struct model *m);

/* Whether a block of 0 bytes is set, which ends before anything is received. */
bool model_is_empty_block(const struct model *m);

/* Whether the end of the stream cuts a message off. */
bool model_is_cut_off(struct model *m);

/* A terminator is set: the message goes on with the next byte. `delivering`: in
 * a callback, so that the next byte is the one behind those that have come. */
void model_set(struct model *m, const struct naive *ends, bool delivering);

/* How many of the bytes that were sent are behind that byte. */
size_t model_rest(struct model *m, bool delivering);

/* Bytes that were sent are skipped between two messages. */
void model_skip(struct model *m, size_t len, bool delivering);

/* Whether a framing has looked at everything that was sent, or at nothing of the
 * message in progress. */
bool model_has_looked(struct model *m);

/* The received bytes are dropped; everything that was sent was received. */
void model_discard(struct model *m, bool delivering);

/* Data has come in a piece. Returns whether it may come now. */
bool model_data(struct model *m, const uint8_t *data, size_t len);

/* The end of a message has come. Returns whether it may come now. */
bool model_found(struct model *m);

/* A message has come. Returns whether it may come now. */
bool model_whole(struct model *m, const uint8_t *data, size_t len);

/* Whether these are the first bytes of the message in progress. */
bool model_kept(struct model *m, const uint8_t *data, size_t len);

/* A message was dropped. Returns whether that may happen now. A message that is
 * cut off may be reported as well, and stays cut off. */
bool model_dropped(struct model *m, uint64_t total, int error);

/* The stream has failed. Returns whether that may happen now, to a handler that
 * drops messages or not. */
bool model_failed(struct model *m, int error, bool drops);

/* Whether everything has come that can come. Data of a `whole` message is
 * kept. */
bool model_quiet(struct model *m, bool whole);

#endif
