/* A restart: at a signal the program is started again, on the same sockets, and
 * when the new process is ready, the servers of this one stop.
 *
 * The sockets go to the new process as from a service manager. Behind them goes
 * one half of a socket pair. A byte comes from there when the new process is
 * ready, and the end of file if it ends before.
 *
 * Tested by tests/test_server_restart.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/error.h>

#include "base/log.h"
#include "base/memory.h"
#include "server/inherited.h"

/* The process that was started, until it is ready. */
struct successor {
    struct asynchat_server *server; /* the first of those that restart */
    int number;                     /* of the signal */
    int fd;                         /* this side's half of the pair */
    struct event *event;
};

/* What a process is started with. */
struct launch {
    char *const *argv;
    char **environment;
    int *fds; /* the sockets, and the other half of the pair */
    int count;
};

static void restart_came(struct server_signal *s);

static void restart_log(const struct asynchat_server *server, int error,
                        const char *text)
{
    asynchat__log_address(error ? ASYNCHAT_LOG_WARNING : ASYNCHAT_LOG_INFO,
                          ASYNCHAT_LOG_RESTART, &server->listener.address,
                          error, text);
}

/* --- the servers that restart at the same signal --- */

/* Answers the signal of the guest, if the guest is one of these servers. */
static struct server_signal *restart_of(struct loop_guest *guest, int number)
{
    struct asynchat_server *server = asynchat__server_of(guest);
    struct server_signal *s = server ? server->signals : NULL;
    while (s && (s->run != restart_came || s->number != number))
        s = s->next;
    return s;
}

/* The oldest one comes last in the loop's list. Writes their sockets into
 * `fds`, the oldest one's first, unless that is NULL. */
static struct server_signal *restarts(const struct loop *loop, int number,
                                      int *fds, int *count)
{
    struct server_signal *oldest = NULL;
    int left = *count, found = 0;
    for (struct loop_guest *guest = loop->guests; guest; guest = guest->next) {
        struct server_signal *s = restart_of(guest, number);
        if (!s)
            continue;
        found++;
        oldest = s;
        if (fds)
            fds[--left] = s->server->listener.fd;
    }
    *count = found;
    return oldest;
}

/* The signals of a server go when it stops. */
static void restarts_stop(const struct loop *loop, int number)
{
    struct loop_guest *guest = loop->guests, *next;
    for (; guest; guest = next) {
        const struct server_signal *s = restart_of(guest, number);
        next = guest->next;
        if (!s)
            continue;
        asynchat_server_set_remove_path(s->server, 0);
        (void)asynchat_server_stop(s->server, s->grace, s->function, s->arg);
    }
}

/* --- the other process --- */

/* Replaces what the variables say of this process. The number of the process is
 * written later. */
static char **environment_new(int sockets)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **all = asynchat__calloc(1, (count + 4) * sizeof *all + 3 * PASSED);
    if (!all)
        return NULL;
    char *text = (char *)(all + count + 4);
    for (size_t i = 0; i < count; i++)
        if (!asynchat__inherited_names(environ[i]))
            all[kept++] = environ[i];
    (void)snprintf(text, PASSED, "LISTEN_FDS=%d", sockets);
    (void)snprintf(text + PASSED, PASSED, "ASYNCHAT_READY=%d",
                   INHERITED_FIRST + sockets);
    (void)snprintf(text + 2 * PASSED, PASSED, "LISTEN_PID=");
    for (size_t i = 0; i < 3; i++)
        all[kept++] = text + i * PASSED;
    return all;
}

/* As snprintf, which may not be called here. */
static void write_process(char *to)
{
    char digits[16];
    int count = 0;
    for (long left = getpid(); left > 0; left /= 10)
        digits[count++] = (char)('0' + left % 10);
    while (count > 0)
        *to++ = digits[--count];
    *to = '\0';
}

/* Between fork and exec a process may call only what a signal handler may. The
 * descriptors are moved out of the way first. The loop may have blocked the
 * signals that it waits for. */
