/* Deliberate faults: the calls that --wrap redirects to this file.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#define UNMOVED_LIMIT 10000
#define WAITS_LIMIT 2000
#define DESCRIPTORS 256
#define FOREVER (10 * 60 * 1000) /* ms */

/* close(2) closes whatever it returns, and connect(2) goes on. An error of
 * accept(2) concerns one connection, or the room for it, and passes. epoll
 * needs no memory to change an entry. */
const struct call_errors call_errors[CALLS] = {
    [CALL_ALLOC] = {"alloc", {0}, {ENOMEM}},
    [CALL_ACCEPT] = {"accept4",
                     {EAGAIN, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS,
                      ENOMEM, EPERM, EPROTO, ENETDOWN, EHOSTUNREACH},
                     {0}},
    [CALL_BIND] = {"bind", {0}, {EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOMEM}},
    [CALL_CHMOD] = {"chmod", {0}, {EPERM, EROFS}},
    [CALL_CLOSE] = {"close", {EINTR, EIO, ENOSPC}, {0}},
    [CALL_CONNECT] = {"connect",
                      {EINTR, EINPROGRESS},
                      {ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, EAGAIN,
                       ETIMEDOUT, EACCES, EPERM}},
    [CALL_DRAIN] = {"read of an eventfd", {EAGAIN, EINTR}, {0}},
    [CALL_EPOLL_ADD] = {"epoll_ctl add", {0}, {ENOMEM, ENOSPC}},
    [CALL_EPOLL_MOD] = {"epoll_ctl mod", {0}, {0}},
    [CALL_EPOLL_DEL] = {"epoll_ctl del", {0}, {0}},
    [CALL_EPOLL_WAIT] = {"epoll_wait", {EINTR}, {0}},
    [CALL_EVENTFD] = {"eventfd", {0}, {EMFILE, ENFILE, ENODEV, ENOMEM}},
    [CALL_FCNTL] = {"fcntl", {0}, {EPERM}},
    [CALL_FLOCK] = {"flock", {ENOLCK, EOPNOTSUPP}, {0}},
    [CALL_GETPEERNAME] = {"getpeername", {0}, {ENOTCONN, ENOBUFS}},
    [CALL_GETSOCKNAME] = {"getsockname", {0}, {ENOBUFS}},
    [CALL_GETSOCKOPT] = {"getsockopt", {0}, {ENOBUFS, ENOMEM}},
    [CALL_IOCTL] = {"ioctl", {EINVAL, ENOTTY}, {0}},
    [CALL_LISTEN] = {"listen", {0}, {EADDRINUSE}},
    [CALL_LSTAT] = {"lstat", {0}, {EACCES, ENOMEM}},
    [CALL_OPEN] = {"open", {EACCES, EPERM}, {EMFILE, ENFILE, ENOSPC, EROFS}},
    [CALL_PEEK] = {"recv MSG_PEEK", {EINTR}, {ECONNRESET, ENOMEM}},
    [CALL_PREAD] = {"pread", {EINTR}, {EIO, ESTALE}},
    [CALL_READV] = {"readv", {EAGAIN, EINTR}, {ECONNRESET, ETIMEDOUT, ENOMEM}},
    [CALL_RECV] = {"recv",
                   {EAGAIN, EINTR},
                   {ECONNRESET, ETIMEDOUT, ENOMEM, EHOSTUNREACH}},
    [CALL_SEND] = {"send",
                   {EAGAIN, EINTR},
                   {EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EHOSTUNREACH}},
    [CALL_SENDFILE] = {"sendfile",
                       {EAGAIN, EINTR, EINVAL, ENOSYS},
                       {EIO, EPIPE, ECONNRESET, ENOMEM}},
    [CALL_SENDMSG] = {"sendmsg",
                      {EAGAIN, EINTR},
                      {EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EHOSTUNREACH}},
    [CALL_NODELAY] = {"setsockopt TCP_NODELAY", {ENOBUFS}, {0}},
    [CALL_SETSOCKOPT] = {"setsockopt", {0}, {ENOBUFS, ENOMEM}},
    [CALL_SHUTDOWN] = {"shutdown", {0}, {ENOTCONN}},
    [CALL_SIGNAL] = {"write to an eventfd", {EINTR}, {EIO}},
    [CALL_SOCKET] = {"socket",
                     {0},
                     {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT}},
    [CALL_THREAD] = {"pthread_create", {0}, {EAGAIN, EPERM}},
    [CALL_UNLINK] = {"unlink", {0}, {EACCES, EROFS}},
    [CALL_WRITEV] = {"writev",
                     {EAGAIN, EINTR},
                     {EPIPE, ECONNRESET, ENOBUFS, ENOMEM}},
};

