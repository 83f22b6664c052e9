/* The example httpd, with the test kit: a conversation at every cut, with each
 * allocation failing, and with peers that reset, vanish and take few bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

/* Dates are the same in each run. */
static time_t wall_clock = 784111777;

static time_t wall_time(time_t *at)
{
    (void)at;
    return wall_clock;
}

#define time wall_time
#define main httpd_main
#include "../../examples/httpd.c"
#undef main
#undef time

#include <asynchat/testing.h>

static char folder[] = "/tmp/kit_httpd.XXXXXX";

static void prepare(void)
{
    if (regcomp(&chunk_line, CHUNK_LINE, REG_EXTENDED | REG_NOSUB) != 0)
        errx(1, "regcomp");
    if (!mkdtemp(folder) ||
        (root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        err(1, "%s", folder);
    int fd = openat(root, "a", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    const struct timespec times[2] = {{784111777, 0}, {784111777, 0}};
    if (fd < 0 || write(fd, "hello\n", 6) != 6 || futimens(fd, times) < 0)
        err(1, "%s/a", folder);
    close(fd);
}

static void clean_up(void)
{
    regfree(&chunk_line);
    unlinkat(root, "a", 0);
    close(root);
    rmdir(folder);
}

#define OK_FIRST "HTTP/1.1 200 OK\r\n"

/* The channel is as the server makes it. */
static void begin(struct asynchat_test *t, void *arg)
{
    struct asynchat_channel *ch = asynchat_test_open(t, &texts, arg);
    if (ch && asynchat_set_options(ch, channel_options()) < 0)
        asynchat_close(ch);
}

/* A file, a body in chunks with the next request behind it, a request that is
 * bad, and the end. What follows each first line is compared from run to
 * run. */
static void talk(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    asynchat_test_expect(t, OK_FIRST, strlen(OK_FIRST));
    asynchat_test_say(t, "POST /a HTTP/1.1\r\nHost: x\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n"
                         "5;x=y\r\nhello\r\n0\r\nT: z\r\n\r\n"
                         "GET /b%61d HTTP/1.1\r\nHost: x\r\n\r\n"
                         "GET / HTTP/1.0\r\n\r\n");
}

static void stays(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, "GET /a HTTP/1.1\r\nHost: x\r\n");
}

/* --- times --- */

#define HELLO "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
#define ECHO "POST /echo HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

static void hear(struct asynchat_test *t, const char *status, const char *type,
                 const char *text)
{
    char answer[400];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 %s\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
             "Connection: %s\r\nContent-Type: %s\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             status, *status == '4' ? "close" : "keep-alive", type,
             strlen(text), text);
    asynchat_test_hear(t, answer);
}

static void hear_hello(struct asynchat_test *t)
{
    hear(t, "200 OK", "text/plain", "Hello, World!");
}

static void hear_echo(struct asynchat_test *t, const char *text)
{
    hear(t, "200 OK", "application/octet-stream", text);
}

static void hear_too_late(struct asynchat_test *t)
{
    hear(t, "408 Request Timeout", "text/plain", "408 Request Timeout\n");
    asynchat_test_end(t);
}

/* A piece each second, until `seconds` are over. */
static void drip(struct asynchat_test *t, const char *piece, int seconds)
{
    for (int i = 0; i < seconds; i++) {
        asynchat_test_say(t, piece);
        asynchat_test_advance(t, 1000);
    }
}

static void a_quiet_client_is_not_answered(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, HELLO);
    hear_hello(t);
    asynchat_test_advance(t, 20000);
    asynchat_test_expect_closed(t, ASYNCHAT_EIDLE);
}

static void empty_lines_gain_no_time(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    for (int i = 0; i < 6; i++) {
        asynchat_test_say(t, "\r\n");
        asynchat_test_advance(t, 10000);
    }
    asynchat_test_expect_closed(t, ASYNCHAT_EDEADLINE);
}

