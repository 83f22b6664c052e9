/* SIGPIPE at its default, which kills. Each test is a process of its own, since
 * the library sets SIGPIPE only once. SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

typedef void (*disposition)(int);

static disposition current(void)
{
    struct sigaction action;
    sigaction(SIGPIPE, NULL, &action);
    return action.sa_handler;
}

/* Runs `test` in a child where SIGPIPE is `before`. `test` returns whether all
 * was well. */
static void expect_survival(void **state, disposition before,
                            bool (*test)(void **state))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGPIPE, before);
        event_reinit(((struct fixture *)*state)->base);
        child_exit(test(state) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        fail_msg("killed by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Sends again and again to a peer that is gone. */
static bool channel_ends(struct fixture *f,
                         int (*send_more)(struct asynchat_channel *ch))
{
    close(f->peer);
    f->peer = -1;
    for (int i = 0; i < 100 && f->ch; i++) {
        send_more(f->ch);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    return !f->ch;
}

static int push(struct asynchat_channel *ch)
{
    return asynchat_push(ch, "x", 1);
}

static int push_file(struct asynchat_channel *ch)
{
    int fd = open("/proc/self/exe", O_RDONLY);
    return asynchat_push_producer(ch, asynchat_producer_file(fd, 0, 100000));
}

/* --- sockets --- */

static bool push_to_nobody(void **state)
{
    return channel_ends(start(state), push) && current() == SIG_DFL;
}

static void a_push_does_not_kill(void **state)
{
    expect_survival(state, SIG_DFL, push_to_nobody);
}

static bool file_to_nobody(void **state)
{
    return channel_ends(start(state), push_file);
}

static void a_file_does_not_kill(void **state)
{
    expect_survival(state, SIG_DFL, file_to_nobody);
}

/* --- a bufferevent of the program's, by libevent's own writes --- */

static bool bufferevent_to_nobody(void **state)
{
    return channel_ends(start(state), push) && current() == SIG_IGN;
}

static void a_push_over_a_bufferevent_does_not_kill(void **state)
{
    expect_survival(state, SIG_DFL, bufferevent_to_nobody);
}

/* --- what the program has set --- */

static void handler(int signal)
{
    (void)signal;
}

static bool handler_stays(void **state)
{
    return channel_ends(start(state), push_file) && current() == handler;
}

static void a_handler_of_the_program_s_stays(void **state)
{
    expect_survival(state, handler, handler_stays);
}

static bool default_set_again_stays(void **state)
{
    struct fixture *f = start(state);
    disposition first = current();
    signal(SIGPIPE, SIG_DFL);
    asynchat_channel_free(f->ch);
    f->ch = NULL;
    start(state);
    return first == SIG_IGN && current() == SIG_DFL;
}

static void it_is_set_once_only(void **state)
{
    expect_survival(state, SIG_DFL, default_set_again_stays);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_SOCKETS(a_push_does_not_kill),
        OVER_SOCKETS(a_file_does_not_kill),
        OVER(BUFFEREVENT, a_push_over_a_bufferevent_does_not_kill),
        OVER_SOCKETS(a_handler_of_the_program_s_stays),
        OVER(BUFFEREVENT, a_handler_of_the_program_s_stays),
        OVER(BUFFEREVENT, it_is_set_once_only),
    };
    return RUN(tests);
}
