/* The log: the program's function for it, and the lines that this function
 * gets.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <asynchat/channel.h>

#include "base/address.h"

/* Room for an address and for an error text of the system. */
#define LINE_SIZE (ASYNCHAT_ADDRESS_SIZE + 128)

/* The program sets this while no loop runs, so it needs no lock. */
static struct {
    enum asynchat_log_level level;
    void (*log)(enum asynchat_log_level level, const char *text, void *arg);
    void *arg;
} hook;

void asynchat_set_log(enum asynchat_log_level level,
                      void (*log)(enum asynchat_log_level level,
                                  const char *text, void *arg),
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

void asynchat__log(enum asynchat_log_level level, const char *format, ...)
{
    char text[LINE_SIZE];
    va_list values;
    if (!asynchat__log_wants(level))
        return;
    va_start(values, format);
    (void)vsnprintf(text, sizeof text, format, values); /* cut, if need be */
    va_end(values);
    hook.log(level, text, hook.arg);
}

void asynchat__log_address(enum asynchat_log_level level,
                           const struct address *address, const char *text)
{
    char name[ASYNCHAT_ADDRESS_SIZE] = "?";
    if (!asynchat__log_wants(level))
        return;
    asynchat__address_format(address, name, sizeof name);
    asynchat__log(level, "%s: %s", name, text);
}
