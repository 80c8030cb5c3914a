/* Where a program runs with its standard streams closed, none of the library's own descriptors
 * takes their place: a child that inherited standard input took the wakes of its loop, and an
 * import of standard output wrote into them. Nor does a child inherit a file that lies there. */
#include "fake.h"

#include <fcntl.h>
#include <unistd.h>

static note asked, ended;

static void wait_for(cede_loop *loop, note *n)
{
    CHECK(cede_wait(loop, note_submit(loop, n, note_done), CEDE_FOREVER) == CEDE_OK);
}

static bool are_closed(void)
{
    return fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0;
}

/* It says what it would if the program had opened nothing. */
static void is_no_file(cede_loop *loop, int native)
{
    cede_handle handle = cede_import(native, CEDE_KIND_PIPE, CEDE_IMPORT_BORROW);
    cede_prep_write_all(&asked.req, handle, "eight by", 8, CEDE_CURRENT);
    wait_for(loop, &asked);
    CHECK(asked.result.status == CEDE_EBADF && asked.result.count == 0);
    if (handle)
        cede_drop(handle);
}

static void has_no_input(cede_loop *loop)
{
    static const char *const arguments[] = {
        "sh", "-c", "test \"$(readlink /proc/self/fd/0)\" = /dev/null && ! read line", NULL};
    static const cede_spawn how = {
        .program = "/bin/sh", .arguments = arguments, .flags = CEDE_SPAWN_INHERIT_INPUT};
    cede_prep_spawn(&asked.req, &how, NULL);
    wait_for(loop, &asked);
    CHECK(asked.result.status == CEDE_OK);
    cede_prep_child_wait(&ended.req, asked.result.handle);
    wait_for(loop, &ended);
    CHECK(ended.result.status == CEDE_OK && ended.result.count == 0);
    cede_prep_close(&ended.req, asked.result.handle); /* which may lie there, being the caller's */
    wait_for(loop, &ended);
}

REGRESSION(standard_streams_stay_closed)
{
    uint64_t timeout_ns;
    cede_loop *loop;

    port_limit(30);
    CHECK(close(0) == 0 && close(1) == 0);
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    CHECK(cede_run(loop, 0) == 0 && are_closed());
    CHECK(cede_loop_waitable(loop, &timeout_ns) > STDERR_FILENO && are_closed());
    is_no_file(loop, 0);
    is_no_file(loop, 1);
    if (cede_supports(loop, CEDE_OP_SPAWN))
        has_no_input(loop);
    CHECK(are_closed());
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
