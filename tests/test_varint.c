/* A varint in front of each message, compared with a model that sees the whole
 * stream. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat/error.h>
#include <asynchat/framing.h>

#include <errno.h>

#include "framing_driver.h"

static struct naive form_of(unsigned offset, unsigned flags)
{
    return (struct naive){.kind = NAIVE_VARINT,
                          .prefix = {.offset = offset, .flags = flags}};
}

static struct naive leb, mqtt, kept;

static int begin(void **state)
{
    (void)state;
    leb = form_of(0, 0);
    mqtt = form_of(1, ASYNCHAT_VARINT_MQTT);
    kept = form_of(1, ASYNCHAT_VARINT_MQTT | ASYNCHAT_PREFIX_KEPT);
    return 0;
}

static struct asynchat_framing *make(const struct naive *form)
{
    return asynchat_framing_varint(form->prefix.offset, form->prefix.flags);
}

static void expect(const struct naive *form, const void *stream, size_t len,
                   const char *wanted)
{
    drive_expect(make, form, stream, len, wanted);
}

/* --- streams --- */

/* Writes a varint, sometimes with more bytes than it needs. Answers how many. */
static size_t put_varint(uint8_t *to, uint64_t number, unsigned more)
{
    size_t n = 0;
    for (; number > 127 || more > 0; number >>= 7) {
        more -= number <= 127;
        to[n++] = (uint8_t)(number | 0x80);
    }
    to[n++] = (uint8_t)number;
    return n;
}

static void random_streams_equal_the_model(void **state)
{
    uint8_t stream[2048];
    (void)state;
    for (unsigned i = 0; i < 1200; i++) {
        struct naive form = form_of(i % 3 == 2 ? 54 : i % 3, i / 3 % 4 * 4);
        size_t len = 0;
        for (unsigned message = 0; message < 4; message++) {
            unsigned n = rand() % 4 ? rand() % 10 : rand() % 8 ? 0 : 200;
            unsigned more = rand() % 6 ? 0 : rand() % 10;
            for (unsigned k = 0; k < form.prefix.offset; k++)
                stream[len++] = (uint8_t)rand();
            len += put_varint(stream + len, n, more);
            for (unsigned k = 0; k < n; k++)
                stream[len++] = (uint8_t)('a' + k % 26);
        }
        drive_one(make, &form, stream, len - (size_t)rand() % 3);
    }
}

static void random_bytes_equal_the_model(void **state)
{
    uint8_t stream[48];
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct naive form = form_of((unsigned)rand() % 3, i % 4 * 4);
        for (size_t k = 0; k < sizeof stream; k++)
            stream[k] = rand() % 3 ? 0x80 | (uint8_t)(rand() % 3)
                                   : (uint8_t)(rand() % 4);
        drive_one(make, &form, stream, sizeof stream);
    }
}

/* --- cases --- */

/* Lengths at which the number of bytes changes, or the lower groups are 0. */
static void lengths_at_borders(void **state)
{
    static const uint32_t lengths[] = {
        0, 127, 128, 16383, 16384, 2097151, 2097152, 4194304, 268435455};
    (void)state;
    for (unsigned i = 0; i < COUNT(lengths); i++) {
        for (size_t cut = 0; cut <= 6; cut++) {
            uint8_t head[16] = {'t'};
            struct asynchat_framing *f = make(&mqtt);
            size_t len = 1 + put_varint(head + 1, lengths[i], 0);
            struct framing_step step = {0};
            head[len] = 'x';
            size_t n = cut < len ? cut : len;
            if (n > 0)
                step = f->ops->step(f, head, n);
            if (n < len)
                step = f->ops->step(f, head + n, len - n);
            assert_int_equal(step.whole, lengths[i]);
            assert_int_equal(step.skip, len);
            assert_int_equal(step.verdict, lengths[i] == 0);
            f->ops->release(f);
        }
    }
}

static void largest_leb128_is_told(void **state)
{
    struct asynchat_framing *f = make(&leb);
    struct framing_step step = f->ops->step(
        f, (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1abc", 13);
    (void)state;
    assert_int_equal(step.whole, UINT64_MAX);
    assert_int_equal(step.data, 3);
    f->ops->release(f);
}

#define FF8 "\xff\xff\xff\xff\xff\xff\xff\xff"

static void varints_that_are_too_long_or_too_large(void **state)
{
    (void)state;
    expect(&leb, FF8 "\xff\2", 10, "!10017");
    expect(&leb, FF8 "\xff\xff", 10, "!10017");
    expect(&leb, FF8 "\xff", 9, "_________~");
    expect(&leb, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 10, "!10017");
    expect(&mqtt, "t\xff\xff\xff\x7f", 5, "~");
    expect(&mqtt, "t\x80\x80\x80\x80", 5, "!10017");
    expect(&mqtt, "t\x80\x80\x80", 4, "t___~");
}

static void overlong_forms(void **state)
{
    (void)state;
    expect(&leb, "\x80\0\x81\0x", 5, "|x|");
    expect(&leb, "\x81\x80\x80\x80\x80\x80\x80\x80\x80\0x", 11, "x|");
    expect(&mqtt, "t\x80\0", 3, "!10017");
    expect(&mqtt, "t\0t\x81\x80\0x", 7, "|!10017");
}

static void packets_of_mqtt(void **state)
{
    (void)state;
    expect(&mqtt, "a\2xyb\0c\1z", 9, "xy||z|");
    expect(&kept, "a\2xyb\1z", 7, "a_xy|b_z|");
    expect(&kept, "a", 1, "a~");
    expect(&kept, "a\2", 2, "a_~");
}

static void bad_arguments_are_told(void **state)
{
    static const unsigned flags[] = {1, 2, 16};
    (void)state;
    expect_bad(asynchat_framing_varint(55, 0), -EINVAL);
    for (unsigned i = 0; i < COUNT(flags); i++)
        expect_bad(asynchat_framing_varint(0, flags[i]), -EINVAL);
    expect_no_memory(make, &leb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_streams_equal_the_model),
        cmocka_unit_test(random_bytes_equal_the_model),
        cmocka_unit_test(lengths_at_borders),
        cmocka_unit_test(largest_leb128_is_told),
        cmocka_unit_test(varints_that_are_too_long_or_too_large),
        cmocka_unit_test(overlong_forms),
        cmocka_unit_test(packets_of_mqtt),
        cmocka_unit_test(bad_arguments_are_told),
    };
    return cmocka_run_group_tests(tests, begin, print_driven);
}
