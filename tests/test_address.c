/* Addresses: read, written, and asked of a channel.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- reading and writing --- */

static void expect_address(const char *text, const char *written)
{
    struct address address;
    char again[ASYNCHAT_ADDRESS_SIZE];
    if (asynchat__address_parse(&address, text) != 0)
        fail_msg("\"%s\" is refused", text);
    assert_int_equal(asynchat__address_format(&address, again, sizeof again),
                     0);
    assert_string_equal(again, written);
}

static void an_address_is_written_as_it_was_read(void **state)
{
    static const char *const same[] = {
        "127.0.0.1:8080",
        "0.0.0.0:0",
        "255.255.255.255:65535",
        "[::1]:80",
        "[::]:0",
        "[2001:db8::1]:65535",
        "[::ffff:1.2.3.4]:25",
        "unix:/run/x",
        "unix:relative",
        "unix:unix:",
        "unix:127.0.0.1:1",
        "unix:[::1]:80",
        "unix:./@x",
        "unix:\\x40x",
        "unix:x@",
        "unix:@",
        "unix:@name",
        "unix:@@",
        "unix:@a\\x00b",
        "unix:@/run/x",
        "unix:a\\\\b",
        "unix:a\\x0ab",
        "unix:gr\xc3\xbc\xc3\x9f",
        "[fe80::1%4294967295]:80",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(same); i++)
        expect_address(same[i], same[i]);
}

static void an_address_is_written_in_its_shortest_form(void **state)
{
    (void)state;
    expect_address("[2001:DB8:0:0:0:0:0:1]:25", "[2001:db8::1]:25");
    expect_address("127.0.0.1:080", "127.0.0.1:80");
    expect_address("127.0.0.1:00000000000000000000000080", "127.0.0.1:80");
}

static void a_scope_is_read_and_written(void **state)
{
    struct address address;
    (void)state;
    expect_address("[fe80::1%lo]:80", "[fe80::1%lo]:80");
    expect_address("[fe80::1%1]:80", "[fe80::1%lo]:80");
    assert_int_equal(asynchat__address_parse(&address, "[fe80::1%nosuch]:80"),
                     -ENODEV);
    assert_int_equal(asynchat__address_parse(&address, "[fe80::1%1x]:80"),
                     -ENODEV);
}

static void text_that_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ":",
        "80",
        ":80",
        "unix:",
        "unix",
        "UNIX:/run/x",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:4294967376",
        "1.2.3.4:18446744073709551696",
        "1.2.3.4:99999999999999999999999",
        "1.2.3.4:80x",
        "1.2.3.4:x80",
        "1.2.3.4: 80",
        "1.2.3.4:80 ",
        "1.2.3.4:+80",
        "1.2.3.4:-1",
        "1.2.3.4:0x50",
        "1.2.3.4:http",
        "1.2.3.4:80:90",
        " 1.2.3.4:80",
        "1.2.3.4 :80",
        "1.2.3:80",
        "1.2.3.4.5:80",
        "256.0.0.1:80",
        "1.2.3.04:80",
        "16909060:80",
        "+1.2.3.4:80",
        "1. 2.3.4:80",
        "1.2.3.4294967300:80",
        "localhost:80",
        "example.com:80",
        "*:80",
        "::1",
        "::1:80",
        "::1]:80",
        "[::1",
        "[::1]",
        "[::1]:",
        "[::1:80",
        "[::1]80",
        "[::1]x:80",
        "[::1]:80:90",
        "[[::1]]:80",
        "[]:80",
        "[:80",
        "[1.2.3.4]:80",
        "[::g]:80",
        "[0x1::1]:80",
        "[::ffff:1.2.3.+4]:80",
        "[1:2:3:4:5:6:7:8:9]:80",
        "[localhost]:80",
        "[fe80::1%]:80",
        "[fe80::1%0]:80",
        "[fe80::1%4294967296]:80",
        "[fe80::1%99999999999]:80",
        "[::g%lo]:80",
        "1.2.3.4%lo:80",
        "unix:\\",
        "unix:a\\",
        "unix:a\\n",
        "unix:a\\x",
        "unix:a\\x4",
        "unix:a\\x4g",
        "unix:a\\X41",
        "unix:a\\x00b",
        "unix:\\x00",
        "unix:@a\\",
    };
    struct address address;
    int taken = 0;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (asynchat__address_parse(&address, bad[i]) == ASYNCHAT_EADDRESS)
            continue;
        print_error("\"%s\" is taken\n", bad[i]);
        taken++;
    }
    assert_int_equal(taken, 0);
}

