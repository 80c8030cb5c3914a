/*
 * Addresses: make, compare, read, write. No system call, no memory of its own; any thread.
 */
#include "cede/address.h"

#include <string.h>

/* ---- Making and comparing ------------------------------------------------------------------- */

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

/* ---- Reading: each takes what it knows from *at on, or says no ------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static bool take_number(const char **at, uint32_t most, uint32_t *out)
{
    const char *p = *at;
    uint64_t value = 0;
    if (!is_digit(p[0]) || (p[0] == '0' && is_digit(p[1])))
        return false;
    for (; is_digit(*p); p++) {
        value = value * 10 + (uint32_t)(*p - '0');
        if (value > most)
            return false;
    }
    *at = p;
    *out = (uint32_t)value;
    return true;
}

/* 16 for none. */
static uint32_t hex_digit(char c)
{
    if (is_digit(c))
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint32_t)(c - 'a') + 10;
    return c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10 : 16;
}

/* Up to four digits, into two bytes. A fifth is left, and stops whoever goes on. */
static bool take_group(const char **at, uint8_t *ip)
{
    uint32_t value = 0, digits = 0;
    for (; digits < 4 && hex_digit(**at) < 16; digits++, ++*at)
        value = value * 16 + hex_digit(**at);
    ip[0] = (uint8_t)(value >> 8);
    ip[1] = (uint8_t)value;
    return digits > 0;
}

/* A number and a dot: four numbers, not a group of hexadecimal digits. */
static bool is_ipv4(const char *p)
{
    while (is_digit(*p))
        p++;
    return *p == '.';
}

static bool take_ipv4(const char **at, uint8_t *ip)
{
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t value;
        if ((i > 0 && !take(at, '.')) || !take_number(at, 255, &value))
            return false;
        ip[i] = (uint8_t)value;
    }
    return true;
}

/* Makes room for the zeros that "::" stands for, which are two bytes at least. */
static bool spread(uint8_t *ip, uint32_t gap, uint32_t used)
{
    if (gap > used)
        return used == 16;
    if (used == 16)
        return false;
    memmove(ip + gap + (16 - used), ip + gap, used - gap);
    memset(ip + gap, 0, 16 - used);
    return true;
}

static bool take_ipv6(const char **at, uint8_t *ip)
{
    uint32_t used = 0, gap = UINT32_MAX; /* bytes; where "::" was */
    if (take(at, ':')) {
        if (!take(at, ':'))
            return false;
        gap = 0;
    }
    for (;;) {
        if (gap == used && hex_digit(**at) > 15)
            break;
        if (is_ipv4(*at)) {
            if (used > 12 || !take_ipv4(at, ip + used))
                return false;
            used += 4;
            break;
        }
        if (!take_group(at, ip + used))
            return false;
        used += 2;
        if (used == 16 || !take(at, ':'))
            break;
        if (take(at, ':')) {
            if (gap != UINT32_MAX)
                return false;
            gap = used;
        }
    }
    return spread(ip, gap, used);
}

