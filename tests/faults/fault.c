/*
 * Makes the k-th fallible call of an example program fail, as S9 of the suite does in its cases.
 * The environment says which: CEDE_FAULT=KIND,WHEN,K, and where to tell of it: CEDE_FAULT_TOLD, a
 * file that the name of the call is appended to. Kinds:
 *
 *   alloc   an allocation, the library's or the program's own
 *   call    a system call of the backend (its hook for tests), or of the program's own
 *   work    an operation: the backend is offered none of it, and it has failed with CEDE_EIO
 *
 * WHEN is "once" or "on" (that one and all behind it). A call fails with the error number that
 * WHEN is, if it is one. A close is never made to fail: there is nothing that a program could do.
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cede/backend.h"
#include "cede/uring.h"

enum { ALLOC, CALL, WORK, KINDS };

static const char *const kinds[KINDS] = {"alloc", "call", "work"};

static struct {
    int kind;
    bool on;
    int error;
    uint64_t k;
    _Atomic uint64_t calls;
    const char *told;
} fault = {.kind = KINDS};

static void *resize(void *context, void *memory, size_t bytes);

/* Before anything of the program. */
__attribute__((constructor)) static void begin(void)
{
    static const cede_allocator allocator = {resize, NULL};
    const char *how = getenv("CEDE_FAULT");
    char kind[8] = "", when[8] = "";
    unsigned long long k = 0;
    fault.told = getenv("CEDE_FAULT_TOLD");
    (void)cede_set_allocator(&allocator);
    if (!how || sscanf(how, "%7[a-z],%7[a-z0-9],%llu", kind, when, &k) != 3)
        return;
    for (fault.kind = 0; fault.kind < KINDS && strcmp(kinds[fault.kind], kind) != 0;)
        fault.kind++;
    fault.on = strcmp(when, "on") == 0;
    fault.error = (int)strtol(when, NULL, 10);
    fault.k = k;
}

static void tell(const char *what)
{
    char line[80];
    int length = snprintf(line, sizeof line, "%s %s\n", kinds[fault.kind], what);
    int file = fault.told ? open(fault.told, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (file < 0 || write(file, line, (size_t)length) != length)
        abort();
    close(file);
}

static bool fails(int kind, const char *what)
{
    uint64_t call;
    if (kind != fault.kind)
        return false;
    call = atomic_fetch_add(&fault.calls, 1) + 1;
    if (call == fault.k)
        tell(what);
    return call == fault.k || (fault.on && call > fault.k);
}

/* ---- Allocations ---------------------------------------------------------------------------- */

static void *resize(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes == 0) {
        free(memory);
        return NULL;
    }
    return fails(ALLOC, "of the library") ? NULL : realloc(memory, bytes);
}

void *fault_malloc(size_t bytes)
{
    return fails(ALLOC, "malloc") ? NULL : malloc(bytes);
}

void *fault_calloc(size_t count, size_t bytes)
{
    return fails(ALLOC, "calloc") ? NULL : calloc(count, bytes);
}

void *fault_realloc(void *memory, size_t bytes)
{
    return fails(ALLOC, "realloc") ? NULL : realloc(memory, bytes);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

int fault_pipe(int ends[2])
{
    if (!fails(CALL, "pipe"))
        return pipe(ends);
    errno = fault.error ? fault.error : EMFILE;
    return -1;
}

/* A wait may be interrupted or refused; it is never forbidden half way. */
static int call_fails(void *context, const char *call)
{
    bool enter = strcmp(call, "enter") == 0;
    (void)context;
    if ((enter && fault.on) || !fails(CALL, call))
        return 0;
    return enter && fault.error == EPERM ? EAGAIN : fault.error ? fault.error : ENOMEM;
}

/* ---- Operations ----------------------------------------------------------------------------- */

#define LOOPS_MOST 8

static const cede_backend *real;
static cede_backend between;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    void *self;
    cede_core *core;
} loops[LOOPS_MOST];

/* The place of an instance, NULL: a free one. */
static unsigned place_of(const void *self)
{
    unsigned i = 0;
    while (i < LOOPS_MOST && loops[i].self != self)
        i++;
    if (i == LOOPS_MOST)
        abort();
    return i;
}

static cede_status open_(const cede_backend_setup *setup, void **self)
{
    cede_status status = real->open(setup, self);
    if (status)
        return status;
    pthread_mutex_lock(&lock);
    unsigned i = place_of(NULL);
    loops[i].self = *self;
    loops[i].core = setup->core;
    pthread_mutex_unlock(&lock);
    return CEDE_OK;
}

static void close_(void *self)
{
    pthread_mutex_lock(&lock);
    loops[place_of(self)].self = NULL;
    pthread_mutex_unlock(&lock);
    real->close(self);
}

static cede_core *core_of(const void *self)
{
    pthread_mutex_lock(&lock);
    cede_core *core = loops[place_of(self)].core;
    pthread_mutex_unlock(&lock);
    return core;
}

static uint32_t start_(void *self, const cede_work *batch, uint32_t count)
{
    uint32_t taken = 0;
    for (; taken < count; taken++) {
        const cede_work *work = &batch[taken];
        if (work->op != CEDE_OP_CLOSE && fails(WORK, cede_op_name(work->op)))
            cede_core_done(core_of(self), work->token, CEDE_EIO, EIO, 0);
        else if (real->start(self, work, 1) == 0)
            break;
    }
    return taken;
}

/* The core's; the static library has it. */
const cede_backend *cedi_backend_by_name(const char *name);

cede_status fault_loop_open(const cede_options *options, cede_loop **out)
{
    static const cede_uring_config native = {.fault = call_fails};
    cede_options mine = CEDE_OPTIONS_INIT;
    if (options)
        mine = *options;
    real = mine.backend_table ? mine.backend_table : cedi_backend_by_name(NULL);
    if (!mine.backend_table)
        mine.backend_config = &native;
    between = *real;
    between.open = open_;
    between.close = close_;
    between.start = start_;
    mine.backend_table = &between;
    return cede_loop_open(&mine, out);
}
