/* One side of conversations with other implementations of TLS, for judges.py:
 *
 *     judge serve PORT [OPTION[=VALUE]]...
 *     judge connect PORT [OPTION[=VALUE]]... [-- COMMAND...]
 *
 * A server does what the lines of its peer say, and a client does what its
 * arguments say: see `commands`. What happens is printed in lines.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include <asynchat.h>
#include <asynchat/tls.h>

#define MESSAGE_MOST (16 << 20)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct event_base *base;
static struct asynchat_tls *tls;
static bool is_server;
static char **steps;       /* a client's commands, up to a NULL */
static unsigned long left; /* how many more times a client connects */

/* The options; those without a value are flags. */
static char *certificate, *key, *trust, *name, *alpn, *limit, *times;
static char *greeting; /* what a server says first */
static char *last;     /* what is said when the peer has ended its half */
static char *demand, *starttls;

static void check(int error, const char *what)
{
    if (error)
        errx(1, "%s: %s", what, asynchat_strerror(error));
}

/* --- what a side can do --- */

/* What the next message is, kept as the channel's argument. */
enum mode { COMMAND, ECHO, ALL, TEXT };
static enum mode modes[] = {COMMAND, ECHO, ALL, TEXT};

static void expect(struct asynchat_channel *ch, enum mode mode, size_t len)
{
    asynchat_set_arg(ch, &modes[mode]);
    if (mode == ALL)
        check(asynchat_set_terminator_none(ch), "terminator");
    else if (mode == ECHO)
        check(asynchat_set_terminator_length(ch, len), "terminator");
    else
        check(asynchat_set_terminator(ch, "\n", 1), "terminator");
}

/* Text that is to be sent. A channel may have ended already. */
static void say(struct asynchat_channel *ch, const char *text)
{
    asynchat_push_printf(ch, "%s\n", text);
}

/* As many bytes: 0 to 250, again and again. */
static void send_bytes(struct asynchat_channel *ch, const char *number)
{
    size_t len = strtoul(number, NULL, 10);
    unsigned char *bytes = malloc(len + 1);
    if (!bytes)
        check(-ENOMEM, "send");
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i % 251);
    asynchat_push(ch, bytes, len);
    free(bytes);
}

/* The output is dropped, so that the peer must not take this for the end. */
static void drop(struct asynchat_channel *ch, const char *number)
{
    send_bytes(ch, number);
    asynchat_close(ch);
}

static void echo(struct asynchat_channel *ch, const char *number)
{
    expect(ch, ECHO, strtoul(number, NULL, 10));
}

/* How many bytes come up to the end. */
static void count(struct asynchat_channel *ch, const char *nothing)
{
    (void)nothing;
    expect(ch, ALL, 0);
}

static void shut(struct asynchat_channel *ch, const char *nothing)
{
    (void)nothing;
    asynchat_shutdown_write(ch);
}

static void done(struct asynchat_channel *ch, const char *nothing)
{
    (void)nothing;
    asynchat_close_when_done(ch);
}

/* From now on lines are printed. */
static void show(struct asynchat_channel *ch, const char *nothing)
{
    (void)nothing;
    expect(ch, TEXT, 0);
}

static const char *text_or(const char *text)
{
    return text ? text : "-";
}

static void tell(struct asynchat_channel *ch, const char *nothing)
{
    struct asynchat_tls_info info;
    (void)nothing;
    check(asynchat_tls_get_info(ch, &info, sizeof info), "info");
    printf("info %s alpn %s name %s%s%s\n", info.version, text_or(info.alpn),
           text_or(info.server_name), info.resumed ? " resumed" : "",
           info.verified ? " verified" : "");
}

static const struct {
    const char *name;
    void (*run)(struct asynchat_channel *ch, const char *argument);
} commands[] = {
    {"say", say},   {"send", send_bytes}, {"drop", drop},
    {"echo", echo}, {"count", count},     {"shut", shut},
    {"done", done}, {"show", show},       {"info", tell},
};

static void command(struct asynchat_channel *ch, const char *line)
{
    size_t len = strcspn(line, " ");
    const char *argument = line + len + (line[len] == ' ');
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strlen(commands[i].name) == len &&
            strncmp(commands[i].name, line, len) == 0) {
            commands[i].run(ch, argument);
            return;
        }
    printf("unknown %s\n", line);
}

/* --- the callbacks --- */

/* The session is up: a client begins. */
static void begin(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    for (char **step = steps; step && *step; step++)
        command(ch, *step);
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    check(asynchat_set_message_limit(ch, MESSAGE_MOST), "limit");
    expect(ch, is_server ? COMMAND : TEXT, 0);
    if (is_server)
        puts("connect");
    if (is_server && greeting)
        say(ch, greeting);
    else if (!is_server && starttls)
        say(ch, "STARTTLS");
    else
        begin(ch, NULL); /* a server has no steps */
}

