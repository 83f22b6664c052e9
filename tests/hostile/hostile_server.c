/* The server that is attacked by tests/thorough/hostile. Every limit and
 * timeout is on. It answers each line with the line's number in the connection
 * and the line.
 *
 * usage: hostile_server [WITHOUT]
 *
 *     login     from now on a message may take a minute, but must come at
 *               MIN_RATE; before the login it must be complete within PATIENCE
 *     big TEXT  the answer is followed by BIG bytes
 *     feed      BIG bytes every FEED milliseconds, whether taken or not
 *     bye       closes when the answer is sent
 *
 * WITHOUT is the name of a limit that is off; the test must notice that. The
 * server prints its port, and at each SIGUSR1 a line of counts. At SIGTERM it
 * stops listening, and exits with 0 if nothing is left in the loop then.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

#include <asynchat.h>

#include "descriptors.h"

/* These values are also in attack.py and run.py. */
#define MESSAGE_LIMIT 8192
#define OUTPUT_LIMIT 262144
#define BUDGET 64
#define BIG 16384
#define FEED 20
#define MAX_CONNECTIONS 1500
#define MAX_PER_ADDRESS 50
#define ACCEPT_BUDGET 64
#define PATIENCE 2000 /* milliseconds */
#define LINGER 300
#define MIN_RATE 100
#define SEND_BUFFER 16384 /* the system's buffer; the rest waits in the queue */

struct connection {
    struct event *feed;
    unsigned lines;
    bool logged_in;
    int error;
    int errors;
};

static struct event_base *base;
static struct asynchat_server *server;
static struct event *signals[2];
static const char *without = "";
static size_t peak;                      /* the most connections */
static unsigned slow_login, slow_upload; /* channels that ended with ESLOW */
static unsigned wrong;                   /* events that contradict the manual */

static void check(int error, const char *what)
{
    if (error) {
        fprintf(stderr, "hostile_server: %s: %s\n", what,
                asynchat_strerror(error));
        exit(1);
    }
}

/* Returns the limit, or if it is off a value that is as good as none. */
static unsigned unless(const char *name, unsigned limit, unsigned none)
{
    return strcmp(without, name) == 0 ? none : limit;
}

/* --- limits --- */

static void set_timeouts(struct asynchat_channel *ch, unsigned message,
                         unsigned rate)
{
    const struct asynchat_timeouts times = {
        .size = sizeof times,
        .idle = unless("idle", PATIENCE, 0),
        .read_idle = unless("idle", PATIENCE, 0),
        .write_idle = unless("write_idle", PATIENCE, 0),
        .message = message,
        .min_rate = rate,
        .rate_time = PATIENCE,
    };
    check(asynchat_set_timeouts(ch, &times), "timeouts");
}

/* The peer's window cannot be limited here, but the system's send buffer
 * can. */
static void set_send_buffer(struct asynchat_channel *ch)
{
    int size = SEND_BUFFER;
    int fd = bufferevent_getfd(asynchat_get_bufferevent(ch));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static void set_limits(struct asynchat_channel *ch)
{
    check(asynchat_set_message_limit(
              ch, unless("message_limit", MESSAGE_LIMIT, UINT32_MAX)),
          "message limit");
    check(asynchat_set_output_limit(
              ch, unless("output_limit", OUTPUT_LIMIT, UINT32_MAX)),
          "output limit");
    check(asynchat_set_message_budget(ch, BUDGET), "budget");
    check(asynchat_set_linger(ch, unless("linger", LINGER, INT32_MAX)),
          "linger");
    check(asynchat_join(ch, ch), "join");
    set_timeouts(ch, unless("message_time", PATIENCE, 0), 0);
    set_send_buffer(ch);
}

/* --- the conversation --- */

static void connected(struct asynchat_channel *ch, void *arg)
{
    struct connection *c = calloc(1, sizeof *c);
    size_t now = asynchat_server_connections(server);
    (void)arg;
    check(c ? 0 : -ENOMEM, "connection");
    peak = now > peak ? now : peak;
    asynchat_set_arg(ch, c);
    check(asynchat_set_terminator(ch, "\r\n", 2), "terminator");
    set_limits(ch);
}

static bool is(const void *data, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(data, word, len) == 0;
}

static void log_in(struct asynchat_channel *ch, struct connection *c)
{
    c->logged_in = true;
    set_timeouts(ch, 60000, unless("min_rate", MIN_RATE, 0));
}

static const char big[BIG];

/* A push is refused only if nothing can be sent any more; handle_close has the
 * reason. */
static void push(struct asynchat_channel *ch, const void *data, size_t len)
{
    int error = asynchat_push(ch, data, len);
    if (error && error != ASYNCHAT_ECLOSED && error != ASYNCHAT_EFULL)
        wrong++;
}

static void feed(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    push(arg, big, sizeof big);
}

static void begin_feed(struct asynchat_channel *ch, struct connection *c)
{
    const struct timeval time = {.tv_usec = FEED * 1000};
    if (c->feed)
        return;
    c->feed = event_new(base, -1, EV_PERSIST, feed, ch);
    check(c->feed ? event_add(c->feed, &time) : -ENOMEM, "feed");
}

static void answer(struct asynchat_channel *ch, const void *data, size_t len,
                   struct connection *c)
{
    char number[16];
    int digits = snprintf(number, sizeof number, "%u ", ++c->lines);
    push(ch, number, (size_t)digits);
    push(ch, data, len);
    push(ch, "\r\n", 2);
    if (len > 4 && memcmp(data, "big ", 4) == 0)
        push(ch, big, sizeof big);
}

static void line(struct asynchat_channel *ch, const void *data, size_t len,
                 void *arg)
{
    answer(ch, data, len, arg);
    if (is(data, len, "login"))
        log_in(ch, arg);
    else if (is(data, len, "feed"))
        begin_feed(ch, arg);
    else if (is(data, len, "bye"))
        asynchat_close_when_done(ch);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    struct connection *c = arg;
    (void)ch;
    c->error = error;
    c->errors++;
}

/* An error is reported once by handle_error and once by handle_close. */
static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct connection *c = arg;
    int error = status == ASYNCHAT_EOF ? 0 : status;
    (void)ch;
    if (status == ASYNCHAT_ESLOW)
        ++*(c->logged_in ? &slow_upload : &slow_login);
    if (c->error != error || c->errors != (error != 0))
        wrong++;
    if (c->feed)
        event_free(c->feed);
    free(c);
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .message = line,
    .handle_connect = connected,
    .handle_error = failed,
    .handle_close = closed,
};

