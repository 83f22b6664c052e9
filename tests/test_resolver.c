/* A resolver of the program's: what it is asked, and how its answers are told.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <event2/event.h>

#include "loop/loop.h"
#include "names/lookup.h"

static struct event_base *base;
static struct loop *loop;
static uint64_t now;
static int allocations; /* until one fails; or -1 */
static int living, living_before;

static void *may_fail(size_t size)
{
    if (allocations == 0)
        return NULL;
    allocations -= allocations > 0;
    living++;
    return malloc(size);
}

static void counted_free(void *memory)
{
    living--;
    free(memory);
}

static uint64_t test_now(void *arg)
{
    (void)arg;
    return now;
}

/* --- the resolver --- */

static struct {
    struct asynchat_lookup *lookup; /* the last that has begun */
    char host[64], service[64];
    int begun, cancelled;
    int result;     /* what `begin` answers */
    bool at_once;   /* `begin` gives an address, and the end */
    void *expected; /* what it is to be called with */
} own;

static int lookup_add(const char *host, unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &at.sin_addr);
    return asynchat_lookup_add(own.lookup, (struct sockaddr *)&at, sizeof at);
}

static int own_begin(struct asynchat_lookup *lookup, const char *host,
                     const char *service, void *arg)
{
    own.lookup = lookup;
    own.begun++;
    assert_ptr_equal(arg, own.expected);
    (void)snprintf(own.host, sizeof own.host, "%s", host);
    (void)snprintf(own.service, sizeof own.service, "%s", service);
    if (own.at_once) {
        assert_int_equal(lookup_add("192.0.2.9", 9), 0);
        asynchat_lookup_done(lookup, 0);
    }
    return own.result;
}

static void own_cancel(struct asynchat_lookup *lookup, void *arg)
{
    assert_ptr_equal(lookup, own.lookup);
    assert_ptr_equal(arg, own.expected);
    own.cancelled++;
    /* This is of no use, but no harm either. */
    asynchat_lookup_done(lookup, ASYNCHAT_ETRYAGAIN);
}

static const struct asynchat_resolver resolver = {sizeof resolver, own_begin,
                                                  own_cancel};

/* --- who asks --- */

struct asker {
    struct lookup *lookup;
    char log[8192];
    int answers;
    bool cancels; /* in its answer */
    int adds;     /* addresses, in its answer */
};

static void answered(void *arg, const struct lookup_answer *answer)
{
    struct asker *a = arg;
    size_t len = strlen(a->log);
    char text[ASYNCHAT_ADDRESS_SIZE];
    a->answers++;
    for (int i = 0; i < a->adds; i++) {
        (void)snprintf(text, sizeof text, "192.0.2.%d", i + 100);
        assert_int_equal(lookup_add(text, 7), 0);
    }
    a->adds = 0;
    for (unsigned i = 0; i < answer->count; i++) {
        asynchat__address_format(&answer->addresses[i], text, sizeof text);
        len += (size_t)snprintf(a->log + len, sizeof a->log - len, "%s ", text);
    }
    if (answer->error)
        len += (size_t)snprintf(a->log + len, sizeof a->log - len, "%d ",
                                answer->error);
    (void)snprintf(a->log + len, sizeof a->log - len,
                   answer->more ? "+ " : ".");
    if (a->cancels)
        asynchat__lookup_cancel(a->lookup);
}

static int begin(struct asker *a)
{
    return asynchat__lookup_begin(loop, "mail.example", "smtp", answered, a,
                                  &a->lookup);
}

static void ask(struct asker *a)
{
    assert_int_equal(begin(a), 0);
    assert_int_equal(a->answers, 0);
}

static void settle_timers(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
    while (asynchat_run_timers(base) == 0)
        ;
}

static void expect_log(struct asker *a, const char *log)
{
    settle_timers();
    assert_string_equal(a->log, log);
    a->log[0] = '\0';
}