struct inject inject;

static long now_ms; /* changed by one thread, read by all */

static _Thread_local bool apart;

void inject_apart(void)
{
    apart = true;
}

void inject_begin(bool memory, const struct fault *fault)
{
    long live = inject.live;
    inject = (struct inject){.memory = memory, .fault = *fault, .live = live};
}

void inject_moved(void)
{
    inject.unmoved = 0;
}

/* --- which call fails --- */

static bool fault_hits(void)
{
    const struct fault *fault = &inject.fault;
    switch (fault->kind) {
    case FAULT_ONCE:
        return inject.count == fault->at;
    case FAULT_FROM:
        return inject.count >= fault->at && inject.failed < INJECT_PATIENCE;
    case FAULT_EVERY_OTHER:
        return inject.count % 2 == 1;
    default:
        return false;
    }
}

/* An allocator need not set errno. Then errno is an older error, and the worst
 * one is an error that means "try again". */
static bool call_fails(enum call call)
{
    if (apart || !inject.armed)
        return false;
    if (call != CALL_ALLOC) {
        inject.total++;
        if (++inject.unmoved > UNMOVED_LIMIT)
            inject.spun();
    }
    if ((call == CALL_ALLOC) != inject.memory)
        return false;
    if (inject.fault.kind == FAULT_EVERY_OTHER && call != inject.fault.call)
        return false;
    if (inject.count < TRACE)
        inject.trace[inject.count] = (unsigned char)call;
    inject.count++;
    if (!fault_hits())
        return false;
    inject.failed++;
    inject.last = call;
    errno = call == CALL_ALLOC ? EAGAIN : inject.fault.error;
    return true;
}

/* Returns one byte if the count is to be short. */
static size_t call_count(enum call call, size_t len)
{
    const struct fault *fault = &inject.fault;
    bool is_short = !apart && inject.armed && fault->kind == FAULT_SHORT &&
                    (fault->call == call || fault->call == CALLS) &&
                    (fault->at == 0 || inject.failed < fault->at);
    if (!is_short || len <= 1)
        return len;
    inject.failed++;
    inject.last = call;
    return 1;
}

static ssize_t call_done(ssize_t n)
{
    if (apart)
        return n;
    if (n > 0)
        inject_moved();
    else if (n < 0 && errno == EBADF)
        inject.bad_descriptor = true;
    return n;
}

/* --- memory --- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
char *__real_strdup(const char *text);

static void live_add(int n)
{
    __atomic_add_fetch(&inject.live, n, __ATOMIC_RELAXED);
}

void *__wrap_malloc(size_t size)
{
    void *memory = call_fails(CALL_ALLOC) ? NULL : __real_malloc(size);
    live_add(memory != NULL);
    return memory;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    void *memory =
        call_fails(CALL_ALLOC) ? NULL : __real_aligned_alloc(alignment, size);
    live_add(memory != NULL);
    return memory;
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *memory = call_fails(CALL_ALLOC) ? NULL : __real_calloc(count, size);
    live_add(memory != NULL);
    return memory;
}

void *__wrap_realloc(void *old, size_t size)
{
    void *memory = call_fails(CALL_ALLOC) ? NULL : __real_realloc(old, size);
    live_add(memory != NULL && old == NULL);
    return memory;
}

void __wrap_free(void *memory)
{
    live_add(-(memory != NULL));
    __real_free(memory);
}

char *__wrap_strdup(const char *text)
{
    char *memory = call_fails(CALL_ALLOC) ? NULL : __real_strdup(text);
    live_add(memory != NULL);
    return memory;
}

/* Allocations inside the C library do not pass here. */
void *__real_tsearch(const void *key, void **tree,
                     int (*compare)(const void *, const void *));

void *__wrap_tsearch(const void *key, void **tree,
                     int (*compare)(const void *, const void *))
{
    return call_fails(CALL_ALLOC) ? NULL : __real_tsearch(key, tree, compare);
}

/* It needs memory for some formats; here it may fail for all. */
int __real_vsnprintf(char *text, size_t size, const char *format, va_list args);

int __wrap_vsnprintf(char *text, size_t size, const char *format, va_list args)
{
    if (!call_fails(CALL_ALLOC))
        return __real_vsnprintf(text, size, format, args);
    errno = ENOMEM;
    return -1;
}

/* --- where libevent itself does not cope --- */

/* libevent 2.1.12 crashes if these two functions have no memory for a callback
 * of an evbuffer. So they get memory. */
