/* In every scenario, each allocation and each call of OpenSSL fails once, and
 * all allocations from then on: nothing crashes, nothing is left, there is an
 * error code each time, bytes are never forged, and a client that asks for a
 * name never sees the certificate of another.
 *
 * usage: tls_faults quick|full|tenth [SCENARIO [KIND [AT]]]
 *
 * Each run is made in a child, so that a crash is one fault among others.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "inject.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/err.h>

#include <asynchat.h>
#include <asynchat/tls.h>

#include "authority.h"

/* The bytes that each side sends: more than a record. */
#define STREAM 40000

/* --- complaints --- */

static char complaint[512];

static void complain(const char *format, ...)
{
    va_list args;
    if (complaint[0])
        return;
    va_start(args, format);
    vsnprintf(complaint, sizeof complaint, format, args);
    va_end(args);
}

#define WANT(kept)                                                             \
    do {                                                                       \
        if (!(kept))                                                           \
            complain("line %d: not so: %s", __LINE__, #kept);                  \
    } while (0)

/* A call that fails has a code and a text, and leaves nothing to OpenSSL. */
static int checked(int error, int line)
{
    if (error > 0 || (error < 0 && !*asynchat_tls_get_error(NULL)))
        complain("line %d: the call answers %d, \"%s\"", line, error,
                 asynchat_tls_get_error(NULL));
    if (ERR_peek_error() != 0)
        complain("line %d: OpenSSL's queue is not empty", line);
    return error;
}
#define CHECKED(call) checked(call, __LINE__)

/* --- what all scenarios have --- */

static struct authority *authority, *middle;
static struct identity *first, *named, *me;
static char *chain, *locked;
static char stream[STREAM + 1];

static int passphrase(char *to, size_t room, void *arg)
{
    (void)room;
    (void)arg;
    memcpy(to, "secret", 6);
    return 6;
}

static const char *const alpn[] = {"a", "bb", NULL};

static struct asynchat_tls_options server_options(const struct identity *who)
{
    return (struct asynchat_tls_options){
        .size = sizeof(struct asynchat_tls_options),
        .certificate_text = who->certificate,
        .key_text = who->key,
        .alpn = alpn};
}

static struct asynchat_tls_options client_options(unsigned flags)
{
    return (struct asynchat_tls_options){
        .size = sizeof(struct asynchat_tls_options),
        .flags = ASYNCHAT_TLS_CLIENT | flags,
        .trust_text = authority->text,
        .alpn = alpn};
}

/* Makes a context without faults. */
static struct asynchat_tls *context(struct asynchat_tls_options options)
{
    struct asynchat_tls *tls;
    bool armed = inject.armed;
    inject.armed = false;
    if (asynchat_tls_new(&options, &tls) < 0)
        abort();
    inject.armed = armed;
    return tls;
}

/* --- a talk --- */

struct side {
    struct asynchat_channel *ch;
    struct talk *talk;
    size_t got;
    bool connected, forged;
    bool closed;
    int error, status;
    long serial; /* of the peer's certificate */
};

static struct talk {
    struct event_base *base;
    struct asynchat_server *server;
    struct side sides[2]; /* the server's, the client's */
    struct asynchat_tls *tls[2];
    const char *name;
    bool starttls;
} talk;

static long serial_of(SSL *ssl)
{
    X509 *certificate = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
    return certificate ? ASN1_INTEGER_get(X509_get0_serialNumber(certificate))
                       : 0;
}

static void speak(struct side *side)
{
    struct asynchat_tls_info info;
    side->connected = true;
    CHECKED(asynchat_tls_get_info(side->ch, &info, sizeof info));
    side->serial = serial_of(asynchat_tls_get_ssl(side->ch));
    asynchat_push(side->ch, stream, STREAM);
}

static void handle_secure(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    speak(arg);
}

static void handle_connect(struct asynchat_channel *ch, void *arg)
{
    struct side *side = arg;
    side->ch = ch;
    asynchat_set_terminator_none(ch);
    if (!side->talk->starttls)
        speak(side);
}

static void begin(struct side *side)
{
    bool client = side == &talk.sides[1];
    if (CHECKED(asynchat_tls_start(side->ch, talk.tls[client],
                                   client ? talk.name : NULL, 0,
                                   handle_secure)) < 0)
        asynchat_close(side->ch);
}

/* Before TLS the client sends "s" and the server answers "g". Whoever has all
 * closes. */
static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    struct side *side = arg;
    if (side->talk->starttls && !side->connected) {
        if (side == &talk.sides[0])
            asynchat_push(ch, "g", 1);
        begin(side);
        return;
    }
    if (len > STREAM - side->got || memcmp(data, stream + side->got, len) != 0)
        side->forged = true;
    else
        side->got += len;
    if (side->got == STREAM)
        asynchat_close_when_done(ch);
}

