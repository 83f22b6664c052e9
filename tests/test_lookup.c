/* Look-ups by the system's resolver. getaddrinfo(3) is this program's own, and
 * hangs, fails and answers as a test wants it; time passes when a test says so.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "child.h"
#include "clock.h"
#include "loop/loop.h"
#include "names/lookup.h"
#include "names/pool.h"

/* ThreadSanitizer ends a child that starts a thread. */
#if defined(__SANITIZE_THREAD__)
#define CHILD_HAS_THREADS false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CHILD_HAS_THREADS false
#endif
#endif
#ifndef CHILD_HAS_THREADS
#define CHILD_HAS_THREADS true
#endif

/* --- the system --- */

/* Invariant: `lock` guards all of it. Calls for names that hang return when
 * their gate is open: the first one is for AF_UNSPEC, the second one for
 * AF_INET. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool gates[2];
    int error;       /* what calls for names that hang answer then */
    char log[16384]; /* the calls, in order: "name/0 name/2" */
    unsigned calls, inside;
    int wrong; /* what is wrong with threads */
} sys = {.lock = PTHREAD_MUTEX_INITIALIZER,
         .changed = PTHREAD_COND_INITIALIZER};

static atomic_bool no_thread, no_rest;
static atomic_uint threads_made;

/* The allocation that fails, counted down; 0: none does. libevent's allocations
 * count while a look-up begins. */
static atomic_int failing;
static bool beginning;

static bool fails(void)
{
    return atomic_load(&failing) > 0 && atomic_fetch_sub(&failing, 1) == 1;
}

static void *event_malloc(size_t size)
{
    return beginning && fails() ? NULL : malloc(size);
}

static void *event_realloc(void *old, size_t size)
{
    return beginning && fails() ? NULL : realloc(old, size);
}

/* How many allocations of the library there are. */
static atomic_int living;

static void *counted_malloc(size_t size)
{
    void *memory = fails() ? NULL : malloc(size);
    living += memory != NULL;
    return memory;
}

static void counted_free(void *memory)
{
    living--;
    free(memory);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *arg)
{
    if (no_thread)
        return EAGAIN;
    threads_made++;
    return __real_pthread_create(thread, attributes, function, arg);
}

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    static const struct timespec past;
    (void)until;
    return no_rest ? __real_pthread_cond_timedwait(cond, lock, &past)
                   : pthread_cond_wait(cond, lock);
}

/* Look-ups may need large stacks, and no signal is for their threads. */
static int thread_check(void)
{
    pthread_attr_t attributes;
    size_t stack = 0;
    int detached = -1, wrong = 0;
    sigset_t blocked;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return 1;
    pthread_attr_getstacksize(&attributes, &stack);
    pthread_attr_getdetachstate(&attributes, &detached);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    wrong += stack < 256 * 1024 || stack > 2048 * 1024;
    wrong += detached != PTHREAD_CREATE_DETACHED;
    wrong += !sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGUSR1);
    wrong += sigismember(&blocked, SIGSEGV);
    return wrong;
}

/* One address more, in front of the others. */
static struct addrinfo *info_add(struct addrinfo *next, int family,
                                 const char *host, const char *service)
{
    struct addrinfo *info = calloc(1, sizeof *info);
    struct sockaddr_storage *at = calloc(1, sizeof *at);
    struct sockaddr_in *in = (struct sockaddr_in *)at;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)at;
    info->ai_family = at->ss_family = (sa_family_t)family;
    info->ai_addr = (struct sockaddr *)at;
    info->ai_addrlen = family == AF_INET ? sizeof *in : sizeof *in6;
    in->sin_port = htons((uint16_t)atoi(service));
    if (host)
        inet_pton(family, host,
                  family == AF_INET ? (void *)&in->sin_addr
                                    : (void *)&in6->sin6_addr);
    info->ai_next = next;
    return info;
}

/* freeaddrinfo(3) has to be this program's too. */
void freeaddrinfo(struct addrinfo *info)
{
    while (info) {
        struct addrinfo *next = info->ai_next;
        free(info->ai_addr);
        free(info);
        info = next;
    }
}

