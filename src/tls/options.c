/* The options of a context: see options.h. SPDX-License-Identifier:
 * BSD-3-Clause */
#include "tls/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "base/table.h"
#include "tls/fault.h"

#define CLIENT_FLAGS                                                           \
    (ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_NO_VERIFY | ASYNCHAT_TLS_NO_TICKETS |  \
     ASYNCHAT_TLS_CUT_OFF_IS_EOF)
#define SERVER_FLAGS                                                           \
    (ASYNCHAT_TLS_ASK_CERTIFICATE | ASYNCHAT_TLS_DEMAND_CERTIFICATE |          \
     ASYNCHAT_TLS_NO_TICKETS | ASYNCHAT_TLS_CUT_OFF_IS_EOF |                   \
     ASYNCHAT_TLS_KNOWN_NAMES)

_Static_assert(sizeof(struct asynchat_tls_options) ==
                   sizeof(size_t) + 8 * sizeof(unsigned) + 11 * sizeof(void *),
               "asynchat_tls_options has padding");

#define EINVAL_BECAUSE(text) asynchat__tls_fault(-EINVAL, "options: %s", text)

static int check_sources(const struct asynchat_tls_options *o)
{
    bool client = options_has(o, ASYNCHAT_TLS_CLIENT);
    bool trusts = o->trust || o->trust_text;
    if ((o->certificate && o->certificate_text) || (o->key && o->key_text) ||
        (o->trust && o->trust_text))
        return EINVAL_BECAUSE("both a file and a text are set");
    if (!client && !o->certificate && !o->certificate_text)
        return EINVAL_BECAUSE("a server needs a certificate");
    if ((o->key || o->key_text) && !o->certificate && !o->certificate_text)
        return EINVAL_BECAUSE("there is a key and no certificate");
    if (options_has(o, ASYNCHAT_TLS_ASK_CERTIFICATE |
                           ASYNCHAT_TLS_DEMAND_CERTIFICATE) &&
        !trusts)
        return EINVAL_BECAUSE("clients are asked for certificates, and nobody "
                              "is trusted");
    return 0;
}

static int check_numbers(const struct asynchat_tls_options *o)
{
    bool client = options_has(o, ASYNCHAT_TLS_CLIENT);
    if (o->flags & ~(client ? CLIENT_FLAGS : SERVER_FLAGS))
        return EINVAL_BECAUSE("a flag is unknown, or is not for this side");
    if (o->min_version != 0 && o->min_version != TLS1_2_VERSION &&
        o->min_version != TLS1_3_VERSION)
        return EINVAL_BECAUSE("min_version is neither TLS 1.2 nor 1.3");
    if (o->handshake_time > INT_MAX && o->handshake_time != UINT_MAX)
        return EINVAL_BECAUSE("handshake_time is too long");
    return 0;
}

/* Protocols have 1 to 255 bytes each, and 65535 in all, with their lengths. */
static int check_alpn(const char *const *alpn)
{
    size_t all = 0;
    for (; alpn && *alpn; alpn++) {
        size_t len = strlen(*alpn);
        all += len + 1;
        if (len == 0 || len > 255 || all > UINT16_MAX)
            return EINVAL_BECAUSE("a protocol of alpn is empty or too long");
    }
    return 0;
}

static void set_defaults(struct asynchat_tls_options *o)
{
    static const struct asynchat_tls_options defaults = {
        .min_version = TLS1_2_VERSION,
        .handshake_time = 10000,
        .max_handshakes = 1000,
        .handshake_budget = 4000,
        .max_key_updates = 100,
        .sessions = 100,
        .session_time = 86400};
#define DEFAULT(field) o->field = o->field ? o->field : defaults.field
    DEFAULT(min_version);
    DEFAULT(handshake_time);
    DEFAULT(max_handshakes);
    DEFAULT(handshake_budget);
    DEFAULT(max_key_updates);
    DEFAULT(sessions);
    DEFAULT(session_time);
#undef DEFAULT
}

/* --- copying --- */

#define TEXTS 6

/* The places of the texts. */
static void find_texts(struct asynchat_tls_options *o, const char ***places)
{
    places[0] = &o->certificate;
    places[1] = &o->certificate_text;
    places[2] = &o->key;
    places[3] = &o->key_text;
    places[4] = &o->trust;
    places[5] = &o->trust_text;
}

/* Copies the list and its texts into one piece of memory. NULL: there is no
 * memory. */
static const char *const *copy_list(const char *const *list)
{
    size_t count = 0, size = 0;
    for (; list[count]; count++)
        size += strlen(list[count]) + 1;
    const char **copy = malloc((count + 1) * sizeof *copy + size);
    if (!copy)
        return NULL;
    char *at = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list[i]) + 1;
        copy[i] = memcpy(at, list[i], len);
        at += len;
    }
    copy[count] = NULL;
    return copy;
}

/* Replaces the program's texts by copies. If there is no memory, those that
 * could not be copied are NULL. */
static bool copy_texts(struct asynchat_tls_options *o)
{
    const char **places[TEXTS];
    bool all = true;
    find_texts(o, places);
    for (unsigned i = 0; i < TEXTS; i++) {
        const char *text = *places[i];
        *places[i] = text ? strdup(text) : NULL;
        all = all && (!text || *places[i]);
    }
    if (o->alpn) {
        o->alpn = copy_list(o->alpn);
        all = all && o->alpn;
    }
    return all;
}

void asynchat__tls_options_free(struct asynchat_tls_options *copy)
{
    const char **places[TEXTS];
    find_texts(copy, places);
    for (unsigned i = 0; i < TEXTS; i++)
        free((char *)*places[i]);
    free((void *)copy->alpn);
}

int asynchat__tls_options_copy(struct asynchat_tls_options *copy,
                               const struct asynchat_tls_options *options)
{
    int error = asynchat__table_check(
        options, TABLE_SIZE(struct asynchat_tls_options, arg), sizeof *copy);
    if (error)
        return asynchat__tls_fault(error, "options: the table is not filled in "
                                          "as this version knows it");
    asynchat__table_copy(copy, options, sizeof *copy);
    error = check_sources(copy);
    if (!error)
        error = check_numbers(copy);
    if (!error)
        error = check_alpn(copy->alpn);
    if (error)
        return error;
    set_defaults(copy);
    if (copy_texts(copy))
        return 0;
    asynchat__tls_options_free(copy);
    return asynchat__tls_fault(-ENOMEM, "options: no memory");
}
