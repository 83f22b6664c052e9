/* What a stream must be delivered as, by the plain definition: the whole stream
 * is kept, and searched from the beginning of each message.
 *
 * How data is cut is the library's choice, so the model is asked at each
 * callback whether that may come now, and when all is quiet whether all has
 * come. SPDX-License-Identifier: BSD-3-Clause */
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
};

struct model {
    uint8_t stream[STREAM_MOST]; /* all that was sent */
    size_t len;
    bool ended; /* and no more will be */

    enum asynchat_terminator kind;
    uint8_t bytes[TERMINATOR_MOST];
    size_t bytes_len;
    size_t until; /* LENGTH: the message ends there */
    bool due;     /* it has, and found_terminator is still to come */

    size_t begin; /* of the message in progress */
    size_t from;  /* where the terminator holds from */
    size_t at;    /* what is before it was delivered, or kept for a message */

    /* STRING: what was found last, from where, and in how much */
    struct model_end last;
    size_t last_from, last_len;
};

struct model_end model_end(struct model *m);

/* Whether messages have an end. */
bool model_ends(const struct model *m);

/* A terminator is set: `bytes` for STRING. */
void model_set(struct model *m, enum asynchat_terminator kind,
               const uint8_t *bytes, size_t len);

/* What was received is dropped; all that was sent has been. */
void model_discard(struct model *m);

/* Such data may come, and has; in pieces. */
bool model_data(struct model *m, const uint8_t *data, size_t len);

/* The end of a message may come, and has. */
bool model_found(struct model *m);

/* Such a message may come, and has. */
bool model_message(struct model *m, const uint8_t *data, size_t len);

/* Such a message, longer than the limit, may be dropped, and has. One that is cut
 * off is told as well, and stays cut off. */
bool model_dropped(struct model *m, uint64_t total);

/* All that can come has; data of a `whole` message is kept. */
bool model_quiet(struct model *m, bool whole);

#endif
