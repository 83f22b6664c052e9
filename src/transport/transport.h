/* The transport: how bytes move between a bufferevent's evbuffers and the
 * world.
 *
 * It knows neither terminators nor producers. What it has learned stands in its
 * fields; whenever that changed, when input came or output went, and after
 * asynchat__transport_wake(), it calls `ready`, from the loop. There are two:
 *
 * - socket: for plain sockets. The bufferevent's own events, on callbacks of
 *   ours, do the work: one large recv and one send for each wake-up, in
 *   buffers that all channels of a loop share, and no event added or removed
 *   for it. The evbuffers hold what has to stay: input that could not be
 *   delivered at once, output that the socket did not take.
 * - bufferevent: for any bufferevent that the user brings, by its callbacks.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TRANSPORT_H
#define ASYNCHAT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct evbuffer;
struct event;
struct event_base;
struct loop;
struct stage;
struct transport;

/* Whether to receive; or only to look whether the peer has gone, as far as that
 * can be seen without receiving. */
enum transport_reading { TRANSPORT_STOP, TRANSPORT_WATCH, TRANSPORT_READ };

/* What a transport does. Whether it can do what is optional, its table says: such
 * an operation is NULL where the transport has nothing to do for it, or cannot do
 * it. Nobody asks which transport a channel has. */
struct transport_ops {
    /* 0 or -ENOMEM. */
    int (*read)(struct transport *t, enum transport_reading how);

    /* Sends at most `most` bytes of the output, once. What went wrong is in the
     * fields then. */
    void (*send)(struct transport *t, size_t most);

    /* Calls `ready` when more can be sent, or does so no longer. 0 or -ENOMEM.
     */
    int (*write)(struct transport *t, bool on);

    /* Calls `ready` from the loop, soon. */
    void (*wake)(struct transport *t);

    /* The same, and receives before, if reading is on. */
    void (*look)(struct transport *t);

    /* All is sent, and the connection is about to be closed: tells the peer,
     * which may be known to have `more` to send. True as long as the peer would
     * lose what it was sent if the connection were closed. */
    bool (*finish)(struct transport *t, bool more);

    /* The output is over, and the input is not: tells the peer. */
    void (*shut)(struct transport *t);

    /* Ends the connection and frees the bufferevent. */
    void (*close)(struct transport *t);

    /* --- may be NULL --- */

    /* Nothing more is received: the input has now all that was, wherever it still
     * was. False: it had before. May find another reason why `ended`. NULL: the
     * input always has all of it. */
    bool (*rest)(struct transport *t);

    /* Nothing more is sent: what waits for more, to go on with it, waits no
     * longer. NULL: nothing ever waits for that. */
    void (*last)(struct transport *t);

    /* Whether input may still lie with the system after the peer has reset the
     * connection. NULL: it does not. */
    bool (*left)(const struct transport *t);

    /* How many bytes of `len` that are drained from the input count as received
     * only now. NULL: none, since all were counted when they came. */
    size_t (*drained)(const struct transport *t, size_t len);

    /* How many bytes were taken from the output and are not sent yet; and the same,
     * or 0 if all of them wait for more to be given. NULL: none. */
    size_t (*given)(const struct transport *t);
    size_t (*on_its_way)(const struct transport *t);

    /* The descriptor that sendfile may write to. NULL: there is none. */
    int (*fd)(const struct transport *t);

    /* Sends at most `most` bytes of those in loop->pushed, and leaves the rest to
     * the output. True: nothing was left. NULL: nothing is put there. */
    bool (*send_pushed)(struct transport *t, size_t most);

    /* Sends bytes from where they lie, by one write. Nothing may have been pushed,
     * nor be in the output. Answers how many of the bytes went. NULL: bytes are
     * sent from the output only. */
    size_t (*send_now)(struct transport *t, const void *data, size_t len);

    /* Where what was received, and not delivered, is kept. NULL: in the input of the
     * bufferevent. */
    struct evbuffer *(*input)(const struct transport *t);

    /* --- for a stage, which works with bytes as they are on the wire; NULL: there
     * can be none --- */

    /* A stage takes over: input is not received by the transport any more, which
     * tells of it only, by `readable` of the stage. */
    void (*stage)(struct transport *t);

    /* Receives at most `most` bytes, once. 0: there were none, or the input has
     * `ended`. NULL: they lie in the input of the bufferevent. */
    size_t (*pull)(struct transport *t, void *to, size_t most);

    /* Sends bytes behind those that lie in the output of the bufferevent; what is
     * not taken at once is copied there, also after an error, which is in `broken`
     * then. With 0 sends what lies there. */
    void (*put)(struct transport *t, const void *data, size_t len);
};

/* How far the connection has come. */
enum transport_phase {
    TRANSPORT_UP,
    TRANSPORT_CONNECTING,
    TRANSPORT_FAILED /* to connect */
};

