/*
 * cede-serve: a directory as a page: its names in order, each a link. The one answer that
 * allocates, for it is not known before how many there are.
 */
#include "cede-serve.h"

#include <stdlib.h>

#define LIST_MOST (16u << 20) /* bytes of names */

static void read_on(turn *t);

/* Appends to the page; false: no memory, or too much. */
static bool append(turn *t, const char *text, size_t bytes)
{
    if (t->page_bytes + bytes > t->page_room) {
        size_t room = (t->page_bytes + bytes) * 2 + 4096;
        char *page = room <= LIST_MOST * SERVE_ESCAPED ? realloc(t->page, room) : NULL;
        if (!page)
            return false;
        t->page = page;
        t->page_room = room;
    }
    memcpy(t->page + t->page_bytes, text, bytes);
    t->page_bytes += bytes;
    return true;
}

static bool append_text(turn *t, const char *text)
{
    return append(t, text, strlen(text));
}

static bool append_html(turn *t, const char *text)
{
    char escaped[CEDE_NAME_BYTES * SERVE_ESCAPED];
    return append(t, escaped, serve_escape_html(text, escaped));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name, with the slash that a directory's has at its end. */
static bool append_line(turn *t, const char *name)
{
    char escaped[CEDE_NAME_BYTES * SERVE_ESCAPED];
    return append_text(t, "<li><a href=\"") &&
           append(t, escaped, serve_escape_path(name, escaped)) && append_text(t, "\">") &&
           append_html(t, name) && append_text(t, "</a></li>\n");
}

/* The title may be longer than a name: it is made of the pieces of the path. */
static bool append_title(turn *t)
{
    const char *at = t->path;
    bool well = append_text(t, "/");
    while (well && *at) {
        char piece[256];
        size_t bytes = strcspn(at, "/") + 1;
        bytes = bytes < sizeof piece ? bytes : sizeof piece - 1;
        memcpy(piece, at, bytes);
        piece[bytes] = '\0';
        well = append_html(t, piece);
        at += bytes;
    }
    return well;
}

/* Makes the page of the names that were collected, `count` of them. */
static bool make_page(turn *t, char *names, size_t count)
{
    const char **order = malloc((count + 1) * sizeof *order);
    size_t i = 0;
    bool well = order != NULL;
    for (char *at = names; well && i < count; at += strlen(at) + 1)
        order[i++] = at;
    if (well)
        qsort(order, count, sizeof *order, by_name);
    well = well &&
           append_text(t, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">"
                          "<meta name=\"viewport\" content=\"width=device-width\"><title>") &&
           append_title(t) && append_text(t, "</title></head>\n<body><h1>") && append_title(t) &&
           append_text(t, "</h1>\n<ul>\n");
    if (well && t->path[0])
        well = append_text(t, "<li><a href=\"../\">../</a></li>\n");
    for (i = 0; well && i < count; i++)
        well = append_line(t, order[i]);
    free(order);
    return well && append_text(t, "</ul></body></html>\n");
}

static void send_page(turn *t)
{
    char *names = t->page;
    size_t bytes = t->page_bytes, count = 0;
    bool well;
    t->page = NULL;
    t->page_bytes = t->page_room = 0;
    for (size_t i = 0; i < bytes; i++)
        count += names[i] == '\0';
    well = make_page(t, names, count);
    free(names);
    if (!well) {
        t->page_bytes = 0;
        answer_status(t, 500);
        return;
    }
    head_begin(t, 200);
    head_end(t, "text/html; charset=utf-8", t->page_bytes);
    if (t->request.method == SERVE_HEAD)
        t->page_bytes = 0;
    turn_send(t);
}

/* Entries lie in `out`, which is not in use yet. */
static void on_entries(cede_req *req, cede_result r)
{
    turn *t = CEDE_CONTAINER(req, turn, req);
    const cede_entry *entry;
    uint64_t position = 0;
    if (r.flags & CEDE_BY_ANY) {
        turn_fail(t, r.status);
        return;
    }
    if (r.status == CEDE_OK && r.count == 0) {
        send_page(t);
        return;
    }
    while (r.status == CEDE_OK && (entry = cede_next_entry(t->out, r.count, &position))) {
        bool directory = entry->type == CEDE_FILE_DIRECTORY;
        if (entry->name[0] == '.' && !settings.hidden)
            continue;
        if (!append_text(t, entry->name) || !append(t, "/", directory ? 2 : 0) ||
            (!directory && !append(t, "", 1)))
            r.status = CEDE_ENOMEM;
    }
    if (r.status || t->page_bytes > LIST_MOST) {
        t->page_bytes = 0;
        answer_status(t, 500);
        return;
    }
    read_on(t);
}

static void read_on(turn *t)
{
    cede_prep_readdir(&t->req, t->file, t->out, OUT_BYTES);
    cede_in(&t->req, t->client->life);
    cede_submit(t->client->worker->loop, &t->req, on_entries);
}

void list(turn *t)
{
    read_on(t);
}
