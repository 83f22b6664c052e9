/* Checks and copies tables of the program, whose first field is their size; and
 * copies tables of the library to the program.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TABLE_H
#define ASYNCHAT_TABLE_H

#include <stddef.h>

/* The size of a table that ends with the field `last`. The field with which a
 * table ended in its first version gives its least size for ever: a program of
 * that time knows no more fields. */
#define TABLE_SIZE(type, last)                                                 \
    (offsetof(type, last) + sizeof(((type *)NULL)->last))

/* Answers 0 for a table of `least` bytes or more, in which everything behind
 * the first `known` bytes is zero. -EINVAL: `table` is NULL, or the table is
 * smaller, as when its size was forgotten. -ENOTSUP: the table asks for
 * something that this version does not know. */
int asynchat__table_check(const void *table, size_t least, size_t known);

/* Copies a table that was checked into one of `known` bytes. Fields that a
 * shorter table does not have become zero; what lies behind it in memory is not
 * read. */
void asynchat__table_copy(void *copy, const void *table, size_t known);

/* Checks and copies a table that may be left out: NULL gives one that is all
 * zero. Its size is `known` in both cases. After an error the copy is of no
 * use. */
int asynchat__table_take(void *copy, const void *table, size_t least,
                         size_t known);

/* Copies a table of `known` bytes to a caller whose own table has `size` bytes.
 * Fields that only the caller knows become zero. */
void asynchat__table_answer(void *to, size_t size, const void *table,
                            size_t known);

#endif
