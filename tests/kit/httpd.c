/* The example httpd, with the test kit: a conversation at every cut, with each
 * allocation failing, and with peers that reset, vanish and take few bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

/* Dates are the same in each run. */
static time_t no_time(time_t *at)
{
    (void)at;
    return 784111777;
}

#define time no_time
#define main httpd_main
#include "../../examples/httpd.c"
#undef main
#undef time

#include <asynchat/testing.h>

static char folder[] = "/tmp/kit_httpd.XXXXXX";

static void prepare(void)
{
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
    unlinkat(root, "a", 0);
    close(root);
    rmdir(folder);
}

#define OK_FIRST "HTTP/1.1 200 OK\r\n"

/* The channel is as the server makes it. */
static void begin(struct asynchat_test *t, void *arg)
{
    struct asynchat_timeouts times;
    const struct asynchat_options options = channel_options(&times);
    struct asynchat_channel *ch = asynchat_test_open(t, &handler, arg);
    if (ch && asynchat_set_options(ch, &options) < 0)
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

int main(void)
{
    prepare();
    asynchat_test_cuts(talk, NULL);
    unsigned long places =
        asynchat_test_faults(talk, NULL,
                             ASYNCHAT_TEST_ALLOC | ASYNCHAT_TEST_RESET |
                                 ASYNCHAT_TEST_VANISH | ASYNCHAT_TEST_SHORT);
    places += asynchat_test_faults(stays, NULL, ASYNCHAT_TEST_VANISH);
    printf("%lu places of faults\n", places);
    clean_up();
    return 0;
}
