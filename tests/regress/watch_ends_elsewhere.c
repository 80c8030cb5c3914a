/* On io_uring the close of a watch, and the end of one whose directory had gone, were made on the
 * loop's thread, where the kernel keeps them for up to a quarter of a second (law 10). They are the
 * pool's: with its one thread taken by a work, each asks for another. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "uring.h"

#include "cede/system.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static cede_loop *loop;
static cede_pool *pool;
static unsigned threads; /* that were asked for */
static bool refused;     /* there is none */
static note made, user, closed, slow, work;
static int line[2];
static char folder[256];
static uint32_t what;

static int count_threads(void *context, const char *call)
{
    (void)context;
    if (strcmp(call, "thread") != 0)
        return 0;
    threads++;
    return refused ? EAGAIN : 0;
}

static cede_status wait_for_byte(void *context, uint64_t *count)
{
    char byte;
    *count = (uint64_t)read(*(const int *)context, &byte, 1);
    return CEDE_OK;
}

static void on_change(cede_req *req, cede_result item)
{
    const cede_change *change = item.buffer;
    (void)req;
    what |= change->what;
    cede_pool_give(pool, item.buffer);
}

static void open_all(void)
{
    static const cede_uring_config config = {.fault = count_threads};
    const cede_options options = {
        .backend = "io_uring", .backend_config = &config, .pool_threads = 1};
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    CHECK(cede_pool_open(loop, 1, CEDE_WATCH_BYTES, 0, &pool) == CEDE_OK);
    CHECK(pipe2(line, O_CLOEXEC) == 0);
    port_folder(folder, sizeof folder);
    refused = false;
    what = 0;
}

static void take_the_thread(void)
{
    cede_prep_work(&work.req, wait_for_byte, &line[0]);
    (void)note_submit(loop, &work, note_done);
    CHECK(cede_run(loop, 0) == 0);
    threads = 0;
}

static void close_all(void)
{
    CHECK(write(line[1], "x", 1) == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK && work.calls == 1);
    cede_pool_close(pool);
    CHECK(close(line[0]) == 0 && close(line[1]) == 0);
}

static int watch_folder(void)
{
    intptr_t native = -1;
    cede_prep_watch(&made.req, folder, 0);
    CHECK(cede_wait(loop, note_submit(loop, &made, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(made.result.status == CEDE_OK);
    CHECK(cede_release(made.result.handle, &native) == CEDE_OK);
    return (int)native;
}

static void use(cede_handle handle, uint32_t kind)
{
    if (kind == CEDE_KIND_WATCH)
        cede_prep_watch_many(&user.req, handle, pool, on_change);
    else
        cede_prep_poll(&user.req, handle, CEDE_POLL_IN);
    (void)note_submit(loop, &user, note_done);
    CHECK(cede_run(loop, 0) == 0);
}

static void close_it(cede_handle handle)
{
    cede_prep_close(&closed.req, handle);
    CHECK(cede_wait(loop, note_submit(loop, &closed, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(closed.result.status == CEDE_OK);
}

static void closes(uint32_t kind, bool used, bool drops)
{
    open_all();
    int fd = watch_folder();
    cede_handle handle = cede_import(fd, kind, 0);
    take_the_thread();
    if (used)
        use(handle, kind);
    if (drops)
        cede_drop(handle);
    else
        close_it(handle);
    while (drops && fcntl(fd, F_GETFD) >= 0)
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
    CHECK(threads == 1 && fcntl(fd, F_GETFD) < 0);
    close_all();
    port_folder_gone(folder);
}

/* What is like it, but for that, is closed by the ring. */
static void closes_a_counter(void)
{
    open_all();
    int fd = eventfd(0, EFD_CLOEXEC);
    CHECK(fd >= 0);
    take_the_thread();
    close_it(cede_import(fd, CEDE_KIND_AUTO, 0));
    CHECK(threads == 0 && fcntl(fd, F_GETFD) < 0);
    close_all();
    port_folder_gone(folder);
}

static void is_pipe(int fd)
{
    struct stat facts;
    CHECK(fstat(fd, &facts) == 0 && S_ISFIFO(facts.st_mode));
}

static void goes(bool without_thread)
{
    open_all();
    int fd = watch_folder();
    cede_handle handle = cede_import(fd, CEDE_KIND_WATCH, 0);
    use(handle, CEDE_KIND_WATCH);
    take_the_thread();
    refused = without_thread;
    port_folder_gone(folder);
    while (!user.calls)
        CHECK(cede_run(loop, CEDE_SECOND) >= 0);
    CHECK(user.result.status == CEDE_OK && (what & CEDE_CHANGE_GONE) && threads == 1);
    is_pipe(fd);
    cede_prep_watch_many(&user.req, handle, pool, on_change);
    CHECK(cede_wait(loop, note_submit(loop, &user, note_done), CEDE_FOREVER) == CEDE_OK);
    CHECK(user.result.status == CEDE_OK && user.result.count == 0);
    refused = false;
    close_it(handle);
    close_all();
}

/* A connection whose one end is closed when the other has read all that there is. */
static void make_slow(int ends[2])
{
    static const char bytes[65536];
    const struct linger linger = {1, 60};
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t name_bytes = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&name, sizeof name) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&name, &name_bytes) == 0);
    CHECK(connect(ends[0], (struct sockaddr *)&name, sizeof name) == 0);
    CHECK((ends[1] = accept(listener, NULL, NULL)) >= 0 && close(listener) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    while (send(ends[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
}

/* A wish that comes when the end waits for a thread, which a close has: it is made all the same. */
static void goes_as_it_is_cancelled(void)
{
    static char taken[65536];
    int ends[2];
    open_all();
    int fd = watch_folder();
    cede_handle handle = cede_import(fd, CEDE_KIND_WATCH, 0);
    cede_prep_watch_many(&user.req, handle, pool, on_change);
    cede_ticket ticket = note_submit(loop, &user, note_done);
    make_slow(ends);
    cede_prep_close(&slow.req, cede_import(ends[0], CEDE_KIND_STREAM, 0));
    cede_ticket first = note_submit(loop, &slow, note_done);
    CHECK(cede_run(loop, 0) == 0);
    port_folder_gone(folder);
    while (!(what & CEDE_CHANGE_GONE))
        CHECK(cede_run(loop, CEDE_MILLISECOND) >= 0);
    cede_cancel(ticket);
    CHECK(cede_run(loop, 0) == 0 && !slow.calls);
    while (read(ends[1], taken, sizeof taken) > 0)
        continue;
    CHECK(cede_wait(loop, first, CEDE_FOREVER) == CEDE_OK && slow.result.status == CEDE_OK);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK && user.result.status == CEDE_OK);
    is_pipe(fd);
    close_it(handle);
    CHECK(close(ends[1]) == 0);
    take_the_thread();
    close_all();
}

REGRESSION(watch_ends_elsewhere)
{
    static const uint32_t kinds[] = {CEDE_KIND_WATCH, CEDE_KIND_AUTO, CEDE_KIND_OBJECT};
    port_limit(60);
    CHECK(cede_loop_close(uring_loop(NULL), CEDE_FOREVER) == CEDE_OK);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        closes(kinds[i], false, false);
        closes(kinds[i], true, false);
        closes(kinds[i], true, true);
    }
    closes_a_counter();
    goes(false);
    goes(true);
    goes_as_it_is_cancelled();
    return 0;
}
