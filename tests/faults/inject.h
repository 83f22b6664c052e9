/* Faults on purpose: allocations and system calls of the library, and of
 * libevent below it, that fail where a test wants them to.
 *
 * Both libraries are linked statically, with the linker's --wrap for each call
 * below. What is counted are calls while `armed`; the test's own do not count.
 *
 * Time is not the system's: it passes only when everybody waits, and then at
 * once. So no test waits for a timer, and a loop that nothing will ever wake is
 * noticed: it is left.
 *
 * Calls count in one thread at a time. One that the library makes counts while
 * its maker waits for it, and goes apart before both run.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAULTS_INJECT_H
#define FAULTS_INJECT_H

#include <stdbool.h>
#include <stddef.h>

enum call {
    CALL_ALLOC,
    CALL_ACCEPT,
    CALL_BIND,
    CALL_CHMOD,
    CALL_CLOSE,
    CALL_CONNECT,
    CALL_DRAIN,
    CALL_EPOLL_ADD,
    CALL_EPOLL_MOD,
    CALL_EPOLL_DEL,
    CALL_EPOLL_WAIT,
    CALL_EVENTFD,
    CALL_FCNTL,
    CALL_FLOCK,
    CALL_GETPEERNAME,
    CALL_GETSOCKNAME,
    CALL_GETSOCKOPT,
    CALL_IOCTL,
    CALL_LISTEN,
    CALL_LSTAT,
    CALL_OPEN,
    CALL_PEEK,
    CALL_PREAD,
    CALL_READV,
    CALL_RECV,
    CALL_SEND,
    CALL_SENDFILE,
    CALL_SENDMSG,
    CALL_NODELAY,
    CALL_SETSOCKOPT,
    CALL_SHUTDOWN,
    CALL_SIGNAL,
    CALL_SOCKET,
    CALL_THREAD,
    CALL_UNLINK,
    CALL_WRITEV,
    CALLS
};

/* A call, and the errors it can really give: those after which nothing may be
 * different from what it would have been, and the others. Ends with 0. */
struct call_errors {
    const char *name;
    int harmless[12];
    int harmful[10];
};
extern const struct call_errors call_errors[CALLS];

struct fault {
    enum {
        FAULT_NONE,
        FAULT_ONCE,        /* the call number `at` fails */
        FAULT_FROM,        /* that one, and all after it */
        FAULT_EVERY_OTHER, /* of one kind of call */
        FAULT_SHORT        /* of one kind, or CALLS: moves one byte, `at` times
                              or always */
    } kind;
    unsigned at;
    enum call call;
    int error; /* errno */
};

/* The first calls of a run are remembered. */
#define TRACE 4096

/* After so many failures memory is there again, for whom has waited. */
#define INJECT_PATIENCE 40

struct inject {
    struct fault fault;
    bool armed;
    bool memory;         /* allocations count, or else system calls */
    unsigned count;      /* calls that counted, */
    unsigned total;      /* and system calls in any case */
    unsigned failed;     /* so many of them were made to fail */
    enum call last;      /* which that was, the last time */
    unsigned unmoved;    /* system calls since something happened */
    unsigned waits;      /* how often time had to pass */
    unsigned grace;      /* milliseconds to wait for the system, before */
    bool quiet;          /* nothing will happen any more */
    bool bad_descriptor; /* a call was given one that is not open */
    unsigned char trace[TRACE];
    long live;          /* allocations that are not freed */
    void (*left)(void); /* called when the loop should be left */
    void (*spun)(void); /* called when nothing moves; does not return */
};
extern struct inject inject;

/* Begins a run: everything but `live` anew. */
void inject_begin(bool memory, const struct fault *fault);

/* Something happened. */
void inject_moved(void);

/* From now on the calls of this thread are the system's own. */
void inject_apart(void);

/* The test's own close, and whether a descriptor is open; how many are. */
void inject_close(int fd);
bool inject_is_open(int fd);
int inject_descriptors(void);

#endif
