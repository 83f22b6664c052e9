/* Noticing that a peer has vanished: keepalive and TCP_USER_TIMEOUT.
 *
 * Neither is enough. While sent bytes are not acknowledged, the system sends
 * these again, for a quarter of an hour, and no probes. While nothing is sent,
 * TCP_USER_TIMEOUT alone never looks. With both, Linux ends a connection at the
 * probe that is due when the time is over, however many probes there were.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "client/silence.h"

#include <errno.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

/* The most that Linux takes, in seconds and in probes. */
#define MOST_SECONDS 32767
#define MOST_PROBES 127

static unsigned silence_clamp(unsigned value, unsigned most)
{
    return value < 1 ? 1 : value < most ? value : most;
}

static int silence_set(int fd, int level, int name, unsigned value)
{
    int number = (int)value;
    return setsockopt(fd, level, name, &number, sizeof number) < 0 ? -errno : 0;
}

/* The first probe after a third of the time, the others after a sixth each. */
static int silence_probe(int fd, unsigned time)
{
    unsigned idle = silence_clamp(time / 3000, MOST_SECONDS);
    unsigned between = silence_clamp(time / 6000, MOST_SECONDS);
    unsigned rest = time / 1000 > idle ? time / 1000 - idle : 0;
    unsigned probes =
        silence_clamp((rest + between - 1) / between, MOST_PROBES);
    int error = silence_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    if (!error)
        error = silence_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, between);
    if (!error)
        error = silence_set(fd, IPPROTO_TCP, TCP_KEEPCNT, probes);
    return error ? error : silence_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

int asynchat__silence_limit(int fd, const struct sockaddr *to, unsigned time)
{
    if (to->sa_family != AF_INET && to->sa_family != AF_INET6)
        return 0;
    int error = silence_probe(fd, time);
    return error ? error : silence_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, time);
}
