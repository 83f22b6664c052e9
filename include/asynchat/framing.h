/* Framings: ways in which a message ends, other than by a string, by a number
 * of bytes, or by nothing: lines with either line end, several terminators, a
 * length in front of the message, and dotted data as in mail.
 *
 *     asynchat_set_framing(ch, asynchat_framing_lines(ASYNCHAT_LINES_STRICT));
 *
 * What everyone must know:
 * - A framing is a terminator like the others: it holds from the next byte that
 *   was not delivered, for one message after the other, until another
 *   terminator is set. All that channel.h says of terminators, of the message
 *   limit, and of messages whole or in pieces holds for framings as well.
 * - The messages are the same however the input was cut.
 * - A framing belongs to one channel, or to one framer, from the moment that it
 *   is set, and ends with it, or when another terminator is set. So one framing
 *   cannot be set twice: make it anew. It remembers nothing of the messages
 *   before.
 * - If the framing of a message is broken, the channel ends by handle_error,
 *   with the error that the framing's own comment names; then what was queued
 *   is still sent. If the handler has message_dropped, that is called instead,
 *   at the end of the message, and asynchat_get_dropped_error() tells the
 *   error.
 * - If the input ends while a framing still needs bytes, `cut_off` of
 *   handle_eof is 1, even if none of the message's bytes has come, for example
 *   behind a length.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_FRAMING_H
#define ASYNCHAT_FRAMING_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* --- Setting a framing --- */

/* Makes a framing the terminator of a channel, as asynchat_set_terminator()
 * does with a string. Takes `framing`: on failure it is freed. If `framing` is
 * NULL, the call returns -ENOMEM, so that calls can be nested:
 *
 *     asynchat_set_framing(ch, asynchat_framing_lines(0));
 *
 * asynchat_get_terminator() returns ASYNCHAT_FRAMING then. Bytes that were held
 * back under the terminator before are looked at again, from the loop.
 * Allocates nothing. Errors: -EINVAL (`ch` is NULL, or the framing was made of
 * bad arguments), -ENOMEM (`framing` is NULL), -ENOTSUP (the framing was made
 * of a table with fields that this version does not know). Since 0.1. */
ASYNCHAT_API int asynchat_set_framing(struct asynchat_channel *ch,
                                      struct asynchat_framing *framing);

/* Frees a framing that was not set. NULL is allowed. Since 0.1. */
ASYNCHAT_API void asynchat_framing_free(struct asynchat_framing *framing);

/* Returns which of the terminators of a framing has ended the last message: its
 * number, from 0 on. Returns 0 if the framing has only one, or the terminator
 * in force is not a framing. To be called in `message` or found_terminator,
 * before another terminator is set. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_matched(const struct asynchat_channel *ch);

/* --- Blocks --- */

/* Ends the message after `len` bytes, at most 2^63 - 1, as
 * asynchat_set_terminator_length() does, but 0 is a number like the others: the
 * message ends before another byte is looked at. So a block of 0 bytes is an
 * empty message, which is delivered from the loop, next, and counts for the
 * message budget. After a block the number is 0, and there is no terminator:
 * set the next one in `message` or found_terminator.
 *
 * If the input ends before the block is complete, `cut_off` is 1, even if none
 * of its bytes has come. A handler that sets a block of 0 bytes again and again
 * does not keep other channels waiting: they have their turn in between.
 * Allocates nothing. Errors: -EINVAL (`ch` is NULL, or `len` is too large).
 * Since 0.1. */
ASYNCHAT_API int asynchat_set_block(struct asynchat_channel *ch, uint64_t len);

