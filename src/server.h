/* The server's parts, as its files see them: server (life), server_listen,
 * server_accept. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SRC_SERVER_H
#define ASYNCHAT_SRC_SERVER_H

#include <stdbool.h>
#include <sys/stat.h>

#include <asynchat/server.h>

#include "address.h"
#include "loop.h"

struct event;

struct asynchat_server {
    const struct asynchat_handler *handler;
    void *arg;
    struct asynchat_server_options options;
    struct event *acceptable;
    struct event *timer; /* always pending: see accept_idle */
    struct loop *loop;   /* kept between connections */
    int fd;              /* that listens, or -1 */
    int waiting;         /* accepted, when there was no memory for it; or -1 */
    bool remove_path;    /* when the server stops listening */
    dev_t device;        /* which file is at the path: one that has taken its */
    ino_t inode;         /* place is another's */
    struct address address;
};

/* --- server_listen --- */

/* Listens on server->address. Errors are those of the system; what was begun is
 * undone by asynchat__server_close(). */
int asynchat__server_bind(struct asynchat_server *server);

/* Listens on a socket that does so already, and takes it unless there is an
 * error. */
int asynchat__server_take(struct asynchat_server *server, int fd);

/* Stops listening, and removes the path. */
void asynchat__server_close(struct asynchat_server *server);

/* --- server_accept --- */

/* The server listens: begins to accept. 0 or -ENOMEM. */
int asynchat__server_accept(struct asynchat_server *server,
                            struct event_base *base);

#endif
