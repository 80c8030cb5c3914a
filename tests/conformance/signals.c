/*
 * Signals (laws 2, 6, 7, 12 to 16): each is told to all who take it, once for as often as it came
 * before it was told, and is its system's own affair again when nobody takes it any more.
 */
#include "conformance.h"

#include <string.h>

#define INTERRUPT CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT)
#define QUIT      CEDE_SIGNAL_BIT(CEDE_SIGNAL_QUIT)

/* What came to one request, by number. */
typedef struct ear {
    cft_rec *rec;
    uint32_t heard[CEDE_SIGNAL_COUNT];
    uint32_t items;
    bool cancels; /* itself, in its item */
} ear;

static void on_signal(cede_req *req, cede_result item)
{
    cft_rec *rec = req->user_data;
    ear *e = rec->data;
    cft *t = rec->t;
    CFT_CHECK(t, cede_in_callback(rec->loop) && item.status == CEDE_OK && item.flags == 0);
    CFT_CHECK(t, !item.handle && !item.buffer);
    CFT_CHECK(t, item.count > 0 && item.count < CEDE_SIGNAL_COUNT);
    CFT_CHECK(t, rec->done + 1 == rec->submitted);
    e->heard[item.count]++;
    e->items++;
    if (e->cancels)
        cede_cancel(rec->ticket);
}

static ear *prepared(cft *t, uint32_t signals)
{
    cft_needs(t, CEDE_OP_SIGNAL_MANY);
    ear *e = cft_alloc(t, sizeof *e);
    e->rec = cft_new(t);
    e->rec->data = e;
    cede_prep_signal_many(e->rec->req, signals, on_signal);
    return e;
}

/* Until the system knows of it: before that the signal would end this process. */
static void until_taken(cft *t, const ear *e, uint32_t signal)
{
    cft_flush(t);
    while (cft_taken(t, signal) == 0 && !cft_is_done(e->rec) && !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
}

/* One that the system knows of, by a signal that no other takes. */
static ear *listening(cft *t, uint32_t signals)
{
    static const uint32_t marks[] = {CEDE_SIGNAL_USER_1, CEDE_SIGNAL_USER_2, CEDE_SIGNAL_RESIZE,
                                     CEDE_SIGNAL_HANGUP, CEDE_SIGNAL_TERMINATE};
    static uint32_t made;
    uint32_t mark = marks[made++ % (sizeof marks / sizeof marks[0])];
    ear *e = prepared(t, signals | CEDE_SIGNAL_BIT(mark));
    cft_submit(e->rec);
    until_taken(t, e, mark);
    return e;
}

static void until_heard(cft *t, const ear *e, uint32_t items)
{
    while (e->items < items && !cft_is_done(e->rec) && !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
}

static void raise_it(cft *t, uint32_t signal)
{
    bool raised = cft_raise(t, signal);
    CFT_EXPECT(t, raised);
}

/* Ends it; the count is the truth. */
static void hush(cft *t, ear *e)
{
    cft_cancel(t, e->rec->ticket);
    cft_await(t, e->rec);
    CFT_ENDED(t, e->rec, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_CHECK(t, e->rec->result.count == e->items);
}

CFT_CASE(signal_is_told_to_who_takes_it)
{
    ear *e = listening(t, INTERRUPT);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, e, 1);
    CFT_EXPECT(t, e->heard[CEDE_SIGNAL_INTERRUPT] == 1 && e->items == 1);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, e, 2);
    CFT_EXPECT(t, e->heard[CEDE_SIGNAL_INTERRUPT] == 2 && !cft_is_done(e->rec));
    hush(t, e);
}

CFT_CASE(signal_that_comes_again_is_told_once)
{
    ear *e = listening(t, INTERRUPT);
    for (int i = 0; i < 3; i++)
        raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, e, 1);
    for (int i = 0; i < 3; i++)
        cft_turn(t);
    CFT_EXPECT(t, e->items == 1);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, e, 2);
    CFT_EXPECT(t, e->items == 2);
    hush(t, e);
}

CFT_CASE(signals_that_come_together_are_all_told)
{
    ear *e = listening(t, INTERRUPT | QUIT);
    raise_it(t, CEDE_SIGNAL_QUIT);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    raise_it(t, CEDE_SIGNAL_QUIT);
    until_heard(t, e, 2);
    CFT_EXPECT(t, e->heard[CEDE_SIGNAL_INTERRUPT] == 1 && e->heard[CEDE_SIGNAL_QUIT] == 1);
    hush(t, e);
}