static int make(void **state)
{
    (void)state;
    memset(&own, 0, sizeof own);
    own.expected = &own;
    allocations = -1;
    living_before = living;
    base = event_base_new();
    assert_int_equal(asynchat_set_clock(base, test_now, NULL), 0);
    loop = asynchat__loop_share(base);
    assert_int_equal(asynchat_set_resolver(base, &resolver, &own), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_int_equal(asynchat_set_resolver(base, NULL, NULL), 0);
    asynchat__loop_release(loop);
    assert_int_equal(asynchat_set_clock(base, NULL, NULL), 0);
    event_base_free(base);
    assert_int_equal(living, living_before);
    return 0;
}

/* The system is not asked. */
int getaddrinfo(const char *host, const char *service,
                const struct addrinfo *hints, struct addrinfo **out)
{
    (void)host;
    (void)service;
    (void)hints;
    (void)out;
    return EAI_FAIL;
}

/* --- answers --- */

static void the_resolver_is_asked(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask(&a);
    assert_string_equal(own.host, "mail.example");
    assert_string_equal(own.service, "smtp");
    asynchat_lookup_done(own.lookup, ASYNCHAT_ETRYAGAIN);
    assert_int_equal(a.answers, 0);
    expect_log(&a, "-10021 .");
    assert_int_equal(own.begun, 1);
    assert_int_equal(own.cancelled, 0);
}

static void what_is_no_name_is_not_asked_for(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    assert_int_equal(
        asynchat__lookup_begin(loop, "a b", "25", answered, &a, &a.lookup),
        ASYNCHAT_EADDRESS);
    assert_int_equal(own.begun, 0);
}

static void an_answer_at_once_is_told_by_the_loop(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    own.at_once = true;
    ask(&a);
    expect_log(&a, "192.0.2.9:9 .");
    assert_int_equal(own.cancelled, 0);
}

static void an_answer_may_come_in_parts(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask(&a);
    assert_int_equal(lookup_add("192.0.2.1", 25), 0);
    assert_int_equal(a.answers, 0);
    expect_log(&a, "192.0.2.1:25 + ");
    assert_int_equal(lookup_add("192.0.2.1", 25), 0); /* once more */
    expect_log(&a, "");
    assert_int_equal(lookup_add("192.0.2.3", 25), 0);
    assert_int_equal(lookup_add("192.0.2.2", 25), 0);
    assert_int_equal(lookup_add("192.0.2.2", 26), 0);
    expect_log(&a, "192.0.2.3:25 192.0.2.2:25 192.0.2.2:26 + ");
    asynchat_lookup_done(own.lookup, ASYNCHAT_ENONAME);
    expect_log(&a, ".");
    assert_int_equal(own.cancelled, 0);
}

static void an_answer_without_an_address_is_an_error(void **state)
{
    static const int given[] = {0, 5, -ETIMEDOUT};
    static const char *const told[] = {"-10020 .", "-10020 .", "-110 ."};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct asker a = {.answers = 0};
        ask(&a);
        asynchat_lookup_done(own.lookup, given[i]);
        expect_log(&a, told[i]);
    }
    asynchat_lookup_done(NULL, 0);
}

static void ipv6_addresses_keep_their_zone(void **state)
{
    struct asker a = {.answers = 0};
    struct sockaddr_storage larger = {.ss_family = AF_INET6};
    struct sockaddr_in6 *at = (struct sockaddr_in6 *)&larger;
    (void)state;
    ask(&a);
    at->sin6_port = htons(25);
    at->sin6_scope_id = 1;
    inet_pton(AF_INET6, "fe80::1", &at->sin6_addr);
    assert_int_equal(
        asynchat_lookup_add(own.lookup, (struct sockaddr *)at, sizeof larger),
        0);
    assert_int_equal(
        asynchat_lookup_add(own.lookup, (struct sockaddr *)at, sizeof *at), 0);
    asynchat_lookup_done(own.lookup, 0);
    expect_log(&a, "[fe80::1%lo]:25 .");
}

static void what_is_no_address_is_refused(void **state)
{
    struct asker a = {.answers = 0};
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct sockaddr_in6 at6 = {.sin6_family = AF_INET6};
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct asynchat_lookup *lookup;
    (void)state;
    ask(&a);
    lookup = own.lookup;
    assert_int_equal(asynchat_lookup_add(NULL, (struct sockaddr *)&at, 16),
                     -EINVAL);
    assert_int_equal(asynchat_lookup_add(lookup, NULL, 16), -EINVAL);
    assert_int_equal(asynchat_lookup_add(lookup, (struct sockaddr *)&at, 1),
                     -EINVAL);
    assert_int_equal(
        asynchat_lookup_add(lookup, (struct sockaddr *)&at, sizeof at - 1),
        -EINVAL);
    assert_int_equal(
        asynchat_lookup_add(lookup, (struct sockaddr *)&at6, sizeof at6 - 1),
        -EINVAL);
    assert_int_equal(
        asynchat_lookup_add(lookup, (struct sockaddr *)&path, sizeof path),
        -EAFNOSUPPORT);
    asynchat_lookup_done(lookup, 0);
    assert_int_equal(
        asynchat_lookup_add(lookup, (struct sockaddr *)&at, sizeof at),
        -EINVAL);
    expect_log(&a, "-10020 .");
}

