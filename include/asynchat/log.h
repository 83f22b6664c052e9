/* The log: what an operator would want to know, as lines of text.
 *
 *     asynchat_set_log(ASYNCHAT_LOG_INFO, print, stderr);
 *
 * Nothing is logged unless this is called, and the library itself never writes
 * anywhere. What is logged, and with which level:
 * - ASYNCHAT_LOG_WARNING: a server has no descriptor or no memory for
 *   connections, once for all that wait;
 * - ASYNCHAT_LOG_INFO: and accepts again; a connection was turned away; a
 *   channel has an error; a server stops, and has stopped;
 * - ASYNCHAT_LOG_DEBUG: a channel is connected, and closes.
 *
 * (Python: asyncore's log_info; the levels are those of logging)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_LOG_H
#define ASYNCHAT_LOG_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* How much a line matters. */
enum asynchat_log_level {
    ASYNCHAT_LOG_DEBUG = 10,
    ASYNCHAT_LOG_INFO = 20,
    ASYNCHAT_LOG_WARNING = 30
};

/* From now on `log` is called for each line of this level or a higher one, in
 * whichever thread it comes up, and may be called by several at once. `text` has
 * no line end and no other control character, also where a peer has chosen a part of
 * it, which its Unix socket's name is. It begins with the address that it is about,
 * or with "channel" where there is none, and is lent until `log` returns. No function
 * of the library may be called in `log`. NULL is silence. For the whole process; to
 * be called while no loop runs. Since 0.1. */
ASYNCHAT_API void asynchat_set_log(enum asynchat_log_level level,
                                   void (*log)(enum asynchat_log_level level,
                                               const char *text, void *arg),
                                   void *arg);

ASYNCHAT_END_DECLS

#endif
