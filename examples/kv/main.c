/* A server for the protocol of Redis (RESP2 and RESP3): kv [--port N]
 * [--unix PATH] [--maxmemory BYTES] [--io-uring]
 *
 *     cc -o kv *.c $(pkg-config --cflags --libs asynchat glib-2.0) -lsodium
 *     ./kv --port 7000 & redis-cli -p 7000 SET greeting hello
 *
 * A request is a line, "GET greeting", or an array: "*2", then for each word
 * its length, "$3", and its bytes. So the terminator is a string, a number, and
 * a string again, hundreds of times in a read that has a hundred requests. The
 * tables come from GLib, and their hash function from libsodium (Debian:
 * libglib2.0-dev, libsodium-dev).
 *
 * The server listens on 127.0.0.1:6379, or on port N, or on any free port if N
 * is 0. At SIGINT or SIGTERM it finishes requests that have begun, within half
 * a second, and ends. With --maxmemory it refuses commands that need more
 * memory, counting what it holds for its clients, and ends the client that
 * holds most if clients are what fills it. For --io-uring see ring.h.
 *
 * A request with very many keys is done in steps, so that others do not wait
 * long; these may see it half done, unless it is part of a transaction.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kv.h"

#include "../ring.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* The work in between would keep the loop running. */
static void stopped(void *arg)
{
    (void)arg;
    if (all_clients.length == 0)
        work_close();
}

static const struct asynchat_server_options server_options = {
    .size = sizeof server_options,
    .flags = ASYNCHAT_KEEPALIVE,
};

static void listen_on(const char *kind, const char *where)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    snprintf(address, sizeof address, "%s:%s", kind, where);
    require(asynchat_server_new(base, address, &handler, NULL, &server_options,
                                &server),
            address);
    require(asynchat_server_stop_on_termination(server, 500, stopped, NULL),
            "signals");
    require(asynchat_server_address(server, address, sizeof address), where);
    if (printf("listening on %s\n", address) < 0 || fflush(stdout) != 0)
        require(-errno, "standard output");
}

static char *port, *path;
static gint64 memory;
static gboolean io_uring;

static const GOptionEntry options[] = {
    {"port", 0, 0, G_OPTION_ARG_STRING, &port, "of 127.0.0.1", "N"},
    {"unix", 0, 0, G_OPTION_ARG_FILENAME, &path, "of a socket", "PATH"},
    {"maxmemory", 0, 0, G_OPTION_ARG_INT64, &memory, "0: no limit", "BYTES"},
    {"io-uring", 0, 0, G_OPTION_ARG_NONE, &io_uring, "see ring.h", NULL},
    G_OPTION_ENTRY_NULL};

static void set_options(int argc, char **argv)
{
    GOptionContext *context = g_option_context_new(NULL);
    GError *error = NULL;
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        errx(1, "%s; see --help", error->message);
    if (argc > 1 || memory < 0)
        errx(1, "%s; see --help", argc > 1 ? argv[1] : "--maxmemory");
    g_option_context_free(context);
    memory_limit = memory;
}

int main(int argc, char **argv)
{
    set_options(argc, argv);
#ifdef __GLIBC__
    mallopt(M_MXFAST, 0); /* or it joins a million freed blocks all at once */
#endif
    require(sodium_init() < 0 ? -EIO : 0, "sodium_init");
    base = event_base_new();
    require(base ? 0 : -ENOMEM, "event_base_new");
    ring_start(base, io_uring);
    table_open();
    topics_open();
    work_open();
    if (port || !path)
        listen_on("127.0.0.1", port ? port : "6379");
    if (path)
        listen_on("unix", path);
    int ran = event_base_dispatch(base);
    work_close();
    table_close();
    topics_close();
    ring_stop(base);
    event_base_free(base);
    return ran < 0 ? 1 : 0;
}