/* Drops the next `len` bytes that were not delivered, as they come, without a
 * callback. The terminator stays, and holds from the byte behind them; another
 * one may be set before or after this call. The bytes belong to no message, and
 * count for no limit. Several calls add up. Until all of the bytes have come,
 * the channel is not between messages, and the end of the input makes `cut_off`
 * 1. asynchat_discard_buffers() takes the call back. Allocates nothing.
 *
 *     asynchat_skip(ch, n); // a chunk that was refused, for example
 *
 * Errors: -EINVAL (`ch` is NULL, or more than 2^63 - 1 bytes would be dropped),
 * -EBUSY (the terminator is a framing that is in the middle of a message: call
 * this in `message` or found_terminator). Since 0.1. */
ASYNCHAT_API int asynchat_skip(struct asynchat_channel *ch, uint64_t len);

/* --- Messages that were dropped --- */

/* Returns why the last message for which message_dropped was called was
 * dropped: ASYNCHAT_ETOOLONG, or the error of its framing. 0: there was no such
 * message. To be called in message_dropped: later, another message may be in
 * progress that is dropped. Since 0.1. */
ASYNCHAT_API int asynchat_get_dropped_error(const struct asynchat_channel *ch);

/* --- Lines --- */

/* For asynchat_framing_lines(): CR LF alone ends a line. */
#define ASYNCHAT_LINES_STRICT 0x1u

/* Gives a framing of lines, to be set or freed; or NULL if there is no memory,
 * or a flag is unknown. `flags` is 0 or ASYNCHAT_LINES_STRICT.
 *
 * With 0, LF ends a line, and a CR before it belongs to the end. A CR LF that
 * comes in two reads is one end. Any other CR is data. A CR that comes last is
 * held back until the next byte shows what it is.
 *
 * With ASYNCHAT_LINES_STRICT, CR LF ends a line, and nothing else does, as RFC
 * 5321, section 2.3.8, has it. A CR without LF, or an LF without CR, breaks the
 * line with ASYNCHAT_EBARE: the bytes before it are delivered to a handler with
 * collect_incoming_data, and the rest of the line, up to the next CR LF, is
 * dropped. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framing *asynchat_framing_lines(
    unsigned flags);

/* --- Several terminators --- */

/* Some bytes of the caller's. */
struct asynchat_bytes {
    const void *data;
    size_t len;
};

/* The most terminators of a framing. */
#define ASYNCHAT_ALTERNATIVES_MAX 16
/* The most bytes of these terminators, all together. */
#define ASYNCHAT_ALTERNATIVES_SIZE 4096

/* Makes a framing in which any of `n` byte strings ends a message: 1 to
 * ASYNCHAT_ALTERNATIVES_MAX strings of one byte or more, and of at most
 * ASYNCHAT_ALTERNATIVES_SIZE bytes together. The bytes may be zeros.
 *
 *     static const struct asynchat_bytes ends[] = {{"\r\n", 2}, {"\n", 1}};
 *     asynchat_framing_alternatives(ends, 2);
 *
 * The string that is complete first ends the message. If several are complete
 * with the same byte, it is the longest of them. So no complete string is ever
 * held back, and it makes no difference how the stream is cut. With "\r" and
 * "\r\n", therefore, each CR ends a message, and the LF behind it belongs to
 * the next one; with "abcd" and "bc", "xabcd" is the message "xa", which "bc"
 * ends. The number of a terminator is its place in the list; of equal ones the
 * first one counts. The work is linear in the number of bytes, whatever comes.
 *
 * Copies. Gives the framing; or NULL with errno EINVAL (an argument is not as
 * above, or NULL) or ENOMEM. (asyncio: StreamReader.readuntil with a tuple,
 * since Python 3.13) Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framing *
asynchat_framing_alternatives(const struct asynchat_bytes *list, size_t n);

/* --- Dotted data --- */

/* A flag of asynchat_framing_dotted(): each CR and each LF has to be a part of
 * a CR LF. */
#define ASYNCHAT_DOTTED_STRICT 0x1u