static void infos_give(const char *host, const char *service, int family,
                       struct addrinfo **out)
{
    char text[INET_ADDRSTRLEN];
    struct addrinfo *infos = NULL;
    for (int i = strncmp(host, "many", 4) == 0 ? 100 : 0; i > 0; i--) {
        (void)snprintf(text, sizeof text, "192.0.2.%d", i);
        infos = info_add(infos, AF_INET, text, service);
    }
    if (strncmp(host, "odd", 3) == 0) {
        *out = info_add(infos, AF_UNIX, NULL, service);
        return;
    }
    infos = info_add(infos, AF_INET, "192.0.2.1", service);
    if (family == AF_UNSPEC)
        infos = info_add(infos, AF_INET6, "2001:db8::1", service);
    if (family == AF_UNSPEC)
        infos = info_add(infos, AF_INET, "192.0.2.2", service);
    infos = info_add(infos, AF_INET, "192.0.2.1", service);
    *out = infos;
}

/* Notes the call, and waits for the gate. Answers what is to be answered. */
static int system_enter(const char *host, int family)
{
    bool hangs = strncmp(host, "hang", 4) == 0 ||
                 (strncmp(host, "late", 4) == 0 && family == AF_UNSPEC);
    pthread_mutex_lock(&sys.lock);
    size_t len = strlen(sys.log);
    (void)snprintf(sys.log + len, sizeof sys.log - len, "%s%s/%d",
                   len ? " " : "", host, family);
    sys.wrong += thread_check();
    sys.calls++;
    sys.inside++;
    pthread_cond_broadcast(&sys.changed);
    while (hangs && !sys.gates[family == AF_INET])
        pthread_cond_wait(&sys.changed, &sys.lock);
    int error = hangs ? sys.error : 0;
    sys.inside--;
    pthread_cond_broadcast(&sys.changed);
    pthread_mutex_unlock(&sys.lock);
    return error;
}

/* "error-3" has the error -3 for both families, and no such name for AF_INET;
 * "half-3" has IPv4. */
int getaddrinfo(const char *host, const char *service,
                const struct addrinfo *hints, struct addrinfo **out)
{
    int error = system_enter(host, hints->ai_family);
    if (hints->ai_socktype != SOCK_STREAM || hints->ai_flags != 0)
        sys.wrong++;
    if (strncmp(host, "error-", 6) == 0)
        error = hints->ai_family == AF_INET ? EAI_NONAME : atoi(host + 5);
    if (strncmp(host, "half-", 5) == 0 && hints->ai_family == AF_UNSPEC)
        error = atoi(host + 4);
    errno = EMFILE;
    if (!error)
        infos_give(host, service, hints->ai_family, out);
    return error;
}

static unsigned count_of(const unsigned *count)
{
    pthread_mutex_lock(&sys.lock);
    unsigned value = *count;
    pthread_mutex_unlock(&sys.lock);
    return value;
}

static void wait_until_inside(unsigned count)
{
    pthread_mutex_lock(&sys.lock);
    while (sys.inside != count)
        pthread_cond_wait(&sys.changed, &sys.lock);
    pthread_mutex_unlock(&sys.lock);
}

static void open_gate(int which, int error)
{
    pthread_mutex_lock(&sys.lock);
    sys.gates[which] = true;
    sys.error = error;
    pthread_cond_broadcast(&sys.changed);
    pthread_mutex_unlock(&sys.lock);
}

static void expect_calls(const char *log)
{
    pthread_mutex_lock(&sys.lock);
    assert_string_equal(sys.log, log);
    sys.log[0] = '\0';
    pthread_mutex_unlock(&sys.lock);
}

/* --- loops, and who asks --- */

static struct event_base *bases[2];
static struct loop *loops[2];
static int descriptors, living_before;

static void begin_loop(int which)
{
    bases[which] = event_base_new();
    loops[which] = asynchat__loop_share(bases[which]);
}

static int setup(void **state)
{
    (void)state;
    descriptors = count_descriptors();
    living_before = living;
    alarm(100);
    clock_advance(20000); /* nobody joins what a test before has left */
    begin_loop(0);
    begin_loop(1);
    sys.gates[0] = sys.gates[1] = false;
    sys.log[0] = '\0';
    sys.calls = 0;
    sys.error = 0;
    return 0;
}

static void end_loop(int which)
{
    if (!loops[which])
        return;
    asynchat__loop_release(loops[which]);
    event_base_free(bases[which]);
    loops[which] = NULL;
}

