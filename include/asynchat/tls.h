/* TLS: what makes a connection secure, by OpenSSL 3.0 or later. This header
 * belongs to a library of its own, libasynchat-openssl, and <asynchat.h> does
 * not include it.
 *
 * A context says what one side shows and what it demands of its peer. A server
 * whose connections begin with TLS:
 *
 *     struct asynchat_tls_options options = {
 *         .size = sizeof options,
 *         .certificate = "cert.pem",
 *         .key = "key.pem",
 *     };
 *     struct asynchat_tls *tls;
 *     if (asynchat_tls_new(&options, &tls) < 0)
 *         errx(1, "%s", asynchat_tls_get_error(NULL));
 *     asynchat_tls_serve(server, tls);
 *
 * A client, which verifies that the server is "mail.example":
 *
 *     struct asynchat_tls_options options = {
 *         .size = sizeof options, .flags = ASYNCHAT_TLS_CLIENT};
 *     if (asynchat_tls_new(&options, &tls) < 0 ||
 *         asynchat_tls_connect(base, "mail.example:465", 30000, tls,
 *                              "mail.example", &handler, arg, &ch) < 0)
 *         errx(1, "%s", asynchat_tls_get_error(NULL));
 *
 * STARTTLS, in the callback of the message that asks for it:
 *
 *     asynchat_push(ch, "220 go ahead\r\n", 14);
 *     if (asynchat_tls_start(ch, tls, NULL, 0, handle_secure) < 0)
 *         asynchat_close(ch);
 *
 * The rules:
 * - Channels speak TLS 1.2 and 1.3. There is no renegotiation, no compression
 *   and no early data (0-RTT).
 * - Until the handshake is done, handle_connect waits, and so does everything
 *   that is pushed. A handshake that fails ends the channel, by handle_error
 *   and handle_close, without handle_connect: the channel of a server then
 *   still has the server's `arg`. A client that ends its connection to a server
 *   without having sent a byte is no error: only handle_close is called, with
 *   ASYNCHAT_EOF.
 * - The peer's close_notify is its end of file: handle_eof is called, and the
 *   channel may still send. If the connection ends without a close_notify,
 *   handle_error gets ASYNCHAT_ECUTOFF, after everything that came was
 *   delivered.
 * - A channel that ends in order sends close_notify, and then ends its side of
 *   the connection. close_notify promises that the peer has everything. So it
 *   is not sent if output was dropped, be it by asynchat_close(), by a time
 *   that was over or by a limit; nor by asynchat_abort().
 * - A client that ends in order waits for the server's end, or the linger time,
 *   as after asynchat_close_in_stages(). A server may send its tickets late,
 *   and if the client were gone, the system would reset the connection.
 * - In TLS 1.3 a server checks the client's certificate after the client's
 *   handshake is done. So a client may hear ASYNCHAT_ECERTIFICATE after
 *   handle_connect.
 * - In TLS 1.3 a server sends its ticket together with the first bytes that are
 *   pushed. A client that ends before it has received them keeps no session.
 * - Timeouts, rates, limits and counters of the channel are about the plain
 *   bytes. Handshakes, tickets and key updates move no clock.
 * - A producer that sends a file is asked for its bytes, since sendfile cannot
 *   encrypt them.
 * - A child after fork(2) that frees an inherited channel sends nothing.
 * - The first asynchat_tls_new() of a process tells OpenSSL not to free its own
 *   memory at exit (OPENSSL_INIT_NO_ATEXIT): otherwise a program that returns
 *   from main while other threads still use TLS crashes. OpenSSL heeds only its
 *   first call for that: a program that calls OpenSSL earlier has to begin with
 *   OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL).
 *
 * The codes of a failed handshake: ASYNCHAT_ECERTIFICATE, ASYNCHAT_EPROTOCOL,
 * ASYNCHAT_ELATE for the time that a context or asynchat_connect() gives, and
 * ASYNCHAT_EHANDSHAKE for everything else. asynchat_tls_get_error() has a text
 * that says more, and so has the log. The text is "" if there is nothing more
 * to say: when the handshake took too long, or bytes came too early.
 *
 * A context may be used by any number of servers, channels and threads at the
 * same time. Calls for a channel belong into the thread of its loop.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TLS_H
#define ASYNCHAT_TLS_H

#include <openssl/types.h>

#include <asynchat/server.h>

ASYNCHAT_BEGIN_DECLS

struct asynchat_tls;

/* --- Contexts --- */

