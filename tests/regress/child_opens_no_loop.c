/* A forked child of a process that uses cede is told at the open that it has no loops. It got one,
 * whose first submit stopped it. */
#include "fake.h"

#include <sys/wait.h>

REGRESSION(child_opens_no_loop)
{
    char why[100] = "";
    cede_options options = {.why = why, .why_bytes = sizeof why};
    cede_loop *loop, *none;
    int status;
    pid_t child;

    port_limit(30);
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(cede_loop_open(&options, &none) == CEDE_ENOTSUP && !none && why[0] ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
