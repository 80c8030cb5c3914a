/*
 * A backend of a test's own, and the few helpers that the regression tests share. It keeps every
 * work until the test completes it; closes and cancelled works complete in the next wait. Each test
 * may replace any of the three moments. Public headers only. The loop's thread, but for wake.
 */
#ifndef CEDE_REGRESS_FAKE_H
#define CEDE_REGRESS_FAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../port.h"
#include "regression.h"
#include "cede/backend.h"
#include "cede/cede.h"

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

#define FAKE_MOST 2048u

typedef struct fake fake;

enum { FAKE_KEEP, FAKE_REFUSE, FAKE_REPORTED }; /* what on_start answers */

struct fake {
    int (*on_start)(fake *, const cede_work *);
    int (*on_cancel)(fake *, uint64_t token); /* a CEDE_CANCEL_ */
    void (*on_wait)(fake *, uint64_t timeout_ns);
    cede_core *core;
    cede_work works[FAKE_MOST]; /* taken and not reported */
    unsigned count;
    uint64_t ending[FAKE_MOST]; /* cancelled, to be reported in the next wait */
    unsigned ending_count;
    uint64_t starts, cancels, waits, sleeps, reports;
    port_event woken;
    bool own_time; /* the clock stands but for sleeps, which take no time */
    uint64_t time_ns;
};

/* Reports a kept work. */
static inline void fake_report(fake *self, uint64_t token, cede_status status, uint64_t count)
{
    for (unsigned i = 0; i < self->count; i++) {
        if (self->works[i].token != token)
            continue;
        memmove(&self->works[i], &self->works[i + 1], (--self->count - i) * sizeof(cede_work));
        self->reports++;
        cede_core_done(self->core, token, status, 0, count);
        return;
    }
}

/* The first kept work of an operation; NULL if there is none. */
static inline cede_work *fake_find(fake *self, uint32_t op)
{
    for (unsigned i = 0; i < self->count; i++) {
        if (self->works[i].op == op)
            return &self->works[i];
    }
    return NULL;
}

static inline uint64_t fake_token(fake *self, uint32_t op)
{
    const cede_work *work = fake_find(self, op);
    CHECK(work);
    return work->token;
}

/* The pool of the first kept receive from one; of what checked builds have shut meanwhile. */
static inline cede_pool_view *fake_pool(fake *self, uint32_t op)
{
    const cede_work *work = fake_find(self, op);
    cede_pool_view *view;
    CHECK(work);
    cede_core_touch(self->core, work->token, true);
    view = cede_core_pool(work);
    cede_core_touch(self->core, work->token, false);
    return view;
}

static inline cede_status fake_open(const cede_backend_setup *setup, void **out)
{
    fake *self = (fake *)(uintptr_t)setup->config;
    self->core = setup->core;
    port_event_init(&self->woken);
    *out = self;
    return CEDE_OK;
}

static inline void fake_close(void *self)
{
    CHECK(((fake *)self)->count == 0);
}

static inline cede_status fake_bind(void *self)
{
    (void)self;
    return CEDE_OK;
}

static inline bool fake_supports(void *self, uint32_t op)
{
    (void)self, (void)op;
    return true;
}

static inline uint32_t fake_start(void *context, const cede_work *batch, uint32_t count)
{
    fake *self = context;
    for (uint32_t i = 0; i < count; i++) {
        int answer = self->on_start ? self->on_start(self, &batch[i]) : FAKE_KEEP;
        if (answer == FAKE_REFUSE)
            return i;
        self->starts++;
        if (answer == FAKE_REPORTED)
            continue;
        CHECK(self->count < FAKE_MOST);
        self->works[self->count++] = batch[i];
        if (batch[i].op == CEDE_OP_CLOSE && !self->on_start)
            self->ending[self->ending_count++] = batch[i].token;
    }
    return count;
}

static inline int fake_cancel(void *context, uint64_t token)
{
    fake *self = context;
    self->cancels++;
    if (self->on_cancel)
        return self->on_cancel(self, token);
    self->ending[self->ending_count++] = token;
    return CEDE_CANCEL_SENT;
}

