/* One space of error codes, in return values and in callbacks alike.
 *
 * 0 is done. What the system said is -errno: -ECONNREFUSED, -ENOMEM. What only
 * this library can say has a code of its own, below. Bad arguments are -EINVAL, but
 * a text that is no address is ASYNCHAT_EADDRESS. A call that fails has changed
 * nothing, unless it *takes* an argument: that is the library's in every case,
 * failure included.
 *
 *     int error = asynchat_push(ch, "250 OK\r\n", 8);
 *     if (error)
 *         fprintf(stderr, "push: %s\n", asynchat_strerror(error));
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_ERROR_H
#define ASYNCHAT_ERROR_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* What only this library says: */
enum {
    ASYNCHAT_EOF = -10001,     /* the peer ended its side of the connection */
    ASYNCHAT_ECLOSED = -10002, /* the channel has ended, or is told to when its
                                  queue is sent */
    ASYNCHAT_ETOOLONG =
        -10003, /* a message is longer than the channel's message limit */
    ASYNCHAT_ETRUNCATED =
        -10004, /* a file ended before the length it was to be sent with */
    ASYNCHAT_EFULL =
        -10005, /* more is queued than the channel's output limit */
    ASYNCHAT_EIDLE = -10006,    /* nothing came, or moved, for too long */
    ASYNCHAT_ESTALLED = -10007, /* the peer took nothing for too long */
    ASYNCHAT_ESLOW = -10008,    /* a message comes too slowly */
    ASYNCHAT_ESTOPPED = -10009, /* the server was told to stop */
    ASYNCHAT_EADDRESS = -10010  /* a text is no address: see connect.h */
};

/* Returns the text of an error code, without a full stop; never NULL, also for
 * a code that is none. Lends until the same thread's next call. Any thread
 * may call it. Since 0.1. */
ASYNCHAT_API const char *asynchat_strerror(int error);

ASYNCHAT_END_DECLS

#endif
