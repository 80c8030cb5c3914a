/*
 * serve_parse: cede-serve's pure functions, by tables. Each head is also given in every shorter
 * part, from memory that ends where it ends: no part may be taken for a whole, nor be read beyond.
 */
#include "../../examples/cede-serve-parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void expect(long long got, long long expected, const char *what, const char *of)
{
    if (got == expected)
        return;
    printf("%s of %.60s is %lld, not %lld\n", what, of, got, expected);
    failures++;
}

static serve_text text_of(const char *text)
{
    return (serve_text){text, text ? strlen(text) : 0};
}

static int parse_part(const char *text, size_t bytes, serve_request *out)
{
    char *part = malloc(bytes ? bytes : 1);
    int result;
    if (!part)
        abort();
    memcpy(part, text, bytes);
    result = serve_parse(part, bytes, out);
    free(part);
    return result;
}

/* status 0: a head that is whole; behind it lies more. */
static const struct {
    const char *text;
    int status;
    int method;
    bool keep_alive;
    uint64_t body_bytes;
    const char *path;
} heads[] = {
    {"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", 0, SERVE_GET, true, 0, "/a"},
    {"\r\n\r\nGET / HTTP/1.1\r\nhOST:x\r\n\r\n", 0, SERVE_GET, true, 0, "/"},
    {"HEAD / HTTP/1.0\r\n\r\n", 0, SERVE_HEAD, false, 0, "/"},
    {"HEAD / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", 0, SERVE_HEAD, true, 0, "/"},
    {"GET / HTTP/1.1\r\nHost:\r\nConnection: keep-alive, close\r\n\r\n", 0, SERVE_GET, false, 0,
     "/"},
    {"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0, SERVE_OPTIONS, true, 0, ""},
    {"PUT /x HTTP/1.9\r\nHost: x\r\nContent-Length: \t12 \r\n\r\n", 0, SERVE_NOT_ALLOWED, true, 12,
     "/x"},
    {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n", 0, SERVE_NOT_ALLOWED, true,
     0, "/"},
    {"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 0, SERVE_NOT_ALLOWED, true, 0, ""},
    {"get / HTTP/1.1\r\nHost: x\r\n\r\n", 0, SERVE_UNKNOWN, true, 0, "/"},
    {"GET HTTP://x:1?q HTTP/1.1\r\nHost: x\r\n\r\n", 0, SERVE_GET, true, 0, "/"},
    {"GET https://x/y/z HTTP/1.1\r\nHost: x\r\n\r\n", 0, SERVE_GET, true, 0, "/y/z"},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999999\r\n\r\n", 0, SERVE_GET, true,
     999999999999999999, "/"},
    {"GET / HTTP/1.1\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1,1\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000000000\r\n\r\n", 400, 0, false, 0,
     NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400, 0,
     false, 0, NULL},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n", 417, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nA B: x\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nA : x\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: a\rb\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\nA: a\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400, 0, false, 0, NULL},
    {"GET /\r\n", 400, 0, false, 0, NULL},
    {"GET\r\n", 400, 0, false, 0, NULL},
    {"\r\n \r\n", 400, 0, false, 0, NULL},
    {"G/T / HTTP/1.1\r\n", 400, 0, false, 0, NULL},
    {"GET a HTTP/1.1\r\n", 400, 0, false, 0, NULL},
    {"GET * HTTP/1.1\r\n", 400, 0, false, 0, NULL},
    {"GET http:///x HTTP/1.1\r\n", 400, 0, false, 0, NULL},
    {"GET ftp://x/ HTTP/1.1\r\n", 400, 0, false, 0, NULL},
    {"GET /# HTTP/1.1\r\n", 400, 0, false, 0, NULL},
    {"GET /\xc3\xbc HTTP/1.1\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/0.9\r\n", 505, 0, false, 0, NULL},
    {"GET / HTTP/2.0\r\n", 505, 0, false, 0, NULL},
    {"GET / http/1.1\r\n", 400, 0, false, 0, NULL},
    {"GET / HTTP/1.10\r\n", 400, 0, false, 0, NULL},
};

static void test_heads(void)
{
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const char *text = heads[i].text;
        size_t bytes = strlen(text);
        serve_request request;
        int result = parse_part(text, bytes, &request);
        if (heads[i].status) {
            expect(result, -heads[i].status, "the status", text);
            continue;
        }
        for (size_t part = 0; part < bytes; part++)
            expect(parse_part(text, part, &request), 0, "a part", text);
        char *more = malloc(bytes + 9);
        if (!more)
            abort();
        memcpy(more, text, bytes);
        memcpy(more + bytes, "GET / \x01\n\r", 9);
        expect(serve_parse(more, bytes + 9, &request), (long long)bytes, "the length", text);
        expect(request.method, heads[i].method, "the method", text);
        expect(request.keep_alive, heads[i].keep_alive, "keep_alive", text);
        expect((long long)request.body_bytes, (long long)heads[i].body_bytes, "the body", text);
        expect(request.chunked, strstr(text, "hunked") != NULL, "chunked", text);
        expect(request.path.bytes == strlen(heads[i].path) &&
                   (request.path.bytes == 0 ||
                    memcmp(request.path.at, heads[i].path, request.path.bytes) == 0),
               1, "the path", text);
        free(more);
    }
}

