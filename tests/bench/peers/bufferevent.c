/* Echoes lines on bufferevents, as libevent's own documentation does it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

static void readable(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t len;
    char *line;
    (void)arg;
    while ((line = evbuffer_readln(input, &len, EVBUFFER_EOL_CRLF_STRICT))) {
        bufferevent_write(bev, line, len);
        bufferevent_write(bev, "\r\n", 2);
        free(line);
    }
}

static void event(struct bufferevent *bev, short what, void *arg)
{
    (void)arg;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(bev);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd,
                     struct sockaddr *from, int len, void *arg)
{
    int on = 1;
    struct bufferevent *bev =
        bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    (void)listener;
    (void)from;
    (void)len;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bufferevent_setcb(bev, readable, NULL, event, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(argv[argc - 1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct event_base *base = event_base_new();
    signal(SIGPIPE, SIG_IGN);
    if (!evconnlistener_new_bind(base, accepted, base,
                                 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE |
                                     LEV_OPT_CLOSE_ON_EXEC,
                                 4096, (struct sockaddr *)&at, sizeof at))
        return 1;
    return event_base_dispatch(base);
}
