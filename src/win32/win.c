/*
 * The vtables of the Windows backend, and its small functions. The two differ in the lane of
 * handles that say nothing, and in their names.
 */
#include "net.h"

#include <stdio.h>

#define POOL_THREADS 4u

static void woken(void *context)
{
    cede_core_woken(((win *)context)->core);
}

/* Frees what a failed open and close have in common. */
static void release(win *self)
{
    cedi_win_embed_close(self);
    cedi_win_poll_close(self);
    cedi_pool_close(self->pool);
    AcquireSRWLockExclusive(&self->visits); /* those that have begun */
    ReleaseSRWLockExclusive(&self->visits);
    cedi_win_port_close(self);
    cedi_win_records_free(self);
    cedi_win_events_close(self);
    cedi_memory_free(self);
}

static cede_status open_rest(win *self, const cede_backend_setup *setup)
{
    cedi_pool_setup pool = {.threads = setup->pool_threads ? setup->pool_threads : POOL_THREADS,
                            .notify = woken,
                            .context = self,
                            .fault = self->config.fault,
                            .fault_context = self->config.fault_context};
    self->pool = cedi_pool_open(&pool);
    if (!self->pool) {
        (void)snprintf(setup->why, setup->why_bytes, "out of memory");
        return CEDE_ENOMEM;
    }
    return cedi_win_port_open(self, setup->why, setup->why_bytes);
}

static cede_status open_with(const cede_backend_setup *setup, void **out, uint8_t lane)
{
    win *self = cedi_memory_get(sizeof *self);
    cede_status status;
    *out = NULL;
    if (!self) {
        (void)snprintf(setup->why, setup->why_bytes, "out of memory");
        return CEDE_ENOMEM;
    }
    (void)cedi_win_nt();
    cedi_win_socket_begin();
    self->core = setup->core;
    self->fired_end = &self->fired;
    InitializeSRWLock(&self->visits);
    if (setup->config)
        self->config = *(const cede_win32_config *)setup->config;
    cedi_win_calls_fill(&self->calls, self->config.calls);
    self->lane = lane;
    if (self->config.lane)
        self->lane = self->config.lane == CEDE_WIN32_LANE_APC ? WIN_LANE_APC : WIN_LANE_PORT;
    status = open_rest(self, setup);
    if (status != CEDE_OK) {
        release(self);
        return status;
    }
    *out = self;
    return CEDE_OK;
}

static cede_status open_iocp(const cede_backend_setup *setup, void **out)
{
    return open_with(setup, out, WIN_LANE_PORT);
}

static cede_status open_apc(const cede_backend_setup *setup, void **out)
{
    return open_with(setup, out, WIN_LANE_APC);
}

static void win_close(void *context)
{
    win *self = context;
    self->config.fault = NULL; /* what a test breaks is the loop's life, not its end */
    release(self);
}

/* The sentinel's wait begins on the loop's thread: it must not end with another. */
static cede_status win_bind(void *context)
{
    win *self = context;
    (void)cedi_win_arm(self);
    return CEDE_OK;
}

static void win_discard(intptr_t native)
{
    if (cedi_win_is_local(native)) {
        cedi_win_local_discard(native);
    } else if (cedi_win_is_socket(native)) {
        cedi_win_socket_unlinger(native);
        (void)cedi_win_socket_close(cede_win32_system_calls()->close_socket, (SOCKET)native);
    } else {
        (void)CloseHandle((HANDLE)native);
    }
}

uint64_t cedi_win_now(void *context)
{
    static _Atomic uint64_t known;
    uint64_t frequency = atomic_load_explicit(&known, memory_order_relaxed), ticks;
    LARGE_INTEGER value;
    (void)context;
    if (frequency == 0) {
        (void)QueryPerformanceFrequency(&value);
        frequency = (uint64_t)value.QuadPart;
        atomic_store_explicit(&known, frequency, memory_order_relaxed);
    }
    (void)QueryPerformanceCounter(&value);
    ticks = (uint64_t)value.QuadPart;
    return ticks / frequency * CEDE_SECOND + ticks % frequency * CEDE_SECOND / frequency;
}

#define VTABLE(name_, open_)                                                              \
    {                                                                                     \
        .abi = CEDE_BACKEND_ABI, .name = (name_), .natives = "handle", .open = (open_),   \
        .close = win_close, .bind = win_bind, .supports = cedi_win_supports,              \
        .start = cedi_win_start, .cancel = cedi_win_cancel, .wait = cedi_win_wait,        \
        .wake = cedi_win_wake, .now = cedi_win_now, .attach = cedi_win_attach,            \
        .detach = cedi_win_detach, .discard = win_discard, .waitable = cedi_win_waitable, \
        .forget = cedi_win_forget, .attach_flags = CEDE_ATTACH_APC | CEDE_ATTACH_BORROW   \
    }

const cede_backend cede_win32_iocp_backend = VTABLE("win32-iocp", open_iocp);
const cede_backend cede_win32_apc_backend = VTABLE("win32-apc", open_apc);
