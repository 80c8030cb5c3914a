/*
 * Counts what is allocated while the kinds of steady_kinds.c run: through the library's allocator,
 * and on io_uring in the whole process. After a warm-up it must be nothing.
 * Usage: unit_steady_state BACKEND [KIND]
 */
#include "steady.h"
#include "unit.h"

#include <stdatomic.h>
#include <string.h>

#include "../port.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#if defined(_WIN32) /* Wine takes its time */
#define OPERATIONS 4800u
#elif defined(SANITIZED)
#define OPERATIONS 19200u
#else
#define OPERATIONS 115200u
#endif

static _Atomic uint64_t from_library, from_process;

/* ---- The counters --------------------------------------------------------------------------- */

static void *counting_resize(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes == 0) {
        free(memory);
        return NULL;
    }
    atomic_fetch_add(&from_library, 1);
    return realloc(memory, bytes);
}

/* Sanitizers have their own hands on malloc; the library's allocator is counted there too. */
#if defined(__GLIBC__) && !defined(SANITIZED)
#define COUNTS_PROCESS 1

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static void *count(void *memory)
{
    atomic_fetch_add(&from_process, 1);
    return memory;
}

void *malloc(size_t bytes)
{
    return count(__libc_malloc(bytes));
}

void *calloc(size_t number, size_t bytes)
{
    return count(__libc_calloc(number, bytes));
}

void *realloc(void *memory, size_t bytes)
{
    return count(__libc_realloc(memory, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return count(__libc_memalign(alignment, bytes));
}
#else
#define COUNTS_PROCESS 0
#endif

/* ---- The two backends ----------------------------------------------------------------------- */

static char folder[256];
static char file_path[300] = "/tmp/file";
static cede_sim *world;
static cede_handle kept[2]; /* write ends that nobody writes to */

static void pipe_of_system(cede_handle *in, cede_handle *out)
{
    intptr_t ends[2];
    port_pipe(&ends[0], &ends[1]);
    *in = cede_import(ends[0], CEDE_KIND_PIPE, 0);
    *out = cede_import(ends[1], CEDE_KIND_PIPE, 0);
    REQUIRE(*in && *out, "no handles");
}

static void take_away(void)
{
    REQUIRE(remove(file_path) == 0, "something was left over");
    port_folder_gone(folder);
}

static void opened(cede_req *req, cede_result r)
{
    REQUIRE(r.status == CEDE_OK, "%s", cede_strerror(r.status));
    *(cede_handle *)req->user_data = r.handle;
}

static void open_file(steady *s)
{
    static cede_req req;
    cede_prep_open(&req, s->path, CEDE_OPEN_READ | CEDE_OPEN_WRITE, 0);
    req.user_data = &s->file;
    (void)cede_submit(s->loop, &req, opened);
    REQUIRE(cede_run(s->loop, CEDE_FOREVER) > 0, "open did not return");
}

static void make_real(steady *s)
{
    static const char zeros[65536];
    port_folder(folder, sizeof folder);
    (void)snprintf(file_path, sizeof file_path, "%s/file", folder);
    FILE *file = fopen(file_path, "wb");
    REQUIRE(file && fwrite(zeros, sizeof zeros, 1, file) == 1 && fclose(file) == 0, "no file");
    s->folder = folder;
    open_file(s);
    pipe_of_system(&s->in, &s->out);
    pipe_of_system(&s->empty, &kept[0]);
}

static void make_simulated(steady *s)
{
    static const char zeros[65536];
    s->folder = "/tmp";
    REQUIRE(cede_sim_put(world, s->path, zeros, sizeof zeros) == CEDE_OK, "no file");
    open_file(s);
    REQUIRE(cede_sim_pipe_new(world, 0, &s->in, &s->out), "no pipe");
    REQUIRE(cede_sim_pipe_new(world, 0, &s->empty, &kept[1]), "no pipe");
}

static cede_loop *open_loop(const char *backend)
{
    static cede_sim_config config;
    cede_options options = CEDE_OPTIONS_INIT;
    char why[256];
    cede_loop *loop;
    cede_status status;
    options.backend = backend;
    options.why = why;
    options.why_bytes = sizeof why;
    if (strcmp(backend, "sim") == 0) {
        world = cede_sim_new(NULL);
        config.world = world;
        options.backend_config = &config;
    }
    status = cede_loop_open(&options, &loop);
    if (status) {
        printf("skipped: no %s here: %s\n", backend, why);
        exit(UNIT_SKIPPED);
    }
    return loop;
}

/* ---- The test ------------------------------------------------------------------------------- */

static bool holds(steady *s, const steady_kind *kind)
{
    uint64_t library, process, ran, operations = OPERATIONS / kind->share;
    (void)kind->run(s, operations / 10);
    library = atomic_load(&from_library);
    process = atomic_load(&from_process);
    ran = kind->run(s, operations);
    library = atomic_load(&from_library) - library;
    process = atomic_load(&from_process) - process;
    printf("%-20s %7" PRIu64 " operations, allocations: %" PRIu64 " by the library, ", kind->name,
           ran, library);
    if (COUNTS_PROCESS)
        printf("%" PRIu64 " in the process\n", process);
    else
        printf("not counted in the process\n");
    (void)fflush(stdout);
    REQUIRE(ran >= operations - operations / 100, "only %" PRIu64 " came back", ran);
    return library == 0 && (process == 0 || world); /* a simulated kernel has memory of its own */
}

int main(int argc, char **argv)
{
    static const cede_allocator counting = {counting_resize, NULL};
    steady s = {0};
    unsigned failed = 0, found = 0;
    REQUIRE(argc >= 2, "usage: %s BACKEND [KIND]", argv[0]);
    REQUIRE(cede_set_allocator(&counting) == CEDE_OK, "the allocator was refused");
    s.loop = open_loop(argv[1]);
    REQUIRE(cede_set_allocator(NULL) == CEDE_EBUSY, "the allocator could be changed in use");
    s.path = file_path;
    if (world)
        make_simulated(&s);
    else
        make_real(&s);
    for (const steady_kind *kind = steady_kinds; kind->name; kind++) {
        if (argc > 2 && strcmp(argv[2], kind->name) != 0)
            continue;
        found++;
        failed += !holds(&s, kind);
    }
    REQUIRE(cede_loop_close(s.loop, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    if (world)
        REQUIRE(cede_sim_free(world) == CEDE_OK, "the world lives on");
    else
        take_away();
    REQUIRE(found && !failed, "%u of %u kinds allocate in the steady state", failed, found);
    return 0;
}
