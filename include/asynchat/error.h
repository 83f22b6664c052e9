/* One space of error codes, in return values and in callbacks alike.
 *
 * 0 means success. Errors of the system are -errno, such as -ECONNREFUSED or
 * -ENOMEM. Errors that only this library knows have codes of their own, below.
 * A bad argument is -EINVAL, except that a text that is not an address is
 * ASYNCHAT_EADDRESS. A call that fails has changed nothing, with one exception:
 * an argument that the call *takes* belongs to the library in every case, even
 * if the call fails.
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

/* The error codes of this library: */
enum {
    ASYNCHAT_EOF = -10001,     /* the peer ended its side of the connection */
    ASYNCHAT_ECLOSED = -10002, /* the channel has ended, or will end as soon as
                                  its queue is sent */
    ASYNCHAT_ETOOLONG =
        -10003, /* a message is longer than the channel's message limit */
    ASYNCHAT_ETRUNCATED =
        -10004, /* a file is shorter than the length that was to be sent */
    ASYNCHAT_EFULL =
        -10005, /* more is queued than the channel's output limit */
    ASYNCHAT_EIDLE = -10006,    /* nothing came or moved for too long */
    ASYNCHAT_ESTALLED = -10007, /* the peer took nothing for too long */
    ASYNCHAT_ESLOW = -10008,    /* a message comes too slowly */
    ASYNCHAT_ESTOPPED = -10009, /* the server was told to stop */
    ASYNCHAT_EADDRESS = -10010, /* a text is not an address: see connect.h */
    ASYNCHAT_EHANDSHAKE =
        -10011,              /* the handshake of a layer failed: see layer.h */
    ASYNCHAT_ELATE = -10012, /* the handshake of a layer, or a PROXY header,
                                took too long */
    ASYNCHAT_ECERTIFICATE = -10013, /* a certificate is not good, or is for
                                       another name: see tls.h */
    ASYNCHAT_ECUTOFF =
        -10014, /* the connection ended without the peer's last word */
    ASYNCHAT_EPROTOCOL = -10015, /* the peer does not speak what was agreed */
    ASYNCHAT_EBARE = -10016, /* a CR without LF, or an LF without CR, where only
                                CR LF ends a line */
    ASYNCHAT_EFRAMING = -10017,   /* the framing of a message is broken */
    ASYNCHAT_EDEADLINE = -10018,  /* a request was not over by its deadline */
    ASYNCHAT_ENONAME = -10019,    /* there is no host, or no service, of this
                                    name */
    ASYNCHAT_ENOADDRESS = -10020, /* the name has no address */
    ASYNCHAT_ETRYAGAIN = -10021,  /* the name could not be looked up: it may be
                                     possible later */
    ASYNCHAT_EPROXY =
        -10022 /* what came is no PROXY header, or a broken one: see proxy.h */
};

/* Returns the text of an error code, without a full stop. The result is never
 * NULL, not even for an unknown code. It is lent until the next call in the
 * same thread. Any thread may call this function. Since 0.1. */
ASYNCHAT_API const char *asynchat_strerror(int error);

ASYNCHAT_END_DECLS

#endif
