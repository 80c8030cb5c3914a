/*
 * The library's memory: the process's allocator, set once before the first use.
 */
#include "core.h"

#include <stdlib.h>
#include <string.h>

static cede_allocator allocator; /* resize is NULL: the C library's */
static _Atomic uint32_t used;

cede_status cede_set_allocator(const cede_allocator *wanted)
{
    if (wanted && !wanted->resize)
        return CEDE_EINVAL;
    if (atomic_load(&used))
        return CEDE_EBUSY;
    allocator.resize = wanted ? wanted->resize : NULL;
    allocator.context = wanted ? wanted->context : NULL;
    return CEDE_OK;
}

void *cedi_memory_get(size_t bytes)
{
    void *memory;
    atomic_store_explicit(&used, 1, memory_order_relaxed);
    if (!allocator.resize)
        return calloc(1, bytes); /* which touches no page that is zeros already: pools are large */
    memory = allocator.resize(allocator.context, NULL, bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void cedi_memory_free(void *memory)
{
    if (!allocator.resize)
        free(memory);
    else if (memory)
        (void)allocator.resize(allocator.context, memory, 0);
}
