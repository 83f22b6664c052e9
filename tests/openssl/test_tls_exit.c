/* A program that returns from main while its workers shake hands.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#define RUNS 20
#define WORKERS 4
#define CLIENTS 60 /* of each thread */

static atomic_int connected;

static void count(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    connected++;
}

static const struct asynchat_handler counted = {.size = sizeof counted,
                                                .handle_connect = count};

static struct asynchat_server *serve(struct event_base *base,
                                     struct asynchat_tls *tls)
{
    struct asynchat_workers *workers;
    struct asynchat_server *server;
    if (asynchat_workers_new(WORKERS, NULL, NULL, &workers) < 0)
        exit(2);
    struct asynchat_server_options options = {.size = sizeof options,
                                              .workers = workers};
    if (asynchat_server_new(base, "127.0.0.1:0", &counted, NULL, &options,
                            &server) < 0 ||
        asynchat_tls_serve(server, tls) < 0)
        exit(2);
    return server;
}

static struct asynchat_tls *make(const struct asynchat_tls_options *options)
{
    struct asynchat_tls *tls;
    if (asynchat_tls_new(options, &tls) < 0)
        exit(2);
    return tls;
}

/* What the threads of clients share. */
struct crowd {
    struct asynchat_tls *tls;
    char address[ASYNCHAT_ADDRESS_SIZE];
};

static void *connect_all(void *arg)
{
    struct crowd *crowd = arg;
    struct asynchat_channel *ch;
    struct event_base *base = event_base_new();
    for (int i = 0; i < CLIENTS; i++)
        if (asynchat_tls_connect(base, crowd->address, 0, crowd->tls,
                                 "a.example", &counted, NULL, &ch) < 0)
            _exit(2);
    event_base_dispatch(base);
    return NULL;
}

/* The program, which has not called OpenSSL before. Its main returns when some
 * of the handshakes are done. */
static int be_the_program(const char *file)
{
    static struct crowd crowd;
    pthread_t thread;
    struct asynchat_tls *server = make(&(struct asynchat_tls_options){
        .size = sizeof(struct asynchat_tls_options), .certificate = file});
    crowd.tls = make(&(struct asynchat_tls_options){
        .size = sizeof(struct asynchat_tls_options),
        .flags = ASYNCHAT_TLS_CLIENT | ASYNCHAT_TLS_NO_VERIFY});
    struct event_base *base = event_base_new();
    asynchat_server_address(serve(base, server), crowd.address,
                            sizeof crowd.address);
    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&thread, NULL, connect_all, &crowd) != 0)
            return 2;
    while (connected < CLIENTS) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(500);
    }
    return 0;
}

static const char *program; /* its path */

static void main_may_return_at_any_time(void **state)
{
    char file[] = "/tmp/asynchat_tls_XXXXXX";
    int status, fd = mkstemp(file);
    (void)state;
    assert_true(dprintf(fd, "%s%s", world.identity->certificate,
                        world.identity->key) > 0);
    close(fd);
    for (int i = 0; i < RUNS; i++) {
        pid_t child = fork();
        if (child == 0) {
            execl(program, program, file, (char *)NULL);
            _exit(3);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    unlink(file);
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc > 1)
        return be_the_program(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(main_may_return_at_any_time),
    };
    return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
