/*
 * Names in the system's units and as ours. Names here are any 16-bit units, of which UTF-16 is only
 * what is well formed. So ours are UTF-8, and a surrogate that has no partner is three bytes of the
 * same form (which is called WTF-8): else a name that has one could not be told, or would be told
 * as that of another file. Two that belong together are one character, of four bytes, and in no
 * other way, so that each name has one form. Stateless; any thread.
 */
#include "path.h"

#define NONE UINT32_MAX

static bool is_first(uint32_t point)
{
    return point >= 0xd800 && point < 0xdc00;
}

static bool is_second(uint32_t point)
{
    return point >= 0xdc00 && point < 0xe000;
}

/* The character at *at, and moves on. NONE: there is none. */
static uint32_t take_bytes(const unsigned char **at)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *from = *at;
    uint32_t point = *from++, more;
    if (point >= 0x80) {
        if (point < 0xc0 || point >= 0xf8)
            return NONE;
        more = point < 0xe0 ? 1 : point < 0xf0 ? 2 : 3;
        point &= 0x3fu >> more;
        for (uint32_t i = 0; i < more; i++) {
            if ((*from & 0xc0) != 0x80)
                return NONE;
            point = point << 6 | (*from++ & 0x3fu);
        }
        if (point < least[more] || point > 0x10ffff)
            return NONE;
    }
    *at = from;
    return point;
}

static uint32_t take_units(const wchar_t **at, const wchar_t *end)
{
    uint32_t point = *(*at)++;
    if (is_first(point) && *at < end && is_second(**at))
        point = 0x10000 + ((point & 0x3ff) << 10 | (*(*at)++ & 0x3ffu));
    return point;
}

uint32_t cedi_win_text(wchar_t *out, uint32_t units, const char *utf8)
{
    const unsigned char *at = (const unsigned char *)utf8;
    uint32_t used = 0, before = 0;
    if (!*at)
        return ERROR_FILE_NOT_FOUND;
    while (*at) {
        uint32_t point = take_bytes(&at), more = point >= 0x10000 ? 2 : 1;
        if (point == NONE || (is_first(before) && is_second(point)))
            return ERROR_NO_UNICODE_TRANSLATION;
        if (used + more >= units) /* behind it is a NUL */
            return ERROR_FILENAME_EXCED_RANGE;
        if (more == 2) {
            out[used++] = (wchar_t)(0xd800 + ((point - 0x10000) >> 10));
            out[used++] = (wchar_t)(0xdc00 + (point & 0x3ff));
        } else {
            out[used++] = (wchar_t)point;
        }
        before = point;
    }
    out[used] = 0;
    return 0;
}

size_t cedi_win_utf8(char *out, size_t room, const wchar_t *text, size_t units)
{
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    const wchar_t *end = text + units;
    size_t used = 0;
    while (text < end) {
        uint32_t point = take_units(&text, end);
        size_t bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        if (used + bytes > room)
            return 0;
        for (size_t i = bytes - 1; i > 0; i--) {
            out[used + i] = (char)(0x80 | (point & 0x3f));
            point >>= 6;
        }
        out[used] = (char)(bytes > 1 ? first[bytes] | point : point);
        used += bytes;
    }
    return used;
}
