/*
 * libFuzzer on what cede-serve reads of a client: a request's head, and what is in its fields. What
 * is read lies inside of what came; no part of a head is taken for all of it; a path leads nowhere
 * but down; a range lies inside of the file.
 */
#include "../../examples/cede-serve-parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* Memory of exactly that size, so that AddressSanitizer sees the end. */
static char *exactly(const void *data, size_t size)
{
    char *memory = malloc(size ? size : 1);
    must(memory);
    if (size)
        memcpy(memory, data, size);
    return memory;
}

static void is_inside(serve_text text, const char *bytes, int length)
{
    must(!text.at || (text.at >= bytes && text.at + text.bytes <= bytes + length));
}

static void leads_down(serve_text path, bool hidden)
{
    size_t room = path.bytes + 1;
    char *out = exactly(path.at, path.bytes);
    out = realloc(out, room);
    must(out);
    int length = serve_path(path, hidden, out, room);
    must(length < 0 || ((size_t)length < room && out[length] == 0));
    for (const char *at = out; length > 0 && at && *at;
         at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
        must(*at != '/');
        must(strcmp(at, "..") != 0 && strncmp(at, "../", 3) != 0);
        must(strcmp(at, ".") != 0 && strncmp(at, "./", 2) != 0);
        must(hidden || *at != '.');
    }
    free(out);
}

static void fields(const serve_request *request)
{
    uint64_t first = 0, bytes = 0;
    int64_t date;
    char printed[SERVE_DATE_BYTES];
    int answer = serve_conditions(request, "\"5-1\"", 784111777);
    must(answer == 200 || answer == 304 || answer == 412);
    answer = serve_range(request, "\"5-1\"", 784111777, 1000, &first, &bytes);
    must(answer == 200 || answer == 206 || answer == 416);
    must(answer != 206 || (bytes > 0 && first < 1000 && bytes <= 1000 - first));
    if (request->if_modified_since.at && serve_parse_date(request->if_modified_since, &date)) {
        serve_print_date(date, printed);
        must(strlen(printed) == SERVE_DATE_BYTES - 1);
    }
}

static void escapes(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *out = malloc(SERVE_ESCAPED * size + 1);
    must(text && out);
    memcpy(text, data, size);
    text[size] = 0;
    must(serve_escape_html(text, out) <= SERVE_ESCAPED * strlen(text));
    must(serve_escape_path(text, out) <= SERVE_ESCAPED * strlen(text));
    must(serve_type(text) != NULL);
    free(text);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    serve_request request;
    char *bytes = exactly(data, size);
    int length = serve_parse(bytes, size, &request);
    must(length <= (int)size && length > -600);
    must(length != 0 || size < SERVE_HEAD_MOST);
    if (length > 0) {
        /* Not the path, which is "/" where there is none. */
        const serve_text texts[] = {request.method_name,
                                    request.target,
                                    request.range,
                                    request.if_range,
                                    request.if_match,
                                    request.if_none_match,
                                    request.if_modified_since,
                                    request.if_unmodified_since};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            is_inside(texts[i], bytes, length);
        if (request.path.at) {
            leads_down(request.path, false);
            leads_down(request.path, true);
        }
        fields(&request);
        serve_request part;
        must(serve_parse(bytes, (size_t)length - 1, &part) == 0);
        must(serve_parse(bytes, (size_t)length / 2, &part) == 0);
    }
    free(bytes);
    escapes(data, size);
    return 0;
}
