/* How a stream is divided into messages, by the plain definition.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "naive.h"

#include <string.h>

#include <asynchat/error.h>

void naive_begin(struct naive_message *m)
{
    memset(m, 0, offsetof(struct naive_message, at));
    m->bad = SIZE_MAX;
}

void naive_add(struct naive_message *m, size_t at)
{
    m->at[m->count++] = (uint16_t)at;
}

void naive_add_held(struct naive_message *m, size_t at, size_t end)
{
    for (; at < end; at++, m->held++)
        naive_add(m, at);
}

void naive_end(struct naive_message *m, size_t at)
{
    m->ended = true;
    m->begun = false;
    m->end = at;
}

static void add_up_to(struct naive_message *m, size_t at, size_t end)
{
    for (; at < end; at++)
        naive_add(m, at);
}

static void fail(struct naive_message *m, int error, bool fatal)
{
    m->error = error;
    m->bad = m->count;
    m->fatal = fatal;
}

/* --- words --- */

/* Which word ends the first `len` bytes of a message, the longest of those that
 * do; or `count`. */
static size_t word_at_end(const struct naive *k, const uint8_t *message,
                          size_t len)
{
    size_t best = k->count;
    for (size_t i = 0; i < k->count; i++) {
        const struct asynchat_bytes *one = &k->words[i];
        if (one->len <= len &&
            memcmp(message + len - one->len, one->data, one->len) == 0 &&
            (best == k->count || one->len > k->words[best].len))
            best = i;
    }
    return best;
}

/* How many bytes at the end may be the beginning of a word. */
static size_t word_begins(const struct naive *k, const uint8_t *message,
                          size_t len)
{
    size_t most = 0;
    for (size_t i = 0; i < k->count; i++) {
        size_t n = k->words[i].len - 1 < len ? k->words[i].len - 1 : len;
        while (n > most && memcmp(message + len - n, k->words[i].data, n) != 0)
            n--;
        most = n > most ? n : most;
    }
    return most;
}

static void read_words(const struct naive *k, const uint8_t *s, size_t len,
                       size_t at, struct naive_message *m)
{
    for (size_t end = at + 1; end <= len; end++) {
        size_t which = word_at_end(k, s + at, end - at);
        if (which == k->count)
            continue;
        add_up_to(m, at, end - k->words[which].len);
        m->matched = (unsigned)which;
        naive_end(m, end);
        return;
    }
    size_t held = word_begins(k, s + at, len - at);
    add_up_to(m, at, len - held);
    naive_add_held(m, len - held, len);
}

/* --- lines --- */

static void read_lines(const struct naive *k, const uint8_t *s, size_t len,
                       size_t at, struct naive_message *m)
{
    for (; at < len; at++) {
        bool cr = s[at] == '\r';
        if (cr && at + 1 == len) {
            naive_add_held(m, at, len);
            return;
        }
        if (cr && s[at + 1] == '\n') {
            naive_end(m, at + 2);
            return;
        }
        if (!k->strict && s[at] == '\n') {
            naive_end(m, at + 1);
            return;
        }
        if ((cr || s[at] == '\n') && k->strict && !m->error)
            fail(m, ASYNCHAT_EBARE, false);
        naive_add(m, at);
    }
}

/* --- dotted data; all places are counted from the beginning --- */

static bool begins_line(const uint8_t *bytes, size_t at)
{
    return at == 0 || (at >= 2 && memcmp(bytes + at - 2, "\r\n", 2) == 0);
}

/* Where the end mark begins; or `len`. */
static size_t dotted_mark(const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at + 3 <= len; at++)
        if (begins_line(bytes, at) && memcmp(bytes + at, ".\r\n", 3) == 0)
            return at;
    return len;
}

/* Whether a bare CR or LF stands there. Of the last byte of a stream that is
 * cut off this cannot be said. */
static bool is_bare(const uint8_t *bytes, size_t at, size_t len)
{
    if (bytes[at] == '\r')
        return at + 1 < len && bytes[at + 1] != '\n';
    return bytes[at] == '\n' && (at == 0 || bytes[at - 1] != '\r');
}

/* Whether the dot there is taken away. A beginning of the end mark is what it
 * is if the stream ends there. */
static bool is_stuffed(const uint8_t *bytes, size_t at, size_t len)
{
    if (bytes[at] != '.' || !begins_line(bytes, at))
        return false;
    return at + 2 < len || (at + 2 == len && bytes[at + 1] != '\r');
}

/* Where the bytes begin that are held back, if there is no end mark. */
static size_t dotted_held(const uint8_t *bytes, size_t len, bool strict)
{
    if (len >= 1 && bytes[len - 1] == '.' && begins_line(bytes, len - 1))
        return len - 1;
    if (len >= 2 && memcmp(bytes + len - 2, ".\r", 2) == 0 &&
        begins_line(bytes, len - 2))
        return len - 2;
    return strict && len >= 1 && bytes[len - 1] == '\r' ? len - 1 : len;
}

