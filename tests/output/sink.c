/* A socket that takes as many bytes as it is told to.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sink.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SHOWN 32

static struct {
    int fd;
    size_t budget, taken, offered;
    uint64_t hash;
    size_t fresh;               /* bytes taken since the last print */
    unsigned char shown[SHOWN]; /* the beginning of these bytes */
} sink = {.fd = -1};

static void forget(void)
{
    sink.fresh = 0;
    sink.hash = 0xCBF29CE484222325;
}

void sink_open(int fd)
{
    memset(&sink, 0, sizeof sink);
    sink.fd = fd;
    forget();
}

void sink_allow(size_t bytes)
{
    sink.budget = bytes;
}

size_t sink_taken(void)
{
    return sink.taken;
}

size_t sink_offered(void)
{
    size_t offered = sink.offered;
    sink.offered = 0;
    return offered;
}

void sink_print(void)
{
    if (sink.fresh > SHOWN)
        printf("#%zu:%016llx", sink.fresh, (unsigned long long)sink.hash);
    else if (sink.fresh == 0)
        printf("-");
    for (size_t i = 0; i < sink.fresh && sink.fresh <= SHOWN; i++)
        printf("%02x", sink.shown[i]);
    forget();
}

static void take(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++, sink.fresh++) {
        if (sink.fresh < SHOWN)
            sink.shown[sink.fresh] = bytes[i];
        sink.hash = (sink.hash ^ bytes[i]) * 0x100000001B3;
    }
    sink.budget -= len;
    sink.taken += len;
}

static ssize_t take_pieces(const struct iovec *pieces, size_t count)
{
    size_t offered = 0, before = sink.taken;
    for (size_t i = 0; i < count; i++) {
        size_t len = pieces[i].iov_len;
        offered += len;
        take(pieces[i].iov_base, len < sink.budget ? len : sink.budget);
    }
    if (offered > sink.offered)
        sink.offered = offered;
    if (sink.taken > before || offered == 0)
        return (ssize_t)(sink.taken - before);
    errno = EAGAIN;
    return -1;
}

/* --- what the linker calls --- */

ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    struct iovec piece = {(void *)(uintptr_t)data, len};
    return fd == sink.fd ? take_pieces(&piece, 1)
                         : __real_send(fd, data, len, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return fd == sink.fd ? take_pieces(message->msg_iov, message->msg_iovlen)
                         : __real_sendmsg(fd, message, flags);
}
