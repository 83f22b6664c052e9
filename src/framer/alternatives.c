/* The framing with several terminators: the automaton of Aho and Corasick
 * (1975), which sees each byte once.
 *
 * A state of the automaton is a beginning of one or more of the terminators,
 * and says that the stream ends with it, and with no longer one. So these are
 * the bytes that are held back. They are lent from the copy of a terminator
 * that begins with them.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/framing.h>

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "framer/any.h"
#include "framer/framing.h"

#define ALTERNATIVES_MOST ASYNCHAT_ALTERNATIVES_MAX

/* The state in which nothing has matched. It is the child of no state, so as a
 * child it means that there is none. */
#define TRIE_ROOT 0

/* No terminator ends in this state. */
#define TRIE_NONE UINT8_MAX

struct trie_node {
    /* The longest other state that this one ends with. */
    uint16_t fall;
    /* The children are this state with one more byte, in a list. */
    uint16_t child, next;
    uint16_t len;
    uint8_t byte; /* the last one */
    uint8_t word; /* a terminator that begins with this state */
    uint8_t ends; /* the longest terminator that this state ends with */
};

struct alternative {
    uint16_t at, len;
};

struct alternatives {
    struct asynchat_framing framing;
    struct any begins; /* the bytes that begin a terminator */
    uint16_t state, nodes;
    struct alternative words[ALTERNATIVES_MOST];
    const uint8_t *bytes; /* of all terminators, behind the nodes */
    struct trie_node node[];
};

_Static_assert(ASYNCHAT_ALTERNATIVES_SIZE < UINT16_MAX, "too many states");
_Static_assert(ALTERNATIVES_MOST < TRIE_NONE, "too many terminators");

static const uint8_t *word_bytes(const struct alternatives *a, uint8_t word)
{
    return a->bytes + a->words[word].at;
}

/* --- the automaton --- */

static inline uint16_t node_child(const struct alternatives *a, uint16_t state,
                                  uint8_t byte)
{
    uint16_t child = a->node[state].child;
    while (child != TRIE_ROOT && a->node[child].byte != byte)
        child = a->node[child].next;
    return child;
}

/* The state after one byte more. Only bytes that are taken make a state longer,
 * and each turn of the loop makes it shorter. So for all bytes together the
 * loop has no more turns than there are bytes. */
static inline uint16_t node_take(const struct alternatives *a, uint16_t state,
                                 uint8_t byte)
{
    uint16_t child;
    while ((child = node_child(a, state, byte)) == TRIE_ROOT &&
           state != TRIE_ROOT)
        state = a->node[state].fall;
    return child;
}

/* All shorter states are there already, and what the new state falls back to is
 * one of them. */
static uint16_t node_add(struct alternatives *a, uint16_t from, uint8_t word)
{
    struct trie_node *parent = &a->node[from], *node = &a->node[a->nodes];
    uint8_t byte = word_bytes(a, word)[parent->len];
    node->fall =
        from == TRIE_ROOT ? TRIE_ROOT : node_take(a, parent->fall, byte);
    node->child = TRIE_ROOT;
    node->next = parent->child;
    node->len = (uint16_t)(parent->len + 1);
    node->byte = byte;
    node->word = word;
    node->ends = a->node[node->fall].ends;
    parent->child = a->nodes;
    return a->nodes++;
}

/* Makes the state that is `word` up to one byte behind the state `from`.
 * Answers this state. Of equal terminators the first one counts. */
static uint16_t word_grow(struct alternatives *a, uint16_t from, uint8_t word)
{
    uint8_t byte = word_bytes(a, word)[a->node[from].len];
    uint16_t to = node_child(a, from, byte);
    if (to == TRIE_ROOT)
        to = node_add(a, from, word);
    struct trie_node *node = &a->node[to];
    bool ends = node->len == a->words[word].len;
    if (ends &&
        (node->ends == TRIE_NONE || a->words[node->ends].len < node->len))
        node->ends = word;
    return to;
}

/* Makes all states, the shorter ones first: all terminators grow together. */
static void alternatives_build(struct alternatives *a, uint8_t n)
{
    uint16_t ends[ALTERNATIVES_MOST] = {TRIE_ROOT};
    bool grows = true;
    a->node[TRIE_ROOT] = (struct trie_node){.ends = TRIE_NONE};
    a->nodes = 1;
    for (uint16_t len = 0; grows; len++) {
        grows = false;
        for (uint8_t word = 0; word < n; word++) {
            if (len >= a->words[word].len)
                continue;
            ends[word] = word_grow(a, ends[word], word);
            grows = true;
        }
    }
}

