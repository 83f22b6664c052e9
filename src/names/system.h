/* Look-ups by the system's resolver.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SYSTEM_H
#define ASYNCHAT_SYSTEM_H

struct lookup;
struct lookup_wish;

/* As asynchat__lookup_begin(). */
int asynchat__system_begin(const struct lookup_wish *wish, struct lookup **out);

#endif