static void found(struct asynchat_channel *ch, void *arg)
{
    (void)ch;
    (void)arg;
}

static void handle_error(struct asynchat_channel *ch, int error, void *arg)
{
    struct side *side = arg;
    (void)ch;
    side->error = error;
}

static void handle_close(struct asynchat_channel *ch, int status, void *arg)
{
    struct side *side = arg;
    (void)ch;
    side->status = status;
    side->closed = true;
    side->ch = NULL;
}

static const struct asynchat_handler handler = {
    .size = sizeof handler,
    .collect_incoming_data = collect,
    .found_terminator = found,
    .handle_connect = handle_connect,
    .handle_error = handle_error,
    .handle_close = handle_close,
};

static bool over(void)
{
    return (talk.sides[0].closed || !talk.sides[0].ch) && talk.sides[1].closed;
}

static void run_loop(void)
{
    for (int i = 0; i < 3000 && !over(); i++) {
        event_base_loop(talk.base, EVLOOP_NONBLOCK);
        if (i > 300)
            usleep(1000);
    }
    if (!over())
        complain("it does not end: server %zu bytes, error %d, client %zu "
                 "bytes, error %d",
                 talk.sides[0].got, talk.sides[0].error, talk.sides[1].got,
                 talk.sides[1].error);
}

/* Who has heard of an end in order has got everything, unless a side was told
 * to close. */
static void check_side(const struct side *side)
{
    WANT(!side->forged);
    WANT(side->error == 0 || side->status == side->error);
    WANT(side->status <= 0);
    if (side->connected && side->status == ASYNCHAT_EOF)
        WANT(side->got == STREAM);
}

static void check_stats(const struct asynchat_tls *tls)
{
    struct asynchat_tls_stats s;
    asynchat_tls_get_stats(tls, &s, sizeof s);
    WANT(s.begun == s.done + s.failed + s.silent);
    WANT(s.shaking == 0 && s.waiting == 0);
}

static void begin_talk(bool armed)
{
    const struct asynchat_handler *const handlers[2] = {&handler, &handler};
    struct asynchat_channel *both[2];
    void *const args[2] = {&talk.sides[0], &talk.sides[1]};
    talk.base = event_base_new();
    talk.sides[0].talk = talk.sides[1].talk = &talk;
    if (asynchat_pair_new(talk.base, handlers, args, both) < 0)
        abort();
    talk.sides[0].ch = both[0];
    talk.sides[1].ch = both[1];
    inject.armed = armed;
    if (talk.starttls) {
        asynchat_push(both[1], "s", 1);
        return;
    }
    begin(&talk.sides[0]);
    begin(&talk.sides[1]);
}

static void begin_tcp_talk(bool armed)
{
    char address[ASYNCHAT_ADDRESS_SIZE];
    talk.base = event_base_new();
    talk.sides[0].talk = talk.sides[1].talk = &talk;
    if (asynchat_server_new(talk.base, "127.0.0.1:0", &handler, &talk.sides[0],
                            NULL, &talk.server) < 0 ||
        asynchat_tls_serve(talk.server, talk.tls[0]) < 0 ||
        asynchat_server_address(talk.server, address, sizeof address) < 0)
        abort();
    inject.armed = armed;
    if (CHECKED(asynchat_tls_connect(talk.base, address, 0, talk.tls[1],
                                     talk.name, &handler, &talk.sides[1],
                                     &talk.sides[1].ch)) < 0)
        talk.sides[1].closed = true;
}

