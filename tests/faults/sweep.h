/* A sweep: every scenario with every fault of a kind, as cmocka tests.
 *
 *     faults_memory [quick|full [NAME*]]
 *
 * quick runs a part that finds most of what full finds. NAME is the name of a
 * test, and may have * and ?.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAULTS_SWEEP_H
#define FAULTS_SWEEP_H

#include "world.h"

struct sweep {
    const struct scenario *scenario;
    const struct outcome *expected; /* the outcome without a fault */
    bool memory, full;
    unsigned runs, wrong;
};

/* One kind of fault: calls sweep_run() for each. */
struct sweep_kind {
    const char *name;
    void (*all)(struct sweep *sweep);
};

/* Runs the scenario with a fault, and prints what went wrong. Returns whether
 * the fault happened at all. */
bool sweep_run(struct sweep *sweep, struct fault fault);

/* The work of main(). The kinds end with a kind without a name. */
int sweep_main(int argc, char **argv, bool memory,
               const struct sweep_kind *kinds);

#endif
