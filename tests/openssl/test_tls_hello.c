/* ClientHellos of every form: in many records, with names of every kind, and
 * broken ones. SPDX-License-Identifier: BSD-3-Clause */
#include "hand.h"
#include "talk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

static struct asynchat_tls *first;

#define HEADER 5

/* A ClientHello that asks for a name, as OpenSSL makes it: one record. */
struct hello {
    struct hand hand;
    unsigned char bytes[8192];
    size_t len;
};

static void hello_new(struct hello *hello, const char *name)
{
    hand_new(&hello->hand, -1);
    if (name)
        assert_int_equal(SSL_set_tlsext_host_name(hello->hand.ssl, name), 1);
    hello->len =
        hand_hello(&hello->hand, (char *)hello->bytes, sizeof hello->bytes);
}

/* Cuts the message into records of `size` bytes each. */
static void hello_cut(struct hello *hello, size_t size)
{
    unsigned char cut[sizeof hello->bytes], *to = cut;
    for (size_t at = HEADER; at < hello->len; at += size) {
        size_t n = hello->len - at < size ? hello->len - at : size;
        memcpy(to, hello->bytes, 3);
        to[3] = (unsigned char)(n >> 8);
        to[4] = (unsigned char)n;
        memcpy(to + HEADER, hello->bytes + at, n);
        to += HEADER + n;
        assert_true(to < cut + sizeof cut - HEADER - size);
    }
    hello->len = (size_t)(to - cut);
    memcpy(hello->bytes, cut, hello->len);
}

/* Where the name stands. Before it are its length, its type, the length of the
 * list, the length of the extension and the extension's number, which is 0. */
static unsigned char *hello_name(struct hello *hello, const char *name)
{
    unsigned char *at = memmem(hello->bytes, hello->len, name, strlen(name));
    assert_non_null(at);
    return at;
}

/* Sends the hello to a server, in pieces of `piece` bytes; the server must
 * answer with a handshake record, or else with an alert. */
static struct asynchat_tls *asked;

static unsigned char answer_to(struct hello *hello, size_t piece,
                               unsigned char *alert)
{
    static struct talk talk;
    unsigned char answer[8];
    memset(&talk, 0, sizeof talk);
    talk.base = event_base_new();
    assert_int_equal(asynchat_server_new(talk.base, "127.0.0.1:0",
                                         &side_handler, &talk.server, NULL,
                                         &talk.listener),
                     0);
    assert_int_equal(asynchat_tls_serve(talk.listener, asked), 0);
    hello->hand.fd = hand_connect(asynchat_server_port(talk.listener));
    for (size_t at = 0; at < hello->len; at += piece) {
        size_t n = hello->len - at < piece ? hello->len - at : piece;
        assert_int_equal(
            send(hello->hand.fd, hello->bytes + at, n, MSG_NOSIGNAL), n);
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
    }
    ssize_t got = -1;
    for (int i = 0; i < 500 && got <= 0; i++) {
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
        usleep(1000);
        got = recv(hello->hand.fd, answer, sizeof answer,
                   MSG_PEEK | MSG_DONTWAIT);
    }
    assert_true(got >= 7);
    *alert = answer[6];
    hand_free(&hello->hand);
    talk_end(&talk);
    return answer[0];
}

#define EXPECT_HELLO(hello, piece)                                             \
    do {                                                                       \
        unsigned char alert;                                                   \
        assert_int_equal(answer_to(hello, piece, &alert), SSL3_RT_HANDSHAKE);  \
    } while (0)
#define EXPECT_ALERT(hello, piece, wanted)                                     \
    do {                                                                       \
        unsigned char alert;                                                   \
        assert_int_equal(answer_to(hello, piece, &alert), SSL3_RT_ALERT);      \
        assert_int_equal(alert, wanted);                                       \
    } while (0)

