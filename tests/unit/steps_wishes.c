/*
 * Wishes, met at each of their instructions by deliveries, closes and other threads' (steps.h):
 * none is lost, none comes twice, none before what its thread sent first, and a ticket that is
 * stale by then does nothing (laws 2, 6, 11; 1b: Threads).
 * Usage: unit_steps_wishes [BUDGET]   as unit_steps
 */
#include "core.h"

#include "steps_loops.h"

static cede_loop *second, *third;
static cede_ticket ticket, of_b;

/* ---- A wish with a payload, and the loop that is over with its request ---------------------- */

static void open_both(cede_done *of_a)
{
    loop = opened(0);
    turn_of(loop); /* it is this thread's */
    cede_prep_scope(&a.req);
    ticket = cede_submit(loop, &a.req, of_a);
    cede_prep_pend(&b.req);
    of_b = cede_submit(loop, &b.req, note_done);
}

static void other_opens(void)
{
    open_both(note_done);
}

static void set_up_wish(void)
{
    forget();
    steps_on_other(other_opens);
}

static void fail_it(void)
{
    cede_fail(ticket, CEDE_EIO);
}

static void cancel_first(void)
{
    cede_cancel(ticket);
}

static void complete_it(void)
{
    cede_complete(of_b, CEDE_OK, 7);
}

static void cancel_them(void)
{
    cede_cancel(ticket);
    cede_cancel(of_b);
}

/* Its own cancels, then as many turns as it takes to be through with both. */
static void other_ends_both(void)
{
    cancel_them();
    for (unsigned i = 0; i < 4; i++)
        turn_of(loop);
    CHECK(a.calls == 1 && b.calls == 1);
    cede_prep_pend(&a.req); /* the slots are other requests' by now */
    (void)cede_submit(loop, &a.req, note_done);
    cede_prep_scope(&b.req);
    (void)cede_submit(loop, &b.req, note_done);
    turn_of(loop);
}

static void other_closes_at_once(void)
{
    cede_status status = cede_loop_close(loop, 0);
    CHECK(status == CEDE_OK || status == CEDE_EDEADLINE);
    if (!status)
        loop = NULL;
}

static void other_closes(void)
{
    if (loop)
        close_of(loop);
    loop = NULL;
}

/* No slot is lost; the next life of the one that waited for the wish hears wishes as any other. */
static note next;
static cede_ticket of_next;

static unsigned idle_slots(void)
{
    unsigned idle = 0;
    for (const cedi_link *link = loop->free.next; link; link = link->next)
        idle++;
    return idle;
}

static void other_submits_next(void)
{
    turn_of(loop);
    CHECK(idle_slots() + 2 == CEDI_CHUNK_SLOTS);
    cede_prep_pend(&next.req);
    next.calls = 0;
    of_next = cede_submit(loop, &next.req, note_done);
}

static void other_hears(void)
{
    turn_of(loop);
    CHECK(next.calls == 1 && next.result.status == CEDE_ECANCELED);
}

static void behind_wish(void)
{
    CHECK(a.calls == 1 && b.calls == 1); /* the successors are untouched */
    steps_on_other(other_submits_next);
    cede_cancel(of_next);
    steps_on_other(other_hears);
    steps_on_other(other_closes);
    CHECK(a.calls == 2 && b.calls == 2);
}

static void behind_close(void)
{
    steps_on_other(other_closes);
    CHECK(a.calls == 1 && b.calls == 1);
    CHECK(a.result.status == CEDE_ECANCELED || a.result.status == CEDE_EIO);
    CHECK(b.result.status == CEDE_ECANCELED || b.result.count == 7);
}

/* Another thread fails it, too: one of the two reasons counts. */
static void fails_otherwise(void *nothing)
{
    (void)nothing;
    cede_fail(ticket, CEDE_EPERM);
}

static void other_has_it_failed(void)
{
    port_thread thread;
    port_start(&thread, fails_otherwise, NULL);
    port_join(&thread);
    turn_of(loop);
}

static void behind_both_fails(void)
{
    steps_on_other(other_closes);
    CHECK(a.calls == 1 && (a.result.status == CEDE_EIO || a.result.status == CEDE_EPERM));
}

/* Another thread wishes the same, and sends something behind that, which must not come first. */
static note member;

