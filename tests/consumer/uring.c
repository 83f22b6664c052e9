/* A program outside the build, with libasynchat-uring: it makes a ring, or is
 * told why there is none. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/uring.h>

#include <errno.h>
#include <stdio.h>

#include <event2/event.h>

static int told;

static void tell(const struct asynchat_log_record *record, void *arg)
{
    (void)arg;
    told += record->event == ASYNCHAT_LOG_BATCH;
}

int main(void)
{
    struct event_base *base = event_base_new();
    int error;

    asynchat_set_log(ASYNCHAT_LOG_WARNING, tell, NULL);
    if (!base || asynchat_uring_use(NULL) != -EINVAL) {
        fprintf(stderr, "without an event base there is no error\n");
        return 1;
    }
    error = asynchat_uring_use(base);
    if (error && (error != -ENOTSUP || told != 1)) {
        fprintf(stderr, "no ring: %s\n", asynchat_strerror(error));
        return 1;
    }
    asynchat_set_batch(base, NULL, NULL);
    event_base_free(base);
    return 0;
}
