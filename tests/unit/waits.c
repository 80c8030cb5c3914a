/*
 * What a wait runs and what it leaves (law 9), where it is hard to bring about: callbacks that wait
 * themselves, ways over handles, chains and owners, what has no slot. Public headers and a backend
 * of the test's own.
 */
#include "../regress/orphans.h"

static fake backend;
static cede_loop *loop;

static void begin(void)
{
    memory_is_out = false;
    memset(&backend, 0, sizeof backend);
    backend.own_time = true;
    loop = fake_loop(&backend);
    notes = 0;
}

static void end(void)
{
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

static cede_ticket submit(note *n)
{
    return note_submit(loop, n, note_done);
}

static cede_ticket submit_scope(note *n)
{
    cede_prep_scope(&n->req);
    return submit(n);
}

static void turn(void)
{
    CHECK(cede_run(loop, 0) >= 0);
}

/* ---- Ways over handles and chains ----------------------------------------------------------- */

/* What pends on a handle that the awaited scope owns comes before its end, member or not. */
static void what_pends_on_an_owned_handle_comes_first(void)
{
    static note scope, read, other;
    static char byte;
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    cede_ticket life;
    begin();
    life = submit_scope(&scope);
    cede_own(life, file);
    cede_prep_read(&read.req, file, &byte, 1, 0);
    (void)submit(&read);
    turn();
    cede_prep_nop(&other.req);
    (void)submit(&other);
    fake_report(&backend, fake_token(&backend, CEDE_OP_READ), CEDE_OK, 1);
    CHECK(cede_wait(loop, life, 0) == CEDE_EDEADLINE);
    CHECK(read.calls == 1 && !other.calls);
    cede_cancel(life);
    CHECK(cede_wait(loop, life, CEDE_FOREVER) == CEDE_OK && !other.calls);
    end();
}

/* What leads to that over a chain, too. */
static void what_leads_to_an_owned_handle_comes_first(void)
{
    static note scope, inner, first, read, other;
    static char byte;
    cede_ticket life, inside;
    for (unsigned nested = 0; nested < 2; nested++) {
        cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
        begin();
        life = submit_scope(&scope);
        cede_prep_scope(&inner.req);
        cede_in(&inner.req, life);
        inside = submit(&inner);
        cede_own(nested ? inside : life, file);
        cede_prep_nop(&other.req);
        (void)submit(&other);
        cede_prep_nop(&first.req);
        cede_prep_read(&read.req, file, &byte, 1, 0);
        cede_link(&first.req, &read.req, note_done);
        first.calls = read.calls = 0;
        (void)cede_submit(loop, &first.req, note_done);
        CHECK(cede_wait(loop, life, 0) == CEDE_EDEADLINE);
        CHECK(first.calls == 1 && fake_find(&backend, CEDE_OP_READ) && !other.calls);
        end();
    }
}

/* One that stands before another on its stream, behind which a member is linked. */
static void what_stands_before_a_chain_comes_first(void)
{
    static note scope, first, second, member, other;
    cede_handle stream = fake_handle(CEDE_KIND_STREAM, 0);
    cede_ticket life;
    begin();
    life = submit_scope(&scope);
    cede_prep_send(&first.req, stream, "a", 1);
    (void)submit(&first);
    cede_prep_send(&second.req, stream, "b", 1);
    cede_prep_nop(&member.req);
    cede_in(&member.req, life);
    cede_link(&second.req, &member.req, note_done);
    (void)submit(&second);
    turn();
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    cede_prep_nop(&other.req);
    (void)submit(&other);
    CHECK(cede_wait(loop, life, 0) == CEDE_EDEADLINE && first.calls == 1 && !other.calls);
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    CHECK(cede_wait(loop, life, CEDE_FOREVER) == CEDE_OK && !other.calls);
    CHECK(second.order < member.order && member.order < scope.order);
    end();
}

/* ---- Items ---------------------------------------------------------------------------------- */

static note x, y, z, many, pend, scope;
static cede_ticket life, pending;
static unsigned items;

static void on_item(cede_req *req, cede_result result)
{
    CHECK(CEDE_CONTAINER(req, note, req)->calls == 0);
    items++;
    if (result.handle)
        cede_drop(result.handle);
}

/* Two clients, and the listener's end. */
static void report_all(fake *self, uint64_t timeout_ns)
{
    uint64_t token = fake_token(&backend, CEDE_OP_ACCEPT_MANY);
    (void)timeout_ns;
    self->on_wait = NULL;
    cede_core_item(self->core, token, 1000, 0);
    cede_core_item(self->core, token, 1001, 0);
    fake_report(self, token, CEDE_EINVAL, 0);
}

static int deaf(fake *self, uint64_t token)
{
    (void)self, (void)token;
    return CEDE_CANCEL_SENT;
}

static void waits_inside(cede_req *req, cede_result result)
{
    note_done(req, result);
    backend.on_wait = report_all;
    CHECK(cede_wait(loop, pending, 0) == CEDE_EDEADLINE);
    CHECK(!backend.on_wait && items == 0);
}

/* In a wait whose callback waited, and let the loop take its turn meanwhile. */
static void items_come_before_their_done(void)
{
    begin();
    items = 0;
    cede_prep_pend(&pend.req);
    pending = submit(&pend);
    life = submit_scope(&scope);
    cede_prep_accept_many(&many.req, fake_handle(CEDE_KIND_LISTENER, 0), on_item);
    cede_in(&many.req, life);
    (void)submit(&many);
    turn();
    note *all[3] = {&x, &y, &z};
    for (unsigned i = 0; i < 3; i++) {
        cede_prep_nop(&all[i]->req);
        if (i < 2)
            cede_in(&all[i]->req, life);
        all[i]->calls = 0;
        (void)cede_submit(loop, &all[i]->req, i == 0 ? waits_inside : note_done);
    }
    backend.on_cancel = deaf;
    cede_cancel(life); /* which ends the nops no more, and asks the accept to end */
    CHECK(cede_wait(loop, life, CEDE_FOREVER) == CEDE_OK);
    CHECK(items == 2 && many.calls == 1 && many.result.count == 2 && z.calls == 0);
    backend.on_cancel = NULL;
    end();
}

/* What makes the caller wait for itself may come with a callback that it runs. */
static note outer_many;
static cede_handle listener;
static cede_status inside_says;

static void takes_the_listener(cede_req *req, cede_result result)
{
    (void)req;
    cede_drop(result.handle);
    items++;
    cede_own(life, listener); /* whose item's callback waits for this scope */
}

static void waits_for_the_scope(cede_req *req, cede_result result)
{
    (void)req;
    cede_drop(result.handle);
    cede_core_item(backend.core, many.result.count, 1001, 0);
    cede_core_item(backend.core, many.result.count, 1002, 0);
    inside_says = cede_wait(loop, life, CEDE_FOREVER);
}

static void wait_that_becomes_one_for_itself_ends(void)
{
    begin();
    items = 0;
    life = submit_scope(&scope);
    cede_prep_accept_many(&many.req, fake_handle(CEDE_KIND_LISTENER, 0), takes_the_listener);
    cede_in(&many.req, life);
    (void)submit(&many);
    turn();
    many.result.count = fake_token(&backend, CEDE_OP_ACCEPT_MANY); /* for the callback */
    listener = fake_handle(CEDE_KIND_LISTENER, 0);
    cede_prep_accept_many(&outer_many.req, listener, waits_for_the_scope);
    (void)submit(&outer_many);
    turn();
    for (unsigned i = 0; i < backend.count; i++) {
        if (backend.works[i].op == CEDE_OP_ACCEPT_MANY &&
            backend.works[i].token != many.result.count) {
            cede_core_item(backend.core, backend.works[i].token, 1000, 0);
            break;
        }
    }
    turn();
    CHECK(inside_says == CEDE_EDEADLK && items == 1);
    turn();
    CHECK(items == 2);
    end();
}

/* ---- Other loops ---------------------------------------------------------------------------- */

static cede_ticket of_another;
static port_event ready, leave;

static void another(void *context)
{
    static fake its;
    static note nop;
    (void)context;
    cede_loop *own = fake_loop(&its);
    cede_prep_nop(&nop.req);
    of_another = cede_submit(own, &nop.req, note_done);
    CHECK(cede_run(own, CEDE_FOREVER) == 1);
    port_event_set(&ready);
    port_event_wait(&leave, CEDE_FOREVER);
    CHECK(cede_loop_close(own, CEDE_FOREVER) == CEDE_OK);
}

/* A ticket that is stale is over, whoever's it was. */
static void stale_ticket_of_another_thread_is_over(void)
{
    port_thread thread;
    port_event_init(&ready);
    port_event_init(&leave);
    begin();
    turn();
    port_start(&thread, another, NULL);
    port_event_wait(&ready, CEDE_FOREVER);
    CHECK(cede_wait(loop, of_another, CEDE_FOREVER) == CEDE_OK);
    port_event_set(&leave);
    port_join(&thread);
    end();
}

/* ---- Without slots -------------------------------------------------------------------------- */

static note orphan, first, timer, outer;
static cede_ticket timing, refused, stale, outside;
static cede_status says[4];

static int keep(fake *self, const cede_work *work)
{
    (void)self, (void)work;
    return FAKE_KEEP;
}

static void member_waits(cede_req *req, cede_result result)
{
    note_done(req, result);
    says[0] = cede_wait(loop, timing, CEDE_FOREVER);
    says[1] = cede_wait(loop, stale, CEDE_FOREVER);
    says[2] = cede_wait(loop, pending, 0);
    says[3] = cede_wait(loop, outside, 0);
}

/* An outer scope, a pend and a timer; a scope that finds no slot, in the outer one or not. */
static void begin_without(bool inside)
{
    begin();
    cede_prep_nop(&x.req);
    stale = submit(&x);
    turn();
    fill_slots(loop, 3);
    outside = submit_scope(&outer);
    cede_prep_pend(&pend.req);
    pending = submit(&pend);
    cede_prep_timer(&timer.req, CEDE_MILLISECOND);
    timing = submit(&timer);
    cede_prep_scope(&orphan.req);
    if (inside)
        cede_in(&orphan.req, outside);
    refused = submit(&orphan);
    CHECK(refused.id >> 32 != 0 && refused.generation == 1); /* it is the refusal ticket */
}

static void submit_member(note *n, cede_done *done)
{
    cede_prep_nop(&n->req);
    cede_in(&n->req, refused);
    n->calls = n->order = 0;
    (void)cede_submit(loop, &n->req, done);
}

/* In the done of a member of a scope without a slot: what that does not lead to may be awaited. A
 * wait for the same from outside leaves the member alone. */
static void member_without_a_slot_may_wait(void)
{
    begin_without(false);
    submit_member(&first, note_done);
    CHECK(cede_wait(loop, pending, 0) == CEDE_EDEADLINE && !first.calls && !orphan.calls);
    CHECK(cede_wait(loop, outside, 0) == CEDE_EDEADLINE && !first.calls);
    submit_member(&y, member_waits);
    turn();
    CHECK(first.calls == 1 && y.calls == 1 && orphan.calls == 1 && timer.calls == 1);
    CHECK(says[0] == CEDE_OK && says[1] == CEDE_OK && says[2] == CEDE_EDEADLINE);
    CHECK(says[3] == CEDE_EDEADLINE); /* nothing leads there */
    end();
}

/* The scope was set aside, because a close that joined it is not over; whoever joins it then still
 * comes before it, and before the scope that it is in. */
static void scope_that_was_set_aside_still_leads_on(void)
{
    static note close;
    begin_without(true);
    backend.on_start = keep;
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0));
    cede_in(&close.req, refused);
    (void)submit(&close);
    turn();
    CHECK(!close.calls && !orphan.calls);
    submit_member(&y, member_waits);
    turn();
    CHECK(y.calls == 1 && !orphan.calls);
    CHECK(says[0] == CEDE_OK && says[1] == CEDE_OK && says[2] == CEDE_EDEADLINE);
    CHECK(says[3] == CEDE_EDEADLK);
    fake_report(&backend, fake_token(&backend, CEDE_OP_CLOSE), CEDE_OK, 0);
    CHECK(cede_wait(loop, outside, CEDE_FOREVER) == CEDE_OK);
    CHECK(close.order < orphan.order && orphan.order < outer.order);
    backend.on_start = NULL;
    end();
}

