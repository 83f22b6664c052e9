/* Names of error codes, as the program writes them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TESTING_STATUS_H
#define ASYNCHAT_TESTING_STATUS_H

/* "0", "ASYNCHAT_EOF", "-ECONNRESET", or a text for a code that is not known.
 * Lent until the next call. */
const char *asynchat__status_name(int status);

#endif
