/* The transport: it moves bytes between a bufferevent's evbuffers and the
 * world.
 *
 * It knows neither terminators nor producers. What it has learned stands in the
 * fields of struct transport. It calls `ready`, from the loop, whenever such a
 * field has changed, when input has come or output has gone, and after `wake`.
 * There are two transports:
 *
 * - socket: for plain sockets. The bufferevent's own events do the work, with
 *   callbacks of the library. Each wake-up makes one large recv and one send,
 *   in buffers that all channels of a loop share, and adds and removes no event
 *   for that. The evbuffers hold only bytes that have to stay: input that could
 *   not be delivered at once, and output that the socket did not take.
 * - bufferevent: for any bufferevent that the program brings. It works by the
 *   bufferevent's callbacks.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TRANSPORT_H
#define ASYNCHAT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct evbuffer;
struct event_base;
struct loop;
struct stage;
struct timer;
struct transport;

/* What a transport does about input. STOP: nothing. WATCH: it receives nothing,
 * but looks whether the peer has gone, as far as that can be seen without
 * receiving. READ: it receives. */
enum transport_reading { TRANSPORT_STOP, TRANSPORT_WATCH, TRANSPORT_READ };

/* What a transport does. Its table also says which optional operations it can
 * do: an operation is NULL if the transport has nothing to do for it, or cannot
 * do it. So nobody asks which transport a channel has. */
struct transport_ops {
    /* Sets what the transport does about input. 0 or -ENOMEM. */
    int (*read)(struct transport *t, enum transport_reading how);

    /* Sends at most `most` bytes of the output, once. If something goes wrong,
     * the fields say so afterwards. */
    void (*send)(struct transport *t, size_t most);

    /* Sets whether `ready` is called when more can be sent. 0 or -ENOMEM. */
    int (*write)(struct transport *t, bool on);

    /* Has the loop call `ready` soon. */
    void (*wake)(struct transport *t);

    /* Like `wake`, but receives before that, if reading is on. */
    void (*look)(struct transport *t);

    /* All is sent, and the connection is about to be closed: tells the peer.
     * `more` says that the peer is known to have more to send. Answers true as
     * long as closing the connection would make the peer lose bytes that it was
     * sent. */
    bool (*finish)(struct transport *t, bool more);

    /* Tells the peer that the output is over. The input goes on. */
    void (*shut)(struct transport *t);

    /* Ends the connection and frees the bufferevent. */
    void (*close)(struct transport *t);

    /* --- operations that may be NULL --- */

    /* To be called when nothing more is received. Moves all bytes that were
     * received, and still lie elsewhere, into the input. May find another
     * reason for `ended`. False: there were no such bytes. NULL: the input
     * always holds all that was received. */
    bool (*rest)(struct transport *t);

    /* To be called when nothing more follows the output. Bytes that wait for
     * more output, to be sent together with it, then wait no longer. NULL: no
     * bytes ever wait for that. */
    void (*last)(struct transport *t);

    /* Sends what a bufferevent was given, at once, as far as the system takes
     * it. NULL: `send` has given it to the system. */
    void (*flush)(struct transport *t);

    /* Whether input may still lie with the system after the peer has reset the
     * connection. NULL: none does. */
    bool (*left)(const struct transport *t);

    /* To be called when `len` bytes are drained from the input. Answers how
     * many of them count as received only now. NULL: none of them, since each
     * byte was counted when it came. */
    size_t (*drained)(const struct transport *t, size_t len);

    /* How many bytes were taken from the output and are not sent yet. NULL:
     * none. */
    size_t (*given)(const struct transport *t);

    /* Like `given`, but 0 if all of these bytes wait for more output. NULL:
     * none. */
    size_t (*on_its_way)(const struct transport *t);

    /* The descriptor that sendfile may write to. NULL: there is none. */
    int (*fd)(const struct transport *t);

    /* Sends at most `most` of the bytes in loop->pushed, and leaves the others
     * to the output. True: all of them were sent. NULL: no bytes are ever put
     * there. */
    bool (*send_pushed)(struct transport *t, size_t most);

    /* Sends bytes from where they lie, by one write. To be called only while
     * nothing is pushed and the output is empty. Answers how many of the bytes
     * went. NULL: bytes are sent from the output only. */
    size_t (*send_now)(struct transport *t, const void *data, size_t len);

