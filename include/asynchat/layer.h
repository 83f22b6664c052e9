/* Layers: a codec between a channel and its connection, such as TLS or
 * compression.
 *
 * A layer turns the plain bytes that the channel sends into sealed bytes, which
 * go to the peer, and the sealed bytes that come from the peer into plain
 * bytes. The layer works between buffers: it never sees a descriptor or an
 * event, and so it works over sockets and over asynchat_pair_new() alike. The
 * library does the receiving, the sending and the waiting.
 *
 *     static const struct asynchat_layer_ops ops = {
 *         .size = sizeof ops,
 *         .open = codec_open,
 *         .seal = codec_seal,
 *         .ended = codec_ended,
 *         .finish = codec_finish,
 *         .release = codec_release,
 *     };
 *     int error = asynchat_set_layer(ch, &ops, codec, NULL);
 *
 * The rules:
 * - A layer begins with a handshake, which may be empty. Until a function of
 *   the layer answers ASYNCHAT_LAYER_UP, handle_connect waits, and so does
 *   everything that is pushed. The handshake has a time limit of its own.
 * - The layer never calls the channel. A layer's words are bytes of its own,
 *   such as those of a handshake. The layer gives its words when it is asked
 *   for them. They leave together with what is sent anyway, or else at the end
 *   of the wake-up.
 * - The functions of a layer run in the thread of the channel's loop, one at a
 *   time. They may call asynchat_close() and asynchat_abort(), and push; they
 *   must not free the channel.
 * - Timeouts, rates, limits and counters of the channel are about plain bytes.
 *   With a rate, one read more than allowed may come.
 * - The evbuffers of asynchat_get_bufferevent() are the library's: sealed bytes
 *   wait in them.
 * - When the channel ends in order, the layer has the last word, by `finish`.
 *   The layer has no last word if output of the channel was dropped: a peer
 *   that checks for the last word then knows that something is missing. After
 *   asynchat_discard_buffers() the layer still has the last word, since the
 *   program did not want the dropped output sent.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LAYER_H
#define ASYNCHAT_LAYER_H

#include <asynchat/server.h>

ASYNCHAT_BEGIN_DECLS

/* The most bytes that `seal` is given at a time. */
#define ASYNCHAT_LAYER_PIECE 16384
/* The least room that `seal` has for its result. A layer may double the bytes,
 * and add words of its own. */
#define ASYNCHAT_LAYER_ROOM 33792
/* The least room that `finish` has for the last words. */
#define ASYNCHAT_LAYER_WORDS 4096

/* What `open` and `seal` answer: 0, or any of these, added up. An answer below
 * 0 is an error: the channel ends with it, and `seal` is called once more
 * before, with 0 bytes, for what the peer is to be told of the error. */
enum {
    /* The handshake is done. The layer answers this once. */
    ASYNCHAT_LAYER_UP = 1,
    /* The layer has words of its own to send: `seal` is called with 0 bytes for
     * them. */
    ASYNCHAT_LAYER_SAYS = 2,
    /* A budget of work is used up, or there was no room left: `open` is called
     * again in the loop's next pass. */
    ASYNCHAT_LAYER_LATER = 4,
    /* The peer has ended in order: handle_eof follows, as after an end of file.
     * The connection may stay open. */
    ASYNCHAT_LAYER_OVER = 8,
    /* Like ASYNCHAT_LAYER_LATER, but in 10 milliseconds: the layer waits for
     * something else to be over. */
    ASYNCHAT_LAYER_WAIT = 16,
    /* Answered by `finish` alone: the peer's layer may have words of its own
     * for this side. So a socket is not closed until the peer ends its
     * side, or the linger time is over: words that come later would make the
     * system reset the connection, and the peer might lose the last output. */
    ASYNCHAT_LAYER_LINGER = 32
};

/* What a layer does. `size` is sizeof the struct; `finish` and `text` may be
 * NULL. `layer` is what asynchat_set_layer() was given. Fields are only ever
 * appended. */
struct asynchat_layer_ops {
    size_t size;

    /* Opens bytes that the peer sent: takes *taken of the `len` at `data`, and
     * gives *given plain bytes, at most `room`, at `to`. *taken and *given are
     * 0 before. Bytes that were not taken are offered again: at once, or after
     * ASYNCHAT_LAYER_LATER in the next pass, or after ASYNCHAT_LAYER_WAIT in 10
     * milliseconds. A call that takes nothing and gives nothing, without one of
     * these two answers, is the error -EPROTO, unless `len` is 0. `len` is 0
     * when the layer gave one of these two answers and had taken all bytes.
     * Plain bytes before ASYNCHAT_LAYER_UP are the error -EPROTO. */
    int (*open)(void *layer, const void *data, size_t len, size_t *taken,
                void *to, size_t room, size_t *given);

    /* Seals all of the `len` bytes at `data`, at most ASYNCHAT_LAYER_PIECE, and
     * gives *given bytes at `to`; `room` is at least ASYNCHAT_LAYER_ROOM. May
     * add words of the layer's own. With `len` 0 it gives own words only, and
     * is called again while it answers ASYNCHAT_LAYER_SAYS. *given is 0 before.
     * It is called with 0 when the connection is up, so that a client can
     * begin; it may answer ASYNCHAT_LAYER_UP then. */
    int (*seal)(void *layer, const void *data, size_t len, void *to,
                size_t room, size_t *given);