static void end_talk(void)
{
    inject.armed = false;
    WANT(ERR_peek_error() == 0);
    check_side(&talk.sides[0]);
    check_side(&talk.sides[1]);
    asynchat_channel_free(talk.sides[0].ch);
    asynchat_channel_free(talk.sides[1].ch);
    asynchat_server_free(talk.server);
    event_base_loop(talk.base, EVLOOP_NONBLOCK);
    event_base_free(talk.base);
    check_stats(talk.tls[0]);
    check_stats(talk.tls[1]);
}

static void converse(struct asynchat_tls *server, struct asynchat_tls *client,
                     bool starttls, bool tcp)
{
    bool armed = inject.armed;
    inject.armed = false;
    talk = (struct talk){
        .tls = {server, client}, .name = "a.example", .starttls = starttls};
    (tcp ? begin_tcp_talk : begin_talk)(armed);
    run_loop();
    end_talk();
    inject.armed = armed;
    if (inject.at == 0)
        WANT(talk.sides[0].got == STREAM && talk.sides[1].got == STREAM);
}

/* --- scenarios --- */

static void new_server(void)
{
    struct asynchat_tls *tls = NULL;
    struct asynchat_tls_options o = server_options(first);
    char both[20000];
    snprintf(both, sizeof both, "%s%s", authority->text, middle->text);
    o.certificate_text = chain;
    o.key_text = locked;
    o.passphrase = passphrase;
    o.trust_text = both;
    o.flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE;
    if (CHECKED(asynchat_tls_new(&o, &tls)) < 0)
        WANT(tls == NULL);
    asynchat_tls_free(tls);
}

static void new_client(void)
{
    struct asynchat_tls *tls = NULL;
    struct asynchat_tls_options o = client_options(0);
    if (CHECKED(asynchat_tls_new(&o, &tls)) < 0)
        WANT(tls == NULL);
    asynchat_tls_free(tls);
}

/* A call that fails changes nothing, and may be tried again at once. */
static void reload(void)
{
    struct asynchat_tls *tls = context(server_options(first));
    struct asynchat_tls_options o = server_options(named);
    int error = CHECKED(asynchat_tls_reload(tls, &o));
    inject.armed = false;
    WANT(error == 0 || asynchat_tls_reload(tls, NULL) == 0);
    asynchat_tls_free(tls);
}

static void add_names(void)
{
    struct asynchat_tls *tls = context(server_options(first));
    struct asynchat_tls *other = context(server_options(named));
    CHECKED(asynchat_tls_add_name(tls, "a.example", other));
    CHECKED(asynchat_tls_add_name(tls, "*.a.example", other));
    CHECKED(asynchat_tls_add_name(tls, "a.example", other));
    if (inject.at == 0)
        CHECKED(asynchat_tls_add_name(tls, "a.example", NULL));
    asynchat_tls_free(tls);
    asynchat_tls_free(other);
}

/* The client verifies nobody, so that it would see each certificate. */
static void handshake_by_name(void)
{
    struct asynchat_tls *tls = context(server_options(first));
    struct asynchat_tls *other = context(server_options(named));
    struct asynchat_tls *client = context(
        client_options(ASYNCHAT_TLS_NO_VERIFY | ASYNCHAT_TLS_NO_TICKETS));
    bool armed = inject.armed;
    inject.armed = false;
    asynchat_tls_add_name(tls, "a.example", other);
    inject.armed = armed;
    converse(tls, client, false, false);
    inject.armed = false;
    WANT(talk.sides[1].serial == 0 || talk.sides[1].serial == named->serial);
    asynchat_tls_free(tls);
    asynchat_tls_free(other);
    asynchat_tls_free(client);
}

