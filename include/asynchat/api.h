/* Everything that each public header needs: visibility, C linkage, and types
 * that are only declared. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_API_H
#define ASYNCHAT_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ASYNCHAT_API __attribute__((visibility("default")))
#define ASYNCHAT_NODISCARD __attribute__((warn_unused_result))
#define ASYNCHAT_FORMAT(text, first)                                           \
    __attribute__((format(printf, text, first)))
#else
#define ASYNCHAT_API
#define ASYNCHAT_NODISCARD
#define ASYNCHAT_FORMAT(text, first)
#endif

#ifdef __cplusplus
#define ASYNCHAT_BEGIN_DECLS extern "C" {
#define ASYNCHAT_END_DECLS }
#else
#define ASYNCHAT_BEGIN_DECLS
#define ASYNCHAT_END_DECLS
#endif

/* types of libevent */
struct bufferevent;
struct evbuffer;
struct event_base;

/* types of this library */
struct asynchat_channel;
struct asynchat_framer;
struct asynchat_framing;
struct asynchat_producer;
struct asynchat_proxy_options;
struct asynchat_rate_group;
struct asynchat_server;
struct asynchat_workers;

#endif
