/* The loads over plain TCP.
 *
 *     echo CONNECTIONS IN_FLIGHT SIZE   messages answered with themselves
 *     sink                              bytes received, in lines of 64 KiB
 *     source                            bytes sent, as peer.h says
 *     connect AT_ONCE SIZE              a connection for each line
 *     fair SIZE                         a line's delay beside a full stream
 *     pace CONNECTIONS SIZE FIRST       a message of each in a second
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

const struct load *const loads[] = {&load_echo,    &load_sink, &load_source,
                                    &load_connect, &load_fair, &load_pace,
                                    NULL};
