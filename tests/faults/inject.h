/* Deliberate faults: allocations and system calls of the library, and of
 * libevent below it, fail where a test wants them to.
 *
 * Both libraries are linked statically, with the linker's --wrap for each call
 * below. Calls count while `armed`; the test's own calls do not count.
 *
 * The clock is not the system's: time passes only when everything waits, and
 * then at once. So no test waits for a timer, and a loop that nothing will ever
 * wake is noticed, and left.
 *
 * Calls count in one thread at a time. In a thread made by the library, calls
 * count while its maker waits for it; the thread calls inject_apart() before
 * both run.
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

/* A call and the errors that it can really give: first the errors after which
 * the run must be the same as without a fault, then the others. Each list ends
 * with 0. */
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
        FAULT_FROM,        /* the call number `at`, and all after it */
        FAULT_EVERY_OTHER, /* every other call of one kind */
        FAULT_SHORT        /* calls of one kind, or CALLS, move only one byte,
                              `at` times or always */
    } kind;
    unsigned at;
    enum call call;
    int error; /* errno */
};

/* How many calls at the beginning of a run are remembered. */
#define TRACE 4096

/* After this many failures there is memory again, for code that has waited. */
#define INJECT_PATIENCE 40

struct inject {
    struct fault fault;
    bool armed;
    bool memory;      /* count allocations, or else system calls */
    unsigned count;   /* calls that counted */
    unsigned total;   /* system calls, counted in any case */
    unsigned failed;  /* how many calls were made to fail */
    enum call last;   /* the last call that was made to fail */
    unsigned unmoved; /* system calls since something happened */
    unsigned waits;   /* how often time had to pass */
    unsigned grace; /* milliseconds to wait for the system before time passes */
    bool quiet;     /* nothing will happen any more */
    bool bad_descriptor; /* a call got a descriptor that is not open */
    unsigned char trace[TRACE];
    long live;          /* allocations that are not freed */
    void (*left)(void); /* called when the loop should be left */
    void (*spun)(void); /* called when nothing moves; does not return */
};
extern struct inject inject;

/* Begins a run. Resets everything except `live`. */
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
