/* A function of the program's says how long messages are: compared with a model
 * that sees the whole stream, and answers that break the rules.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/error.h>
#include <asynchat/framing.h>

#include <errno.h>

#include "framing_driver.h"

/* --- the little language of heads of the naive model --- */

static int look(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg)
{
    const struct naive *ends = arg;
    assert_true(len >= 1 && len <= ends->most);
    assert_true(head->skip == 0 && head->length == 0);
    return naive_look(bytes, len, head, NULL);
}

static const struct naive letters = {
    .kind = NAIVE_FUNCTION, .look = naive_look, .most = 6};

static struct asynchat_framing *make(const struct naive *ends)
{
    return asynchat_framing_function(look, ends->most, (void *)ends);
}

static void expect(const char *stream, const char *wanted)
{
    drive_expect(make, &letters, stream, strlen(stream), wanted);
}

static void random_bytes(const struct naive *ends)
{
    static const char some[] = "GGGGGMSxxyzLLLGMbcdefSabcdxKK";
    uint8_t stream[40];
    for (unsigned i = 0; i < 6000; i++) {
        size_t len = 1 + (size_t)rand() % sizeof stream;
        for (size_t k = 0; k < len; k++)
            stream[k] = (uint8_t)some[(size_t)rand() % (sizeof some - 1)];
        if (rand() % 4 == 0)
            stream[(size_t)rand() % len] = 'E';
        drive_one(make, ends, stream, len);
    }
}

/* Bytes that were held back may be left over, as behind "L", and messages and
 * bytes to be skipped may lie in them. */
static void random_bytes_equal_the_model(void **state)
{
    (void)state;
    random_bytes(&letters);
}

static void all_sizes_of_heads_equal_the_model(void **state)
{
    struct naive ends = letters;
    (void)state;
    for (ends.most = 6; ends.most <= 64; ends.most += 29)
        random_bytes(&ends);
}

/* --- cases --- */

static void bad_bytes_between_good_messages(void **state)
{
    (void)state;
    expect("GGGxGGG", "G|G|G|G|G|G|");
    expect("GxEzxGG", "G|G|G|");
    expect("xExExEyExyxyxyxyxyxyzz", "!10015");
    expect("xExEyxyxyxyxyxyxExyxyxyxyzz", "");
    expect("KzzzzGKxExEGGGGGG", "G|G|G|G|G|G|G|");
    expect("LGxMcdGG", "LGx|Mc|G|G|");
    expect("GGEG", "G|G|!10015");
    expect("SaSbxG", "|x|G|");
    expect("x", "x~");
    expect("Sc", "~");
    expect("Sdab", "ab~");
}

/* --- answers that break the rules --- */

struct answer {
    int answer;
    size_t skip;
    uint64_t length;
    unsigned asked;
};

static int say(const void *bytes, size_t len, struct asynchat_head *head,
               void *arg)
{
    struct answer *answer = arg;
    (void)bytes, (void)len;
    answer->asked++;
    head->skip = answer->skip;
    head->length = answer->length;
    return answer->answer;
}

static struct naive answers_of(struct answer *answer)
{
    return (struct naive){
        .kind = NAIVE_FUNCTION, .look = say, .most = 4, .arg = answer};
}

static struct asynchat_framing *make_say(const struct naive *ends)
{
    return asynchat_framing_function(ends->look, ends->most, ends->arg);
}

static void expect_error(struct answer *answer, const char *wanted)
{
    struct naive ends = answers_of(answer);
    drive_expect(make_say, &ends, "abcdefgh", 8, wanted);
}

static void wrong_answers_are_told_once(void **state)
{
    struct answer answers[] = {
        {ASYNCHAT_HEAD_KNOWN, 0, 0, 0},  {ASYNCHAT_HEAD_KNOWN, 5, 1, 0},
        {ASYNCHAT_HEAD_SKIP, 0, 0, 0},   {ASYNCHAT_HEAD_SKIP, 5, 0, 0},
        {ASYNCHAT_HEAD_SKIP, -1, 0, 0},  {3, 1, 1, 0},
        {ASYNCHAT_HEAD_MORE, 0, 0, 0},   {INT32_MAX, 1, 1, 0},
        {ASYNCHAT_HEAD_KNOWN, -1, 9, 0},
    };
    (void)state;
    for (unsigned i = 0; i < COUNT(answers); i++)
        expect_error(&answers[i], "!10017");
    struct answer error = {-ERANGE, 0, 0, 0};
    expect_error(&error, "!34");
}

/* After an error the function is not asked again. */
static void failed_framing_does_not_ask(void **state)
{
    struct answer error = {-EIO, 0, 0, 0};
    struct naive ends = answers_of(&error);
    struct asynchat_framing *f = make_say(&ends);
    (void)state;
    assert_int_equal(f->ops->step(f, (const uint8_t *)"abc", 3).verdict, -EIO);
    struct framing_step step = f->ops->step(f, (const uint8_t *)"abc", 3);
    assert_int_equal(step.verdict, FRAMING_GOES_ON);
    assert_int_equal(step.data, 3);
    assert_int_equal(error.asked, 1);
    f->ops->release(f);
}

static void largest_length_is_told(void **state)
{
    struct answer answer = {ASYNCHAT_HEAD_KNOWN, 1, UINT64_MAX, 0};
    struct naive ends = answers_of(&answer);
    struct asynchat_framing *f = make_say(&ends);
    struct framing_step step = f->ops->step(f, (const uint8_t *)"abc", 3);
    (void)state;
    assert_int_equal(step.whole, UINT64_MAX);
    assert_int_equal(step.data, 2);
    f->ops->release(f);
}

static void bad_arguments_are_told(void **state)
{
    (void)state;
    expect_bad(asynchat_framing_function(NULL, 4, NULL), -EINVAL);
    expect_bad(asynchat_framing_function(look, 0, NULL), -EINVAL);
    expect_bad(asynchat_framing_function(look, 65, NULL), -EINVAL);
    expect_no_memory(make, &letters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_bytes_equal_the_model),
        cmocka_unit_test(all_sizes_of_heads_equal_the_model),
        cmocka_unit_test(bad_bytes_between_good_messages),
        cmocka_unit_test(wrong_answers_are_told_once),
        cmocka_unit_test(failed_framing_does_not_ask),
        cmocka_unit_test(largest_length_is_told),
        cmocka_unit_test(bad_arguments_are_told),
    };
    cmocka_set_skip_filter(getenv("LEAVE_OUT"));
    return cmocka_run_group_tests(tests, NULL, print_driven);
}
