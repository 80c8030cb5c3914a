/* A copy that goes through a buffer had 128 KiB of it on the stack of a pool thread, which with
 * some C libraries, or a limit that was set, has no more in all. Without memory it takes a small
 * one. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "memory.h"
#include "uring.h"

#include "cede/file.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) /* no thread starts there on what it needs itself */
#define STACK_BYTES ((size_t)1 << 20)
#else
#define STACK_BYTES ((size_t)128 << 10)
#endif

static note copy;

REGRESSION(copy_costs_little_stack)
{
    static char bytes[200000];
    pthread_attr_t attributes;
    cede_loop *loop;
    int to = memfd_create("cede", MFD_CLOEXEC);
    int text = open("/proc/self/maps", O_RDONLY | O_CLOEXEC); /* of unknown length: by a buffer */
    CHECK(to >= 0 && text >= 0);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    CHECK(pthread_setattr_default_np(&attributes) == 0);
    memory_watch();
    loop = uring_loop(NULL);
    cede_handle ends[2] = {cede_import(text, CEDE_KIND_AUTO, 0),
                           cede_import(to, CEDE_KIND_AUTO, CEDE_IMPORT_BORROW)};
    for (int i = 0; i < 2; i++) {
        CHECK(ftruncate(to, 0) == 0);
        cede_prep_copy(&copy.req, ends[0], 0, ends[1], 0, CEDE_TO_END);
        cede_ticket ticket = note_submit(loop, &copy, note_done);
        CHECK(cede_wait(loop, ticket, 10 * CEDE_SECOND) == CEDE_OK);
        CHECK(copy.result.status == CEDE_OK && copy.result.count > 0);
        CHECK(pread(to, bytes, sizeof bytes, 0) == (ssize_t)copy.result.count);
        memory_is_out = true;
    }
    memory_is_out = false;
    cede_drop(ends[0]);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