static _Noreturn void launch_become(const struct launch *l)
{
    char **last = l->environment;
    sigset_t none;
    for (int i = 0; i < l->count; i++)
        l->fds[i] =
            fcntl(l->fds[i], F_DUPFD_CLOEXEC, INHERITED_FIRST + l->count);
    for (int i = 0; i < l->count; i++)
        if (dup2(l->fds[i], INHERITED_FIRST + i) < 0)
            _exit(1);
    while (last[1])
        last++;
    write_process(strchr(*last, '\0'));
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    environ = l->environment;
    execvp(*l->argv, l->argv);
    _exit(1);
}

/* The new process is no child of this one, which need not wait for its end. */
static int launch_run(const struct launch *l)
{
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child == 0) {
        if (fork() == 0)
            launch_become(l);
        _exit(0);
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

/* Starts a process. `said` is its half of the pair. */
static int launch(const struct server_signal *s, int said)
{
    int count = 0;
    (void)restarts(s->server->loop, s->number, NULL, &count);
    struct launch l = {.argv = s->argv, .count = count + 1};
    l.fds = asynchat__calloc((size_t)l.count, sizeof *l.fds);
    l.environment = environment_new(count);
    int error = l.fds && l.environment ? 0 : -ENOMEM;
    if (!error) {
        (void)restarts(s->server->loop, s->number, l.fds, &count);
        l.fds[count] = said;
        error = launch_run(&l);
    }
    asynchat__free(l.environment);
    asynchat__free(l.fds);
    return error;
}

/* --- until it is ready --- */

static void successor_free(struct successor *next)
{
    if (!next)
        return;
    if (next->event)
        event_free(next->event);
    close(next->fd);
    asynchat__free(next);
}

static void successor_said(evutil_socket_t fd, short what, void *arg)
{
    struct successor it = *(struct successor *)arg;
    char byte;
    (void)what;
    if (read(fd, &byte, 1) == 1) {
        restart_log(it.server, 0, "the next process is ready");
        restarts_stop(it.server->loop, it.number);
        return;
    }
    restart_of(&it.server->guest, it.number)->successor = NULL;
    successor_free(arg);
    restart_log(it.server, ASYNCHAT_ECLOSED, "the next process did not start");
}

/* Takes `fd`. */
static struct successor *successor_new(const struct server_signal *s, int fd)
{
    struct event_base *base = event_get_base(s->event);
    struct successor *next = asynchat__malloc(sizeof *next);
    if (!next) {
        close(fd);
        return NULL;
    }
    *next = (struct successor){s->server, s->number, fd, NULL};
    next->event = event_new(base, fd, EV_READ, successor_said, next);
    if (next->event && event_add(next->event, NULL) == 0)
        return next;
    successor_free(next);
    return NULL;
}

static int restart_begin(struct server_signal *s)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   pair) < 0)
        return -errno;
    struct successor *next = successor_new(s, pair[0]);
    int error = next ? launch(s, pair[1]) : -ENOMEM;
    close(pair[1]);
    if (error)
        successor_free(next);
    else
        s->successor = next;
    return error;
}

/* Each of the servers hears of the signal; the oldest one acts for all. While a
 * process starts, no other one does. */
static void restart_came(struct server_signal *s)
{
    int count = 0;
    if (restarts(s->server->loop, s->number, NULL, &count) != s || s->successor)
        return;
    int error = restart_begin(s);
    if (error)
        restart_log(s->server, error, asynchat_strerror(error));
}

/* A server that stops while a process starts leaves it to the oldest one of the
 * others. */
static void restart_end(struct server_signal *s)
{
    int count = 0;
    struct successor *next = s->successor;
    struct server_signal *heir =
        next ? restarts(s->server->loop, s->number, NULL, &count) : NULL;
    if (!heir) {
        successor_free(next);
        return;
    }
    next->server = heir->server;
    heir->successor = next;
}

int asynchat_server_restart_on_signal(struct asynchat_server *server,
                                      int number, char *const *argv,
                                      unsigned grace,
                                      void (*stopped)(void *arg), void *arg)
{
    if (!argv || !*argv || grace > INT_MAX)
        return -EINVAL;
    return asynchat__server_catch(server, number,
                                  (struct server_signal){
                                      .run = restart_came,
                                      .end = restart_end,
                                      .function = stopped,
                                      .arg = arg,
                                      .grace = grace,
                                      .argv = argv,
                                  });
}
