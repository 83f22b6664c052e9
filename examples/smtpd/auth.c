/* Who a client is: AUTH (RFC 4954), with PLAIN (RFC 4616) and LOGIN. The file
 * of users has lines such as "name:$6$salt$hash", as of mkpasswd(1). To check a
 * password takes long, so a thread does it. Meanwhile nothing is read.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <crypt.h>

struct login {
    char *name, *password;
    bool good;
};

static bool is_user(const char *name, const char *password)
{
    struct crypt_data data = {.initialized = 0};
    char line[512], found[512] = "$6$nobody$"; /* unknown: as much work */
    FILE *file = fopen(settings.users, "re");
    while (file && fgets(line, sizeof line, file)) {
        char *hash = line, *user = strsep(&hash, ":");
        if (hash && g_str_equal(user, name))
            strcpy(found, strsep(&hash, ":\n"));
    }
    if (file)
        fclose(file);
    const char *hash = crypt_r(password, found, &data);
    return hash && g_str_equal(hash, found);
}

static void check_login(void *arg)
{
    struct login *l = arg;
    l->good = is_user(l->name, l->password);
    explicit_bzero(l->password, strlen(l->password));
    g_free(l->password);
}

static void logged_in(struct asynchat_channel *ch, void *arg)
{
    struct login *l = arg;
    struct session *s = asynchat_get_arg(ch);
    if (s) {
        s->known = l->good;
        s->bad += l->good ? 0 : BAD_MOST / 4 - 1;
        asynchat_resume_reading(ch);
        reply(s, l->good ? "235 2.7.0 welcome" : "535 5.7.8 wrong password");
    }
    g_free(l->name);
    g_free(l);
}

static const char *log_in(struct session *s, const char *name,
                          const char *password)
{
    struct login *l = g_new0(struct login, 1);
    *l = (struct login){g_strdup(name), g_strdup(password), false};
    asynchat_pause_reading(s->ch);
    asynchat_set_steady_deadline(s->ch, settings.command_time);
    if (asynchat_workers_run(workers, s->ch, check_login, logged_in, l)) {
        check_login(l); /* here, then */
        logged_in(s->ch, l);
    }
    return NULL;
}

/* Decodes a text, which may be a password, in its place, with a NUL behind it.
 * Returns the length, or -1 if the text is not base64: GLib skips what is
 * not. */
static gssize decode(char *text)
{
    size_t len;
    g_autofree unsigned char *bytes = g_base64_decode(text, &len);
    g_autofree char *again = g_base64_encode(bytes, len);
    bool good = g_str_equal(again, text);
    memcpy(text, bytes, len);
    text[len] = '\0';
    explicit_bzero(bytes, len);
    explicit_bzero(again, strlen(again));
    return good ? (gssize)len : -1;
}

static const char *got_plain(struct session *s, char *text)
{
    gssize len = decode(text);
    char *name = text + strlen(text) + 1;
    if (len < 0 || name > text + len || name + strlen(name) + 1 > text + len)
        return "501 5.5.2 no name and password";
    return log_in(s, name, name + strlen(name) + 1);
}

static const char *got_password(struct session *s, char *text)
{
    return decode(text) < 0 ? "501 5.5.2 no password"
                            : log_in(s, s->name, text);
}

static const char *got_name(struct session *s, char *text)
{
    if (decode(text) < 0)
        return "501 5.5.2 no name";
    g_free(s->name);
    s->name = g_strdup(text);
    s->next = got_password;
    return "334 UGFzc3dvcmQ6";
}

bool may_log_in(const struct session *s)
{
    return settings.users &&
           (settings.plain_auth || asynchat_tls_get_ssl(s->ch));
}

const char *run_auth(struct session *s, char *args)
{
    const char *mechanism = strsep(&args, " ");
    bool plain = g_ascii_strcasecmp(mechanism, "PLAIN") == 0;
    if (!settings.users)
        return "502 5.5.1 no users here";
    if (!may_log_in(s))
        return "538 5.7.11 STARTTLS first";
    if (s->known || s->mail)
        return "503 5.5.1 not now";
    if (!plain && g_ascii_strcasecmp(mechanism, "LOGIN") != 0)
        return "504 5.5.4 PLAIN or LOGIN";
    step_fn *next = plain ? got_plain : got_name;
    if (args)
        return next(s, args + g_str_equal(args, "="));
    s->next = next;
    return plain ? "334 " : "334 VXNlcm5hbWU6";
}
