/* hiredis, and hiredis with its adapter for libevent: hiredis PORT.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <hiredis/async.h>
#include <hiredis/adapters/libevent.h>

#define MANY 10000

static int port;

/* --- what is said --- */

static void print_bytes(const char *bytes, size_t len)
{
    if (len > 200) {
        printf("%zu bytes", len);
        return;
    }
    for (size_t i = 0; i < len; i++)
        printf(bytes[i] < ' ' || bytes[i] > '~' ? "\\x%02x" : "%c",
               (unsigned char)bytes[i]);
}

static void print(const redisReply *reply)
{
    static const char *const kinds[] = {
        [REDIS_REPLY_STRING] = "string",   [REDIS_REPLY_ARRAY] = "array",
        [REDIS_REPLY_INTEGER] = "integer", [REDIS_REPLY_NIL] = "nil",
        [REDIS_REPLY_STATUS] = "status",   [REDIS_REPLY_ERROR] = "error",
    };
    if (!reply) {
        printf("nothing");
        return;
    }
    printf("%s", kinds[reply->type]);
    if (reply->type == REDIS_REPLY_INTEGER)
        printf(" %lld", reply->integer);
    else if (reply->type != REDIS_REPLY_ARRAY && reply->str)
        printf(" "), print_bytes(reply->str, reply->len);
    for (size_t i = 0; i < reply->elements; i++)
        printf(" ("), print(reply->element[i]), printf(")");
}

static void say(const char *what, const redisReply *reply)
{
    printf("%s: ", what);
    print(reply);
    printf("\n");
}

static void require(int good, const char *what)
{
    if (good)
        return;
    printf("%s failed\n", what);
    exit(1);
}

/* Asks judges.py. */
static void tell(const char *word)
{
    char line[8];
    puts(word);
    require(fgets(line, sizeof line, stdin) != NULL, "the judge");
}

/* --- one after the other, and in pipelines --- */

static redisContext *connected(void)
{
    redisContext *c = redisConnect("127.0.0.1", port);
    require(c && !c->err, "redisConnect");
    return c;
}

static void simple(redisContext *c)
{
    char requests[] =
        "FLUSHALL|PING|SET a 1|GET a|GET none|INCR a|SET a 2 NX|SET a 2 GET|"
        "SETEX t 100 x|EXPIRE t 5 NX|PERSIST t|MSET m1 1 m2 2|MGET m1 none a|"
        "APPEND m1 b|STRLEN m1|TYPE m1|EXISTS m1 m2|SETNX m1 1|GETSET m1 x|"
        "INCR m1|NOSUCH a b|GET|KEYS m1|SCAN 0 MATCH m2 COUNT 100|DBSIZE|"
        "DEL m1 none|CLIENT SETNAME me|CLIENT GETNAME|CONFIG GET save|"
        "MULTI|SET n 1|INCR n|MGET n none|INCR t|EXEC|"
        "WATCH n|SET n 2|MULTI|GET n|EXEC|MULTI|NOSUCH|EXEC|MULTI|DISCARD";
    char *rest, *request = strtok_r(requests, "|", &rest);
    for (; request; request = strtok_r(NULL, "|", &rest)) {
        redisReply *reply = redisCommand(c, request);
        say(request, reply);
        freeReplyObject(reply);
    }
}

static void pipelines(redisContext *c)
{
    static char big[1 << 20];
    redisReply *reply;
    memset(big, '\r', sizeof big);
    redisAppendCommand(c, "SET big %b", big, sizeof big);
    for (int i = 0; i < MANY; i++)
        redisAppendCommand(c, "INCRBY sum %d", i);
    redisAppendCommand(c, "GET big");
    long long last = 0;
    for (int i = 0; i < MANY + 2; i++) {
        require(redisGetReply(c, (void **)&reply) == REDIS_OK, "redisGetReply");
        if (reply->type == REDIS_REPLY_INTEGER)
            last = reply->integer;
        else
            say("in the pipeline", reply);
        freeReplyObject(reply);
    }
    printf("the sum: %lld\n", last);
}

static void say_next(const char *what, redisContext *c, int count)
{
    for (; count > 0; count--) {
        redisReply *reply;
        require(redisGetReply(c, (void **)&reply) == REDIS_OK, "redisGetReply");
        say(what, reply);
        freeReplyObject(reply);
    }
}

static void topics(redisContext *c)
{
    redisContext *other = connected();
    redisAppendCommand(c, "SUBSCRIBE a b");
    redisAppendCommand(c, "PSUBSCRIBE a*");
    say_next("subscribed", c, 3);
    redisAppendCommand(other, "PUBLISH a %b", "\0\r\n\xff", (size_t)4);
    say_next("published", other, 1);
    redisAppendCommand(c, "PING x");
    redisAppendCommand(c, "UNSUBSCRIBE b");
    redisAppendCommand(c, "GET a");
    say_next("heard", c, 5);
    redisFree(other);
}