static int teardown(void **state)
{
    (void)state;
    open_gate(0, 0);
    open_gate(1, 0);
    wait_until_inside(0);
    end_loop(0);
    end_loop(1);
    for (int i = 0; i < 5000 && living != living_before; i++)
        usleep(1000); /* a thread frees what it alone still has */
    no_rest = false;
    assert_int_equal(living, living_before);
    assert_int_equal(sys.wrong, 0);
    assert_int_equal(count_descriptors(), descriptors);
    return 0;
}

struct asker {
    struct lookup *lookup;
    char log[16384]; /* the answers, each with "+" or "." at its end */
    unsigned answers;
    bool cancels; /* in its first answer */
};

static void asker_log(struct asker *a, const char *text)
{
    size_t len = strlen(a->log);
    (void)snprintf(a->log + len, sizeof a->log - len, "%s%s",
                   len && a->log[len - 1] != ' ' ? " " : "", text);
}

static const char *error_name(int error)
{
    return error == ASYNCHAT_ENONAME      ? "ENONAME"
           : error == ASYNCHAT_ENOADDRESS ? "ENOADDRESS"
           : error == ASYNCHAT_ETRYAGAIN  ? "ETRYAGAIN"
           : error == -ENOMEM             ? "ENOMEM"
           : error == -EMFILE             ? "EMFILE"
                                          : "?";
}

static void answered(void *arg, const struct lookup_answer *answer)
{
    struct asker *a = arg;
    char text[ASYNCHAT_ADDRESS_SIZE];
    a->answers++;
    for (unsigned i = 0; i < answer->count; i++) {
        asynchat__address_format(&answer->addresses[i], text, sizeof text);
        asker_log(a, text);
    }
    if (answer->error)
        asker_log(a, error_name(answer->error));
    if (answer->text)
        asker_log(a, answer->text);
    asker_log(a, answer->more ? "+" : ".");
    if (a->cancels)
        asynchat__lookup_cancel(a->lookup);
    if (a->cancels || !answer->more)
        a->lookup = NULL;
}

static int begin_in(int which, struct asker *a, const char *host)
{
    return asynchat__lookup_begin(loops[which], host, "25", answered, a,
                                  &a->lookup);
}

static void ask_in(int which, struct asker *a, const char *host)
{
    assert_int_equal(begin_in(which, a, host), 0);
}

static void ask(struct asker *a, const char *host)
{
    ask_in(0, a, host);
}

static void cancel(struct asker *a)
{
    asynchat__lookup_cancel(a->lookup);
    a->lookup = NULL;
}

static void pass(void)
{
    event_base_loop(bases[0], EVLOOP_NONBLOCK);
}

static void advance(unsigned milliseconds)
{
    pass();
    clock_advance(milliseconds);
    pass();
}

static void wait_for_in(int which, const struct asker *a, unsigned answers)
{
    while (a->answers < answers)
        event_base_loop(bases[which], EVLOOP_ONCE);
}

static void wait_for(const struct asker *a, unsigned answers)
{
    wait_for_in(0, a, answers);
}

/* The call hangs when this returns. No other call does. */
static void ask_and_hang(struct asker *a, const char *host)
{
    ask(a, host);
    wait_until_inside(1);
}

static void ask_and_wait(struct asker *a, const char *host)
{
    ask(a, host);
    wait_for(a, 1);
}

/* The answer for IPv4 has come, and the call for both families hangs. */
static void ask_for_half(struct asker *a)
{
    ask_and_hang(a, "late");
    advance(1000);
    wait_for(a, 1);
}

static void expect_answers(struct asker *a, const char *log)
{
    assert_string_equal(a->log, log);
    a->log[0] = '\0';
}

static void run_in_child(bool (*function)(void *arg), void *arg)
{
    if (CHILD_HAS_THREADS)
        assert_int_equal(child_runs(function, arg), 1);
}

#define ALL "192.0.2.1:25 192.0.2.2:25 [2001:db8::1]:25"

/* --- one look-up --- */

static void addresses_come_in_order_and_once(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask(&a, "good");
    assert_int_equal(a.answers, 0);
    wait_for(&a, 1);
    expect_answers(&a, ALL " .");
    expect_calls("good/0");
}

static void nothing_is_kept(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0};
    (void)state;
    ask_and_wait(&a, "good");
    ask_and_wait(&b, "good");
    expect_answers(&b, ALL " .");
    expect_calls("good/0 good/0");
}

