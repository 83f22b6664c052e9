/* Networks. SPDX-License-Identifier: BSD-3-Clause */
#include "base/networks.h"

#include <arpa/inet.h>
#include <string.h>

#include <asynchat/error.h>

static const uint8_t four_mapped[12] = {[10] = 0xff, [11] = 0xff};

void asynchat__address_fold(struct peer_address *address)
{
    if (address->family != AF_INET6 ||
        memcmp(address->ip, four_mapped, sizeof four_mapped) != 0)
        return;
    memmove(address->ip, address->ip + 12, 4);
    memset(address->ip + 4, 0, 12);
    address->scope = 0;
    address->family = AF_INET;
}

/* Reads a number of bits, in digits. */
static bool network_bits(const char *text, unsigned most, unsigned *bits)
{
    unsigned number = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 3 || text[strspn(text, "0123456789")])
        return false;
    for (; *text; text++)
        number = number * 10 + (unsigned)(*text - '0');
    *bits = number;
    return number <= most;
}

static bool network_address(struct network *network, const char *text)
{
    memcpy(network->ip, four_mapped, sizeof four_mapped);
    network->four = inet_pton(AF_INET, text, network->ip + 12) == 1;
    return network->four || inet_pton(AF_INET6, text, network->ip) == 1;
}

/* A network of mapped addresses is one of IPv4. */
int asynchat__network_parse(struct network *network, const char *text)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof host)
        return ASYNCHAT_EADDRESS;
    memcpy(host, text, len);
    host[len] = '\0';
    if (!network_address(network, host))
        return ASYNCHAT_EADDRESS;
    unsigned most = network->four ? 32 : 128, bits = most;
    if (slash && !network_bits(slash + 1, most, &bits))
        return ASYNCHAT_EADDRESS;
    network->bits = network->four ? bits + 96 : bits;
    network->four = network->four ||
                    (network->bits >= 96 &&
                     memcmp(network->ip, four_mapped, sizeof four_mapped) == 0);
    return 0;
}

static bool network_equals(const uint8_t *one, const uint8_t *other,
                           unsigned bits)
{
    unsigned rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return memcmp(one, other, bits / 8) == 0 &&
           (rest == 0 || ((one[bits / 8] ^ other[bits / 8]) & mask) == 0);
}

bool asynchat__network_has(const struct network *network,
                           const struct peer_address *address)
{
    uint8_t ip[16];
    if (address->family != (network->four ? AF_INET : AF_INET6))
        return false;
    memcpy(ip, address->ip, sizeof ip);
    if (network->four) {
        memcpy(ip, four_mapped, sizeof four_mapped);
        memcpy(ip + 12, address->ip, 4);
    }
    return network_equals(network->ip, ip, network->bits);
}