/* The context is for clients. Without this flag it is for servers. */
#define ASYNCHAT_TLS_CLIENT 0x1u
/* A client verifies neither the server's certificate nor its name. Anybody on
 * the way can read and change the bytes. */
#define ASYNCHAT_TLS_NO_VERIFY 0x2u
/* A server asks its clients for a certificate. A client may have none; a
 * certificate that `trust` does not vouch for is refused, and so is one that is
 * for servers only. `configure` can change the latter:
 * X509_VERIFY_PARAM_set_purpose(SSL_CTX_get0_param(ctx), X509_PURPOSE_ANY). */
#define ASYNCHAT_TLS_ASK_CERTIFICATE 0x4u
/* The same, but a client without a certificate is refused. */
#define ASYNCHAT_TLS_DEMAND_CERTIFICATE 0x8u
/* A server sends no tickets, and a client keeps no sessions: each handshake is
 * a full one. */
#define ASYNCHAT_TLS_NO_TICKETS 0x10u
/* A connection that ends without a close_notify counts as ended in order. Only
 * for protocols whose messages show where they end. */
#define ASYNCHAT_TLS_CUT_OFF_IS_EOF 0x20u
/* A server refuses clients that ask for a name that was not added by
 * asynchat_tls_add_name(), or for no name at all. */
#define ASYNCHAT_TLS_KNOWN_NAMES 0x40u

/* What a context is made of. `size` is sizeof the struct. A field that is 0 or
 * NULL has its default. New fields are only ever added at the end. Files are in
 * PEM format; a text is the same in memory, NUL-terminated. Of each pair of a
 * file and a text, one may be set. */
struct asynchat_tls_options {
    size_t size;
    unsigned flags; /* any of the flags above, or 0 */

    /* The lowest version: 0x0303 for TLS 1.2, which is the default, or 0x0304
     * for TLS 1.3. A higher one that openssl.cnf(5) demands stays in force. */
    int min_version;

    /* This side's certificate, followed by the intermediate certificates, the
     * issuer of each behind it. A server must have one; a client that has one
     * shows it to servers that ask. */
    const char *certificate;
    const char *certificate_text;

    /* The private key. Unless set, it is in the same file or text as the
     * certificate. */
    const char *key;
    const char *key_text;

    /* Whom to trust: a file of certificates, or a folder as c_rehash makes it.
     * Revocation lists in the file hold as well; then every certificate of a
     * chain needs a list of its issuer. Each context keeps all of this for
     * itself: names that trust the same had better share a context. Unless set,
     * a client trusts whom the system trusts, and a server nobody. */
    const char *trust;
    const char *trust_text;

    /* The protocols to agree on (ALPN, RFC 7301), the preferred one first, up
     * to NULL. A server refuses clients that ask for others only. Copied. */
    const char *const *alpn;

    /* Milliseconds that a handshake may take, 1 to 2^31 - 1, or UINT_MAX for no
     * limit; 10000 unless set. The time begins when the connection is up, or,
     * with asynchat_tls_start(), when what was pushed before is sent. */
    unsigned handshake_time;

    /* The most handshakes of servers at a time in one thread; 1000 unless set.
     * Beyond it a client waits: its first message is not looked at until
     * another handshake is over. */
    unsigned max_handshakes;

