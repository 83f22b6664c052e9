/* How a stream must be delivered, with terminators that change, and limits.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <string.h>

#include <asynchat/error.h>

/* --- the message in progress --- */

void model_begin(struct model *m)
{
    memset(m, 0, sizeof *m);
    m->read_len = SIZE_MAX;
}

/* Does not read twice. */
const struct naive_message *model_message(struct model *m)
{
    if (m->read_from != m->from || m->read_len != m->len)
        naive_read(&m->ends, m->stream, m->len, m->from, &m->message);
    m->read_from = m->from;
    m->read_len = m->len;
    return &m->message;
}

static void model_look(struct model *m, size_t from)
{
    m->from = from;
    m->said = 0;
    m->read_len = SIZE_MAX;
}

/* How many bytes come of the message if nothing keeps them back. */
static size_t model_count(struct model *m)
{
    const struct naive_message *n = model_message(m);
    return m->ended ? n->count : n->count - n->held;
}

/* A length that is announced may be larger than any size. */
static uint64_t model_room(const struct model *m)
{
    if (m->limit == SIZE_MAX)
        return UINT64_MAX;
    return m->limit > m->before ? m->limit - m->before : 0;
}

size_t model_allowed(struct model *m, int *error)
{
    const struct naive_message *n = model_message(m);
    uint64_t room = model_room(m);
    size_t count = model_count(m);
    *error = m->spoiled;
    if (*error)
        return 0;
    if (n->whole > room)
        *error = ASYNCHAT_ETOOLONG;
    else if (n->error && n->bad <= room)
        *error = n->error;
    else if (count > room)
        *error = ASYNCHAT_ETOOLONG;
    if (n->whole > room)
        return 0;
    if (*error)
        return *error == ASYNCHAT_ETOOLONG ? (size_t)room : n->bad;
    return count;
}

bool model_is_empty_block(const struct model *m)
{
    return m->ends.kind == NAIVE_BLOCK && m->ends.number == 0;
}

bool model_is_between(struct model *m)
{
    return m->before + m->said == 0 && !m->due && !m->spoiled &&
           !model_is_empty_block(m);
}

bool model_is_cut_off(struct model *m)
{
    const struct naive_message *n = model_message(m);
    bool number = m->ends.kind == NAIVE_NUMBER && m->ends.number > 0;
    bool ends = m->ends.kind > NAIVE_NUMBER || number;
    bool have = m->before + n->count > 0 || n->error || m->spoiled;
    return (have && ends) || (n->begun && !n->ended);
}

/* The byte that was not handed out yet, or else was not looked at. */
static size_t model_place(struct model *m, bool delivering)
{
    const struct naive_message *n = model_message(m);
    if (!delivering)
        return m->len - n->held;
    return m->said > 0 ? n->at[m->said - 1] + 1u : m->from;
}

/* --- what is called --- */

static bool model_is_number(const struct model *m)
{
    return m->ends.kind == NAIVE_NUMBER || m->ends.kind == NAIVE_BLOCK;
}

/* After the bytes of a number there is nothing to wait for. */
static void model_over(struct model *m)
{
    if (model_is_number(m))
        m->ends.kind = NAIVE_NONE;
    m->ends.first = m->ends.inside = false;
}

static void model_next(struct model *m, size_t at)
{
    m->before = 0;
    m->spoiled = 0;
    model_look(m, at);
}

void model_set(struct model *m, const struct naive *ends, bool delivering)
{
    int error;
    size_t place = model_place(m, delivering);
    model_allowed(m, &error);
    if (!delivering)
        m->spoiled = error;
    m->before += m->said;
    m->ends = *ends;
    if (ends->kind == NAIVE_WORDS && ends->count == 1) {
        memmove(m->bytes, ends->words[0].data, ends->words[0].len);
        m->ends.words[0].data = m->bytes;
    }
    model_look(m, place);
}

size_t model_rest(struct model *m, bool delivering)
{
    return m->len - model_place(m, delivering);
}

void model_skip(struct model *m, size_t len, bool delivering)
{
    model_look(m, model_place(m, delivering) + len);
}

