/* A borrowed descriptor stays the caller's: that of a watch whose directory had gone was made the
 * end of a pipe. */
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"

static cede_pool *pool;
static uint32_t what;

static void on_change(cede_req *req, cede_result item)
{
    const cede_change *change = item.buffer;
    (void)req;
    what |= change->what;
    cede_pool_give(pool, item.buffer);
}

REGRESSION(borrowed_watch_is_left_alone)
{
    static note watch;
    char path[] = "/tmp/cede-borrowed-XXXXXX";
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    port_limit(30);
    options.backend = "io_uring";
    CHECK(fd >= 0 && mkdtemp(path) && inotify_add_watch(fd, path, IN_CREATE | IN_DELETE_SELF) >= 0);
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    CHECK(cede_pool_open(loop, 1, CEDE_WATCH_BYTES, 0, &pool) == CEDE_OK);
    cede_prep_watch_many(&watch.req, cede_import(fd, CEDE_KIND_WATCH, CEDE_IMPORT_BORROW), pool,
                         on_change);
    cede_submit(loop, &watch.req, note_done);
    (void)cede_run(loop, 0);
    CHECK(rmdir(path) == 0);
    CHECK(cede_run(loop, CEDE_FOREVER) >= 1);
    CHECK(watch.calls == 1 && watch.result.status == CEDE_OK && (what & CEDE_CHANGE_GONE));
    CHECK(inotify_add_watch(fd, "/tmp", IN_CREATE) >= 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    cede_pool_close(pool);
    return close(fd);
}