static void wishes_and_sends(void *nothing)
{
    (void)nothing;
    cancel_them();
    complete_it();
    cede_prep_nop(&member.req);
    cede_in(&member.req, ticket);
    cede_submit_remote(loop, &member.req, note_done, NULL);
}

static void other_has_sent_behind(void)
{
    port_thread thread;
    memset(&member, 0, sizeof member);
    port_start(&thread, wishes_and_sends, NULL);
    port_join(&thread);
    turn_of(loop);
    CHECK(member.calls == 1 && member.result.status == CEDE_EENDED);
    CHECK(b.calls == 1 && b.order < member.order);
}

static void behind_sent(void)
{
    steps_on_other(other_closes);
    CHECK(a.calls == 1 && b.calls == 1);
}

/* Its slot is another's when its link is sent, whose wish has something before it. */
static note sent_before;

static void other_uses_the_slot(void)
{
    cede_complete(of_b, CEDE_OK, 7);
    turn_of(loop);
    cede_cancel(ticket);
    turn_of(loop);
    CHECK(a.calls == 1 && b.calls == 1);
    cede_prep_scope(&next.req); /* in the slot that was given back last, if its link is seen free */
    next.calls = 0;
    of_next = cede_submit(loop, &next.req, note_done);
}

static void sends_and_ends(void *nothing)
{
    (void)nothing;
    memset(&sent_before, 0, sizeof sent_before);
    cede_prep_pend(&sent_before.req);
    cede_in(&sent_before.req, of_next);
    cede_submit_remote(loop, &sent_before.req, note_done, NULL);
    cede_cancel(of_next);
}

static void other_has_it_ended(void)
{
    port_thread thread;
    port_start(&thread, sends_and_ends, NULL);
    port_join(&thread);
    turn_of(loop);
    turn_of(loop);
    CHECK(sent_before.calls == 1 && sent_before.result.status == CEDE_ECANCELED);
    CHECK(next.calls == 1 && sent_before.order < next.order);
    CHECK(idle_slots() == CEDI_CHUNK_SLOTS); /* the remote submit had one of a chunk of its own */
    close_of(loop);
}

static void behind_use(void)
{
    steps_on_other(other_has_it_ended);
}

/* Its done is running when the wish that it waited for arrives. */
static _Atomic int failed;

static void fail_and_tell(void)
{
    fail_it();
    atomic_store(&failed, 1);
}

static void waits_in_done(cede_req *req, cede_result result)
{
    const cedi_slot *slot = cedi_slot_find(ticket.id);
    note_done(req, result);
    while (atomic_load(&slot->word) & CEDI_ZOMBIE && !atomic_load(&failed))
        port_yield();
    CHECK(cede_wait(loop, of_b, 0) == CEDE_EDEADLINE);
}

static void other_opens_patient(void)
{
    open_both(waits_in_done);
    atomic_store(&failed, 0);
}

static void set_up_patient(void)
{
    forget();
    steps_on_other(other_opens_patient);
}

static void other_delivers_patiently(void)
{
    cede_cancel(ticket);
    turn_of(loop);
    CHECK(a.calls == 1);
}

static void other_counts(void)
{
    turn_of(loop);
    CHECK(idle_slots() + 1 == CEDI_CHUNK_SLOTS);
    close_of(loop);
}

static void behind_patient(void)
{
    steps_on_other(other_counts);
    CHECK(a.calls == 1 && b.calls == 1);
}

/* The loop closes, and its memory, chunks too, goes to two others, crosswise. */
static void other_closes_and_opens_two(void)
{
    close_of(loop);
    second = opened(1);
    third = opened(2);
    turn_of(second);
    turn_of(third);
    cede_prep_pend(&a.req);
    (void)cede_submit(third, &a.req, note_done);
    cede_prep_pend(&b.req);
    (void)cede_submit(second, &b.req, note_done);
    turn_of(second);
    turn_of(third);
}

static void other_closes_two(void)
{
    turn_of(second);
    turn_of(third);
    CHECK(a.calls == 1 && b.calls == 1);
    close_of(second);
    close_of(third);
}

static void cancels_of_b(void *nothing)
{
    (void)nothing;
    cede_cancel(of_b);
}

