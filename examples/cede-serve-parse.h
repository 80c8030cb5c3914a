/*
 * cede-serve: what is read from and written into HTTP. Pure functions over bytes: no I/O, no
 * memory of their own, no state.
 *
 *     cede-serve-parse.c   the head of a request, and the path in it
 *     cede-serve-text.c    conditions, ranges, dates, types, escapes
 *
 * RFC numbers: 9110 is what HTTP means, 9112 is HTTP/1.1 on the wire. Statuses are HTTP's.
 */
#ifndef CEDE_SERVE_PARSE_H
#define CEDE_SERVE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVE_HEAD_MOST   8192 /* bytes of a head */
#define SERVE_FIELDS_MOST 100
#define SERVE_TARGET_MOST 4096

/* A part of the bytes that were parsed; `at` is NULL if it was not there. */
typedef struct serve_text {
    const char *at;
    size_t bytes;
} serve_text;

enum {
    SERVE_GET,
    SERVE_HEAD,
    SERVE_OPTIONS,
    SERVE_NOT_ALLOWED, /* one that HTTP knows and a file has no use for */
    SERVE_UNKNOWN
};

typedef struct serve_request {
    int method;
    unsigned minor;         /* of the version, HTTP/1.minor */
    serve_text method_name; /* as sent */
    serve_text target;
    serve_text path; /* its path, undecoded; empty for "*" and CONNECT */
    bool keep_alive; /* the client wants to ask again */
    bool chunked;    /* a body follows whose length nobody has told */
    bool expects;    /* the body follows when the server asks for it (100-continue) */
    uint64_t body_bytes;
    /* Fields; one that came twice counts as not there, which is always right for these. */
    serve_text range, if_range;
    serve_text if_match, if_none_match, if_modified_since, if_unmodified_since;
} serve_request;

/* Reads the head of a request, of which the first `count` bytes have come. More than 0: its length;
 * the texts lie in `bytes`. 0: the rest has not come yet. Less: the negative status to refuse it
 * with; what follows in the stream has no meaning. Never 0 from SERVE_HEAD_MOST bytes on. */
int serve_parse(const char *bytes, size_t count, serve_request *out);

/* Decodes a request's path into one that is relative to what is served: no leading slash, no empty
 * segment, no "." or "..", "" for the top; one that ends with a slash names a directory. The length
 * (out gets a NUL behind it), or the negative status to refuse it with. `hidden`: names that begin
 * with a dot are let through. */
int serve_path(serve_text path, bool hidden, char *out, size_t room_bytes);

/* Whether two texts are the same but for the case of letters. */
bool serve_same(serve_text text, const char *other);

/* 200: send it; 304: the client has it; 412: it is not what the client means (RFC 9110 13.2.2). The
 * tag with its quotes; modified in seconds since 1970. */
int serve_conditions(const serve_request *, const char *tag, int64_t modified);

/* 206: *first and *bytes are the range to send; 416: it has no byte in it; 200: send all, since
 * there is no range, it is malformed, there are several, or the file is not the same any more. */
int serve_range(const serve_request *, const char *tag, int64_t modified, uint64_t size,
                uint64_t *first, uint64_t *bytes);

/* "Sun, 06 Nov 1994 08:49:37 GMT", for years from 1 to 9999 (the nearest). */
#define SERVE_DATE_BYTES 30
void serve_print_date(int64_t seconds, char out[SERVE_DATE_BYTES]);
/* All three forms of RFC 9110 5.6.7. False: it is none. */
bool serve_parse_date(serve_text, int64_t *seconds);

/* The media type by a name's ending. */
const char *serve_type(const char *name);

/* Write text so that it is only itself in HTML, or in a link's path; return the length. At most
 * SERVE_ESCAPED times as long as the text; no NUL is written. */
#define SERVE_ESCAPED 6
size_t serve_escape_html(const char *text, char *out);
size_t serve_escape_path(const char *text, char *out);

#endif
