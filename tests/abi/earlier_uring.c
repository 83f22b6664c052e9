/* A program of an earlier version, with a later libasynchat-uring.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/uring.h>

#include <errno.h>
#include <stdio.h>

#include <event2/event.h>

int main(void)
{
    struct event_base *base = event_base_new();
    int error;

    if (!base)
        return 1;
    error = asynchat_uring_use(base);
    if (error && error != -ENOTSUP) {
        fprintf(stderr, "ring: %s\n", asynchat_strerror(error));
        return 1;
    }
    asynchat_set_batch(base, NULL, NULL);
    event_base_free(base);
    return 0;
}
