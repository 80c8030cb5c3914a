/*
 * Addresses as text: what is read, what is refused, what is written (RFC 4291, 5952); and that what
 * was written is read as it was, over random addresses. On POSIX inet_pton is asked as well.
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "cede/address.h"

#ifndef _WIN32
#include <arpa/inet.h>
#endif

#define GIVEN_PORT 7

#define V4(a, b, c, d, port)                           \
    {                                                  \
        CEDE_ADDRESS_IPV4, port, 0, {a, b, c, d}, NULL \
    }
#define V6(port, zone, ...)                                \
    {                                                      \
        CEDE_ADDRESS_IPV6, port, zone, {__VA_ARGS__}, NULL \
    }
#define ZEROS_8 0, 0, 0, 0, 0, 0, 0, 0

/* NULL: written as it was read. */
static const struct {
    const char *text;
    cede_address address;
    const char *written;
} readable[] = {
    {"192.0.2.1:80", V4(192, 0, 2, 1, 80), NULL},
    {"192.0.2.1", V4(192, 0, 2, 1, GIVEN_PORT), "192.0.2.1:7"},
    {"0.0.0.0:0", V4(0, 0, 0, 0, 0), "0.0.0.0"},
    {"255.255.255.255:65535", V4(255, 255, 255, 255, 65535), NULL},
    {"[::]:1", V6(1, 0, ZEROS_8), NULL},
    {"::", V6(GIVEN_PORT, 0, ZEROS_8), "[::]:7"},
    {"::1", V6(GIVEN_PORT, 0, ZEROS_8, 0, 0, 0, 0, 0, 0, 0, 1), "[::1]:7"},
    {"[::1]", V6(GIVEN_PORT, 0, ZEROS_8, 0, 0, 0, 0, 0, 0, 0, 1), "[::1]:7"},
    {"[::1]:0", V6(0, 0, ZEROS_8, 0, 0, 0, 0, 0, 0, 0, 1), "::1"},
    {"::1:80", V6(GIVEN_PORT, 0, ZEROS_8, 0, 0, 0, 0, 0, 1, 0, 0x80), "[::1:80]:7"},
    {"[fe80::1%3]:80", V6(80, 3, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), NULL},
    {"fe80::1%4294967295",
     V6(GIVEN_PORT, UINT32_MAX, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
     "[fe80::1%4294967295]:7"},
    {"fe80::1%0", V6(GIVEN_PORT, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
     "[fe80::1]:7"},
    {"2001:DB8::ABcd",
     V6(GIVEN_PORT, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd),
     "[2001:db8::abcd]:7"},
    {"2001:0db8:0000:0000:0000:0000:0000:0001",
     V6(GIVEN_PORT, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), "[2001:db8::1]:7"},
    /* one group is not compressed; of two equal runs the first; of two the longer */
    {"[1:0:2:3:4:5:6:7]:9", V6(9, 0, 0, 1, 0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7), NULL},
    {"1::2:3:4:5:6:7", V6(GIVEN_PORT, 0, 0, 1, 0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7),
     "[1:0:2:3:4:5:6:7]:7"},
    {"[1::2:0:0:3:4]:9", V6(9, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4),
     "[1::2:0:0:3:4]:9"},
    {"[1:0:0:2::3]:9", V6(9, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3), NULL},
    {"[1:2:3:4:5:6:7:8]:9", V6(9, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8), NULL},
    {"[1:2:3:4:5:6::]:9", V6(9, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 0, 0, 0), NULL},
    {"1:2:3:4:5:6:7::", V6(GIVEN_PORT, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0),
     "[1:2:3:4:5:6:7:0]:7"},
    {"::2:3:4:5:6:7:8", V6(GIVEN_PORT, 0, 0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8),
     "[0:2:3:4:5:6:7:8]:7"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295",
     V6(GIVEN_PORT, UINT32_MAX, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255),
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:7"},
    /* with an IPv4 address in it; only a mapped one is written so */
    {"[::ffff:192.0.2.1]:80", V6(80, 0, ZEROS_8, 0, 0, 255, 255, 192, 0, 2, 1), NULL},
    {"::ffff:c000:201", V6(GIVEN_PORT, 0, ZEROS_8, 0, 0, 255, 255, 192, 0, 2, 1),
     "[::ffff:192.0.2.1]:7"},
    {"::192.0.2.1", V6(GIVEN_PORT, 0, ZEROS_8, 0, 0, 0, 0, 192, 0, 2, 1), "[::c000:201]:7"},
    {"64:ff9b::192.0.2.1",
     V6(GIVEN_PORT, 0, 0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1),
     "[64:ff9b::c000:201]:7"},
    {"1:2:3:4:5:6:192.0.2.1", V6(GIVEN_PORT, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 192, 0, 2, 1),
     "[1:2:3:4:5:6:c000:201]:7"},
};

static const char *const refused[] = {
    "",
    " ",
    "x",
    "localhost",
    "a.b.c.d",
    ".",
    ":",
    "[",
    "]",
    "[]",
    "%",
    "%1",
    "unix",
    "unix:",
    "Unix:/x",
    /* IPv4 */
    "1",
    "1.",
    "1.2",
    "1.2.3",
    "1.2.3.",
    ".1.2.3",
    "1..2.3",
    "1.2.3.4.",
    "1.2.3.4.5",
    "256.1.1.1",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.04",
    "1.2.3.00",
    "1.2.3.1000",
    "1.2.3.99999999999999999999",
    "0x1.2.3.4",
    "+1.2.3.4",
    "-1.2.3.4",
    "1.2.3.-4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2. 3.4",
    "1.2.3.4x",
    "[1.2.3.4]",
    "[1.2.3.4]:80",
    "1.2.3.4%1",
    "1.2.3.4/8",
    /* ports */
    "1.2.3.4:",
    "1.2.3.4:65536",
    "1.2.3.4:99999999999999999999",
    "1.2.3.4:080",
    "1.2.3.4:00",
    "1.2.3.4:+1",
    "1.2.3.4:-1",
    "1.2.3.4: 1",
    "1.2.3.4:1 ",
    "1.2.3.4:1:1",
    "1.2.3.4:x",
    "1.2.3.4:http",
    "[::1]:",
    "[::1]:65536",
    "[::1]:01",
    "[::1]x",
    "[::1]80",
    "[::1] :80",
    "[::1]:80]",
    /* IPv6 */
    ":1",
    "1:",
    ":::",
    "::1:",
    ":1::2",
    "1:::2",
    "1::2::3",
    "::1::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "1:2:3:4:5:6:7:8:",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1:2:3:4::5:6:7:8",
    "12345::",
    "::00001",
    "g::",
    "::g",
    "0x1::",
    "::-1",
    "::1 ",
    " ::1",
    ":: 1",
    "::1/64",
    "[::1",
    "::1]",
    "[[::1]]",
    "[::1]]",
    "::1.2.3",
    "::1.2.3.4.5",
    "::1.2.3.4:5",
    "::256.1.1.1",
    "::01.1.1.1",
    "1.2.3.4::",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1:2:3:4:5:1.2.3.4",
    "::ffff:1.2.3.4:80",
    "::a1.2.3.4",
    "1:2:3:4:5:6:7::1.2.3.4",
    "1:2:3:4:5:6::1.2.3.4",
    /* zones */
    "fe80::1%",
    "fe80::1%eth0",
    "fe80::1%01",
    "fe80::1%4294967296",
    "fe80::1%-1",
    "fe80::1%1%1",
    "fe80::1% 1",
    "fe80::1%1:80",
    "[fe80::1%]:80",
    "[fe80::1]%1",
    "[fe80::1]%1:80",
    "fe80%1::1",
    "fe80::%1.2.3.4",
};

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static bool same(const cede_address *a, const cede_address *b)
{
    return a->family == b->family && a->port == b->port && a->scope_id == b->scope_id &&
           memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->path == b->path;
}

static void what_is_read_is_written(void)
{
    for (size_t i = 0; i < COUNT(readable); i++) {
        const char *text = readable[i].text;
        const char *written = readable[i].written ? readable[i].written : text;
        char seen[CEDE_ADDRESS_TEXT];
        cede_address address = {.family = 99};
        REQUIRE(cede_address_parse(text, GIVEN_PORT, &address) == CEDE_OK, "%s", text);
        REQUIRE(same(&address, &readable[i].address), "%s", text);
        REQUIRE(cede_address_print(&address, seen, sizeof seen) == strlen(written), "%s", text);
        REQUIRE(strcmp(seen, written) == 0, "%s is written as %s", text, seen);
    }
}

static void what_is_refused_changes_nothing(void)
{
    const cede_address before = {.family = 99, .port = 98, .scope_id = 97, .ip = {96}};
    cede_address address = before;
    for (size_t i = 0; i < COUNT(refused); i++) {
        REQUIRE(cede_address_parse(refused[i], GIVEN_PORT, &address) == CEDE_EINVAL, "%s",
                refused[i]);
        REQUIRE(same(&address, &before), "%s", refused[i]);
    }
    REQUIRE(cede_address_parse(NULL, 0, &address) == CEDE_EINVAL, "NULL");
}

static void local_addresses_point_into_the_text(void)
{
    char text[5 + CEDE_ADDRESS_PATH + 2] = "unix:/tmp/a socket:80";
    char seen[sizeof text];
    cede_address address;
    REQUIRE(cede_address_parse(text, GIVEN_PORT, &address) == CEDE_OK, "%s", text);
    REQUIRE(address.family == CEDE_ADDRESS_LOCAL && address.path == text + 5 && !address.port &&
                !address.scope_id,
            "%s", text);
    REQUIRE(cede_address_print(&address, seen, sizeof seen) == strlen(text), "%s", seen);
    REQUIRE(strcmp(seen, text) == 0, "%s", seen);
    memset(text + 5, 'x', CEDE_ADDRESS_PATH);
    text[5 + CEDE_ADDRESS_PATH] = '\0';
    REQUIRE(cede_address_parse(text, 0, &address) == CEDE_OK, "the longest");
    text[5 + CEDE_ADDRESS_PATH] = 'x';
    text[5 + CEDE_ADDRESS_PATH + 1] = '\0';
    REQUIRE(cede_address_parse(text, 0, &address) == CEDE_EINVAL, "too long");
    address = cede_address_local(NULL);
    REQUIRE(cede_address_print(&address, seen, sizeof seen) == 5 && !strcmp(seen, "unix:"), "%s",
            seen);
    address.family = CEDE_ADDRESS_NONE;
    REQUIRE(cede_address_print(&address, seen, sizeof seen) == 0 && !seen[0], "none");
}

/* Whatever room there is: as much as fits, a NUL, and the whole length. */
static void what_does_not_fit_is_cut(void)
{
    const char *whole = "[fe80::1:203%45]:678";
    cede_address address;
    char seen[CEDE_ADDRESS_TEXT];
    REQUIRE(cede_address_parse(whole, 0, &address) == CEDE_OK, "%s", whole);
    REQUIRE(cede_address_print(&address, NULL, 0) == strlen(whole), "no room at all");
    for (size_t room = 1; room < sizeof seen; room++) {
        size_t fits = room - 1 < strlen(whole) ? room - 1 : strlen(whole);
        memset(seen, '#', sizeof seen);
        REQUIRE(cede_address_print(&address, seen, room) == strlen(whole), "room for %zu", room);
        REQUIRE(memcmp(seen, whole, fits) == 0 && seen[fits] == '\0', "room for %zu", room);
        for (size_t i = fits + 1; i < sizeof seen; i++)
            REQUIRE(seen[i] == '#', "room for %zu, but %zu is written", room, i);
    }
}

/* ---- Random addresses ----------------------------------------------------------------------- */

static cede_address any_address(uint64_t *seed)
{
    cede_address address = {.family = CEDE_ADDRESS_IPV4};
    uint32_t bytes = 4;
    if (unit_below(seed, 4)) {
        address.family = CEDE_ADDRESS_IPV6;
        bytes = 16;
        if (unit_below(seed, 3) == 0)
            address.scope_id = (uint32_t)unit_random(seed);
    }
    if (unit_below(seed, 2))
        address.port = (uint16_t)unit_random(seed);
    for (uint32_t i = 0; i < bytes; i += 2) {
        uint32_t value = unit_below(seed, 2) ? 0 : (uint32_t)unit_random(seed);
        value &= 0xffffu >> unit_below(seed, 16);
        address.ip[i] = (uint8_t)(value >> 8);
        address.ip[i + 1] = (uint8_t)value;
    }
    if (bytes == 16 && unit_below(seed, 8) == 0) {
        memset(address.ip, 0, 10);
        memset(address.ip + 10, 0xff, 2);
    }
    return address;
}

/* What the system's reader says of an address alone: the same as ours. */
static void like_the_system(const char *text)
{
#ifndef _WIN32
    uint8_t ip[16] = {0};
    cede_address address;
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    bool good = cede_address_parse(text, 0, &address) == CEDE_OK;
    REQUIRE((inet_pton(family, text, ip) == 1) == good, "%s", text);
    REQUIRE(!good || memcmp(ip, address.ip, family == AF_INET ? 4 : 16) == 0, "%s", text);
#else
    (void)text;
#endif
}

static void bend(uint64_t *seed, char *text)
{
    static const char bits[] = "0123456789abcdefABF:.:.:.g";
    size_t length = strlen(text);
    for (uint64_t times = 1 + unit_below(seed, 3); times; times--) {
        size_t at = unit_below(seed, length + 1);
        char c = bits[unit_below(seed, sizeof bits - 1)];
        if (unit_below(seed, 3) == 0 && at < length) {
            text[at] = c;
        } else if (unit_below(seed, 2) && at < length) {
            memmove(text + at, text + at + 1, length - at);
            length--;
        } else {
            memmove(text + at + 1, text + at, length - at + 1);
            text[at] = c;
            length++;
        }
    }
}

static void what_is_written_is_read(uint64_t seed)
{
    for (uint32_t round = 0; round < 200000; round++) {
        cede_address address = any_address(&seed), seen = {.family = 99};
        char text[CEDE_ADDRESS_TEXT + 8], again[CEDE_ADDRESS_TEXT];
        size_t length = cede_address_print(&address, text, CEDE_ADDRESS_TEXT);
        REQUIRE(length < CEDE_ADDRESS_TEXT, "%zu", length);
        REQUIRE(cede_address_parse(text, 0, &seen) == CEDE_OK, "%s", text);
        REQUIRE(same(&address, &seen) && cede_address_equal(&address, &seen), "%s", text);
        cede_address_print(&seen, again, sizeof again);
        REQUIRE(strcmp(text, again) == 0, "%s and %s", text, again);
        address.port = 0;
        address.scope_id = 0;
        cede_address_print(&address, text, CEDE_ADDRESS_TEXT);
        like_the_system(text);
        bend(&seed, text);
        if (address.family == CEDE_ADDRESS_IPV6 && strchr(text, ':') &&
            text[strspn(text, "0123456789")] != '.')
            like_the_system(text);
    }
}

/* What makes two addresses one; and what is none. */
static void addresses_are_told_apart(void)
{
    const cede_address a = cede_ipv4(127, 0, 0, 1, 80);
    cede_address v6 = cede_address_loopback(CEDE_ADDRESS_IPV6, 80), b = a;
    cede_address here = cede_address_local("/a"), there = cede_address_local("/b");
    char again[] = "/a";
    REQUIRE(cede_address_equal(&a, &b), "one and the same");
    b.ip[4] = 1; /* is none of its */
    REQUIRE(cede_address_equal(&a, &b), "what an IPv4 address does not have");
    b.port = 81;
    REQUIRE(!cede_address_equal(&a, &b), "two ports");
    b = a;
    b.ip[3] = 2;
    REQUIRE(!cede_address_equal(&a, &b), "two hosts");
    REQUIRE(!cede_address_equal(&a, &v6), "two families");
    b = v6;
    b.family = CEDE_ADDRESS_IPV4;
    REQUIRE(!cede_address_equal(&v6, &b) && !cede_address_equal(&b, &v6), "nothing but these");
    b = v6;
    REQUIRE(cede_address_equal(&v6, &b), "one and the same");
    b.ip[15] = 2;
    REQUIRE(!cede_address_equal(&v6, &b), "two hosts");
    b = v6;
    b.scope_id = 1;
    REQUIRE(!cede_address_equal(&v6, &b), "two zones");
    REQUIRE(!cede_address_equal(&here, &there), "two paths");
    there.path = again;
    REQUIRE(cede_address_equal(&here, &there), "one path, twice in memory");
    there.path = NULL;
    REQUIRE(!cede_address_equal(&here, &there) && !cede_address_equal(&there, &here), "no path");
    here.path = NULL;
    REQUIRE(cede_address_equal(&here, &there), "none, twice");
    b = cede_address_any(77, 5);
    REQUIRE(b.family == CEDE_ADDRESS_NONE, "a family that there is not");
    REQUIRE(cede_address_any(CEDE_ADDRESS_IPV6, 5).family == CEDE_ADDRESS_IPV6, "one that is");
    REQUIRE(cede_address_loopback(77, 5).family == CEDE_ADDRESS_NONE, "no loopback there");
}

int main(int argc, char **argv)
{
    uint64_t seed = unit_seed(argc, argv);
    what_is_read_is_written();
    what_is_refused_changes_nothing();
    local_addresses_point_into_the_text();
    addresses_are_told_apart();
    what_does_not_fit_is_cut();
    what_is_written_is_read(seed);
    printf("%zu read, %zu refused\n", COUNT(readable), COUNT(refused));
    return 0;
}
