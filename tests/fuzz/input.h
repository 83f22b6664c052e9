/* A fuzzer's input as numbers. Its front says what is done from outside, its
 * back what callbacks do, so that a change of one does not change the other.
 * Where the two meet, everything is 0. SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct input {
    const uint8_t *at, *end;
};

static inline unsigned input_front(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline unsigned input_back(struct input *in)
{
    return in->at < in->end ? *--in->end : 0;
}

/* A promise that was not kept. */
#define CHECK(kept)                                                            \
    do {                                                                       \
        if (!(kept)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #kept); \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* Each fuzzer defines this. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