    /* Microseconds that handshakes may take in one pass of a loop, 1 or more;
     * 4000 unless set. When this time is used up, other handshakes wait for the
     * next pass, so that they do not stop the channels that are up. A handshake
     * takes a server 300 to 500 microseconds with an ECDSA key. */
    unsigned handshake_budget;

    /* The most key updates that a peer may send in a second; 100 unless set.
     * Beyond it the channel ends with ASYNCHAT_EPROTOCOL. */
    unsigned max_key_updates;

    /* The most sessions that a client keeps, to resume them with servers of the
     * same name; 100 unless set. Of one connection at most four are kept. */
    unsigned sessions;

    /* Seconds after its full handshake in which a client resumes a session;
     * 86400 unless set. No session outlives the peer's certificate. */
    unsigned session_time;

    /* Gives the passphrase of an encrypted key: writes at most `room` bytes to
     * `to` and returns how many, or a negative code. NULL: an encrypted key is
     * an error. OpenSSL never asks at the terminal. */
    int (*passphrase)(char *to, size_t room, void *arg);

    /* Changes what no field above can say, such as ciphers and groups. It is
     * called for each SSL_CTX that is made, by asynchat_tls_new() and by
     * asynchat_tls_reload(), before the SSL_CTX is used. Returns 0, or a
     * negative code, with which the call fails. It must not change modes, the
     * session cache, or the callbacks for verifying, client_hello, messages,
     * new sessions and ALPN. */
    int (*configure)(SSL_CTX *ctx, void *arg);

    /* Has the last word about a peer, also about one that resumes a session:
     * called when the handshake is done and everything else is in order.
     * Returns 0, or a negative code, with which the channel ends. It may call
     * anything that is allowed in a callback of the channel, but must not free
     * the channel. On a resumed session SSL_get0_verified_chain() is NULL. */
    int (*verify)(struct asynchat_channel *ch, SSL *ssl, void *arg);

    void *arg; /* for the three functions; borrowed */
};

/* Makes a context, reads its files, and gives it in *out. Copies `options` but
 * for `arg`. On failure *out is unchanged, and asynchat_tls_get_error(NULL) has
 * the reason. A client's context that trusts whom the system trusts reads a
 * large file: this takes some 30 ms. Errors: -EINVAL (`options` or `out` is
 * NULL, or `options` is filled in wrongly), -ENOTSUP (`options` has fields that
 * this version does not know), ASYNCHAT_ECERTIFICATE (a certificate, key or
 * list of whom to trust is not good, or the key is not the certificate's),
 * -ENOMEM, -EIO (OpenSSL could not make an SSL_CTX), and those of open(2) for a
 * file, such as -ENOENT, and of `configure`. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_tls_new(
    const struct asynchat_tls_options *options, struct asynchat_tls **out);

/* Frees a context. Channels that use it go on; servers must not use it any
 * more. NULL is allowed. Any thread may call this function. Since 0.1. */
ASYNCHAT_API void asynchat_tls_free(struct asynchat_tls *tls);

/* Reads the files again, or, if `options` is not NULL, replaces everything but
 * the names that were added. The new certificate holds from the next handshake
 * on, and connections go on as they are. All or nothing: if the call fails, the
 * context stays as it was, and the call may be tried again at once. A session
 * is not resumed after a change of whom to trust, or of what is demanded of
 * peers. The keys of tickets are replaced if they are older than a day.
 * `options` must be for the same side. Any thread may call this function.
 * Errors: those of asynchat_tls_new(). Since 0.1. */
ASYNCHAT_API int asynchat_tls_reload(
    struct asynchat_tls *tls, const struct asynchat_tls_options *options);

/* From now on the signal `number`, such as SIGHUP, calls asynchat_tls_reload()
 * with NULL from the loop of the server, until the server begins to stop or is
 * freed. The log says how that went (ASYNCHAT_LOG_RELOAD): at INFO, or, with
 * the reason why the old certificate stays, at WARNING. One call is enough for
 * a context that several servers use. Borrows `tls` until then. Errors: -EINVAL
 * (`tls` is NULL), and those of asynchat_server_call_on_signal(). Since 0.1. */