static void start_tls(void)
{
    struct asynchat_tls *tls = context(server_options(first));
    struct asynchat_tls *client = context(client_options(0));
    converse(tls, client, true, false);
    inject.armed = false;
    asynchat_tls_free(tls);
    asynchat_tls_free(client);
}

static void serve_and_connect(void)
{
    struct asynchat_tls *tls = context(server_options(first));
    struct asynchat_tls *client = context(client_options(0));
    converse(tls, client, false, true);
    inject.armed = false;
    asynchat_tls_free(tls);
    asynchat_tls_free(client);
}

static void resume(void)
{
    struct asynchat_tls *tls = context(server_options(first));
    struct asynchat_tls *client = context(client_options(0));
    bool armed = inject.armed;
    inject.armed = false;
    converse(tls, client, false, false);
    inject.armed = armed;
    converse(tls, client, false, false);
    inject.armed = false;
    asynchat_tls_free(tls);
    asynchat_tls_free(client);
}

static int only_1_2(SSL_CTX *ctx, void *arg)
{
    (void)arg;
    return SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ? 0 : -EIO;
}

/* Never a connection without the client's certificate. */
static void demand_certificate(void)
{
    struct asynchat_tls_options o = server_options(first);
    o.flags = ASYNCHAT_TLS_DEMAND_CERTIFICATE;
    o.trust_text = authority->text;
    o.configure = only_1_2;
    struct asynchat_tls *tls = context(o);
    o = client_options(0);
    o.certificate_text = me->certificate;
    o.key_text = me->key;
    struct asynchat_tls *client = context(o);
    converse(tls, client, false, false);
    inject.armed = false;
    WANT(!talk.sides[0].connected || talk.sides[0].serial == me->serial);
    asynchat_tls_free(tls);
    asynchat_tls_free(client);
}

/* The client refuses the server, and says why. */
static void refuse(void)
{
    struct asynchat_tls *tls = context(server_options(me));
    struct asynchat_tls *client = context(client_options(0));
    unsigned at = inject.at;
    inject.at = at ? at : 1000000;
    converse(tls, client, false, false);
    inject.armed = false;
    WANT(!talk.sides[1].connected);
    asynchat_tls_free(tls);
    asynchat_tls_free(client);
}

static const struct scenario {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"new_server", new_server},
    {"new_client", new_client},
    {"reload", reload},
    {"add_names", add_names},
    {"handshake_by_name", handshake_by_name},
    {"start_tls", start_tls},
    {"serve_and_connect", serve_and_connect},
    {"resume", resume},
    {"demand_certificate", demand_certificate},
    {"refuse", refuse},
};

/* --- runs --- */

enum kind { OWN_ONCE, CALL_ONCE, MEMORY_ONCE, MEMORY_FROM, KINDS };
static const char *const kind_names[] = {"own", "call", "memory",
                                         "memory_from"};
static const enum inject_what counted[] = {INJECT_OWN_ALLOCATIONS, INJECT_CALLS,
                                           INJECT_ALLOCATIONS,
                                           INJECT_ALLOCATIONS};

#define QUICK 1000000 /* as a step */

/* What a child tells its parent. */
static struct shared {
    unsigned at;    /* the run under way */
    unsigned count; /* of a run without a fault */
    unsigned runs, wrong;
    unsigned here; /* of these, those of this sweep */
    bool over;
} * shared;

static void run_once(const struct scenario *s, enum kind kind, unsigned at)
{
    inject.what = counted[kind];
    inject.from = kind == MEMORY_FROM;
    inject.at = at;
    inject.count = 0;
    inject.last = NULL;
    inject.armed = true;
    alarm(20);
    s->run();
    inject.armed = false;
    alarm(0);
}

/* OpenSSL keeps some memory that it has made once. A leak is what grows each
 * time. */
