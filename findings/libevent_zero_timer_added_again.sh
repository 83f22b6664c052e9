#!/usr/bin/env bash
# A timer of 0 that is added again before it has run is put off: added again in each pass of the loop, it never runs.
# SPDX-License-Identifier: BSD-3-Clause
#
# "As soon as the loop has gone round once" is often written as evtimer_add(timer, &zero), and something that is called
# often says so more than once.
#
# What most would expect: a timer that is due stays due, and the second evtimer_add() changes nothing. What came, with
# libevent 2.1.12: the second one takes the timer off the list of those that run in this pass, and sets it anew. Two
# timers of 0 that were added together become due in the same pass; if the first one adds the second one again, each
# time, the second one is put off each time.
#
# Guessed before: that it stays due, and runs in the same pass. Wrong.
#
# Why it matters here: a channel with a message budget gets its next turn by such a timer, and set it in each of its
# wake-ups: its input stood still while its output went on. The library leaves a timer alone that is due.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

debs=(libevent-dev=2.1.12-stable-8+deb12u1 libevent-core-2.1-7=2.1.12-stable-8+deb12u1)
apt-get -q download "${debs[@]}" >log 2>&1 || { cat log; exit 1; }
for deb in *.deb; do dpkg -x "$deb" root; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)

cat >timers.c <<'END'
#include <stdio.h>
#include <string.h>
#include <event2/event.h>

static struct event *first, *second;
static const struct timeval zero = {0, 0};
static int passes, again, ran;

static void on_first(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    if (++passes < 1000)
        evtimer_add(first, &zero);
    if (again && passes < 1000)
        evtimer_add(second, &zero);
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    ran = ran ? ran : passes;
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    again = argc > 1 && strcmp(argv[1], "again") == 0;
    first = evtimer_new(base, on_first, NULL);
    second = evtimer_new(base, on_second, NULL);
    evtimer_add(first, &zero);
    evtimer_add(second, &zero);
    event_base_dispatch(base);
    printf("%s: the second one ran in pass %d of %d\n", again ? "added again" : "added once", ran, passes);
    return 0;
}
END
cc -Wall -Wextra -I root/usr/include -I "root/usr/include/$triplet" timers.c -o timers \
    -L "root/usr/lib/$triplet" -l:libevent_core-2.1.so.7
run() { LD_LIBRARY_PATH=root/usr/lib/$triplet ./timers "$@"; }

echo 'libevent 2.1.12-stable'
echo 'expected: in pass 1 of 1000, both times'
{ run once; run again; } | tee said
grep -qx 'added once: the second one ran in pass 1 of 1000' said
grep -qx 'added again: the second one ran in pass 1000 of 1000' said
