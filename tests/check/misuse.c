/*
 * What law 17 stops, in every build: with one line that names the law, the operation and the
 * places.
 */
#include "../port.h"
#include "check.h"

#include "cede/relay.h"

static cede_req one, two, three;

/* ---- In flight ------------------------------------------------------------------------------ */

void check_submit_twice(stage *s)
{
    static char buffer[8];
    cede_prep_read(&one, s->in, buffer, sizeof buffer, CEDE_CURRENT);
    WANT("law 17: submitted while in flight: read, submitted at ");
    HERE((void)cede_submit(s->loop, &one, check_done));
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &one, check_done));
}

void check_submit_twice_remotely(stage *s)
{
    cede_prep_timer(&one, CEDE_SECOND);
    WANT("law 17: submitted while in flight: timer, submitted at ");
    HERE(cede_submit_remote(s->loop, &one, check_done, NULL));
    WANT("now at ");
    HERE(cede_submit_remote(s->loop, &one, check_done, NULL));
}

void check_submit_linked(stage *s)
{
    cede_prep_pend(&one);
    cede_prep_nop(&two);
    cede_link(&one, &two, check_done);
    WANT("law 17: submitted while in flight: nop, submitted at ");
    HERE((void)cede_submit(s->loop, &one, check_done));
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &two, check_done));
}

void check_link_twice(stage *s)
{
    cede_prep_pend(&one);
    cede_prep_pend(&two);
    cede_prep_nop(&three);
    cede_link(&one, &three, check_done);
    cede_link(&two, &three, check_done);
    WANT("law 17: ");
    WANT("while in flight: nop, submitted at ");
    HERE((void)cede_submit(s->loop, &one, check_done));
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &two, check_done));
}

void check_prepare_anew(stage *s)
{
    cede_prep_pend(&one);
    WANT("law 17: submitted while in flight: pend, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &one, check_done));
    AT(cede_prep_nop(&one));
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &one, check_done));
    check_finish(s, ticket);
}

void check_link_anew(stage *s)
{
    cede_prep_pend(&one);
    WANT("law 17: ");
    WANT("while in flight: pend, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &one, check_done));
    AT(cede_prep_nop(&one));
    cede_prep_nop(&two);
    cede_link(&two, &one, check_done);
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &two, check_done));
    check_finish(s, ticket);
}

void check_link_in_a_circle(stage *s)
{
    cede_prep_pend(&one);
    cede_prep_nop(&two);
    cede_link(&one, &two, check_done);
    cede_link(&two, &one, check_done);
    WANT("law 17: ");
    WANT("while in flight: pend, submitted at ");
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &one, check_done));
}

void check_relay_twice(stage *s)
{
    static cede_relay relay;
    static char room[16];
    cede_handle first, second;
    check_pair(s, &first, &second);
    cede_prep_relay(&relay, s->in, first, room, sizeof room, CEDE_TO_END);
    WANT("law 17: submitted while in flight: scope, submitted at ");
    HERE((void)cede_submit_relay(s->loop, &relay, check_done));
    WANT("now at ");
    HERE((void)cede_submit_relay(s->loop, &relay, check_done));
}

/* ---- In a callback -------------------------------------------------------------------------- */

static cede_loop *inner;

static void run_inside(cede_req *req, cede_result r)
{
    (void)req, (void)r;
    (void)cede_submit(inner, &two, check_done); /* which takes the slot of the first */
    (void)cede_run(inner, 0);
}

static void close_inside(cede_req *req, cede_result r)
{
    (void)req, (void)r;
    (void)cede_loop_close(inner, 0);
}

void check_run_in_callback(stage *s)
{
    inner = s->loop;
    cede_prep_roundtrip(&one);
    cede_prep_nop(&two);
    WANT("law 17: run inside a callback: roundtrip, submitted at ");
    HERE((void)cede_submit(s->loop, &one, run_inside));
    (void)cede_run(s->loop, CEDE_FOREVER);
}

void check_close_in_callback(stage *s)
{
    inner = s->loop;
    cede_prep_nop(&one);
    WANT("law 17: loop close inside a callback: nop, submitted at ");
    cede_ticket ticket = HERE(cede_submit(s->loop, &one, close_inside));
    (void)cede_wait(s->loop, ticket, CEDE_FOREVER);
}

