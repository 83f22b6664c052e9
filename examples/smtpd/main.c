/* Receives mail: smtpd [OPTION...] DIR
 *
 *     cc -o smtpd *.c -lcrypt \
 *         $(pkg-config --cflags --libs asynchat-openssl glib-2.0)
 *     ./smtpd --port 2525 /tmp/mail & swaks -s 127.0.0.1:2525 -t a@x.example
 *
 * Each mail becomes a file of the Maildir DIR, as it came, with CR LF: it is on
 * the disk when the client hears 250. The server listens on 127.0.0.1, on any
 * free port unless one is given, and speaks SMTP (RFC 5321) with SIZE,
 * 8BITMIME, SMTPUTF8, PIPELINING, CHUNKING, STARTTLS, AUTH and
 * ENHANCEDSTATUSCODES. Only CR LF ends a line: a command, or the data of DATA,
 * that has a CR or an LF alone is refused. Chunks of BDAT may have any bytes.
 * --help shows the options.
 *
 * SIGHUP reads the certificate again. SIGUSR2 starts the program again, on the
 * same sockets; when the new process is ready, this one stops. At SIGINT or
 * SIGTERM mails whose data has begun are finished, within half a minute, and
 * the server ends. systemd may have opened the sockets: first the one of
 * --port, and then the one of --tls-port.
 *
 * Data streams to the disk, so no mail is ever whole in memory. The loop does
 * not wait for the disk: threads do, and an answer leaves when it is its turn.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "smtpd.h"
#include "../ring.h"
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define GRACE 30000 /* milliseconds when the server stops */
#define LINGER 5000 /* milliseconds for a client that has to go */

struct settings settings = {
    .address = "127.0.0.1",
    .port = "0",
    .max_size = 50 << 20,
    .max_recipients = 1000,
    .max_connections = 450, /* with a file each, less than 1024 descriptors */
    .max_per_address = 200,
    .command_time = 300000,
    .data_time = 600000,
};
struct event_base *base;
struct asynchat_tls *tls;
struct asynchat_workers *workers;
char host[256];

/* --- options --- */

#define LIMITS 6 /* the first of the options */
#define OPTION(kind, name, to, what, value)                                    \
    {                                                                          \
        name, 0, 0, G_OPTION_ARG_##kind, &settings.to, what, value             \
    }

static const GOptionEntry options[] = {
    OPTION(INT, "max-size", max_size, "of a mail", "BYTES"),
    OPTION(INT, "max-recipients", max_recipients, "of a mail", "N"),
    OPTION(INT, "max-connections", max_connections, "in all", "N"),
    OPTION(INT, "max-per-address", max_per_address, "of connections", "N"),
    OPTION(INT, "command-time", command_time, "for a line", "MS"),
    OPTION(INT, "data-time", data_time, "for a mail", "MS"),
    OPTION(STRING, "listen", address, "where, or 127.0.0.1", "ADDRESS"),
    OPTION(STRING, "port", port, "or any that is free", "N"),
    OPTION(STRING, "tls-port", tls_port, "with TLS at once", "N"),
    OPTION(STRING, "tls", certificate, "for STARTTLS", "CERT KEY"),
    OPTION(STRING, "users", users, "who may send: see auth.c", "FILE"),
    OPTION(NONE, "plain-auth", plain_auth, "AUTH without TLS", NULL),
    OPTION(STRING, "lmtp", lmtp, "mails go there: see lmtp.c", "ADDRESS"),
    OPTION(NONE, "discard", discard, "mails go nowhere", NULL),
    OPTION(NONE, "no-fsync", no_fsync, "safe if only smtpd crashes", NULL),
    OPTION(NONE, "io-uring", io_uring, "see ring.h", NULL),
    OPTION(NONE, "proxy-protocol", proxy, "behind a balancer", NULL),
    G_OPTION_ENTRY_NULL};

/* Returns DIR. KEY is what is left in front of it. */
static const char *set_options(char **argv)
{
    GOptionContext *context = g_option_context_new("DIR");
    GError *error = NULL;
    static char **args;     /* DIR and KEY stay */
    args = g_strdupv(argv); /* a restart needs those of argv */
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse_strv(context, &args, &error))
        errx(2, "%s", error->message);
    g_option_context_free(context);
    for (int i = 0; i < LIMITS; i++)
        if (*(int *)options[i].arg_data < 1)
            errx(2, "--%s: no such number", options[i].long_name);
    if (g_strv_length(args) != (settings.certificate ? 3 : 2))
        errx(2, "DIR is missing, or KEY, or there is too much; see --help");
    settings.key = args[1];
    return args[settings.certificate ? 2 : 1];
}