static void an_empty_line_begins_no_request(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, ECHO "Content-Length: 2\r\n\r\nab\r\n");
    hear_echo(t, "ab");
    asynchat_test_advance(t, 15000);
    asynchat_test_say(t, "GET /hello HTTP/1.1\r\n");
    asynchat_test_advance(t, 15000);
    asynchat_test_say(t, "Host: x\r\n\r\n");
    hear_hello(t);
}

static void a_head_has_a_deadline(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, "GET / HTTP/1.1\r\n");
    drip(t, "A: b\r\n", 60);
    hear_too_late(t);
}

static void a_body_has_a_deadline(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, ECHO "Content-Length: 99999\r\n\r\n");
    drip(t, "0123456789", 21);
    hear_too_late(t);
}

static void chunks_have_a_deadline(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, ECHO CHUNKED);
    drip(t, "1\r\nx\r\n", 21);
    hear_too_late(t);
}

static void trailers_have_a_deadline(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, ECHO CHUNKED "0\r\n");
    drip(t, "A: b\r\n", 20);
    hear_too_late(t);
}

/* 600 bytes a second are enough, however long it takes. */
static void a_body_that_comes_has_time(struct asynchat_test *t, void *arg)
{
    char piece[601], chunk[620];
    memset(piece, 'x', 600);
    piece[600] = '\0';
    snprintf(chunk, sizeof chunk, "258\r\n%s\r\n", piece);
    begin(t, arg);
    asynchat_test_say(t, ECHO "Content-Length: 60000\r\n\r\n");
    drip(t, piece, 100);
    asynchat_test_expect(t, OK_FIRST, strlen(OK_FIRST));
    asynchat_test_say(t, ECHO CHUNKED);
    drip(t, chunk, 100);
    asynchat_test_expect(t, "", 0);
    asynchat_test_say(t, "0\r\n\r\n");
    asynchat_test_end(t);
}

static void no_limit_looks_at_the_wall(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, ECHO CHUNKED "5\r\nhello\r\n");
    wall_clock += 3600;
    asynchat_test_say(t, "1\r\n!\r\n");
    wall_clock -= 3600;
    asynchat_test_say(t, "0\r\n\r\n");
    hear_echo(t, "hello!");
}

/* --- upgrades --- */

/* Only a socket can leave its channel, and the peer of a test has none. */
static void who_cannot_leave_is_closed(struct asynchat_test *t, void *arg)
{
    begin(t, arg);
    asynchat_test_say(t, "GET /echo HTTP/1.1\r\nHost: x\r\n"
                         "Connection: upgrade\r\nUpgrade: echo\r\n\r\nabc");
    asynchat_test_hear(t, "HTTP/1.1 101 Switching Protocols\r\n"
                          "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    asynchat_test_expect_closed(t, 0);
}

static void (*const runs[])(struct asynchat_test *t, void *arg) = {
    a_quiet_client_is_not_answered,  empty_lines_gain_no_time,
    an_empty_line_begins_no_request, a_head_has_a_deadline,
    a_body_has_a_deadline,           chunks_have_a_deadline,
    trailers_have_a_deadline,        a_body_that_comes_has_time,
    no_limit_looks_at_the_wall,      who_cannot_leave_is_closed,
};

int main(void)
{
    prepare();
    for (size_t i = 0; i < COUNT(runs); i++)
        asynchat_test_run(runs[i], NULL);
    asynchat_test_cuts(talk, NULL);
    asynchat_test_cuts(who_cannot_leave_is_closed, NULL);
    unsigned long places =
        asynchat_test_faults(talk, NULL,
                             ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET |
                                 ASYNCHAT_TEST_VANISH | ASYNCHAT_TEST_SHORT);
    places += asynchat_test_faults(stays, NULL, ASYNCHAT_TEST_VANISH);
    printf("%lu places of faults\n", places);
    clean_up();
    return 0;
}
