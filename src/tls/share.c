/* Shares of contexts and of their versions. SPDX-License-Identifier:
 * BSD-3-Clause */
#include "tls/context.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls/options.h"

/* --- contexts --- */

struct asynchat_tls *asynchat__tls_take(struct asynchat_tls *tls)
{
    if (tls)
        atomic_fetch_add(&tls->shares, 1);
    return tls;
}

void asynchat__tls_names_give(const struct asynchat_tls *tls,
                              struct asynchat_tls *other)
{
    if (other != tls)
        asynchat_tls_free(other);
}

static void tls_destroy(struct asynchat_tls *tls)
{
    for (size_t i = 0; i < tls->names.count; i++)
        asynchat__tls_names_give(tls, tls->names.entries[i]->tls);
    asynchat__tls_names_free(&tls->names);
    asynchat__tls_sessions_free(&tls->sessions);
    asynchat__tls_version_give(tls->version);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

void asynchat_tls_free(struct asynchat_tls *tls)
{
    if (tls && atomic_fetch_sub(&tls->shares, 1) == 1)
        tls_destroy(tls);
}

/* --- versions --- */

struct tls_version *asynchat__tls_version_take(struct asynchat_tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    struct tls_version *version = tls->version;
    atomic_fetch_add(&version->shares, 1);
    pthread_mutex_unlock(&tls->lock);
    return version;
}

void asynchat__tls_version_give(struct tls_version *version)
{
    if (!version || atomic_fetch_sub(&version->shares, 1) > 1)
        return;
    SSL_CTX_free(version->ctx);
    asynchat__tls_options_free(&version->options);
    free(version->alpn);
    free(version);
    ERR_clear_error(); /* without memory, even freeing leaves an error there */
}

/* The share of the other context is needed, since its name may be taken away
 * meanwhile. */
struct tls_version *asynchat__tls_version_find(struct asynchat_tls *tls,
                                               const char *name)
{
    pthread_mutex_lock(&tls->lock);
    struct asynchat_tls *found =
        asynchat__tls_take(asynchat__tls_names_find(&tls->names, name));
    pthread_mutex_unlock(&tls->lock);
    struct tls_version *version =
        found ? asynchat__tls_version_take(found) : NULL;
    asynchat_tls_free(found);
    return version;
}