/* --- what a test replaces --- */

/* No two mails have the same name: not those of one process, since it counts,
 * and not those of two, even if the second one has the number of the first. */
void stamp(struct mail *m)
{
    static unsigned count;
    static time_t second; /* of the date, which is made once a second */
    static char date[40];
    int64_t now = g_get_real_time();
    if (second != now / G_USEC_PER_SEC) {
        second = now / G_USEC_PER_SEC;
        strftime(date, sizeof date, "%a, %d %b %Y %T %z", localtime(&second));
    }
    m->date = date;
    m->id = g_strdup_printf("%jd.M%06dP%dQ%u.%.30s", (intmax_t)second,
                            (int)(now % G_USEC_PER_SEC), (int)getpid(), ++count,
                            host);
}

/* --- from start to stop --- */

static void require(int error, const char *what)
{
    if (error)
        errx(1, "%s: %s", what, asynchat_strerror(error));
}

static void start_tls(void)
{
    struct asynchat_tls_options how = {.size = sizeof how,
                                       .certificate = settings.certificate,
                                       .key = settings.key};
    if (settings.certificate && asynchat_tls_new(&how, &tls) < 0)
        errx(1, "%s", asynchat_tls_get_error(NULL));
    if (settings.tls_port && !tls)
        errx(2, "--tls-port needs --tls");
}

static struct asynchat_server *listen_on(const char *port, char **argv)
{
    static const struct asynchat_proxy_options proxy = {.size = sizeof proxy};
    const struct asynchat_timeouts times = {
        .size = sizeof times, .write_idle = settings.command_time};
    const struct asynchat_options channels = {
        .size = sizeof channels, .timeouts = &times, .linger = LINGER};
    const struct asynchat_server_options all = {
        .size = sizeof all,
        .flags = ASYNCHAT_INHERIT,
        .max_connections = settings.max_connections,
        .max_per_address = settings.max_per_address,
        .turn_away = "421 4.7.0 too many connections\r\n",
        .channels = &channels,
        .proxy = settings.proxy ? &proxy : NULL};
    struct asynchat_server *s;
    char address[ASYNCHAT_ADDRESS_SIZE];
    snprintf(address, sizeof address, "%s:%s", settings.address, port);
    require(asynchat_server_new(base, address, &lines, NULL, &all, &s),
            address);
    require(asynchat_server_stop_on_termination(s, GRACE, NULL, NULL),
            "SIGTERM");
    require(
        asynchat_server_restart_on_signal(s, SIGUSR2, argv, GRACE, NULL, NULL),
        "SIGUSR2");
    require(asynchat_server_address(s, address, sizeof address), address);
    printf("listening on %s\n", address);
    return s;
}

static void listen_here(char **argv)
{
    struct asynchat_server *s = listen_on(settings.port, argv);
    signal(SIGHUP, SIG_IGN); /* without TLS there is nothing to read */
    if (tls)
        require(asynchat_tls_reload_on_signal(s, SIGHUP, tls), "SIGHUP");
    if (settings.tls_port)
        require(asynchat_tls_serve(listen_on(settings.tls_port, argv), tls),
                "TLS");
}

/* What the library has to say goes to standard error, as what is said of
 * mails. */
static void print_log(const struct asynchat_log_record *record, void *arg)
{
    warnx("%s: %s", record->peer, record->text);
}

int main(int argc, char **argv)
{
    const char *folder = set_options(argv);
    gethostname(host, sizeof host - 1);
    asynchat_set_log(ASYNCHAT_LOG_WARNING, print_log, NULL);
    base = event_base_new();
    require(base ? 0 : -ENOMEM, "event_base_new");
    ring_start(base, settings.io_uring);
    start_tls();
    if (!settings.discard)
        mail_open(folder);
    listen_here(argv); /* before there are threads: it changes environ(7) */
    require(asynchat_workers_new(THREADS, NULL, NULL, &workers), "threads");
    if (fflush(stdout))
        err(1, "standard output");
    asynchat_restart_done(); /* the process before this one is not needed */
    /* The loop ends by itself when the last connection is gone. */
    int ran = event_base_dispatch(base);
    asynchat_workers_free(workers);
    asynchat_tls_free(tls);
    ring_stop(base);
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
