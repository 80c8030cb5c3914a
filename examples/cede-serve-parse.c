/*
 * cede-serve: the head of a request, read strictly. What the RFCs leave to the reader's leniency
 * (bare line feeds, folded lines, space before a colon, two lengths) is refused: lenient readers
 * disagree about where a request ends, and that is how requests are smuggled.
 */
#include "cede-serve-parse.h"

#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        c = (char)(c + ('a' - 'A'));
    return c;
}

bool serve_same(serve_text text, const char *other)
{
    size_t i = 0;
    for (; i < text.bytes && other[i]; i++) {
        if (lower(text.at[i]) != lower(other[i]))
            return false;
    }
    return i == text.bytes && !other[i];
}

/* All of its bytes are letters, digits, or among these others. */
static bool is_made_of(serve_text text, const char *others)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (!is_letter(text.at[i]) && !is_digit(text.at[i]) &&
            (text.at[i] == '\0' || !strchr(others, text.at[i])))
            return false;
    }
    return true;
}

static bool is_token(serve_text text)
{
    return text.bytes > 0 && is_made_of(text, "!#$%&'*+-.^_`|~");
}

/* Cuts the text at the first `c`; false: there is none, and *before is all of it. */
static bool cut(serve_text *text, char c, serve_text *before)
{
    const char *found = text->bytes ? memchr(text->at, c, text->bytes) : NULL;
    *before = *text;
    if (!found)
        return false;
    before->bytes = (size_t)(found - text->at);
    text->at = found + 1;
    text->bytes -= before->bytes + 1;
    return true;
}

static serve_text trim(serve_text text)
{
    while (text.bytes && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.bytes--;
    }
    while (text.bytes && (text.at[text.bytes - 1] == ' ' || text.at[text.bytes - 1] == '\t'))
        text.bytes--;
    return text;
}

/* Takes the next line off. 1: there is one; 0: it has not come whole; else a refusal, which comes
 * as soon as a byte has no place in any line. */
static int next_line(serve_text *rest, serve_text *line)
{
    for (size_t i = 0; i < rest->bytes; i++) {
        unsigned char c = (unsigned char)rest->at[i];
        if (c == '\r') {
            if (i + 1 == rest->bytes)
                return 0;
            if (rest->at[i + 1] != '\n')
                return -400;
            line->at = rest->at;
            line->bytes = i;
            rest->at += i + 2;
            rest->bytes -= i + 2;
            return 1;
        }
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return -400;
    }
    return 0;
}

/* ---- The request line ----------------------------------------------------------------------- */

static int method_of(serve_text name)
{
    /* What HTTP and PATCH's RFC 5789 know, in the order of the numbers. */
    static const char *const names[] = {"GET",    "HEAD",  "OPTIONS", "POST",   "PUT",
                                        "DELETE", "PATCH", "TRACE",   "CONNECT"};
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++) {
        if (name.bytes == strlen(names[i]) && memcmp(name.at, names[i], name.bytes) == 0)
            return i < SERVE_NOT_ALLOWED ? i : SERVE_NOT_ALLOWED;
    }
    return SERVE_UNKNOWN;
}

/* "http://host/path": the path is what follows the host. */
static bool skip_authority(serve_text *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (int i = 0; i < 2; i++) {
        serve_text scheme = {target->at, strlen(schemes[i])}, host, rest;
        if (target->bytes <= scheme.bytes || !serve_same(scheme, schemes[i]))
            continue;
        rest.at = target->at + scheme.bytes;
        rest.bytes = target->bytes - scheme.bytes;
        host = rest;
        for (host.bytes = 0; host.bytes < rest.bytes && !strchr("/?", host.at[host.bytes]);)
            host.bytes++;
        target->at = host.at + host.bytes;
        target->bytes = rest.bytes - host.bytes;
        return host.bytes > 0;
    }
    return false;
}

static int parse_target(serve_request *out)
{
    serve_text rest = out->target;
    for (size_t i = 0; i < rest.bytes; i++) {
        if (rest.at[i] <= ' ' || rest.at[i] > '~' || rest.at[i] == '#')
            return -400;
    }
    if (out->method == SERVE_NOT_ALLOWED && serve_same(out->method_name, "CONNECT"))
        return 0;
    if (rest.bytes == 1 && rest.at[0] == '*')
        return out->method == SERVE_OPTIONS ? 0 : -400;
    if (rest.bytes == 0 || (rest.at[0] != '/' && !skip_authority(&rest)))
        return -400;
    cut(&rest, '?', &out->path); /* a file does not ask what the query is */
    if (out->path.bytes == 0)
        out->path = (serve_text){"/", 1}; /* "http://host" */
    return 0;
}

static int parse_request_line(serve_text line, serve_request *out)
{
    bool method = cut(&line, ' ', &out->method_name), target = cut(&line, ' ', &out->target);
    if (!method || !is_token(out->method_name))
        return -400;
    if (out->target.bytes > SERVE_TARGET_MOST)
        return -414;
    if (!target || line.bytes != 8 || memcmp(line.at, "HTTP/", 5) != 0 || !is_digit(line.at[5]) ||
        line.at[6] != '.' || !is_digit(line.at[7]))
        return -400;
    if (line.at[5] != '1')
        return -505;
    out->minor = (unsigned)(line.at[7] - '0');
    out->method = method_of(out->method_name);
    return parse_target(out);
}

/* ---- Fields --------------------------------------------------------------------------------- */

/* What the fields have said, until all are there. */
struct framing {
    unsigned hosts, lengths, codings;
    bool close, keep_alive;
};

