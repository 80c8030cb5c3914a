/* What loop close tells its trace hook, it tells from inside: the hook must not run, wait on or
 * close that loop, and is stopped if it does (law 17); a close there freed what the first went on
 * with. Submitting and cancelling is allowed. */
#include "fake.h"

static cede_loop *loop;
static note pend, other;
static cede_ticket ticket;
static const char *act;
static int told;

static void hook(void *context, const char *line)
{
    (void)context, (void)line;
    if (told++)
        return;
    if (strcmp(act, "run") == 0) {
        (void)cede_run(loop, 0);
    } else if (strcmp(act, "wait") == 0) {
        (void)cede_wait(loop, ticket, 0);
    } else if (strcmp(act, "close") == 0) {
        (void)cede_loop_close(loop, CEDE_FOREVER);
    } else {
        cede_prep_nop(&other.req);
        cede_submit(loop, &other.req, note_done);
        cede_cancel(ticket);
    }
}

static int deaf(fake *self, uint64_t token)
{
    (void)self, (void)token;
    return CEDE_CANCEL_SENT;
}

static void close_of(const char *what)
{
    static fake backend;
    cede_options options = CEDE_OPTIONS_INIT;
    options.backend_table = &fake_backend;
    options.backend_config = &backend;
    options.trace = hook;
    act = what;
    port_limit(30);
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    backend.on_cancel = deaf;
    cede_prep_roundtrip(&pend.req);
    ticket = cede_submit(loop, &pend.req, note_done);
    (void)cede_run(loop, 0); /* the backend has it */
    CHECK(cede_loop_close(loop, 0) == CEDE_EDEADLINE && told);
    fake_report(&backend, backend.works[0].token, CEDE_OK, 0);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(pend.calls == 1 && other.calls == 1 && other.result.status == CEDE_EENDED);
}

REGRESSION(hook_is_inside)
{
    static const char *const acts[] = {"run", "wait", "close"};
    if (regression_act) {
        close_of(regression_act);
        return 0;
    }
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        CHECK(regression_breaks_off(acts[i]));
    close_of("submit");
    return 0;
}