static void text_without_end_is_refused(void **state)
{
    struct address address;
    char text[5000];
    (void)state;
    memset(text, '1', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(asynchat__address_parse(&address, text),
                     ASYNCHAT_EADDRESS);
    memcpy(text + sizeof text - 4, ":80", 4);
    assert_int_equal(asynchat__address_parse(&address, text),
                     ASYNCHAT_EADDRESS);
    text[0] = '[';
    assert_int_equal(asynchat__address_parse(&address, text),
                     ASYNCHAT_EADDRESS);
}

static void a_path_is_as_long_as_the_system_allows(void **state)
{
    struct address address;
    char text[256];
    size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path;
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "unix:", 5);
    text[5 + most] = '\0';
    expect_address(text, text);
    memcpy(text + 5 + most, "x", 2);
    assert_int_equal(asynchat__address_parse(&address, text), -ENAMETOOLONG);
    text[5] = '@';
    assert_int_equal(asynchat__address_parse(&address, text), -ENAMETOOLONG);
    text[5 + most] = '\0';
    expect_address(text, text);
}

/* --- names that others choose --- */

/* Binds a socket to these bytes. The address that the system reports must be
 * written on one line, and connect to the same socket. */
static void bind_and_connect(struct fixture *f, const void *bytes, size_t len,
                             const char *expected)
{
    struct {
        struct sockaddr_un un;
        char nul; /* a NUL behind the longest path, for valgrind */
    } at = {.un.sun_family = AF_UNIX};
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    struct address found, again;
    char text[ASYNCHAT_ADDRESS_SIZE];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)f;
    memcpy(at.un.sun_path, bytes, len);
    assert_int_equal(bind(fd, (struct sockaddr *)&at.un, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(asynchat__address_of(fd, getsockname, &found), 0);
    assert_int_equal(asynchat__address_format(&found, text, sizeof text), 0);
    if (expected)
        assert_string_equal(text, expected);
    assert_int_equal(asynchat__address_parse(&again, text), 0);
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        connect(other, (struct sockaddr *)&again.storage, again.len), 0);
    close(other);
    close(fd);
    if (at.un.sun_path[0]) {
        char path[sizeof at.un.sun_path + 1] = "";
        memcpy(path, bytes, len);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_unix_name_is_written_as_it_is_read(void **state)
{
    char folder[] = "/tmp/asynchat-XXXXXX", before[4096];
    char longest[108];
    assert_non_null(mkdtemp(folder));
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    bind_and_connect(*state, "x\n127.0.0.1:25: all is well", 27,
                     "unix:x\\x0a127.0.0.1:25: all is well");
    bind_and_connect(*state, "\\x0a", 4, "unix:\\\\x0a");
    bind_and_connect(*state, "@x", 2, "unix:\\x40x");
    bind_and_connect(*state, "\x1b[2J\x7f\xff\xc2\x85", 8,
                     "unix:\\x1b[2J\\x7f\\xff\\xc2\\x85");
    memset(longest, 0x01, sizeof longest);
    bind_and_connect(*state, longest, sizeof longest, NULL);
    longest[0] = '@';
    bind_and_connect(*state, longest, sizeof longest, NULL);
    memset(longest, 'x', sizeof longest);
    bind_and_connect(*state, longest, sizeof longest, NULL);
    longest[0] = '\0';
    bind_and_connect(*state, longest, sizeof longest, NULL);
    memset(longest, '\0', sizeof longest);
    bind_and_connect(*state, longest, sizeof longest, NULL);
    bind_and_connect(*state, "\0asynchat-\n", 11, "unix:@asynchat-\\x0a");
    assert_int_equal(chdir(before), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* --- asking a channel --- */

static void listen_on(struct fixture *f, const char *address)
{
    assert_int_equal(
        asynchat_server_new(f->base, address, &recorder, f, NULL, &f->server),
        0);
}

/* The server's address and the client's own, and their length. */
static void expect_addresses(const struct asynchat_channel *ch,
                             const char *peer, const char *local)
{
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_peer_address(ch, text, sizeof text), 0);
    assert_string_equal(text, peer);
    assert_int_equal(asynchat_local_address(ch, text, sizeof text), 0);
    assert_string_equal(text, local);
}

static const struct asynchat_handler far = {
    .size = sizeof far,
    .collect_incoming_data =
        (void (*)(struct asynchat_channel *, const void *, size_t,
                  void *))abort, /* nothing is sent here */
};

/* Each end of a connection is the other end's peer. */
static void each_end_knows_both(struct fixture *f, const char *listening)
{
    char server[ASYNCHAT_ADDRESS_SIZE], client[ASYNCHAT_ADDRESS_SIZE];
    listen_on(f, listening);
    assert_int_equal(asynchat_server_address(f->server, server, sizeof server),
                     0);
    assert_int_equal(asynchat_connect(f->base, server, 0, &far, NULL, &f->far),
                     0);
    settle(f);
    assert_non_null(f->ch);
    assert_int_equal(asynchat_local_address(f->far, client, sizeof client), 0);
    assert_string_not_equal(server, client);
    expect_addresses(f->ch, client, server);
    expect_addresses(f->far, server, client);
}

static void addresses_over_ipv4(void **state)
{
    struct fixture *f = *state;
    char text[ASYNCHAT_ADDRESS_SIZE];
    each_end_knows_both(f, "127.0.0.1:0");
    asynchat_local_address(f->ch, text, sizeof text);
    assert_int_equal(atoi(strchr(text, ':') + 1),
                     asynchat_server_port(f->server));
}

static void addresses_over_ipv6(void **state)
{
    struct fixture *f = *state;
    struct asynchat_server *probe;
    char text[ASYNCHAT_ADDRESS_SIZE];
    int error =
        asynchat_server_new(f->base, "[::1]:0", &far, NULL, NULL, &probe);
    if (error) {
        print_message("no ::1 here: %s\n", asynchat_strerror(error));
        skip();
    }
    asynchat_server_free(probe);
    each_end_knows_both(f, "[::1]:0");
    asynchat_local_address(f->ch, text, sizeof text);
    assert_int_equal(strncmp(text, "[::1]:", 6), 0);
}

static void addresses_over_a_unix_socket(void **state)
{
    struct fixture *f = *state;
    char path[64];
    snprintf(path, sizeof path, "unix:/tmp/asynchat-%d", (int)getpid());
    each_end_knows_both(f, path);
    expect_addresses(f->ch, "unix:", path); /* the client has no name */
}

static void addresses_of_abstract_names(void **state)
{
    struct fixture *f = *state;
    char name[64];
    snprintf(name, sizeof name, "unix:@asynchat-%d\\x00", (int)getpid());
    each_end_knows_both(f, name);
    expect_addresses(f->ch, "unix:", name);
}

static void a_socketpair_has_no_names(void **state)
{
    struct fixture *f = start(state);
    expect_addresses(f->ch, "unix:", "unix:");
}

static void a_pair_has_no_socket(void **state)
{
    struct fixture *f = start(state);
    char text[ASYNCHAT_ADDRESS_SIZE] = "as it was";
    assert_int_equal(asynchat_peer_address(f->ch, text, sizeof text),
                     -ENOTSOCK);
    assert_int_equal(asynchat_local_address(f->ch, text, sizeof text),
                     -ENOTSOCK);
    assert_string_equal(text, "as it was");
}

static void a_connection_that_is_not_up_has_no_peer(void **state)
{
    struct fixture *f = *state;
    struct asynchat_channel *ch;
    char text[ASYNCHAT_ADDRESS_SIZE] = "as it was";
    assert_int_equal(
        asynchat_connect(f->base, "unix:/nowhere", 0, &far, NULL, &ch), 0);
    assert_int_equal(asynchat_peer_address(ch, text, sizeof text), -ENOTCONN);
    assert_string_equal(text, "as it was");
    asynchat_channel_free(ch);
}

static void a_peer_is_known_before_the_connection_is_up(void **state)
{
    static const char *const nobody[] = {"127.0.0.1:1", "[::1]:1",
                                         "[fe80::1%lo]:1"};
    struct fixture *f = *state;
    struct asynchat_channel *ch;
    char text[ASYNCHAT_ADDRESS_SIZE];
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        assert_int_equal(
            asynchat_connect(f->base, nobody[i], 0, &far, NULL, &ch), 0);
        assert_int_equal(asynchat_peer_address(ch, text, sizeof text), 0);
        assert_string_equal(text, nobody[i]);
        asynchat_channel_free(ch);
    }
}

static void check_peer(struct fixture *f)
{
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_peer_address(f->ch, text, sizeof text), 0);
    assert_string_equal(text, f->own);
    f->count++;
}

static void a_peer_is_known_after_a_reset(void **state)
{
    struct fixture *f = start(state);
    char peer[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_peer_address(f->ch, peer, sizeof peer), 0);
    f->own = peer;
    f->on_error = check_peer;
    f->on_close = check_peer;
    feed_reset(f);
    settle_closed(f);
    assert_int_equal(f->count, 2);
}

static void a_text_too_small_stays_as_it_was(void **state)
{
    struct fixture *f = start(state);
    char whole[ASYNCHAT_ADDRESS_SIZE], text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_local_address(f->ch, whole, sizeof whole), 0);
    memset(text, 'x', sizeof text);
    for (size_t size = 0; size <= strlen(whole); size++) {
        assert_int_equal(asynchat_local_address(f->ch, text, size), -ENOSPC);
        assert_int_equal(
            asynchat_peer_address(f->ch, text, size < 10 ? size : 10), -ENOSPC);
        assert_int_equal(asynchat_server_address(f->server, text, size),
                         -ENOSPC);
    }
    for (size_t i = 0; i < sizeof text; i++)
        assert_int_equal(text[i], 'x');
    assert_int_equal(asynchat_local_address(f->ch, text, strlen(whole) + 1), 0);
    assert_string_equal(text, whole);
}