static int tries;

static void again(cede_req *req, cede_result result)
{
    note_done(req, result);
    if (tries++ < 5) {
        cede_prep_nop(&first.req);
        (void)cede_submit(loop, &first.req, again);
    }
}

static void waits_for_the_rest(cede_req *req, cede_result result)
{
    note_done(req, result);
    says[0] = cede_wait(loop, refused, CEDE_FOREVER);
}

static void close_in_a_while(fake *self, uint64_t timeout_ns)
{
    (void)timeout_ns;
    if (++tries == 4)
        fake_report(self, fake_find(self, CEDE_OP_CLOSE)->token, CEDE_OK, 0);
}

/* The refusal ticket is all of theirs, also of those that come meanwhile, and that others wait
 * for; and of the closes that take their time. */
static void refusal_ticket_is_that_of_all(void)
{
    static note close;
    begin_without(false);
    tries = 0;
    cede_prep_nop(&first.req);
    first.calls = 0;
    (void)cede_submit(loop, &first.req, again);
    CHECK(cede_wait(loop, refused, CEDE_FOREVER) == CEDE_OK && first.calls == 6);
    cede_prep_nop(&y.req);
    y.calls = 0;
    (void)cede_submit(loop, &y.req, waits_for_the_rest);
    cede_prep_nop(&z.req);
    (void)submit(&z);
    says[0] = CEDE_EIO;
    CHECK(cede_wait(loop, refused, CEDE_FOREVER) == CEDE_OK);
    CHECK(y.calls == 1 && z.calls == 1 && says[0] == CEDE_OK);
    backend.on_start = keep;
    backend.on_wait = close_in_a_while;
    tries = 0;
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0));
    (void)submit(&close);
    CHECK(cede_wait(loop, refused, 0) == CEDE_EDEADLINE && !close.calls);
    CHECK(cede_wait(loop, refused, CEDE_SECOND) == CEDE_OK && close.calls == 1);
    CHECK(tries == 4);
    backend.on_start = NULL;
    backend.on_wait = NULL;
    end();
}