ASYNCHAT_API int asynchat_tls_reload_on_signal(struct asynchat_server *server,
                                               int number,
                                               struct asynchat_tls *tls);

/* Clients that ask for `name` (SNI, RFC 6066, 3) get `other`, all of it: its
 * certificate, whom it verifies, its versions and its protocols. Its sessions
 * are not resumed under another name. `name` is "a.example", or "*.a.example"
 * for all names with exactly one more label that were not added themselves;
 * capitals and a dot at the end make no difference. A name that was added
 * before gets the new context, and with NULL it is taken away. Keeps a share of
 * `other`, which may be freed and may be `tls` itself. Two contexts that have
 * each other by name keep each other until a name is taken away. The times,
 * limits and statistics of `tls` count. Any thread may call this function.
 * Errors: -EINVAL (`tls` or `name` is NULL, the name has another form, or a
 * context is for clients), -ENOENT (there is no such name to take away),
 * -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_tls_add_name(struct asynchat_tls *tls,
                                       const char *name,
                                       struct asynchat_tls *other);

/* --- Channels with TLS --- */

/* Each connection that the server accepts from now on begins with TLS, also
 * those of its workers. handle_connect is called when the handshake is done.
 * The limits of the server's options count from accept. The text of `turn_away`
 * is not sent, since the peer expects TLS. Borrows `tls` until the server and
 * its workers are gone, or the next call; with NULL, connections are plain.
 * Errors: -EINVAL (`server` is NULL, or the context is for clients). Since
 * 0.1. */
ASYNCHAT_API int asynchat_tls_serve(struct asynchat_server *server,
                                    struct asynchat_tls *tls);

/* Makes a channel that connects to `address`, such as "mail.example:465", as
 * asynchat_connect_name() does, and begins with TLS on the first connection
 * that is up. To have the next address tried when a handshake fails, call
 * asynchat_connect_name() with ASYNCHAT_CONNECT_HANDSHAKE and have `candidate`
 * call asynchat_tls_start(). The server must have a certificate for `name`, a
 * host name or an IP address, as one of its alternative names: the subject
 * does not count (RFC 9525, 2). A host name is also sent, so that the server
 * can choose its certificate. With ASYNCHAT_TLS_NO_VERIFY, `name` is only
 * sent, and may be NULL. The `timeout` includes the handshake, and is 60000
 * milliseconds if it is 0. Errors: -EINVAL (`tls` is NULL or for servers, or
 * `name` is NULL, empty or not a name), and those of asynchat_connect_name().
 * Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_tls_connect(
    struct event_base *base, const char *address, unsigned timeout,
    struct asynchat_tls *tls, const char *name,
    const struct asynchat_handler *handler, void *arg,
    struct asynchat_channel **out);

/* For asynchat_tls_start(): bytes that came behind the message end the channel
 * with ASYNCHAT_EPROTOCOL. Without this flag they go into TLS. */
#define ASYNCHAT_TLS_REFUSE_EARLY 0x1u

