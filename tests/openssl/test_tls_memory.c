/* How much memory connections with TLS take, as the allocator counts it: those
 * of clients that say little, those of many clients one after the other, and
 * those of clients that do not read. SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat/producer.h>

/* With the argument "full" there are 20,000 handshakes. */
static bool full;

static long heap(void)
{
    struct mallinfo2 all = mallinfo2();
    return (long)(all.uordblks + all.hblkhd);
}

/* --- clients that say nothing, or little --- */

#define CLIENTS_MOST 2000

static int clients[CLIENTS_MOST];
static unsigned accepted, gone;

static void handle_connect(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    accepted++;
}

static void handle_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    (void)arg;
    gone++;
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .handle_connect = handle_connect,
    .handle_close = handle_close,
};

/* Each connection takes two descriptors of this process, of which select takes
 * those below FD_SETSIZE. */
static int client_count(struct event_base *base)
{
    struct rlimit limit;
    if (strcmp(event_base_get_method(base), "select") == 0)
        return FD_SETSIZE / 2 - 50;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t most = (limit.rlim_cur - 50) / 2;
    return most < CLIENTS_MOST ? (int)most : CLIENTS_MOST;
}

static void turns(struct event_base *base, int count)
{
    for (int i = 0; i < count; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static int client_new(const char *address, const void *words, size_t len)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    if (len > 0)
        assert_int_equal(send(fd, words, len, 0), len);
    return fd;
}

/* Answers how many bytes of the heap each of the connections takes. */
static double connection_size(struct asynchat_tls *tls, const void *words,
                              size_t len)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    struct asynchat_server *server;
    struct asynchat_tls_stats stats = {0};
    struct event_base *base = event_base_new();
    int count = client_count(base);
    accepted = gone = 0;
    assert_int_equal(
        asynchat_server_new(base, "127.0.0.1:0", &handler, NULL, NULL, &server),
        0);
    if (tls)
        assert_int_equal(asynchat_tls_serve(server, tls), 0);
    assert_int_equal(asynchat_server_address(server, address, sizeof address),
                     0);
    long before = 0;
    for (int i = 0; i < count; i++) {
        clients[i] = client_new(address, words, len);
        turns(base, 2);
        if (i == 50) /* tables have grown */
            before = heap();
    }
    turns(base, 20);
    double each = (double)(heap() - before) / (count - 51);
    if (tls) {
        asynchat_tls_get_stats(tls, &stats, sizeof stats);
        assert_int_equal(stats.shaking, count);
        assert_int_equal(stats.waiting, 0);
    } else {
        assert_int_equal(accepted, count);
    }
    for (int i = 0; i < count; i++) {
        close(clients[i]);
        turns(base, 1);
    }
    turns(base, 100);
    assert_int_equal(gone, count);
    asynchat_server_free(server);
    event_base_free(base);
    return each;
}

static void who_says_little_takes_little(void **state)
{
    static const unsigned char words[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3};
    (void)state;
    double plain = connection_size(NULL, NULL, 0);
    double silent = connection_size(world.server, NULL, 0);
    double begun = connection_size(world.server, words, sizeof words);
    print_message("a connection takes %.0f bytes of the heap; with TLS %.0f "
                  "more, and %.0f after 11 bytes\n",
                  plain, silent - plain, begun - plain);
    assert_true(silent - plain < 2048);
    assert_true(begun - plain < 2048);
}

/* --- many clients, one after the other --- */

/* A client of OpenSSL that does not know tickets. */
static void one_client(SSL_CTX *ctx)
{
    static struct talk talk;
    struct peer peer;
    char line[16];
    peer_new(&peer, &talk, ctx, true, world.server);
    peer_shake(&peer, &talk);
    assert_int_equal(SSL_CTX_sess_number(
                         SSL_get_SSL_CTX(asynchat_tls_get_ssl(talk.server.ch))),
                     0);
    say(&talk.server, "welcome\n");
    peer_run(&peer, &talk);
    assert_int_equal(SSL_read(peer.ssl, line, sizeof line), 8);
    peer_free(&peer);
    talk_end(&talk);
}

static void who_has_no_tickets_is_not_remembered(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    int count = full ? 10000 : 800;
    (void)state;
    for (int i = 0; i < 2; i++) {
        SSL_CTX *ctx = peer_context(false, NULL, versions[i]);
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        for (int n = 0; n < 200; n++) /* the allocator has its caches */
            one_client(ctx);
        long before = heap();
        for (int n = 0; n < count; n++)
            one_client(ctx);
        long grown = heap() - before;
        print_message("%d handshakes: %ld bytes more\n", count, grown);
        assert_true(grown < 128 * 800);
        SSL_CTX_free(ctx);
    }
}

/* --- clients that do not read --- */

#define MUCH (100l << 20)
#define READERS 20
#define COPIED 84000 /* 82 KiB */

/* Answers how many bytes of the heap each client's output takes. */
static double output_size(struct event_base *base,
                          int (*push)(struct asynchat_channel *ch, void *arg),
                          void *arg)
{
    static struct side sides[READERS];
    struct peer peers[READERS];
    SSL_CTX *ctx = peer_context(false, NULL, 0);
    for (int i = 0; i < READERS; i++) {
        static struct talk talk;
        memset(&sides[i], 0, sizeof sides[i]);
        int fd = peer_connect(&peers[i], ctx, true);
        assert_int_equal(asynchat_channel_new_socket(base, fd, &side_handler,
                                                     &sides[i], &sides[i].ch),
                         0);
        assert_int_equal(
            asynchat_tls_start(sides[i].ch, world.server, NULL, 0, NULL), 0);
        talk.base = base;
        peer_shake(&peers[i], &talk);
    }
    long before = heap();
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(push(sides[i].ch, arg), 0);
        turns(base, 10);
    }
    turns(base, 50);
    double each = (double)(heap() - before) / READERS;
    for (int i = 0; i < READERS; i++) {
        asynchat_channel_free(sides[i].ch);
        peer_free(&peers[i]);
    }
    turns(base, 3);
    SSL_CTX_free(ctx);
    return each;
}

static int push_reference(struct asynchat_channel *ch, void *arg)
{
    return asynchat_push_reference(ch, arg, MUCH, NULL, NULL);
}

static int push_file(struct asynchat_channel *ch, void *arg)
{
    int fd = dup(*(int *)arg);
    return asynchat_push_producer(ch, asynchat_producer_file(fd, 0, MUCH));
}

static void what_is_not_read_is_not_copied(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    char path[] = "/tmp/asynchat-XXXXXX";
    void *much = mmap(NULL, MUCH, PROT_READ,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(much, MAP_FAILED);
    int fd = mkstemp(path);
    assert_true(fd >= 0 && ftruncate(fd, MUCH) == 0);
    unlink(path);
    output_size(base, push_reference, much); /* the loop has its buffers */
    double reference = output_size(base, push_reference, much);
    double file = output_size(base, push_file, &fd);
    print_message("100 MiB by reference take %.0f bytes of the heap, a file "
                  "%.0f\n",
                  reference, file);
    assert_true(reference < COPIED);
    assert_true(file < COPIED + 65536); /* what the producer gave last */
    close(fd);
    munmap(much, MUCH);
    event_base_free(base);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_says_little_takes_little),
        cmocka_unit_test(who_has_no_tickets_is_not_remembered),
        cmocka_unit_test(what_is_not_read_is_not_copied),
    };
    full = argc > 1 && strcmp(argv[1], "full") == 0;
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
