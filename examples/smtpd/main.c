/* Receives mail: smtpd [OPTION...] DIR
 *
 *     cc -o smtpd *.c $(pkg-config --cflags --libs asynchat-openssl) -lcrypt
 *     ./smtpd --port 2525 /tmp/mail & swaks -s 127.0.0.1:2525 -t a@x.example
 *
 * Each mail becomes a file of the Maildir DIR, as it came, with CR LF: it is on
 * the disk when the client hears 250. The server listens on 127.0.0.1, on any
 * free port unless one is given, and speaks SMTP (RFC 5321) with SIZE, 8BITMIME,
 * SMTPUTF8, PIPELINING, CHUNKING, STARTTLS, AUTH and ENHANCEDSTATUSCODES. Only CR
 * LF ends a line: a command, or the data of DATA, that has a CR or an LF alone is
 * refused. Chunks of BDAT may have any bytes. The options, with times in
 * milliseconds and sizes in bytes:
 *
 *     --port N   --tls CERT KEY   --tls-port N (TLS from the beginning)
 *     --users FILE (who may send, see auth.c)   --plain-auth (also without TLS)
 *     --lmtp ADDRESS (mails go there, see lmtp.c)   --discard (they are counted)
 *     --no-fsync (safe from a crash of the server, but not of the system)
 *     --proxy-protocol (each connection comes from a balancer)
 *     --max-size N   --max-recipients N   --command-time N   --data-time N
 *     --max-connections N   --max-per-address N
 *
 * SIGHUP reads the certificate again. SIGUSR2 starts the program again, on the
 * same sockets; when the new process is ready, this one stops. At SIGINT or
 * SIGTERM mails whose data has begun are finished, within half a minute, and the
 * server ends. systemd may have opened the sockets: first the one of --port, and
 * then the one of --tls-port.
 *
 * Data streams to the disk, so no mail is ever whole in memory. The loop does not
 * wait for the disk: threads do, and an answer leaves when it is its turn.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define GRACE 30000 /* milliseconds when the server stops */
#define LINGER 5000 /* milliseconds for a client that has to go */

struct settings settings = {
    .tls_port = UINT64_MAX, /* none */
    .max_size = 50 << 20,
    .max_recipients = 1000,
    .max_connections = 450, /* with a file each, less than 1024 descriptors */
    .max_per_address = 200,
    .command_time = 300000,
    .data_time = 600000,
};
struct event_base *base;
struct asynchat_tls *tls;
char host[256];

static struct asynchat_server *servers[2];
static struct event *signals[2];
static int listening; /* how many servers */

/* --- options --- */

static const struct option {
    const char *name;
    uint64_t *number, least;
    bool *flag;
    const char **text, **second;
} options[] = {
    {"--port", .number = &settings.port},
    {"--tls-port", .number = &settings.tls_port},
    {"--max-size", .number = &settings.max_size, .least = 1},
    {"--max-recipients", .number = &settings.max_recipients, .least = 1},
    {"--max-connections", .number = &settings.max_connections, .least = 1},
    {"--max-per-address", .number = &settings.max_per_address, .least = 1},
    {"--command-time", .number = &settings.command_time, .least = 1},
    {"--data-time", .number = &settings.data_time, .least = 1},
    {"--discard", .flag = &settings.discard},
    {"--no-fsync", .flag = &settings.no_fsync},
    {"--plain-auth", .flag = &settings.plain_auth},
    {"--proxy-protocol", .flag = &settings.proxy},
    {"--users", .text = &settings.users},
    {"--lmtp", .text = &settings.lmtp},
    {"--tls", .text = &settings.certificate, .second = &settings.key},
};

/* Goes on to the next argument. */
static const char *take(char ***at)
{
    const char *name = **at;
    if (!*++*at)
        errx(2, "%s: something has to follow", name);
    return **at;
}

static void set_option(const struct option *o, char ***at)
{
    if (o->flag)
        *o->flag = true;
    if (o->number && (!parse_number(take(at), o->number) ||
                      *o->number < o->least || *o->number > INT32_MAX))
        errx(2, "%s %s: no such number", o->name, **at);
    if (o->text)
        *o->text = take(at);
    if (o->second)
        *o->second = take(at);
}

/* Returns DIR. */
static const char *set_options(char **at)
{
    const struct option *end = options + sizeof options / sizeof *options;
    for (at++; *at && has_prefix(*at, "--"); at++) {
        const struct option *o = options;
        while (o < end && strcmp(*at, o->name) != 0)
            o++;
        if (o == end)
            errx(2, "%s: no such option; main.c has them all", *at);
        set_option(o, &at);
    }
    if (!*at || at[1])
        errx(2, "usage: smtpd [OPTION...] DIR");
    return *at;
}

/* --- what a test replaces --- */

/* No two mails have the same name: not those of one process, since it counts, and
 * not those of two, even if the second one has the number of the first. */
void stamp(struct mail *m)
{
    static unsigned count;
    static time_t second; /* of the texts, which are made once a second */
    static char date[sizeof m->date], id[48];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (second != now.tv_sec) {
        second = now.tv_sec;
        strftime(date, sizeof date, "%a, %d %b %Y %T %z", localtime(&second));
        snprintf(id, sizeof id, "%lld.M%ldP%d", (long long)second,
                 now.tv_nsec / 1000, (int)getpid());
    }
    strcpy(m->date, date);
    snprintf(m->id, sizeof m->id, "%sQ%u.%.30s", id, ++count, host);
}