static void read_dotted(const struct naive *k, const uint8_t *s, size_t len,
                        size_t at, struct naive_message *m)
{
    const uint8_t *bytes = s + at;
    size_t n = len - at, body = dotted_mark(bytes, n);
    m->begun = k->first || n > 0;
    for (size_t i = 0; i < body; i++) {
        if (is_stuffed(bytes, i, n))
            continue;
        if (k->strict && !m->error && is_bare(bytes, i, n))
            fail(m, ASYNCHAT_EBARE, false);
        naive_add(m, at + i);
    }
    if (body < n)
        naive_end(m, at + body + 3);
    else
        m->held = n - dotted_held(bytes, n, k->strict && !m->error);
}

/* --- lengths --- */

/* A message of `number` bytes behind a head, with a comma behind it. */
static void read_counted(const uint8_t *s, size_t len, size_t at,
                         uint64_t number, bool comma, struct naive_message *m)
{
    size_t end = number < len - at ? at + (size_t)number : len;
    m->inside = true;
    m->begun = true;
    m->end = number < NAIVE_MOST ? at + (size_t)number : SIZE_MAX;
    add_up_to(m, at, end);
    if (number > len - at || (comma && end == len))
        return;
    if (comma && s[end] != ',')
        fail(m, ASYNCHAT_EFRAMING, true);
    else
        naive_end(m, end + comma);
}

/* A message of which the head has come, with the length that it tells. */
static void read_told(const uint8_t *s, size_t len, size_t at, size_t head,
                      uint64_t number, bool kept, struct naive_message *m)
{
    m->whole = number;
    if (kept)
        m->whole = number > UINT64_MAX - head ? UINT64_MAX : number + head;
    read_counted(s, len, kept ? at : at + head, m->whole, false, m);
}

static void read_head_in_part(size_t at, size_t len, struct naive_message *m)
{
    naive_add_held(m, at, len);
    m->begun = at < len;
}

/* A double is exact for all numbers that a stream of this length can tell
 * apart, and does not wrap. */
static void read_prefix(const struct naive *k, const uint8_t *s, size_t len,
                        size_t at, struct naive_message *m)
{
    const struct asynchat_prefix *p = &k->prefix;
    size_t head = p->offset + p->bytes;
    double number = 0, place = 1;
    if (len - at < head) {
        read_head_in_part(at, len, m);
        return;
    }
    for (unsigned i = 0; i < p->bytes; i++, place *= 256) {
        bool little = p->flags & ASYNCHAT_PREFIX_LITTLE;
        number += place * s[at + p->offset + (little ? i : p->bytes - 1 - i)];
    }
    number += p->adjustment;
    if (p->flags & ASYNCHAT_PREFIX_INCLUSIVE)
        number -= (double)head;
    if (number < 0)
        fail(m, ASYNCHAT_EFRAMING, true);
    else
        read_told(s, len, at, head,
                  number > 1e18 ? UINT64_MAX : (uint64_t)number,
                  p->flags & ASYNCHAT_PREFIX_KEPT, m);
}

static bool varint_is_broken(const uint8_t *varint, size_t len, bool mqtt)
{
    uint8_t last = varint[len - 1];
    if (mqtt)
        return (len > 1 && last == 0) || (len == 4 && last > 127);
    return len == 10 && last > 1;
}

static void read_varint(const struct naive *k, const uint8_t *s, size_t len,
                        size_t at, struct naive_message *m)
{
    const struct asynchat_prefix *p = &k->prefix;
    uint64_t number = 0;
    for (size_t i = 0; at + p->offset + i < len; i++) {
        const uint8_t *varint = s + at + p->offset;
        number += (uint64_t)(varint[i] % 128) << (7 * i);
        if (varint_is_broken(varint, i + 1, p->flags & ASYNCHAT_VARINT_MQTT)) {
            fail(m, ASYNCHAT_EFRAMING, true);
            return;
        }
        if (varint[i] < 128) {
            read_told(s, len, at, p->offset + i + 1, number,
                      p->flags & ASYNCHAT_PREFIX_KEPT, m);
            return;
        }
    }
    read_head_in_part(at, len, m);
}

static bool digits_are_wrong(const uint8_t *digits, size_t n)
{
    return (n > 1 && digits[0] == '0') || n > 20 ||
           (n == 20 && memcmp(digits, "18446744073709551615", 20) > 0);
}

static void read_netstring(const uint8_t *s, size_t len, size_t at,
                           struct naive_message *m)
{
    uint64_t number = 0;
    size_t n = 0;
    for (; at + n < len && s[at + n] >= '0' && s[at + n] <= '9'; n++)
        number = number * 10 + (s[at + n] - '0');
    bool other = at + n < len && (n == 0 || s[at + n] != ':');
    if (other || digits_are_wrong(s + at, n)) {
        fail(m, ASYNCHAT_EFRAMING, true);
    } else if (at + n == len) {
        read_head_in_part(at, len, m);
    } else {
        m->whole = number;
        read_counted(s, len, at + n + 1, number, true, m);
    }
}