    /* Like `send_now`, but the bytes are copied and sent when other transports
     * have had their turns. False: they are to be sent now. NULL: bytes are
     * never sent later. */
    bool (*put_off)(struct transport *t, const void *data, size_t len);

    /* The evbuffer that keeps bytes which were received and not delivered.
     * NULL: the input of the bufferevent keeps them. */
    struct evbuffer *(*input)(const struct transport *t);

    /* Gives the descriptor away, and answers it. The descriptor leaves the
     * event base now. NULL: there is none that can be given. */
    int (*give_socket)(struct transport *t);

    /* Gives the bufferevent away, and answers it: it has no callbacks, and does
     * not read. `instead` takes its place: a bufferevent that does nothing.
     * NULL: the bufferevent cannot be given. */
    struct bufferevent *(*give_bufferevent)(struct transport *t,
                                            struct bufferevent *instead);

    /* Takes `fd` as the transport's socket; -1: the transport has none. Closes
     * the one before. Nothing may be read or written meanwhile. NULL: the
     * transport keeps the socket that it was made with. */
    void (*adopt)(struct transport *t, int fd);

    /* To be called when `quick` has changed. NULL: `quick` has no effect. */
    void (*quick)(struct transport *t);

    /* --- operations for a stage, which works with bytes as they are on the
     * wire ---
     * `stage` and `put` are NULL if the transport can have no stage. */

    /* A stage takes over. From now on the transport does not receive input by
     * itself: it only tells the stage that there may be some, by `readable` of
     * the stage. */
    void (*stage)(struct transport *t);

    /* Receives at most `most` bytes, once. 0: there were none, or the input has
     * `ended`. NULL: received bytes lie in the input of the bufferevent. */
    size_t (*pull)(struct transport *t, void *to, size_t most);

    /* Sends bytes behind those that lie in the output of the bufferevent. Bytes
     * that are not taken at once are copied there, even after an error, which
     * is in `broken` then. If `len` is 0, sends only the bytes that lie
     * there. */
    void (*put)(struct transport *t, const void *data, size_t len);
};

/* How far the connection has come. */
enum transport_phase {
    TRANSPORT_UP,
    TRANSPORT_CONNECTING,
    TRANSPORT_FAILED /* connecting has failed */
};

/* Whether bytes may be added to the output. */
enum transport_hold {
    OUTPUT_FREE,
    /* They may not: see asynchat__transport_lend(). */
    OUTPUT_LENT,
    /* They may not, and the output is dropped when it is given back. */
    OUTPUT_DROPPED
};

/* How the output ends. */
enum transport_end {
    END_NOT,
    /* The peer was told that the output is over. */
    END_FINISHED,
    /* Only over a bufferevent. The peer was told, and the socket's output ends
     * when all is sent. */
    END_SHUTS,
    /* Only over a bufferevent. The peer was told, and the socket's output ends
     * before the bufferevent is freed. */
    END_SHUTS_LAST,
    /* The peer is to get an error and not the end of file. */
    END_RESET
};

/* Invariants: `received` and `pushed` are 0 outside of the channel's wake-ups.
 * `left` means something only while `hold` is not OUTPUT_FREE. `writing` and
 * `woken` are for sockets, and `waker` is for bufferevents. */
