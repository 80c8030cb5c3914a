/*
 * An allocator that counts what it is asked for, and may have nothing: for tests of laws 10 and 15.
 */
#ifndef CEDE_REGRESS_MEMORY_H
#define CEDE_REGRESS_MEMORY_H

#include "fake.h"

static bool memory_is_out;
static unsigned memory_asked;

static void *memory_resize(void *context, void *memory, size_t bytes)
{
    (void)context;
    if (bytes == 0) {
        free(memory);
        return NULL;
    }
    memory_asked++;
    return memory_is_out ? NULL : realloc(memory, bytes);
}

/* Before the first loop. */
static void memory_watch(void)
{
    const cede_allocator allocator = {memory_resize, NULL};
    CHECK(cede_set_allocator(&allocator) == CEDE_OK);
}

#endif