int connect_lmtp(const struct asynchat_handler *handler, struct mail *m)
{
    struct asynchat_channel *ch;
    return asynchat_connect_name(base, settings.lmtp, NULL, NULL, handler, m,
                                 &ch);
}

/* --- signals --- */

static void reload(evutil_socket_t number, short what, void *arg)
{
    (void)number, (void)what, (void)arg;
    if (tls && asynchat_tls_reload(tls, NULL) < 0)
        warnx("the old certificate stays: %s", asynchat_tls_get_error(NULL));
}

/* The next process has the sockets at 3 and 4, as if it came from systemd. */
static void restart(evutil_socket_t number, short what, void *argv)
{
    char text[32];
    int fds[2];
    (void)number, (void)what;
    if (fork() != 0)
        return;
    for (int i = 0; i < listening; i++)
        fds[i] = fcntl(asynchat_server_get_socket(servers[i]), F_DUPFD, 5);
    for (int i = 0; i < listening; i++)
        dup2(fds[i], 3 + i);
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
    snprintf(text, sizeof text, "%d", listening);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof text, "%d", (int)getppid());
    setenv("REPLACES", text, 1);
    execvp(*(char **)argv, argv);
    _exit(1);
}

/* A loop that waits for a signal does not end. */
static void stopped(void *arg)
{
    (void)arg;
    if (--listening == 0)
        for (int i = 0; i < 2; i++)
            event_free(signals[i]);
}

/* --- from start to stop --- */

static void require(int error, const char *what)
{
    if (error)
        errx(1, "%s: %s", what, asynchat_strerror(error));
}

static void start_tls(void)
{
    struct asynchat_tls_options how = {.size = sizeof how};
    how.certificate = settings.certificate;
    how.key = settings.key;
    if (settings.certificate && asynchat_tls_new(&how, &tls) < 0)
        errx(1, "%s", asynchat_tls_get_error(NULL));
    if (settings.tls_port != UINT64_MAX && !tls)
        errx(2, "--tls-port needs --tls");
}

static void listen_on(uint64_t port, int fd)
{
    static const struct asynchat_proxy_options proxy = {.size = sizeof proxy};
    const struct asynchat_timeouts times = {
        .size = sizeof times, .write_idle = (unsigned)settings.command_time};
    const struct asynchat_options channels = {
        .size = sizeof channels, .timeouts = &times, .linger = LINGER};
    const struct asynchat_server_options all = {
        .size = sizeof all,
        .max_connections = (unsigned)settings.max_connections,
        .max_per_address = (unsigned)settings.max_per_address,
        .turn_away = "421 4.7.0 too many connections\r\n",
        .channels = &channels,
        .proxy = settings.proxy ? &proxy : NULL};
    struct asynchat_server **s = &servers[listening++];
    char address[ASYNCHAT_ADDRESS_SIZE];
    snprintf(address, sizeof address, "127.0.0.1:%d", (int)port);
    require(fd >= 0
                ? asynchat_server_new_socket(base, fd, &lines, NULL, &all, s)
                : asynchat_server_new(base, address, &lines, NULL, &all, s),
            address);
    for (int i = 0; i < 2; i++)
        require(asynchat_server_stop_on_signal(*s, i ? SIGINT : SIGTERM, GRACE,
                                               stopped, NULL),
                "signal");
    require(asynchat_server_address(*s, address, sizeof address), address);
    printf("listening on %s\n", address);
}

static void listen_here(void)
{
    int first = 0, count = asynchat_inherited_sockets(&first);
    require(count < 0 ? count : 0, "inherited sockets");
    listen_on(settings.port, count > 0 ? first : -1);
    if (settings.tls_port != UINT64_MAX) {
        listen_on(settings.tls_port, count > 1 ? first + 1 : -1);
        require(asynchat_tls_serve(servers[1], tls), "TLS");
    }
}

/* From now on the process before this one is not needed. */
static void begin_work(char **argv)
{
    const char *old = getenv("REPLACES");
    signal(SIGCHLD, SIG_IGN); /* a process that cannot start leaves nothing */
    signals[0] = evsignal_new(base, SIGHUP, reload, NULL);
    signals[1] = evsignal_new(base, SIGUSR2, restart, argv);
    if (event_add(signals[0], NULL) || event_add(signals[1], NULL) ||
        fflush(stdout))
        errx(1, "no signals, or no standard output");
    if (old)
        kill(atoi(old), SIGTERM);
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *folder = set_options(argv);
    gethostname(host, sizeof host - 1);
    base = event_base_new();
    require(base ? 0 : -ENOMEM, "event_base_new");
    if (!settings.discard)
        mail_open(folder);
    start_tls();
    listen_here(); /* before there are threads, since it changes environ(7) */
    threads_start();
    begin_work(argv);
    /* The loop ends by itself when the last connection is gone. */
    int ran = event_base_dispatch(base);
    mail_close();
    asynchat_tls_free(tls);
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
