/* A server that answers lines, and its clients.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "serving.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/address.h"

_Atomic int connected, closed;

static void echo_connect(struct asynchat_channel *ch, void *arg)
{
    struct fixture *f = arg;
    connected++;
    assert_int_equal(asynchat_set_terminator(ch, "\n", 1), 0);
    if (f->on_connect)
        f->on_connect(f);
}

static void echo_line(struct asynchat_channel *ch, const void *data, size_t len,
                      void *arg)
{
    (void)arg;
    assert_int_equal(asynchat_push(ch, data, len), 0);
    assert_int_equal(asynchat_push(ch, "\n", 1), 0);
}

static void echo_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    (void)arg;
    closed++;
}

const struct asynchat_handler echo = {
    .size = sizeof echo,
    .message = echo_line,
    .handle_connect = echo_connect,
    .handle_close = echo_close,
};

struct fixture *serve(void **state, const char *address)
{
    return serve_with(state, address, NULL);
}

struct fixture *serve_with(void **state, const char *address,
                           const struct asynchat_server_options *options)
{
    struct fixture *f = *state;
    connected = closed = 0;
    assert_int_equal(
        asynchat_server_new(f->base, address, &echo, f, options, &f->server),
        0);
    return f;
}

static struct asynchat_server *const none = (void *)&connected;

int refusal(struct fixture *f, const char *address,
            const struct asynchat_handler *handler,
            const struct asynchat_server_options *options)
{
    struct asynchat_server *server = none;
    int error =
        asynchat_server_new(f->base, address, handler, f, options, &server);
    if (error)
        assert_ptr_equal(server, none);
    else
        asynchat_server_free(server);
    return error;
}

const char *unix_address(void)
{
    static char text[64];
    snprintf(text, sizeof text, "unix:/tmp/asynchat-%d", (int)getpid());
    return text;
}

const char *unix_path(void)
{
    return unix_address() + strlen("unix:");
}

void turn(struct fixture *f)
{
    for (int i = 0; i < 30; i++)
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

int dial(const char *text)
{
    struct address to;
    assert_int_equal(asynchat__address_parse(&to, text), 0);
    int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to.storage, to.len) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

int dial_server(struct fixture *f)
{
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_server_address(f->server, text, sizeof text), 0);
    int fd = dial(text);
    assert_true(fd >= 0);
    return fd;
}

int dial_from(struct fixture *f, const char *host)
{
    struct sockaddr_in own = {.sin_family = AF_INET},
                       to = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, host, &own.sin_addr), 1);
    to.sin_port = htons((uint16_t)asynchat_server_port(f->server));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

void say(int fd)
{
    assert_int_equal(send(fd, "hello\n", 6, MSG_NOSIGNAL), 6);
}

bool is_answered(int fd)
{
    char text[16];
    return recv(fd, text, sizeof text, MSG_DONTWAIT) == 6 &&
           memcmp(text, "hello\n", 6) == 0;
}

void expect_served(struct fixture *f, int fd)
{
    say(fd);
    turn(f);
    assert_true(is_answered(fd));
}

void hang_up(struct fixture *f, int fd)
{
    close(fd);
    turn(f);
}

void reset(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

void limit_descriptors(struct rlimit *before, int count)
{
    int lowest = dup(0);
    assert_true(lowest >= 0);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    struct rlimit limit = *before;
    limit.rlim_cur = (rlim_t)(lowest + count);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

bool has(int fd, int level, int name)
{
    int on = 0;
    socklen_t len = sizeof on;
    return getsockopt(fd, level, name, &on, &len) == 0 && on;
}
