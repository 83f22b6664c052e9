/* Checks and copies tables of the program, whose first field is their size.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "base/table.h"

#include <errno.h>
#include <string.h>

int asynchat__table_check(const void *table, size_t least, size_t known)
{
    if (!table)
        return -EINVAL;
    size_t size = *(const size_t *)table;
    if (size < least)
        return -EINVAL;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)table)[i] != 0)
            return -ENOTSUP;
    return 0;
}

void asynchat__table_copy(void *copy, const void *table, size_t known)
{
    size_t size = *(const size_t *)table;
    memset(copy, 0, known);
    memcpy(copy, table, size < known ? size : known);
}

int asynchat__table_take(void *copy, const void *table, size_t least,
                         size_t known)
{
    int error = table ? asynchat__table_check(table, least, known) : 0;
    if (error)
        return error;
    if (table)
        asynchat__table_copy(copy, table, known);
    else
        memset(copy, 0, known);
    *(size_t *)copy = known;
    return 0;
}

void asynchat__table_answer(void *to, size_t size, const void *table,
                            size_t known)
{
    memset(to, 0, size);
    memcpy(to, table, size < known ? size : known);
}
