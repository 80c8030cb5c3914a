/* A signal that another thread handles as a loop begins to take signals: what the handler looks at
 * was written anew, without need and unguarded. ThreadSanitizer sees it. */
#include "regression.h"
#include "../port.h"
#include "cede/cede.h"

static _Atomic bool over;
static _Atomic uint32_t raised;

static void raise_on(void *context)
{
    (void)context;
    while (!over) {
        (void)raise(SIGWINCH);
        raised++;
    }
}

static void on_signal(cede_req *req, cede_result item)
{
    (void)req;
    (void)item;
}

static void on_done(cede_req *req, cede_result r)
{
    (void)req;
    port_must(r.status == CEDE_ECANCELED, "a signal_many that its loop ends");
}

static cede_loop *listening(cede_req *req)
{
    cede_options options = CEDE_OPTIONS_INIT;
    cede_loop *loop;
    options.backend = "io_uring";
    if (cede_loop_open(&options, &loop) != CEDE_OK)
        exit(77);
    cede_prep_signal_many(req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_RESIZE), on_signal);
    (void)cede_submit(loop, req, on_done);
    (void)cede_run(loop, 0);
    return loop;
}

REGRESSION(signal_meets_a_new_listener)
{
    static cede_req first, next;
    port_thread other;
    cede_loop *loop = listening(&first);
    port_start(&other, raise_on, NULL);
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t before = raised;
        cede_loop *late = listening(&next);
        while (raised - before < 3)
            (void)cede_run(late, CEDE_MILLISECOND);
        port_must(cede_loop_close(late, CEDE_FOREVER) == CEDE_OK, "a loop's close");
    }
    over = true;
    port_join(&other);
    port_must(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "a loop's close");
    return 0;
}
