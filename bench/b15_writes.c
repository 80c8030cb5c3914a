/*
 * B15: buffered writes of 4 KiB, one after the other through a file that is in the page cache.
 *
 * floor  a loop of pwrite, which has no depth
 * ring   a raw ring, which hands such a write to a thread of the kernel on most file systems
 * libuv  uv_fs_write, on its pool of four threads
 * cede   cede_prep_write; each done submits the next
 */
#include "bench.h"

#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

#include <cede/cede.h>
#include <uv.h>

enum { BLOCK = 4096, FILE_BYTES = 64 << 20, MOST = 32 };

struct target {
    int fd;
    unsigned depth;
    uint64_t left, next;
    unsigned char *block;
};

static void target_open(struct target *target, const bench_env *env, const bench_case *of)
{
    target->fd = bench_file(env, "written", FILE_BYTES, O_RDWR);
    target->depth = (unsigned)of->size;
    target->block = bench_alloc(1, BLOCK, BLOCK);
}

static void target_close(struct target *target)
{
    close(target->fd);
    free(target->block);
}

static void target_begin(struct target *target, bench_run *run)
{
    run->ops = run->ops < target->depth ? target->depth : run->ops;
    target->left = run->ops;
}

static uint64_t target_next(struct target *target)
{
    target->left--;
    return target->next++ * BLOCK % FILE_BYTES;
}

static _Noreturn void bad_write(long result)
{
    bench_die("a write of %d bytes gave %ld", BLOCK, result);
}

/* ---- floor ----------------------------------------------------------------------------------- */

static void *pwrite_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct target *target = bench_alloc(1, sizeof *target, 0);
    (void)why;
    target_open(target, env, of);
    return target;
}

static void pwrite_round(void *self, bench_run *run)
{
    struct target *target = self;
    target_begin(target, run);
    bench_start(run);
    while (target->left) {
        long put = pwrite(target->fd, target->block, BLOCK, (off_t)target_next(target));
        if (put != BLOCK) {
            bad_write(put);
        }
    }
    bench_stop(run);
}

static void pwrite_close(void *self)
{
    target_close(self);
    free(self);
}

static const bench_contestant floor_pwrite = {"floor", BENCH_FLOOR, pwrite_open, pwrite_round,
                                              pwrite_close};

/* ---- The raw ring ---------------------------------------------------------------------------- */

struct rings {
    struct target target;
    struct io_uring ring;
};

static void *rings_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct rings *rings = bench_alloc(1, sizeof *rings, 0);
    (void)why;
    target_open(&rings->target, env, of);
    bench_ring_open(&rings->ring, 256, 0);
    return rings;
}

static void rings_write(struct rings *rings)
{
    io_uring_prep_write(io_uring_get_sqe(&rings->ring), rings->target.fd, rings->target.block,
                        BLOCK, target_next(&rings->target));
}

static void rings_round(void *self, bench_run *run)
{
    struct rings *rings = self;
    target_begin(&rings->target, run);
    uint64_t pending = rings->target.depth;
    bench_start(run);
    for (unsigned i = 0; i < rings->target.depth; i++) {
        rings_write(rings);
    }
    while (pending) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        bench_check_neg(io_uring_submit_and_wait(&rings->ring, 1), "io_uring_enter");
        io_uring_for_each_cqe(&rings->ring, head, cqe)
        {
            if (cqe->res != BLOCK) {
                bad_write(cqe->res);
            }
            if (rings->target.left) {
                rings_write(rings);
            } else {
                pending--;
            }
            count++;
        }
        io_uring_cq_advance(&rings->ring, count);
    }
    bench_stop(run);
}

static void rings_close(void *self)
{
    struct rings *rings = self;
    io_uring_queue_exit(&rings->ring);
    target_close(&rings->target);
    free(rings);
}

static const bench_contestant peer_ring = {"ring", BENCH_PEER, rings_open, rings_round,
                                           rings_close};

/* ---- libuv ----------------------------------------------------------------------------------- */

struct uvs {
    struct target target;
    uv_loop_t loop;
    uv_fs_t writes[MOST];
};

static void uvs_write(struct uvs *uvs, uv_fs_t *write);

