/* A sweep: every scenario with every fault of a kind, as cmocka tests.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sweep.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#define TESTS 1024
#define SAID 5

struct test {
    const struct scenario *scenario;
    const struct sweep_kind *kind;
};

static bool is_memory, is_full;
static unsigned runs;

/* The name of the current run, for a report if it crashes. */
static char now[256];

static void tell_now(void)
{
    (void)!write(STDERR_FILENO, now, strlen(now));
}

static void (*cmocka_dies)(int signal_number);

static void die(int signal_number)
{
    tell_now();
    cmocka_dies(signal_number);
}

/* The sanitizers call this before they report. */
void __asan_on_error(void);
void __asan_on_error(void)
{
    tell_now();
}

static void name_run(const struct sweep *sweep, const struct fault *fault)
{
    static const char *const kinds[] = {"no fault", "once", "from",
                                        "every other", "short"};
    snprintf(now, sizeof now, "%s: %s at %u %s %s (%d)\n",
             sweep->scenario->name, kinds[fault->kind], fault->at,
             fault->call < CALLS ? call_errors[fault->call].name : "all",
             strerror(fault->error), fault->error);
}

bool sweep_run(struct sweep *sweep, struct fault fault)
{
    name_run(sweep, &fault);
    const char *wrong =
        world_run(sweep->scenario, sweep->memory, &fault, sweep->expected);
    sweep->runs++;
    runs++;
    if (wrong && sweep->wrong++ < SAID)
        print_error("%s    %s, %s\n", now, call_errors[inject.last].name,
                    wrong);
    return inject.failed > 0;
}

/* A test is a scenario and a kind of fault. First it runs without a fault. */
static void sweep_test(void **state)
{
    static struct outcome expected;
    const struct test *test = *state;
    struct sweep sweep = {
        .scenario = test->scenario, .memory = is_memory, .full = is_full};
    cmocka_dies = signal(SIGSEGV, die);
    sweep_run(&sweep, (struct fault){.kind = FAULT_NONE});
    world_outcome(&expected);
    sweep.expected = &expected;
    if (sweep.wrong == 0)
        test->kind->all(&sweep);
    assert_int_equal(sweep.wrong, 0);
}

static struct CMUnitTest make_test(const struct scenario *scenario,
                                   const struct sweep_kind *kind)
{
    static struct test tests[TESTS];
    static char names[TESTS][128];
    static int count;
    if (count == TESTS)
        abort();
    tests[count] = (struct test){scenario, kind};
    snprintf(names[count], sizeof names[count], "%s: %s", scenario->name,
             kind->name);
    struct CMUnitTest test = {.name = names[count],
                              .test_func = sweep_test,
                              .initial_state = &tests[count]};
    count++;
    return test;
}

static void hush(int severity, const char *text)
{
    (void)severity;
    (void)text;
}

static bool waits_by_epoll(void)
{
    struct event_base *base = event_base_new();
    const char *method = base ? event_base_get_method(base) : "";
    bool epoll = strncmp(method, "epoll", 5) == 0;
    if (base)
        event_base_free(base);
    return epoll;
}

int sweep_main(int argc, char **argv, bool memory,
               const struct sweep_kind *kinds)
{
    static struct CMUnitTest tests[TESTS];
    size_t count = 0;
    if (!waits_by_epoll()) {
        printf("time passes in epoll_wait only, which libevent does not use\n");
        return 77;
    }
    is_memory = memory;
    is_full = argc < 2 || strcmp(argv[1], "quick") != 0;
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    for (const struct scenario *s = scenarios; s->name; s++)
        for (const struct sweep_kind *kind = kinds; kind->name; kind++)
            tests[count++] = make_test(s, kind);
    event_set_log_callback(hush);
    world_prepare();
    signal(SIGPIPE, SIG_IGN);
    int failed = _cmocka_run_group_tests(argv[0], tests, count, NULL, NULL);
    printf("%u runs\n", runs);
    return failed;
}
