/* Framings: shared by count, so that bytes that a framing holds back may be
 * handed out while the program sets the next terminator.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "framer/framing.h"

#include <errno.h>

struct asynchat_framing *asynchat__framing_share(
    struct asynchat_framing *framing)
{
    framing->shares++;
    return framing;
}

void asynchat__framing_release(struct asynchat_framing *framing)
{
    if (framing && --framing->shares == 0)
        framing->ops->release(framing);
}

void asynchat_framing_free(struct asynchat_framing *framing)
{
    asynchat__framing_release(framing);
}

int asynchat__framing_check(struct asynchat_framing *framing)
{
    int error = framing ? framing->error : -ENOMEM;
    if (error)
        asynchat__framing_release(framing);
    return error;
}