/* Makes a framing for the data of a mail or of an article (RFC 5321, section
 * 4.5.2; RFC 3977, section 3.1.1; RFC 1939, section 3). The message ends with a
 * line that is a single dot: at CR LF "." CR LF, of which the first CR LF is
 * the message's, or at "." CR LF at the very beginning, which is an empty
 * message. From each other line that begins with a dot, this dot is taken away
 * while the data streams; it counts nowhere. Only CR LF ends a line.
 *
 * `flags` is 0 or ASYNCHAT_DOTTED_STRICT. Without the flag, a CR without LF and
 * an LF without CR are data like any other. With the flag, the first of them is
 * the error ASYNCHAT_EBARE, which ends the channel. If the handler has
 * `message_dropped`, the message is dropped instead, once, at its true end. No
 * byte behind the error is delivered. (RFC 5321, section 2.3.8)
 *
 * From the moment when the framing is set, a message is in progress: if the
 * input ends then, the message is cut off, even if none of its bytes has come.
 * If the framing stays in force after the end of the message, the next message
 * begins with its first byte.
 *
 * Gives the framing; or NULL with errno EINVAL (another flag) or ENOMEM. Since
 * 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framing *
asynchat_framing_dotted(unsigned flags);

/* --- Lengths in front of messages --- */

/* A message may begin with a head, which says how long the message is. The head
 * is read as soon as it is complete, however it is cut.
 *
 *     static const struct asynchat_prefix prefix = {
 *         .size = sizeof prefix, .bytes = 4};
 *     struct asynchat_framing *framing = asynchat_framing_prefix(&prefix);
 *
 * - A message of length 0 is an empty message.
 * - The message limit is compared with the length of what is delivered. A
 *   message that is too long is told of as soon as its head has come; its bytes
 *   are counted, and not kept.
 * - A head that is broken does not say where its message ends, and neither does
 *   anything behind it. So the stream fails with ASYNCHAT_EFRAMING, even if the
 *   handler takes messages that are too long. Nothing of a broken head is
 *   delivered.
 * - The end of the stream cuts a message off from the first byte of its head
 *   on.
 *
 * The functions that make framings return NULL only if there is no memory. A
 * bad argument is reported when the framing is set. */

/* The flags of a prefix; the last one is for a varint as well. */
enum {
    ASYNCHAT_PREFIX_LITTLE = 1,    /* the first byte of the number counts least
                                      (little endian), and not most */
    ASYNCHAT_PREFIX_INCLUSIVE = 2, /* the number counts the head as well */
    ASYNCHAT_PREFIX_KEPT = 4       /* the head is delivered with the message, as
                                      its first bytes, and not dropped */
};

/* A number in front of each message. The head is the bytes up to the end of the
 * number. The message has as many bytes behind the head as the number says,
 * plus `adjustment`, minus the length of the head if the number is inclusive.
 * If that is below 0, the head is broken. */
struct asynchat_prefix {
    size_t size;     /* sizeof the struct */
    unsigned bytes;  /* of the number: 1, 2, 3, 4 or 8 */
    unsigned offset; /* how many bytes stand in front of the number, such as the
                        type of a message; at most 56 */
    unsigned flags;  /* of ASYNCHAT_PREFIX_LITTLE, _INCLUSIVE and _KEPT */
    int adjustment;  /* is added to the number */
};

/* Makes a framing of messages with a number in front. Copies the table. Gives
 * the framing, or NULL if there is no memory. The framing is bad (-EINVAL) if
 * the table is NULL, has no size, or says something else than above; and
 * (-ENOTSUP) if the table has fields that this version does not know. Since
 * 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framing *
asynchat_framing_prefix(const struct asynchat_prefix *prefix);

/* Writes the number that stands in front of `len` bytes to `to`, which has
 * `prefix->bytes` bytes. The bytes in front of the number are not written.
 * Errors: -EMSGSIZE (the number does not fit, or would be below 0), -EINVAL
 * (`to` is NULL, or the table is bad: see asynchat_framing_prefix()), -ENOTSUP
 * (the table has fields that this version does not know). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_prefix_write(
    const struct asynchat_prefix *prefix, uint64_t len, void *to);

/* The flag of a varint of MQTT: */
enum {
    ASYNCHAT_VARINT_MQTT = 8 /* at most four bytes, and no more than needed */
};

