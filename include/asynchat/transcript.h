/* The transcript: reports what a channel receives and sends, for a log of the
 * conversation.
 *
 *     static void record(struct asynchat_channel *ch,
 *                        enum asynchat_transcript what, const void *data,
 *                        size_t len, void *arg)
 *     {
 *         if (what == ASYNCHAT_TRANSCRIPT_FOUND)
 *             fprintf(arg, "\n");
 *         else if (data)
 *             fwrite(data, 1, len, arg);
 *     }
 *
 * With asynchat_set_transcript(ch, record, stderr) this function prints a
 * conversation. The reports come in the order of the conversation. Input is
 * reported when it is delivered, just before the handler gets it. Output is
 * reported when it is queued, or when a producer gives it. A channel without a
 * transcript does no work for this.
 *
 * (Netty: LoggingHandler. Twisted: SpewingProtocol.)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TRANSCRIPT_H
#define ASYNCHAT_TRANSCRIPT_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* What a report is about. */
enum asynchat_transcript {
    ASYNCHAT_TRANSCRIPT_RECEIVED, /* bytes of a message were received */
    ASYNCHAT_TRANSCRIPT_FOUND,    /* the message is complete; `len` is 0, or if
                                     the message was dropped its length, where
                                     SIZE_MAX stands for that or more */
    ASYNCHAT_TRANSCRIPT_SENT      /* bytes were queued; for a file that the
                                     system sends, only their number is known */
};

/* Starts a transcript: from now on `tell` is called for everything received and
 * sent, also inside the call that pushes it. Lends `data` until `tell` returns.
 * `data` is NULL for secret bytes, for a file that the system sends, and with
 * ASYNCHAT_TRANSCRIPT_FOUND. `tell` may call anything. Bytes that `tell` pushes
 * go behind the bytes that it is called for, and are reported as well. If
 * `tell` ends the channel, the handler does not get the input that was just
 * reported. If the parameter `tell` is NULL, the transcript ends. Errors:
 * -EINVAL (`ch` is NULL), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_transcript(
    struct asynchat_channel *ch,
    void (*tell)(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg),
    void *arg);

/* Hides the bytes from the transcript while `secret` is not 0: it then gets
 * only their number. For example, set it in the callback that asks for a
 * password, and set it to 0 in the callback that gets the password. Does
 * nothing on a channel without a transcript. Since 0.1. */
ASYNCHAT_API void asynchat_set_secret(struct asynchat_channel *ch, int secret);

ASYNCHAT_END_DECLS

#endif