static void the_port_is_in_the_addresses(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    assert_int_equal(asynchat__lookup_begin(loops[0], "good", "2525", answered,
                                            &a, &a.lookup),
                     0);
    wait_for(&a, 1);
    expect_answers(&a, "192.0.2.1:2525 192.0.2.2:2525 [2001:db8::1]:2525 .");
}

static void an_answer_has_at_most_64_addresses(void **state)
{
    struct asker a = {.answers = 0};
    unsigned count = 0;
    (void)state;
    ask_and_wait(&a, "many");
    for (const char *at = a.log; (at = strstr(at, ":25")); at++)
        count++;
    assert_in_range(count, LOOKUP_ADDRESSES - 5, LOOKUP_ADDRESSES);
}

static void addresses_of_other_families_do_not_count(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask_and_wait(&a, "odd");
    expect_answers(&a, "ENOADDRESS .");
}

static void what_is_no_name_is_refused_at_once(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    assert_int_equal(begin_in(0, &a, "a b"), ASYNCHAT_EADDRESS);
    assert_int_equal(begin_in(0, &a, "127.1"), ASYNCHAT_EADDRESS);
    assert_null(a.lookup);
    expect_calls("");
}

/* --- errors --- */

static const struct {
    int code;
    const char *answer;
    bool again; /* whether IPv4 is asked for alone, with glibc */
} errors[] = {
    {EAI_NONAME, "ENONAME", false},    {EAI_SERVICE, "ENONAME", false},
    {EAI_NODATA, "ENOADDRESS", false}, {EAI_ADDRFAMILY, "ENOADDRESS", false},
    {EAI_MEMORY, "ENOMEM", false},     {EAI_AGAIN, "ETRYAGAIN", true},
    {EAI_FAIL, "ETRYAGAIN", true},     {EAI_SYSTEM, "EMFILE", true},
    {EAI_OVERFLOW, "ETRYAGAIN", true}, {EAI_BADFLAGS, "ETRYAGAIN", true},
    {EAI_FAMILY, "ETRYAGAIN", true},   {EAI_SOCKTYPE, "ETRYAGAIN", true},
    {-999, "ETRYAGAIN", true},
};

/* IPv4 alone answers that there is no such name, which nobody believes. */
static void each_error_has_its_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct asker a = {.answers = 0};
        char host[32], answer[256], calls[128];
        (void)snprintf(host, sizeof host, "error%d", errors[i].code);
        (void)snprintf(answer, sizeof answer, "%s %s .", errors[i].answer,
                       gai_strerror(errors[i].code));
        (void)snprintf(calls, sizeof calls,
                       errors[i].again ? "%s/0 %s/2" : "%s/0", host, host);
        ask(&a, host);
        wait_for(&a, 1);
        expect_answers(&a, answer);
        expect_calls(calls);
    }
}

static void ipv4_alone_helps_after_an_error_that_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct asker a = {.answers = 0};
        char host[32];
        (void)snprintf(host, sizeof host, "half%d", errors[i].code);
        ask(&a, host);
        wait_for(&a, 1);
        if (errors[i].again)
            expect_answers(&a, "192.0.2.1:25 .");
        else
            assert_non_null(strstr(a.log, errors[i].answer));
    }
}

/* --- one family is late --- */

static void ipv4_is_asked_for_alone_after_a_second(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "late");
    advance(999);
    expect_calls("late/0");
    advance(1);
    wait_for(&a, 1);
    expect_calls("late/2");
    expect_answers(&a, "192.0.2.1:25 +");
    open_gate(0, 0);
    wait_for(&a, 2);
    expect_answers(&a, "192.0.2.2:25 [2001:db8::1]:25 .");
    assert_null(a.lookup);
}

static void an_error_after_an_address_does_not_matter(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask_for_half(&a);
    open_gate(0, EAI_NONAME);
    wait_for(&a, 2);
    expect_answers(&a, "192.0.2.1:25 + .");
}

static void who_joins_late_gets_what_is_there(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0}, c = {.answers = 0};
    (void)state;
    ask_for_half(&a);
    ask(&b, "late");
    assert_int_equal(b.answers, 0);
    wait_for(&b, 1);
    expect_answers(&b, "192.0.2.1:25 +");
    ask_in(1, &c, "late");
    open_gate(0, 0);
    wait_for(&a, 2);
    wait_for(&b, 2);
    expect_answers(&b, "192.0.2.2:25 [2001:db8::1]:25 .");
    wait_for_in(1, &c, 1);
    expect_answers(&c, ALL " .");
    expect_calls("late/0 late/2");
}