static void on_uv(uv_fs_t *write)
{
    struct uvs *uvs = write->data;
    if (write->result != BLOCK) {
        bad_write((long)write->result);
    }
    uv_fs_req_cleanup(write);
    if (uvs->target.left) {
        uvs_write(uvs, write);
    }
}

static void uvs_write(struct uvs *uvs, uv_fs_t *write)
{
    uv_buf_t buf = uv_buf_init((char *)uvs->target.block, BLOCK);
    uv_fs_write(&uvs->loop, write, uvs->target.fd, &buf, 1, (int64_t)target_next(&uvs->target),
                on_uv);
}

static void *uvs_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct uvs *uvs = bench_alloc(1, sizeof *uvs, 0);
    (void)why;
    target_open(&uvs->target, env, of);
    bench_check_neg(uv_loop_init(&uvs->loop), "uv_loop_init");
    for (unsigned i = 0; i < MOST; i++) {
        uvs->writes[i].data = uvs;
    }
    return uvs;
}

static void uvs_round(void *self, bench_run *run)
{
    struct uvs *uvs = self;
    target_begin(&uvs->target, run);
    bench_start(run);
    for (unsigned i = 0; i < uvs->target.depth; i++) {
        uvs_write(uvs, &uvs->writes[i]);
    }
    uv_run(&uvs->loop, UV_RUN_DEFAULT);
    bench_stop(run);
}

static void uvs_close(void *self)
{
    struct uvs *uvs = self;
    bench_check_neg(uv_loop_close(&uvs->loop), "uv_loop_close");
    target_close(&uvs->target);
    free(uvs);
}

static const bench_contestant peer_uv = {"libuv", BENCH_PEER, uvs_open, uvs_round, uvs_close};

/* ---- cede ------------------------------------------------------------------------------------ */

struct writes {
    struct target target;
    cede_loop *loop;
    cede_handle file;
    cede_req reqs[MOST];
};

static void writes_write(struct writes *writes, cede_req *req);

static void on_write(cede_req *req, cede_result r)
{
    struct writes *writes = req->user_data;
    if (r.status != CEDE_OK || r.count != BLOCK) {
        bad_write(r.status ? r.status : (long)r.count);
    }
    if (writes->target.left) {
        writes_write(writes, req);
    }
}

static void writes_write(struct writes *writes, cede_req *req)
{
    cede_prep_write(req, writes->file, writes->target.block, BLOCK,
                    (int64_t)target_next(&writes->target));
    cede_submit(writes->loop, req, on_write);
}

static void *writes_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct writes *writes = bench_alloc(1, sizeof *writes, 0);
    (void)why;
    target_open(&writes->target, env, of);
    writes->loop = bench_cede_open(0);
    writes->file = cede_import(writes->target.fd, CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    for (unsigned i = 0; i < MOST; i++) {
        writes->reqs[i].user_data = writes;
    }
    return writes;
}

static void writes_round(void *self, bench_run *run)
{
    struct writes *writes = self;
    target_begin(&writes->target, run);
    bench_start(run);
    for (unsigned i = 0; i < writes->target.depth; i++) {
        writes_write(writes, &writes->reqs[i]);
    }
    cede_run(writes->loop, CEDE_FOREVER);
    bench_stop(run);
}

static void writes_close(void *self)
{
    struct writes *writes = self;
    cede_drop(writes->file);
    bench_cede_close(writes->loop);
    target_close(&writes->target);
    free(writes);
}

static const bench_contestant side_cede = {"cede", BENCH_CEDE, writes_open, writes_round,
                                           writes_close};

/* ---- The row --------------------------------------------------------------------------------- */

#define CASE(text, depth)                                                                       \
    {                                                                                           \
        .name = text, .size = depth, .measures = {{"wall", "ns", false}, {"CPU", "ns", false}}, \
        .contestants = {&floor_pwrite, &peer_ring, &peer_uv, &side_cede}, .goals = {            \
            {"never slower than libuv", BENCH_CONTESTANT, 0, 0, "libuv", 1.0},                  \
            {"close to pwrite", BENCH_SHOWN, 0, 0, "floor", 1}                                  \
        }                                                                                       \
    }

static const bench_case cases[] = {CASE("depth 1", 1), CASE("depth 32", 32)};

const bench_row bench_b15 = {"B15", "buffered 4 KiB writes", cases, 2};
