/* A bufferevent that fails while a channel is made over it. bufferevent_openssl
 * does this if it has something to send before the handshake. The program gets
 * the error from the loop. SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include <openssl/ssl.h>

static struct bufferevent *make_failing(struct fixture *f)
{
    int fds[2];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    make_socketpair(fds);
    evutil_make_socket_nonblocking(fds[0]);
    f->peer = fds[1];
    struct bufferevent *below =
        bufferevent_socket_new(f->base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    struct bufferevent *bev = bufferevent_openssl_filter_new(
        f->base, below, SSL_new(context), BUFFEREVENT_SSL_OPEN,
        BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(bev);
    SSL_CTX_free(context);
    bufferevent_disable(bev, EV_WRITE);
    assert_int_equal(evbuffer_add(bufferevent_get_output(bev), "x", 1), 0);
    return bev;
}

static void it_is_told_from_the_loop(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = make_failing(f);
    assert_int_equal(asynchat_channel_new(bev, 0, &recorder, f, &f->ch), 0);
    expect(f, "");
    settle_closed(f);
    assert_int_equal(f->status, -EIO);
}

static void so_while_it_connects(void **state)
{
    struct fixture *f = *state;
    struct bufferevent *bev = make_failing(f);
    assert_int_equal(
        asynchat_channel_new(bev, ASYNCHAT_CONNECTING, &recorder, f, &f->ch),
        0);
    expect(f, "");
    settle_closed(f);
    assert_int_equal(f->status, -EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER(BUFFEREVENT, it_is_told_from_the_loop),
        OVER(BUFFEREVENT, so_while_it_connects),
    };
    return RUN(tests);
}
