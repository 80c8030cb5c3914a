/*
 * One thread's remote submits, wishes and drops take effect in the order made (1b: Threads),
 * whatever was sent for older requests; and no wish waits for anybody (law 6).
 */
#include "conformance.h"

/* Runs on a thread of its own, to its end, inside a callback: a call that waits for the loop there
 * hangs. */
static void on_thread(cft_rec *rec, void (*fn)(void *), void *context)
{
    cft_thread(rec->t, fn, context);
    cft_join(rec->t);
}

/* ---- A slot that is used again while a wish for its older request is under way --------------- */

enum { MANY = 100 };

typedef struct heirs {
    cft_rec *old[MANY]; /* with the first and the last in one turn */
    cft_rec *heir[MANY];
    cft_rec *member; /* of the first heir, a scope */
} heirs;

static void cancel_the_old(void *context)
{
    const heirs *h = context;
    for (uint32_t i = 0; i < MANY && h->old[i]; i++)
        cede_cancel(h->old[i]->ticket);
}

static void has_the_old_cancelled(cft_rec *rec)
{
    on_thread(rec, cancel_the_old, rec->data);
}

/* The first done has the others cancelled, which are to be told by then. */
static void submit_turn(cft *t, heirs *h, uint32_t count, void (*behind)(cft_rec *))
{
    cft_rec *first = cft_new(t), *last = cft_new(t);
    first->then = has_the_old_cancelled;
    last->then = behind;
    first->data = last->data = h;
    cede_prep_nop(first->req);
    cede_prep_nop(last->req);
    cft_submit_on(first, cft_loop(t));
    for (uint32_t i = 0; i < count; i++) {
        h->old[i] = cft_new(t);
        cede_prep_nop(h->old[i]->req);
        cft_submit_on(h->old[i], cft_loop(t));
    }
    cft_submit_on(last, cft_loop(t));
}

static void end_scope_behind_member(void *context)
{
    const heirs *h = context;
    cft_submit_remote(h->member, h->heir[0]->loop);
    cede_fail(h->heir[0]->ticket, CEDE_EIO);
}

static void submit_scope(cft_rec *last)
{
    heirs *h = last->data;
    cede_prep_scope(h->heir[0]->req);
    cft_submit_on(h->heir[0], last->loop);
    cede_prep_pend(h->member->req);
    cede_in(h->member->req, h->heir[0]->ticket);
    on_thread(last, end_scope_behind_member, h);
}

CFT_CASE(older_wish_brings_no_later_one_before_its_turn)
{
    heirs *h = cft_alloc(t, sizeof *h);
    h->heir[0] = cft_new(t);
    h->member = cft_new(t);
    submit_turn(t, h, 1, submit_scope);
    cft_settle(t);
    CFT_ENDED(t, h->member, CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_STATUS(t, h->heir[0], CEDE_EIO);
    CFT_EXPECT(t, h->heir[0]->result.count == 1);
}

static void cancel_the_heirs(void *context)
{
    const heirs *h = context;
    for (uint32_t i = 0; i < MANY; i++)
        cede_cancel(h->heir[i]->ticket);
}

static void submit_the_heirs(cft_rec *last)
{
    heirs *h = last->data;
    for (uint32_t i = 0; i < MANY; i++) {
        cede_prep_pend(h->heir[i]->req);
        cft_submit_on(h->heir[i], last->loop);
    }
    on_thread(last, cancel_the_heirs, h);
}

CFT_CASE(wishes_wait_for_no_loop_whatever_was_wished_before)
{
    heirs *h = cft_alloc(t, sizeof *h);
    for (uint32_t i = 0; i < MANY; i++)
        h->heir[i] = cft_new(t);
    submit_turn(t, h, MANY, submit_the_heirs);
    cft_settle(t);
    for (uint32_t i = 0; i < MANY; i++) {
        CFT_ENDED(t, h->heir[i], CEDE_ECANCELED, CEDE_BY_WISH);
        CFT_OK(t, h->old[i]);
    }
}

/* ---- The loop's own thread, by the way of the others ---------------------------------------- */

typedef struct own {
    cft_rec *scope, *member, *read;
    cede_handle handle;
} own;

static void send_and_wish(cft_rec *rec)
{
    const own *o = rec->data;
    cft_submit_remote(o->member, rec->loop);
    cede_cancel(o->scope->ticket);
    cft_submit_remote(o->read, rec->loop);
    cede_drop(o->handle);
}

CFT_CASE(wishes_of_the_loops_own_thread_follow_what_it_sent)
{
    own *o = cft_alloc(t, sizeof *o);
    cft_pipe pipe = cft_pipe_reader(t);
    o->handle = pipe.handle;
    o->scope = cft_new(t);
    o->member = cft_new(t);
    o->read = cft_new(t);
    cft_rec *nop = cft_new(t);
    cede_prep_scope(o->scope->req);
    cft_submit_on(o->scope, cft_loop(t));
    cede_prep_pend(o->member->req);
    cede_in(o->member->req, o->scope->ticket);
    cede_prep_read(o->read->req, pipe.handle, cft_buffer(o->read, 8), 8, CEDE_CURRENT);
    nop->then = send_and_wish;
    nop->data = o;
    cede_prep_nop(nop->req);
    cft_submit_on(nop, cft_loop(t));
    cft_settle(t);
    CFT_ENDED(t, o->member, CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_ENDED(t, o->scope, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_ENDED(t, o->read, CEDE_ECANCELED, CEDE_BY_CLOSE);
}
