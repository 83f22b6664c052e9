/* Event bases of workers, when there are few descriptors. Each case is a
 * process. SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "fixture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/thread.h>

#define LIMIT 64
#define MOST_LEFT 12
#define ENDED 255 /* libevent has ended the process */

/* --- locks, as evthread_use_pthreads() gives them to libevent --- */

static void *lock_new(unsigned type)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t *lock = malloc(sizeof *lock);
    (void)type;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return lock;
}

static void lock_free(void *lock, unsigned type)
{
    (void)type;
    pthread_mutex_destroy(lock);
    free(lock);
}

static int lock_lock(unsigned mode, void *lock)
{
    (void)mode;
    return pthread_mutex_lock(lock);
}

static int lock_unlock(unsigned mode, void *lock)
{
    (void)mode;
    return pthread_mutex_unlock(lock);
}

static void *condition_new(unsigned type)
{
    pthread_cond_t *condition = malloc(sizeof *condition);
    (void)type;
    pthread_cond_init(condition, NULL);
    return condition;
}

static void condition_free(void *condition)
{
    pthread_cond_destroy(condition);
    free(condition);
}

static int condition_signal(void *condition, int all)
{
    return all ? pthread_cond_broadcast(condition)
               : pthread_cond_signal(condition);
}

static int condition_wait(void *condition, void *lock,
                          const struct timeval *timeout)
{
    return timeout ? -1 : pthread_cond_wait(condition, lock);
}

static unsigned long thread_id(void)
{
    return (unsigned long)pthread_self();
}

static void use_locks(void)
{
    static const struct evthread_lock_callbacks locks = {
        EVTHREAD_LOCK_API_VERSION,
        EVTHREAD_LOCKTYPE_RECURSIVE,
        lock_new,
        lock_free,
        lock_lock,
        lock_unlock};
    static const struct evthread_condition_callbacks conditions = {
        EVTHREAD_CONDITION_API_VERSION, condition_new, condition_free,
        condition_signal, condition_wait};
    evthread_set_lock_callbacks(&locks);
    evthread_set_condition_callbacks(&conditions);
    evthread_set_id_callback(thread_id);
}

/* --- a process with few descriptors --- */

static void leave(int left)
{
    struct rlimit limit;
    int taken[LIMIT], count = 0;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = LIMIT;
    setrlimit(RLIMIT_NOFILE, &limit);
    while ((taken[count] = dup(STDERR_FILENO)) >= 0)
        count++;
    while (left-- > 0)
        close(taken[--count]);
}

static int make_workers(unsigned count)
{
    struct asynchat_workers *workers;
    int error = asynchat_workers_new(count, NULL, NULL, &workers);
    if (!error)
        error = asynchat_workers_free(workers);
    return error;
}

static void silent(int severity, const char *message)
{
    (void)severity;
    (void)message;
}

static void ended(int error)
{
    (void)error;
    child_exit(ENDED);
}

/* The result of the process: an error of the system as a positive number, or
 * ENDED. */
static int answer_of(pid_t child)
{
    int status;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int answer_with(int left, unsigned count, bool locks, bool precise)
{
    static const char *const asked[] = {"EVENT_PRECISE_TIMER", "EVENT_NOEPOLL",
                                        "EVENT_NOPOLL"};
    pid_t child = fork();
    if (child == 0) {
        event_set_log_callback(silent);
        event_set_fatal_callback(ended);
        if (locks)
            use_locks();
        for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
            unsetenv(asked[i]);
        if (precise)
            setenv("EVENT_PRECISE_TIMER", "1", 1);
        leave(left);
        child_exit(-make_workers(count));
    }
    return answer_of(child);
}

/* --- tests --- */

/* A worker takes one descriptor for its posts, besides those of its event base.
 * From 2.2 on libevent needs none for exact timers (epoll_pwait2). */
static void expect_exact(bool locks, bool precise)
{
    const char *modes = getenv("ASYNCHAT_TEST_LIBEVENT");
    int timer = precise && event_get_version_number() < 0x02020000;
    int each = 4 + locks + timer;
    if (!locks && modes && strstr(modes, "locks"))
        skip(); /* there are locks already */
    for (unsigned count = 1; count <= 2; count++)
        for (int left = 0; left <= MOST_LEFT; left++) {
            int expected = left < each * (int)count ? EMFILE : 0;
            int answer = answer_with(left, count, locks, precise);
            if (answer != expected)
                fail_msg("%u workers, %d left, locks %d, precise %d: %d", count,
                         left, locks, precise, answer);
        }
}

static void too_few_descriptors_are_an_error(void **state)
{
    (void)state;
    expect_exact(false, false);
}

static void too_few_are_an_error_with_a_precise_timer(void **state)
{
    (void)state;
    expect_exact(false, true);
}

static void too_few_are_an_error_with_locks(void **state)
{
    (void)state;
    expect_exact(true, false);
}

static void too_few_are_an_error_with_both(void **state)
{
    (void)state;
    expect_exact(true, true);
}

/* Makes eventfd(2) fail, as if the whole system had no descriptors left.
 * Returns false if this system has no such filter. */
static bool eventfds_fail(int error)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_eventfd2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {4, steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static void a_system_without_descriptors_is_an_error(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        event_set_fatal_callback(ended);
        child_exit(eventfds_fail(ENFILE) ? -make_workers(1) : 0);
    }
    int answer = answer_of(child);
    if (answer == 0)
        skip();
    assert_int_equal(answer, ENFILE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_few_descriptors_are_an_error),
        cmocka_unit_test(too_few_are_an_error_with_a_precise_timer),
        cmocka_unit_test(too_few_are_an_error_with_locks),
        cmocka_unit_test(too_few_are_an_error_with_both),
        cmocka_unit_test(a_system_without_descriptors_is_an_error),
    };
    return RUN(tests);
}
