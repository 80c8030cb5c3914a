/*
 * The world of a trial: the services of src/core/os.h, memory, and a backend whose kernel does one
 * thing: a ROUNDTRIP or a CLOSE is over by the next wait, unless the trial holds it. A wait without
 * anything to report sleeps until somebody wakes it; if nobody will, relacy calls that a deadlock.
 *
 * Instrumented like the core, but for what the kernel itself would keep.
 */
#include "trial.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core.h"

#define WORKS_MOST 8u

typedef struct kernel {
    cede_core *core;
    unsigned which, count, cancels;
    struct {
        uint64_t token;
        bool cancelled, held;
    } works[WORKS_MOST];
} kernel;

static kernel kernels[2];
static unsigned kernel_count;
static uint64_t now_ns = CEDE_SECOND;
static bool holds;
static _Atomic uint32_t let_go;

bool trial_no_memory;
cede_handle trial_handle;

static void *resize(void *context, void *memory, size_t bytes);

void trial_world_begin(void)
{
    static const cede_allocator allocator = {resize, NULL};
    (void)cede_set_allocator(&allocator); /* refused but for the first time */
    kernel_count = 0;
    holds = trial_no_memory = false;
    trial_handle = 0;
    atomic_store_explicit(&let_go, 0, memory_order_relaxed);
}

void trial_hold(void)
{
    holds = true;
}

void trial_let_go(void)
{
    atomic_store(&let_go, 1);
    trial_signal(0);
}

/* ---- The operating system ------------------------------------------------------------------- */

const volatile uint32_t *cede_os_alive(void)
{
    static const volatile uint32_t alive = 1;
    return &alive;
}

void cede_os_lock(void)
{
    trial_lock();
}

void cede_os_unlock(void)
{
    trial_unlock();
}

void cede_os_yield(void)
{
    trial_yield();
}

uint64_t cede_os_now(void)
{
    return now_ns;
}

void cede_os_say(const char *line)
{
    puts(line);
}

_Noreturn void cede_os_fatal(const char *line)
{
    trial_fail(line);
    abort();
}

static void *resize(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes)
        return trial_no_memory ? NULL : realloc(memory, bytes);
    free(memory);
    return NULL;
}

/* ---- The backend ---------------------------------------------------------------------------- */

static cede_status kernel_open(const cede_backend_setup *setup, void **out)
{
    kernel *self = &kernels[kernel_count];
    self->which = kernel_count++;
    self->count = self->cancels = 0;
    self->core = setup->core;
    *out = self;
    return CEDE_OK;
}

static void kernel_close(void *self)
{
    TRIAL_CHECK(((kernel *)self)->count == 0);
    ((kernel *)self)->core = NULL; /* a wake from now on would race with this */
}

static bool kernel_supports(void *self, uint32_t op)
{
    (void)self;
    return op == CEDE_OP_ROUNDTRIP || op == CEDE_OP_CLOSE || op == CEDE_OP_FSYNC;
}

static uint32_t kernel_start(void *context, const cede_work *batch, uint32_t count)
{
    kernel *self = context;
    for (uint32_t i = 0; i < count; i++) {
        if (self->count == WORKS_MOST)
            return i;
        self->works[self->count].token = batch[i].token;
        self->works[self->count].cancelled = false;
        self->works[self->count++].held = holds && batch[i].op == CEDE_OP_ROUNDTRIP;
    }
    return count;
}

/* The first answer may be that it was too early. */
static int kernel_cancel(void *context, uint64_t token)
{
    kernel *self = context;
    if (self->cancels++ == 0 && trial_choose(2))
        return CEDE_CANCEL_AGAIN;
    for (unsigned i = 0; i < self->count; i++) {
        if (self->works[i].token == token)
            self->works[i].cancelled = true;
    }
    return CEDE_CANCEL_SENT;
}

/* Whether something was. */
static bool report(kernel *self)
{
    bool any = false;
    for (unsigned i = 0; i < self->count;) {
        uint64_t token = self->works[i].token;
        bool cancelled = self->works[i].cancelled;
        if (self->works[i].held && !atomic_load(&let_go)) {
            i++;
            continue;
        }
        self->works[i] = self->works[--self->count];
        cede_core_done(self->core, token, cancelled ? CEDE_ECANCELED : CEDE_OK, 0, 0);
        any = true;
    }
    return any;
}

static cede_status kernel_wait(void *context, uint64_t timeout_ns)
{
    kernel *self = context;
    now_ns += CEDE_SECOND;
    if (timeout_ns == 0)
        trial_calm(self->which);
    if (report(self) || timeout_ns == 0)
        return CEDE_OK;
    trial_await(self->which, timeout_ns != CEDE_FOREVER);
    (void)report(self);
    return CEDE_OK;
}

static void kernel_wake(void *context)
{
    const kernel *self = context;
    TRIAL_CHECK(self->core);
    trial_signal(self->which);
}

static uint64_t kernel_now(void *self)
{
    (void)self;
    return now_ns;
}

static cede_status kernel_attach(void *self, intptr_t native, uint32_t *kind)
{
    (void)self;
    (void)native;
    if (*kind == CEDE_KIND_AUTO)
        *kind = CEDE_KIND_FILE;
    return CEDE_OK;
}

static intptr_t kernel_waitable(void *self)
{
    (void)self;
    return -1;
}

static void kernel_discard(intptr_t native)
{
    (void)native;
}

const cede_backend trial_backend = {
    .abi = CEDE_BACKEND_ABI,
    .name = "trial",
    .natives = "trial",
    .open = kernel_open,
    .close = kernel_close,
    .supports = kernel_supports,
    .start = kernel_start,
    .cancel = kernel_cancel,
    .wait = kernel_wait,
    .wake = kernel_wake,
    .now = kernel_now,
    .attach = kernel_attach,
    .discard = kernel_discard,
    .waitable = kernel_waitable,
};

const cede_backend *cedi_backend_by_name(const char *name)
{
    (void)name;
    return &trial_backend;
}

const cede_backend *cedi_backend_native(void)
{
    return &trial_backend;
}

bool cedi_backend_native_has(intptr_t native)
{
    return native >= 0;
}
