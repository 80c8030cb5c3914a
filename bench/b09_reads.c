/*
 * B9 and B10: random reads of 4 KiB, from the page cache and past it (O_DIRECT), so many at a time.
 *
 * floor       a raw ring; the file and the buffers are not registered, as cede's are not
 * fixed       the same with both registered: what registration would still give
 * pread       a loop of blocking reads (B9 only: it has no depth)
 * libuv       uv_fs_read, on its pool of four threads
 * cede        cede_prep_read; each done submits the next
 */
#include "bench.h"

#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

#include <cede/cede.h>
#include <uv.h>

enum { CACHED, DIRECT };
enum { BLOCK = 4096, MOST = 128, OFFSETS = 1 << 16 };

/* What every contestant has: a file, buffers, and an endless row of offsets, the same for all. */
struct source {
    int fd;
    unsigned depth;
    unsigned char *buffers; /* depth blocks */
    uint64_t left, next;
    uint64_t *offsets;
};

/* A new contestant of so many bytes that begins with a source; NULL if there is none. */
static void *source_open(size_t contestant_bytes, const bench_env *env, const bench_case *of,
                         const char **why)
{
    struct source *source;
    if (of->variant == DIRECT && !env->direct) {
        *why = "the directory's file system takes no O_DIRECT";
        return NULL;
    }
    source = bench_alloc(1, contestant_bytes, 0);
    uint64_t bytes = of->variant == CACHED || env->quick ? 256u << 20 : 1u << 30, seed = 9;
    const char *name = of->variant == CACHED ? "cached" : "direct";
    source->fd = bench_file(env, name, bytes, O_RDONLY | (of->variant == DIRECT ? O_DIRECT : 0));
    source->depth = (unsigned)of->size;
    source->buffers = bench_alloc(source->depth, BLOCK, BLOCK);
    source->offsets = bench_alloc(OFFSETS, sizeof *source->offsets, 0);
    for (unsigned i = 0; i < OFFSETS; i++) {
        source->offsets[i] = bench_random(&seed) % (bytes / BLOCK) * BLOCK;
    }
    return source;
}

static void source_close(struct source *source)
{
    close(source->fd);
    free(source->buffers);
    free(source->offsets);
}

static void source_begin(struct source *source, bench_run *run)
{
    run->ops = run->ops < source->depth ? source->depth : run->ops;
    source->left = run->ops;
}

/* The next read's offset; there must be one left. */
static uint64_t source_next(struct source *source)
{
    source->left--;
    return source->offsets[source->next++ % OFFSETS];
}

static unsigned char *source_buffer(struct source *source, unsigned which)
{
    return source->buffers + (size_t)which * BLOCK;
}

static _Noreturn void bad_read(long result)
{
    bench_die("a read of %d bytes gave %ld", BLOCK, result);
}

/* ---- floor, fixed ---------------------------------------------------------------------------- */

struct rings {
    struct source source;
    struct io_uring ring;
    bool registered;
};

static void rings_read(struct rings *rings, unsigned which)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&rings->ring);
    unsigned char *buffer = source_buffer(&rings->source, which);
    uint64_t offset = source_next(&rings->source);
    if (rings->registered) {
        io_uring_prep_read_fixed(sqe, 0, buffer, BLOCK, offset, 0);
        sqe->flags |= IOSQE_FIXED_FILE;
    } else {
        io_uring_prep_read(sqe, rings->source.fd, buffer, BLOCK, offset);
    }
    io_uring_sqe_set_data64(sqe, which);
}

static void rings_round(void *self, bench_run *run)
{
    struct rings *rings = self;
    source_begin(&rings->source, run);
    uint64_t pending = rings->source.depth;
    bench_start(run);
    for (unsigned i = 0; i < rings->source.depth; i++) {
        rings_read(rings, i);
    }
    while (pending) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        bench_check_neg(io_uring_submit_and_wait(&rings->ring, 1), "io_uring_enter");
        io_uring_for_each_cqe(&rings->ring, head, cqe)
        {
            if (cqe->res != BLOCK) {
                bad_read(cqe->res);
            }
            if (rings->source.left) {
                rings_read(rings, (unsigned)cqe->user_data);
            } else {
                pending--;
            }
            count++;
        }
        io_uring_cq_advance(&rings->ring, count);
    }
    bench_stop(run);
}

