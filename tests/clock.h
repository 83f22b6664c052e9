/* A clock that stands still in each program that contains it: timers of the
 * loop are due when a test says so. SPDX-License-Identifier: BSD-3-Clause */
#ifndef CLOCK_H
#define CLOCK_H

void clock_advance(long milliseconds);

#endif
