/*
 * Which fault of src/mutants.h the broken runner has: the one that CEDE_MUTANT names in the
 * environment when the library asks first. So all of them are one build, and the processes
 * that the runner starts have the same.
 */
#include "mutants.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int fault;
} rows[] = {
#define MUTANT(fault, source, backend, kase) {#fault, CEDI_##fault},
#include "mutants.def"
#undef MUTANT
};

static int find(const char *name)
{
    if (!name)
        return CEDI_NO_FAULT;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].fault;
    }
    fprintf(stderr, "mutants.def has no %s\n", name); /* killed.cmake looks for that */
    exit(2);
}

int cedi_mutant(void)
{
    static atomic_int known = -1;
    int fault = atomic_load_explicit(&known, memory_order_relaxed);
    if (fault < 0) {
        fault = find(getenv("CEDE_MUTANT"));
        atomic_store_explicit(&known, fault, memory_order_relaxed);
    }
    return fault;
}
