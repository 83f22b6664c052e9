/* Connects to a name, once or many times in turn, and prints how each attempt
 * ended, and after how many milliseconds:
 *
 *     dial [-d DELAY] [-t TIMEOUT] [-n TIMES] HOST SERVICE
 *     up 251.3 127.0.0.1:7000
 *     error 5000.2 Connection timed out
 *
 * With -x the program ends at once, in the middle of its first attempt. With -v
 * the records of the log go to standard error.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat.h>

static struct event_base *base;
static struct timespec begun;
static int ended;

static double elapsed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun.tv_sec) * 1e3 +
           (double)(now.tv_nsec - begun.tv_nsec) / 1e6;
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    char peer[ASYNCHAT_ADDRESS_SIZE] = "?";
    (void)arg;
    asynchat_peer_address(ch, peer, sizeof peer);
    printf("up %.1f %s\n", elapsed(), peer);
    asynchat_close(ch);
}

static void failed(struct asynchat_channel *ch, int error, void *arg)
{
    (void)ch;
    (void)arg;
    printf("error %.1f %s\n", elapsed(), asynchat_strerror(error));
}

static void closed(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)status;
    (void)arg;
    ended++;
}

static void tell(const struct asynchat_log_record *record, void *arg)
{
    fprintf(arg, "%.1f %s: %s\n", elapsed(), record->peer, record->text);
}

static const struct asynchat_handler handler = {.size = sizeof handler,
                                                .handle_connect = connected,
                                                .handle_error = failed,
                                                .handle_close = closed};

static void dial(const char *host, const char *service,
                 const struct asynchat_connect_options *options)
{
    struct asynchat_channel *ch;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    int before = ended;
    int error = asynchat_connect_name(base, host, service, options, &handler,
                                      NULL, &ch);
    if (error) {
        printf("error %.1f %s\n", elapsed(), asynchat_strerror(error));
        return;
    }
    while (ended == before)
        event_base_loop(base, EVLOOP_ONCE);
}

int main(int argc, char **argv)
{
    struct asynchat_connect_options options = {.size = sizeof options};
    struct asynchat_channel *ch;
    int option, times = 1, leaves = 0;
    while ((option = getopt(argc, argv, "d:t:n:vx")) != -1) {
        if (option == 'd')
            options.delay = (unsigned)atoi(optarg);
        else if (option == 't')
            options.timeout = (unsigned)atoi(optarg);
        else if (option == 'n')
            times = atoi(optarg);
        else if (option == 'v')
            asynchat_set_log(ASYNCHAT_LOG_DEBUG, tell, stderr);
        else
            leaves = option == 'x';
    }
    base = event_base_new();
    if (!base || argc - optind != 2)
        return 2;
    setlinebuf(stdout);
    for (int i = 0; i < times && !leaves; i++)
        dial(argv[optind], argv[optind + 1], &options);
    if (leaves && asynchat_connect_name(base, argv[optind], argv[optind + 1],
                                        &options, &handler, NULL, &ch))
        return 1;
    if (leaves) { /* the thread of the look-up hangs meanwhile */
        event_base_loop(base, EVLOOP_NONBLOCK);
        asynchat_channel_free(ch);
    }
    event_base_free(base);
    return 0;
}
