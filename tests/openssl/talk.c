/* Two channels that talk TLS with each other.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

/* --- recording --- */

const char *code_name(int code)
{
    static char text[32];
    switch (code) {
    case ASYNCHAT_EOF:
        return "EOF";
    case ASYNCHAT_EHANDSHAKE:
        return "EHANDSHAKE";
    case ASYNCHAT_EDEADLINE:
        return "EDEADLINE";
    case ASYNCHAT_ELATE:
        return "ELATE";
    case ASYNCHAT_ECERTIFICATE:
        return "ECERTIFICATE";
    case ASYNCHAT_ECUTOFF:
        return "ECUTOFF";
    case ASYNCHAT_EPROTOCOL:
        return "EPROTOCOL";
    case ASYNCHAT_EIDLE:
        return "EIDLE";
    case ASYNCHAT_EFULL:
        return "EFULL";
    case ASYNCHAT_ESTALLED:
        return "ESTALLED";
    case ASYNCHAT_ESTOPPED:
        return "ESTOPPED";
    case -ECONNRESET:
        return "ECONNRESET";
    case -EPIPE:
        return "EPIPE";
    case -ENOMEM:
        return "ENOMEM";
    case -ETIMEDOUT:
        return "ETIMEDOUT";
    default:
        snprintf(text, sizeof text, "%d", code);
        return text;
    }
}

static void note(struct side *side, const char *format, ...)
{
    size_t room = sizeof side->log - side->len;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(side->log + side->len, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        fail_msg("the log is full");
    side->len += (size_t)n;
}

static void word(struct side *side, const char *text)
{
    note(side, "%s%s", side->len > 0 ? " " : "", text);
}

static void end(struct side *side)
{
    if (side->on_end)
        side->on_end(side);
}

static void handle_connect(struct asynchat_channel *ch, void *arg)
{
    struct side *side = arg;
    side->ch = ch;
    word(side, "connect");
    if (asynchat_set_terminator(ch, "\n", 1) < 0)
        fail_msg("no terminator");
    if (side->on_connect)
        side->on_connect(side);
}

static void handle_secure(struct asynchat_channel *ch, void *arg)
{
    struct side *side = arg;
    (void)ch;
    word(side, "secure");
    if (side->on_secure)
        side->on_secure(side);
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct side *side = arg;
    (void)ch;
    if (len < 1000)
        note(side, "%sline(%.*s)", side->len > 0 ? " " : "", (int)len,
             (const char *)data);
    else
        note(side, "%sline(%zu)", side->len > 0 ? " " : "", len);
    if (side->on_line)
        side->on_line(side, data, len);
}

static void handle_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)ch;
    word(arg, cut_off ? "eof(cut_off)" : "eof");
    end(arg);
}

static void handle_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct side *side = arg;
    word(side, "error(");
    note(side, "%s)", code_name(error));
    snprintf(side->text, sizeof side->text, "%s", asynchat_tls_get_error(ch));
    end(side);
}

static void handle_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct side *side = arg;
    (void)ch;
    word(side, "close(");
    note(side, "%s)", status ? code_name(status) : "0");
    end(side);
    side->ch = NULL;
}

const struct asynchat_handler side_handler = {
    .size = sizeof side_handler,
    .message = message,
    .handle_connect = handle_connect,
    .handle_eof = handle_eof,
    .handle_error = handle_error,
    .handle_close = handle_close,
};

/* --- contexts --- */

struct asynchat_tls *context(const struct asynchat_tls_options *options)
{
    struct asynchat_tls *tls;
    struct asynchat_tls_options copy = *options;
    copy.size = sizeof copy;
    int error = asynchat_tls_new(&copy, &tls);
    if (error)
        fail_msg("%s: %s", asynchat_strerror(error),
                 asynchat_tls_get_error(NULL));
    return tls;
}

