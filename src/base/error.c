/* The texts of error codes, and the version.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/error.h>
#include <asynchat/version.h>

#include <stddef.h>
#include <string.h>

/* The texts of the library's own codes, which go down from ASYNCHAT_EOF. */
#define TEXT(code) [ASYNCHAT_EOF - (code)]
static const char *const texts[] = {
    TEXT(ASYNCHAT_EOF) = "the peer ended the connection",
    TEXT(ASYNCHAT_ECLOSED) = "the channel is closed",
    TEXT(ASYNCHAT_ETOOLONG) = "the message is too long",
    TEXT(ASYNCHAT_ETRUNCATED) =
        "the file is shorter than the length to be sent",
    TEXT(ASYNCHAT_EFULL) = "too much output is queued for the peer",
    TEXT(ASYNCHAT_EIDLE) = "the connection was idle for too long",
    TEXT(ASYNCHAT_ESTALLED) = "the peer took no output for too long",
    TEXT(ASYNCHAT_ESLOW) = "the message came too slowly",
    TEXT(ASYNCHAT_ESTOPPED) = "the server was stopped",
    TEXT(ASYNCHAT_EADDRESS) = /* one text: NOLINTNEXTLINE(bugprone-*) */
    ("not an address like 192.0.2.1:25, [2001:db8::1]:25 or "
     "unix:/run/x (host names are not looked up)"),
    TEXT(ASYNCHAT_EHANDSHAKE) = "the handshake failed",
    TEXT(ASYNCHAT_ELATE) = "the handshake took too long",
    TEXT(ASYNCHAT_ECERTIFICATE) = "the certificate is not good",
    TEXT(ASYNCHAT_ECUTOFF) = "the connection was cut off",
    TEXT(ASYNCHAT_EPROTOCOL) = "the peer does not speak what was agreed",
    TEXT(ASYNCHAT_EBARE) = "a line does not end with CR LF",
    TEXT(ASYNCHAT_EFRAMING) = "the framing of a message is broken",
    TEXT(ASYNCHAT_EDEADLINE) = "the request was not over by its deadline",
    TEXT(ASYNCHAT_ENONAME) = "there is no such name",
    TEXT(ASYNCHAT_ENOADDRESS) = "the name has no address",
    TEXT(ASYNCHAT_ETRYAGAIN) = "the name could not be looked up at the moment",
    TEXT(ASYNCHAT_EPROXY) = "the PROXY header is wrong",
};
#undef TEXT

/* NULL for a code that is not one of the library's own. */
static const char *own_text(int error)
{
    unsigned place = (unsigned)ASYNCHAT_EOF - (unsigned)error;
    return place < sizeof texts / sizeof *texts ? texts[place] : NULL;
}

const char *asynchat_strerror(int error)
{
    const char *text = error == 0 ? "success" : own_text(error);
    if (text)
        return text;
    /* The text is the thread's own: NOLINTNEXTLINE(concurrency-*) */
    return error < 0 && error > ASYNCHAT_EOF ? strerror(-error)
                                             : "unknown error";
}

const char *asynchat_version(void)
{
    return ASYNCHAT_VERSION;
}