    /* The connection has ended, and all that came was opened. Answers
     * ASYNCHAT_EOF if the peer had ended in order, or an error, such as
     * ASYNCHAT_ECUTOFF. Not called after ASYNCHAT_LAYER_OVER. Before
     * ASYNCHAT_LAYER_UP, ASYNCHAT_EOF says that the peer has gone without a
     * word. If the channel began with the layer, it then ends with
     * ASYNCHAT_EOF, which is no error; otherwise with ASYNCHAT_EHANDSHAKE. */
    int (*ended)(void *layer);

    /* The layer's last words, *given bytes at `to`; `room` is at least
     * ASYNCHAT_LAYER_WORDS. Called once at most, when all output was sealed;
     * not if the layer was never up, or output was dropped, or the channel is
     * aborted. An answer below 0 says that there are none, and
     * ASYNCHAT_LAYER_LINGER that the channel waits for the peer's end. */
    int (*finish)(void *layer, void *to, size_t room, size_t *given);

    /* A text for the last error, for the log; NULL for none. Lent until the
     * layer is called again. */
    const char *(*text)(const void *layer);

    /* The channel needs the layer no more. */
    void (*release)(void *layer);
};

/* If the channel has received bytes from behind the border by the time that the
 * border is reached, the channel ends with ASYNCHAT_EPROTOCOL. Without this
 * flag these bytes go into the layer. */
#define ASYNCHAT_LAYER_REFUSE_EARLY 0x1u

/* `size` is sizeof the struct; a field left 0 has its default. Fields are only
 * ever appended. */
struct asynchat_layer_options {
    size_t size;
    unsigned flags; /* of the above, or 0 */

    /* Milliseconds that the handshake may take, 1 to 2^31 - 1, or UINT_MAX for
     * no limit; 10000 unless set. The time begins when the connection is up, or
     * the border is reached. When the time is over, the channel ends with
     * ASYNCHAT_ELATE. */
    unsigned time;

    /* Called when the layer is up, if the channel was connected before it was
     * given the layer. Called before anything that the layer opened is
     * delivered; `arg` is the channel's. May do anything. */
    void (*up)(struct asynchat_channel *ch, void *arg);
};

/* Gives the channel a layer. On success takes `layer`, which the channel
 * releases when it ends; on failure `layer` stays the caller's. Borrows `ops`
 * until then; copies `options`, which may be NULL.
 *
 * Before the connection is up, the layer holds for everything: all that was
 * pushed waits for it.
 *
 * On a channel that is connected, the layer begins at a border, as STARTTLS
 * needs it; to be called in the callback of the message that asks for it. What
 * was pushed before is sent as it is; what is pushed after waits until the
 * layer is up. Delivery stops: the callback that is running is the last. When
 * all that was pushed before is sent, bytes of a message in progress that were
 * collected, and bytes that were held back, are dropped; those that arrived and
 * were not delivered go into the layer, or see ASYNCHAT_LAYER_REFUSE_EARLY. The
 * terminator stays; one that counts bytes goes on counting. Then the handshake
 * begins, and `up` is called when it is done. asynchat_discard_buffers() does
 * not take the border away.
 *
 * asynchat_connect()'s timeout includes the handshake. Errors: -EINVAL (`ch` or
 * `ops` is NULL, or `ops` or `options` is filled in wrongly), -ENOTSUP (the
 * channel is over a bufferevent of yours, or there are fields that this version
 * does not know), -EBUSY (the channel has a layer already, or is not up and
 * just releasing output), ASYNCHAT_ECLOSED (the channel has ended; or it is
 * connected, and only one side of it is still open, or it is told to close),
 * -ENOMEM. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_set_layer(
    struct asynchat_channel *ch, const struct asynchat_layer_ops *ops,
    void *layer, const struct asynchat_layer_options *options);

/* Returns the channel's layer if it is one of these `ops`; lent until the
 * channel ends. NULL: there is none, or one of others. Since 0.1. */
ASYNCHAT_API void *asynchat_get_layer(const struct asynchat_channel *ch,
                                      const struct asynchat_layer_ops *ops);

/* Each connection that the server accepts from now on has a layer: make(ch,
 * arg) is called for its channel before any callback, in the thread that runs
 * the channel, and calls asynchat_set_layer(). It may set anything else of the
 * channel, but not end or free it. An answer of `make` below 0 is an error,
 * with which the channel ends, from the loop. handle_connect is called when the
 * layer is up. The limits of the server's options count from accept; the text
 * of `turn_away` is not sent, since the peer expects the layer. With workers
 * `make` is called in their threads. If the server requires a PROXY header (see
 * proxy.h), `make` is called when it has come; if the server was freed
 * meanwhile, the channel ends with ASYNCHAT_ESTOPPED. `make` NULL: channels
 * have no layer. Borrows `arg` until the server, and its workers, are gone.
 * Errors: -EINVAL (`server` is NULL). Since 0.1. */
ASYNCHAT_API int asynchat_server_set_layer(
    struct asynchat_server *server,
    int (*make)(struct asynchat_channel *ch, void *arg), void *arg);

ASYNCHAT_END_DECLS

#endif
