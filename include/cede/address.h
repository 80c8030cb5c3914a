/*
 * Addresses: where a socket is, or what it is connected to. A plain value of the same shape on
 * every system: no sockaddr, no byte order to mind.
 *
 * Addresses are copied at prep (law 1), but for a local one's path, which is lent until done like
 * every path.
 */
#ifndef CEDE_ADDRESS_H
#define CEDE_ADDRESS_H

#include "cede/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CEDE_ADDRESS_NONE = 0, /* none, or one that has no portable form */
    CEDE_ADDRESS_IPV4,
    CEDE_ADDRESS_IPV6,
    CEDE_ADDRESS_LOCAL /* between processes of one machine, by a path */
};

typedef struct cede_address {
    uint16_t family;   /* CEDE_ADDRESS_... */
    uint16_t port;     /* 0: any */
    uint32_t scope_id; /* IPv6: the interface that a link-local address belongs to; else 0 */
    uint8_t ip[16];    /* as it is written, first byte first; IPv4: the first four. IPv6's
                          ::ffff:a.b.c.d leads where IPv4's a.b.c.d does; sockets that are for IPv6
                          alone do not go there (CEDE_ENETUNREACH), nor can they be bound there
                          (CEDE_EINVAL: CEDE_LISTEN_DUAL and CEDE_DATAGRAM_DUAL make the others) */
    /* LOCAL: UTF-8, NUL-terminated, at most 100 bytes. Linux: a Unix socket of that name; Windows:
     * a named pipe, whose name is the path's without "\\.\pipe\" before it (that is added; slashes
     * become backslashes, "." and ".." are resolved as from a root; in an app container only names
     * that begin with "LOCAL/" are to be had). NULL in addresses that the
     * library fills: a path is not told. */
    const char *path;
} cede_address;

/* The longest text that cede_address_print makes of an IP address, with its NUL. */
#define CEDE_ADDRESS_TEXT 64
/* The longest path of a local address, without its NUL. */
#define CEDE_ADDRESS_PATH 100

/* Makes an address of four numbers and a port: cede_ipv4(127, 0, 0, 1, 80). Port 0 where one
 * listens or binds: the system picks one (cede_prep_name tells which). */
CEDE_API cede_address cede_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
/* This machine, by IPv4 (127.0.0.1) or by IPv6 (::1). Another family: CEDE_ADDRESS_NONE. */
CEDE_API cede_address cede_address_loopback(uint16_t family, uint16_t port);
/* Every address of this machine, to listen at (0.0.0.0, ::). */
CEDE_API cede_address cede_address_any(uint16_t family, uint16_t port);
/* A local address. The path is lent as long as the address is in use. */
CEDE_API cede_address cede_address_local(const char *path);

/*
 * Reads a number address; names are for a look-up. "192.0.2.1", "192.0.2.1:80", "::1", "[::1]:80",
 * "fe80::1%3", "[fe80::1%3]:80"; "unix:/path" is a local address whose path points into the text.
 * A zone is a decimal number: what an interface is called is the system's affair. Without a port
 * in the text, `port` is taken. CEDE_OK, or CEDE_EINVAL and *out untouched. Numbers are decimal,
 * without signs or leading zeros (other readers take those for octal), at most 65535 for a port.
 * Any thread.
 */
CEDE_API cede_status cede_address_parse(const char *text, uint16_t port, cede_address *out);

/* Writes the address as cede_address_parse reads it, IPv6 in the form of RFC 5952, with its port
 * unless that is 0; CEDE_ADDRESS_NONE is empty, a local address without a path "unix:". Returns the
 * length without the NUL, like snprintf: more than room_bytes - 1 means that it was cut. Any
 * thread. */
CEDE_API size_t cede_address_print(const cede_address *, char *text, size_t room_bytes);

/* Whether two addresses name the same place: family, address, zone and port; paths by their text.
 * Any thread. */
CEDE_API bool cede_address_equal(const cede_address *, const cede_address *);

#ifdef __cplusplus
}
#endif
#endif