static bool leaks(const struct scenario *s, enum kind kind, unsigned at)
{
    for (int i = 0; i < 3; i++) {
        long live = inject.live + inject.live_openssl;
        run_once(s, kind, at);
        if (inject.live + inject.live_openssl <= live)
            return false;
    }
    return true;
}

static void tell(const struct scenario *s, enum kind kind, unsigned at,
                 const char *what)
{
    printf("%s %s %u (%s): %s\n", s->name, kind_names[kind], at,
           inject.last ? inject.last : "-", what);
    fflush(stdout);
    shared->wrong++;
    shared->here++;
}

static void run(const struct scenario *s, enum kind kind, unsigned at)
{
    complaint[0] = '\0';
    shared->at = at;
    shared->runs++;
    long live = inject.live, openssl = inject.live_openssl;
    run_once(s, kind, at);
    if (complaint[0])
        tell(s, kind, at, complaint);
    else if (inject.live != live)
        tell(s, kind, at, "the library leaks");
    else if (inject.live_openssl > openssl && leaks(s, kind, at))
        tell(s, kind, at, "OpenSSL's memory leaks");
}

/* Everything from `at` on, in steps. With QUICK, some 200 runs. */
static void run_child(const struct scenario *s, enum kind kind, unsigned at,
                      unsigned step)
{
    for (int i = 0; i < 3; i++)
        run_once(s, kind, 0);
    shared->count = inject.count;
    if (complaint[0])
        tell(s, kind, 0, complaint);
    if (step == QUICK)
        step = shared->count / 200 + 1;
    if (step == 0)
        run(s, kind, at);
    else
        for (; at <= shared->count && shared->here < 10; at += step)
            run(s, kind, at);
    shared->over = true;
    exit(0);
}

/* A child that crashes is followed by another. */
static void sweep(const struct scenario *s, enum kind kind, unsigned at,
                  unsigned step)
{
    unsigned crashes = 0;
    *shared = (struct shared){.runs = shared->runs, .wrong = shared->wrong};
    do {
        int status;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            run_child(s, kind, at, step);
        waitpid(child, &status, 0);
        if (shared->over && status == 0)
            break;
        printf("%s %s %u: status 0x%x\n", s->name, kind_names[kind], shared->at,
               (unsigned)status);
        shared->wrong++;
        at = shared->at + 1;
    } while (step > 0 && ++crashes < 20);
    printf("%s %s: %u places\n", s->name, kind_names[kind], shared->count);
}

static void prepare(void)
{
    for (size_t i = 0; i < STREAM; i++)
        stream[i] = (char)('a' + i % 23 + i / 7001);
    authority = authority_new("authority", NULL);
    middle = authority_new("middle", authority);
    first = identity_new(authority, "DNS:a.example", 86400, "serverAuth");
    named = identity_new(authority, "DNS:a.example", 86400, "serverAuth");
    me = identity_new(authority, "DNS:me", 86400, "clientAuth");
    chain = texts_join(first->certificate, authority->text);
    locked = identity_lock_key(first, "secret");
}

/* Between the runs of a sweep. There are few allocations of the library, and
 * few calls of OpenSSL. */
static unsigned step_of(const char *how, enum kind kind)
{
    if (kind == OWN_ONCE || kind == CALL_ONCE)
        return 1;
    if (strcmp(how, "quick") == 0)
        return QUICK;
    unsigned step = strcmp(how, "tenth") == 0 ? 10 : 1;
    return kind == MEMORY_FROM ? 5 * step : step;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "full";
    inject_prepare();
    prepare();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        for (int kind = 0; kind < KINDS; kind++) {
            if (argc > 2 && strcmp(argv[2], scenarios[i].name) != 0)
                continue;
            if (argc > 3 && strcmp(argv[3], kind_names[kind]) != 0)
                continue;
            unsigned at = argc > 4 ? (unsigned)atoi(argv[4]) : 1;
            sweep(&scenarios[i], kind, at, argc > 4 ? 0 : step_of(how, kind));
        }
    printf("%u runs\n", shared->runs);
    return shared->wrong > 0;
}
