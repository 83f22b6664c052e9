/* Channels with TLS: servers, clients, STARTTLS, and questions about a session.
 *
 * Tested by tests/openssl/test_tls.c. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/tls.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <asynchat/connect.h>
#include <asynchat/error.h>
#include <asynchat/layer.h>

#include "base/table.h"
#include "tls/codec.h"
#include "tls/fault.h"

/* --- names --- */

/* Writes the name that a channel of this context has: a host name in its form,
 * an IP address as it is, or "" if a client verifies nobody. */
static int write_name(char to[NAME_SIZE], struct asynchat_tls *tls,
                      const char *name)
{
    struct tls_version *version = asynchat__tls_version_take(tls);
    bool any = version->options.flags & ASYNCHAT_TLS_NO_VERIFY;
    asynchat__tls_version_give(version);
    to[0] = '\0';
    if (!name && any)
        return 0;
    if (name && strlen(name) < NAME_SIZE && asynchat__tls_name_is_address(name))
        memcpy(to, name, strlen(name) + 1);
    else if (!name || !asynchat__tls_name_write(to, name, strlen(name)))
        return asynchat__tls_fault(-EINVAL,
                                   "not the name or address of a server");
    return 0;
}

/* --- giving a channel its layer --- */

/* What a channel's TLS is to be. */
struct wanted {
    struct asynchat_tls *tls;
    const char *name; /* in its form; NULL for a server */
    unsigned flags;   /* of the layer */
    void (*up)(struct asynchat_channel *ch, void *arg);
    bool quiet;
};

static int give(struct asynchat_channel *ch, const struct wanted *wanted)
{
    struct tls_version *version = asynchat__tls_version_take(wanted->tls);
    struct asynchat_layer_options options = {
        .size = sizeof options,
        .flags = wanted->flags,
        .time = version->options.handshake_time,
        .up = wanted->up};
    asynchat__tls_version_give(version);
    struct codec *codec =
        asynchat__tls_codec_new(ch, wanted->tls, wanted->name);
    if (!codec)
        return asynchat__tls_fault(-ENOMEM, "no memory");
    codec->quiet = wanted->quiet;
    int error = asynchat_set_layer(ch, &asynchat__tls_codec, codec, &options);
    if (error) {
        asynchat__tls_codec_free(codec);
        return asynchat__tls_fault(error, "the channel can have no TLS now: %s",
                                   asynchat_strerror(error));
    }
    return 0;
}

static int serve(struct asynchat_channel *ch, void *arg)
{
    return give(ch, &(struct wanted){.tls = arg, .quiet = true});
}

int asynchat_tls_serve(struct asynchat_server *server, struct asynchat_tls *tls)
{
    if (!server || (tls && tls->client))
        return asynchat__tls_fault(
            -EINVAL, "the server is NULL, or the context is for clients");
    return asynchat_server_set_layer(server, tls ? serve : NULL, tls);
}

int asynchat_tls_connect(struct event_base *base, const char *address,
                         unsigned timeout, struct asynchat_tls *tls,
                         const char *name,
                         const struct asynchat_handler *handler, void *arg,
                         struct asynchat_channel **out)
{
    const struct asynchat_connect_options options = {.size = sizeof options,
                                                     .timeout = timeout};
    char form[NAME_SIZE];
    struct asynchat_channel *ch;
    if (!tls || !tls->client || !out)
        return asynchat__tls_fault(
            -EINVAL, "out or the context is NULL, or the context for servers");
    int error = write_name(form, tls, name);
    if (!error) {
        error = asynchat_connect_name(base, address, NULL, &options, handler,
                                      arg, &ch);
        if (error)
            return asynchat__tls_fault(error, "connect: %s",
                                       asynchat_strerror(error));
        error = give(ch, &(struct wanted){.tls = tls, .name = form});
        if (error)
            asynchat_channel_free(ch);
    }
    if (!error)
        *out = ch;
    return error;
}

int asynchat_tls_start(struct asynchat_channel *ch, struct asynchat_tls *tls,
                       const char *name, unsigned flags,
                       void (*done)(struct asynchat_channel *ch, void *arg))
{
    char form[NAME_SIZE];
    if (!ch || !tls || (flags & ~ASYNCHAT_TLS_REFUSE_EARLY))
        return asynchat__tls_fault(-EINVAL, "the channel or the context is "
                                            "NULL, or a flag is unknown");
    if (!tls->client && name)
        return asynchat__tls_fault(-EINVAL, "a name is for clients");
    int error = tls->client ? write_name(form, tls, name) : 0;
    if (error)
        return error;
    return give(ch, &(struct wanted){.tls = tls,
                                     .name = tls->client ? form : NULL,
                                     .flags = flags & ASYNCHAT_TLS_REFUSE_EARLY
                                                  ? ASYNCHAT_LAYER_REFUSE_EARLY
                                                  : 0,
                                     .up = done});
}

/* --- questions --- */

static const struct codec *codec_of_channel(const struct asynchat_channel *ch)
{
    return asynchat_get_layer(ch, &asynchat__tls_codec);
}

/* Until a server knows the name that the client asks for, its session may be
 * replaced by another. */
SSL *asynchat_tls_get_ssl(const struct asynchat_channel *ch)
{
    const struct codec *codec = codec_of_channel(ch);
    bool lasts = codec && (codec->party.tls->client || codec->party.chosen);
    return lasts ? codec->ssl : NULL;
}

const char *asynchat_tls_get_error(const struct asynchat_channel *ch)
{
    const struct codec *codec = codec_of_channel(ch);
    if (!ch)
        return asynchat__tls_last_fault();
    return codec && codec->text ? codec->text : "";
}

static unsigned is_verified(const struct codec *codec)
{
    return SSL_get0_peer_certificate(codec->ssl) != NULL &&
           SSL_get_verify_mode(codec->ssl) != SSL_VERIFY_NONE &&
           SSL_get_verify_result(codec->ssl) == X509_V_OK;
}

int asynchat_tls_get_info(const struct asynchat_channel *ch,
                          struct asynchat_tls_info *info, size_t size)
{
    if (!ch || !info)
        return asynchat__tls_fault(-EINVAL, "the channel or info is NULL");
    const struct codec *codec = codec_of_channel(ch);
    if (!codec)
        return asynchat__tls_fault(-ENOTSUP, "the channel does not speak TLS");
    if (codec->phase != CODEC_UP)
        return asynchat__tls_fault(-ENOTCONN, "the handshake is not done");
    const char *name = codec->party.name;
    struct asynchat_tls_info all = {
        .version = SSL_get_version(codec->ssl),
        .cipher = SSL_get_cipher_name(codec->ssl),
        .alpn = codec->alpn,
        .server_name = name && *name ? name : NULL,
        .resumed = (unsigned)SSL_session_reused(codec->ssl),
        .verified = is_verified(codec),
    };
    asynchat__table_answer(info, size, &all, sizeof all);
    return 0;
}
