/*
 * cede-serve: conditions, ranges, dates, types, escapes.
 */
#include "cede-serve-parse.h"

#include <stdio.h>
#include <string.h>

static bool equal(serve_text text, const char *other)
{
    return text.bytes == strlen(other) && memcmp(text.at, other, text.bytes) == 0;
}

/* ---- Dates ---------------------------------------------------------------------------------- */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Days from 1970-01-01 to a day of the Gregorian calendar, whose year begins in March here, so
 * that a leap day is its last. */
static int64_t days_to(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

void serve_print_date(int64_t seconds, char out[SERVE_DATE_BYTES])
{
    static const char week[] = "ThuFriSatSunMonTueWed";
    const int64_t first = days_to(1, 1, 1) * 86400, last = days_to(10000, 1, 1) * 86400 - 1;
    int64_t days, rest, year;
    unsigned month = 12, day;
    if (seconds < first || seconds > last)
        seconds = seconds < first ? first : last;
    days = (seconds - first) / 86400 + first / 86400;
    rest = seconds - days * 86400;
    year = 1970 + days * 400 / 146097;
    while (days_to(year, 1, 1) > days)
        year--;
    while (days_to(year + 1, 1, 1) <= days)
        year++;
    while (days_to(year, month, 1) > days)
        month--;
    day = (unsigned)(days - days_to(year, month, 1)) + 1;
    snprintf(out, SERVE_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
             week + (days % 7 + 7) % 7 * 3, day % 100, months + ((month - 1) * 3),
             (unsigned)year % 10000, (unsigned)(rest / 3600) % 24, (unsigned)(rest / 60) % 60,
             (unsigned)rest % 60);
}

bool serve_parse_date(serve_text text, int64_t *seconds)
{
    static const char *const forms[] = {
        "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", /* the one in use */
        "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", /* RFC 850 */
        "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n"       /* asctime */
    };
    char copy[40], name[4] = "";
    int day = 0, year = 0, hour = 0, minute = 0, second = 0, end = 0, form = 0;
    const char *found;
    if (text.bytes == 0 || text.bytes >= sizeof copy)
        return false;
    memcpy(copy, text.at, text.bytes);
    copy[text.bytes] = '\0';
    for (; form < 3 && end == 0; form++) {
        if (form < 2)
            sscanf(copy, forms[form], &day, name, &year, &hour, &minute, &second, &end);
        else
            sscanf(copy, forms[form], name, &day, &hour, &minute, &second, &year, &end);
    }
    found = strlen(name) == 3 ? strstr(months, name) : NULL;
    if (end == 0 || (size_t)end != text.bytes || !found || (found - months) % 3 != 0)
        return false;
    if (form == 2) /* two digits: of the century that makes it least far away, about now */
        year += year < 70 ? 2000 : 1900;
    if (day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
        second > 60 || year < 1)
        return false;
    *seconds = days_to(year, (unsigned)(found - months) / 3 + 1, (unsigned)day) * 86400 +
               hour * 3600 + minute * 60 + second;
    return true;
}

/* ---- Conditions ----------------------------------------------------------------------------- */

/* Whether a list like "a", W/"b" or * has the tag. A weak one in it means "as good as", which is
 * enough to say that nothing is new, and not to put ranges together. */
static bool has_tag(serve_text list, const char *tag, bool weak_too)
{
    const char *at = list.at, *end = at + list.bytes;
    if (equal(list, "*"))
        return true;
    while (at < end) {
        bool weak = end - at > 2 && at[0] == 'W' && at[1] == '/';
        serve_text one;
        const char *close;
        at += weak ? 2 : 0;
        close = *at == '"' ? memchr(at + 1, '"', (size_t)(end - at - 1)) : NULL;
        if (!close)
            return false;
        one = (serve_text){at, (size_t)(close + 1 - at)};
        if (equal(one, tag) && (weak_too || !weak))
            return true;
        for (at = close + 1; at < end && (*at == ' ' || *at == '\t' || *at == ',');)
            at++;
    }
    return false;
}

int serve_conditions(const serve_request *request, const char *tag, int64_t modified)
{
    int64_t since;
    if (request->if_match.bytes) {
        if (!has_tag(request->if_match, tag, false))
            return 412;
    } else if (serve_parse_date(request->if_unmodified_since, &since) && modified > since) {
        return 412;
    }
    if (request->if_none_match.bytes)
        return has_tag(request->if_none_match, tag, true) ? 304 : 200;
    return serve_parse_date(request->if_modified_since, &since) && modified <= since ? 304 : 200;
}

/* ---- Ranges --------------------------------------------------------------------------------- */

/* Digits, at most 18 of them. */
static bool number(serve_text *text, uint64_t *value)
{
    size_t digits = 0;
    *value = 0;
    while (digits < text->bytes && text->at[digits] >= '0' && text->at[digits] <= '9')
        *value = *value * 10 + (uint64_t)(text->at[digits++] - '0');
    text->at += digits;
    text->bytes -= digits;
    return digits > 0 && digits <= 18;
}

static bool same_file(const serve_request *request, const char *tag, int64_t modified)
{
    int64_t date;
    if (request->if_range.bytes == 0)
        return !request->if_range.at; /* two of them: who knows */
    if (serve_parse_date(request->if_range, &date))
        return date == modified;
    return has_tag(request->if_range, tag, false);
}

int serve_range(const serve_request *request, const char *tag, int64_t modified, uint64_t size,
                uint64_t *first, uint64_t *bytes)
{
    serve_text text = request->range, unit = {text.at, 6};
    uint64_t from = 0, last = UINT64_MAX;
    bool suffix;
    *first = 0;
    *bytes = size;
    if (text.bytes < 8 || !serve_same(unit, "bytes=") || !same_file(request, tag, modified))
        return 200;
    text.at += unit.bytes;
    text.bytes -= unit.bytes;
    suffix = text.at[0] == '-';
    if (!suffix && !number(&text, &from))
        return 200;
    if (text.bytes == 0 || text.at[0] != '-')
        return 200;
    text.at++;
    text.bytes--;
    if ((suffix || text.bytes) && (!number(&text, &last) || text.bytes || last < from))
        return 200; /* a comma, say: of several, all is the answer */
    if (suffix) {
        from = last < size ? size - last : 0; /* of the last 0 bytes: at the end */
        last = UINT64_MAX;
    }
    if (from >= size)
        return 416;
    *first = from;
    *bytes = (last < size ? last + 1 : size) - from;
    return 206;
}

/* ---- Types and escapes ---------------------------------------------------------------------- */

const char *serve_type(const char *name)
{
    static const char *const types[][2] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"json", "application/json"},
        {"map", "application/json"},
        {"xml", "application/xml"},
        {"xhtml", "application/xhtml+xml"},
        {"rss", "application/rss+xml"},
        {"atom", "application/atom+xml"},
        {"webmanifest", "application/manifest+json"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"c", "text/plain; charset=utf-8"},
        {"h", "text/plain; charset=utf-8"},
        {"log", "text/plain; charset=utf-8"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"avif", "image/avif"},
        {"ico", "image/vnd.microsoft.icon"},
        {"bmp", "image/bmp"},
        {"woff", "font/woff"},
        {"woff2", "font/woff2"},
        {"ttf", "font/ttf"},
        {"otf", "font/otf"},
        {"mp3", "audio/mpeg"},
        {"m4a", "audio/mp4"},
        {"ogg", "audio/ogg"},
        {"opus", "audio/ogg"},
        {"flac", "audio/flac"},
        {"wav", "audio/wav"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
        {"ogv", "video/ogg"},
        {"pdf", "application/pdf"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"wasm", "application/wasm"},
    };
    const char *dot = strrchr(name, '.'), *slash = strrchr(name, '/');
    if (dot && (!slash || dot > slash)) {
        serve_text ending = {dot + 1, strlen(dot + 1)};
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            if (serve_same(ending, types[i][0]))
                return types[i][1];
        }
    }
    return "application/octet-stream";
}

size_t serve_escape_html(const char *text, char *out)
{
    static const char special[] = "&<>\"'";
    static const char *const written[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    size_t length = 0;
    for (; *text; text++) {
        const char *found = strchr(special, *text);
        size_t bytes = found ? strlen(written[found - special]) : 1;
        memcpy(out + length, found ? written[found - special] : text, bytes);
        length += bytes;
    }
    return length;
}

size_t serve_escape_path(const char *text, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~/", c)) {
            out[length++] = (char)c;
        } else {
            out[length++] = '%';
            out[length++] = digits[c >> 4];
            out[length++] = digits[c & 15];
        }
    }
    return length;
}
