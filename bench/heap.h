/*
 * What the program, and the libraries in it, ask the heap for.
 */
#ifndef CEDE_BENCH_HEAP_H
#define CEDE_BENCH_HEAP_H

#include <stdint.h>

uint64_t heap_allocations(void); /* by the calling thread, so far */
uint64_t heap_bytes(void);       /* in use now, with what the heap adds to each piece */

#endif
