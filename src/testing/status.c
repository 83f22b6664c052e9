/* Names of error codes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/status.h"

#include <errno.h>
#include <stdio.h>

#include <asynchat/error.h>

#define STATUS(name)                                                           \
    {                                                                          \
        name, #name                                                            \
    }
#define SYSTEM(name)                                                           \
    {                                                                          \
        -(name), "-" #name                                                     \
    }

/* Errors of the system that a channel often ends with; others are numbers. */
static const struct {
    int status;
    const char *name;
} statuses[] = {
    {0, "0"},
    STATUS(ASYNCHAT_EOF),
    STATUS(ASYNCHAT_ECLOSED),
    STATUS(ASYNCHAT_ETOOLONG),
    STATUS(ASYNCHAT_ETRUNCATED),
    STATUS(ASYNCHAT_EFULL),
    STATUS(ASYNCHAT_EIDLE),
    STATUS(ASYNCHAT_ESTALLED),
    STATUS(ASYNCHAT_ESLOW),
    STATUS(ASYNCHAT_ESTOPPED),
    STATUS(ASYNCHAT_EADDRESS),
    STATUS(ASYNCHAT_EHANDSHAKE),
    STATUS(ASYNCHAT_ELATE),
    STATUS(ASYNCHAT_ECERTIFICATE),
    STATUS(ASYNCHAT_ECUTOFF),
    STATUS(ASYNCHAT_EPROTOCOL),
    STATUS(ASYNCHAT_EBARE),
    STATUS(ASYNCHAT_EFRAMING),
    STATUS(ASYNCHAT_EDEADLINE),
    STATUS(ASYNCHAT_ENONAME),
    STATUS(ASYNCHAT_ENOADDRESS),
    STATUS(ASYNCHAT_ETRYAGAIN),
    STATUS(ASYNCHAT_EPROXY),
    SYSTEM(ECONNRESET),
    SYSTEM(EINVAL),
    SYSTEM(EIO),
    SYSTEM(ENOMEM),
    SYSTEM(ENOTSUP),
    SYSTEM(EPIPE),
    SYSTEM(ETIMEDOUT),
};

const char *asynchat__status_name(int status)
{
    static char text[32];
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].status == status)
            return statuses[i].name;
    (void)snprintf(text, sizeof text, "%d", status);
    return text;
}
