/* TLS for the examples. EXAMPLE_TLS is defined if there is libasynchat-openssl;
 * without it each function says so, and exits. A server reads its certificate
 * and its key again at SIGHUP. If a file is not good, the server says so, and
 * goes on with the old ones.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SECURE_H
#define SECURE_H

#include <err.h>
#include <signal.h>

#include <asynchat.h>

#ifdef EXAMPLE_TLS
#include <asynchat/tls.h>

static struct asynchat_tls *secure_tls;

static inline void secure_check(int error)
{
    if (error < 0)
        errx(1, "%s", asynchat_tls_get_error(NULL));
}

static inline void secure_log(const struct asynchat_log_record *record,
                              void *arg)
{
    (void)arg;
    warnx("%s: %s", record->peer, record->text);
}

/* From now on each connection begins with TLS, if there is a certificate. */
static inline void secure_server(struct asynchat_server *server,
                                 const char *certificate, const char *key)
{
    struct asynchat_tls_options options = {
        .size = sizeof options, .certificate = certificate, .key = key};
    if (!certificate)
        return;
    secure_check(asynchat_tls_new(&options, &secure_tls));
    secure_check(asynchat_tls_serve(server, secure_tls));
    secure_check(asynchat_tls_reload_on_signal(server, SIGHUP, secure_tls));
    asynchat_set_log(ASYNCHAT_LOG_WARNING, secure_log, NULL);
}

/* The channel is about to connect, and begins with TLS then. The server must
 * have a certificate for `name` that one of `trust` has issued. */
static inline void secure_client(struct asynchat_channel *ch, const char *trust,
                                 const char *name)
{
    struct asynchat_tls_options options = {
        .size = sizeof options, .flags = ASYNCHAT_TLS_CLIENT, .trust = trust};
    secure_check(asynchat_tls_new(&options, &secure_tls));
    secure_check(asynchat_tls_start(ch, secure_tls, name, 0, NULL));
}

/* What went wrong with the channel's TLS, or "". */
static inline const char *secure_error(const struct asynchat_channel *ch)
{
    return asynchat_tls_get_error(ch);
}

static inline void secure_free(void)
{
    asynchat_tls_free(secure_tls);
}

#else

static inline void secure_server(struct asynchat_server *server,
                                 const char *certificate, const char *key)
{
    (void)server;
    (void)key;
    if (certificate)
        errx(1, "this build has no TLS");
}

static inline void secure_client(struct asynchat_channel *ch, const char *trust,
                                 const char *name)
{
    (void)ch;
    (void)trust;
    (void)name;
    errx(1, "this build has no TLS");
}

static inline const char *secure_error(const struct asynchat_channel *ch)
{
    (void)ch;
    return "";
}

static inline void secure_free(void)
{
}

#endif
#endif