int __real_bufferevent_pair_new(struct event_base *base, int options,
                                struct bufferevent *pair[2]);
struct bufferevent *__real_bufferevent_filter_new(
    struct bufferevent *below, bufferevent_filter_cb in,
    bufferevent_filter_cb out, int options, void (*release)(void *), void *arg);
struct evbuffer_cb_entry *__real_evbuffer_add_cb(struct evbuffer *buffer,
                                                 evbuffer_cb_func callback,
                                                 void *arg);
static _Thread_local bool making;

int __wrap_bufferevent_pair_new(struct event_base *base, int options,
                                struct bufferevent *pair[2])
{
    making = true;
    int result = __real_bufferevent_pair_new(base, options, pair);
    making = false;
    return result;
}

struct bufferevent *__wrap_bufferevent_filter_new(
    struct bufferevent *below, bufferevent_filter_cb in,
    bufferevent_filter_cb out, int options, void (*release)(void *), void *arg)
{
    making = true;
    struct bufferevent *filter =
        __real_bufferevent_filter_new(below, in, out, options, release, arg);
    making = false;
    return filter;
}

struct evbuffer_cb_entry *__wrap_evbuffer_add_cb(struct evbuffer *buffer,
                                                 evbuffer_cb_func callback,
                                                 void *arg)
{
    if (apart)
        return __real_evbuffer_add_cb(buffer, callback, arg);
    bool armed = inject.armed;
    inject.armed = armed && !making;
    struct evbuffer_cb_entry *entry =
        __real_evbuffer_add_cb(buffer, callback, arg);
    inject.armed = armed;
    return entry;
}

/* --- bytes --- */

ssize_t __real_recv(int fd, void *data, size_t len, int flags);
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_sendfile64(int out, int in, off_t *offset, size_t len);
ssize_t __real_pread64(int fd, void *data, size_t len, off_t offset);
ssize_t __real_readv(int fd, const struct iovec *pieces, int count);
ssize_t __real_writev(int fd, const struct iovec *pieces, int count);

ssize_t __wrap_recv(int fd, void *data, size_t len, int flags)
{
    enum call call = flags & MSG_PEEK ? CALL_PEEK : CALL_RECV;
    if (call_fails(call))
        return -1;
    return call_done(__real_recv(fd, data, call_count(call, len), flags));
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags)
{
    if (call_fails(CALL_SEND))
        return -1;
    return call_done(__real_send(fd, data, call_count(CALL_SEND, len), flags));
}

/* Returns all pieces, or one byte of the first piece that is not empty. */
static struct iovec pieces_first(const struct iovec *pieces, size_t count,
                                 enum call call, bool *cut)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        len += pieces[i].iov_len;
    while (at + 1 < count && pieces[at].iov_len == 0)
        at++;
    *cut = call_count(call, len) != len;
    return (struct iovec){count > 0 ? pieces[at].iov_base : NULL, 1};
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    bool cut;
    struct msghdr less = *message;
    if (call_fails(CALL_SENDMSG))
        return -1;
    struct iovec first =
        pieces_first(message->msg_iov, message->msg_iovlen, CALL_SENDMSG, &cut);
    if (cut) {
        less.msg_iov = &first;
        less.msg_iovlen = 1;
    }
    return call_done(__real_sendmsg(fd, &less, flags));
}

ssize_t __wrap_sendfile64(int out, int in, off_t *offset, size_t len)
{
    if (call_fails(CALL_SENDFILE))
        return -1;
    return call_done(
        __real_sendfile64(out, in, offset, call_count(CALL_SENDFILE, len)));
}

ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t offset)
{
    if (call_fails(CALL_PREAD))
        return -1;
    return call_done(
        __real_pread64(fd, data, call_count(CALL_PREAD, len), offset));
}

ssize_t __wrap_readv(int fd, const struct iovec *pieces, int count)
{
    bool cut;
    if (call_fails(CALL_READV))
        return -1;
    struct iovec first = pieces_first(pieces, (size_t)count, CALL_READV, &cut);
    return call_done(cut ? __real_readv(fd, &first, 1)
                         : __real_readv(fd, pieces, count));
}

ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count)
{
    bool cut;
    if (call_fails(CALL_WRITEV))
        return -1;
    struct iovec first = pieces_first(pieces, (size_t)count, CALL_WRITEV, &cut);
    return call_done(cut ? __real_writev(fd, &first, 1)
                         : __real_writev(fd, pieces, count));
}