/* --- counting --- */

static void report_ended(void)
{
    static const struct {
        const char *name;
        int status;
    } ends[] = {
        {"ended", 0},
        {"eof", ASYNCHAT_EOF},
        {"idle", ASYNCHAT_EIDLE},
        {"stalled", ASYNCHAT_ESTALLED},
        {"full", ASYNCHAT_EFULL},
        {"too_long", ASYNCHAT_ETOOLONG},
        {"timed_out", -ETIMEDOUT},
        {"reset", -ECONNRESET},
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        printf("%s %" PRIu64 " ", ends[i].name,
               asynchat_server_get_ended(server, ends[i].status));
    printf("slow_login %u slow_upload %u ", slow_login, slow_upload);
}

/* Each report has the peak since the last report. */
static void report(evutil_socket_t number, short what, void *arg)
{
    struct asynchat_server_stats stats;
    malloc_trim(0); /* memory kept by malloc does not count */
    struct mallinfo2 memory = mallinfo2();
    (void)number;
    (void)what;
    (void)arg;
    check(asynchat_server_get_stats(server, &stats, sizeof stats), "stats");
    report_ended();
    printf("accepted %" PRIu64 " turned_away %" PRIu64 " open %" PRIu64
           " messages %" PRIu64 " peak %zu wrong %u descriptors %d heap %zu\n",
           stats.accepted, stats.turned_away, stats.connections, stats.messages,
           peak, wrong, count_descriptors(), memory.uordblks + memory.hblkhd);
    fflush(stdout);
    peak = stats.connections;
}

/* --- from start to stop --- */

static void stop(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    (void)arg;
    asynchat_server_free(server);
    for (int i = 0; i < 2; i++)
        event_free(signals[i]);
}

static struct event *at_signal(int number, event_callback_fn act)
{
    struct event *event = evsignal_new(base, number, act, NULL);
    check(event ? event_add(event, NULL) : -ENOMEM, "signal");
    return event;
}

static void begin(void)
{
    const struct asynchat_server_options options = {
        .size = sizeof options,
        .accept_budget = ACCEPT_BUDGET,
        .max_connections = unless("max_connections", MAX_CONNECTIONS, 0),
        .max_per_address = unless("max_per_address", MAX_PER_ADDRESS, 0),
        .turn_away = "busy\r\n",
    };
    base = event_base_new();
    check(base ? 0 : -ENOMEM, "event_base_new");
    check(asynchat_server_new(base, "127.0.0.1:0", &handler, NULL, &options,
                              &server),
          "server");
    signals[0] = at_signal(SIGUSR1, report);
    signals[1] = at_signal(SIGTERM, stop);
    printf("%d\n", asynchat_server_port(server));
    fflush(stdout);
}

static int left_in_loop(void)
{
    int left = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED |
                                                   EVENT_BASE_COUNT_ACTIVE);
    if (left)
        fprintf(stderr, "hostile_server: %d events are left in the loop\n",
                left);
    return left;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    if (argc > 1)
        without = argv[1];
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    begin();
    /* 1: nothing is left to wait for */
    int ran = event_base_dispatch(base);
    int left = left_in_loop();
    event_base_free(base);
    return ran == 1 && left == 0 ? 0 : 1;
}
