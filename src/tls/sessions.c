/* The sessions that clients keep: see sessions.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "tls/sessions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

struct sessions_entry {
    struct sessions_entry *next;
    SSL_SESSION *session;
    time_t until;
    char name[];
};

void asynchat__tls_sessions_init(struct sessions *sessions)
{
    pthread_mutex_init(&sessions->lock, NULL);
    sessions->first = NULL;
    sessions->count = 0;
}

void asynchat__tls_sessions_free(struct sessions *sessions)
{
    asynchat__tls_sessions_drop(sessions, NULL);
    pthread_mutex_destroy(&sessions->lock);
}

/* Takes the entry at `place` out of the list, and frees it. Answers its
 * session. */
static SSL_SESSION *unlink_entry(struct sessions *sessions,
                                 struct sessions_entry **place)
{
    struct sessions_entry *entry = *place;
    SSL_SESSION *session = entry->session;
    *place = entry->next;
    sessions->count--;
    free(entry);
    return session;
}

static void drop_oldest(struct sessions *sessions)
{
    struct sessions_entry **place = &sessions->first;
    while ((*place)->next)
        place = &(*place)->next;
    SSL_SESSION_free(unlink_entry(sessions, place));
}

static struct sessions_entry *make_entry(const char *name, SSL_SESSION *session,
                                         time_t until)
{
    size_t len = strlen(name) + 1;
    struct sessions_entry *entry = malloc(sizeof *entry + len);
    if (!entry || !SSL_SESSION_up_ref(session)) {
        free(entry);
        return NULL;
    }
    entry->session = session;
    entry->until = until;
    memcpy(entry->name, name, len);
    return entry;
}

void asynchat__tls_sessions_put(struct sessions *sessions, unsigned most,
                                const char *name, SSL_SESSION *session,
                                time_t until)
{
    struct sessions_entry *entry = make_entry(name, session, until);
    if (!entry)
        return;
    pthread_mutex_lock(&sessions->lock);
    entry->next = sessions->first;
    sessions->first = entry;
    sessions->count++;
    while (sessions->count > most)
        drop_oldest(sessions);
    pthread_mutex_unlock(&sessions->lock);
}

SSL_SESSION *asynchat__tls_sessions_take(struct sessions *sessions,
                                         const char *name, time_t now,
                                         time_t *until)
{
    SSL_SESSION *found = NULL;
    pthread_mutex_lock(&sessions->lock);
    struct sessions_entry **place = &sessions->first;
    while (*place && !found) {
        if (strcmp((*place)->name, name) != 0) {
            place = &(*place)->next;
            continue;
        }
        *until = (*place)->until;
        found = unlink_entry(sessions, place);
        if (*until > now)
            break;
        SSL_SESSION_free(found);
        found = NULL;
    }
    pthread_mutex_unlock(&sessions->lock);
    return found;
}

void asynchat__tls_sessions_drop(struct sessions *sessions, const char *name)
{
    pthread_mutex_lock(&sessions->lock);
    struct sessions_entry **place = &sessions->first;
    while (*place) {
        bool same = !name || strcmp((*place)->name, name) == 0;
        if (same)
            SSL_SESSION_free(unlink_entry(sessions, place));
        else
            place = &(*place)->next;
    }
    pthread_mutex_unlock(&sessions->lock);
}
