/*
 * B11: copying a file of 1 GiB (with --quick, 256 MiB) into a new one, both in the page cache.
 *
 * floor  copy_file_range until all is copied, as cp does
 * libuv  uv_fs_copyfile
 * cede   cede_prep_copy
 *
 * All open the target anew and close it again within the figure; it is removed outside of it.
 */
#include "bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cede/cede.h>
#include <uv.h>

enum { MIB = 1 << 20, FULL_MIB = 1024, QUICK_MIB = 256 };

struct copy {
    int from;
    uint64_t bytes;
    const char *source, *target;
    uv_loop_t uv;
    uv_fs_t uv_req;
    cede_loop *loop;
    cede_handle from_handle, to_handle;
    cede_req req;
};

static void copy_begin(struct copy *copy, bench_run *run)
{
    unlink(copy->target);
    run->ops = 1;
    bench_start(run);
}

static void copy_end(struct copy *copy, bench_run *run)
{
    bench_stop(run);
    run->out[0] = (double)copy->bytes / (1 << 30) / (run->out[0] / 1e9);
    run->out[1] = run->out[1] / ((double)copy->bytes / MIB) / 1000;
    unlink(copy->target);
}

static struct copy *copy_open(const bench_env *env)
{
    struct copy *copy = bench_alloc(1, sizeof *copy, 0);
    copy->bytes = (uint64_t)(env->quick ? QUICK_MIB : FULL_MIB) * MIB;
    copy->from = bench_file(env, env->quick ? "cached" : "direct", copy->bytes, O_RDONLY);
    copy->source = bench_path(env, env->quick ? "cached" : "direct");
    copy->target = bench_path(env, "copied");
    /* Into the cache: what the file was made of may have been written past it. */
    bench_check(posix_fadvise(copy->from, 0, 0, POSIX_FADV_WILLNEED), "posix_fadvise");
    return copy;
}

static void copy_close(void *self)
{
    struct copy *copy = self;
    close(copy->from);
    free(copy);
}

static int make_target(struct copy *copy)
{
    return (int)bench_check(open(copy->target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
                            "target");
}

/* ---- floor ----------------------------------------------------------------------------------- */

static void *range_open(const bench_env *env, const bench_case *of, const char **why)
{
    (void)of, (void)why;
    return copy_open(env);
}

static void range_round(void *self, bench_run *run)
{
    struct copy *copy = self;
    copy_begin(copy, run);
    int to = make_target(copy);
    off_t in = 0, out = 0;
    while ((uint64_t)out < copy->bytes) {
        long moved = copy_file_range(copy->from, &in, to, &out, copy->bytes - (uint64_t)out, 0);
        if (bench_check(moved, "copy_file_range") == 0) {
            bench_die("copy_file_range: the source ended early");
        }
    }
    close(to);
    copy_end(copy, run);
}

static const bench_contestant floor_range = {"floor", BENCH_FLOOR, range_open, range_round,
                                             copy_close};

/* ---- libuv ----------------------------------------------------------------------------------- */

static void on_uv(uv_fs_t *req)
{
    bench_check_neg((long)req->result, "uv_fs_copyfile");
    uv_fs_req_cleanup(req);
}

static void *uv_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct copy *copy = copy_open(env);
    (void)of, (void)why;
    bench_check_neg(uv_loop_init(&copy->uv), "uv_loop_init");
    return copy;
}

static void uv_round(void *self, bench_run *run)
{
    struct copy *copy = self;
    copy_begin(copy, run);
    uv_fs_copyfile(&copy->uv, &copy->uv_req, copy->source, copy->target, 0, on_uv);
    uv_run(&copy->uv, UV_RUN_DEFAULT);
    copy_end(copy, run);
}

static void uv_side_close(void *self)
{
    bench_check_neg(uv_loop_close(&((struct copy *)self)->uv), "uv_loop_close");
    copy_close(self);
}

static const bench_contestant peer_uv = {"libuv", BENCH_PEER, uv_open, uv_round, uv_side_close};

/* ---- cede ------------------------------------------------------------------------------------ */

static void on_closed(cede_req *req, cede_result r)
{
    (void)req;
    bench_cede_check(r.status, "close");
}

static void on_copied(cede_req *req, cede_result r)
{
    struct copy *copy = req->user_data;
    bench_cede_check(r.status, "copy");
    if (r.count != copy->bytes) {
        bench_die("a copy fell short");
    }
    cede_prep_close(req, copy->to_handle);
    cede_submit(copy->loop, req, on_closed);
}

static void on_opened(cede_req *req, cede_result r)
{
    struct copy *copy = req->user_data;
    bench_cede_check(r.status, "open");
    copy->to_handle = r.handle;
    cede_prep_copy(req, copy->from_handle, 0, copy->to_handle, 0, copy->bytes);
    cede_submit(copy->loop, req, on_copied);
}

static void *cede_open(const bench_env *env, const bench_case *of, const char **why)
{
    struct copy *copy = copy_open(env);
    (void)of, (void)why;
    copy->loop = bench_cede_open(0);
    copy->from_handle = cede_import(copy->from, CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    copy->req.user_data = copy;
    return copy;
}

static void cede_round(void *self, bench_run *run)
{
    struct copy *copy = self;
    copy_begin(copy, run);
    cede_prep_open(&copy->req, copy->target,
                   CEDE_OPEN_WRITE | CEDE_OPEN_CREATE | CEDE_OPEN_TRUNCATE, 0600);
    cede_submit(copy->loop, &copy->req, on_opened);
    cede_run(copy->loop, CEDE_FOREVER);
    copy_end(copy, run);
}

static void cede_side_close(void *self)
{
    struct copy *copy = self;
    cede_drop(copy->from_handle);
    bench_cede_close(copy->loop);
    copy_close(copy);
}

static const bench_contestant side_cede = {"cede", BENCH_CEDE, cede_open, cede_round,
                                           cede_side_close};

/* ---- The row --------------------------------------------------------------------------------- */

static const bench_case cases[] = {{
    .name = "in the page cache",
    .size = 1,
    .fixed = true,
    .rounds_max = 7,
    .measures = {{"rate", "GiB/s", true}, {"CPU a MiB", "us", false}},
    .contestants = {&floor_range, &peer_uv, &side_cede},
    .goals = {{"at least 0.97 of cp's rate", BENCH_CONTESTANT, 0, 0, "floor", 1 / 0.97},
              {"against libuv", BENCH_SHOWN, 0, 0, "libuv", 1}},
}};

const bench_row bench_b11 = {"B11", "copy a large file", cases, 1};
