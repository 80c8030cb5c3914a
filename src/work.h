/*
 * How every backend runs the function of a CEDE_OP_WORK: what it returns is its own word, and must
 * not be taken for one that a backend has for the core (CEDE_REPORT_AGAIN and below). Any thread.
 */
#ifndef CEDE_WORK_FUNCTION_H
#define CEDE_WORK_FUNCTION_H

#include "cede/backend.h"

/* *count is 0 before. */
static inline cede_status cedi_work_run(cede_work_fn *run, void *argument, uint64_t *count)
{
    cede_status status = run(argument, count);
    return status > CEDE_REPORT_AGAIN && status <= 0 ? status : CEDE_EUNKNOWN;
}

#endif