/* ---- Another thread ------------------------------------------------------------------------- */

static void on_thread(stage *s, void (*fn)(void *))
{
    port_thread thread;
    port_start(&thread, fn, s);
    port_join(&thread);
}

static void submit_there(void *context)
{
    const stage *s = context;
    cede_prep_stat_handle(&one, s->file, NULL);
    WANT("law 17: submit on a thread that is not the loop's");
    WANT(": stat_handle");
    WANT("now at ");
    HERE((void)cede_submit(s->loop, &one, check_done));
}

static void run_there(void *context)
{
    WANT("law 17: run on a thread that is not the loop's");
    (void)cede_run(((const stage *)context)->loop, 0);
}

static cede_ticket awaited;

static void wait_there(void *context)
{
    WANT("law 17: wait on a thread that is not the loop's");
    (void)cede_wait(((const stage *)context)->loop, awaited, 0);
}

static void close_there(void *context)
{
    WANT("law 17: close on a thread that is not the loop's");
    (void)cede_loop_close(((const stage *)context)->loop, 0);
}

static void extend_there(void *context)
{
    (void)context;
    WANT("law 17: extend on a thread that is not the loop's");
    cede_extend(awaited, CEDE_SECOND);
}

static void own_there(void *context)
{
    WANT("law 17: own on a thread that is not the loop's");
    cede_own(awaited, ((const stage *)context)->file);
}

static void release_there(void *context)
{
    intptr_t native;
    WANT("law 17: release on a thread that is not the loop's");
    (void)cede_release(((const stage *)context)->in, &native);
}

static void waitable_there(void *context)
{
    uint64_t timeout;
    WANT("law 17: waitable on a thread that is not the loop's");
    (void)cede_loop_waitable(((const stage *)context)->loop, &timeout);
}

static void open_pool_there(void *context)
{
    cede_pool *pool;
    WANT("law 17: pool open on a thread that is not the loop's");
    (void)cede_pool_open(((const stage *)context)->loop, 1, 64, 0, &pool);
}

void check_submit_on_thread(stage *s)
{
    on_thread(s, submit_there);
}

void check_run_on_thread(stage *s)
{
    on_thread(s, run_there);
}

void check_wait_on_thread(stage *s)
{
    cede_prep_pend(&one);
    awaited = cede_submit(s->loop, &one, check_done);
    on_thread(s, wait_there);
}

void check_close_on_thread(stage *s)
{
    on_thread(s, close_there);
}

void check_extend_on_thread(stage *s)
{
    cede_prep_pend(&one);
    awaited = cede_submit(s->loop, &one, check_done);
    on_thread(s, extend_there);
}

void check_own_on_thread(stage *s)
{
    cede_prep_scope(&one);
    awaited = cede_submit(s->loop, &one, check_done);
    on_thread(s, own_there);
}

/* Before a loop knows it, any thread may. */
void check_release_on_thread(stage *s)
{
    static char byte;
    if (s->world)
        check_skip("what is simulated cannot be released");
    cede_prep_read(&one, s->in, &byte, 1, CEDE_CURRENT);
    (void)cede_submit(s->loop, &one, check_done);
    on_thread(s, release_there);
}

void check_waitable_on_thread(stage *s)
{
    on_thread(s, waitable_there);
}

void check_open_pool_on_thread(stage *s)
{
    on_thread(s, open_pool_there);
}

/* Blocking work runs on a thread of the pool: it may submit remotely, nothing else. */
static cede_status work_that_submits(void *context, uint64_t *count)
{
    const stage *s = context;
    (void)count;
    cede_prep_nop(&two);
    WANT("law 17: submit on a thread that is not the loop's");
    WANT(": nop");
    HERE((void)cede_submit(s->loop, &two, check_done));
    return CEDE_OK;
}

void check_submit_in_work(stage *s)
{
    if (s->world)
        check_skip("work is simulated on the loop's thread");
    cede_prep_work(&one, work_that_submits, s);
    (void)cede_submit(s->loop, &one, check_done);
    (void)cede_run(s->loop, CEDE_FOREVER);
}

