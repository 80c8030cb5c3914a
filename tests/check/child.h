/* A process of a case's own, run to its end. One implementation a system. */
#ifndef CHECK_CHILD_H
#define CHECK_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#define CHILD_OUTPUT_MOST (1u << 20)

typedef struct child_end {
    char output[CHILD_OUTPUT_MOST]; /* NUL-terminated */
    size_t bytes;
    int code;     /* its exit code; -1: a signal, or it was killed because it did not end */
    bool faulted; /* it died of an access that the system refused */
    bool hung;
} child_end;

/* `end` is zeroed. arguments[0] is the program; NULL ends them. */
void child_run(child_end *end, char *const *arguments, unsigned limit_seconds);

#endif