static bool take_port(const char **at, uint16_t *port)
{
    uint32_t value;
    if (!take(at, ':'))
        return true;
    if (!take_number(at, UINT16_MAX, &value))
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool read_address(const char *at, cede_address *out)
{
    bool bracket;
    if (is_ipv4(at)) {
        out->family = CEDE_ADDRESS_IPV4;
        return take_ipv4(&at, out->ip) && take_port(&at, &out->port) && *at == '\0';
    }
    out->family = CEDE_ADDRESS_IPV6;
    bracket = take(&at, '[');
    if (!take_ipv6(&at, out->ip))
        return false;
    if (take(&at, '%') && !take_number(&at, UINT32_MAX, &out->scope_id))
        return false;
    if (bracket && (!take(&at, ']') || !take_port(&at, &out->port)))
        return false;
    return *at == '\0';
}

static const char local_mark[] = "unix:";
#define LOCAL_MARK_BYTES (sizeof local_mark - 1)

cede_status cede_address_parse(const char *text, uint16_t port, cede_address *out)
{
    cede_address address = {.port = port};
    if (!text)
        return CEDE_EINVAL;
    if (strncmp(text, local_mark, LOCAL_MARK_BYTES) == 0) {
        size_t length = strlen(text) - LOCAL_MARK_BYTES;
        if (length == 0 || length > CEDE_ADDRESS_PATH)
            return CEDE_EINVAL;
        address = cede_address_local(text + LOCAL_MARK_BYTES);
    } else if (!read_address(text, &address)) {
        return CEDE_EINVAL;
    }
    *out = address;
    return CEDE_OK;
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* What does not fit is counted all the same. */
typedef struct writer {
    char *text;
    size_t room; /* without the NUL's */
    size_t length;
} writer;

static void put(writer *w, char c)
{
    if (w->length < w->room)
        w->text[w->length] = c;
    w->length++;
}

static void put_text(writer *w, const char *text)
{
    while (*text)
        put(w, *text++);
}

static void put_number(writer *w, uint32_t value, uint32_t base)
{
    char digits[10];
    uint32_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count)
        put(w, digits[--count]);
}

static void put_ipv4(writer *w, const uint8_t *ip)
{
    for (uint32_t i = 0; i < 4; i++) {
        if (i > 0)
            put(w, '.');
        put_number(w, ip[i], 10);
    }
}

static uint32_t group(const uint8_t *ip, uint32_t i)
{
    return (uint32_t)ip[2 * i] << 8 | ip[2 * i + 1];
}

/* The longest run of zeros, the first of several, not one alone (RFC 5952, 4.2). Its end; *from:
 * its beginning. */
static uint32_t longest_gap(const uint8_t *ip, uint32_t *from)
{
    uint32_t best = 1, end = 0;
    *from = 8;
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t k = i;
        while (k < 8 && group(ip, k) == 0)
            k++;
        if (k - i > best) {
            best = k - i;
            *from = i;
            end = k;
        }
        i = k > i ? k - 1 : i;
    }
    return end;
}

static void put_ipv6(writer *w, const uint8_t *ip)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint32_t gap, end = longest_gap(ip, &gap);
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        put_text(w, "::ffff:");
        put_ipv4(w, ip + 12);
        return;
    }
    for (uint32_t i = 0; i < 8; i++) {
        if (i == gap) {
            put_text(w, "::");
            i = end - 1;
            continue;
        }
        if (i > 0 && i != end)
            put(w, ':');
        put_number(w, group(ip, i), 16);
    }
}

static void put_ip(writer *w, const cede_address *address)
{
    bool bracket = address->family == CEDE_ADDRESS_IPV6 && address->port;
    if (bracket)
        put(w, '[');
    if (address->family == CEDE_ADDRESS_IPV4)
        put_ipv4(w, address->ip);
    else
        put_ipv6(w, address->ip);
    if (address->family == CEDE_ADDRESS_IPV6 && address->scope_id) {
        put(w, '%');
        put_number(w, address->scope_id, 10);
    }
    if (bracket)
        put(w, ']');
    if (address->port) {
        put(w, ':');
        put_number(w, address->port, 10);
    }
}

size_t cede_address_print(const cede_address *address, char *text, size_t room_bytes)
{
    writer w = {text, room_bytes ? room_bytes - 1 : 0, 0};
    switch (address->family) {
    case CEDE_ADDRESS_IPV4:
    case CEDE_ADDRESS_IPV6:
        put_ip(&w, address);
        break;
    case CEDE_ADDRESS_LOCAL:
        put_text(&w, local_mark);
        put_text(&w, address->path ? address->path : "");
        break;
    default:
        break;
    }
    if (room_bytes)
        text[w.length < w.room ? w.length : w.room] = '\0';
    return w.length;
}