struct transport {
    const struct transport_ops *ops;
    struct bufferevent *bev;
    void (*ready)(struct transport *t);
    /* Bytes that are to be sent. Nothing happens when bytes are added to this
     * evbuffer. */
    struct evbuffer *output;
    struct loop *loop;
    struct stage *stage; /* the layer below the channel; or NULL */
    /* How many bytes of this wake-up lie in loop->received. They come after the
     * bytes of the input. Over a bufferevent without a stage always 0. */
    uint32_t received;
    /* How many bytes lie in loop->pushed. They are sent before the output. */
    uint32_t pushed;
    /* Calls `ready` from the loop. libevent's own deferred callbacks do not
     * serve for that: freeing a bufferevent does not take them back. */
    struct timer *waker;
    uint64_t sent; /* bytes sent in all */
    /* While the output is lent: how many bytes it has when the work is done. */
    size_t left;
    /* The count of forks when the transport was made, or, over a socket, when
     * its stage began. */
    unsigned forks;
    unsigned read_size; /* the most bytes of one read */
    unsigned room;      /* the most bytes in loop->pushed */
    /* Belongs to the channel, which counts the bytes that it has received. At
     * this count, of which only the low 32 bits matter, all input that had
     * arrived is here. */
    uint32_t until;
    int ended;  /* ASYNCHAT_EOF or an error: nothing more is received; or 0 */
    int broken; /* an error: nothing more can be sent; or 0 */
    enum transport_reading reading : 8;
    enum transport_phase phase : 8;
    enum transport_hold hold : 8;
    enum transport_end end : 8;
    bool writing; /* the write event is pending */
    /* The read event was made active, though the socket may not be readable. */
    bool woken;
    bool quick; /* what is received is acknowledged at once */
    /* Over a socket whose loop has a batch: the transport waits for its turn
     * there; the batch has bytes that are to be sent; and the transport has
     * received more than a slot of the batch has room for. */
    bool queued : 1;
    bool put_off : 1;
    bool bulky : 1;
};

/* Makes a transport over a non-blocking socket, connected or not, or without a
 * socket if `fd` is -1. 0 or -ENOMEM; on success takes `fd`. */
int asynchat__transport_socket(struct transport *t, struct event_base *base,
                               int fd);

/* To be called after connect(2), which has answered `error`, or 0. Waits for
 * the connection if `error` is -EINPROGRESS. 0 or -ENOMEM. */
int asynchat__transport_connect(struct transport *t, int error);

/* Says that the bufferevent is one half of a pair that the library has made.
 * Such a transport can have a stage. */
void asynchat__transport_pair(struct transport *t);

/* Makes a transport over a bufferevent of the program's. 0 or -ENOMEM; on
 * success takes `bev`. */
int asynchat__transport_bufferevent(struct transport *t,
                                    struct bufferevent *bev, bool connecting);

/* To be called when the transport has given everything away. From now on it
 * does nothing, until it is closed. */
void asynchat__transport_leave(struct transport *t);

/* The descriptor that sendfile may write to, or -1. */
int asynchat__transport_fd(const struct transport *t);

/* The evbuffer with the bytes that were received and not yet drained. */
struct evbuffer *asynchat__transport_input(const struct transport *t);

/* To be called when `n` bytes were sent: first pushed bytes, then bytes of the
 * output. The other pushed bytes go to the output. */
void asynchat__transport_sent(struct transport *t, size_t n);

/* To be called at the end of a wake-up. Pushed bytes that are left go to the
 * output. */
void asynchat__transport_settle(struct transport *t);

/* To be called before and after work on the output during which code of the
 * program may run: `release` of bytes that were pushed by reference, and
 * callbacks of evbuffers. Such code may push and discard. While the output is
 * lent, nothing may be added to it, and if it is dropped, its bytes go at the
 * end of the work. `left` is how many bytes the output has when the work is
 * done. asynchat__transport_take_back() needs what asynchat__transport_lend()
 * has answered. */
struct transport_lending {
    bool lent; /* the output was lent before, too */
    size_t left;
};
struct transport_lending asynchat__transport_lend(struct transport *t,
                                                  size_t left);
void asynchat__transport_take_back(struct transport *t,
                                   struct transport_lending before);

/* How many bytes the output has; while it is lent, how many it has when the
 * work is done. */
size_t asynchat__transport_left(const struct transport *t);

/* Removes the first `sent` bytes from the output. */
void asynchat__transport_drain(struct transport *t, size_t sent);

/* Drops the output, and bytes that were pushed. */
void asynchat__transport_discard(struct transport *t);

/* How many bytes the peer has not taken: those that are pending, and those that
 * only the system has taken, as far as that is known. */
size_t asynchat__transport_unsent(const struct transport *t);

/* How many bytes lie with the system and can be received; over a bufferevent
 * 0. */
size_t asynchat__transport_arrived(const struct transport *t);

/* How many bytes of the output are not sent yet, including those that a
 * bufferevent was given. */
size_t asynchat__transport_pending(const struct transport *t);

/* How many bytes of the output are not sent yet, without those that a
 * bufferevent was given and keeps until it is given more. */
size_t asynchat__transport_moving(const struct transport *t);

#endif