/* Whether the output may be added to. */
enum transport_hold {
    OUTPUT_FREE,
    OUTPUT_LENT,   /* it must not be added to: see asynchat__transport_lend() */
    OUTPUT_DROPPED /* the same, and it goes when it is given back */
};

/* How the output ends. */
enum transport_end {
    END_NOT,
    END_FINISHED, /* the peer was told that the output is over */
    END_SHUTS, /* bufferevent: the same, and the socket's output ends when all
                       is sent */
    END_SHUTS_LAST, /* bufferevent: the same, and the socket's output ends before
                       the bufferevent is freed */
    END_RESET       /* the peer is to have an error and not the end of file */
};

struct transport {
    const struct transport_ops *ops;
    struct bufferevent *bev;
    void (*ready)(struct transport *t);
    struct evbuffer *output; /* what is to be sent; nothing happens when it is
                                added to */
    struct loop *loop;
    struct stage *stage; /* a layer between the transport and the channel; or
                            NULL */
    uint32_t received;   /* socket: so many bytes in loop->received, of this
                                wake-up, come after those of the input */
    uint32_t pushed;     /* and so many in loop->pushed go before the output */
    struct event *waker; /* bufferevent: libevent's own deferred callbacks
                                are not taken back by freeing */
    uint64_t sent;       /* in all, in bytes */
    size_t left;         /* while draining: what the output will have then */
    unsigned forks;     /* those of the process before it was made; of a socket,
                       before its stage began */
    unsigned read_size; /* at most so many bytes for each read */
    unsigned room;      /* and in loop->pushed */
    uint32_t until;     /* the channel's: when it has received so many, of which
                            the rest does not count, all that had arrived is here */
    int ended;  /* ASYNCHAT_EOF or an error: nothing is received any more */
    int broken; /* an error: nothing can be sent any more */
    enum transport_reading reading : 8;
    enum transport_phase phase : 8;
    enum transport_hold hold : 8;
    enum transport_end end : 8;
    bool writing; /* socket: the write event is pending */
    bool woken;   /* socket: the read event is active, without being readable */
};

/* Over a socket, connected or not, that is non-blocking. 0 or -ENOMEM; on
 * success takes `fd`. */
int asynchat__transport_socket(struct transport *t, struct event_base *base,
                               int fd);

/* Waits for the connection that connect(2) has begun, or has failed to with
 * `error`. 0 or -ENOMEM. */
int asynchat__transport_connect(struct transport *t, int error);

/* The bufferevent is one half of a pair of ours, which can have a stage. */
void asynchat__transport_pair(struct transport *t);

/* Over a bufferevent of the user's. 0 or -ENOMEM; on success takes `bev`. */
int asynchat__transport_bufferevent(struct transport *t,
                                    struct bufferevent *bev, bool connecting);

/* The descriptor that sendfile may write to, or -1. */
int asynchat__transport_fd(const struct transport *t);

/* What was received and not yet drained. */
struct evbuffer *asynchat__transport_input(const struct transport *t);

/* `n` bytes of what was pushed, and of the output behind that, are sent; the rest of
 * what was pushed goes to the output. */
void asynchat__transport_sent(struct transport *t, size_t n);

/* At the end of a wake-up: what was pushed and not sent goes to the output. */
void asynchat__transport_settle(struct transport *t);

/* Around work on the output during which code of the program may run: `release`
 * of bytes that were pushed by reference, and callbacks of evbuffers. Such code
 * may push and discard: while it is lent, the output must not be added to, and
 * what is dropped goes at the end. `left` is how many bytes the output has when
 * the work is done. asynchat__transport_lend() answers what
 * asynchat__transport_take_back() needs. */
struct transport_lending {
    bool lent; /* it was lent before, too */
    size_t left;
};
struct transport_lending asynchat__transport_lend(struct transport *t,
                                                  size_t left);
void asynchat__transport_take_back(struct transport *t,
                                   struct transport_lending before);

/* How many bytes the output has; while lent, how many it has afterwards. */
size_t asynchat__transport_left(const struct transport *t);

/* Drains what was sent from the output; or all that is there, to drop it. */
void asynchat__transport_drain(struct transport *t, size_t sent);
void asynchat__transport_discard(struct transport *t);

/* How much the peer has not taken: what is pending, and what only the system has
 * taken, as far as that is known. */
size_t asynchat__transport_unsent(const struct transport *t);

/* How much lies with the system and can be received; over a bufferevent 0. */
size_t asynchat__transport_arrived(const struct transport *t);

/* How much of the output is not sent yet, what a bufferevent was given
 * included. */
size_t asynchat__transport_pending(const struct transport *t);

/* The same, without what a bufferevent was given and keeps until it is given more.
 */
size_t asynchat__transport_moving(const struct transport *t);

#endif
