/* The race between the addresses of a name.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "names/race.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

#define PAUSE_FIRST 10
#define PAUSE_MOST 250

int asynchat__race_add(struct race *race, uint8_t family)
{
    if (race->count == race->room) {
        unsigned room = race->room ? race->room * 2 : 8;
        struct race_runner *runners =
            asynchat__malloc(room * sizeof *race->runners);
        if (!runners)
            return -ENOMEM;
        if (race->count > 0)
            memcpy(runners, race->runners, race->count * sizeof *runners);
        asynchat__free(race->runners);
        race->runners = runners;
        race->room = room;
    }
    race->runners[race->count++] = (struct race_runner){.family = family};
    return 0;
}

static struct race_runner *find(const struct race *race, enum race_state state)
{
    for (unsigned i = 0; i < race->count; i++)
        if (race->runners[i].state == state)
            return &race->runners[i];
    return NULL;
}

/* The address that comes next: the first one of another family than the last
 * attempt's, or else the first one. */
static struct race_runner *next_of_families(const struct race *race)
{
    for (unsigned i = 0; i < race->count; i++)
        if (race->runners[i].state == RACE_WAITS && race->begun &&
            race->runners[i].family != race->family)
            return &race->runners[i];
    return find(race, RACE_WAITS);
}

/* The address that was put off and comes first. */
static struct race_runner *next_put_off(const struct race *race)
{
    struct race_runner *first = NULL;
    for (unsigned i = 0; i < race->count; i++) {
        struct race_runner *runner = &race->runners[i];
        if (runner->state == RACE_PUT_OFF &&
            (!first || (int32_t)(runner->at - first->at) < 0))
            first = runner;
    }
    return first;
}

static uint32_t until(uint32_t at, uint32_t now)
{
    return (int32_t)(at - now) > 0 ? at - now : 0;
}

static enum race_step step(const struct race *race, struct race_runner *runner,
                           enum race_state state, unsigned *which)
{
    runner->state = state;
    *which = (unsigned)(runner - race->runners);
    return state == RACE_TAKEN ? RACE_TAKE : RACE_CONNECT;
}

static enum race_step connect_next(struct race *race,
                                   struct race_runner *runner, uint32_t now,
                                   unsigned *which)
{
    race->begun = true;
    race->hurries = false;
    race->next = now + race->delay;
    race->family = runner->family;
    return step(race, runner, RACE_CONNECTING, which);
}

/* Whether there is anything to wait for. */
static bool is_running(const struct race *race)
{
    return race->more || find(race, RACE_CONNECTING) ||
           find(race, RACE_TAKEN) || find(race, RACE_PARKED);
}

/* While a connection is taken, the others that come up are parked. */
enum race_step asynchat__race_next(struct race *race, uint32_t now,
                                   unsigned *which, uint32_t *wait)
{
    struct race_runner *parked = find(race, RACE_PARKED);
    struct race_runner *fresh = next_of_families(race);
    struct race_runner *again = next_put_off(race);
    *wait = UINT32_MAX;
    if (parked && !find(race, RACE_TAKEN))
        return step(race, parked, RACE_TAKEN, which);
    if (again && until(again->at, now) == 0)
        return step(race, again, RACE_CONNECTING, which);
    if (fresh && (!race->begun || race->hurries || until(race->next, now) == 0))
        return connect_next(race, fresh, now, which);
    if (!fresh && !again && !is_running(race))
        return RACE_FAILED;
    if (fresh)
        *wait = until(race->next, now);
    if (again && until(again->at, now) < *wait)
        *wait = until(again->at, now);
    return RACE_WAIT;
}

void asynchat__race_told(struct race *race, unsigned which, int error)
{
    struct race_runner *runner = &race->runners[which];
    runner->state = error ? RACE_LOST : RACE_PARKED;
    runner->error = error;
    if (error)
        race->hurries = true;
}

bool asynchat__race_is_last(const struct race *race, unsigned which)
{
    for (unsigned i = 0; i < race->count; i++)
        if (i != which && race->runners[i].state != RACE_LOST)
            return false;
    return !race->more;
}

void asynchat__race_put_off(struct race *race, unsigned which, uint32_t now)
{
    struct race_runner *runner = &race->runners[which];
    unsigned pause = runner->pause ? runner->pause * 2u : PAUSE_FIRST;
    runner->pause = (uint16_t)(pause < PAUSE_MOST ? pause : PAUSE_MOST);
    runner->state = RACE_PUT_OFF;
    runner->at = now + runner->pause;
}

int asynchat__race_error(const struct race *race)
{
    for (unsigned i = 0; i < race->count; i++)
        if (race->runners[i].error != -EAFNOSUPPORT)
            return race->runners[i].error;
    return race->count > 0 ? -EAFNOSUPPORT : 0;
}

void asynchat__race_end(struct race *race)
{
    asynchat__free(race->runners);
    race->runners = NULL;
    race->count = race->room = 0;
}
