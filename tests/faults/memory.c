/* Every allocation fails, once and from then on, in every scenario.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include <errno.h>

static void sweep_allocations(struct sweep *sweep, int kind, unsigned step)
{
    struct fault fault = {.kind = kind, .at = 1, .error = ENOMEM};
    while (sweep_run(sweep, fault))
        fault.at += step;
}

static void each_fails_once(struct sweep *sweep)
{
    sweep_allocations(sweep, FAULT_ONCE, 1);
}

static void all_fail_from_then_on(struct sweep *sweep)
{
    sweep_allocations(sweep, FAULT_FROM, sweep->full ? 1 : 3);
}

int main(int argc, char **argv)
{
    static const struct sweep_kind kinds[] = {
        {"each allocation fails once", each_fails_once},
        {"all allocations fail from then on", all_fail_from_then_on},
        {0},
    };
    return sweep_main(argc, argv, true, kinds);
}
