/*
 * The stage of a case: a loop, a pipe, a file, on one of the two backends. In the case's process.
 */
#include "../port.h"
#include "check.h"

#define FILE_BYTES 4096

volatile char check_sink;
const char *check_self;

void *check_hidden(void *memory)
{
    static void *volatile hidden;
    hidden = memory;
    return hidden;
}

/* ---- What a case says ----------------------------------------------------------------------- */

const char *check_place(const char *file, int line)
{
    static char place[128];
    const char *slash = strrchr(file, '/');
    (void)snprintf(place, sizeof place, "%s:%d", slash ? slash + 1 : file, line);
    return place;
}

void check_line(const char *place)
{
    printf("@line %s\n", place);
}

void check_want(const char *text)
{
    printf("@want %s\n", text);
}

void check_fail(const char *file, int line, const char *what)
{
    printf("%s: does not hold: %s\n", check_place(file, line), what);
    exit(3);
}

void check_skip(const char *why)
{
    printf("skipped: %s\n", why);
    exit(CHECK_SKIPPED);
}

void check_done(cede_req *req, cede_result r)
{
    (void)req, (void)r;
}

void check_free(cede_req *req, cede_result r)
{
    (void)r;
    free(req);
}

void check_finish(stage *s, cede_ticket ticket)
{
    cede_cancel(ticket);
    HOLDS(cede_run(s->loop, CEDE_FOREVER) >= 0);
}

/* ---- The stage ------------------------------------------------------------------------------ */

static void keep_handle(cede_req *req, cede_result r)
{
    HOLDS(r.status == CEDE_OK);
    *(cede_handle *)req->user_data = r.handle;
}

cede_handle check_opened(stage *s, cede_req *req)
{
    cede_handle handle = 0;
    req->user_data = &handle;
    HOLDS(cede_wait(s->loop, cede_submit(s->loop, req, keep_handle), CEDE_FOREVER) == CEDE_OK);
    return handle;
}

void check_pair(stage *s, cede_handle *first, cede_handle *second)
{
    static cede_req req;
    cede_prep_pair(&req, CEDE_PAIR_STREAM, second);
    *first = check_opened(s, &req);
}

cede_handle check_stream(stage *s)
{
    cede_handle first, second;
    check_pair(s, &first, &second);
    return first;
}

static cede_handle open_now(stage *s, const char *path, uint32_t flags)
{
    static cede_req req;
    cede_prep_open(&req, path, flags, 0);
    return check_opened(s, &req);
}

static const char *dir_path; /* made and removed by the process that judges */
static char file_path[300], link_path[300], absent_path[300];

static void name_files(stage *s)
{
    (void)snprintf(file_path, sizeof file_path, "%s/file", dir_path);
    (void)snprintf(link_path, sizeof link_path, "%s/link", dir_path);
    (void)snprintf(absent_path, sizeof absent_path, "%s/absent", dir_path);
    s->path = file_path;
    s->link = link_path;
    s->absent = absent_path;
    s->folder = dir_path;
}

static void note_link(cede_req *req, cede_result r)
{
    ((stage *)req->user_data)->has_link = r.status == CEDE_OK;
}

/* Looks whether it is there: Wine says that it made a link, and makes none. */
static void make_link(stage *s)
{
    static cede_req req;
    static cede_stat stat;
    cede_prep_symlink(&req, "file", s->link);
    (void)cede_submit(s->loop, &req, check_done);
    HOLDS(cede_run(s->loop, CEDE_FOREVER) > 0);
    cede_prep_stat(&req, s->link, &stat, CEDE_NOFOLLOW);
    req.user_data = s;
    (void)cede_submit(s->loop, &req, note_link);
    HOLDS(cede_run(s->loop, CEDE_FOREVER) > 0);
}

static void dress_real(stage *s)
{
    static const char zeros[FILE_BYTES];
    intptr_t ends[2];
    name_files(s);
    FILE *file = fopen(s->path, "wb");
    HOLDS(file && fwrite(zeros, sizeof zeros, 1, file) == 1 && fclose(file) == 0);
    make_link(s);
    port_pipe(&ends[0], &ends[1]);
    s->in = cede_import(ends[0], CEDE_KIND_PIPE, 0);
    s->out = cede_import(ends[1], CEDE_KIND_PIPE, 0);
}

static void dress_simulated(stage *s)
{
    static const char zeros[FILE_BYTES];
    name_files(s);
    HOLDS(cede_sim_put(s->world, s->path, zeros, sizeof zeros) == CEDE_OK);
    make_link(s);
    HOLDS(cede_sim_pipe_new(s->world, 0, &s->in, &s->out));
}

static cede_options options;

cede_loop *check_another(void)
{
    cede_loop *loop;
    HOLDS(cede_loop_open(&options, &loop) == CEDE_OK);
    return loop;
}

int check_child(const char *backend, check_fn *fn, const char *folder)
{
    static cede_sim_config config;
    static char why[256];
    stage s = {0};
    dir_path = folder;
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    options.backend = backend;
    options.why = why;
    options.why_bytes = sizeof why;
    if (strcmp(backend, "sim") == 0) {
        s.world = cede_sim_new(NULL);
        config.world = s.world;
        options.backend_config = &config;
    }
    if (cede_loop_open(&options, &s.loop)) {
        printf("skipped: no %s here: %s\n", backend, why);
        return CHECK_SKIPPED;
    }
    if (s.world)
        dress_simulated(&s);
    else
        dress_real(&s);
    s.file = open_now(&s, s.path, CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    s.dir = open_now(&s, dir_path, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY);
    fn(&s);
    if (s.loop)
        HOLDS(cede_loop_close(s.loop, CEDE_FOREVER) == CEDE_OK);
    if (s.world)
        HOLDS(cede_sim_free(s.world) == CEDE_OK);
    return 0;
}
