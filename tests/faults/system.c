/* In every scenario, every system call fails with every error that it can give,
 * and moves fewer bytes than asked. SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include <errno.h>
#include <stdlib.h>

/* The n-th call fails with each of these errors. If quick, it fails with one of
 * them, in turn. */
static bool sweep_errors(struct sweep *sweep, unsigned at, const int *errors)
{
    unsigned count = 0;
    while (errors[count])
        count++;
    for (unsigned i = 0; i < count; i++) {
        struct fault fault = {.kind = FAULT_ONCE, .at = at, .error = errors[i]};
        if (sweep->full || i == at % count)
            sweep_run(sweep, fault);
    }
    return count > 0;
}

/* With a changelist, libevent reports success before it tells epoll. If epoll
 * then fails, nobody can notice. */
static bool nobody_hears(enum call call)
{
    return call == CALL_EPOLL_ADD && getenv("EVENT_EPOLL_USE_CHANGELIST");
}

/* The kind of the n-th call is known from a run that is the same up to that
 * call. */
static void each_fails_once(struct sweep *sweep)
{
    for (unsigned at = 1; at <= sweep->expected->calls && at <= TRACE; at++) {
        enum call call = sweep->expected->trace[at - 1];
        if (nobody_hears(call))
            continue;
        sweep_errors(sweep, at, call_errors[call].harmless);
        sweep_errors(sweep, at, call_errors[call].harmful);
    }
}

static void every_other_is_to_be_tried_again(struct sweep *sweep)
{
    for (enum call call = CALL_ALLOC + 1; call < CALLS; call++)
        for (const int *error = call_errors[call].harmless; *error; error++)
            sweep_run(sweep, (struct fault){.kind = FAULT_EVERY_OTHER,
                                            .call = call,
                                            .error = *error});
}

/* All calls are always short together; then the calls of each kind, always or,
 * if quick, for a while. */
static void counts_are_short(struct sweep *sweep)
{
    static const enum call calls[] = {CALL_RECV,  CALL_SEND,  CALL_SENDMSG,
                                      CALL_PREAD, CALL_READV, CALL_SENDFILE,
                                      CALL_WRITEV};
    struct fault fault = {
        .kind = FAULT_SHORT, .at = sweep->full ? 0 : 1000, .call = CALLS};
    sweep_run(sweep, fault);
    fault.at = 3000;
    for (size_t i = 0; sweep->full && i < sizeof calls / sizeof calls[0]; i++) {
        fault.call = calls[i];
        sweep_run(sweep, fault);
    }
}

int main(int argc, char **argv)
{
    static const struct sweep_kind kinds[] = {
        {"each system call fails once", each_fails_once},
        {"every other is to be tried again", every_other_is_to_be_tried_again},
        {"counts are short", counts_are_short},
        {0},
    };
    return sweep_main(argc, argv, false, kinds);
}
