/*
 * Look-ups of number addresses: the core answers them, before a backend hears of them.
 *
 * Systems read numbers each in its own way. inet_aton(3), and with it getaddrinfo(3), takes
 * "127.1", "0x7f.1", "2130706433" and, in octal, "0177.0.0.1"; who looks at the text to see whether
 * a host may be asked is led by such forms to another address than he saw. So one reader,
 * cede_address_parse, is for all systems; what merely looks like a number is no name, and no system
 * is asked for it (law 16).
 */
#include "lookup.h"

#include <string.h>

/* Without a port, and without brackets, which are there for a port. */
static bool read_number(const char *host, cede_address *out)
{
    if (host[0] == '[' || cede_address_parse(host, 0, out) != CEDE_OK)
        return false;
    return out->family == CEDE_ADDRESS_IPV6 ||
           (out->family == CEDE_ADDRESS_IPV4 && !strchr(host, ':'));
}

/* "10", "010", "0x10": the bytes that a reader of whatever kind would take for one number. */
static size_t number_bytes(const char *text)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return 2 + strspn(text + 2, "0123456789abcdefABCDEF");
    return strspn(text, "0123456789");
}

/* A colon is in no name. Numbers with dots between them, however many, are none either: what a
 * domain ends with is no number (RFC 3696, 2). One more dot behind them changes nothing. */
static bool looks_like_number(const char *host)
{
    if (strchr(host, ':'))
        return true;
    for (;;) {
        size_t bytes = number_bytes(host);
        host += bytes;
        if (bytes == 0 || (*host && *host != '.'))
            return false;
        if (host[0] == '\0' || host[1] == '\0')
            return true;
        host++;
    }
}

static bool is_wanted(const cede_address *address, uint32_t flags)
{
    uint32_t family = address->family == CEDE_ADDRESS_IPV4 ? CEDE_LOOKUP_IPV4 : CEDE_LOOKUP_IPV6;
    return flags == 0 || (flags & family);
}

bool cedi_lookup_number(cede_loop *loop, cedi_slot *slot)
{
    const cede_args *args = cedi_check_args(slot);
    cede_address number = {0};
    bool is_number = read_number(args->path.path, &number);
    bool is_mine = is_number || looks_like_number(args->path.path);
    bool found = is_number && is_wanted(&number, args->path.flags);
    if (found && args->path.length_bytes > 0) {
        number.port = (uint16_t)args->path.mode;
        cedi_check_touch(slot, true, true);
        memcpy(args->path.out, &number, sizeof number);
        cedi_check_touch(slot, false, true);
    }
    cedi_check_touch(slot, false, false);
    if (!is_mine)
        return false;
    loop->started++;
    cedi_req_taken(loop, slot);
    cede_core_done((cede_core *)loop, cedi_slot_token(slot), found ? CEDE_OK : CEDE_ENONAME, 0,
                   found);
    return true;
}
