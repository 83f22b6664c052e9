/* A context: see context.h. SPDX-License-Identifier: BSD-3-Clause */
#include "tls/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <asynchat/error.h>
#include <asynchat/log.h>

#include "base/table.h"
#include "tls/fault.h"
#include "tls/options.h"
#include "tls/version.h"
#include "tls/wire.h"

/* --- making --- */

/* OpenSSL frees its memory when main returns, while other threads may still use
 * it: the program would crash. */
static void init_openssl(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    OPENSSL_init_ssl(0, NULL);
}

/* What all sessions share is made by the first context. If there is no memory
 * for it, the next context tries again. */
static int prepare(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    int error = asynchat__tls_wire_prepare();
    if (!error)
        error = asynchat__tls_party_prepare();
    pthread_mutex_unlock(&lock);
    ERR_clear_error();
    return error;
}

static struct asynchat_tls *tls_make(bool client)
{
    struct asynchat_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->shares = 1;
    tls->client = client;
    pthread_mutex_init(&tls->lock, NULL);
    asynchat__tls_sessions_init(&tls->sessions);
    return tls;
}

int asynchat_tls_new(const struct asynchat_tls_options *options,
                     struct asynchat_tls **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!options || !out)
        return asynchat__tls_fault(-EINVAL, "options or out is NULL");
    pthread_once(&once, init_openssl);
    struct asynchat_tls *tls =
        prepare() == 0 ? tls_make(options->flags & ASYNCHAT_TLS_CLIENT) : NULL;
    if (!tls)
        return asynchat__tls_fault(-ENOMEM, "no memory");
    int error = 0;
    if (RAND_bytes(tls->id, sizeof tls->id) != 1)
        error = asynchat__tls_openssl_fault(-EIO, "random numbers");
    if (!error)
        error = asynchat__tls_version_new(tls, options, &tls->version);
    if (error)
        asynchat_tls_free(tls);
    else
        *out = tls;
    return error;
}

/* --- changing --- */

int asynchat_tls_reload(struct asynchat_tls *tls,
                        const struct asynchat_tls_options *options)
{
    if (!tls)
        return asynchat__tls_fault(-EINVAL, "the context is NULL");
    if (options && tls->client != ((options->flags & ASYNCHAT_TLS_CLIENT) != 0))
        return asynchat__tls_fault(-EINVAL, "options: for the other side");
    asynchat__tls_take(tls); /* functions of the program may free it */
    struct tls_version *before = asynchat__tls_version_take(tls), *after;
    int error = asynchat__tls_version_new(
        tls, options ? options : &before->options, &after);
    if (!error) {
        asynchat__tls_version_inherit(after, before);
        pthread_mutex_lock(&tls->lock);
        struct tls_version *old = tls->version;
        tls->version = after;
        pthread_mutex_unlock(&tls->lock);
        asynchat__tls_version_give(old);
    }
    asynchat__tls_version_give(before);
    asynchat_tls_free(tls);
    return error;
}

static void told_to_reload(void *arg)
{
    struct asynchat_log_record record = {.size = sizeof record,
                                         .level = ASYNCHAT_LOG_INFO,
                                         .event = ASYNCHAT_LOG_RELOAD,
                                         .peer = "TLS",
                                         .text = "reads its files again"};
    char text[512];
    record.code = asynchat_tls_reload(arg, NULL);
    if (record.code) {
        (void)snprintf(text, sizeof text, "the old certificate stays: %s",
                       asynchat_tls_get_error(NULL));
        record.level = ASYNCHAT_LOG_WARNING;
        record.text = text;
    }
    (void)asynchat_log(&record);
}

int asynchat_tls_reload_on_signal(struct asynchat_server *server, int number,
                                  struct asynchat_tls *tls)
{
    if (!tls)
        return asynchat__tls_fault(-EINVAL, "the context is NULL");
    int error =
        asynchat_server_call_on_signal(server, number, told_to_reload, tls);
    return error ? asynchat__tls_fault(error, "signal %d: %s", number,
                                       asynchat_strerror(error))
                 : 0;
}

/* A context that is in its own table has no share of itself, which would keep
 * it for ever. */
static void names_take(const struct asynchat_tls *tls,
                       struct asynchat_tls *other)
{
    if (other != tls)
        asynchat__tls_take(other);
}

static int names_set(struct asynchat_tls *tls, const char *name,
                     struct asynchat_tls *other, struct asynchat_tls **before)
{
    int error = 0;
    if (other) {
        error = asynchat__tls_names_add(&tls->names, name, other, before);
    } else {
        *before = asynchat__tls_names_remove(&tls->names, name);
        error = *before ? 0 : -ENOENT;
    }
    return error;
}

int asynchat_tls_add_name(struct asynchat_tls *tls, const char *name,
                          struct asynchat_tls *other)
{
    char form[NAME_SIZE];
    struct asynchat_tls *before = NULL;
    if (!tls || !name || tls->client || (other && other->client))
        return asynchat__tls_fault(
            -EINVAL, "a context or the name is NULL, or for clients");
    if (!asynchat__tls_name_write_pattern(form, name))
        return asynchat__tls_fault(-EINVAL, "not a host name");
    names_take(tls, other);
    pthread_mutex_lock(&tls->lock);
    int error = names_set(tls, form, other, &before);
    pthread_mutex_unlock(&tls->lock);
    if (error) {
        asynchat__tls_names_give(tls, other);
        return asynchat__tls_fault(
            error, error == -ENOENT ? "there is no such name" : "no memory");
    }
    asynchat__tls_names_give(tls, before);
    return 0;
}

/* --- counting --- */

int asynchat_tls_get_stats(const struct asynchat_tls *tls,
                           struct asynchat_tls_stats *stats, size_t size)
{
    if (!tls || !stats)
        return asynchat__tls_fault(-EINVAL, "the context or stats is NULL");
    const struct tls_counts *counts = &tls->counts;
    struct asynchat_tls_stats all = {
        .begun = counts->begun,
        .done = counts->done,
        .resumed = counts->resumed,
        .failed = counts->failed,
        .late = counts->late,
        .shaking = counts->shaking,
        .waiting = counts->waiting,
        .silent = counts->silent,
        .cut_off = counts->cut_off,
        .key_updates = counts->key_updates,
    };
    asynchat__table_answer(stats, size, &all, sizeof all);
    return 0;
}