/* The same, and the successor is cancelled, too: by a thread that may find the slot's link in use,
 * and relies on who uses it. Then the loop that is in the old one's memory closes, or not. */
static bool closes_second;

static void other_cancels_a_successor(void)
{
    port_thread thread;
    close_of(loop);
    second = opened(1);
    third = opened(2);
    turn_of(second);
    turn_of(third);
    cede_prep_pend(&b.req); /* in the slot of a, and one more in that of b */
    of_b = cede_submit(third, &b.req, note_done);
    port_start(&thread, cancels_of_b, NULL);
    port_join(&thread);
    if (closes_second)
        close_of(second);
}

static void other_looks_for_the_wish(void)
{
    if (!closes_second)
        turn_of(second);
    turn_of(third);
    turn_of(third);
    CHECK(b.calls == 2 && b.result.status == CEDE_ECANCELED && b.result.flags & CEDE_BY_WISH);
    if (!closes_second)
        close_of(second);
    close_of(third);
}

static void behind_successor(void)
{
    steps_on_other(other_looks_for_the_wish);
}

/* The loop sleeps elsewhere, so that a wish wakes it; it closes meanwhile. */
static void other_sleeps(void)
{
    uint64_t ns;
    other_opens();
    (void)cede_loop_waitable(loop, &ns);
}

static void set_up_sleeper(void)
{
    forget();
    steps_on_other(other_sleeps);
}

static void other_closes_it(void)
{
    close_of(loop);
}

static void behind_sleeper(void)
{
    CHECK(a.calls == 1 && b.calls == 1);
}

static void behind_two(void)
{
    steps_on_other(other_closes_two);
    CHECK(a.calls == 2 && b.calls == 2);
}

/* It delivers what another thread fails and completes meanwhile. */
static void set_up_delivery(void)
{
    forget();
    open_both(note_done);
    cancel_them();
}

static void turn_here(void)
{
    turn_of(loop);
}

static void other_fails_and_completes(void)
{
    fail_it();
    complete_it();
}

static void behind_delivery(void)
{
    CHECK(a.calls == 1 && a.result.status == CEDE_ECANCELED);
    CHECK(b.calls == 1 && b.result.status == CEDE_ECANCELED);
    close_of(loop);
}

static void wishes(void)
{
    try_each("fail and delivery", set_up_wish, fail_it, other_ends_both, behind_wish);
    try_each("complete and delivery", set_up_wish, complete_it, other_ends_both, behind_wish);
    try_each("cancels and delivery", set_up_wish, cancel_them, other_ends_both, behind_wish);
    try_each("fail and loop close", set_up_wish, fail_it, other_closes_at_once, behind_close);
    try_each("complete and loop close", set_up_wish, complete_it, other_closes_at_once,
             behind_close);
    try_each("cancels and other loops", set_up_wish, cancel_them, other_closes_and_opens_two,
             behind_two);
    try_each("fail and fail", set_up_wish, fail_it, other_has_it_failed, behind_both_fails);
    try_each("fail and what is behind another's", set_up_wish, fail_it, other_has_sent_behind,
             behind_sent);
    try_each("complete and what is behind another's", set_up_wish, complete_it,
             other_has_sent_behind, behind_sent);
    try_each("cancels and what is behind another's", set_up_wish, cancel_them,
             other_has_sent_behind, behind_sent);
    try_each("cancel and the slot's next", set_up_wish, cancel_first, other_uses_the_slot,
             behind_use);
    try_each("fail and the slot's next", set_up_wish, fail_it, other_uses_the_slot, behind_use);
    try_each("fail and done", set_up_patient, fail_and_tell, other_delivers_patiently,
             behind_patient);
    try_each("fail and the loop's end", set_up_wish, fail_it, other_closes, behind_close);
    for (unsigned i = 0; i < 2; i++) {
        closes_second = i;
        try_each("cancel and a successor's", set_up_wish, cancel_first, other_cancels_a_successor,
                 behind_successor);
    }
    try_each("delivery and wishes", set_up_delivery, turn_here, other_fails_and_completes,
             behind_delivery);
    try_each("wake and loop close", set_up_sleeper, cancel_first, other_closes_it, behind_sleeper);
}

int main(int argc, char **argv)
{
    return try_all(argc, argv, wishes);
}
