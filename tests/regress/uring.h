/* Regressions of io_uring: a loop on it, told in this way, or a test that cannot run here. */
#ifndef CEDE_REGRESS_URING_H
#define CEDE_REGRESS_URING_H

#include "fake.h"

#include <fcntl.h>
#include <mqueue.h>
#include <unistd.h>

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

/* A message queue is a file with a flush that nobody needs rights for. -1: there are none. */
static inline int uring_with_a_flush(int number)
{
    char name[64];
    snprintf(name, sizeof name, "/cede-regress-%ld-%d", (long)getpid(), number);
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
    if (queue != (mqd_t)-1)
        CHECK(mq_unlink(name) == 0);
    return (int)queue;
}

#endif
