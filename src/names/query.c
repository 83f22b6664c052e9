/* What several look-ups wait for together.
 *
 * The answer for both families decides. After a second without it, or if it
 * failed in a way that says nothing about the name, IPv4 is asked for alone:
 * that helps where answers for IPv6 get lost, or void those for IPv4. Of this
 * second call only a success counts.
 *
 * Nothing is kept once it is answered: the next look-up asks the system anew.
 *
 * Tested by tests/test_lookup.c. SPDX-License-Identifier: BSD-3-Clause */
#include "names/query.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "loop/timer.h"
#include "names/lookup.h"
#include "names/pool.h"

/* After how long IPv4 is asked for alone. */
#define QUERY_SLOW 1000

/* After how long nobody joins a query any more: it hangs, while by now the
 * system may do better. */
#define QUERY_STALE 10000

/* How often an asker looks in any case. A fork can take a notice away. */
#define QUERY_LOOK 1000

struct call {
    struct job job;
    struct query *query;
    int family;
    bool ended;
    struct found found;
};

/* How many lists of queries there are. A program may ask for thousands of names
 * at once. */
#define QUERY_LISTS 256

/* Invariant: a query is freed as soon as it has no asker, and no call of it
 * runs. */
struct query {
    struct query *next, **at;
    struct query_asker *askers;
    struct call both, four;
    uint32_t began;
    bool over; /* nothing new will come */
    const char *service;
    char host[];
};

static struct query *queries[QUERY_LISTS];

/* --- the end of a query --- */

static bool call_runs(struct call *call)
{
    if (call->job.state == JOB_WAITS)
        asynchat__pool_drop(&call->job);
    return call->job.state == JOB_RUNS;
}

static void query_free(struct query *q)
{
    *q->at = q->next;
    if (q->next)
        q->next->at = q->at;
    asynchat__free(q->both.found.addresses);
    asynchat__free(q->four.found.addresses);
    asynchat__free(q);
}

/* Calls that only wait for a thread are taken back. If one runs, the query
 * stays, and may find new askers. */
static void query_abandon(struct query *q)
{
    bool both = call_runs(&q->both), four = call_runs(&q->four);
    if (!both && !four)
        query_free(q);
}

/* --- calls --- */

static void call_run(struct job *job)
{
    struct call *call = (struct call *)job;
    const struct query *q = call->query;
    asynchat__ask(q->host, q->service, call->family, &call->found);
}

static bool query_has_four(const struct query *q)
{
    return q->four.ended && !q->four.found.error;
}

/* Whether the last word is said. A success for IPv4 that came first is not told
 * again by the answer for both. */
static bool query_is_over(struct query *q)
{
    if (!q->both.ended)
        return false;
    return q->four.ended || !asynchat__ask_again(&q->both.found);
}

static void query_begin_four(struct query *q)
{
    if (!q->four.ended && q->four.job.state == JOB_IDLE)
        (void)asynchat__pool_add(&q->four.job);
}

static void query_notify(const struct query *q)
{
    for (struct query_asker *a = q->askers; a; a = a->next)
        a->notify(a);
}

static void call_done(struct job *job)
{
    struct call *call = (struct call *)job;
    struct query *q = call->query;
    bool late = q->over;
    call->ended = true;
    if (call == &q->both && query_has_four(q) && !call->found.error)
        asynchat__found_without(&call->found, &q->four.found);
    q->over = late || query_is_over(q);
    if (!q->askers)
        query_abandon(q);
    else if (!late)
        query_notify(q);
}

static void call_init(struct call *call, struct query *q, int family)
{
    call->job.run = call_run;
    call->job.done = call_done;
    call->query = q;
    call->family = family;
}

/* --- joining --- */

static bool query_serves(const struct query *q, const char *host,
                         const char *service)
{
    return !q->over && time_of_system() - q->began < QUERY_STALE &&
           strcmp(q->host, host) == 0 && strcmp(q->service, service) == 0;
}

