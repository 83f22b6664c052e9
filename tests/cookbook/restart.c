/* A line server with the recipe for restarts, for restart.py: restart ADDRESS.
 * Each version of it says when it begins and when it ends.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>

#include <stdio.h>
#include <unistd.h>

#include <event2/event.h>

extern const struct asynchat_handler line_server;
void go_on(struct asynchat_channel *ch, void *arg);
int serve(struct event_base *base, const char *address,
          const struct asynchat_handler *handler, char **argv);

int main(int argc, char **argv)
{
    struct asynchat_handler handler = line_server;
    handler.handle_stopping = go_on;
    alarm(60); /* nothing is left behind */
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("begins %d\n", (int)getpid());
    struct event_base *base = event_base_new();
    int error = argc == 2 ? serve(base, argv[1], &handler, argv) : 1;
    printf("ends %d %d\n", (int)getpid(), error);
    return error ? 1 : 0;
}
