/* The log: records for an operator.
 *
 *     asynchat_set_log(ASYNCHAT_LOG_INFO, print, stderr);
 *
 * The function gets a record for each event:
 *
 *     void print(const struct asynchat_log_record *record, void *arg)
 *     {
 *         fprintf(arg, "%s: %s\n", record->peer, record->text);
 *     }
 *
 * Nothing is logged before this call. The library itself never writes anywhere.
 *
 * (Python: asyncore's log_info; the levels are those of logging)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LOG_H
#define ASYNCHAT_LOG_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* How important a record is. */
enum asynchat_log_level {
    ASYNCHAT_LOG_DEBUG = 10,
    ASYNCHAT_LOG_INFO = 20,
    ASYNCHAT_LOG_WARNING = 30
};

/* What has happened. New events are only ever added at the end. */
enum asynchat_log_event {
    ASYNCHAT_LOG_CONNECTED, /* DEBUG: a channel is connected */
    ASYNCHAT_LOG_CLOSED,    /* DEBUG: a channel closes; `code` is the status
                               that handle_close gets */
    ASYNCHAT_LOG_ERROR,     /* INFO: a channel has the error `code`. WARNING, if
                               what came is no PROXY header. DEBUG, if it is an
                               attempt of a client's, or if the connection was
                               reset before, or right after, its PROXY header,
                               as a balancer does that checks */
    ASYNCHAT_LOG_STARVED,   /* WARNING: a server has no descriptor or no memory
                               for a new connection, by the error `code`. There
                               is one record, however many connections wait */
    ASYNCHAT_LOG_ACCEPTS,   /* INFO: such a server accepts connections again */
    ASYNCHAT_LOG_TURNED_AWAY, /* INFO: a connection was turned away, since there
                                 were as many as the server's limits allow */
    ASYNCHAT_LOG_STOPS,       /* INFO: a server stops */
    ASYNCHAT_LOG_STOPPED,     /* INFO: a server has stopped */
    ASYNCHAT_LOG_LOOKUP,  /* DEBUG: addresses of a name have come, or, with a
                             `code`, none. `peer` is the name, and `text` says
                             how many, or why: if the system has been asked, in
                             the words of gai_strerror(3) */
    ASYNCHAT_LOG_ATTEMPT, /* DEBUG: a channel dials an address, which is
                             `peer`; the connection is up; or, with a `code`,
                             the attempt has failed */
    ASYNCHAT_LOG_UP,      /* INFO: the connection of a client is up */
    ASYNCHAT_LOG_DOWN,    /* INFO: the connection of a client is over, for the
                          reason `code`, or its first attempt has failed. DEBUG:
                          a later attempt has failed. `peer` is the host */
    ASYNCHAT_LOG_BATCH,   /* WARNING: there is no batch, or a batch makes plain
                          calls from now on, by the error `code`. `peer` is
                          "batch", or what was to make the calls, such as
                          "io_uring" */
    ASYNCHAT_LOG_RELOAD,  /* INFO: at a signal, certificates were read again.
                             WARNING: they were not, for the reason `code`, and
                             the old ones stay. `peer` is "TLS" */
    ASYNCHAT_LOG_RESTART  /* INFO: the next process of a server is ready.
                             WARNING: it was not started, or has ended, by the
                             error `code` */
};

/* One record. All of it is lent until the function that gets it returns. Fields
 * are only ever appended, and `size` is sizeof the struct as the library knows
 * it: look at it before you use a field that is newer than your program's first
 * version. */
struct asynchat_log_record {
    size_t size;
    enum asynchat_log_level level;
    enum asynchat_log_event event;

    /* The channel's id, if the program has asked for it with asynchat_get_id();
     * otherwise 0. */
    uint64_t id;

    /* The address of the peer that the record is about. If the peer's address
     * is not known, it is this side's address, and if neither is known, it is
     * "channel". Of a server it is the server's own address. It has no control
     * character, even if a peer has chosen part of it, such as the name of its
     * Unix socket. */
    const char *peer;

    int code; /* an error code, see error.h; or 0 */

    /* What has happened, without the peer: of an error, its text, with what a
     * layer has to say about it. It has no line end. */
    const char *text;
};

/* Sets the function that is called for each record of this level or a higher
 * one. If `log` is NULL, nothing is logged any more. The setting is for the
 * whole process; call this function only while no loop runs.
 *
 * `log` is called in the thread where the event occurs, possibly by several
 * threads at once. It may not call any function of the library but
 * asynchat_strerror(). Since 0.1. */
ASYNCHAT_API void asynchat_set_log(
    enum asynchat_log_level level,
    void (*log)(const struct asynchat_log_record *record, void *arg),
    void *arg);

/* Logs a record, if the program wants records of its level: for libraries that
 * add to this one, such as one that makes the calls of batches. `peer` and
 * `text` may not be NULL. Borrows the record for the call. Any thread may call
 * this function. Errors: -EINVAL (`record` is NULL, or is filled in wrongly),
 * -ENOTSUP (it has fields that this version does not know). Since 0.1. */
ASYNCHAT_API int asynchat_log(const struct asynchat_log_record *record);

ASYNCHAT_END_DECLS

#endif