/* The list in which the query is (FNV-1a). */
static struct query **query_list(const char *host)
{
    uint32_t hash = 2166136261;
    for (; *host; host++)
        hash = (hash ^ (unsigned char)*host) * 16777619;
    return &queries[hash % QUERY_LISTS];
}

static struct query *query_find(const char *host, const char *service)
{
    struct query *q = *query_list(host);
    while (q && !query_serves(q, host, service))
        q = q->next;
    return q;
}

static void query_link(struct query *q)
{
    q->at = query_list(q->host);
    q->next = *q->at;
    if (q->next)
        q->next->at = &q->next;
    *q->at = q;
}

static struct query *query_make(const char *host, const char *service)
{
    size_t host_size = strlen(host) + 1, service_size = strlen(service) + 1;
    struct query *q = asynchat__calloc(1, sizeof *q + host_size + service_size);
    if (!q)
        return NULL;
    memcpy(q->host, host, host_size);
    q->service = memcpy(q->host + host_size, service, service_size);
    q->began = time_of_system();
    call_init(&q->both, q, AF_UNSPEC);
    call_init(&q->four, q, AF_INET);
    query_link(q);
    return q;
}

static int query_new(const char *host, const char *service, struct query **out)
{
    struct query *q = query_make(host, service);
    if (!q)
        return -ENOMEM;
    int error = asynchat__pool_add(&q->both.job);
    if (error)
        query_free(q);
    else
        *out = q;
    return error;
}

int asynchat__query_join(struct query_asker *asker, const char *host,
                         const char *service)
{
    struct query *q = query_find(host, service);
    int error = q ? 0 : query_new(host, service, &q);
    if (error)
        return error;
    asker->query = q;
    asker->at = &q->askers;
    asker->next = q->askers;
    if (asker->next)
        asker->next->at = &asker->next;
    q->askers = asker;
    return 0;
}

void asynchat__query_leave(struct query_asker *asker)
{
    struct query *q = asker->query;
    *asker->at = asker->next;
    if (asker->next)
        asker->next->at = asker->at;
    if (!q->askers)
        query_abandon(q);
}

/* --- news --- */

static void answer_give(struct lookup_answer *answer, const struct found *found)
{
    answer->addresses = found->addresses;
    answer->count = found->count;
    answer->error = found->error;
    answer->text = found->text;
}

static void answer_last(const struct query_asker *asker,
                        struct lookup_answer *answer)
{
    const struct query *q = asker->query;
    const struct found *found = &q->both.found;
    if (asker->told && !found->error) {
        answer->addresses = found->addresses + found->count;
        answer->count = found->rest;
    } else if (!asker->told) {
        answer_give(answer,
                    found->error && query_has_four(q) ? &q->four.found : found);
    }
}

/* In a child after fork(2) a call that was under way is idle: it is made
 * again. */
static uint32_t query_review(struct query *q)
{
    struct job *both = &q->both.job;
    uint32_t wait = asynchat__pool_review();
    if (q->both.ended)
        query_begin_four(q);
    else if (both->state == JOB_IDLE)
        (void)asynchat__pool_add(both);
    else if (both->state == JOB_RUNS) {
        uint32_t age = time_of_system() - both->began;
        if (age >= QUERY_SLOW)
            query_begin_four(q);
        else if (QUERY_SLOW - age < wait)
            wait = QUERY_SLOW - age;
    }
    return wait < QUERY_LOOK ? wait : QUERY_LOOK;
}

bool asynchat__query_news(struct query_asker *asker,
                          struct lookup_answer *answer, uint32_t *wait)
{
    struct query *q = asker->query;
    if (q->over) {
        answer_last(asker, answer);
        return true;
    }
    *wait = query_review(q);
    if (asker->told || !query_has_four(q))
        return false;
    asker->told = true;
    answer_give(answer, &q->four.found);
    answer->more = true;
    return true;
}