void world_new(struct world *made)
{
    made->authority = authority_new("authority", NULL);
    made->identity = identity_new(made->authority, "DNS:a.example,IP:127.0.0.1",
                                  86400, "serverAuth");
    made->server = context(&(struct asynchat_tls_options){
        .certificate_text = made->identity->certificate,
        .key_text = made->identity->key});
    made->client = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_CLIENT, .trust_text = made->authority->text});
}

void world_free(struct world *made)
{
    asynchat_tls_free(made->server);
    asynchat_tls_free(made->client);
    identity_free(made->identity);
    authority_free(made->authority);
}

struct world world;

int world_setup(void **state)
{
    (void)state;
    world_new(&world);
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    world_free(&world);
    return 0;
}

/* --- talks --- */

void talk_pair(struct talk *talk, struct asynchat_tls *server,
               struct asynchat_tls *client, const char *name)
{
    const struct asynchat_handler *const handlers[2] = {&side_handler,
                                                        &side_handler};
    struct asynchat_channel *both[2];
    memset(talk, 0, sizeof *talk);
    talk->base = event_base_new();
    assert_non_null(talk->base);
    void *const args[2] = {&talk->server, &talk->client};
    assert_int_equal(asynchat_pair_new(talk->base, handlers, args, both), 0);
    talk->server.ch = both[0];
    talk->client.ch = both[1];
    if (server)
        assert_int_equal(
            asynchat_tls_start(both[0], server, NULL, 0, handle_secure), 0);
    if (client)
        assert_int_equal(
            asynchat_tls_start(both[1], client, name, 0, handle_secure), 0);
}

void talk_tcp(struct talk *talk, struct asynchat_tls *server,
              struct asynchat_tls *client, const char *name)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    memset(talk, 0, sizeof *talk);
    talk->base = event_base_new();
    assert_non_null(talk->base);
    assert_int_equal(asynchat_server_new(talk->base, "127.0.0.1:0",
                                         &side_handler, &talk->server, NULL,
                                         &talk->listener),
                     0);
    assert_int_equal(asynchat_tls_serve(talk->listener, server), 0);
    assert_int_equal(
        asynchat_server_address(talk->listener, address, sizeof address), 0);
    assert_int_equal(
        client ? asynchat_tls_connect(talk->base, address, 0, client, name,
                                      &side_handler, &talk->client,
                                      &talk->client.ch)
               : asynchat_connect(talk->base, address, 0, &side_handler,
                                  &talk->client, &talk->client.ch),
        0);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void talk_run(struct talk *talk)
{
    for (int quiet = 0; quiet < 10; quiet++) {
        size_t before = talk->server.len + talk->client.len;
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
        if (talk->listener)
            usleep(2000);
        if (talk->server.len + talk->client.len != before)
            quiet = 0;
    }
}

void talk_until(struct talk *talk, const struct side *side, const char *word)
{
    size_t len = strlen(word);
    double begun = seconds();
    while (side->len < len || strcmp(side->log + side->len - len, word) != 0) {
        if (seconds() - begun > 20)
            fail_msg("\"%s\" has not come; server: %s; client: %s", word,
                     talk->server.log, talk->client.log);
        event_base_loop(talk->base, EVLOOP_NONBLOCK);
        usleep(500);
    }
}

void connect_both(struct talk *talk)
{
    talk_until(talk, &talk->server, "connect");
    talk_until(talk, &talk->client, "connect");
    expect(&talk->server, "connect");
    expect(&talk->client, "connect");
}

void expect(struct side *side, const char *log)
{
    if (strcmp(side->log, log) != 0)
        print_message("text: %s\n", side->text);
    assert_string_equal(side->log, log);
    side->len = 0;
    side->log[0] = '\0';
}

void say(struct side *side, const char *text)
{
    assert_int_equal(asynchat_push(side->ch, text, strlen(text)), 0);
}

void talk_end(struct talk *talk)
{
    asynchat_channel_free(talk->server.ch);
    asynchat_channel_free(talk->client.ch);
    asynchat_server_free(talk->listener);
    event_base_loop(talk->base, EVLOOP_NONBLOCK);
    event_base_free(talk->base);
}
