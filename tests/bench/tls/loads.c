/* The loads over TLS.
 *
 *     echo CONNECTIONS IN_FLIGHT SIZE   messages answered with themselves
 *     sink                              bytes received, in lines of 64 KiB
 *     source                            bytes sent, as peer.h says
 *     connect full|resumed AT_ONCE SIZE a handshake for each line
 *     records BYTES                     BYTES are asked for again and again; the
 *                                       first delay is the records of an answer
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include "../load.h"

const struct load *const loads[] = {&load_tls_echo,    &load_tls_sink,
                                    &load_tls_source,  &load_tls_connect,
                                    &load_tls_records, NULL};
