/*
 * Addresses: make, compare. No system call; any thread.
 */
#include "cede/address.h"

#include <string.h>

cede_address cede_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    cede_address address = {.family = CEDE_ADDRESS_IPV4, .port = port, .ip = {a, b, c, d}};
    return address;
}

cede_address cede_address_any(uint16_t family, uint16_t port)
{
    cede_address address = {.family = family, .port = port};
    if (family != CEDE_ADDRESS_IPV4 && family != CEDE_ADDRESS_IPV6)
        address.family = CEDE_ADDRESS_NONE;
    return address;
}

cede_address cede_address_loopback(uint16_t family, uint16_t port)
{
    cede_address address = cede_address_any(family, port);
    if (family == CEDE_ADDRESS_IPV6)
        address.ip[15] = 1;
    return family == CEDE_ADDRESS_IPV4 ? cede_ipv4(127, 0, 0, 1, port) : address;
}

cede_address cede_address_local(const char *path)
{
    cede_address address = {.family = CEDE_ADDRESS_LOCAL, .path = path};
    return address;
}

bool cede_address_equal(const cede_address *a, const cede_address *b)
{
    if (a->family != b->family)
        return false;
    if (a->family == CEDE_ADDRESS_LOCAL)
        return a->path && b->path ? strcmp(a->path, b->path) == 0 : a->path == b->path;
    return a->port == b->port && a->scope_id == b->scope_id &&
           memcmp(a->ip, b->ip, a->family == CEDE_ADDRESS_IPV4 ? 4 : 16) == 0;
}