CFT_CASE(signal_goes_to_all_who_take_it)
{
    ear *both = listening(t, INTERRUPT | QUIT), *one = listening(t, INTERRUPT),
        *other = listening(t, QUIT);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, both, 1);
    until_heard(t, one, 1);
    CFT_EXPECT(t, both->heard[CEDE_SIGNAL_INTERRUPT] == 1);
    CFT_EXPECT(t, one->heard[CEDE_SIGNAL_INTERRUPT] == 1 && other->items == 0);
    hush(t, one);
    raise_it(t, CEDE_SIGNAL_QUIT);
    until_heard(t, both, 2);
    until_heard(t, other, 1);
    CFT_EXPECT(t, both->heard[CEDE_SIGNAL_QUIT] == 1 && other->heard[CEDE_SIGNAL_QUIT] == 1);
    CFT_CHECK(t, one->heard[CEDE_SIGNAL_QUIT] == 0);
    hush(t, both);
    hush(t, other);
}

/* Both are told in the turn in which the second begins. */
CFT_CASE(signal_that_came_before_is_not_told_to_the_next)
{
    ear *first = listening(t, INTERRUPT), *next = prepared(t, INTERRUPT | QUIT);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    cft_submit(next->rec);
    until_heard(t, first, 1);
    until_taken(t, next, CEDE_SIGNAL_QUIT);
    raise_it(t, CEDE_SIGNAL_QUIT);
    until_heard(t, next, 1);
    CFT_EXPECT(t, first->heard[CEDE_SIGNAL_INTERRUPT] == 1 && first->items == 1);
    CFT_EXPECT(t, next->heard[CEDE_SIGNAL_QUIT] == 1 && next->items == 1);
    hush(t, first);
    hush(t, next);
}

static void run_there(cft *t, cede_loop *second)
{
    CFT_CHECK(t, cft_run_on(second, CEDE_MILLISECOND) >= 0 || cft_faulted(t));
}

CFT_CASE(signal_goes_to_every_loop)
{
    cede_options options;
    ear *there = prepared(t, INTERRUPT);
    cft_options(t, &options);
    cede_loop *second = cft_open(t, &options);
    cft_submit_on(there->rec, second);
    run_there(t, second);
    while (cft_taken(t, CEDE_SIGNAL_INTERRUPT) == 0 && !cft_faulted(t))
        run_there(t, second);
    ear *here = listening(t, INTERRUPT);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, here, 1);
    while (!there->items && !cft_is_done(there->rec) && !cft_faulted(t))
        run_there(t, second);
    CFT_EXPECT(t, here->items == 1 && there->items == 1);
    hush(t, here);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) != 0); /* there */
    cede_status closed = cft_close_on(t, second, CEDE_FOREVER);
    CFT_CHECK(t, closed == CEDE_OK && cft_is_done(there->rec));
    CFT_ENDED(t, there->rec, CEDE_ECANCELED, CEDE_BY_LOOP);
    CFT_CHECK(t, there->rec->result.count == there->items);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) <= 0);
}

CFT_CASE(signal_is_the_systems_again_when_nobody_takes_it)
{
    cft_needs(t, CEDE_OP_SIGNAL_MANY);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) <= 0);
    ear *one = listening(t, INTERRUPT), *other = listening(t, INTERRUPT);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) != 0);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_QUIT) <= 0); /* nobody asked for it */
    hush(t, one);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) != 0);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, other, 1);
    CFT_EXPECT(t, other->items == 1);
    hush(t, other);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) <= 0);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_QUIT) <= 0);
}

CFT_CASE(signal_many_may_be_cancelled_at_any_moment)
{
    for (int moment = 0; moment < 4; moment++) {
        ear *e = prepared(t, INTERRUPT);
        cft_submit(e->rec);
        if (moment > 0)
            until_taken(t, e, CEDE_SIGNAL_INTERRUPT);
        if (moment > 1)
            raise_it(t, CEDE_SIGNAL_INTERRUPT); /* it has come, and is told or not */
        if (moment > 2)
            cft_flush(t);
        cft_cancel(t, e->rec->ticket);
        cft_await(t, e->rec);
        CFT_ENDED(t, e->rec, CEDE_ECANCELED, CEDE_BY_WISH);
        CFT_CHECK(t, e->rec->result.count == e->items && e->items <= 1);
        if (cft_faulted(t))
            return;
    }
}

CFT_CASE(signal_many_cancelled_in_its_item_is_done_once_behind_it)
{
    ear *e = listening(t, INTERRUPT | QUIT);
    e->cancels = true;
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, e, 1);
    cft_await(t, e->rec);
    CFT_ENDED(t, e->rec, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_EXPECT(t, e->items == 1 && e->rec->result.count == 1);
}

