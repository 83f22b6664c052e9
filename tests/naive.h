/* How a stream is divided into messages, by the plain definition: the model
 * looks at the whole stream, for each message from its beginning. It is what
 * the framings are compared with, alone and in fuzzers.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef NAIVE_H
#define NAIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asynchat/framing.h>

#define NAIVE_MOST 16384 /* the longest stream */

enum naive_kind {
    NAIVE_NONE,
    NAIVE_NUMBER,
    NAIVE_BLOCK,
    NAIVE_WORDS, /* a string, or several terminators */
    NAIVE_LINES,
    NAIVE_DOTTED,
    NAIVE_PREFIX,
    NAIVE_VARINT,
    NAIVE_NETSTRING,
    NAIVE_FUNCTION
};

/* What ends the messages. */
struct naive {
    enum naive_kind kind;
    bool strict; /* LINES, DOTTED */
    bool first;  /* DOTTED: a message is in progress before its first byte */
    bool inside; /* the head of the message is over, and `number` bytes of
                    it are to come */
    uint64_t number; /* NUMBER, BLOCK; or of a message that is `inside` */
    struct asynchat_bytes words[ASYNCHAT_ALTERNATIVES_MAX];
    size_t count;                  /* of `words` */
    struct asynchat_prefix prefix; /* VARINT: its offset and flags */
    int (*look)(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg);
    size_t most;
    void *arg;
};

/* One message, or what there is of it. Of its data, the last `held` bytes come
 * only when the stream ends. */
struct naive_message {
    size_t count, held;
    bool ended;
    bool begun;       /* the end of the stream cuts it off, whatever came */
    bool fatal;       /* nothing is found behind the error */
    bool inside;      /* the head is over */
    size_t end;       /* where the next message begins; with `inside` and
                         without `ended`: where the data would end */
    size_t bad;       /* how many bytes of data come before the error */
    int error;        /* or 0 */
    uint64_t whole;   /* the length that is told in advance, or 0 */
    unsigned matched; /* which of the words has ended it */
    uint16_t at[NAIVE_MOST]; /* where in the stream the data is */
};

/* Reads the message that begins at `at`. */
void naive_read(const struct naive *ends, const uint8_t *stream, size_t len,
                size_t at, struct naive_message *m);

/* For other models: begins; adds a byte of data; adds bytes that are held back;
 * the message ends. */
void naive_begin(struct naive_message *m);
void naive_add(struct naive_message *m, size_t at);
void naive_add_held(struct naive_message *m, size_t at, size_t end);
void naive_end(struct naive_message *m, size_t at);

/* A little language of heads, for a function of the program's: "G" is a message
 * of one byte. "Mk" is a message of k bytes with its head, "Sk" of k bytes
 * behind its head, where k is a letter, "a" is 0, and so on. "xE" is no
 * message, nor is any other letter; "x" before anything else is skipped alone.
 * "L" needs six bytes, and is a message of three; "K" needs six, and is
 * skipped. "E" is an error. */
int naive_look(const void *bytes, size_t len, struct asynchat_head *head,
               void *arg);

#endif