/* Begins TLS on a channel that is connected, as STARTTLS does (RFC 3207). To be
 * called in the callback of the message that asks for it, or, for TLS from the
 * beginning, in `candidate` of asynchat_connect_name(); the context says which
 * side this is. `name` is that of asynchat_tls_connect() for a client, and NULL
 * for a server.
 *
 * What was pushed before is sent in plain text; what is pushed afterwards waits
 * for the handshake. The callback that is running is the last before the
 * handshake. Bytes that came behind the message are never delivered as they
 * are: they go into TLS, since a client may have begun its handshake already;
 * anything else makes the handshake fail. Bytes of a message in progress are
 * dropped. The terminator stays; one that counts bytes goes on counting, unless
 * `done` sets it again. A server behind a balancer that sends a line of its own
 * before TLS (PROXY) calls this function in the callback of that line; the
 * limits of the server's options count the balancer's address then.
 *
 * done(ch, arg), with the channel's `arg`, is called when the session is
 * secure, before anything else is delivered. What the peer has said in plain
 * text must be forgotten by now (RFC 3207, 4.2). A program that sends to its
 * peers of its own accord had better forget it when it calls this function:
 * what it pushes in between is sent too. `done` may be NULL, and may do
 * anything.
 *
 * On a channel that is not connected yet, TLS begins as soon as it is, and
 * handle_connect is called in place of `done`. Errors: -EINVAL (`tls` is NULL,
 * `name` is wrong, or a flag is unknown), and those of asynchat_set_layer().
 * Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_tls_start(
    struct asynchat_channel *ch, struct asynchat_tls *tls, const char *name,
    unsigned flags, void (*done)(struct asynchat_channel *ch, void *arg));

/* --- What is known of a session --- */

/* The texts are lent until the channel ends. */
struct asynchat_tls_info {
    const char *version;     /* "TLSv1.3" */
    const char *cipher;      /* "TLS_AES_256_GCM_SHA384" */
    const char *alpn;        /* the protocol agreed on, or NULL */
    const char *server_name; /* the name that the client asked for, or NULL */
    unsigned resumed;        /* 1: the session was resumed */
    unsigned verified;       /* 1: the peer has shown a certificate, which was
                                verified now or when the session began */
};

/* Writes what was agreed with the peer to *info, of which the caller knows
 * `size` bytes: sizeof *info. Errors: -EINVAL (`ch` or `info` is NULL),
 * -ENOTSUP (the channel does not speak TLS), -ENOTCONN (the handshake is not
 * done). Since 0.1. */
ASYNCHAT_API int asynchat_tls_get_info(const struct asynchat_channel *ch,
                                       struct asynchat_tls_info *info,
                                       size_t size);

/* Returns the session, lent until the channel ends, or NULL if the channel does
 * not speak TLS, the handshake has not begun, or a server does not know yet
 * which name the client asks for. So it also tells whether a channel speaks
 * TLS. The session is for questions only, such as SSL_get0_peer_certificate()
 * and SSL_export_keying_material(); the program must not read, write, shut down
 * or renegotiate. Since 0.1. */
ASYNCHAT_API SSL *asynchat_tls_get_ssl(const struct asynchat_channel *ch);

/* Returns what went wrong with the channel's TLS, in words, such as
 * "certificate verify failed: certificate has expired", or "" if nothing did.
 * With NULL it returns what went wrong in the last failed call of a function of
 * this header in this thread. Lent until the next call, or until the channel
 * ends. Since 0.1. */
ASYNCHAT_API const char *asynchat_tls_get_error(
    const struct asynchat_channel *ch);

/* What was done with a context, in numbers. New fields are only ever added at
 * the end. */
struct asynchat_tls_stats {
    uint64_t begun;       /* handshakes that began, with the connection */
    uint64_t done;        /* of these, those that are done */
    uint64_t resumed;     /* of those done, those that resumed a session */
    uint64_t failed;      /* those that failed or were given up */
    uint64_t late;        /* of those failed, those by handshake_time */
    uint64_t silent;      /* those whose client ended without a single byte */
    uint64_t shaking;     /* those that are under way now */
    uint64_t waiting;     /* of these, those that wait for max_handshakes */
    uint64_t cut_off;     /* sessions that ended without a close_notify */
    uint64_t key_updates; /* key updates of peers */
};

/* Writes the statistics of the context to *stats, of which the caller knows
 * `size` bytes: sizeof *stats. Any thread may call this function. Errors:
 * -EINVAL (`tls` or `stats` is NULL). Since 0.1. */
ASYNCHAT_API int asynchat_tls_get_stats(const struct asynchat_tls *tls,
                                        struct asynchat_tls_stats *stats,
                                        size_t size);

ASYNCHAT_END_DECLS

#endif
