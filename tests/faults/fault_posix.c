/*
 * The seam's part of Linux: the backend's hook, and the one call of the programs' own.
 */
#include "fault.h"

#include <errno.h>
#include <string.h>

#include "cede/uring.h"

void fault_os_begin(void)
{
}

int fault_pipe(int ends[2])
{
    if (!fault_of_call("pipe"))
        return pipe(ends);
    errno = fault_error(EMFILE);
    return -1;
}

/* A wait may be interrupted or refused; it is never forbidden half way. Entries of the queue that
 * are not to be had are the suite's affair: there are very many. */
static int call_fails(void *context, const char *call)
{
    bool enter = strcmp(call, "enter") == 0;
    (void)context;
    if (strcmp(call, "entry") == 0 || (enter && fault_lasts()) || !fault_of_call(call))
        return 0;
    return enter && fault_error(0) == EPERM ? EAGAIN : fault_error(ENOMEM);
}

const void *fault_os_config(void)
{
    static const cede_uring_config config = {.fault = call_fails};
    return &config;
}
