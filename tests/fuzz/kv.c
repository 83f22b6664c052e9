/* Bytes sent to the example kv by one client or three, cut anywhere. The
 * answers are well-formed and the same for every cut, and nothing is left at
 * the end.
 *
 * The first byte chooses one client or three. With one client the second byte
 * is the seed of the cuts, and the rest is sent, once in pieces and once whole.
 * With three clients each piece follows a byte that says who sends it and how
 * long it is, or what else happens.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "../../examples/kv/kv.h"
#include "input.h"

#define CLIENTS 3
#define KEPT (1u << 20) /* bytes of answers that are kept */

/* A client's own end, and the bytes that it received. */
struct far {
    struct asynchat_channel *ch; /* NULL when it has closed */
    size_t len;
    uint8_t bytes[KEPT];
};

/* --- time, which passes only when it is told to --- */

static bool frozen;
static struct timespec frozen_at;

/* The clock of kv, which is compiled with it. */
int fuzz_gettimeofday(struct timeval *t, void *zone);
int fuzz_gettimeofday(struct timeval *t, void *zone)
{
    (void)zone;
    t->tv_sec = frozen_at.tv_sec;
    t->tv_usec = frozen_at.tv_nsec / 1000;
    return 0;
}

/* The clock of libevent; libFuzzer uses another one. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (!frozen || clock == CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, clock, t);
    *t = frozen_at;
    return 0;
}

static void settle(void)
{
    for (int i = 0; i < 6; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void pass(unsigned milliseconds)
{
    frozen_at.tv_sec += milliseconds / 1000;
    frozen_at.tv_nsec += milliseconds % 1000 * 1000000L;
    if (frozen_at.tv_nsec >= 1000000000L) {
        frozen_at.tv_sec++;
        frozen_at.tv_nsec -= 1000000000L;
    }
    settle();
}

/* --- what is answered --- */

static void on_bytes(struct asynchat_channel *ch, const void *data, size_t len,
                     void *arg)
{
    struct far *f = arg;
    CHECK(f->ch == ch);
    if (f->len + len > KEPT)
        len = KEPT - f->len;
    if (len > 0)
        memcpy(f->bytes + f->len, data, len);
    f->len += len;
}

static void on_closed(struct asynchat_channel *ch, int status, void *arg)
{
    struct far *f = arg;
    (void)ch, (void)status;
    f->ch = NULL;
}

static const struct asynchat_handler far_handler = {.size = sizeof far_handler,
                                                    .collect_incoming_data =
                                                        on_bytes,
                                                    .handle_close = on_closed};

/* Returns the end of the line that begins here, and gives the number on it. */
static const uint8_t *read_line(const uint8_t *at, const uint8_t *end,
                                long long *n)
{
    const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
    CHECK(stop && stop - at >= 2 && stop[-1] == '\r');
    CHECK(!memchr(at, '\r', (size_t)(stop - 1 - at)));
    if (strchr(":$*%~>=", *at))
        CHECK(is_number(&(struct word){(char *)at + 1, (size_t)(stop - at - 2)},
                        n));
    return stop + 1;
}

/* Returns the end of the answer that begins here. */
static const uint8_t *read_answer(const uint8_t *at, const uint8_t *end)
{
    long long n = 0;
    uint8_t kind = *at;
    CHECK(kind && strchr("+-:$*%~>=_", kind));
    at = read_line(at, end, &n);
    if ((kind == '$' && n >= 0) || kind == '=') {
        CHECK(end - at >= n + 2 && memcmp(at + n, "\r\n", 2) == 0);
        return at + n + 2;
    }
    CHECK(kind == ':' || n >= 0 || (strchr("$*", kind) && n == -1));
    for (n *= kind == '%' ? 2 : 1; strchr("*%~>", kind) && n > 0; n--) {
        CHECK(at < end);
        at = read_answer(at, end);
    }
    return at;
}

/* All answers are complete, unless kv has ended the client or there is too much
 * to keep. */
