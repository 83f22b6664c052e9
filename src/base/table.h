/* How a caller's table, whose first field is its size, is checked and copied;
 * and how a caller is answered with a table.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TABLE_H
#define ASYNCHAT_TABLE_H

#include <stddef.h>

/* The size of a table whose last field is this one. What a table ended with in
 * the first version that had it stays its least size for ever: a program of
 * that time knows no more fields. */
#define TABLE_SIZE(type, last)                                                 \
    (offsetof(type, last) + sizeof(((type *)NULL)->last))

/* Answers 0 for a table of `least` bytes or more, in which everything past the
 * `known` ones is zero; -EINVAL for NULL and for a smaller one, which is what a
 * forgotten size is; -ENOTSUP for one that asks for what this version does not
 * know. */
int asynchat__table_check(const void *table, size_t least, size_t known);

/* Copies a table that was checked to one of the `known` size. What a shorter one
 * does not have is zero, and not what lies behind it. */
void asynchat__table_copy(void *copy, const void *table, size_t known);

/* Copies out what this version has `known` bytes of to a caller who knows `size`
 * bytes. Fields that only the caller knows become zero. */
void asynchat__table_answer(void *to, size_t size, const void *table,
                            size_t known);

#endif
