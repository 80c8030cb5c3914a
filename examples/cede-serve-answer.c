/*
 * cede-serve: from a request to what is sent. Everything is written into the turn's `out`; the one
 * thing that may take a while is to find the file, which happens here if the system has all of it
 * at hand, and else on a thread of the pool.
 */
#include "cede-serve.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- Heads ---------------------------------------------------------------------------------- */

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {{200, "OK"},
                   {204, "No Content"},
                   {206, "Partial Content"},
                   {301, "Moved Permanently"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {412, "Precondition Failed"},
                   {413, "Content Too Large"},
                   {414, "URI Too Long"},
                   {416, "Range Not Satisfiable"},
                   {417, "Expectation Failed"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Error";
}

static const char *date(worker *w)
{
    int64_t now = (int64_t)time(NULL);
    if (now != w->date_seconds || !w->date[0]) {
        serve_print_date(now, w->date);
        w->date_seconds = now;
    }
    return w->date;
}

/* There is room for all that is put: the longest is a path, escaped. */
void head_put(turn *t, const char *format, ...)
{
    size_t room = OUT_BYTES - t->out_bytes;
    va_list list;
    int length;
    va_start(list, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist*): it misses va_start in a file's second build */
    length = vsnprintf(t->out + t->out_bytes, room, format, list);
    va_end(list);
    if (length < 0 || (size_t)length >= room)
        abort();
    t->out_bytes += (uint32_t)length;
}

void head_begin(turn *t, int status)
{
    worker *w = t->client->worker;
    t->out_bytes = 0;
    if (w->closing && t->request.keep_alive)
        t->linger = true; /* the client does not know yet, and may be asking already */
    t->close = w->closing || !t->request.keep_alive;
    head_put(t, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: cede-serve\r\n", status, reason(status),
             date(w));
    if (t->close)
        head_put(t, "Connection: close\r\n");
    else if (t->request.minor == 0)
        head_put(t, "Connection: keep-alive\r\n");
    if (settings.verbose) {
        printf("%d %.*s %.*s\n", status, (int)t->request.method_name.bytes,
               t->request.method_name.bytes ? t->request.method_name.at : "",
               (int)t->request.target.bytes, t->request.target.bytes ? t->request.target.at : "");
        fflush(stdout);
    }
}

void head_end(turn *t, const char *type, uint64_t length)
{
    head_put(t,
             "Content-Type: %s\r\nContent-Length: %" PRIu64
             "\r\nX-Content-Type-Options: nosniff\r\n\r\n",
             type, length);
}

static void finish_status(turn *t, int status)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%d %s\n", status, reason(status));
    head_end(t, "text/plain; charset=utf-8", (uint64_t)length);
    if (t->request.method != SERVE_HEAD)
        head_put(t, "%s", text);
    turn_send(t);
}

void answer_status(turn *t, int status)
{
    head_begin(t, status);
    if (status == 405)
        head_put(t, "Allow: GET, HEAD, OPTIONS\r\n");
    if (status == 503)
        head_put(t, "Retry-After: 1\r\n");
    finish_status(t, status);
}

/* ---- Files ---------------------------------------------------------------------------------- */

static void answer_file(turn *t)
{
    char tag[48], modified[SERVE_DATE_BYTES];
    uint64_t size = t->found.bytes, bytes = size;
    int64_t seconds = t->found.modified_ns / 1000000000 - (t->found.modified_ns % 1000000000 < 0);
    int status;
    t->offset = 0;
    snprintf(tag, sizeof tag, "\"%" PRIx64 "-%" PRIx64 "\"", (uint64_t)t->found.modified_ns, size);
    serve_print_date(seconds, modified);
    status = serve_conditions(&t->request, tag, seconds);
    if (status == 200 && t->request.method == SERVE_GET)
        status = serve_range(&t->request, tag, seconds, size, &t->offset, &bytes);
    head_begin(t, status);
    if (status != 412)
        head_put(t, "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n", modified, tag);
    if (status == 416)
        head_put(t, "Content-Range: bytes */%" PRIu64 "\r\n", size);
    if (status == 206)
        head_put(t, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", t->offset,
                 t->offset + bytes - 1, size);
    if (status == 412 || status == 416) {
        finish_status(t, status);
        return;
    }
    if (status == 304)
        head_put(t, "\r\n");
    else
        head_end(t, serve_type(t->path), bytes);
    if (status != 304 && t->request.method == SERVE_GET)
        t->left = bytes;
    turn_send(t);
}

/* A directory's name without its slash: links in its page would lead elsewhere. */
static void redirect(turn *t)
{
    char where[sizeof t->path * SERVE_ESCAPED];
    size_t length = serve_escape_path(t->path, where);
    head_begin(t, 301);
    head_put(t, "Location: /%.*s/\r\n", (int)length, where);
    finish_status(t, 301);
}

/* ---- Finding -------------------------------------------------------------------------------- */

/* Opens what the path names; in place of a directory, its index.html. */
static cede_status find(turn *t, bool wait)
{
    size_t length = strlen(t->path);
    bool slash = length == 0 || t->path[length - 1] == '/';
    cede_status status = os_tree_find(&settings.tree, t->path, wait, &t->found);
    os_found index;
    if (status || t->found.directory != slash) {
        if (status || t->found.directory)
            return status;
        os_close(t->found.native); /* a file is no directory */
        t->found.native = -1;
        return CEDE_ENOENT;
    }
    if (!t->found.directory)
        return CEDE_OK;
    strcpy(t->path + length, "index.html");
    status = os_tree_find(&settings.tree, t->path, wait, &index);
    if (status == CEDE_OK && !index.directory) {
        os_close(t->found.native);
        t->found = index;
        return CEDE_OK;
    }
    t->path[length] = '\0';
    if (index.native != -1)
        os_close(index.native);
    if (status == CEDE_OK || status == CEDE_ENOENT)
        return CEDE_OK; /* the directory itself */
    os_close(t->found.native);
    t->found.native = -1;
    return status;
}

static cede_status find_on_thread(void *argument, uint64_t *count)
{
    (void)count;
    return find(argument, true);
}

static void found(turn *t, cede_status status)
{
    bool directory = t->found.directory;
    if (status) {
        bool short_of = status == CEDE_EMFILE || status == CEDE_ENOMEM || status == CEDE_EAGAIN;
        answer_status(t, status == CEDE_ENOENT   ? 404
                         : status == CEDE_EACCES ? 403
                         : short_of              ? 503
                                                 : 500);
        return;
    }
    t->file = cede_import(t->found.native, directory ? CEDE_KIND_DIR : CEDE_KIND_FILE, 0);
    if (!t->file) {
        os_close(t->found.native);
        answer_status(t, 503);
    } else if (!directory) {
        answer_file(t);
    } else if (t->path[0] && t->path[strlen(t->path) - 1] != '/') {
        redirect(t);
    } else if (settings.list) {
        list(t);
    } else {
        answer_status(t, 403);
    }
}

static void on_found(cede_req *req, cede_result r)
{
    turn *t = CEDE_CONTAINER(req, turn, req);
    if (r.flags & CEDE_BY_ANY) { /* it did not begin */
        turn_fail(t, r.status);
        return;
    }
    found(t, r.status);
}

void answer(turn *t)
{
    cede_status status;
    int length;
    switch (t->request.method) {
    case SERVE_GET:
    case SERVE_HEAD:
        break;
    case SERVE_OPTIONS:
        head_begin(t, 204);
        head_put(t, "Allow: GET, HEAD, OPTIONS\r\n\r\n");
        turn_send(t);
        return;
    case SERVE_NOT_ALLOWED:
        answer_status(t, 405);
        return;
    default:
        answer_status(t, 501);
        return;
    }
    length = serve_path(t->request.path, settings.hidden, t->path, SERVE_TARGET_MOST + 1);
    if (length < 0) {
        answer_status(t, -length);
        return;
    }
    status = find(t, false);
    if (status != CEDE_EAGAIN) {
        found(t, status);
        return;
    }
    cede_prep_work(&t->req, find_on_thread, t);
    cede_in(&t->req, t->client->life);
    cede_submit(t->client->worker->loop, &t->req, on_found);
}
