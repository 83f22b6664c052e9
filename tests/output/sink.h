/* A socket that takes as many bytes as it is told to: the linker redirects the
 * library's send and sendmsg to this file (--wrap).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef OUTPUT_SINK_H
#define OUTPUT_SINK_H

#include <stddef.h>

/* From now on `fd` is that socket, and takes nothing; -1 for none. */
void sink_open(int fd);

/* From now on the socket takes `bytes` bytes, and then none. */
void sink_allow(size_t bytes);

/* How many it has taken since it was opened. */
size_t sink_taken(void);

/* The most bytes that it was offered at once since the last call. */
size_t sink_offered(void);

/* Prints what it has taken since the last call: in hex, or of more than 32
 * bytes the length and a hash (FNV-1a). */
void sink_print(void);

#endif