/* The limits, at the last byte that is let through and at the first that is not. */
static void test_limits(void)
{
    enum { ROOM = 2 * SERVE_HEAD_MOST };
    char *text = malloc(ROOM);
    serve_request request;
    int length;
    if (!text)
        abort();
    for (int over = 0; over < 2; over++) {
        length = snprintf(text, ROOM, "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n",
                          SERVE_TARGET_MOST - 1 + over, 0);
        expect(parse_part(text, (size_t)length, &request), over ? -414 : length, "the answer",
               "a long target");
        length = snprintf(text, ROOM, "GET / HTTP/1.1\r\nHost: x\r\nA: ");
        length +=
            snprintf(text + length, ROOM, "%0*d\r\n\r\n", SERVE_HEAD_MOST - 4 - length + over, 0);
        expect(parse_part(text, (size_t)length, &request), over ? -431 : length, "the answer",
               "a long head");
        length = snprintf(text, ROOM, "GET / HTTP/1.1\r\nHost: x\r\n");
        for (int i = 1; i < SERVE_FIELDS_MOST + over; i++)
            length += snprintf(text + length, ROOM, "A: x\r\n");
        length += snprintf(text + length, ROOM, "\r\n");
        expect(parse_part(text, (size_t)length, &request), over ? -431 : length, "the answer",
               "many fields");
        memset(text, over ? 'A' : '\n', ROOM);
        for (int i = 0; !over && i < ROOM; i += 2)
            text[i] = '\r';
        expect(parse_part(text, SERVE_HEAD_MOST, &request), -414, "the answer", "no request");
        expect(parse_part(text, SERVE_HEAD_MOST - 1, &request), 0, "the answer", "no request yet");
    }
    free(text);
}

static void test_paths(void)
{
    static const struct {
        const char *path;
        bool hidden;
        const char *expected; /* NULL: refused with this status */
        int status;
    } paths[] = {
        {"/", false, "", 0},
        {"//", false, "", 0},
        {"/a", false, "a", 0},
        {"/a/", false, "a/", 0},
        {"//a///b//", false, "a/b/", 0},
        {"/./a/./b/.", false, "a/b/", 0},
        {"/%61%20b/%C3%bc", false, "a b/\xc3\xbc", 0},
        {"/%2541", false, "%41", 0},
        {"/a+b", false, "a+b", 0},
        {"/%2e/a", false, "a", 0},
        {"/..", true, NULL, 400},
        {"/a/../b", true, NULL, 400},
        {"/a/%2E%2e", true, NULL, 400},
        {"/%00", true, NULL, 400},
        {"/%", true, NULL, 400},
        {"/%4", true, NULL, 400},
        {"/%4g", true, NULL, 400},
        {"/a%2Fb", true, NULL, 404},
        {"/..%2f..", true, NULL, 404},
        {"/.git/x", false, NULL, 404},
        {"/a/.git", false, NULL, 404},
        {"/...", false, NULL, 404},
        {"/.git/x", true, ".git/x", 0},
        {"/...", true, "...", 0},
        {"/.../", true, ".../", 0},
    };
    char out[64];
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int length = serve_path(text_of(paths[i].path), paths[i].hidden, out, sizeof out);
        if (!paths[i].expected)
            expect(length, -paths[i].status, "the status", paths[i].path);
        else if (length < 0 || strcmp(out, paths[i].expected) != 0)
            expect(length, (long long)strlen(paths[i].expected), "the decoded path", paths[i].path);
    }
    expect(serve_path(text_of("/abcdefg"), false, out, 8), 7, "just room", "a path");
    expect(serve_path(text_of("/abcdefgh"), false, out, 8), -414, "no room", "a path");
    expect(serve_path(text_of("/abcdefg/"), false, out, 8), -414, "no room", "a directory's path");
}

