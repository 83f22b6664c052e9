/* How many descriptors this process has.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

int count_descriptors(void);

#endif
