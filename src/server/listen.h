/* What a server listens on: a socket, and the path if it is a Unix socket. This
 * file knows no server.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_LISTEN_H
#define ASYNCHAT_SRC_LISTEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/address.h"

struct asynchat_server_options;

/* listen.c writes the fields. The server writes two of them: `address` before
 * it listens, and `fd` when it leaves a given socket to the caller again.
 *
 * Invariants:
 * - while `fd` is -1, nothing is listened on;
 * - a path is removed once, and by the process that `path_forks` names. */
struct listener {
    /* The address that was asked for. Once the server listens, it has the port
     * that the system chose. */
    struct address address;
    /* The listening socket, or -1. */
    int fd;
    /* At most this many connections wait to be accepted; never 0. */
    int backlog;
    /* The path is removed when the server stops listening. */
    bool remove_path;
    /* The file that was at the path: another file there stays. 0: unknown. */
    dev_t device;
    ino_t inode;
    /* How many forks there were when `remove_path` was set: see base/fork.h. A
     * child of the process that set it leaves the path alone. */
    unsigned path_forks;
};

/* Listens on `address`. 0, or an error of the system. After an error,
 * asynchat__listen_end() undoes whatever was begun. */
int asynchat__listen_begin(struct listener *l,
                           const struct asynchat_server_options *options,
                           void *arg);

/* Takes a socket that listens already. After an error the socket stays the
 * caller's, even if l->fd is set. */
int asynchat__listen_take(struct listener *l, int fd,
                          const struct asynchat_server_options *options);

/* Sets whether the path is removed when the server stops listening. */
void asynchat__listen_set_remove_path(struct listener *l, bool remove);

/* Removes the path now, if it is to be removed and still is the socket's. */
void asynchat__listen_remove_path(struct listener *l);

/* Stops listening, and removes the path. */
void asynchat__listen_end(struct listener *l);

#endif