static void test_dates(void)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } dates[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Thu, 29 Feb 2024 12:00:00 GMT", 1709208000},
        {"Fri, 01 Mar 2024 00:00:00 GMT", 1709251200},
        {"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
        {"Tue, 29 Feb 2000 23:59:59 GMT", 951868799},
        {"Mon, 01 Jan 0001 00:00:00 GMT", -62135596800},
    };
    static const char *const wrong[] = {"",
                                        "yesterday",
                                        "Sun, 06 Nov 1994 08:49:37",
                                        "Sun, 06 Nov 1994 08:49:37 GMT ",
                                        "Sun, 06 Nox 1994 08:49:37 GMT",
                                        "Sun, 06 anF 1994 08:49:37 GMT",
                                        "Sun, 32 Nov 1994 08:49:37 GMT",
                                        "Sun, 06 Nov 1994 24:49:37 GMT",
                                        "Sun, 06 Nov -994 08:49:37 GMT",
                                        "Sun, 06 Nov 0000 08:49:37 GMT",
                                        "Sun, 06 Nov 1994 08:49:37 GMT and a lot more behind it"};
    char text[SERVE_DATE_BYTES];
    int64_t seconds = 0;
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        expect(serve_parse_date(text_of(dates[i].text), &seconds), 1, "parsing", dates[i].text);
        expect(seconds, dates[i].seconds, "the time", dates[i].text);
        serve_print_date(seconds, text);
        expect(strcmp(text, dates[i].text), 0, text, dates[i].text);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect(serve_parse_date(text_of(wrong[i]), &seconds), 0, "parsing", wrong[i]);
    expect(serve_parse_date(text_of("Sunday, 06-Nov-94 08:49:37 GMT"), &seconds), 1, "parsing",
           "RFC 850's form");
    expect(seconds, 784111777, "the time", "RFC 850's form");
    expect(serve_parse_date(text_of("Sun Nov  6 08:49:37 1994"), &seconds), 1, "parsing",
           "asctime's form");
    expect(seconds, 784111777, "the time", "asctime's form");
    serve_print_date(INT64_MAX, text);
    expect(strcmp(text, "Fri, 31 Dec 9999 23:59:59 GMT"), 0, text, "the last time");
    serve_print_date(INT64_MIN, text);
    expect(strcmp(text, "Mon, 01 Jan 0001 00:00:00 GMT"), 0, text, "the first time");
}

