/* The log: lines of text for an operator.
 *
 *     asynchat_set_log(ASYNCHAT_LOG_INFO, print, stderr);
 *
 * Nothing is logged before this call. The library itself never writes anywhere.
 * These events are logged, at these levels:
 *
 * - ASYNCHAT_LOG_WARNING: a server has no descriptor or no memory for a new
 *   connection. There is one line, however many connections wait.
 * - ASYNCHAT_LOG_INFO: such a server accepts connections again; a connection
 *   was turned away; a channel has an error; a server stops; a server has
 *   stopped.
 * - ASYNCHAT_LOG_DEBUG: a channel is connected; a channel closes.
 *
 * (Python: asyncore's log_info; the levels are those of logging)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LOG_H
#define ASYNCHAT_LOG_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* How important a line is. */
enum asynchat_log_level {
    ASYNCHAT_LOG_DEBUG = 10,
    ASYNCHAT_LOG_INFO = 20,
    ASYNCHAT_LOG_WARNING = 30
};

/* Sets the function that is called for each line of this level or a higher one.
 * If `log` is NULL, nothing is logged any more. The setting is for the whole
 * process; call this function only while no loop runs.
 *
 * `log` is called in the thread where the event occurs, possibly by several
 * threads at once. It may not call any function of the library. `text` begins
 * with the address that the line is about, or with "channel" if there is no
 * address. It has no line end and no other control character, even if a peer
 * has chosen part of it, such as the name of its Unix socket. `text` is lent
 * until `log` returns. Since 0.1. */
ASYNCHAT_API void asynchat_set_log(enum asynchat_log_level level,
                                   void (*log)(enum asynchat_log_level level,
                                               const char *text, void *arg),
                                   void *arg);

ASYNCHAT_END_DECLS

#endif