static cede_status wait_breaks(void *self, uint64_t timeout_ns)
{
    (void)self, (void)timeout_ns;
    return CEDE_EIO;
}

static void broken_wait_is_told(void)
{
    static cede_backend table;
    static note close;
    memory_is_out = false;
    memset(&backend, 0, sizeof backend);
    table = fake_backend;
    loop = fake_loop_on(&backend, &table, (cede_options)CEDE_OPTIONS_INIT);
    fill_slots(loop, 0);
    turn();
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0));
    refused = submit(&close);
    table.wait = wait_breaks;
    CHECK(cede_wait(loop, refused, CEDE_FOREVER) == CEDE_EIO && !close.calls);
    table.wait = fake_wait;
    CHECK(cede_wait(loop, refused, CEDE_FOREVER) == CEDE_OK && close.calls == 1);
    end();
}

/* A member that finds no slot may make the caller's wait one for itself. */
static void owns_the_listener(cede_req *req, cede_result result)
{
    note_done(req, result);
    cede_own(life, listener);
}

static void waits_for_the_orphans(cede_req *req, cede_result result)
{
    (void)req;
    cede_drop(result.handle);
    inside_says = cede_wait(loop, life, CEDE_FOREVER);
}

static void orphan_that_turns_the_wait_on_itself_is_the_last(void)
{
    begin();
    listener = fake_handle(CEDE_KIND_LISTENER, 0);
    cede_prep_accept_many(&outer_many.req, listener, waits_for_the_orphans);
    (void)submit(&outer_many);
    turn();
    life = submit_scope(&scope);
    fill_slots(loop, 2);
    note *members[2] = {&x, &y};
    for (unsigned i = 0; i < 2; i++) {
        cede_prep_nop(&members[i]->req);
        cede_in(&members[i]->req, life);
        members[i]->calls = 0;
        (void)cede_submit(loop, &members[i]->req, i == 0 ? owns_the_listener : note_done);
    }
    cede_core_item(backend.core, fake_token(&backend, CEDE_OP_ACCEPT_MANY), 1000, 0);
    inside_says = CEDE_OK;
    turn();
    CHECK(inside_says == CEDE_EDEADLK && x.calls == 1);
    turn();
    CHECK(y.calls == 1);
    end();
}

