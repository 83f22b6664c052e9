/* The version of the header and of the library that was loaded.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_VERSION_H
#define ASYNCHAT_VERSION_H

#include <asynchat/api.h>

ASYNCHAT_BEGIN_DECLS

/* The version of this header. */
#define ASYNCHAT_VERSION "0.1.0"

/* Returns the version of the library in use, such as "0.1.0", lent for ever.
 * Any thread may call it. Since 0.1. */
ASYNCHAT_API const char *asynchat_version(void);

ASYNCHAT_END_DECLS

#endif
