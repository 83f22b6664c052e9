/* It never matters how a stream is cut, nor into which records: as in
 * ../test_chunks.c, with TLS between.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "../framings.h"

static SSL_CTX *ctx;
static struct event_base *base;
static unsigned played;

/* --- the events --- */

/* Data that comes in several pieces is joined. */
static struct record {
    struct asynchat_channel *ch;
    char log[8192];
    size_t len, data_max;
    bool in_data;
    unsigned count; /* of terminators */
} record;

static const struct framing *framing; /* the framing that is played */

static void set_next(void)
{
    const struct terminator *t =
        &framing->terminators[record.count++ % framing->count];
    int error = t->bytes ? asynchat_set_terminator(record.ch, t->bytes,
                                                   strlen(t->bytes))
                         : asynchat_set_terminator_length(record.ch, t->number);
    assert_int_equal(error, 0);
}

static void add(const char *text)
{
    size_t len = strlen(text);
    assert_true(record.len + len < sizeof record.log);
    strcpy(record.log + record.len, text);
    record.len += len;
}

static void add_event(const char *text)
{
    if (record.len > 0)
        add(" ");
    add(text);
    record.in_data = false;
}

static void add_bytes(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        add(bytes[i] == '\r'   ? "\\r"
            : bytes[i] == '\n' ? "\\n"
                               : (char[]){bytes[i], '\0'});
}

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)ch;
    (void)arg;
    if (record.in_data)
        record.len--;
    else
        add_event("data(");
    add_bytes(data, len);
    add(")");
    record.in_data = true;
    if (len > record.data_max)
        record.data_max = len;
}

static void found(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    add_event("found");
    set_next();
}

static void message(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    (void)ch;
    (void)arg;
    add_event("message(");
    add_bytes(data, len);
    add(")");
    set_next();
}

static void handle_connect(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
    add_event("connect");
}

static void handle_eof(struct asynchat_channel *ch, int cut_off, void *arg)
{
    (void)ch;
    (void)arg;
    add_event(cut_off ? "eof(cut off)" : "eof");
}

static void handle_close(struct asynchat_channel *ch, int status, void *arg)
{
    (void)ch;
    (void)arg;
    add_event(status == ASYNCHAT_EOF ? "closed(EOF)" : code_name(status));
    record.ch = NULL;
}

static const struct asynchat_handler recorder = {
    .size = sizeof recorder,
    .collect_incoming_data = collect,
    .found_terminator = found,
    .handle_connect = handle_connect,
    .handle_eof = handle_eof,
    .handle_close = handle_close,
};

static const struct asynchat_handler whole_recorder = {
    .size = sizeof whole_recorder,
    .message = message,
    .handle_connect = handle_connect,
    .handle_eof = handle_eof,
    .handle_close = handle_close,
};

/* --- one stream --- */

/* How a stream comes. */
struct way {
    const struct asynchat_handler *handler;
    size_t in_buffer_size;
    size_t record; /* bytes in each record; */
    size_t first;  /* or 0: in the first of two */
    size_t cut;    /* sealed bytes in the first piece of two; or 0 */
    bool bytes;    /* one sealed byte at a time */
};

static void open_channel(struct peer *peer, const struct way *way)
{
    static struct talk talk;
    record = (struct record){0};
    int fd = peer_connect(peer, ctx, true);
    assert_int_equal(
        asynchat_channel_new_socket(base, fd, way->handler, NULL, &record.ch),
        0);
    assert_int_equal(asynchat_tls_start(record.ch, world.server, NULL, 0, NULL),
                     0);
    talk.base = base;
    peer_shake(peer, &talk);
    assert_string_equal(record.log, "connect");
    record.len = 0;
    record.log[0] = '\0';
    set_next();
    asynchat_set_in_buffer_size(record.ch, way->in_buffer_size);
}

static void settle_record(void)
{
    size_t before = SIZE_MAX;
    while (record.len != before) {
        before = record.len;
        for (int i = 0; i < 3; i++)
            event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

/* The stream, and close_notify. */
static void seal_stream(struct peer *peer, const struct way *way)
{
    size_t len = strlen(framing->stream);
    for (size_t at = 0; at < len;) {
        size_t n = way->record ? way->record : at == 0 ? way->first : len;
        n = n < len - at ? n : len - at;
        assert_int_equal(SSL_write(peer->ssl, framing->stream + at, (int)n), n);
        at += n;
    }
    assert_int_equal(SSL_shutdown(peer->ssl), 0);
}

static size_t play(const struct way *way)
{
    struct peer peer;
    open_channel(&peer, way);
    seal_stream(&peer, way);
    size_t sealed = (size_t)BIO_pending(peer.out);
    if (way->cut) {
        peer_send(&peer, way->cut);
        settle_record();
    }
    while (peer_send(&peer, way->bytes ? 1 : SIZE_MAX) > 0)
        if (way->bytes)
            event_base_loop(base, EVLOOP_NONBLOCK);
    settle_record();
    assert_true(record.data_max <= way->in_buffer_size);
    assert_null(record.ch);
    peer_free(&peer);
    played++;
    return sealed;
}

static size_t play_expecting(struct way way, const char *events)
{
    size_t sealed = play(&way);
    if (strcmp(record.log, events) != 0)
        print_error("records of %zu, first %zu; cut at %zu; bytes %d; at most "
                    "%zu in a read\n",
                    way.record, way.first, way.cut, way.bytes,
                    way.in_buffer_size);
    assert_string_equal(record.log, events);
    return sealed;
}

/* --- cuts --- */

/* Every cut of the stream into two records, every cut of the sealed bytes, and
 * single bytes of both kinds. */
static void play_all_cuts(struct way way, const char *events)
{
    size_t len = strlen(framing->stream);
    way.record = len;
    size_t sealed = play_expecting(way, events);
    for (way.cut = 1; way.cut < sealed; way.cut++)
        play_expecting(way, events);
    way.cut = 0;
    way.bytes = true;
    play_expecting(way, events);
    way.record = 1;
    play_expecting(way, events);
    way.bytes = false;
    play_expecting(way, events);
    way.record = 0;
    for (way.first = 1; way.first < len; way.first++)
        play_expecting(way, events);
}

static void in_pieces(void **state)
{
    static const size_t sizes[] = {65536, 3, 1};
    (void)state;
    for (framing = framings; framing < framings + FRAMINGS; framing++)
        for (size_t i = 0; i < 3; i++)
            play_all_cuts(
                (struct way){.handler = &recorder, .in_buffer_size = sizes[i]},
                framing->events);
}

/* Every cut gives the same events as one record. */
static void whole(void **state)
{
    (void)state;
    for (framing = framings; framing < framings + FRAMINGS; framing++) {
        struct way way = {.handler = &whole_recorder, .in_buffer_size = 65536};
        way.record = strlen(framing->stream);
        play(&way);
        char *events = strdup(record.log);
        assert_non_null(strstr(events, "closed(EOF)"));
        play_all_cuts(way, events);
        free(events);
    }
}

static int setup(void **state)
{
    (void)state;
    world_new(&world);
    ctx = peer_context(false, NULL, 0);
    base = event_base_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    SSL_CTX_free(ctx);
    world_free(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(whole),
    };
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    printf("%u streams\n", played);
    return failed;
}
