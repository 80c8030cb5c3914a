/* What runs inside the loop's own turn, an APC in its sleep or a hook, must not run, wait on or
 * close that loop: a close freed what the turn went on with. It is stopped (law 17); submitting and
 * cancelling there is allowed. */
#include "fake.h"

static cede_loop *loop;
static note pend, other;
static cede_ticket ticket;
static const char *act;

static void inside(fake *self, uint64_t timeout_ns)
{
    (void)timeout_ns;
    self->on_wait = NULL;
    if (strcmp(act, "run") == 0) {
        (void)cede_run(loop, 0);
    } else if (strcmp(act, "wait") == 0) {
        (void)cede_wait(loop, ticket, 0);
    } else if (strcmp(act, "waitable") == 0) {
        (void)cede_loop_waitable(loop, NULL);
    } else if (strcmp(act, "close") == 0) {
        (void)cede_loop_close(loop, 0);
    } else {
        cede_prep_nop(&other.req);
        cede_submit(loop, &other.req, note_done);
        cede_cancel(ticket);
    }
}

static void turn(const char *what)
{
    static fake backend;
    act = what;
    loop = fake_loop(&backend);
    cede_prep_pend(&pend.req);
    ticket = cede_submit(loop, &pend.req, note_done);
    backend.on_wait = inside;
    CHECK(cede_run(loop, 10 * CEDE_MILLISECOND) == 2);
    CHECK(other.calls == 1 && pend.calls == 1);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

REGRESSION(turn_is_not_entered_twice)
{
    static const char *const acts[] = {"run", "wait", "waitable", "close"};
    if (regression_act) {
        turn(regression_act);
        return 0;
    }
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        CHECK(regression_breaks_off(acts[i]));
    turn("submit");
    return 0;
}
