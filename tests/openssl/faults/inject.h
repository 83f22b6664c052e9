/* Deliberate faults for TLS: an allocation, or a call of OpenSSL, that fails.
 *
 * Allocations are those of the library and, by CRYPTO_set_mem_functions(),
 * those of OpenSSL; libevent's are not among them: ../../faults has those.
 * Calls are the functions of OpenSSL that src/tls calls and that can fail. The
 * linker redirects them to inject.c. Both count while `armed`.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TLS_INJECT_H
#define TLS_INJECT_H

#include <stdbool.h>

enum inject_what { INJECT_CALLS, INJECT_ALLOCATIONS, INJECT_OWN_ALLOCATIONS };

struct inject {
    bool armed;
    enum inject_what what;   /* what counts; own are those of the library */
    unsigned at;             /* the one that fails; 0 for none */
    bool from;               /* and all behind it */
    unsigned count;          /* since `armed` */
    const char *last;        /* what has failed; or NULL */
    long live, live_openssl; /* allocations that are not freed */
};
extern struct inject inject;

/* To be called before anything of OpenSSL. */
void inject_prepare(void);

#endif
