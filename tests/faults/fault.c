/*
 * Makes the k-th fallible call of an example program fail, as S9 of the suite does in its cases.
 * The environment says which: CEDE_FAULT=KIND,WHEN,K. Kinds:
 *
 *   alloc   an allocation, the library's or the program's own
 *   call    a system call of the backend (its hook for tests), or of the program's own
 *   work    an operation: the backend is offered none of it, and it has failed with CEDE_EIO
 *
 * WHEN is "once" or "on" (that one and all behind it). A call fails with the error number that
 * WHEN is, if it is one. A close is never made to fail: there is nothing that a program could do.
 *
 * CEDE_FAULT_TOLD is a file that lines are appended to: that the program has begun; the name of the
 * call that was made to fail; and at its end, how many allocations were not given back: of the
 * program's own, and of the library's.
 */
#include "fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../port.h"
#include "cede/backend.h"

enum { ALLOC, CALL, WORK, KINDS };

static const char *const kinds[KINDS] = {"alloc", "call", "work"};

static struct {
    int kind;
    _Atomic bool on;
    int error;
    uint64_t k;
    _Atomic uint64_t calls;
    _Atomic int64_t own, library; /* blocks that are not given back */
    const char *told;
} fault = {.kind = KINDS};

static void tell(const char *what)
{
    FILE *file = fault.told ? fopen(fault.told, "ab") : NULL;
    if (!fault.told)
        return;
    if (!file || fprintf(file, "%s\n", what) < 0 || fclose(file) != 0)
        abort();
}

static bool fails(int kind, const char *what)
{
    uint64_t call;
    char line[80];
    if (kind != fault.kind)
        return false;
    call = atomic_fetch_add(&fault.calls, 1) + 1;
    if (call == fault.k) {
        snprintf(line, sizeof line, "failed: %s", what);
        tell(line);
    }
    return call == fault.k || (fault.on && call > fault.k);
}

bool fault_of_call(const char *name)
{
    return fails(CALL, name);
}

int fault_error(int otherwise)
{
    return fault.error ? fault.error : otherwise;
}

bool fault_lasts(void)
{
    return fault.on;
}

void fault_is_over(void)
{
    fault.on = false;
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

static void *resize(void *context, void *memory, size_t bytes)
{
    void *block;
    (void)context;
    if (bytes == 0) {
        atomic_fetch_sub(&fault.library, memory != NULL);
        free(memory);
        return NULL;
    }
    if (fails(ALLOC, "of the library"))
        return NULL;
    block = realloc(memory, bytes);
    atomic_fetch_add(&fault.library, !memory && block);
    return block;
}

static void end(void)
{
    char line[80];
    snprintf(line, sizeof line, "kept: %lld %lld", (long long)atomic_load(&fault.own),
             (long long)atomic_load(&fault.library));
    tell(line);
}

/* Before anything of the program: in C11 there is no word for that. */
static void begin(void);
#if defined(_MSC_VER)
#pragma section(".CRT$XCU", read)
#pragma comment(linker, "/include:fault_begins")
__declspec(allocate(".CRT$XCU")) void (*fault_begins)(void) = begin;
#else
__attribute__((constructor)) static void begin(void);
#endif

static void begin(void)
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
    tell("begun");
    (void)atexit(end);
    fault_os_begin();
}

/* ---- The program's allocations -------------------------------------------------------------- */

static void *got(void *memory)
{
    atomic_fetch_add(&fault.own, memory != NULL);
    return memory;
}

void *fault_malloc(size_t bytes)
{
    return fails(ALLOC, "malloc") ? NULL : got(malloc(bytes));
}

void *fault_calloc(size_t count, size_t bytes)
{
    return fails(ALLOC, "calloc") ? NULL : got(calloc(count, bytes));
}

void *fault_realloc(void *memory, size_t bytes)
{
    if (fails(ALLOC, "realloc"))
        return NULL;
    return memory ? realloc(memory, bytes) : got(malloc(bytes));
}

void fault_free(void *memory)
{
    atomic_fetch_sub(&fault.own, memory != NULL);
    free(memory);
}

/* ---- Operations ----------------------------------------------------------------------------- */

#define LOOPS_MOST 8

static const cede_backend *real;
static cede_backend between;
static struct {
    void *_Atomic self;
    cede_core *core;
} loops[LOOPS_MOST];

/* The place of an instance. */
static unsigned place_of(void *self)
{
    unsigned i = 0;
    while (i < LOOPS_MOST && atomic_load(&loops[i].self) != self)
        i++;
    if (i == LOOPS_MOST)
        abort();
    return i;
}

/* Loops are opened by one thread; others close them. */
static cede_status open_(const cede_backend_setup *setup, void **self)
{
    cede_status status = real->open(setup, self);
    if (status)
        return status;
    unsigned i = place_of(NULL);
    loops[i].core = setup->core;
    atomic_store(&loops[i].self, *self);
    return CEDE_OK;
}

static void close_(void *self)
{
    atomic_store(&loops[place_of(self)].self, NULL);
    real->close(self);
}

static uint32_t start_(void *self, const cede_work *batch, uint32_t count)
{
    cede_core *core = loops[place_of(self)].core;
    uint32_t taken = 0;
    for (; taken < count; taken++) {
        const cede_work *work = &batch[taken];
        if (work->op != CEDE_OP_CLOSE && fails(WORK, cede_op_name(work->op)))
            cede_core_done(core, work->token, CEDE_EIO, EIO, 0);
        else if (real->start(self, work, 1) == 0)
            break;
    }
    return taken;
}

/* The core's; the static library has it. */
const cede_backend *cedi_backend_by_name(const char *name);

cede_status fault_loop_open(const cede_options *options, cede_loop **out)
{
    cede_options mine = CEDE_OPTIONS_INIT;
    if (options)
        mine = *options;
    real = mine.backend_table ? mine.backend_table : cedi_backend_by_name(getenv("CEDE_BACKEND"));
    if (!mine.backend_table)
        mine.backend_config = fault_os_config();
    between = *real;
    between.open = open_;
    between.close = close_;
    between.start = start_;
    mine.backend_table = &between;
    return cede_loop_open(&mine, out);
}