/* Only the other loop runs, so this one is told of two things at once. */
static void a_loop_that_was_busy_gets_all_in_one_answer(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0};
    (void)state;
    ask(&a, "late");
    ask_in(1, &b, "late");
    wait_until_inside(1);
    event_base_loop(bases[1], EVLOOP_NONBLOCK);
    clock_advance(1000);
    wait_for_in(1, &b, 1);
    open_gate(0, 0);
    wait_for_in(1, &b, 2);
    wait_for(&a, 1);
    pass();
    expect_answers(&a, ALL " .");
}

static void the_answer_for_both_does_not_wait_for_ipv4(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang");
    advance(1000);
    wait_until_inside(2);
    open_gate(0, 0);
    wait_for(&a, 1);
    expect_answers(&a, ALL " .");
}

static void after_an_error_for_both_ipv4_is_waited_for(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang");
    advance(1000);
    wait_until_inside(2);
    open_gate(0, EAI_AGAIN);
    event_base_loop(bases[0], EVLOOP_ONCE); /* there is something new */
    advance(1000);
    assert_int_equal(a.answers, 0);
    open_gate(1, 0);
    wait_for(&a, 1);
    expect_answers(&a, "192.0.2.1:25 .");
    expect_calls("hang/0 hang/2");
}

/* --- several for one name --- */

static void one_call_serves_all(void **state)
{
    struct asker a[3] = {{.answers = 0}}, b = {.answers = 0};
    (void)state;
    for (int i = 0; i < 3; i++)
        ask(&a[i], "hang");
    ask_in(1, &b, "hang");
    wait_until_inside(1);
    cancel(&a[1]);
    open_gate(0, 0);
    wait_for(&a[0], 1);
    wait_for(&a[2], 1);
    wait_for_in(1, &b, 1);
    assert_int_equal(a[1].answers, 0);
    expect_answers(&b, ALL " .");
    expect_calls("hang/0");
}

/* The two are in the same list. */
static void another_service_is_another_question(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0}, c = {.answers = 0};
    (void)state;
    ask(&a, "hang");
    assert_int_equal(
        asynchat__lookup_begin(loops[0], "hang", "26", answered, &b, &b.lookup),
        0);
    wait_until_inside(2);
    ask(&c, "hang");
    open_gate(0, 0);
    wait_for(&a, 1);
    wait_for(&b, 1);
    wait_for(&c, 1);
    expect_answers(&b, "192.0.2.1:26 192.0.2.2:26 [2001:db8::1]:26 .");
    expect_answers(&c, ALL " .");
    expect_calls("hang/0 hang/0");
}

/* One of several in a list goes, at each place. */
static void questions_go_in_any_order(void **state)
{
    static const char *const services[] = {"25", "26", "27"};
    (void)state;
    for (int gone = 0; gone < 3; gone++) {
        struct asker a[3] = {{.answers = 0}}, b = {.answers = 0};
        for (int i = 0; i < 3; i++)
            assert_int_equal(asynchat__lookup_begin(loops[0], "good",
                                                    services[i], answered,
                                                    &a[i], &a[i].lookup),
                             0);
        cancel(&a[gone]);
        ask(&b, "good");
        for (int i = 0; i < 3; i++)
            wait_for(&a[i], i != gone);
        wait_for(&b, 1);
        expect_answers(&b, ALL " .");
    }
}

static void who_cancels_leaves_the_call_to_others(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang");
    cancel(&a);
    ask(&b, "hang");
    pass();
    open_gate(0, 0);
    wait_for(&b, 1);
    expect_calls("hang/0");
}

/* Nobody else has to wait for a call that hangs for ever. */
static void nobody_joins_a_call_that_is_ten_seconds_old(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0}, c = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang");
    clock_advance(9999);
    ask(&b, "hang");
    clock_advance(1);
    ask(&c, "hang");
    wait_until_inside(2);
    expect_calls("hang/0 hang/0");
    cancel(&a);
    cancel(&b);
    cancel(&c);
}

