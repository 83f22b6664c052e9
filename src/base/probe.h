/* Static probes, for perf, bpftrace, SystemTap and gdb. They exist if
 * <sys/sdt.h> was there when the library was built (Debian: systemtap-sdt-dev).
 * A probe is an instruction that does nothing, and a note in the library of
 * where the instruction is.
 *
 *     perf probe sdt_asynchat:message
 *     gdb -ex 'break -probe-stap asynchat:close' ...
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_PROBE_H
#define ASYNCHAT_PROBE_H

#include <stddef.h>

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#endif
#endif

#ifdef STAP_PROBE1
#define PROBE1(name, a) STAP_PROBE1(asynchat, name, a)
#define PROBE2(name, a, b) STAP_PROBE2(asynchat, name, a, b)
#else
#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))
#endif

/* The macros come from a system header, but clang warns of them in this
 * file. */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif

struct asynchat_channel;

/* A server has made a channel of the connection `fd`. */
static inline void probe_accept(const struct asynchat_channel *ch, int fd)
{
    PROBE2(accept, ch, fd);
}

/* A message is about to be delivered. */
static inline void probe_message(const struct asynchat_channel *ch)
{
    PROBE1(message, ch);
}

/* More than the high mark is queued. */
static inline void probe_pressure(const struct asynchat_channel *ch,
                                  size_t queued)
{
    PROBE2(pressure, ch, queued);
}

/* The channel has ended, and handle_close is called next. */
static inline void probe_close(const struct asynchat_channel *ch, int status)
{
    PROBE2(close, ch, status);
}

#ifdef __clang__
#pragma clang diagnostic pop
#endif

#endif
