/* The data of a mail, strictly
 *
 * Use this for SMTP, and for other protocols in which a line that is a single
 * dot ends the data. The trap is a line end that two programs read
 * differently: what one of them takes for text is to the other the end of the
 * mail, and the beginning of a second one. So here a CR alone or an LF alone
 * ends nothing, and the mail is refused at its true end. One deadline is for
 * all of the data, and no byte begins it anew. Before a mail server says
 * "250", it also calls fsync(2).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <stdio.h>

/* Yours: pushes the text, and sets what commands need, as below. */
void answer(struct asynchat_channel *ch, const char *text);

static void piece(struct asynchat_channel *ch, const void *bytes,
                  size_t len, void *file)
{
    fwrite(bytes, 1, len, file);
}

static void whole(struct asynchat_channel *ch, void *file)
{
    answer(ch, fflush(file) || ferror(file) ? "451 failed" : "250 stored");
}

static void refused(struct asynchat_channel *ch, const void *first,
                    size_t len, uint64_t total, void *file)
{
    int bare = asynchat_get_dropped_error(ch) == ASYNCHAT_EBARE;
    answer(ch, bare ? "554 CR or LF" : "552 too long");
}

static void failed(struct asynchat_channel *ch, int error, void *file)
{
    if (error == ASYNCHAT_EDEADLINE)
        asynchat_push(ch, "421 too slow\r\n", 14);
}

void expect_data(struct asynchat_channel *ch) /* for the command DATA */
{
    static const struct asynchat_handler data = {
        .size = sizeof data,
        .collect_incoming_data = piece,
        .found_terminator = whole,
        .message_dropped = refused,
        .handle_error = failed,
    };
    const unsigned strict = ASYNCHAT_DOTTED_STRICT;
    asynchat_push(ch, "354 go on\r\n", 11);
    if (asynchat_set_handler(ch, &data) ||
        asynchat_set_framing(ch, asynchat_framing_dotted(strict)) ||
        asynchat_set_message_limit(ch, 10 << 20) ||
        asynchat_set_deadline(ch, 600000))
        asynchat_close(ch);
}