static void a_look_up_may_be_cancelled_in_its_answers(void **state)
{
    struct asker a = {.cancels = true}, b = {.cancels = true};
    (void)state;
    ask_for_half(&a);
    ask_and_wait(&b, "good");
    open_gate(0, 0);
    pass();
    expect_answers(&a, "192.0.2.1:25 +");
    expect_answers(&b, ALL " .");
}

/* --- threads --- */

static void the_number_of_threads_has_bounds(void **state)
{
    (void)state;
    assert_int_equal(asynchat_set_lookup_threads(0), -EINVAL);
    assert_int_equal(asynchat_set_lookup_threads(65), -EINVAL);
    assert_int_equal(asynchat_set_lookup_threads(1), 0);
    assert_int_equal(asynchat_set_lookup_threads(64), 0);
    assert_int_equal(asynchat_set_lookup_threads(2), 0);
}

static void names_that_hang_hold_others_up_for_a_moment(void **state)
{
    struct asker dead[4] = {{.answers = 0}}, good = {.answers = 0};
    static const char *const hosts[] = {"hang1", "hang2", "hang3", "hang4"};
    (void)state;
    for (int i = 0; i < 4; i++)
        ask(&dead[i], hosts[i]);
    ask(&good, "good");
    wait_until_inside(2);
    advance(POOL_YOUNG - 1);
    assert_int_equal(count_of(&sys.inside), 2);
    advance(1);
    wait_until_inside(4);
    advance(POOL_YOUNG - 1);
    assert_int_equal(good.answers, 0);
    advance(1);
    wait_for(&good, 1);
    for (int i = 0; i < 4; i++)
        cancel(&dead[i]);
}

static void what_is_cancelled_in_the_queue_is_never_asked(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0}, c = {.answers = 0};
    (void)state;
    assert_int_equal(asynchat_set_lookup_threads(1), 0);
    ask_and_hang(&a, "hang");
    ask(&b, "good");
    ask(&c, "better");
    cancel(&b);
    open_gate(0, 0);
    wait_for(&a, 1);
    wait_for(&c, 1);
    expect_calls("hang/0 better/0");
    assert_int_equal(asynchat_set_lookup_threads(2), 0);
}

static void there_are_never_more_than_64_threads(void **state)
{
    struct asker dead[POOL_MOST], good = {.answers = 0};
    char host[32];
    (void)state;
    memset(dead, 0, sizeof dead);
    assert_int_equal(asynchat_set_lookup_threads(POOL_MOST), 0);
    for (int i = 0; i < POOL_MOST; i++) {
        (void)snprintf(host, sizeof host, "hang%d.example", i);
        ask(&dead[i], host);
    }
    wait_until_inside(POOL_MOST);
    ask(&good, "good");
    advance(POOL_YOUNG);
    advance(POOL_YOUNG);
    assert_int_equal(count_of(&sys.calls), POOL_MOST);
    open_gate(0, 0);
    wait_for(&good, 1);
    for (int i = 0; i < POOL_MOST; i++)
        wait_for(&dead[i], 1);
    assert_int_equal(asynchat_set_lookup_threads(2), 0);
}

/* The threads of the test before are still there. */
static void idle_threads_do_not_take_more_than_they_may(void **state)
{
    static const char *const hosts[] = {"hang1", "hang2", "hang3", "hang4"};
    struct asker dead[4] = {{.answers = 0}};
    (void)state;
    for (int i = 0; i < 4; i++)
        ask(&dead[i], hosts[i]);
    wait_until_inside(2);
    advance(POOL_YOUNG - 1);
    assert_int_equal(count_of(&sys.calls), 2);
    open_gate(0, 0);
    for (int i = 0; i < 4; i++)
        wait_for(&dead[i], 1);
}

/* The loop looks when the first of the calls does not count any more. */
static void who_comes_later_waits_for_the_rest_of_the_time(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0}, c = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang1");
    advance(100);
    ask(&b, "hang2");
    wait_until_inside(2);
    advance(50);
    ask(&c, "hang3");
    advance(POOL_YOUNG - 151);
    assert_int_equal(count_of(&sys.calls), 2);
    advance(1);
    wait_until_inside(3);
    cancel(&a);
    cancel(&b);
    cancel(&c);
}

/* The threads find that their time is over, and the next look-up makes one
 * more. */