static void it_may_come_in_many_records_and_cuts(void **state)
{
    static const char *const names[] = {NULL, "a.example", "b.example"};
    static struct hello hello;
    (void)state;
    asked = first;
    for (size_t i = 0; i < 3; i++)
        for (size_t record = 50; record < 400; record += 70)
            for (size_t piece = 1; piece < 500; piece = piece * 3 + 1) {
                hello_new(&hello, names[i]);
                hello_cut(&hello, record);
                EXPECT_HELLO(&hello, piece);
            }
}

/* A name that is none has the first context. */
static void strange_names_are_not_known(void **state)
{
    static const char *const names[] = {"a b.example", "x..example",
                                        "*.example", "\xc3\xa4.example",
                                        "b.example\n"};
    static struct hello hello;
    (void)state;
    asked = first;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        hello_new(&hello, names[i]);
        EXPECT_HELLO(&hello, 9000);
    }
}

/* Never the certificate of another name. */
static void a_broken_name_ends_the_handshake(void **state)
{
    static const struct {
        int place; /* before the name */
        unsigned char value;
    } breaks[] = {
        {-1, 8},  /* a name that is too short, */
        {-1, 10}, /* or too long, */
        {-3, 1},  /* or of another type, */
        {-4, 11}, /* and lists */
        {-4, 13}, {-5, 1},
    };
    static struct hello hello;
    (void)state;
    asked = first;
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        hello_new(&hello, "b.example");
        hello_name(&hello, "b.example")[breaks[i].place] = breaks[i].value;
        EXPECT_ALERT(&hello, 9000, SSL_AD_DECODE_ERROR);
    }
}

static void an_unknown_name_is_an_alert(void **state)
{
    static struct hello hello;
    (void)state;
    asked = context(&(struct asynchat_tls_options){
        .flags = ASYNCHAT_TLS_KNOWN_NAMES,
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    hello_new(&hello, "c.example");
    EXPECT_ALERT(&hello, 9000, SSL_AD_UNRECOGNIZED_NAME);
    hello_new(&hello, NULL);
    EXPECT_ALERT(&hello, 9000, SSL_AD_UNRECOGNIZED_NAME);
    asynchat_tls_free(asked);
}

/* A client that has sent much behind a ClientHello that is refused: it reads
 * the alert and the end, and no reset takes them away. */
static void an_alert_arrives_whatever_came_behind(void **state)
{
    static struct hello hello;
    static char much[65536];
    unsigned char answer[64];
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct talk *talk = calloc(1, sizeof *talk);
        hello_new(&hello, "b.example");
        hello_name(&hello, "b.example")[-3] = 1;
        talk->base = event_base_new();
        assert_int_equal(asynchat_server_new(talk->base, "127.0.0.1:0",
                                             &side_handler, &talk->server, NULL,
                                             &talk->listener),
                         0);
        assert_int_equal(asynchat_tls_serve(talk->listener, first), 0);
        int fd = hello.hand.fd =
            hand_connect(asynchat_server_port(talk->listener));
        assert_int_equal(send(fd, hello.bytes, hello.len, 0), hello.len);
        assert_int_equal(send(fd, much, sizeof much, 0), sizeof much);
        talk_until(talk, &talk->server, "close(EHANDSHAKE)");
        talk_run(talk);
        assert_int_equal(recv(fd, answer, sizeof answer, 0), 7);
        assert_int_equal(answer[0], SSL3_RT_ALERT);
        assert_int_equal(recv(fd, answer, sizeof answer, 0), 0);
        hand_free(&hello.hand);
        talk_end(talk);
        free(talk);
    }
}

static int setup(void **state)
{
    (void)state;
    world_new(&world);
    first = context(&(struct asynchat_tls_options){
        .certificate_text = world.identity->certificate,
        .key_text = world.identity->key});
    assert_int_equal(asynchat_tls_add_name(first, "b.example", world.server),
                     0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asynchat_tls_free(first);
    world_free(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_may_come_in_many_records_and_cuts),
        cmocka_unit_test(strange_names_are_not_known),
        cmocka_unit_test(a_broken_name_ends_the_handshake),
        cmocka_unit_test(an_unknown_name_is_an_alert),
        cmocka_unit_test(an_alert_arrives_whatever_came_behind),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
