/* What each command does. The words of the request are the client's, and as many
 * as the command takes.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KV_RUN_H
#define KV_RUN_H

#include "table.h"

struct client;
struct command;

typedef void run_function(struct client *c, const struct command *command);

struct command {
    const char *name;
    run_function *run;
    int arity; /* words; if negative, at least so many */
    int flags;
    long long n; /* what one of several with the same function does */
    UT_hash_handle hh;
};

/* Over it, what takes memory is refused; 0 is no limit. */
extern unsigned long long memory_limit;

void say_wrong_count(struct client *c, const struct command *command);

run_function run_append, run_client_getname, run_client_id, run_client_setname,
    run_config_get, run_dbsize, run_del, run_echo, run_exists, run_expire,
    run_flushall, run_foreign, run_get, run_getset, run_hello, run_incr,
    run_info, run_keys, run_mget, run_mset, run_persist, run_ping, run_publish,
    run_quit, run_scan, run_select, run_set, run_strlen, run_subscribe, run_ttl,
    run_unsubscribe;

#endif