static void *rings_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct rings *rings = source_open(sizeof *rings, env, of, why);
    if (!rings) {
        return NULL;
    }
    bench_ring_open(&rings->ring, 256, 0);
    return rings;
}

static void *fixed_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct rings *rings = rings_open(env, of, why);
    struct iovec all;
    if (!rings) {
        return NULL;
    }
    all = (struct iovec){rings->source.buffers, (size_t)rings->source.depth * BLOCK};
    rings->registered = true;
    bench_check_neg(io_uring_register_files(&rings->ring, &rings->source.fd, 1), "register file");
    bench_check_neg(io_uring_register_buffers(&rings->ring, &all, 1), "register buffers");
    return rings;
}

static void rings_close(void *self)
{
    struct rings *rings = self;
    io_uring_queue_exit(&rings->ring);
    source_close(&rings->source);
    free(rings);
}

static const bench_contestant floor_ring = {"floor", BENCH_FLOOR, rings_open, rings_round,
                                            rings_close};
static const bench_contestant floor_fixed = {"fixed", BENCH_FLOOR, fixed_open, rings_round,
                                             rings_close};

/* ---- pread ----------------------------------------------------------------------------------- */

static void *pread_open(const bench_env *env, const bench_case *of, const char **why)
{
    return source_open(sizeof(struct source), env, of, why);
}

static void pread_round(void *self, bench_run *run)
{
    struct source *source = self;
    source_begin(source, run);
    bench_start(run);
    for (unsigned i = 0; source->left; i++) {
        unsigned char *buffer = source_buffer(source, i % source->depth);
        long got = pread(source->fd, buffer, BLOCK, (off_t)source_next(source));
        if (got != BLOCK) {
            bad_read(got);
        }
    }
    bench_stop(run);
}

static void pread_close(void *self)
{
    source_close(self);
    free(self);
}

static const bench_contestant peer_pread = {"pread", BENCH_PEER, pread_open, pread_round,
                                            pread_close};

/* ---- libuv ----------------------------------------------------------------------------------- */

struct uvs {
    struct source source;
    uv_loop_t loop;
    uv_fs_t reads[MOST];
};

static void uvs_read(struct uvs *uvs, uv_fs_t *read);

static void on_uv(uv_fs_t *read)
{
    struct uvs *uvs = read->data;
    if (read->result != BLOCK) {
        bad_read((long)read->result);
    }
    uv_fs_req_cleanup(read);
    if (uvs->source.left) {
        uvs_read(uvs, read);
    }
}

static void uvs_read(struct uvs *uvs, uv_fs_t *read)
{
    unsigned char *buffer = source_buffer(&uvs->source, (unsigned)(read - uvs->reads));
    uv_buf_t buf = uv_buf_init((char *)buffer, BLOCK);
    uv_fs_read(&uvs->loop, read, uvs->source.fd, &buf, 1, (int64_t)source_next(&uvs->source),
               on_uv);
}

static void *uvs_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct uvs *uvs = source_open(sizeof *uvs, env, of, why);
    if (!uvs) {
        return NULL;
    }
    bench_check_neg(uv_loop_init(&uvs->loop), "uv_loop_init");
    for (unsigned i = 0; i < MOST; i++) {
        uvs->reads[i].data = uvs;
    }
    return uvs;
}

static void uvs_round(void *self, bench_run *run)
{
    struct uvs *uvs = self;
    source_begin(&uvs->source, run);
    bench_start(run);
    for (unsigned i = 0; i < uvs->source.depth; i++) {
        uvs_read(uvs, &uvs->reads[i]);
    }
    uv_run(&uvs->loop, UV_RUN_DEFAULT);
    bench_stop(run);
}

static void uvs_close(void *self)
{
    struct uvs *uvs = self;
    bench_check_neg(uv_loop_close(&uvs->loop), "uv_loop_close");
    source_close(&uvs->source);
    free(uvs);
}

