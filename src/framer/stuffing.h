/* Passes over lines of dotted data in which there is nothing to do. Pure C, no
 * libevent. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_STUFFING_H
#define ASYNCHAT_STUFFING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Goes on from `at`, which is 1 or more, and answers a place up to which no dot
 * stands behind an LF, and if `strict` LFs stand behind CRs and nowhere else.
 * It stops early, at any place: then the caller has to look. */
size_t asynchat__stuffing_pass(const uint8_t *piece, size_t at, size_t len,
                               bool strict);

#endif
