/* The transcript: what is said on a channel, for a log of the conversation.
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
 * With asynchat_set_transcript(ch, record, stderr) that prints a conversation.
 * It is told in the order of the conversation: what came when it is delivered,
 * just before the handler has it, and what is sent when it is queued, or when a
 * producer gives it. A channel without a transcript has no work with it.
 *
 * (Netty: LoggingHandler. Twisted: SpewingProtocol.)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TRANSCRIPT_H
#define ASYNCHAT_TRANSCRIPT_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* What is told. */
enum asynchat_transcript {
    ASYNCHAT_TRANSCRIPT_RECEIVED, /* bytes of a message */
    ASYNCHAT_TRANSCRIPT_FOUND,    /* the message is complete; or it was dropped,
                                     and `len` bytes long, or longer if that is
                                     SIZE_MAX */
    ASYNCHAT_TRANSCRIPT_SENT      /* bytes that were queued; of a file that the
                                     system sends only how many */
};

/* From now on calls `tell` for what is said, also inside the call that says it. Lends
 * `data` until it returns; `data` is NULL for bytes that are secret, for a file's,
 * and for a message that is complete. `tell` may call anything. What it pushes goes
 * behind what it is told of, and is told as well; of a channel that it ends, the
 * handler is not given what it was just told. NULL ends the transcript. Errors:
 * -EINVAL (`ch` is NULL), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_transcript(
    struct asynchat_channel *ch,
    void (*tell)(struct asynchat_channel *ch, enum asynchat_transcript what,
                 const void *data, size_t len, void *arg),
    void *arg);

/* While `secret` is not 0, the transcript is told how many bytes are received and
 * sent, and not which: for a password, say, from the callback that asks for it to
 * the one that has it. Does nothing on a channel without a transcript. Since 0.1. */
ASYNCHAT_API void asynchat_set_secret(struct asynchat_channel *ch, int secret);

ASYNCHAT_END_DECLS

#endif
