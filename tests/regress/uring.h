/* Regressions of io_uring: a loop on it, told in this way, or a test that cannot run here. */
#ifndef CEDE_REGRESS_URING_H
#define CEDE_REGRESS_URING_H

#include "fake.h"

#include "cede/uring.h"

static inline cede_loop *uring_loop(const cede_uring_config *config)
{
    const cede_options options = {.backend = "io_uring", .backend_config = config};
    cede_loop *loop;
    cede_status status = cede_loop_open(&options, &loop);
    if (status == CEDE_EPERM || status == CEDE_ENOTSUP) {
        printf("skipped: no io_uring here\n");
        exit(77);
    }
    CHECK(status == CEDE_OK);
    return loop;
}

#endif
