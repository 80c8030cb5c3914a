/*
 * cede's side of the rows: a loop on io_uring, and a count of what the library allocates.
 *
 * The allocator is set before the first loop, on the main thread; the count is read and changed by
 * any thread that the library allocates on.
 */
#include "bench.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <cede/cede.h>

static _Atomic uint64_t allocations;

static void *resize(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes == 0) {
        free(memory);
        return NULL;
    }
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return realloc(memory, bytes);
}

uint64_t bench_cede_allocations(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

_Noreturn void bench_cede_failed(int32_t status, const char *what)
{
    bench_die("%s: %s", what, cede_strerror(status));
}

struct cede_loop *bench_cede_open(uint64_t spin_ns)
{
    static const cede_allocator counting = {.resize = resize};
    static bool set;
    char why[512] = "";
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;

    if (!set) {
        bench_cede_check(cede_set_allocator(&counting), "cede_set_allocator");
        set = true;
    }
    options.backend = "io_uring";
    options.spin_ns = spin_ns;
    options.why = why;
    options.why_bytes = sizeof why;
    if (cede_loop_open(&options, &loop) != CEDE_OK) {
        bench_die("cede_loop_open: %s", why);
    }
    return loop;
}

void bench_cede_close(struct cede_loop *loop)
{
    bench_cede_check(cede_loop_close(loop, 10 * CEDE_SECOND), "cede_loop_close");
}
