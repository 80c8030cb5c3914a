/* A close, a drop and a loop close go on when there is no memory at all. The Windows backend wanted
 * a record, to send a file's close to a thread, and put the close off for ever (laws 10, 15). */
#include <stdlib.h>

#include "../port.h"
#include "memory.h"

static cede_handle import(const char *path)
{
#if defined(_WIN32)
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                              FILE_FLAG_OVERLAPPED, NULL);
    return cede_import((intptr_t)file, CEDE_KIND_FILE, 0);
#else
    return cede_import(open(path, O_RDONLY), CEDE_KIND_FILE, 0);
#endif
}

static void read_something(cede_loop *loop, cede_handle file)
{
    static note read;
    static char byte;
    cede_prep_read(&read.req, file, &byte, 1, 0);
    cede_submit(loop, &read.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(read.result.status == CEDE_OK);
}

REGRESSION(close_needs_no_memory)
{
    static note close;
    cede_handle files[3];
    cede_loop *loop;
    memory_watch();
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    for (int i = 0; i < 3; i++) {
        files[i] = import(regression_program);
        CHECK(files[i] != 0);
        read_something(loop, files[i]);
    }
    memory_is_out = true;
    cede_prep_close(&close.req, files[0]);
    cede_submit(loop, &close.req, note_done);
    cede_drop(files[1]);
    CHECK(cede_run(loop, 10 * CEDE_SECOND) == 1);
    CHECK(close.result.status == CEDE_OK);
    CHECK(cede_loop_close(loop, 10 * CEDE_SECOND) == CEDE_OK);
    return 0;
}
