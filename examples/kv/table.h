/* uthash, with the hash of this program, and no exit where memory is short.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef KV_TABLE_H
#define KV_TABLE_H

#include "text.h"

#define HASH_FUNCTION(bytes, len, result) (result) = hash(bytes, len)
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#endif