bool model_has_looked(struct model *m)
{
    const struct naive_message *n = model_message(m);
    return m->said == 0 || m->ends.kind <= NAIVE_LINES ||
           (!n->ended && m->said == model_count(m));
}

/* The rest of a message whose head is over is waited for. */
static void model_lose(struct model *m, const struct naive_message *n)
{
    m->ends.first = n->begun;
    m->ends.inside = n->inside && !n->ended;
    if (m->ends.inside)
        m->ends.number = n->end == SIZE_MAX ? UINT64_MAX / 2 : n->end - m->len;
}

/* Of a number, what was handed out counts. In a callback the bytes behind those
 * that have come may not have been looked at. */
void model_discard(struct model *m, bool delivering)
{
    if (model_is_number(m))
        m->ends.number -= m->said;
    else if (m->said > 0 || !delivering)
        model_lose(m, model_message(m));
    model_next(m, m->len);
}

/* --- what comes --- */

/* If a message ends with its last byte, and not with anything behind it, it has
 * ended, whatever is set meanwhile. */
bool model_data(struct model *m, const uint8_t *data, size_t len)
{
    const struct naive_message *n = model_message(m);
    int error;
    if (m->due || model_is_empty_block(m) || len == 0 ||
        m->said + len > model_allowed(m, &error))
        return false;
    for (size_t i = 0; i < len; i++) {
        m->got[m->before + m->said + i] = data[i];
        if (data[i] != m->stream[n->at[m->said + i]])
            return false;
    }
    m->said += len;
    m->due =
        n->ended && m->said == n->count && n->end == n->at[m->said - 1] + 1u;
    if (m->due) {
        m->before += m->said;
        model_over(m);
        model_look(m, n->end);
    }
    return true;
}

bool model_found(struct model *m)
{
    const struct naive_message *n = model_message(m);
    int error;
    if (m->due) {
        m->due = false;
        m->before = 0;
        return true;
    }
    if (!n->ended || m->said < model_allowed(m, &error) || error)
        return false;
    model_over(m);
    model_next(m, n->end);
    return true;
}

/* If messages have no end, the end of the stream ends the message. */
bool model_whole(struct model *m, const uint8_t *data, size_t len)
{
    const struct naive_message *n = model_message(m);
    int error;
    size_t count = model_allowed(m, &error);
    bool last = m->ended && !model_is_cut_off(m) && m->before + count > 0;
    if (error || (!n->ended && !last) || len != m->before + count)
        return false;
    for (size_t i = m->said; i < count; i++)
        m->got[m->before + i] = m->stream[n->at[i]];
    if (memcmp(m->got, data, len) != 0)
        return false;
    model_over(m);
    model_next(m, n->ended ? n->end : m->len);
    return true;
}

bool model_kept(struct model *m, const uint8_t *data, size_t len)
{
    const struct naive_message *n = model_message(m);
    for (size_t i = 0; i < len; i++) {
        size_t at = i - m->before;
        uint8_t byte = i < m->before + m->said ? m->got[i]
                       : at < n->count         ? m->stream[n->at[at]]
                                               : 0;
        if (data[i] != byte)
            return false;
    }
    return true;
}

bool model_dropped(struct model *m, uint64_t total, int error)
{
    const struct naive_message *n = model_message(m);
    int reason;
    model_allowed(m, &reason);
    if (!reason || n->fatal || error != reason || (!n->ended && !m->ended) ||
        total != m->before + n->count)
        return false;
    m->said = n->count;
    if (!n->ended)
        return true;
    model_over(m);
    model_next(m, n->end);
    return true;
}

/* Behind an error that is fatal, nothing can be dropped. */
bool model_failed(struct model *m, int error, bool drops)
{
    const struct naive_message *n = model_message(m);
    int reason;
    model_allowed(m, &reason);
    if (drops)
        return n->fatal && error == n->error;
    return reason && error == reason;
}

bool model_quiet(struct model *m, bool whole)
{
    const struct naive_message *n = model_message(m);
    int error;
    size_t count = model_allowed(m, &error);
    if (m->due || n->fatal || n->ended)
        return false;
    if (!whole && m->said < count)
        return false;
    for (size_t i = m->said; i < count; i++)
        m->got[m->before + i] = m->stream[n->at[i]];
    m->said = model_count(m);
    return true;
}
