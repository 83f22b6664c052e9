/* Keeps a connection to a name, and prints what becomes of it, and after how
 * many milliseconds, until it is down for the first time:
 *
 *     keep [-v VANISHED] [-p WHEN] [-w WINDOW] [-u] HOST SERVICE
 *     failed 3.1 there is no such name
 *     up 251.3
 *     down 5251.4 Connection timed out
 *
 * With -p it pushes a byte that long after it is up. With -u it ends when it is
 * up. Times on the command line are in milliseconds.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include <asynchat.h>

static struct event_base *base;
static struct event *push_event;
static struct asynchat_client *client;
static struct timespec begun;
static int push_after, ends_up;

static double elapsed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begun.tv_sec) * 1e3 +
           (double)(now.tv_nsec - begun.tv_nsec) / 1e6;
}

static void push(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    if (asynchat_push(asynchat_client_channel(client), "x", 1) < 0)
        printf("refused %.1f\n", elapsed());
}

static void up(struct asynchat_client *c, struct asynchat_channel *ch,
               void *arg)
{
    const struct timeval when = {.tv_sec = push_after / 1000,
                                 .tv_usec = push_after % 1000 * 1000};
    (void)c;
    (void)ch;
    (void)arg;
    printf("up %.1f\n", elapsed());
    fflush(stdout);
    if (push_after > 0)
        event_add(push_event, &when);
    if (ends_up)
        event_base_loopbreak(base);
}

static void down(struct asynchat_client *c, int reason, unsigned wait,
                 void *arg)
{
    (void)c;
    (void)wait;
    (void)arg;
    printf("down %.1f %s\n", elapsed(), asynchat_strerror(reason));
    event_base_loopbreak(base);
}

static void failed(struct asynchat_client *c, int reason, unsigned wait,
                   void *arg)
{
    (void)c;
    (void)wait;
    (void)arg;
    printf("failed %.1f %s\n", elapsed(), asynchat_strerror(reason));
}

static void connected(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_set_terminator_none(ch);
}

static const struct asynchat_handler handler = {.size = sizeof handler,
                                                .handle_connect = connected};

int main(int argc, char **argv)
{
    struct asynchat_client_options options = {
        .size = sizeof options, .up = up, .down = down, .failed = failed};
    int option;
    while ((option = getopt(argc, argv, "v:p:w:u")) != -1)
        switch (option) {
        case 'v':
            options.vanished = (unsigned)atoi(optarg);
            break;
        case 'p':
            push_after = atoi(optarg);
            break;
        case 'w':
            options.first_delay = (unsigned)atoi(optarg);
            break;
        case 'u':
            ends_up = 1;
            break;
        default:
            return 2;
        }
    if (argc - optind != 2)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    base = event_base_new();
    push_event = base ? evtimer_new(base, push, NULL) : NULL;
    if (!push_event ||
        asynchat_client_new(base, argv[optind], argv[optind + 1], &handler,
                            NULL, &options, &client) < 0)
        return 1;
    event_base_dispatch(base);
    asynchat_client_free(client);
    event_free(push_event);
    event_base_free(base);
    return 0;
}
