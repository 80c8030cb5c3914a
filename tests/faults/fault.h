/*
 * The example programs, with the k-th fallible call failing: included before their sources by the
 * builds that tests/faults makes of them, and by nothing else. What they allocate, and the loop
 * that they open, goes through fault.c; nothing in the examples knows of it.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdlib.h>
#include <unistd.h>

#include "cede/cede.h"

void *fault_malloc(size_t bytes);
void *fault_calloc(size_t count, size_t bytes);
void *fault_realloc(void *memory, size_t bytes);
int fault_pipe(int ends[2]);
cede_status fault_loop_open(const cede_options *, cede_loop **);

#ifndef FAULT_INSIDE
#define malloc         fault_malloc
#define calloc         fault_calloc
#define realloc        fault_realloc
#define pipe           fault_pipe
#define cede_loop_open fault_loop_open
#endif

#endif