CFT_CASE(signal_many_ends_by_its_deadline_and_its_scope)
{
    ear *e = prepared(t, INTERRUPT);
    cede_within(e->rec->req, CEDE_MILLISECOND);
    cft_submit(e->rec);
    cft_await(t, e->rec);
    CFT_ENDED(t, e->rec, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    e = prepared(t, INTERRUPT);
    cede_in(e->rec->req, scope->ticket);
    cft_submit(e->rec);
    cft_flush(t);
    cft_fail(t, scope->ticket, CEDE_EIO);
    cft_await(t, scope);
    CFT_ENDED(t, e->rec, CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) <= 0);
}

CFT_CASE(signal_many_in_the_background_lets_the_loop_be_idle)
{
    ear *e = prepared(t, INTERRUPT);
    cede_background(e->rec->req);
    cft_submit(e->rec);
    cft_turn(t);
    (void)cft_run(t, CEDE_FOREVER); /* returns */
    CFT_EXPECT(t, !cft_is_done(e->rec));
    until_taken(t, e, CEDE_SIGNAL_INTERRUPT);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, e, 1);
    CFT_EXPECT(t, e->items == 1);
    hush(t, e);
}

static void listen_anew(cft_rec *rec)
{
    if (rec->done > 1)
        return;
    cede_prep_signal_many(rec->req, INTERRUPT, on_signal);
    cft_submit_on(rec, rec->loop);
}

CFT_CASE(signal_many_begins_anew_in_its_own_done)
{
    ear *e = listening(t, INTERRUPT);
    e->rec->then = listen_anew;
    if (cft_faulted(t))
        return;
    cede_cancel(e->rec->ticket);
    while (e->rec->done < 1)
        cft_run(t, CEDE_MILLISECOND); /* its end, and its new beginning */
    until_taken(t, e, CEDE_SIGNAL_INTERRUPT);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, e, 1);
    CFT_EXPECT(t, e->items == 1 && e->rec->done == 1);
    hush(t, e);
}

/* Started by nohup, say. Who asks for the signal by its name has it all the same. */
CFT_CASE(signal_that_is_ignored_stays_so_unless_it_is_asked_for)
{
    if (!cft_ignored(t, CEDE_SIGNAL_TERMINATE))
        return;
    ear *stops = prepared(t, CEDE_SIGNAL_STOPS | QUIT);
    cft_submit(stops->rec);
    until_taken(t, stops, CEDE_SIGNAL_QUIT);
    CFT_EXPECT(t, !cft_taken(t, CEDE_SIGNAL_TERMINATE) && cft_taken(t, CEDE_SIGNAL_HANGUP));
    ear *asks = prepared(t, CEDE_SIGNAL_BIT(CEDE_SIGNAL_TERMINATE));
    cft_submit(asks->rec);
    until_taken(t, asks, CEDE_SIGNAL_TERMINATE);
    ear *late = listening(t, CEDE_SIGNAL_STOPS); /* goes by what it was before */
    raise_it(t, CEDE_SIGNAL_TERMINATE);
    raise_it(t, CEDE_SIGNAL_INTERRUPT);
    until_heard(t, asks, 1);
    until_heard(t, stops, 1);
    until_heard(t, late, 1);
    CFT_EXPECT(t, asks->items == 1 && asks->heard[CEDE_SIGNAL_TERMINATE] == 1);
    CFT_EXPECT(t, stops->items == 1 && stops->heard[CEDE_SIGNAL_INTERRUPT] == 1);
    CFT_EXPECT(t, late->items == 1 && late->heard[CEDE_SIGNAL_INTERRUPT] == 1);
    hush(t, asks);
    CFT_EXPECT(t, !cft_taken(t, CEDE_SIGNAL_TERMINATE)); /* ignored again */
    hush(t, stops);
    hush(t, late);
}

CFT_CASE(signal_many_takes_known_signals_and_a_callback)
{
    static const uint32_t bad[] = {0, 1, CEDE_SIGNAL_BIT(CEDE_SIGNAL_COUNT),
                                   CEDE_SIGNAL_UNLESS_IGNORED, INTERRUPT | 0x40000000u};
    cft_needs(t, CEDE_OP_SIGNAL_MANY);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cft_rec *rec = cft_new(t);
        cede_prep_signal_many(rec->req, bad[i], on_signal);
        cft_do(rec);
        CFT_STATUS(t, rec, CEDE_EINVAL);
    }
    cft_rec *rec = cft_new(t);
    cede_prep_signal_many(rec->req, INTERRUPT, NULL);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
    CFT_EXPECT(t, cft_taken(t, CEDE_SIGNAL_INTERRUPT) <= 0);
}
