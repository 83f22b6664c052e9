/* The loads over plain TCP.
 *
 *     echo CONNECTIONS IN_FLIGHT SIZE   messages answered with themselves
 *     echo CONNECTIONS IN_FLIGHT SIZE FRAMING      the same, see framed.h
 *     sink                              bytes received, in lines of 64 KiB
 *     mail END DOTS                     bytes received, in mails, see below
 *     source                            bytes sent, as peer.h says
 *     connect AT_ONCE SIZE              a connection for each line
 *     proxied AT_ONCE SIZE              the same, with a PROXY header
 *     fair SIZE                         a line's delay beside a full stream
 *     pace CONNECTIONS SIZE FIRST       a message of each in a second
 *     pace CONNECTIONS SIZE FIRST RATE       so many of all in a second
 *     tell CONNECTIONS SIZE             a line to all connections
 *
 * A mail has 16 lines of 4 kB. END is dotted or undotted, as in peers/peer.h,
 * and every DOTS-th line begins with a dot; 0: none does.
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "load.h"

const struct load *const loads[] = {&load_echo,    &load_framed, &load_sink,
                                    &load_mail,    &load_source, &load_connect,
                                    &load_proxied, &load_fair,   &load_pace,
                                    &load_rate,    &load_tell,   NULL};