static void a_peer_is_lent_as_a_text(void **state)
{
    struct fixture *f = start(state);
    char whole[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_peer_address(f->ch, whole, sizeof whole), 0);
    assert_string_equal(asynchat_get_peer(f->ch), whole);
    assert_string_equal(asynchat_get_peer(NULL), "unknown");
}

static void NULL_is_refused(void **state)
{
    struct fixture *f = start(state);
    char text[ASYNCHAT_ADDRESS_SIZE];
    assert_int_equal(asynchat_peer_address(NULL, text, sizeof text), -EINVAL);
    assert_int_equal(asynchat_peer_address(f->ch, NULL, 1), -EINVAL);
    assert_int_equal(asynchat_local_address(NULL, text, sizeof text), -EINVAL);
    assert_int_equal(asynchat_local_address(f->ch, NULL, 1), -EINVAL);
}

static void an_address_of_another_family_has_no_text(void **state)
{
    struct address address = {.len = sizeof(sa_family_t)};
    char text[ASYNCHAT_ADDRESS_SIZE] = "kept";
    (void)state;
    address.storage.ss_family = AF_NETLINK;
    assert_int_equal(asynchat__address_format(&address, text, sizeof text),
                     -EAFNOSUPPORT);
    assert_string_equal(text, "kept");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_written_as_it_was_read),
        cmocka_unit_test(an_address_is_written_in_its_shortest_form),
        cmocka_unit_test(a_scope_is_read_and_written),
        cmocka_unit_test(text_that_is_no_address_is_refused),
        cmocka_unit_test(text_without_end_is_refused),
        cmocka_unit_test(a_path_is_as_long_as_the_system_allows),
        OVER(TCP, a_unix_name_is_written_as_it_is_read),
        OVER(TCP, addresses_over_ipv4),
        OVER(TCP, addresses_over_ipv6),
        OVER(TCP, addresses_over_a_unix_socket),
        OVER(TCP, addresses_of_abstract_names),
        OVER(SOCKETPAIR, a_socketpair_has_no_names),
        OVER(BUFFEREVENT, a_socketpair_has_no_names),
        OVER(PAIR, a_pair_has_no_socket),
        OVER(TCP, a_connection_that_is_not_up_has_no_peer),
        OVER(TCP, a_peer_is_known_before_the_connection_is_up),
        OVER(TCP, a_peer_is_known_after_a_reset),
        OVER(TCP, a_text_too_small_stays_as_it_was),
        OVER_ALL(NULL_is_refused),
        OVER(TCP, a_peer_is_lent_as_a_text),
        cmocka_unit_test(an_address_of_another_family_has_no_text),
    };
    return RUN(tests);
}
