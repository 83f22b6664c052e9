/* The load: gives a server work, slice by slice, compares every answer, and
 * prints the CPU time that the server needed, as the kernel accounts for it.
 *
 * usage: load PORT PID LOAD [ARGUMENT...]     loads.c lists the loads, and
 *                                             tls/loads.c those of load_tls
 *
 * It reads numbers, each the work of one slice, and answers each with a line:
 * the work done, nanoseconds of CPU of process PID and all its threads,
 * seconds, and three delays in microseconds. It ends at the end of input.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS 64

static int port;
static const char *server;

void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

void wrong(const char *what)
{
    fprintf(stderr, "load: a wrong answer: %s\n", what);
    exit(1);
}

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- connections --- */

int open_connection_from(unsigned address)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(address)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval timeout = {.tv_sec = TIMEOUT};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int open_connection(void)
{
    return open_connection_from(INADDR_ANY);
}

void make_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
}

void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0)
            fail("send");
        data += n;
        len -= (size_t)n;
    }
}

void receive_all(int fd, char *data, size_t len)
{
    ssize_t n = recv(fd, data, len, MSG_WAITALL);
    if (n < 0)
        fail("recv");
    if ((size_t)n < len)
        wrong("the connection ended");
}

void make_framed_tape(struct tape *tape, enum framed kind, size_t size,
                      size_t count, size_t more)
{
    tape->period = size * count;
    tape->bytes = malloc(tape->period + more);
    if (!tape->bytes)
        fail("malloc");
    for (size_t i = 0; i < count; i++)
        framed_put(kind, tape->bytes + i * size, size, i);
    for (size_t i = 0; i < more; i++)
        tape->bytes[tape->period + i] = tape->bytes[i];
}

void make_tape(struct tape *tape, size_t size, size_t count, size_t more)
{
    make_framed_tape(tape, FRAMED_STRING, size, count, more);
}

/* --- delays --- */

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void put_delays(double *delays, long count, struct result *result)
{
    qsort(delays, (size_t)count, sizeof *delays, order);
    result->delay[0] = delays[count / 2];
    result->delay[1] = delays[count * 99 / 100];
    result->delay[2] = delays[count - 1];
}

/* --- what it costs --- */

struct cpu {
    long ran, waited; /* nanoseconds */
};

/* One file for each thread of the server. All threads exist when it listens. */
static int files[THREADS], file_count;

static void files_open(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/task", server);
    DIR *folder = opendir(path);
    if (!folder)
        fail(path);
    for (struct dirent *task; (task = readdir(folder));) {
        char name[400];
        snprintf(name, sizeof name, "%s/%s/schedstat", path, task->d_name);
        if (task->d_name[0] == '.' || file_count == THREADS)
            continue;
        files[file_count] = open(name, O_RDONLY | O_CLOEXEC);
        if (files[file_count++] < 0)
            fail(name);
    }
    closedir(folder);
}

static struct cpu cpu_now(void)
{
    struct cpu all = {0, 0}, one;
    if (file_count == 0)
        files_open();
    for (int i = 0; i < file_count; i++) {
        char text[128] = "";
        if (pread(files[i], text, sizeof text - 1, 0) < 0 ||
            sscanf(text, "%ld %ld", &one.ran, &one.waited) != 2)
            fail("schedstat");
        all.ran += one.ran;
        all.waited += one.waited;
    }
    return all;
}

double server_waited(void)
{
    return (double)cpu_now().waited / 1e9;
}

/* The kernel brings the figure up to date when the server goes to sleep. */
static long cpu_settled(void)
{
    long before, ns = cpu_now().ran;
    int tries = 0;
    do {
        usleep(2000);
        before = ns;
        ns = cpu_now().ran;
    } while (ns != before && ++tries < 100);
    return ns;
}

static void slice(const struct load *load, long work)
{
    struct result r = {0};
    long cpu = cpu_settled();
    double began = now();
    load->run(work, &r);
    double seconds = now() - began;
    cpu = cpu_settled() - cpu;
    printf("%ld %ld %.9f %.2f %.2f %.2f\n", r.count, cpu, seconds, r.delay[0],
           r.delay[1], r.delay[2]);
    fflush(stdout);
}

static const struct load *find(const char *name, int arguments)
{
    const struct load *const *load = loads;
    while (*load && (strcmp((*load)->name, name) != 0 ||
                     (*load)->arguments != arguments))
        load++;
    return *load;
}

int main(int argc, char **argv)
{
    const struct load *load = argc > 3 ? find(argv[3], argc - 4) : NULL;
    long work;
    if (!load) {
        fprintf(stderr, "usage: load PORT PID LOAD [ARGUMENT...]\n");
        return 2;
    }
    port = atoi(argv[1]);
    server = argv[2];
    load->open(argv + 4);
    while (scanf("%ld", &work) == 1)
        slice(load, work);
    return 0;
}