/* Asks about one byte, about two, and so on. */
static int ask(const struct naive *k, const uint8_t *bytes, size_t len,
               struct asynchat_head *head)
{
    int answer = ASYNCHAT_HEAD_MORE;
    for (size_t n = 1; n <= len && answer == ASYNCHAT_HEAD_MORE; n++) {
        *head = (struct asynchat_head){0};
        answer = k->look(bytes, n, head, k->arg);
        bool skips = answer == ASYNCHAT_HEAD_SKIP;
        bool empty = head->skip == 0 && (skips || head->length == 0);
        bool known = skips || answer == ASYNCHAT_HEAD_KNOWN;
        if ((known && (empty || head->skip > n)) ||
            answer > ASYNCHAT_HEAD_SKIP ||
            (answer == ASYNCHAT_HEAD_MORE && n == k->most))
            return ASYNCHAT_EFRAMING;
    }
    return answer;
}

static void read_function(const struct naive *k, const uint8_t *s, size_t len,
                          size_t at, struct naive_message *m)
{
    struct asynchat_head head = {0};
    int answer = ASYNCHAT_HEAD_SKIP;
    while (at < len && answer == ASYNCHAT_HEAD_SKIP) {
        answer = ask(k, s + at, len - at, &head);
        if (answer == ASYNCHAT_HEAD_SKIP)
            at += head.skip;
    }
    if (answer < 0) {
        fail(m, answer, true);
    } else if (answer == ASYNCHAT_HEAD_KNOWN) {
        m->whole = head.length;
        read_counted(s, len, at + head.skip, head.length, false, m);
    } else {
        read_head_in_part(at, len, m);
    }
}

/* --- all kinds --- */

static void read_number(const struct naive *k, const uint8_t *s, size_t len,
                        size_t at, struct naive_message *m)
{
    bool block = k->kind == NAIVE_BLOCK || k->inside;
    read_counted(s, len, at, k->number, k->kind == NAIVE_NETSTRING, m);
    m->begun = block && !m->ended;
}

void naive_read(const struct naive *k, const uint8_t *s, size_t len, size_t at,
                struct naive_message *m)
{
    naive_begin(m);
    bool none =
        k->kind == NAIVE_NONE || (k->kind == NAIVE_NUMBER && k->number == 0);
    if (at > len) /* some of what is skipped does not come */
        m->begun = true;
    else if (none)
        add_up_to(m, at, len);
    else if (k->kind == NAIVE_NUMBER || k->kind == NAIVE_BLOCK || k->inside)
        read_number(k, s, len, at, m);
    else if (k->kind == NAIVE_WORDS)
        read_words(k, s, len, at, m);
    else if (k->kind == NAIVE_LINES)
        read_lines(k, s, len, at, m);
    else if (k->kind == NAIVE_DOTTED)
        read_dotted(k, s, len, at, m);
    else if (k->kind == NAIVE_PREFIX)
        read_prefix(k, s, len, at, m);
    else if (k->kind == NAIVE_VARINT)
        read_varint(k, s, len, at, m);
    else if (k->kind == NAIVE_NETSTRING)
        read_netstring(s, len, at, m);
    else
        read_function(k, s, len, at, m);
}

/* --- the language of heads --- */

static int look_at_two(const uint8_t *b, size_t len, struct asynchat_head *head)
{
    if (len < 2)
        return ASYNCHAT_HEAD_MORE;
    if (b[0] == 'x') {
        head->skip = b[1] == 'E' ? 2 : 1;
        return ASYNCHAT_HEAD_SKIP;
    }
    head->skip = b[0] == 'S' ? 2 : 0;
    head->length = (uint8_t)(b[1] - 'a');
    return ASYNCHAT_HEAD_KNOWN;
}

int naive_look(const void *bytes, size_t len, struct asynchat_head *head,
               void *arg)
{
    const uint8_t *b = bytes;
    (void)arg;
    switch (b[0]) {
    case 'G':
        head->length = 1;
        return ASYNCHAT_HEAD_KNOWN;
    case 'M':
    case 'S':
    case 'x':
        return look_at_two(b, len, head);
    case 'L':
        head->length = 3;
        return len < 6 ? ASYNCHAT_HEAD_MORE : ASYNCHAT_HEAD_KNOWN;
    case 'K':
        head->skip = 1;
        return len < 6 ? ASYNCHAT_HEAD_MORE : ASYNCHAT_HEAD_SKIP;
    case 'E':
        return ASYNCHAT_EPROTOCOL;
    default:
        head->skip = 1;
        return ASYNCHAT_HEAD_SKIP;
    }
}