/* --- with libevent --- */

struct both {
    struct event_base *base;
    redisAsyncContext *asks, *listens;
    int answers, lost;
    long long last, published;
    bool has_heard;
};

/* Which of the two sees it first is not known, so both say the same. */
static void lost(const redisAsyncContext *c, int status)
{
    struct both *both = c->data;
    printf("disconnected: %s\n", status == REDIS_OK ? "as asked" : c->errstr);
    if (++both->lost == 2)
        event_base_loopbreak(both->base);
}

static redisAsyncContext *attached(struct both *both)
{
    redisAsyncContext *c = redisAsyncConnect("127.0.0.1", port);
    require(c && !c->err, "redisAsyncConnect");
    c->data = both;
    require(redisLibeventAttach(c, both->base) == REDIS_OK, "attach");
    redisAsyncSetDisconnectCallback(c, lost);
    return c;
}

static void answered(redisAsyncContext *c, void *reply, void *what)
{
    (void)c;
    say(what, reply);
}

static void counted(redisAsyncContext *c, void *reply, void *arg)
{
    struct both *both = c->data;
    (void)arg;
    require(reply != NULL, "INCR");
    both->answers++;
    both->last = ((redisReply *)reply)->integer;
}

static void break_if_both(struct both *both)
{
    if (both->published >= 0 && both->has_heard)
        event_base_loopbreak(both->base);
}

static void published(redisAsyncContext *c, void *reply, void *arg)
{
    struct both *both = c->data;
    (void)arg;
    require(reply != NULL, "PUBLISH");
    both->published = ((redisReply *)reply)->integer;
    break_if_both(both);
}

static void heard(redisAsyncContext *c, void *arg, void *what)
{
    struct both *both = c->data;
    const redisReply *reply = arg;
    if (!reply)
        return;
    say(what, reply);
    if (strcmp(reply->element[0]->str, "subscribe") == 0)
        redisAsyncCommand(both->asks, published, NULL, "PUBLISH news %b",
                          "a\0b", (size_t)3);
    both->has_heard |= strcmp(reply->element[0]->str, "message") == 0;
    break_if_both(both);
}

static void executed(redisAsyncContext *c, void *reply, void *what)
{
    struct both *both = c->data;
    say(what, reply);
    redisAsyncCommand(both->listens, heard, "news", "SUBSCRIBE news");
}

static void ask_and_listen(struct both *both)
{
    redisAsyncCommand(both->asks, answered, "get", "GET a");
    for (int i = 0; i < MANY; i++)
        redisAsyncCommand(both->asks, counted, NULL, "INCR many");
    redisAsyncCommand(both->asks, answered, "error", "GET");
    redisAsyncCommand(both->asks, answered, "multi", "MULTI");
    redisAsyncCommand(both->asks, answered, "queued", "SET a 1");
    redisAsyncCommand(both->asks, executed, "exec", "EXEC");
    event_base_dispatch(both->base);
    printf("%d answers, the last %lld; %lld listened\n", both->answers,
           both->last, both->published);
}

/* Until the server is stopped, and until both connections have seen that. */
static void with_libevent(const char *how)
{
    struct both both = {.base = event_base_new(), .published = -1};
    both.asks = attached(&both);
    both.listens = attached(&both);
    ask_and_listen(&both);
    if (how) {
        tell(how);
    } else {
        redisAsyncDisconnect(both.asks);
        redisAsyncDisconnect(both.listens);
    }
    event_base_dispatch(both.base);
    event_base_free(both.base);
    if (!how)
        return;
    redisContext *c = redisConnect("127.0.0.1", port);
    printf("down: %s\n", c->errstr);
    redisFree(c);
    tell("start");
}

int main(int argc, char **argv)
{
    require(argc == 2, "usage");
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    port = atoi(argv[1]);
    redisContext *c = connected();
    simple(c);
    pipelines(c);
    topics(c);
    with_libevent("stop");
    redisReply *reply = redisCommand(c, "GET a");
    printf("over: %s\n", reply ? "an answer" : c->errstr);
    require(redisReconnect(c) == REDIS_OK, "redisReconnect");
    reply = redisCommand(c, "GET a");
    say("after redisReconnect", reply);
    freeReplyObject(reply);
    with_libevent("kill");
    with_libevent(NULL);
    redisFree(c);
    puts("done");
    return 0;
}
