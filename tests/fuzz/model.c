/* How a stream must be delivered, by the plain definition.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <string.h>

bool model_ends(const struct model *m)
{
    if (m->kind == ASYNCHAT_LENGTH)
        return m->until > m->at;
    return m->kind == ASYNCHAT_STRING && m->bytes_len > 0;
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
            return (struct model_end){at, true};
    if (m->ended)
        return (struct model_end){m->len, false};
    while (at < m->len && !stands_at(m, at, m->len - at))
        at++;
    return (struct model_end){at, false};
}

/* Like string_end(), but does not search twice. */
static struct model_end string_end_again(struct model *m)
{
    if (m->last_from != m->from || m->last_len != m->len + m->ended)
        m->last = string_end(m);
    m->last_from = m->from;
    m->last_len = m->len + m->ended;
    return m->last;
}

struct model_end model_end(struct model *m)
{
    if (!model_ends(m))
        return (struct model_end){m->len, false};
    if (m->kind == ASYNCHAT_STRING)
        return string_end_again(m);
    if (m->until <= m->len)
        return (struct model_end){m->until, true};
    return (struct model_end){m->len, false};
}

void model_set(struct model *m, enum asynchat_terminator kind,
               const uint8_t *bytes, size_t len)
{
    m->kind = kind;
    m->last_len = SIZE_MAX;
    m->from = m->at;
    m->until = m->at + len;
    m->bytes_len = kind == ASYNCHAT_STRING ? len : 0;
    if (m->bytes_len > 0)
        memmove(m->bytes, bytes, len);
}

void model_discard(struct model *m)
{
    m->until += m->len - m->at;
    m->begin = m->from = m->at = m->len;
}

/* The last of a number of bytes ends the message, whatever is set meanwhile. */
bool model_data(struct model *m, const uint8_t *data, size_t len)
{
    if (m->due || len == 0 || m->at + len > model_end(m).at ||
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
    bool found = end.found && end.at == m->at && m->kind == ASYNCHAT_STRING;
    if (!m->due && !found)
        return false;
    model_next(m, m->at + (m->due ? 0 : m->bytes_len));
    m->due = false;
    return true;
}

/* If messages have no end, the end of the stream ends the message. */
bool model_message(struct model *m, const uint8_t *data, size_t len)
{
    struct model_end end = model_end(m);
    bool last = m->ended && !model_ends(m) && end.at > m->begin;
    if ((!end.found && !last) || len != end.at - m->begin ||
        memcmp(m->stream + m->begin, data, len) != 0)
        return false;
    model_next(m, end.at + (last ? 0 : m->bytes_len));
    return true;
}

bool model_dropped(struct model *m, uint64_t total)
{
    struct model_end end = model_end(m);
    if ((!end.found && !m->ended) || total != end.at - m->begin)
        return false;
    m->due = false;
    m->at = end.at;
    if (end.found)
        model_next(m, end.at + m->bytes_len);
    return true;
}

bool model_quiet(struct model *m, bool whole)
{
    struct model_end end = model_end(m);
    if (whole)
        m->at = end.at;
    return !m->due && !end.found && m->at == end.at;
}
