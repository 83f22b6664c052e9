/* Receives mail: smtpd [OPTION...] DIR
 *
 *     cc -o smtpd *.c $(pkg-config --cflags --libs asynchat)
 *     ./smtpd --port 2525 /tmp/mail & swaks --server 127.0.0.1:2525 --to a@x.example
 *
 * Each mail becomes a file of the Maildir DIR: it is on the disk when the client
 * hears 250. The server listens on 127.0.0.1, on any free port unless one is
 * given, and speaks SMTP (RFC 5321) with SIZE, 8BITMIME, SMTPUTF8, PIPELINING,
 * CHUNKING and ENHANCEDSTATUSCODES. Only CR LF ends a line: a line, or the data
 * of DATA, with a CR or an LF alone is refused. A chunk of BDAT may have any
 * bytes, which are stored as they are. Options:
 *
 *     --port N              --max-size BYTES         --command-time MS
 *     --discard             --max-recipients N       --data-time MS
 *     --no-fsync            --max-connections N      --max-per-address N
 *
 * With --discard mails are counted and dropped. With --no-fsync they are safe
 * from a crash of the server, and not of the system. At SIGINT or SIGTERM mails
 * whose data has begun are finished, within half a minute, and the server ends.
 *
 * Data streams to the disk, so no mail is ever whole in memory. The loop does
 * not wait for the disk: threads do, and the answer leaves when it is its turn.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <signal.h>
#include <unistd.h>

#define GRACE 30000 /* milliseconds when the server stops */

struct settings settings = {.max_size = 50 << 20,
                            .max_recipients = 1000,
                            .max_connections = 10000,
                            .max_per_address = 1000,
                            .command_time = 300000,
                            .data_time = 600000};
struct event_base *base;
struct asynchat_workers *workers;
char host[256];

/* A flag has no value. */
static const struct option {
    const char *name;
    uint64_t *number, *flag;
    uint64_t least;
} options[] = {
    {"--port", .number = &settings.port},
    {"--max-size", .number = &settings.max_size, .least = 1},
    {"--max-recipients", .number = &settings.max_recipients, .least = 1},
    {"--max-connections", .number = &settings.max_connections, .least = 1},
    {"--max-per-address", .number = &settings.max_per_address, .least = 1},
    {"--command-time", .number = &settings.command_time, .least = 1},
    {"--data-time", .number = &settings.data_time, .least = 1},
    {"--discard", .flag = &settings.discard},
    {"--no-fsync", .flag = &settings.no_fsync},
};

static const struct option *find_option(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(name, options[i].name) == 0)
            return &options[i];
    errx(2, "%s: unknown option; main.c lists them", name);
}

/* Returns DIR. */
static const char *set_options(char **argv)
{
    while (*++argv && has_prefix(*argv, "--")) {
        const struct option *o = find_option(*argv);
        if (o->flag)
            *o->flag = 1;
        else if (!*++argv || !parse_number(*argv, o->number) ||
                 *o->number < o->least || *o->number > INT32_MAX)
            errx(2, "%s: it needs a number", o->name);
    }
    if (!*argv || argv[1])
        errx(2, "usage: smtpd [OPTION...] DIR");
    return *argv;
}

static void require(int error, const char *what)
{
    if (error)
        errx(1, "%s: %s", what, asynchat_strerror(error));
}

static void listen_on(uint64_t port)
{
    static const int signals[] = {SIGINT, SIGTERM};
    const struct asynchat_timeouts times = {
        .size = sizeof times, .write_idle = (unsigned)settings.command_time};
    const struct asynchat_options channels = {.size = sizeof channels,
                                              .timeouts = &times};
    const struct asynchat_server_options all = {
        .size = sizeof all,
        .max_connections = (unsigned)settings.max_connections,
        .max_per_address = (unsigned)settings.max_per_address,
        .turn_away = "421 4.7.0 too many connections\r\n",
        .channels = &channels};
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    snprintf(address, sizeof address, "127.0.0.1:%d", (int)port);
    require(asynchat_server_new(base, address, &lines, NULL, &all, &server),
            address);
    for (int i = 0; i < 2; i++)
        require(asynchat_server_stop_on_signal(server, signals[i], GRACE, NULL,
                                               NULL),
                "signal");
    printf("listening on 127.0.0.1:%d\n", asynchat_server_port(server));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *folder = set_options(argv);
    if (!settings.discard)
        folder_open(folder);
    gethostname(host, sizeof host - 1);
    base = event_base_new();
    require(base ? 0 : -ENOMEM, "event_base_new");
    if (!settings.discard && !settings.no_fsync)
        require(asynchat_workers_new(WORKERS, NULL, NULL, &workers), "threads");
    listen_on(settings.port);
    /* The loop ends by itself when the last connection is gone. */
    int ran = event_base_dispatch(base);
    asynchat_workers_free(workers);
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