/* --- sockets --- */

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __real_close(int fd);
int __real_connect(int fd, const struct sockaddr *address, socklen_t len);
int __real_getpeername(int fd, struct sockaddr *address, socklen_t *len);
int __real_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __real_listen(int fd, int backlog);
int __real_setsockopt(int fd, int level, int name, const void *value,
                      socklen_t len);
int __real_shutdown(int fd, int how);
int __real_socket(int domain, int type, int protocol);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    if (call_fails(CALL_ACCEPT))
        return -1;
    return (int)call_done(__real_accept4(fd, address, len, flags));
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    if (call_fails(CALL_BIND))
        return -1;
    return (int)call_done(__real_bind(fd, address, len));
}

int __wrap_close(int fd)
{
    bool fails = call_fails(CALL_CLOSE);
    int error = errno;
    int result = (int)call_done(__real_close(fd));
    if (fails)
        errno = error;
    return fails ? -1 : result;
}

static bool is_harmless(enum call call, int error)
{
    const int *harmless = call_errors[call].harmless;
    while (*harmless && *harmless != error)
        harmless++;
    return *harmless != 0;
}

/* "Interrupted" and "in progress" are only given if the attempt really goes
 * on. */
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    bool fails = call_fails(CALL_CONNECT);
    int error = errno;
    if (fails && !is_harmless(CALL_CONNECT, error))
        return -1;
    int result = (int)call_done(__real_connect(fd, address, len));
    if (!fails || (result < 0 && errno != EINPROGRESS))
        return result;
    errno = error;
    return -1;
}

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
    if (call_fails(CALL_GETPEERNAME))
        return -1;
    return (int)call_done(__real_getpeername(fd, address, len));
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
    if (call_fails(CALL_GETSOCKNAME))
        return -1;
    return (int)call_done(__real_getsockname(fd, address, len));
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    if (call_fails(CALL_GETSOCKOPT))
        return -1;
    return (int)call_done(__real_getsockopt(fd, level, name, value, len));
}

int __wrap_listen(int fd, int backlog)
{
    if (call_fails(CALL_LISTEN))
        return -1;
    return (int)call_done(__real_listen(fd, backlog));
}

int __wrap_setsockopt(int fd, int level, int name, const void *value,
                      socklen_t len)
{
    bool nodelay = level == IPPROTO_TCP && name == TCP_NODELAY;
    if (call_fails(nodelay ? CALL_NODELAY : CALL_SETSOCKOPT))
        return -1;
    return (int)call_done(__real_setsockopt(fd, level, name, value, len));
}

int __wrap_shutdown(int fd, int how)
{
    if (call_fails(CALL_SHUTDOWN)) {
        __real_shutdown(fd, SHUT_RDWR); /* so that nothing is read from it */
        errno = inject.fault.error;
        return -1;
    }
    return (int)call_done(__real_shutdown(fd, how));
}

int __wrap_socket(int domain, int type, int protocol)
{
    if (call_fails(CALL_SOCKET))
        return -1;
    return __real_socket(domain, type, protocol);
}

/* --- paths --- */

int __real_chmod(const char *path, mode_t mode);
int __real_flock(int fd, int operation);
int __real_open64(const char *path, int flags, mode_t mode);
int __real_lstat64(const char *path, struct stat *file);
int __real_unlink(const char *path);

int __wrap_chmod(const char *path, mode_t mode)
{
    return call_fails(CALL_CHMOD) ? -1 : __real_chmod(path, mode);
}

int __wrap_flock(int fd, int operation)
{
    return call_fails(CALL_FLOCK) ? -1 : __real_flock(fd, operation);
}

/* The library always calls it with a mode. */
int __wrap_open64(const char *path, int flags, mode_t mode)
{
    return call_fails(CALL_OPEN) ? -1 : __real_open64(path, flags, mode);
}

int __wrap_lstat64(const char *path, struct stat *file)
{
    return call_fails(CALL_LSTAT) ? -1 : __real_lstat64(path, file);
}

int __wrap_unlink(const char *path)
{
    return call_fails(CALL_UNLINK) ? -1 : __real_unlink(path);
}

/* --- descriptors --- */

int __real_fcntl(int fd, int command, ...);
int __real_ioctl(int fd, unsigned long request, ...);

/* The third argument is an int or a pointer; both are passed in the same
 * way. */
int __wrap_fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    if (call_fails(CALL_FCNTL))
        return -1;
    return (int)call_done(__real_fcntl(fd, command, argument));
}

/* The name of fcntl where files may be large. */
int __wrap_fcntl64(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return __wrap_fcntl(fd, command, argument);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    if (call_fails(CALL_IOCTL))
        return -1;
    return (int)call_done(__real_ioctl(fd, request, argument));
}

