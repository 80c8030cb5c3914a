/*
 * Counts what the program and the libraries in it ask the heap for: by standing in front of glibc's
 * functions, on every thread.
 */
#include "heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

/* One counter for each thread would be cheaper, and nothing to sum up; those who allocate for each
 * operation do it on one thread. */
static _Thread_local uint64_t count;

uint64_t heap_allocations(void)
{
    return count;
}

uint64_t heap_bytes(void)
{
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

void *malloc(size_t bytes)
{
    count++;
    return __libc_malloc(bytes);
}

void *calloc(size_t number, size_t bytes)
{
    count++;
    return __libc_calloc(number, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    count++;
    return __libc_realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t bytes)
{
    count++;
    return __libc_memalign(alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    *out = memalign(alignment, bytes);
    return *out ? 0 : ENOMEM;
}
