/* A look-up that has no descriptor for the system's files says so, and not that the host has no
 * name (law 15). Of a process's first look-up: later ones have read some of the files. */
#include "fake.h"

#include <sys/resource.h>
#include <unistd.h>

REGRESSION(lookup_without_descriptor)
{
    static note lookup;
    struct rlimit limit;
    cede_address found;
    cede_loop *loop;

    port_limit(30);
    CHECK(cede_loop_open(NULL, &loop) == CEDE_OK);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 64;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (dup(0) >= 0)
        continue;
    cede_prep_lookup(&lookup.req, "localhost", 80, 0, &found, 1);
    cede_submit(loop, &lookup.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1);
    CHECK(lookup.result.status == CEDE_EMFILE);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
