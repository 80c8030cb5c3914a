/*
 * The vtable of the io_uring backend, and its small functions.
 */
#include "uring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define POOL_THREADS 4u

static void woken(void *context)
{
    cede_core_woken(((uring *)context)->core);
}

static void leave_descriptors(const uring *self)
{
    const int own[] = {self->wake_fd, self->ready_fd, self->end_fd};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (own[i] >= 0)
            (void)close(own[i]);
    }
}

/* Frees what a failed open and close have in common. */
static void release(uring *self)
{
    cedi_uring_signals_leave(self);
    cedi_uring_lookups_free(self);
    cedi_uring_pools_free(self);
    cedi_pool_close(self->pool);
    leave_descriptors(self);
    cedi_uring_files_free(self);
    cedi_uring_jobs_free(self);
    cedi_memory_free(self);
}

static cede_status open_rest(uring *self, const cede_backend_setup *setup)
{
    cedi_pool_setup pool = {
        .threads = setup->pool_threads ? setup->pool_threads : POOL_THREADS,
        .notify = woken,
        .context = self,
        .fault = self->config.fault,
        .fault_context = self->config.fault_context,
    };
    int error = cedi_uring_fault(self, "eventfd");
    if (!error) {
        self->wake_fd =
            cedi_own_fd(eventfd(0, EFD_CLOEXEC)); /* blocking: the ring waits on it, we never do */
        error = self->wake_fd < 0 ? errno : 0;
    }
    if (error) {
        (void)snprintf(setup->why, setup->why_bytes, "no eventfd for wakes: %s", strerror(error));
        return cedi_error_final(error);
    }
    self->pool = cedi_pool_open(&pool);
    if (!self->pool) {
        (void)snprintf(setup->why, setup->why_bytes, "out of memory");
        return CEDE_ENOMEM;
    }
    return cedi_uring_setup(self, setup);
}

static cede_status uring_open(const cede_backend_setup *setup, void **out)
{
    uring *self = cedi_memory_get(sizeof *self);
    cede_status status;
    *out = NULL;
    if (!self) {
        (void)snprintf(setup->why, setup->why_bytes, "out of memory");
        return CEDE_ENOMEM;
    }
    self->core = setup->core;
    self->wake_fd = self->ready_fd = self->end_fd = -1;
    if (setup->config)
        self->config = *(const cede_uring_config *)setup->config;
    if (self->config.fault)
        self->odd |= URING_ODD_FAULTS;
    if (self->config.force & CEDE_URING_FORCE_ASYNC)
        self->work_flags = IOSQE_ASYNC;
    if (self->config.force & CEDE_URING_FORCE_AT_SUBMIT)
        self->odd |= URING_ODD_AT_ONCE;
    status = open_rest(self, setup);
    if (status != CEDE_OK) {
        release(self);
        return status;
    }
    *out = self;
    return CEDE_OK;
}

/* Nothing of a caller's is in the kernel any more; what is, reads into our own memory. The kernel
 * does not wait for that when a ring is torn down (measured), so it is ended before. */
static void uring_close(void *context)
{
    uring *self = context;
    self->config.fault = NULL; /* what a test breaks is the loop's life, not its end */
    cedi_uring_signals_leave(self);
    if (self->enabled)
        cedi_uring_unwatch(self);
    if (self->ring.ring_fd >= 0)
        cedi_uring_ring_leave(&self->ring);
    if (self->watching) {
        leave_descriptors(self); /* the read is still to come: its memory must stay */
        return;
    }
    release(self);
}

static void uring_released(intptr_t native)
{
    cedi_child_released((int)native);
}

static void uring_discard(intptr_t native)
{
    cedi_child_left((int)native);
    cedi_net_close_now((int)native);
}

const cede_backend cede_uring_backend = {
    .abi = CEDE_BACKEND_ABI,
    .name = "io_uring",
    .natives = "fd",
    .open = uring_open,
    .close = uring_close,
    .bind = cedi_uring_bind,
    .supports = cedi_uring_supports,
    .start = cedi_uring_start,
    .cancel = cedi_uring_cancel,
    .wait = cedi_uring_wait,
    .wake = cedi_uring_wake,
    .now = cedi_uring_now,
    .attach = cedi_uring_attach,
    .detach = NULL,
    .discard = uring_discard,
    .released = uring_released,
    .waitable = cedi_uring_waitable,
    .now_coarse = cedi_uring_now_coarse,
    .pool_give = cedi_uring_pool_give,
    .pool_close = cedi_uring_pool_close,
};