static int parse_length(serve_text value, serve_request *out)
{
    if (value.bytes == 0 || value.bytes > 18)
        return -400;
    for (size_t i = 0; i < value.bytes; i++) {
        if (!is_digit(value.at[i]))
            return -400;
        out->body_bytes = out->body_bytes * 10 + (uint64_t)(value.at[i] - '0');
    }
    return 0;
}

static void parse_connection(serve_text value, struct framing *framing)
{
    bool more = true;
    while (more) {
        serve_text option;
        more = cut(&value, ',', &option);
        option = trim(option);
        framing->close |= serve_same(option, "close");
        framing->keep_alive |= serve_same(option, "keep-alive");
    }
}

static void keep(serve_text name, serve_text value, serve_request *out)
{
    const struct {
        const char *name;
        serve_text *place;
    } kept[] = {{"Range", &out->range},
                {"If-Range", &out->if_range},
                {"If-Match", &out->if_match},
                {"If-None-Match", &out->if_none_match},
                {"If-Modified-Since", &out->if_modified_since},
                {"If-Unmodified-Since", &out->if_unmodified_since}};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (!serve_same(name, kept[i].name))
            continue;
        if (kept[i].place->at)
            value.bytes = 0; /* the second: an empty one means nothing, as does none */
        *kept[i].place = value;
    }
}

static int parse_field(serve_text line, struct framing *framing, serve_request *out)
{
    serve_text name;
    if (!cut(&line, ':', &name) || !is_token(name))
        return -400; /* also a line that begins with a space: the fold of old */
    line = trim(line);
    if (serve_same(name, "Host")) {
        framing->hosts++;
        return is_made_of(line, "-._~%!$&'()*+,;=:[]") ? 0 : -400;
    }
    if (serve_same(name, "Content-Length"))
        return framing->lengths++ ? -400 : parse_length(line, out);
    if (serve_same(name, "Transfer-Encoding")) {
        out->chunked = serve_same(line, "chunked");
        return framing->codings++ ? -400 : out->chunked ? 0 : -501;
    }
    if (serve_same(name, "Expect")) {
        out->expects = true;
        return serve_same(line, "100-continue") ? 0 : -417;
    }
    if (serve_same(name, "Connection"))
        parse_connection(line, framing);
    else
        keep(name, line, out);
    return 0;
}

/* All fields are there: do they agree (RFC 9112 3.2, 6.1)? */
static int judge(const struct framing *framing, serve_request *out)
{
    if (framing->hosts != 1 && (out->minor > 0 || framing->hosts > 1))
        return -400;
    if (framing->codings && (framing->lengths || out->minor == 0))
        return -400;
    out->expects &= out->minor > 0;
    out->keep_alive = !framing->close && (out->minor > 0 || framing->keep_alive);
    return 0;
}

int serve_parse(const char *bytes, size_t count, serve_request *out)
{
    serve_text rest = {bytes, count < SERVE_HEAD_MOST ? count : SERVE_HEAD_MOST}, line;
    struct framing framing = {0};
    int status, fields = -1; /* the request line is not one */
    memset(out, 0, sizeof *out);
    while (rest.bytes >= 2 && rest.at[0] == '\r' && rest.at[1] == '\n') {
        rest.at += 2; /* an empty line behind the last request (RFC 9112 2.2) */
        rest.bytes -= 2;
    }
    while ((status = next_line(&rest, &line)) > 0) {
        if (fields >= 0 && line.bytes == 0) {
            status = judge(&framing, out);
            return status ? status : (int)(rest.at - bytes);
        }
        status = fields < 0 ? parse_request_line(line, out) : parse_field(line, &framing, out);
        if (status)
            return status;
        if (++fields > SERVE_FIELDS_MOST)
            return -431;
    }
    if (status == 0 && count >= SERVE_HEAD_MOST)
        return fields < 0 ? -414 : -431;
    return status;
}

/* ---- The path ------------------------------------------------------------------------------- */

static int hex(char c)
{
    if (is_digit(c))
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next byte of a path, decoded: 0 to 255, or a refusal. */
static int next_byte(serve_text *path)
{
    int high, low, c = (unsigned char)path->at[0];
    if (c != '%') {
        path->at++;
        path->bytes--;
        return c;
    }
    if (path->bytes < 3)
        return -400;
    high = hex(path->at[1]);
    low = hex(path->at[2]);
    path->at += 3;
    path->bytes -= 3;
    if (high < 0 || low < 0 || high + low == 0)
        return -400;
    /* A slash inside a name: no file is called so. */
    return high * 16 + low == '/' ? -404 : high * 16 + low;
}

/* Judges the segment that ends at `length`; returns where the next begins. */
static int end_segment(char *out, int start, int length, bool hidden, bool slash)
{
    if (length == start)
        return start;
    if (out[start] == '.') {
        if (length == start + 1)
            return start; /* "." */
        if (length == start + 2 && out[start + 1] == '.')
            return -400;
        if (!hidden)
            return -404;
    }
    if (slash)
        out[length++] = '/';
    return length;
}

int serve_path(serve_text path, bool hidden, char *out, size_t room_bytes)
{
    int start = 0, length = 0;
    while (path.bytes) {
        bool slash = path.at[0] == '/';
        int c = next_byte(&path);
        if (c < 0)
            return c;
        if ((size_t)length + 2 > room_bytes)
            return -414;
        if (slash)
            start = length = end_segment(out, start, length, hidden, true);
        else
            out[length++] = (char)c;
        if (length < 0)
            return length;
    }
    length = end_segment(out, start, length, hidden, false);
    if (length >= 0 && room_bytes)
        out[length] = '\0';
    return length;
}
