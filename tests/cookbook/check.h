/* An assert that is there in every build.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHECK_H
#define CHECK_H

#include <err.h>

#define CHECK(truth)                                                           \
    ((truth) ? (void)0                                                         \
             : errx(1, "%s:%d: not so: %s", __FILE__, __LINE__, #truth))

#endif