static void threads_that_have_nothing_to_do_end(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    no_rest = true;
    unsigned before = threads_made;
    for (int i = 0; i < 1000 && threads_made == before; i++) {
        struct asker one = {.answers = 0};
        ask(&one, "good");
        wait_for(&one, 1);
        usleep(1000);
    }
    assert_true(threads_made > before);
    ask_and_wait(&a, "good");
}

/* --- nobody waits for a thread --- */

static void a_loop_goes_while_a_call_hangs(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang");
    cancel(&a);
    end_loop(0);
    assert_int_equal(count_of(&sys.inside), 1);
}

/* Both loops have a post when one has seen its own. */
static void post_without_running(struct asker *a)
{
    struct asker b = {.answers = 0};
    ask(a, "hang");
    ask_in(1, &b, "hang");
    wait_until_inside(1);
    open_gate(0, 0);
    wait_for_in(1, &b, 1);
}

static void an_answer_that_is_on_its_way_is_dropped(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    post_without_running(&a);
    cancel(&a);
    pass();
    assert_int_equal(a.answers, 0);
}

static void a_loop_goes_while_an_answer_is_on_its_way(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    post_without_running(&a);
    cancel(&a);
    end_loop(0);
}

/* The loop of an event base that was freed too early, and its look-ups, keep
 * what they have. Another event base may get its address. */
static bool base_goes_first(void *arg)
{
    struct asker a = {.answers = 0}, b = {.answers = 0};
    (void)arg;
    ask_and_hang(&a, "hang");
    event_base_free(bases[0]);
    begin_loop(0);
    ask(&b, "hang");
    open_gate(0, 0);
    wait_for(&b, 1);
    return a.answers == 0 && strcmp(sys.log, "hang/0") == 0;
}

static void an_event_base_goes_before_its_look_up(void **state)
{
    (void)state;
    run_in_child(base_goes_first, NULL);
}

