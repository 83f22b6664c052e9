/* How a client behaves: the options are checked and copied.
 *
 * Tested by tests/test_client.c. SPDX-License-Identifier: BSD-3-Clause */
#include "client/client.h"

#include <errno.h>
#include <limits.h>

#include "base/table.h"
#include "channel/calls/options.h"

_Static_assert(sizeof(struct asynchat_client_options) ==
                   sizeof(size_t) + 4 * sizeof(unsigned) + 5 * sizeof(void *),
               "asynchat_client_options has padding");

#define FIRST_DELAY 5000
#define MOST_DELAY 60000
#define STEADY 10000
#define VANISHED 30000

static void set_default(unsigned *value, unsigned usual)
{
    if (*value == 0)
        *value = usual;
}

static bool options_are_good(const struct asynchat_client_options *o)
{
    return o->first_delay <= INT_MAX && o->most_delay <= INT_MAX &&
           o->steady <= INT_MAX && o->first_delay <= o->most_delay &&
           (o->vanished <= INT_MAX || o->vanished == UINT_MAX);
}

int asynchat__client_check(struct asynchat_client_options *copy,
                           const struct asynchat_client_options *options)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a pointer is last */
    const size_t least = TABLE_SIZE(struct asynchat_client_options, failed);
    int error = asynchat__table_take(copy, options, least, sizeof *copy);
    if (error)
        return error;
    set_default(&copy->first_delay, FIRST_DELAY);
    set_default(&copy->most_delay, copy->first_delay > MOST_DELAY
                                       ? copy->first_delay
                                       : MOST_DELAY);
    set_default(&copy->steady, STEADY);
    set_default(&copy->vanished, VANISHED);
    return options_are_good(copy) ? 0 : -EINVAL;
}

/* asynchat_connect_name() checks what is in the table. */
static int client_copy_connect(struct asynchat_connect_options *copy,
                               const struct asynchat_connect_options *connect)
{
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a pointer is last */
    const size_t least = TABLE_SIZE(struct asynchat_connect_options, candidate);
    return asynchat__table_take(copy, connect, least, sizeof *copy);
}

int asynchat__client_configure(struct asynchat_client *client,
                               const struct asynchat_client_options *options)
{
    struct asynchat_client_options *copy = &client->options;
    *copy = *options;
    int error = client_copy_connect(&client->connect, copy->connect);
    if (!error && copy->channels)
        error = asynchat__options_new(copy->channels, &client->channels);
    if (error)
        return error;
    client->backoff =
        (struct backoff){.first = copy->first_delay, .most = copy->most_delay};
    asynchat__backoff_begin(&client->backoff);
    return 0;
}
