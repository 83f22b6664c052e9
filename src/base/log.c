/* The log: the program's function for it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <errno.h>
#include <stddef.h>

#include <asynchat/channel.h>

#include "base/address.h"
#include "base/table.h"

/* The program sets this while no loop runs, so it needs no lock. */
static struct {
    enum asynchat_log_level level;
    void (*log)(const struct asynchat_log_record *record, void *arg);
    void *arg;
} hook;

void asynchat_set_log(enum asynchat_log_level level,
                      void (*log)(const struct asynchat_log_record *record,
                                  void *arg),
                      void *arg)
{
    hook.level = level;
    hook.log = log;
    hook.arg = arg;
}

bool asynchat__log_wants(enum asynchat_log_level level)
{
    return hook.log && level >= hook.level;
}

void asynchat__log(struct asynchat_log_record record)
{
    record.size = sizeof record;
    if (asynchat__log_wants(record.level))
        hook.log(&record, hook.arg);
}

int asynchat_log(const struct asynchat_log_record *record)
{
    struct asynchat_log_record copy;
    int error = asynchat__table_check(record, sizeof copy, sizeof copy);
    if (error)
        return error;
    if (!record->peer || !record->text)
        return -EINVAL;
    asynchat__table_copy(&copy, record, sizeof copy);
    asynchat__log(copy);
    return 0;
}

void asynchat__log_address(enum asynchat_log_level level,
                           enum asynchat_log_event event,
                           const struct address *address, int code,
                           const char *text)
{
    char name[ASYNCHAT_ADDRESS_SIZE] = "?";
    if (!asynchat__log_wants(level))
        return;
    asynchat__address_format(address, name, sizeof name);
    asynchat__log((struct asynchat_log_record){.level = level,
                                               .event = event,
                                               .peer = name,
                                               .code = code,
                                               .text = text});
}