/* Takes bytes until a terminator is complete, or there are no more. Answers how
 * many bytes it took. */
static size_t alternatives_walk(struct alternatives *a, const uint8_t *bytes,
                                size_t len)
{
    uint16_t state = a->state;
    size_t at = 0;
    while (at < len && a->node[state].ends == TRIE_NONE) {
        if (state == TRIE_ROOT)
            at = asynchat__any_find(&a->begins, bytes, at, len);
        if (at < len)
            state = node_take(a, state, bytes[at++]);
    }
    a->state = state;
    return at;
}

/* --- the framing --- */

static struct framing_step alternatives_step(struct asynchat_framing *f,
                                             const uint8_t *bytes, size_t len)
{
    struct alternatives *a = (struct alternatives *)f;
    size_t all = f->held + alternatives_walk(a, bytes, len);
    const struct trie_node *node = &a->node[a->state];
    struct framing_step step = {.tail = node->len};
    f->held = node->len;
    if (node->ends != TRIE_NONE) {
        step.verdict = FRAMING_ENDS;
        step.tail = a->words[node->ends].len;
        f->matched = node->ends;
        f->held = 0;
        a->state = TRIE_ROOT;
    }
    step.data = all - step.tail;
    return step;
}

static void alternatives_reset(struct asynchat_framing *f)
{
    ((struct alternatives *)f)->state = TRIE_ROOT;
    f->held = 0;
}

/* The walk has changed nothing but the state if it finds no end. */
static struct framing_whole alternatives_find(struct asynchat_framing *f,
                                              const uint8_t *bytes, size_t len,
                                              const uint8_t **next)
{
    struct framing_step step = alternatives_step(f, bytes, framing_short(len));
    if (step.verdict == FRAMING_ENDS) {
        *next = bytes + step.data + step.tail;
        return (struct framing_whole){bytes, step.data};
    }
    alternatives_reset(f);
    return framing_not_found();
}

static const uint8_t *alternatives_held(const struct asynchat_framing *f)
{
    const struct alternatives *a = (const struct alternatives *)f;
    return word_bytes(a, a->node[a->state].word);
}

static void alternatives_release(struct asynchat_framing *f)
{
    asynchat__free(f);
}

static const struct framing_ops alternatives_ops = {
    .find = alternatives_find,
    .step = alternatives_step,
    .held = alternatives_held,
    .reset = alternatives_reset,
    .release = alternatives_release,
};

/* --- made --- */

/* The length of all terminators together; 0 if they cannot be set. */
static size_t alternatives_size(const struct asynchat_bytes *list, size_t n)
{
    size_t size = 0;
    if (!list || n > ALTERNATIVES_MOST)
        return 0;
    for (size_t i = 0; i < n; i++) {
        bool good = list[i].data && list[i].len > 0;
        if (!good || list[i].len > ASYNCHAT_ALTERNATIVES_SIZE - size)
            return 0;
        size += list[i].len;
    }
    return size;
}

static void alternatives_copy(struct alternatives *a, uint8_t *bytes,
                              const struct asynchat_bytes *list, size_t n)
{
    uint16_t at = 0;
    a->bytes = bytes;
    for (size_t i = 0; i < n; i++) {
        a->words[i] = (struct alternative){at, (uint16_t)list[i].len};
        memcpy(bytes + at, list[i].data, list[i].len);
        asynchat__any_add(&a->begins, bytes[at]);
        at = (uint16_t)(at + list[i].len);
    }
}

/* There is one state for each byte of a terminator, at most, and TRIE_ROOT. */
struct asynchat_framing *asynchat_framing_alternatives(
    const struct asynchat_bytes *list, size_t n)
{
    size_t size = alternatives_size(list, n);
    if (size == 0) {
        errno = EINVAL;
        return NULL;
    }
    size_t nodes = (size + 1) * sizeof(struct trie_node);
    struct alternatives *a = asynchat__malloc(sizeof *a + nodes + size);
    if (!a)
        return NULL;
    memset(a, 0, sizeof *a);
    a->framing.ops = &alternatives_ops;
    a->framing.shares = 1;
    alternatives_copy(a, (uint8_t *)(a->node + size + 1), list, n);
    alternatives_build(a, (uint8_t)n);
    return &a->framing;
}