static inline void fake_end(fake *self)
{
    while (self->ending_count) {
        uint64_t token = self->ending[--self->ending_count];
        bool closes = false;
        for (unsigned i = 0; i < self->count; i++)
            closes |= self->works[i].token == token && self->works[i].op == CEDE_OP_CLOSE;
        fake_report(self, token, closes ? CEDE_OK : CEDE_ECANCELED, 0);
    }
}

static inline cede_status fake_wait(void *context, uint64_t timeout_ns)
{
    fake *self = context;
    uint64_t before = self->reports;
    self->waits++;
    fake_end(self);
    if (self->on_wait)
        self->on_wait(self, timeout_ns);
    if (self->reports != before || timeout_ns == 0)
        return CEDE_OK;
    self->sleeps++;
    if (self->own_time) {
        CHECK(timeout_ns != CEDE_FOREVER); /* nobody would end it */
        self->time_ns += timeout_ns;
        return CEDE_OK;
    }
    port_event_wait(&self->woken, timeout_ns);
    return CEDE_OK;
}

static inline void fake_wake(void *context)
{
    fake *self = context;
    port_event_set(&self->woken);
}

static inline uint64_t fake_now(void *context)
{
    const fake *self = context;
    return self->own_time ? self->time_ns : port_now();
}

static inline cede_status fake_attach(void *self, intptr_t native, uint32_t *kind)
{
    (void)self, (void)native;
    if (*kind == CEDE_KIND_AUTO)
        *kind = CEDE_KIND_FILE;
    return CEDE_OK;
}

static inline void fake_discard(intptr_t native)
{
    (void)native;
}

static inline intptr_t fake_waitable(void *self)
{
    (void)self;
    return -1;
}

static const cede_backend fake_backend = {
    .abi = CEDE_BACKEND_ABI,
    .name = "fake",
    .natives = "fake",
    .open = fake_open,
    .close = fake_close,
    .bind = fake_bind,
    .supports = fake_supports,
    .start = fake_start,
    .cancel = fake_cancel,
    .wait = fake_wait,
    .wake = fake_wake,
    .now = fake_now,
    .attach = fake_attach,
    .discard = fake_discard,
    .waitable = fake_waitable,
};

/* A loop on the fake, or on a table of the test's own. A test that hangs is ended, as failed. */
static inline cede_loop *fake_loop_on(fake *self, const cede_backend *table, cede_options options)
{
    cede_loop *loop;
    options.backend_table = table;
    options.backend_config = self;
    port_limit(30);
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    return loop;
}

static inline cede_loop *fake_loop(fake *self)
{
    cede_options options = CEDE_OPTIONS_INIT;
    return fake_loop_on(self, &fake_backend, options);
}

/* A handle of an invented descriptor. */
static inline cede_handle fake_handle(uint32_t kind, uint32_t flags)
{
    static intptr_t next = 100;
    cede_handle handle = cede_core_adopt(&fake_backend, next++, kind, flags);
    CHECK(handle);
    return handle;
}

/* A request that notes what became of it; `order` counts the callbacks. */
typedef struct note {
    cede_req req;
    cede_result result;
    int calls;
    int order;
} note;

static int notes;

static inline void note_done(cede_req *req, cede_result result)
{
    note *n = CEDE_CONTAINER(req, note, req);
    n->result = result;
    n->calls++;
    n->order = ++notes;
}

static inline cede_ticket note_submit(cede_loop *loop, note *n, cede_done *done)
{
    n->calls = n->order = 0;
    return cede_submit(loop, &n->req, done);
}

/* From when on the library gets no memory any more. */
static bool memory_is_out;

static inline void *short_memory(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes == 0) {
        free(memory);
        return NULL;
    }
    return memory_is_out ? NULL : realloc(memory, bytes);
}

static inline void use_short_memory(void)
{
    static const cede_allocator allocator = {short_memory, NULL};
    CHECK(cede_set_allocator(&allocator) == CEDE_OK);
}

#endif