/* A line, without its end. */
static void got_line(struct asynchat_channel *ch, const char *line, bool shows)
{
    if (shows)
        printf("line %s\n", line);
    if (!shows)
        command(ch, line);
    else if (starttls && !asynchat_tls_get_ssl(ch))
        check(asynchat_tls_start(ch, tls, name, 0, begin), "starttls");
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    const enum mode *mode = arg;
    char line[256];
    if (*mode == ECHO) {
        asynchat_push(ch, data, len);
        expect(ch, COMMAND, 0);
    } else if (*mode == ALL) {
        printf("counted %zu\n", len);
        asynchat_push_printf(ch, "%zu\n", len);
    } else {
        snprintf(line, sizeof line, "%.*s", (int)len, (const char *)data);
        got_line(ch, line, *mode == TEXT);
    }
}

static void ended(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)arg;
    puts(cut_off ? "eof, cut off" : "eof");
    if (last)
        say(ch, last);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    (void)arg;
    printf("error %s: %s\n", asynchat_strerror(error),
           asynchat_tls_get_error(ch));
}

static void connect_again(void);

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)arg;
    printf("close %s\n", asynchat_strerror(status));
    if (!is_server)
        connect_again();
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .message = message,
    .handle_connect = connected,
    .handle_eof = ended,
    .handle_error = failed,
    .handle_close = closed,
};

/* --- the two sides --- */

static char address[ASYNCHAT_ADDRESS_SIZE];

static void connect_again(void)
{
    struct asynchat_channel *ch;
    if (left-- == 0)
        return;
    check(starttls ? asynchat_connect(base, address, 10000, &handler, NULL, &ch)
                   : asynchat_tls_connect(base, address, 10000, tls, name,
                                          &handler, NULL, &ch),
          "connect");
}

static void serve(void)
{
    struct asynchat_server *server;
    struct asynchat_server_options options = {.size = sizeof options};
    if (limit) {
        options.max_connections = (unsigned)strtoul(limit, NULL, 10);
        options.turn_away = "busy\r\n";
    }
    check(asynchat_server_new(base, address, &handler, NULL, &options, &server),
          address);
    check(asynchat_tls_serve(server, tls), "serve");
    check(asynchat_server_stop_on_signal(server, SIGTERM, 0, NULL, NULL),
          "SIGTERM");
    printf("%d\n", asynchat_server_port(server));
}

static void make_context(void)
{
    const char *protocols[8] = {NULL};
    struct asynchat_tls_options options = {.size = sizeof options,
                                           .certificate = certificate,
                                           .key = key,
                                           .trust = trust,
                                           .alpn = alpn ? protocols : NULL};
    for (size_t i = 0; alpn && i < COUNT(protocols) - 1; i++)
        protocols[i] = strsep(&alpn, ",");
    if (!is_server)
        options.flags = ASYNCHAT_TLS_CLIENT;
    else if (demand)
        options.flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE;
    if (asynchat_tls_new(&options, &tls) < 0)
        errx(1, "%s", asynchat_tls_get_error(NULL));
}

static const struct {
    const char *name;
    char **to;
} options[] = {
    {"certificate", &certificate},
    {"key", &key},
    {"trust", &trust},
    {"name", &name},
    {"alpn", &alpn},
    {"limit", &limit},
    {"times", &times},
    {"demand", &demand},
    {"greeting", &greeting},
    {"last", &last},
    {"starttls", &starttls},
};

static void set_option(char *text)
{
    char *value = text, *word = strsep(&value, "=");
    for (size_t i = 0; i < COUNT(options); i++)
        if (strcmp(options[i].name, word) == 0) {
            *options[i].to = value ? value : word;
            return;
        }
    errx(2, "no option %s", word);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        errx(2, "usage: judge serve|connect PORT [OPTION]... [-- COMMAND...]");
    setvbuf(stdout, NULL, _IOLBF, 0);
    is_server = strcmp(argv[1], "serve") == 0;
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[2]);
    for (argv += 3; *argv && strcmp(*argv, "--") != 0; argv++)
        set_option(*argv);
    steps = *argv ? argv + 1 : NULL;
    left = times ? strtoul(times, NULL, 10) : 1;
    base = event_base_new();
    if (!base)
        check(-ENOMEM, "event base");
    make_context();
    if (is_server)
        serve();
    else
        connect_again();
    int ran = event_base_dispatch(base);
    asynchat_tls_free(tls);
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
