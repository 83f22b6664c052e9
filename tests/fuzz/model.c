/* How a stream must be delivered, by the plain definition.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <string.h>

bool model_ends(const struct model *m)
{
    if (m->kind == ASYNCHAT_LENGTH)
        return m->until > m->at;
    return m->kind == ASYNCHAT_FRAMING ||
           (m->kind == ASYNCHAT_STRING && m->bytes_len > 0);
}

static bool stands_at(const struct model *m, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (m->stream[at + i] != m->bytes[i])
            return false;
    return true;
}

/* The first place of the whole terminator, or else the first place at which it
 * may still begin. */
static struct model_end string_end(const struct model *m)
{
    size_t at = m->from;
    for (; at + m->bytes_len <= m->len; at++)
        if (stands_at(m, at, m->bytes_len))
            return (struct model_end){at, true, m->bytes_len, SIZE_MAX};
    if (m->ended)
        return (struct model_end){m->len, false, 0, SIZE_MAX};
    while (at < m->len && !stands_at(m, at, m->len - at))
        at++;
    return (struct model_end){at, false, 0, SIZE_MAX};
}

/* Whether a line breaks the rule at that place. */
static bool is_bare(const struct model *m, size_t at)
{
    const uint8_t *s = m->stream;
    if (s[at] == '\n')
        return at == m->from || s[at - 1] != '\r';
    return s[at] == '\r' && at + 1 < m->len && s[at + 1] != '\n';
}

static struct model_end lines_end(const struct model *m)
{
    struct model_end end = {m->len, false, 0, SIZE_MAX};
    const uint8_t *s = m->stream;
    for (size_t at = m->from; at < m->len; at++) {
        bool cr = at > m->from && s[at - 1] == '\r';
        if (s[at] == '\n' && (cr || !m->strict)) {
            end.at = at - cr;
            end.found = true;
            end.ends = 1 + cr;
            return end;
        }
        if (m->strict && end.bad == SIZE_MAX && is_bare(m, at))
            end.bad = at;
    }
    if (!m->ended && m->len > m->from && s[m->len - 1] == '\r')
        end.at--;
    return end;
}

/* The end of a string or of a line; does not search twice. */
static struct model_end text_end(struct model *m)
{
    if (m->last_from != m->from || m->last_len != m->len + m->ended)
        m->last = m->kind == ASYNCHAT_STRING ? string_end(m) : lines_end(m);
    m->last_from = m->from;
    m->last_len = m->len + m->ended;
    return m->last;
}

struct model_end model_end(struct model *m)
{
    if (!model_ends(m))
        return (struct model_end){m->len, false, 0, SIZE_MAX};
    if (m->kind != ASYNCHAT_LENGTH)
        return text_end(m);
    if (m->until <= m->len)
        return (struct model_end){m->until, true, 0, SIZE_MAX};
    return (struct model_end){m->len, false, 0, SIZE_MAX};
}

bool model_bad(struct model *m)
{
    return model_end(m).bad != SIZE_MAX;
}

void model_set(struct model *m, enum asynchat_terminator kind,
               const uint8_t *bytes, size_t len)
{
    m->kind = kind;
    m->block = false;
    m->empty = false;
    m->last_len = SIZE_MAX;
    m->from = m->at;
    m->until = m->at + len;
    m->bytes_len = kind == ASYNCHAT_STRING ? len : 0;
    if (m->bytes_len > 0)
        memmove(m->bytes, bytes, len);
}

void model_set_lines(struct model *m, bool strict)
{
    model_set(m, ASYNCHAT_FRAMING, NULL, 0);
    m->strict = strict;
}

void model_set_block(struct model *m, size_t len)
{
    model_set(m, ASYNCHAT_LENGTH, NULL, len);
    m->block = true;
    m->empty = len == 0;
}

void model_skip(struct model *m, size_t len)
{
    m->last_len = SIZE_MAX;
    m->until += len;
    m->at += len;
    m->begin = m->from = m->at;
}

void model_discard(struct model *m)
{
    m->until += m->len - m->at;
    m->begin = m->from = m->at = m->len;
}

/* The last of a number of bytes ends the message, whatever is set meanwhile. */
bool model_data(struct model *m, const uint8_t *data, size_t len)
{
    struct model_end end = model_end(m);
    size_t most = end.bad < end.at ? end.bad : end.at;
    if (m->due || m->empty || len == 0 || m->at + len > most ||
        memcmp(m->stream + m->at, data, len) != 0)
        return false;
    m->due = m->kind == ASYNCHAT_LENGTH && m->at + len == m->until;
    m->at += len;
    return true;
}

static void model_next(struct model *m, size_t at)
{
    m->begin = m->from = m->at = at;
}

bool model_found(struct model *m)
{
    struct model_end end = model_end(m);
    bool found = end.found && end.at == m->at && end.ends > 0;
    bool empty = m->empty && !m->due;
    if (!m->due && !empty && (!found || end.bad != SIZE_MAX))
        return false;
    model_next(m, m->at + (m->due || empty ? 0 : end.ends));
    m->due = false;
    m->empty = m->empty && !empty;
    return true;
}

/* If messages have no end, the end of the stream ends the message. */
bool model_message(struct model *m, const uint8_t *data, size_t len)
{
    struct model_end end = model_end(m);
    bool last = m->ended && !model_ends(m) && end.at > m->begin;
    if (m->empty)
        end = (struct model_end){m->at, true, 0, SIZE_MAX};
    if ((!end.found && !last) || len != end.at - m->begin ||
        end.bad != SIZE_MAX || memcmp(m->stream + m->begin, data, len) != 0)
        return false;
    m->empty = false;
    model_next(m, end.at + end.ends);
    return true;
}

bool model_dropped(struct model *m, uint64_t total)
{
    struct model_end end = model_end(m);
    if (m->empty && !m->due)
        end = (struct model_end){m->at, true, 0, SIZE_MAX};
    if ((!end.found && !m->ended) || total != end.at - m->begin)
        return false;
    m->empty = m->empty && m->due;
    m->due = false;
    m->at = end.at;
    if (end.found)
        model_next(m, end.at + end.ends);
    return true;
}

bool model_quiet(struct model *m, bool whole)
{
    struct model_end end = model_end(m);
    if (whole)
        m->at = end.at;
    return !m->due && !m->empty && !end.found && m->at == end.at;
}