static const bench_contestant peer_uv = {"libuv", BENCH_PEER, uvs_open, uvs_round, uvs_close};

/* ---- cede ------------------------------------------------------------------------------------ */

struct reads {
    struct source source;
    cede_loop *loop;
    cede_handle file;
    cede_req reqs[MOST];
};

static void reads_read(struct reads *reads, cede_req *req);

static void on_read(cede_req *req, cede_result r)
{
    struct reads *reads = req->user_data;
    if (r.status != CEDE_OK || r.count != BLOCK) {
        bad_read(r.status ? r.status : (long)r.count);
    }
    if (reads->source.left) {
        reads_read(reads, req);
    }
}

static void reads_read(struct reads *reads, cede_req *req)
{
    unsigned char *buffer = source_buffer(&reads->source, (unsigned)(req - reads->reqs));
    cede_prep_read(req, reads->file, buffer, BLOCK, (int64_t)source_next(&reads->source));
    cede_submit(reads->loop, req, on_read);
}

static void *reads_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct reads *reads = source_open(sizeof *reads, env, of, why);
    if (!reads) {
        return NULL;
    }
    reads->loop = bench_cede_open(0);
    reads->file = cede_import(reads->source.fd, CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    for (unsigned i = 0; i < MOST; i++) {
        reads->reqs[i].user_data = reads;
    }
    return reads;
}

static void reads_round(void *self, bench_run *run)
{
    struct reads *reads = self;
    source_begin(&reads->source, run);
    bench_start(run);
    for (unsigned i = 0; i < reads->source.depth; i++) {
        reads_read(reads, &reads->reqs[i]);
    }
    cede_run(reads->loop, CEDE_FOREVER);
    bench_stop(run);
}

static void reads_close(void *self)
{
    struct reads *reads = self;
    cede_drop(reads->file);
    bench_cede_close(reads->loop);
    source_close(&reads->source);
    free(reads);
}

static const bench_contestant side_cede = {"cede", BENCH_CEDE, reads_open, reads_round,
                                           reads_close};

/* ---- The rows -------------------------------------------------------------------------------- */

#define CACHED_CASE(text, depth, counted)                                                         \
    {                                                                                             \
        .name = text, .size = depth, .variant = CACHED, .plotted = 1, .instructions = counted,    \
        .measures = {{"wall", "ns", false}, {"CPU", "ns", false}},                                \
        .contestants = {&floor_ring, &floor_fixed, &peer_pread, &peer_uv, &side_cede}, .goals = { \
            {"CPU at most 1.05 of the floor", BENCH_CONTESTANT, 1, 0, "floor", 1.05},             \
            {"with file and buffers registered", BENCH_SHOWN, 1, 0, "fixed", 1}                   \
        }                                                                                         \
    }

#define DIRECT_CASE(text, depth)                                                      \
    {                                                                                 \
        .name = text, .size = depth, .variant = DIRECT, .plotted = 1,                 \
        .measures = {{"wall", "ns", false}, {"CPU", "ns", false}},                    \
        .contestants = {&floor_ring, &floor_fixed, &peer_uv, &side_cede}, .goals = {  \
            {"CPU at most 1.05 of the floor", BENCH_CONTESTANT, 1, 0, "floor", 1.05}, \
            {"3 times libuv's rate", BENCH_CONTESTANT, 0, 0, "libuv", 1 / 3.0},       \
            {"with file and buffers registered", BENCH_SHOWN, 1, 0, "fixed", 1}       \
        }                                                                             \
    }

static const bench_case cached[] = {CACHED_CASE("depth 1", 1, true),
                                    CACHED_CASE("depth 32", 32, true),
                                    CACHED_CASE("depth 128", 128, false)};
static const bench_case direct[] = {DIRECT_CASE("depth 32", 32), DIRECT_CASE("depth 128", 128)};

const bench_row bench_b9 = {"B9", "random 4 KiB reads, cached", cached, 3};
const bench_row bench_b10 = {"B10", "random 4 KiB reads, O_DIRECT", direct, 2};