void inject_close(int fd)
{
    if (fd >= 0)
        __real_close(fd);
}

static void descriptors_look(struct pollfd *list, nfds_t count, int first)
{
    for (nfds_t i = 0; i < count; i++)
        list[i] = (struct pollfd){.fd = first + (int)i};
    poll(list, count, 0);
}

bool inject_is_open(int fd)
{
    struct pollfd one;
    descriptors_look(&one, 1, fd);
    return !(one.revents & POLLNVAL);
}

int inject_descriptors(void)
{
    struct pollfd list[DESCRIPTORS];
    int open = 0;
    descriptors_look(list, DESCRIPTORS, 0);
    for (int i = 0; i < DESCRIPTORS; i++)
        open += !(list[i].revents & POLLNVAL);
    return open;
}

/* --- threads --- */

int __real_eventfd(unsigned count, int flags);
ssize_t __real_read(int fd, void *data, size_t len);
ssize_t __real_write(int fd, const void *data, size_t len);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *arg);

int __wrap_eventfd(unsigned count, int flags)
{
    return call_fails(CALL_EVENTFD) ? -1 : __real_eventfd(count, flags);
}

/* Only the count of an eventfd has 8 bytes; the tests read and write other
 * lengths. */
static bool is_count(int fd, size_t len)
{
    struct stat status;
    return len == 8 && fstat(fd, &status) == 0 &&
           (status.st_mode & S_IFMT) == 0;
}

ssize_t __wrap_read(int fd, void *data, size_t len)
{
    if (is_count(fd, len) && call_fails(CALL_DRAIN))
        return -1;
    return __real_read(fd, data, len);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (is_count(fd, len) && call_fails(CALL_SIGNAL))
        return -1;
    return __real_write(fd, data, len);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *arg)
{
    if (call_fails(CALL_THREAD))
        return errno;
    return __real_pthread_create(thread, attributes, run, arg);
}

/* --- waiting --- */

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __real_epoll_wait(int epoll, struct epoll_event *events, int most,
                      int timeout);

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    enum call call = what == EPOLL_CTL_ADD   ? CALL_EPOLL_ADD
                     : what == EPOLL_CTL_MOD ? CALL_EPOLL_MOD
                                             : CALL_EPOLL_DEL;
    if (call_fails(call))
        return -1;
    return __real_epoll_ctl(epoll, what, fd, event);
}

/* There is nothing to do: either time passes, or nothing will happen any
 * more. */
static void wait_over(int timeout)
{
    if (timeout > 0 && timeout < FOREVER) {
        __atomic_add_fetch(&now_ms, timeout, __ATOMIC_RELAXED);
        if (++inject.waits > WAITS_LIMIT)
            inject.spun();
    } else if (timeout != 0) {
        inject.quiet = true;
        inject.left();
    }
}

/* With exact timers, which the environment can ask for, libevent 2.1 sets a
 * timer for the time that it wants to wait, and waits without a timeout. */
static int timer = -1;

int __real_timerfd_settime(int fd, int flags, const struct itimerspec *time,
                           struct itimerspec *before);

/* Rounded up. */
static int milliseconds(const struct timespec *time)
{
    long long ms = time->tv_sec * 1000LL + (time->tv_nsec + 999999) / 1000000;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *time,
                           struct itimerspec *before)
{
    if (apart)
        return __real_timerfd_settime(fd, flags, time, before);
    timer = milliseconds(&time->it_value);
    if (timer == 0)
        timer = -1;
    return 0;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int most,
                      int timeout)
{
    if (apart)
        return __real_epoll_wait(epoll, events, most, timeout);
    if (call_fails(CALL_EPOLL_WAIT))
        return -1;
    int n = __real_epoll_wait(epoll, events, most, 0);
    if (n == 0 && timeout != 0 && inject.grace > 0)
        n = __real_epoll_wait(epoll, events, most, (int)inject.grace);
    if (n == 0)
        wait_over(timeout < 0 ? timer : timeout);
    return n;
}

/* libevent 2.2's. */
int __wrap_epoll_pwait2(int epoll, struct epoll_event *events, int most,
                        const struct timespec *timeout, const sigset_t *mask)
{
    (void)mask;
    return __wrap_epoll_wait(epoll, events, most,
                             timeout ? milliseconds(timeout) : -1);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    long ms = __atomic_load_n(&now_ms, __ATOMIC_RELAXED);
    (void)clock;
    *time = (struct timespec){.tv_sec = 1000000 + ms / 1000,
                              .tv_nsec = ms % 1000 * 1000000};
    return 0;
}
