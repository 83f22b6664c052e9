/* The texts of error codes, and the version.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/error.h>
#include <asynchat/version.h>

#include <string.h>

const char *asynchat_strerror(int error)
{
    switch (error) {
    case 0:
        return "success";
    case ASYNCHAT_EOF:
        return "the peer ended the connection";
    case ASYNCHAT_ECLOSED:
        return "the channel is closed";
    case ASYNCHAT_ETOOLONG:
        return "the message is too long";
    case ASYNCHAT_ETRUNCATED:
        return "the file is shorter than the length to be sent";
    case ASYNCHAT_EFULL:
        return "too much output is queued for the peer";
    case ASYNCHAT_EIDLE:
        return "the connection was idle for too long";
    case ASYNCHAT_ESTALLED:
        return "the peer took no output for too long";
    case ASYNCHAT_ESLOW:
        return "the message came too slowly";
    case ASYNCHAT_ESTOPPED:
        return "the server was stopped";
    case ASYNCHAT_EADDRESS:
        return "not an address like 192.0.2.1:25, [2001:db8::1]:25 or "
               "unix:/run/x (host names are not looked up)";
    case ASYNCHAT_EHANDSHAKE:
        return "the handshake failed";
    case ASYNCHAT_ELATE:
        return "the handshake took too long";
    case ASYNCHAT_ECUTOFF:
        return "the connection was cut off";
    case ASYNCHAT_EPROTOCOL:
        return "the peer does not speak what was agreed";
    default: /* the text is the thread's own: NOLINTNEXTLINE(concurrency-*) */
        return error < 0 && error > ASYNCHAT_EOF ? strerror(-error)
                                                 : "unknown error";
    }
}

const char *asynchat_version(void)
{
    return ASYNCHAT_VERSION;
}