/* `exit` is called with a thread that hangs for ever. */
static void the_program_ends_while_a_call_hangs(void **state)
{
    int status = -1;
    (void)state;
    if (!CHILD_HAS_THREADS)
        skip();
    pid_t child = fork();
    if (child == 0) {
        struct asker a = {.answers = 0};
        if (begin_in(0, &a, "hang") == 0)
            wait_until_inside(1);
        cancel(&a);
        exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

/* --- what fails --- */

/* A child has no threads yet. */
static bool begins_without_a_thread(void *arg)
{
    struct asker a = {.answers = 0};
    (void)arg;
    no_thread = true;
    if (begin_in(0, &a, "good") != -EAGAIN)
        return false;
    int before = living;
    if (begin_in(0, &a, "good") != -EAGAIN || living != before)
        return false;
    no_thread = false;
    if (begin_in(0, &a, "good") != 0)
        return false;
    wait_for(&a, 1);
    return true;
}

static void without_a_thread_a_look_up_fails(void **state)
{
    (void)state;
    run_in_child(begins_without_a_thread, NULL);
}

static void with_one_thread_look_ups_go_on(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0};
    (void)state;
    ask_and_wait(&a, "good");
    no_thread = true;
    ask(&a, "good");
    ask(&b, "better");
    wait_for(&a, 2);
    wait_for(&b, 1);
    no_thread = false;
}

/* libevent's debug mode ends the process if its own table gets no memory. */
static bool libevent_debugs(void)
{
    const char *modes = getenv("ASYNCHAT_TEST_LIBEVENT");
    return modes && strstr(modes, "debug");
}

/* Each allocation fails, of this thread's and of the other's. One that fails for
 * IPv4 alone does not matter. */
static void every_failed_allocation_is_told(void **state)
{
    bool failed = true;
    int refused = 0;
    (void)state;
    for (int i = 1; failed; i++) {
        struct asker a = {.answers = 0};
        failing = i;
        beginning = !libevent_debugs();
        int error = begin_in(0, &a, "half-4");
        beginning = false;
        refused += error != 0;
        if (!error)
            wait_for(&a, 1);
        failed = failing == 0;
        failing = 0;
        if (error)
            assert_int_equal(error, -ENOMEM);
        else if (failed)
            expect_answers(&a, "ETRYAGAIN Non-recoverable failure in name "
                               "resolution .");
        else
            expect_answers(&a, "192.0.2.1:25 .");
        end_loop(0);
        begin_loop(0);
    }
    assert_true(refused >= (libevent_debugs() ? 4 : 7));
}

static void without_memory_an_answer_is_told(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang");
    failing = 1;
    open_gate(0, 0);
    wait_for(&a, 1);
    failing = 0;
    expect_answers(&a, "ENOMEM .");
    expect_calls("hang/0");
}

/* --- fork --- */

static void system_inherit(void)
{
    pthread_mutex_init(&sys.lock, NULL);
    pthread_cond_init(&sys.changed, NULL);
    sys.inside = 0;
    sys.gates[0] = sys.gates[1] = true;
    alarm(100);
    event_reinit(bases[0]);
}

static bool child_is_answered(void *arg)
{
    struct asker *a = arg, b = {.answers = 0};
    system_inherit();
    advance(1000);
    wait_for(a, 1);
    ask_and_wait(&b, "good");
    return strcmp(a->log, ALL " .") == 0 && strcmp(b.log, ALL " .") == 0;
}

static void a_child_asks_anew(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang");
    pass();
    run_in_child(child_is_answered, &a);
    open_gate(0, 0);
    wait_for(&a, 1);
    expect_answers(&a, ALL " .");
}

/* The post is the parent's alone; the child's timer looks. */
static void an_answer_on_its_way_reaches_both(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    post_without_running(&a);
    run_in_child(child_is_answered, &a);
    wait_for(&a, 1);
    expect_answers(&a, ALL " .");
}

static bool child_cancels(void *arg)
{
    struct asker *a = arg;
    system_inherit();
    cancel(a);
    pass();
    end_loop(0);
    return true;
}

static void a_child_may_cancel(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0};
    (void)state;
    ask_and_hang(&a, "hang");
    assert_int_equal(child_runs(child_cancels, &a), 1);
    open_gate(0, 0);
    wait_for(&a, 1);
    sys.gates[0] = false;
    post_without_running(&b);
    assert_int_equal(child_runs(child_cancels, &b), 1);
    wait_for(&b, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_come_in_order_and_once),
        TEST(nothing_is_kept),
        TEST(the_port_is_in_the_addresses),
        TEST(an_answer_has_at_most_64_addresses),
        TEST(addresses_of_other_families_do_not_count),
        TEST(what_is_no_name_is_refused_at_once),
        TEST(each_error_has_its_code),
        TEST(ipv4_alone_helps_after_an_error_that_passes),
        TEST(ipv4_is_asked_for_alone_after_a_second),
        TEST(an_error_after_an_address_does_not_matter),
        TEST(who_joins_late_gets_what_is_there),
        TEST(a_loop_that_was_busy_gets_all_in_one_answer),
        TEST(the_answer_for_both_does_not_wait_for_ipv4),
        TEST(after_an_error_for_both_ipv4_is_waited_for),
        TEST(one_call_serves_all),
        TEST(another_service_is_another_question),
        TEST(questions_go_in_any_order),
        TEST(who_cancels_leaves_the_call_to_others),
        TEST(nobody_joins_a_call_that_is_ten_seconds_old),
        TEST(a_look_up_may_be_cancelled_in_its_answers),
        TEST(the_number_of_threads_has_bounds),
        TEST(names_that_hang_hold_others_up_for_a_moment),
        TEST(what_is_cancelled_in_the_queue_is_never_asked),
        TEST(there_are_never_more_than_64_threads),
        TEST(idle_threads_do_not_take_more_than_they_may),
        TEST(who_comes_later_waits_for_the_rest_of_the_time),
        TEST(threads_that_have_nothing_to_do_end),
        TEST(a_loop_goes_while_a_call_hangs),
        TEST(an_answer_that_is_on_its_way_is_dropped),
        TEST(a_loop_goes_while_an_answer_is_on_its_way),
        TEST(an_event_base_goes_before_its_look_up),
        TEST(the_program_ends_while_a_call_hangs),
        TEST(without_a_thread_a_look_up_fails),
        TEST(with_one_thread_look_ups_go_on),
        TEST(every_failed_allocation_is_told),
        TEST(without_memory_an_answer_is_told),
        TEST(a_child_asks_anew),
        TEST(an_answer_on_its_way_reaches_both),
        TEST(a_child_may_cancel),
    };
    event_set_mem_functions(event_malloc, event_realloc, free);
    if (asynchat_set_mem_functions(counted_malloc, realloc, counted_free) < 0)
        return 1;
    return RUN(tests);
}
