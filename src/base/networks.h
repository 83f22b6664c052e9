/* Networks, such as "192.0.2.0/24", and whether an address is in one.
 *
 * Tested by tests/test_networks.c. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_NETWORKS_H
#define ASYNCHAT_NETWORKS_H

#include "base/address.h"

/* An address of IPv4 lies in the last four bytes, and `bits` counts from the
 * first. */
struct network {
    uint8_t ip[16];
    unsigned bits; /* how many bits are the network's */
    bool four;
};

/* Makes an address of IPv4 of one that was mapped into IPv6. */
void asynchat__address_fold(struct peer_address *address);

/* Reads "192.0.2.0/24", "2001:db8::/32", or an address alone. 0 or
 * ASYNCHAT_EADDRESS. */
int asynchat__network_parse(struct network *network, const char *text);

/* Whether an address, which was folded, is in the network. An address without a
 * family is in no network. */
bool asynchat__network_has(const struct network *network,
                           const struct peer_address *address);

#endif
