/* A program of an earlier version, with a later libasynchat-openssl. The memory
 * of each of its tables ends with the table, so that nothing past its size can
 * be read or written. SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>
#include <asynchat/tls.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Makes a copy with an unreadable page behind it. */
static void *at_the_end(const void *table, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE))
        return NULL;
    return memcpy(pages + page - size, table, size);
}

int main(void)
{
    const struct asynchat_tls_options *options = at_the_end(
        &(struct asynchat_tls_options){.size = sizeof *options,
                                       .flags = ASYNCHAT_TLS_CLIENT |
                                                ASYNCHAT_TLS_NO_VERIFY},
        sizeof *options);
    struct asynchat_tls_stats *stats =
        at_the_end(&(struct asynchat_tls_stats){.begun = 1}, sizeof *stats);
    struct asynchat_tls *tls;
    int error;

    if (!options || !stats)
        return 1;
    error = asynchat_tls_new(options, &tls);
    if (error == 0)
        error = asynchat_tls_get_stats(tls, stats, sizeof *stats);
    if (error || stats->begun) {
        fprintf(stderr, "context: %s\n", asynchat_strerror(error));
        return 1;
    }
    asynchat_tls_free(tls);
    return 0;
}