static void an_answer_has_at_most_64_addresses(void **state)
{
    struct asker a = {.answers = 0};
    char text[32];
    (void)state;
    ask(&a);
    for (int i = 0; i < LOOKUP_ADDRESSES; i++) {
        (void)snprintf(text, sizeof text, "192.0.2.%d", i);
        assert_int_equal(lookup_add(text, 25), 0);
    }
    assert_int_equal(lookup_add("192.0.2.64", 25), -ENOSPC);
    assert_int_equal(lookup_add("192.0.2.63", 25), 0);
    asynchat_lookup_done(own.lookup, 0);
    settle_timers();
    assert_non_null(strstr(a.log, "192.0.2.63:25 ."));
}

/* The memory that was lent stays, though the answer needs more. */
static void addresses_may_be_added_while_others_are_told(void **state)
{
    struct asker a = {.adds = 20};
    (void)state;
    ask(&a);
    assert_int_equal(lookup_add("192.0.2.1", 25), 0);
    settle_timers();
    assert_int_equal(lookup_add("192.0.2.2", 25), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(lookup_add("192.0.2.3", 25 + (unsigned)i), 0);
    asynchat_lookup_done(own.lookup, 0);
    settle_timers();
    assert_memory_equal(a.log, "192.0.2.1:25 + 192.0.2.100:7 192.0.2.101:7 ",
                        strlen("192.0.2.1:25 + 192.0.2.100:7 "));
    assert_non_null(strstr(a.log, "192.0.2.2:25 192.0.2.3:25 "));
}

/* --- cancelling --- */

static void a_cancelled_look_up_is_cancelled_at_the_resolver(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask(&a);
    assert_int_equal(lookup_add("192.0.2.1", 25), 0);
    asynchat__lookup_cancel(a.lookup);
    assert_int_equal(own.cancelled, 1);
    expect_log(&a, "");
    asynchat__lookup_cancel(NULL);
}

static void a_look_up_may_be_cancelled_between_its_answers(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    ask(&a);
    assert_int_equal(lookup_add("192.0.2.1", 25), 0);
    expect_log(&a, "192.0.2.1:25 + ");
    asynchat__lookup_cancel(a.lookup);
    assert_int_equal(own.cancelled, 1);
    expect_log(&a, "");
}

static void a_complete_answer_is_not_cancelled(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    own.at_once = true;
    ask(&a);
    asynchat__lookup_cancel(a.lookup);
    assert_int_equal(own.cancelled, 0);
    expect_log(&a, "");
}

static void a_look_up_may_be_cancelled_in_its_answers(void **state)
{
    struct asker a = {.cancels = true}, b = {.cancels = true};
    (void)state;
    ask(&a);
    assert_int_equal(lookup_add("192.0.2.1", 25), 0);
    expect_log(&a, "192.0.2.1:25 + ");
    assert_int_equal(own.cancelled, 1);
    own.at_once = true;
    ask(&b);
    expect_log(&b, "192.0.2.9:9 .");
    assert_int_equal(own.cancelled, 1);
}

/* --- beginning --- */

static void what_begin_returns_is_returned(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    own.result = ASYNCHAT_ENONAME;
    assert_int_equal(begin(&a), ASYNCHAT_ENONAME);
    own.at_once = true;
    assert_int_equal(begin(&a), ASYNCHAT_ENONAME);
    own.result = 1;
    assert_int_equal(begin(&a), -EINVAL);
    expect_log(&a, "");
    assert_null(a.lookup);
    assert_int_equal(own.cancelled, 0);
}

static void tables_are_checked(void **state)
{
    struct asynchat_resolver wrong = resolver;
    struct {
        struct asynchat_resolver known;
        void *more;
    } larger = {resolver, NULL};
    (void)state;
    assert_int_equal(asynchat_set_resolver(NULL, &resolver, NULL), -EINVAL);
    wrong.size--;
    assert_int_equal(asynchat_set_resolver(base, &wrong, NULL), -EINVAL);
    wrong = resolver;
    wrong.begin = NULL;
    assert_int_equal(asynchat_set_resolver(base, &wrong, NULL), -EINVAL);
    wrong = resolver;
    wrong.cancel = NULL;
    assert_int_equal(asynchat_set_resolver(base, &wrong, NULL), -EINVAL);
    larger.known.size = sizeof larger;
    assert_int_equal(asynchat_set_resolver(base, &larger.known, &own), 0);
    larger.more = &own;
    assert_int_equal(asynchat_set_resolver(base, &larger.known, NULL),
                     -ENOTSUP);
}

static void look_ups_end_with_the_resolver_they_began_with(void **state)
{
    struct asker a = {.answers = 0}, b = {.answers = 0};
    struct asynchat_lookup *first;
    (void)state;
    ask(&a);
    first = own.lookup;
    own.expected = NULL;
    assert_int_equal(asynchat_set_resolver(base, &resolver, NULL), 0);
    ask(&b);
    assert_int_equal(own.begun, 2);
    asynchat_lookup_done(own.lookup, ASYNCHAT_ENONAME);
    expect_log(&b, "-10019 .");
    own.lookup = first;
    own.expected = &own;
    asynchat__lookup_cancel(a.lookup);
    assert_int_equal(own.cancelled, 1);
}

static void another_event_base_has_the_system_s(void **state)
{
    struct asker a = {.answers = 0};
    struct event_base *other = event_base_new();
    struct loop *its = asynchat__loop_share(other);
    (void)state;
    assert_int_equal(asynchat_set_resolver(other, &resolver, &own), 0);
    assert_int_equal(asynchat_set_resolver(base, &resolver, NULL), 0);
    assert_int_equal(asynchat_set_resolver(base, NULL, NULL), 0);
    assert_int_equal(asynchat_set_resolver(base, NULL, NULL), 0);
    assert_int_equal(begin(&a), 0);
    assert_int_equal(own.begun, 0);
    while (a.answers == 0) {
        event_base_loop(base, EVLOOP_ONCE);
        asynchat_run_timers(base);
    }
    assert_non_null(strstr(a.log, "-10021 "));
    assert_int_equal(
        asynchat__lookup_begin(its, "a", "25", answered, &a, &a.lookup), 0);
    assert_int_equal(own.begun, 1);
    asynchat__lookup_cancel(a.lookup);
    assert_int_equal(asynchat_set_resolver(other, NULL, NULL), 0);
    asynchat__loop_release(its);
    event_base_free(other);
}

static void without_memory_nothing_changes(void **state)
{
    struct asker a = {.answers = 0};
    (void)state;
    allocations = 0;
    assert_int_equal(asynchat_set_resolver(base, &resolver, NULL), -ENOMEM);
    assert_int_equal(begin(&a), -ENOMEM);
    assert_int_equal(own.begun, 0);
    allocations = -1;
    ask(&a);
    for (int i = 0; i < 3; i++) {
        allocations = 0;
        assert_int_equal(lookup_add("192.0.2.1", 25), i ? 0 : -ENOMEM);
        allocations = -1;
        assert_int_equal(lookup_add("192.0.2.1", 25), 0);
    }
    asynchat_lookup_done(own.lookup, 0);
    expect_log(&a, "192.0.2.1:25 .");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_resolver_is_asked),
        TEST(what_is_no_name_is_not_asked_for),
        TEST(an_answer_at_once_is_told_by_the_loop),
        TEST(an_answer_may_come_in_parts),
        TEST(an_answer_without_an_address_is_an_error),
        TEST(ipv6_addresses_keep_their_zone),
        TEST(what_is_no_address_is_refused),
        TEST(an_answer_has_at_most_64_addresses),
        TEST(addresses_may_be_added_while_others_are_told),
        TEST(a_cancelled_look_up_is_cancelled_at_the_resolver),
        TEST(a_look_up_may_be_cancelled_between_its_answers),
        TEST(a_complete_answer_is_not_cancelled),
        TEST(a_look_up_may_be_cancelled_in_its_answers),
        TEST(what_begin_returns_is_returned),
        TEST(tables_are_checked),
        TEST(look_ups_end_with_the_resolver_they_began_with),
        TEST(another_event_base_has_the_system_s),
        TEST(without_memory_nothing_changes),
    };
    if (asynchat_set_mem_functions(may_fail, realloc, counted_free) < 0)
        return 1;
    return RUN(tests);
}
