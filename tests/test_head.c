/* A function of the program's says how long messages are: compared with a model
 * that sees the whole stream, and answers that break the rules.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/error.h>
#include <asynchat/framing.h>

#include <errno.h>

#include "length_driver.h"

/* --- a little language of heads ---
 *
 * "G" is a message of one byte. "Mk" is a message of k bytes with its head,
 * "Sk" of k bytes behind its head, where k is a letter, "a" is 0, and so on.
 * "xE" is no message, nor is "z"; "x" before anything else is skipped alone.
 * "L" needs six bytes, and is a message of three; "K" needs six, and is
 * skipped. "E" is an error. */
static int look(const void *bytes, size_t len, struct asynchat_head *head,
                void *arg)
{
    const uint8_t *b = bytes;
    unsigned *most = arg;
    assert_true(len >= 1 && len <= *most);
    assert_true(head->skip == 0 && head->length == 0);
    switch (b[0]) {
    case 'G':
        head->length = 1;
        return ASYNCHAT_HEAD_KNOWN;
    case 'M':
    case 'S':
        if (len < 2)
            return ASYNCHAT_HEAD_MORE;
        head->skip = b[0] == 'S' ? 2 : 0;
        head->length = b[1] - 'a';
        return ASYNCHAT_HEAD_KNOWN;
    case 'x':
        if (len < 2)
            return ASYNCHAT_HEAD_MORE;
        head->skip = b[1] == 'E' ? 2 : 1;
        return ASYNCHAT_HEAD_SKIP;
    case 'L':
        head->length = 3;
        return len < 6 ? ASYNCHAT_HEAD_MORE : ASYNCHAT_HEAD_KNOWN;
    case 'K':
        head->skip = 1;
        return len < 6 ? ASYNCHAT_HEAD_MORE : ASYNCHAT_HEAD_SKIP;
    case 'E':
        return ASYNCHAT_EPROTOCOL;
    default:
        head->skip = 1;
        return ASYNCHAT_HEAD_SKIP;
    }
}

static unsigned most = 6;

static struct asynchat_framing *make(const void *what)
{
    (void)what;
    return asynchat_framing_function(look, most, &most);
}

static void expect(const char *stream, const char *expected)
{
    stream_expect(make, NULL, stream, strlen(stream), expected);
}

/* --- the model --- */

static size_t model_one(const uint8_t *at, size_t len, struct said *s)
{
    bool skipped = at[0] == 'x' || !strchr("GMSLE", at[0]);
    size_t need = strchr("MSx", at[0]) ? 2 : strchr("KL", at[0]) ? 6 : 1;
    if (len < need) {
        said_cut(s, len);
        return 0;
    }
    if (at[0] == 'E' || (at[0] == 'M' && at[1] == 'a')) {
        said_error(s, at[0] == 'E' ? ASYNCHAT_EPROTOCOL : ASYNCHAT_EFRAMING);
        return 0;
    }
    if (skipped)
        return at[0] == 'x' && at[1] == 'E' ? 2 : 1;
    size_t from = at[0] == 'S' ? 2 : 0;
    size_t length = at[0] == 'G' ? 1 : at[0] == 'L' ? 3 : at[1] - 'a';
    if (from + length > len) {
        said_add(s, at + from, len - from);
        said_cut(s, 0);
        return 0;
    }
    said_message(s, at + from, length);
    return from + length;
}

static void compare(const uint8_t *bytes, size_t len)
{
    static struct said s;
    size_t used = 1;
    said_begin(&s);
    for (size_t at = 0; at < len && used > 0; at += used)
        used = model_one(bytes + at, len - at, &s);
    stream_check(make, NULL, bytes, len, &s);
}

/* Bytes that were held back may be left over, as behind "L", and messages and
 * bytes to be skipped may lie in them. */
static void random_bytes_equal_the_model(void **state)
{
    static const char letters[] = "GGGGGMSxxyzLLLGMbcdefSabcdxKK";
    uint8_t stream[40];
    (void)state;
    for (unsigned i = 0; i < 6000; i++) {
        size_t len = 1 + (size_t)rand() % sizeof stream;
        for (size_t k = 0; k < len; k++)
            stream[k] = (uint8_t)letters[(size_t)rand() % (sizeof letters - 1)];
        if (rand() % 4 == 0)
            stream[(size_t)rand() % len] = 'E';
        compare(stream, len);
    }
}

static void all_sizes_of_heads_equal_the_model(void **state)
{
    (void)state;
    for (most = 6; most <= 64; most += 29)
        random_bytes_equal_the_model(state);
    most = 6;
}

/* --- cases --- */

static void bad_bytes_between_good_messages(void **state)
{
    (void)state;
    expect("GGGxGGG", "1:G 1:G 1:G 1:G 1:G 1:G ");
    expect("GxEzxGG", "1:G 1:G 1:G ");
    expect("xExExEyExyxyxyxyxyxyzz", "!-10015");
    expect("xExEyxyxyxyxyxyxExyxyxyxyzz", "");
    expect("KzzzzGKxExEGGGGGG", "1:G 1:G 1:G 1:G 1:G 1:G 1:G ");
    expect("LGxMcdGG", "3:LGx 2:Mc 1:G 1:G ");
    expect("GGEG", "1:G 1:G !-10015");
    expect("SaSbxG", "0: 1:x 1:G ");
    expect("x", "~0+1");
    expect("Sc", "~0+0");
    expect("Sdab", "~2+0");
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

static struct asynchat_framing *make_say(const void *answer)
{
    return asynchat_framing_function(say, 4, (void *)answer);
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
        stream_expect(make_say, &answers[i], "abcdefgh", 8, "!-10017");
    struct answer error = {-ERANGE, 0, 0, 0};
    stream_expect(make_say, &error, "abcdefgh", 8, "!-34");
}

/* After an error the function is not asked again. */
static void failed_framing_does_not_ask(void **state)
{
    struct answer error = {-EIO, 0, 0, 0};
    struct asynchat_framing *f = make_say(&error);
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
    struct asynchat_framing *f = make_say(&answer);
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
    expect_no_memory(make, NULL);
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