/* Makes a framing of messages with a varint in front: a number in groups of 7
 * bits, the lowest group first, with the top bit set in all bytes but the last.
 * `offset` bytes stand in front of the varint, at most 54. The flags are
 * ASYNCHAT_PREFIX_KEPT and ASYNCHAT_VARINT_MQTT, added up.
 *
 * Without ASYNCHAT_VARINT_MQTT a varint has at most 10 bytes and is at most
 * 2^64 - 1, and may have more bytes than its number needs (LEB128). With it a
 * varint has at most four bytes and as few as possible (MQTT 5.0, section
 * 1.5.5); the packets of MQTT have an `offset` of 1. A varint that breaks these
 * rules is a broken head as soon as the byte that breaks them has come.
 *
 * Gives the framing, or NULL if there is no memory. The framing is bad
 * (-EINVAL) if there are other flags, or the offset is too large. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framing *
asynchat_framing_varint(unsigned offset, unsigned flags);

/* Makes a framing of netstrings, such as "5:hello,". The digits, the colon and
 * the comma are dropped. A head is broken if it does not begin with a digit,
 * has a 0 in front of another digit, or says more than 2^64 - 1; and so is a
 * message if anything but a comma stands behind its last byte. Gives the
 * framing, or NULL if there is no memory. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framing *
asynchat_framing_netstring(void);

/* What a function of the program's answers about the first bytes of a message.
 * Anything below 0 is an error. */
enum {
    ASYNCHAT_HEAD_KNOWN = 0, /* it has filled in the struct asynchat_head */
    ASYNCHAT_HEAD_MORE = 1,  /* it needs more bytes */
    ASYNCHAT_HEAD_SKIP = 2   /* no message begins here: the first `skip` bytes
                                are dropped, and it is asked about the next
                                ones */
};

/* What a head says. Both fields are 0 before the function is called. */
struct asynchat_head {
    size_t skip;     /* how many of the bytes are dropped; not more than the
                        function was given */
    uint64_t length; /* how many bytes of the message follow; with the head, if
                        that is not dropped */
};

/* Makes a framing of messages whose length a function of the program's tells.
 * The function gets the first bytes of a message, 1 to `most`, and `arg`:
 * first what has come, and more bytes after it has answered ASYNCHAT_HEAD_MORE.
 * `most` is 1 to 64.
 *
 *     static int look(const void *bytes, size_t len, struct asynchat_head *head,
 *                     void *arg)
 *     {
 *         const unsigned char *b = bytes;
 *         if (len < 2)
 *             return ASYNCHAT_HEAD_MORE;
 *         head->skip = 2;
 *         head->length = 4u * b[1]; // the second byte counts words
 *         return ASYNCHAT_HEAD_KNOWN;
 *     }
 *
 * - The answer must follow from the bytes alone. The function may be asked
 *   about the same bytes more than once, and may be given bytes that belong to
 *   the next message already.
 * - The function must not call anything of a channel or a framer.
 * - The function may ask for more bytes than the message turns out to have.
 *   Then the bytes behind the message are held back when it ends, and
 *   asynchat_skip() returns -EBUSY.
 * - The stream fails with the function's error. It fails with ASYNCHAT_EFRAMING
 *   if the function answers ASYNCHAT_HEAD_MORE about `most` bytes, skips no
 *   bytes or more than it was given, tells of a message that uses up no byte at
 *   all, or gives an answer that does not exist.
 *
 * Gives the framing, or NULL if there is no memory. The framing is bad
 * (-EINVAL) if `look` is NULL or `most` is something else. Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD struct asynchat_framing *
asynchat_framing_function(int (*look)(const void *bytes, size_t len,
                                      struct asynchat_head *head, void *arg),
                          size_t most, void *arg);

ASYNCHAT_END_DECLS

#endif