static void test_ranges(void)
{
    static const struct {
        const char *range, *if_range;
        uint64_t size;
        int status;
        uint64_t first, bytes;
    } ranges[] = {
        {NULL, NULL, 10, 200, 0, 10},
        {"bytes=0-0", NULL, 10, 206, 0, 1},
        {"Bytes=2-", NULL, 10, 206, 2, 8},
        {"bytes=2-99", NULL, 10, 206, 2, 8},
        {"bytes=9-9", NULL, 10, 206, 9, 1},
        {"bytes=10-", NULL, 10, 416, 0, 10},
        {"bytes=-3", NULL, 10, 206, 7, 3},
        {"bytes=-30", NULL, 10, 206, 0, 10},
        {"bytes=-0", NULL, 10, 416, 0, 10},
        {"bytes=0-", NULL, 0, 416, 0, 0},
        {"bytes=-1", NULL, 0, 416, 0, 0},
        {"bytes=3-2", NULL, 10, 200, 0, 10},
        {"bytes=0-1,3-4", NULL, 10, 200, 0, 10},
        {"bytes=-", NULL, 10, 200, 0, 10},
        {"bytes=a-b", NULL, 10, 200, 0, 10},
        {"bytes=1-2x", NULL, 10, 200, 0, 10},
        {"bytes=1 -2", NULL, 10, 200, 0, 10},
        {"lines=1-2", NULL, 10, 200, 0, 10},
        {"bytes=1-9999999999999999999", NULL, 10, 200, 0, 10},
        {"bytes=1-999999999999999999", NULL, 10, 206, 1, 9},
        {"bytes=0-0", "\"tag\"", 10, 206, 0, 1},
        {"bytes=0-0", "W/\"tag\"", 10, 200, 0, 10},
        {"bytes=0-0", "\"other\"", 10, 200, 0, 10},
        {"bytes=0-0", "", 10, 200, 0, 10}, /* that is: twice */
        {"bytes=0-0", "Sun, 06 Nov 1994 08:49:37 GMT", 10, 206, 0, 1},
        {"bytes=0-0", "Sun, 06 Nov 1994 08:49:38 GMT", 10, 200, 0, 10},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        serve_request request = {.range = text_of(ranges[i].range),
                                 .if_range = text_of(ranges[i].if_range)};
        const char *name = ranges[i].range ? ranges[i].range : "no range";
        uint64_t first = 77, bytes = 77;
        expect(serve_range(&request, "\"tag\"", 784111777, ranges[i].size, &first, &bytes),
               ranges[i].status, "the status", name);
        expect((long long)first, (long long)ranges[i].first, "the first", name);
        expect((long long)bytes, (long long)ranges[i].bytes, "the length", name);
    }
}

static void test_conditions(void)
{
    static const char at[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    static const char before[] = "Sun, 06 Nov 1994 08:49:36 GMT";
    static const struct {
        const char *match, *unmodified, *none, *modified;
        int status;
    } rows[] = {
        {NULL, NULL, NULL, NULL, 200},
        {"*", before, NULL, NULL, 200},
        {"\"a\", \"tag\"", NULL, NULL, NULL, 200},
        {"\"a\",W/\"tag\"", NULL, NULL, NULL, 412},
        {"\"a\"", NULL, "\"tag\"", NULL, 412},
        {NULL, at, NULL, NULL, 200},
        {NULL, before, NULL, NULL, 412},
        {NULL, NULL, "*", NULL, 304},
        {NULL, NULL, "W/\"tag\"", before, 304},
        {NULL, NULL, "\"a\" , \"tag\"", NULL, 304},
        {NULL, NULL, "\"a\"", at, 200}, /* a tag is the better knowledge */
        {NULL, NULL, "tag", NULL, 200},
        {NULL, NULL, "\"tag", NULL, 200},
        {NULL, NULL, "W/", NULL, 200},
        {NULL, NULL, NULL, at, 304},
        {NULL, NULL, NULL, before, 200},
        {NULL, NULL, NULL, "x", 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        serve_request request = {.if_match = text_of(rows[i].match),
                                 .if_unmodified_since = text_of(rows[i].unmodified),
                                 .if_none_match = text_of(rows[i].none),
                                 .if_modified_since = text_of(rows[i].modified)};
        char name[16];
        snprintf(name, sizeof name, "row %u", (unsigned)i);
        expect(serve_conditions(&request, "\"tag\"", 784111777), rows[i].status, "the status",
               name);
    }
}

static void test_texts(void)
{
    char out[128];
    size_t length = serve_escape_html("a<b>&\"'\xff", out);
    out[length] = '\0';
    expect(strcmp(out, "a&lt;b&gt;&amp;&quot;&#39;\xff"), 0, out, "HTML");
    out[serve_escape_path("a b/%?#\xff:~", out)] = '\0';
    expect(strcmp(out, "a%20b/%25%3F%23%FF%3A~"), 0, out, "a path");
    expect(strcmp(serve_type("a.b/c.HTML"), "text/html; charset=utf-8"), 0, "the type", "c.HTML");
    expect(strcmp(serve_type("a.html/c"), "application/octet-stream"), 0, "the type", "c");
    expect(strcmp(serve_type("html"), "application/octet-stream"), 0, "the type", "html");
}

int main(void)
{
    test_heads();
    test_limits();
    test_paths();
    test_dates();
    test_ranges();
    test_conditions();
    test_texts();
    return failures != 0;
}