/* ---- A retry that never gives up ------------------------------------------------------------ */

static unsigned retries;
static cede_ticket ended;

static void retry_member(cede_req *req, cede_result r)
{
    HOLDS(r.status == CEDE_EENDED && retries++ < 2000);
    cede_prep_timer(req, 0);
    cede_in(req, ended);
    (void)cede_submit(inner, req, retry_member);
}

static void retry_closing(cede_req *req, cede_result r)
{
    HOLDS(r.status == CEDE_EENDED || r.status == CEDE_ECANCELED);
    HOLDS(retries++ < 2000);
    cede_prep_roundtrip(req);
    (void)cede_submit(inner, req, retry_closing);
}

void check_never_give_up_on_scope(stage *s)
{
    inner = s->loop;
    cede_prep_scope(&two);
    ended = cede_submit(s->loop, &two, check_done);
    cede_cancel(ended);
    HOLDS(cede_run(s->loop, CEDE_FOREVER) > 0);
    WANT("law 17: ");
    WANT("a thousand times");
    WANT(": timer, submitted at ");
    WANT("misuse.c:");
    cede_prep_timer(&one, 0);
    cede_in(&one, ended);
    (void)cede_submit(s->loop, &one, retry_member);
    (void)cede_run(s->loop, CEDE_FOREVER);
}

void check_never_give_up_on_loop(stage *s)
{
    inner = s->loop;
    WANT("law 17: ");
    WANT("a thousand times");
    WANT(": roundtrip, submitted at ");
    WANT("misuse.c:");
    cede_prep_pend(&one);
    (void)cede_submit(s->loop, &one, retry_closing);
    (void)cede_loop_close(s->loop, CEDE_FOREVER);
}

/* ---- What is closed -------------------------------------------------------------------------- */

static cede_loop *closed(stage *s)
{
    cede_loop *loop = s->loop;
    HOLDS(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    s->loop = NULL;
    return loop;
}

void check_remote_after_close(stage *s)
{
    cede_loop *loop = closed(s);
    cede_prep_nop(&one);
    WANT("law 11: remote submit to a closed loop");
    WANT(": nop, now at ");
    HERE(cede_submit_remote(loop, &one, check_done, NULL));
}

void check_submit_after_close(stage *s)
{
    cede_loop *loop = closed(s);
    cede_prep_nop(&one);
    WANT("law 17: ");
    WANT("closed loop: nop, now at ");
    HERE((void)cede_submit(loop, &one, check_done));
}

/* What was asked for a foreign loop is gone, and its number may be another's by now. */
void check_waitable_after_close(stage *s)
{
    cede_loop *loop;
    uint64_t timeout;
    (void)cede_loop_waitable(s->loop, &timeout);
    loop = closed(s);
    WANT("law 17: ");
    WANT("closed loop");
    (void)cede_loop_waitable(loop, &timeout);
}

void check_run_after_close(stage *s)
{
    cede_loop *loop = closed(s);
    WANT("law 17: ");
    WANT("closed loop");
    (void)cede_run(loop, 0);
}

void check_stop_after_close(stage *s)
{
    cede_loop *loop = closed(s);
    WANT("law 17: stop of a closed loop");
    cede_stop(loop);
}

void check_backend_name_after_close(stage *s)
{
    cede_loop *loop = closed(s);
    WANT("law 17: backend name of a closed loop");
    (void)cede_backend_name(loop);
}

void check_supports_after_close(stage *s)
{
    cede_loop *loop = closed(s);
    WANT("law 17: supports of a closed loop");
    (void)cede_supports(loop, CEDE_OP_NOP);
}

void check_open_pool_after_close(stage *s)
{
    cede_loop *loop = closed(s);
    cede_pool *pool;
    WANT("law 17: ");
    WANT("closed loop");
    (void)cede_pool_open(loop, 1, 64, 0, &pool);
}

void check_close_twice(stage *s)
{
    cede_loop *loop = closed(s);
    WANT("law 17: close of a closed loop");
    (void)cede_loop_close(loop, 0);
}
