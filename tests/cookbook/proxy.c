/* The recipe for a proxy, between a client and a server over sockets: what ends
 * in one direction goes on in the other, a server that resets or is not there is
 * no orderly end for the client, and a server that reads nothing stops the
 * client. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "check.h"

extern const struct asynchat_handler proxy;

static struct event_base *base;
static char heard[64]; /* the first bytes */
static size_t total;
static int ended;

/* --- the client --- */

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)ch;
    (void)arg;
    total += len;
    snprintf(heard + strlen(heard), sizeof heard - strlen(heard), "%.*s",
             (int)len, (const char *)data);
}

static void note_end(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)arg;
    ended = status;
    event_base_loopbreak(base);
}

static const struct asynchat_handler client = {.size = sizeof client,
                                               .collect_incoming_data = collect,
                                               .handle_close = note_end};

/* --- servers --- */

static void echo(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
}

static void say_more(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)cut_off;
    (void)arg;
    static const char more[2 << 20] = " and more";
    asynchat_push_reference(ch, more, sizeof more, NULL, NULL);
}

static void reset(struct asynchat_channel *ch, const void *data, size_t len,
                  void *arg)
{
    (void)arg;
    asynchat_push(ch, data, len);
    asynchat_flush(ch);
    asynchat_abort(ch);
}

static struct asynchat_channel *deaf;

static void be_deaf(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_pause_reading(ch);
    deaf = ch;
}

/* --- a conversation --- */

struct stand {
    struct asynchat_server *server, *proxy;
    struct asynchat_channel *client;
    char to[ASYNCHAT_ADDRESS_SIZE], front[ASYNCHAT_ADDRESS_SIZE];
};

static void serve(const char *at, const struct asynchat_handler *handler,
                  void *arg, struct asynchat_server **out, char *address)
{
    CHECK(asynchat_server_new(base, at, handler, arg, NULL, out) == 0);
    CHECK(asynchat_server_address(*out, address, ASYNCHAT_ADDRESS_SIZE) == 0);
}

#define TCP "127.0.0.1:0"

/* With a name, over sockets of Unix, which keep little; or else over TCP, where
 * the proxy looks localhost up. */
static void begin(struct stand *s, const struct asynchat_handler *server,
                  const char *name)
{
    char at[2][64];
    heard[0] = '\0';
    total = 0;
    ended = 1;
    for (int i = 0; i < 2; i++)
        snprintf(at[i], sizeof at[i], "unix:@%s-%d-%d", name ? name : "",
                 (int)getpid(), i);
    serve(name ? at[0] : TCP, server, NULL, &s->server, s->to);
    if (!name)
        snprintf(s->to, sizeof s->to, "localhost:%d",
                 asynchat_server_port(s->server));
    serve(name ? at[1] : TCP, &proxy, s->to, &s->proxy, s->front);
    CHECK(asynchat_connect(base, s->front, 0, &client, NULL, &s->client) == 0);
    asynchat_push(s->client, "hello", 5);
}

static void end(struct stand *s)
{
    asynchat_server_free(s->server);
    asynchat_server_free(s->proxy);
    event_base_dispatch(base); /* until all channels are gone */
}

static void passes_on_what_comes_behind_an_end(void)
{
    static const struct asynchat_handler server = {.size = sizeof server,
                                                   .collect_incoming_data =
                                                       echo,
                                                   .handle_eof = say_more};
    struct stand s;
    begin(&s, &server, "end");
    asynchat_set_in_buffer_size(s.client, 1000); /* it is slow */
    CHECK(asynchat_shutdown_write(s.client) == 0);
    event_base_dispatch(base);
    CHECK(strcmp(heard, "hello and more") == 0);
    CHECK(total == 5 + (2 << 20));
    CHECK(ended == ASYNCHAT_EOF);
    end(&s);
}

static void passes_a_reset_on(void)
{
    static const struct asynchat_handler server = {
        .size = sizeof server, .collect_incoming_data = reset};
    struct stand s;
    begin(&s, &server, NULL);
    event_base_dispatch(base);
    CHECK(ended == -ECONNRESET);
    end(&s);
}

static void passes_on_that_nobody_is_there(void)
{
    struct stand s;
    begin(&s, &client, NULL);
    asynchat_server_free(s.server);
    s.server = NULL;
    event_base_dispatch(base);
    CHECK(ended == -ECONNRESET);
    end(&s);
}

static void keeps_little_for_a_server_that_is_deaf(void)
{
    static const struct asynchat_handler server = {.size = sizeof server,
                                                   .handle_connect = be_deaf};
    static char much[16 << 20];
    struct stand s;
    begin(&s, &server, "deaf");
    asynchat_push_reference(s.client, much, sizeof much, NULL, NULL);
    for (int i = 0; i < 1000; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    CHECK(deaf && asynchat_get_queued(s.client) > 12 << 20);
    asynchat_close(deaf);
    event_base_dispatch(base);
    end(&s);
}

int main(void)
{
    base = event_base_new();
    CHECK(base);
    passes_on_what_comes_behind_an_end();
    passes_a_reset_on();
    passes_on_that_nobody_is_there();
    keeps_little_for_a_server_that_is_deaf();
    event_base_free(base);
    return 0;
}
