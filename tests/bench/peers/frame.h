/* Messages in each framing, and dotted mails, found by hand in pieces that may
 * be cut anywhere. SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_FRAME_H
#define PEER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where in a message the next byte stands. All 0 at first. */
struct frame {
    uint64_t left;  /* bytes of the message that are to come */
    uint8_t digits; /* bytes of the head that have come */
    bool inside;    /* the head has come */
    char held;      /* the last byte, if it may begin an end */
    bool broken;    /* the connection is to end */
};

/* Returns where the message in progress ends, or NULL if it does not end before
 * `end`. There is a byte at least. */
typedef const char *frame_end(struct frame *f, const char *data,
                              const char *end);

/* By enum framed. */
extern frame_end *const frame_ends[];

/* Where in a mail the next byte stands. All 0 at first. */
struct mail {
    enum {
        MAIL_BEGIN, /* a line begins */
        MAIL_DOT,   /* behind a dot at the beginning of a line */
        MAIL_DOT_CR,
        MAIL_IN,
        MAIL_CR
    } place;
};

/* The same for a mail. Adds to *length how many of its bytes have come, without
 * the dots that do not belong to it. */
const char *mail_end(struct mail *m, const char *data, const char *end,
                     size_t *length);

#endif
