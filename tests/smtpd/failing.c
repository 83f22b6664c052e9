/* For LD_PRELOAD: a call fails, as the file says that FAIL_ORDER names: "fsync 5
 * 2" has the second fsync fail with EIO. When it has failed, the file is empty.
 * SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Returns 1, with errno set, if this call is the one. */
static int fails(const char *call)
{
    char name[32] = "";
    int error = 0, number = 0;
    pthread_mutex_lock(&lock);
    FILE *file = fopen(getenv("FAIL_ORDER"), "r+");
    int is_it = file &&
                fscanf(file, "%31s %d %d", name, &error, &number) == 3 &&
                strcmp(name, call) == 0;
    if (is_it) {
        rewind(file);
        is_it = ftruncate(fileno(file), 0) == 0 && number == 1;
        if (!is_it)
            fprintf(file, "%s %d %d", name, error, number - 1);
    }
    if (file)
        fclose(file);
    pthread_mutex_unlock(&lock);
    errno = error;
    return is_it;
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

int fsync(int fd)
{
    return fails("fsync") ? -1 : REAL(int (*)(int), "fsync")(fd);
}

int renameat2(int from, const char *old, int to, const char *new,
              unsigned flags)
{
    return fails("renameat2")
               ? -1
               : REAL(int (*)(int, const char *, int, const char *, unsigned),
                      "renameat2")(from, old, to, new, flags);
}

/* openat(2) of programs whose files may be large. */
int openat64(int folder, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;
    va_end(more);
    return fails("openat") ? -1
                           : REAL(int (*)(int, const char *, int, int),
                                  "openat64")(folder, path, flags, mode);
}
