/* The example httpd and one connection. The same bytes are sent twice, at once
 * and cut anywhere. The answers must be the same, and contain nothing from
 * outside the folder.
 *
 * The front of the input is sent; the back says where it is cut.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>

#include <time.h>

/* No time passes, so dates are the same, and no client is too slow. */
static time_t no_time(time_t *at)
{
    (void)at;
    return 784111777;
}

static int set_handler(struct asynchat_channel *ch,
                       const struct asynchat_handler *handler);

#define time no_time
#define main httpd_main
#define asynchat_set_handler set_handler
#include "../../examples/httpd.c"
#undef asynchat_set_handler
#undef main
#undef time

#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "input.h"

#define SENT_MOST 140000
#define BODY_MOST 2000
#define OUTSIDE "lies outside"

static char folder[] = "/tmp/fuzz_httpd.XXXXXX";

/* --- the folder --- */

static void make_file(const char *name, const char *content, size_t times)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    CHECK(file);
    while (times-- > 0)
        fputs(content, file);
    CHECK(fclose(file) == 0);
    const struct timespec times_of[2] = {{784111777, 0}, {784111777, 0}};
    CHECK(utimensat(AT_FDCWD, path, times_of, 0) == 0);
}

static void make_folder(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(mkdir(path, 0700) == 0);
}

static int remove_one(const char *path, const struct stat *about, int kind,
                      struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_all(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void prepare(void)
{
    char path[128];
    if (base)
        return;
    CHECK(mkdtemp(folder));
    atexit(remove_all);
    make_file("secret", OUTSIDE, 1);
    make_folder("www");
    make_folder("www/sub");
    make_file("www/a", "hello\n", 1);
    make_file("www/sub/b.txt", "", 0);
    make_file("www/big", "0123456789\n", 4000);
    snprintf(path, sizeof path, "%s/www/out", folder);
    CHECK(symlink("../secret", path) == 0);
    snprintf(path, sizeof path, "%s/www", folder);
    root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(root >= 0);
    CHECK(regcomp(&chunk_line, CHUNK_LINE, REG_EXTENDED | REG_NOSUB) == 0);
    certificate = "none"; /* no upgrades: a connection does not leave */
    max_body = BODY_MOST;
    timeout = INT32_MAX / 2;
    base = event_base_new();
    CHECK(base);
}

/* --- what is sent --- */

static char sent[SENT_MOST];
static size_t sent_len;

/* 0xff and a number repeat the 16 bytes before them. So limits can be reached
 * by a short input. */
static void read_sent(struct input *in)
{
    sent_len = 0;
    while (in->at < in->end) {
        unsigned byte = input_front(in);
        if (byte != 0xff) {
            sent[sent_len++] = (char)byte;
            continue;
        }
        size_t times = 16 * (size_t)input_front(in);
        size_t len = sent_len < 16 ? sent_len : 16;
        for (; times > 0 && sent_len + 1000 < SENT_MOST; times--) {
            memcpy(sent + sent_len, sent + sent_len - len, len);
            sent_len += len;
        }
    }
}

/* --- what is answered --- */

struct answers {
    size_t len;
    uint64_t hash;
};

static unsigned open_channels;

static void on_close(struct asynchat_channel *ch, int status, void *arg)
{
    closed(ch, status, arg);
    open_channels--;
}

static void look(struct answers *a, const char *data, size_t len)
{
    CHECK(a->len > 0 || len < 9 || memcmp(data, "HTTP/1.1 ", 9) == 0);
    CHECK(!memmem(data, len, OUTSIDE, strlen(OUTSIDE)));
    a->len += len;
    for (size_t i = 0; i < len; i++)
        a->hash = (a->hash ^ (unsigned char)data[i]) * 1099511628211u;
}

/* Runs the loop until nothing more happens. */
static void settle(struct answers *a, int peer)
{
    static char data[1 << 16];
    for (int quiet = 0; quiet < 3; quiet++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        ssize_t n = recv(peer, data, sizeof data, MSG_DONTWAIT);
        if (n > 0) {
            look(a, data, (size_t)n);
            quiet = -1;
        }
    }
}

static void send_piece(struct answers *a, int peer, const char *at, size_t len)
{
    while (len > 0 && open_channels > 0) {
        ssize_t n = send(peer, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
        settle(a, peer);
    }
}

/* A handler of the server's, with an end that counts. There is one connection at
 * a time. */
static const struct asynchat_handler *counted(
    const struct asynchat_handler *one)
{
    static struct asynchat_handler all;
    all = *one;
    all.handle_close = on_close;
    return &all;
}

static int set_handler(struct asynchat_channel *ch,
                       const struct asynchat_handler *handler)
{
    return asynchat_set_handler(ch, counted(handler));
}

static int connect_client(void)
{
    struct asynchat_channel *ch;
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    CHECK(asynchat_channel_new_socket(base, fds[0], counted(&texts), NULL,
                                      &ch) == 0);
    open_channels++;
    return fds[1];
}

/* The input says how many bytes are sent next, more of them if many are left.
 * When it has no more to say, the rest is sent at once. */
static size_t next_piece(struct input *cuts, size_t left)
{
    if (cuts->at == cuts->end)
        return left;
    size_t len = 1 + input_back(cuts) % 4 * (1 + sent_len / 128);
    return len < left ? len : left;
}

/* Sends everything, cut as `cuts` says, or at once if `cuts` is NULL. */
static struct answers converse(struct input *cuts)
{
    struct answers a = {.hash = 14695981039346656037u};
    int peer = connect_client();
    for (size_t at = 0; at < sent_len;) {
        size_t left = sent_len - at;
        size_t len = cuts ? next_piece(cuts, left) : left;
        send_piece(&a, peer, sent + at, len);
        at += len;
    }
    shutdown(peer, SHUT_WR);
    settle(&a, peer);
    close(peer);
    for (int i = 0; i < 4; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    CHECK(open_channels == 0);
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input cuts = {data, data + size};
    struct input in = {data, data + size};
    prepare();
    read_sent(&in);
    struct answers whole = converse(NULL);
    struct answers cut = converse(&cuts);
    CHECK(whole.len == cut.len && whole.hash == cut.hash);
    return 0;
}
