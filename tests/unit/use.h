/*
 * A loop is used a little, to see that it works.
 */
#ifndef UNIT_USE_H
#define UNIT_USE_H

#include "unit.h"

#include <cede/cede.h>

static inline void use_on_ok(cede_req *req, cede_result r)
{
    REQUIRE(r.status == CEDE_OK, "%s", cede_strerror(r.status));
    ++*(int *)req->user_data;
}

/* Something for the core, something for the kernel, and a wait that ends by time. */
static inline void use(cede_loop *loop)
{
    int done = 0;
    cede_req requests[3] = {{.user_data = &done}, {.user_data = &done}, {.user_data = &done}};
    cede_stat stat;
    cede_prep_roundtrip(&requests[0]);
    cede_prep_stat(&requests[1], "/", &stat, 0);
    cede_prep_timer(&requests[2], CEDE_MILLISECOND);
    for (int i = 0; i < 3; i++)
        (void)cede_submit(loop, &requests[i], use_on_ok);
    REQUIRE(cede_run(loop, CEDE_FOREVER) == 3 && done == 3, "%d are done", done);
}

#endif
