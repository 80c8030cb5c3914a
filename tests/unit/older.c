/*
 * Kernels of each age, as far as the ring's flags go: one that does not know a flag says EINVAL,
 * and the library does without the newest, then without the next. Here the system's call is made to
 * say so; a loop is had as long as there is something to do without, and it works.
 */
#include "use.h"

#include <cede/cede.h>
#include <cede/uring.h>

#include <errno.h>
#include <string.h>

enum { GENERATIONS = 5 }; /* before 6.1, 6.0, 5.19, 5.18, and what 5.6 has */

typedef struct kernel {
    int unknown; /* so many calls say EINVAL */
    int asked;
} kernel;

static int refuses(void *context, const char *call)
{
    kernel *old = context;
    if (strcmp(call, "setup") != 0)
        return 0;
    return old->asked++ < old->unknown ? EINVAL : 0;
}

int main(void)
{
    for (int unknown = 0; unknown <= GENERATIONS; unknown++) {
        kernel old = {unknown, 0};
        cede_uring_config config = {.fault = refuses, .fault_context = &old};
        char why[256] = "";
        cede_options options = {
            .backend = "io_uring", .backend_config = &config, .why = why, .why_bytes = sizeof why};
        cede_loop *loop = NULL;
        cede_status status = cede_loop_open(&options, &loop);
        if (unknown == 0 && (status == CEDE_EPERM || status == CEDE_ENOTSUP)) {
            printf("skipped: %s\n", why);
            return UNIT_SKIPPED;
        }
        if (unknown == GENERATIONS) {
            REQUIRE(status == CEDE_EINVAL && old.asked == unknown && why[0], "%s: %s",
                    cede_strerror(status), why);
            continue;
        }
        REQUIRE(status == CEDE_OK && old.asked == unknown + 1, "%s after %d of %d: %s",
                cede_strerror(status), old.asked, unknown, why);
        use(loop);
        REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "%d", unknown);
    }
    return 0;
}
