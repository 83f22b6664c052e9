/* Messages in each framing, and dotted mails, found by hand.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <string.h>

#include "peer.h"

/* --- a length in front --- */

static const char *frame_rest(struct frame *f, const char *data,
                              const char *end)
{
    if ((uint64_t)(end - data) < f->left) {
        f->left -= (uint64_t)(end - data);
        return NULL;
    }
    data += f->left;
    *f = (struct frame){0};
    return data;
}

static const char *block_end(struct frame *f, const char *data, const char *end)
{
    if (f->left == 0)
        f->left = PEER_SIZE;
    return frame_rest(f, data, end);
}

static const char *prefix_end(struct frame *f, const char *data,
                              const char *end)
{
    while (!f->inside && data < end) {
        f->left = f->left << 8 | (uint8_t)*data++;
        f->inside = ++f->digits == 4;
    }
    return f->inside ? frame_rest(f, data, end) : NULL;
}

static const char *varint_end(struct frame *f, const char *data,
                              const char *end)
{
    while (!f->inside && data < end) {
        uint8_t byte = (uint8_t)*data++;
        f->left |= (uint64_t)(byte & 0x7f) << (7 * f->digits++);
        f->inside = byte < 0x80;
        if (f->digits == 9 && !f->inside)
            f->broken = f->inside = true;
    }
    return f->inside ? frame_rest(f, data, end) : NULL;
}

/* The comma counts as a byte of the message, the last one. */
static const char *netstring_end(struct frame *f, const char *data,
                                 const char *end)
{
    while (!f->inside && data < end) {
        unsigned digit = (unsigned)(uint8_t)*data++ - '0';
        f->inside = digit == ':' - '0' && f->digits > 0;
        if (f->inside) {
            f->left++;
            break;
        }
        f->left = f->left * 10 + digit;
        if (digit > 9 || ++f->digits > 18)
            f->broken = f->inside = true;
    }
    if (!f->inside || f->broken)
        return NULL;
    data = frame_rest(f, data, end);
    f->broken = data && data[-1] != ',';
    return data;
}

/* --- an end behind --- */

static const char *string_end(struct frame *f, const char *data,
                              const char *end)
{
    return peer_line_end(&f->held, data, end);
}

static const char *lines_end(struct frame *f, const char *data, const char *end)
{
    const char *lf = memchr(data, '\n', (size_t)(end - data));
    (void)f;
    return lf ? lf + 1 : NULL;
}

/* A CR or an LF by itself ends the connection. */
static const char *strict_end(struct frame *f, const char *data,
                              const char *end)
{
    const char *lf = memchr(data, '\n', (size_t)(end - data));
    const char *to = lf ? lf : end;
    if (f->held) {
        f->held = 0;
        f->broken = lf != data;
        return data + 1;
    }
    const char *cr = memchr(data, '\r', (size_t)(to - data));
    f->held = cr && cr + 1 == end;
    f->broken = lf ? !cr || cr + 1 != lf : cr && !f->held;
    return lf ? lf + 1 : NULL;
}

/* Each of the ends has two bytes, and no first byte is the second of
 * another. */
static const char *alternatives_end(struct frame *f, const char *data,
                                    const char *end)
{
    static const char second[256] = {
        ['\r'] = '\n', ['$'] = ' ', ['#'] = ' ', ['>'] = ' '};
    char held = f->held;
    while (data < end) {
        if (held && *data == held) {
            f->held = 0;
            return data + 1;
        }
        held = second[(uint8_t)*data++];
    }
    f->held = held;
    return NULL;
}

frame_end *const frame_ends[FRAMED_KINDS] = {
    string_end,    block_end, prefix_end, prefix_end,      varint_end,
    netstring_end, lines_end, strict_end, alternatives_end};

/* --- mails --- */

/* The bytes of a line, which is not a dot alone. */
static const char *mail_line(struct mail *m, const char *data, const char *end,
                             size_t *length)
{
    const char *lf = memchr(data, '\n', (size_t)(end - data));
    const char *to = lf ? lf + 1 : end;
    bool cr = lf && lf > data ? lf[-1] == '\r' : m->place == MAIL_CR;
    *length += (size_t)(to - data);
    if (lf)
        m->place = cr ? MAIL_BEGIN : MAIL_IN;
    else
        m->place = to[-1] == '\r' ? MAIL_CR : MAIL_IN;
    return to;
}

const char *mail_end(struct mail *m, const char *data, const char *end,
                     size_t *length)
{
    while (data < end) {
        if (m->place == MAIL_BEGIN && *data == '.') {
            m->place = MAIL_DOT;
            data++;
        } else if (m->place == MAIL_DOT && *data == '\r') {
            m->place = MAIL_DOT_CR;
            data++;
        } else if (m->place == MAIL_DOT_CR && *data == '\n') {
            m->place = MAIL_BEGIN;
            return data + 1;
        } else {
            *length += m->place == MAIL_DOT_CR;
            data = mail_line(m, data, end, length);
        }
    }
    return NULL;
}
