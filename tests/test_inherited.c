/* Sockets that a service manager has passed. Each test is a process of its own,
 * which has the descriptors 3 and 4 to itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "child.h"
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `test` in a child to which two sockets were passed. `test` returns
 * whether all was well. `process` is the text in LISTEN_PID, or NULL for the
 * child's id. */
static void expect_passed(const char *process, const char *count,
                          bool (*test)(void))
{
    int status;
    char own[16];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        snprintf(own, sizeof own, "%d", (int)getpid());
        setenv("LISTEN_PID", process ? process : own, 1);
        setenv("LISTEN_FDS", count, 1);
        setenv("LISTEN_FDNAMES", "a:b", 1);
        dup2(fd, 3);
        dup2(fd, 4);
        fcntl(3, F_SETFD, 0);
        close(5);
        child_exit(test() && !getenv("LISTEN_PID") && !getenv("LISTEN_FDS") &&
                           !getenv("LISTEN_FDNAMES")
                       ? 0
                       : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Whether the call returns this. *first must be 3 then, or unchanged on
 * failure. */
static bool answers(int expected)
{
    int first = -7;
    int count = asynchat_inherited_sockets(&first);
    return count == expected && first == (count < 0 ? -7 : 3);
}

static bool two_are_close_on_exec(void)
{
    return answers(2) && fcntl(3, F_GETFD) == FD_CLOEXEC &&
           fcntl(4, F_GETFD) == FD_CLOEXEC;
}

static bool once(void)
{
    return answers(2) && answers(0);
}

static bool none(void)
{
    return answers(0) && fcntl(3, F_GETFD) == 0;
}

static bool nonsense(void)
{
    return answers(-EINVAL) && answers(0);
}

static bool not_there(void)
{
    return answers(-EBADF);
}

static void those_passed_are_counted_and_made_close_on_exec(void **state)
{
    (void)state;
    expect_passed(NULL, "2", two_are_close_on_exec);
}

static void they_are_told_once(void **state)
{
    (void)state;
    expect_passed(NULL, "2", once);
}

static void those_of_another_process_are_not_ours(void **state)
{
    (void)state;
    expect_passed("1", "2", none);
    expect_passed(NULL, "0", none);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    expect_passed(NULL, "", nonsense);
    expect_passed(NULL, "x", nonsense);
    expect_passed(NULL, "-1", nonsense);
    expect_passed(NULL, "2 ", nonsense);
    expect_passed(NULL, "2147483645", nonsense);
    expect_passed(NULL, "2147483648", nonsense);
    expect_passed(NULL, "99999999999999999999", nonsense);
    expect_passed("x", "2", nonsense);
    expect_passed(" 1", "2", nonsense);
}

static void one_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    expect_passed(NULL, "3", not_there);
}

static void without_an_environment_there_are_none(void **state)
{
    int first;
    (void)state;
    assert_int_equal(asynchat_inherited_sockets(&first), 0);
    assert_int_equal(asynchat_inherited_sockets(NULL), -EINVAL);
}

/* What the parent has looked for is not the child's. */
static void a_child_may_be_passed_some_of_its_own(void **state)
{
    int first;
    (void)state;
    assert_int_equal(asynchat_inherited_sockets(&first), 0);
    expect_passed(NULL, "2", two_are_close_on_exec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_passed_are_counted_and_made_close_on_exec),
        cmocka_unit_test(they_are_told_once),
        cmocka_unit_test(those_of_another_process_are_not_ours),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(one_that_is_not_there_is_an_error),
        cmocka_unit_test(without_an_environment_there_are_none),
        cmocka_unit_test(a_child_may_be_passed_some_of_its_own),
    };
    return RUN(tests);
}