static void check_answers(const struct far *f)
{
    const uint8_t *at = f->bytes, *end = at + f->len;
    while (f->ch && f->len < KEPT && at < end)
        at = read_answer(at, end);
}

/* --- clients --- */

static void far_open(struct far *f)
{
    const struct asynchat_handler *both[2] = {&handler, &far_handler};
    struct asynchat_channel *out[2];
    CHECK(asynchat_pair_new(base, both, (void *[2]){NULL, f}, out) == 0);
    f->ch = out[1];
    f->len = 0;
    settle();
}

static void far_send(struct far *f, const uint8_t *bytes, size_t len)
{
    if (f->ch)
        CHECK(asynchat_push(f->ch, bytes, len) == 0);
    settle();
    check_answers(f);
}

static void far_end(struct far *f)
{
    if (f->ch)
        asynchat_close(f->ch);
    settle();
    CHECK(!f->ch);
}

/* Checks that nothing is left when there is no client and no key. */
static void check_nothing_stays(void)
{
    table_flush();
    settle();
    while (table_sweep())
        continue;
    CHECK(all_clients.length == 0 && timed_count == 0);
    CHECK(key_count == 0 && memory_used() == 0);
}

/* --- one client --- */

static void send_cut(struct far *f, const uint8_t *bytes, size_t len,
                     unsigned seed)
{
    while (len > 0) {
        seed = seed * 1103515245u + 12345u;
        size_t n = 1 + (seed >> 16) % 23;
        if (n > len)
            n = len;
        far_send(f, bytes, n);
        bytes += n;
        len -= n;
    }
}

static bool tells_memory(const struct far *f)
{
    return memmem(f->bytes, f->len, "used_memory:", 12);
}

static void one(struct far *all, const uint8_t *data, size_t size)
{
    last_client_id = 0;
    far_open(&all[0]);
    send_cut(&all[0], data + 1, size - 1, data[0]);
    bool open = all[0].ch;
    far_end(&all[0]);
    check_nothing_stays();
    last_client_id = 0;
    far_open(&all[1]);
    far_send(&all[1], data + 1, size - 1);
    CHECK(open == (all[1].ch != NULL));
    far_end(&all[1]);
    check_nothing_stays();
    /* a client that was closed at once may have lost earlier answers; and the
     * memory used, which INFO tells, depends on the cuts */
    if (open && !tells_memory(&all[0]) && !tells_memory(&all[1]))
        CHECK(all[0].len == all[1].len &&
              memcmp(all[0].bytes, all[1].bytes, all[0].len) == 0);
}

/* --- three --- */

static void happen(struct far *all, unsigned what)
{
    struct far *f = &all[what % CLIENTS];
    if (what >= 0xf8)
        pass(1u << (what & 7) * 2);
    else if (what >= 0xf4)
        far_end(f);
    else if (!f->ch)
        far_open(f);
}

static void three(struct far *all, const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;
    for (int i = 0; i < CLIENTS; i++)
        far_open(&all[i]);
    while (at < end) {
        unsigned what = *at++;
        size_t len = 1 + what / CLIENTS;
        if (len > (size_t)(end - at))
            len = (size_t)(end - at);
        if (what >= 0xf0) {
            happen(all, what);
            continue;
        }
        far_send(&all[what % CLIENTS], at, len);
        at += len;
    }
    for (int i = 0; i < CLIENTS; i++) {
        check_answers(&all[i]);
        far_end(&all[i]);
    }
    check_nothing_stays();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct far all[CLIENTS];
    if (size < 3)
        return 0;
    frozen_at = (struct timespec){.tv_sec = 1000000};
    frozen = true;
    base = event_base_new();
    CHECK(base);
    table_open();
    topics_open();
    work_open();
    memory_limit = data[0] & 2 ? 2000 : 0;
    if (data[0] & 1)
        three(all, data + 1, size - 1);
    else
        one(all, data + 1, size - 1);
    work_close();
    table_close();
    topics_close();
    event_base_free(base);
    frozen = false;
    return 0;
}