/* A wait that is fed by its own callbacks ends at its limit all the same (law 14). */
static void feeds_itself(cede_req *req, cede_result result)
{
    (void)req;
    cede_drop(result.handle);
    items++;
    backend.time_ns += CEDE_MILLISECOND;
    if (items < 10000)
        cede_core_item(backend.core, fake_token(&backend, CEDE_OP_ACCEPT_MANY), 1000, 0);
}

static void wait_that_feeds_itself_has_an_end(void)
{
    begin();
    items = 0;
    life = submit_scope(&scope);
    cede_prep_accept_many(&many.req, fake_handle(CEDE_KIND_LISTENER, 0), feeds_itself);
    cede_in(&many.req, life);
    (void)submit(&many);
    turn();
    cede_core_item(backend.core, fake_token(&backend, CEDE_OP_ACCEPT_MANY), 1000, 0);
    CHECK(cede_wait(loop, life, 50 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CHECK(items >= 50 && items < 100);
    items = 10000; /* enough */
    end();
}

int main(void)
{
    use_short_memory();
    CHECK(fake_handle(CEDE_KIND_FILE, 0)); /* the table of handles has its memory */
    what_pends_on_an_owned_handle_comes_first();
    what_leads_to_an_owned_handle_comes_first();
    what_stands_before_a_chain_comes_first();
    items_come_before_their_done();
    wait_that_becomes_one_for_itself_ends();
    wait_that_feeds_itself_has_an_end();
    member_without_a_slot_may_wait();
    scope_that_was_set_aside_still_leads_on();
    refusal_ticket_is_that_of_all();
    broken_wait_is_told();
    orphan_that_turns_the_wait_on_itself_is_the_last();
    stale_ticket_of_another_thread_is_over(); /* last: its loop brings slots */
    return 0;
}
