/*
 * The seam, from the other side: what a backend may report that none of ours does, or only when its
 * system is in trouble, and what the core makes of it (backend.h, laws 6, 7, 8, 15). Public headers
 * and a backend of the test's own.
 */
#include "../regress/fake.h"

static fake backend;

static cede_loop *begin(void)
{
    memset(&backend, 0, sizeof backend);
    backend.own_time = true;
    return fake_loop(&backend);
}

static void end(cede_loop *loop)
{
    backend.on_start = NULL;
    backend.on_cancel = NULL;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

/* The token of the one work of this kind that the backend has. */
static void turn(cede_loop *loop)
{
    CHECK(cede_run(loop, 0) >= 0);
}

/* A transfer that must move all, and of which nothing more moves: where it reads, that is the end;
 * where it writes, nothing says why. */
static void nothing_moves(cede_loop *loop, note *n, uint32_t op, cede_status status)
{
    n->calls = 0;
    (void)cede_submit(loop, &n->req, note_done);
    turn(loop);
    fake_report(&backend, fake_token(&backend, op), CEDE_OK, 3);
    turn(loop);
    fake_report(&backend, fake_token(&backend, op), CEDE_OK, 0);
    turn(loop);
    CHECK(n->calls == 1 && n->result.status == status && n->result.count == 3);
}

static void whole_that_stands_still_is_an_end_or_a_failure(void)
{
    static note n;
    static char bytes[8];
    cede_loop *loop = begin();
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0), stream = fake_handle(CEDE_KIND_STREAM, 0);
    cede_prep_read_all(&n.req, file, bytes, 8, 0);
    nothing_moves(loop, &n, CEDE_OP_READ_ALL, CEDE_EEOF);
    cede_prep_recv_all(&n.req, stream, bytes, 8);
    nothing_moves(loop, &n, CEDE_OP_RECV_ALL, CEDE_EEOF);
    cede_prep_write_all(&n.req, file, bytes, 8, 0);
    nothing_moves(loop, &n, CEDE_OP_WRITE_ALL, CEDE_EIO);
    cede_prep_send_all(&n.req, stream, bytes, 8);
    nothing_moves(loop, &n, CEDE_OP_SEND_ALL, CEDE_EIO);
    cede_prep_copy(&n.req, file, 0, fake_handle(CEDE_KIND_FILE, 0), 0, 8);
    nothing_moves(loop, &n, CEDE_OP_COPY, CEDE_EEOF);
    cede_prep_send_file(&n.req, stream, file, 0, 8);
    nothing_moves(loop, &n, CEDE_OP_SEND_FILE, CEDE_EEOF);
    end(loop);
}

/* Once it is with the backend again: after a while, if it was parked. */
static void report_read(cede_loop *loop, cede_status status, uint64_t count)
{
    while (!fake_find(&backend, CEDE_OP_READ))
        (void)cede_run(loop, CEDE_MILLISECOND);
    fake_report(&backend, fake_token(&backend, CEDE_OP_READ), status, count);
    turn(loop);
}

/* Nobody asked for it, and nothing moved: a shortage, like any other. It waits for what else is in
 * flight, and, with nothing there, it is told after some tries. What work has done is done, so that
 * is not begun again. */
static void end_that_nobody_asked_for_is_a_shortage(void)
{
    static note n, other;
    static char bytes[8], others[8];
    cede_loop *loop = begin();
    unsigned times = 0;
    cede_prep_read(&n.req, fake_handle(CEDE_KIND_FILE, 0), bytes, 8, 0);
    (void)cede_submit(loop, &n.req, note_done);
    for (; !n.calls; times++)
        report_read(loop, CEDE_ECANCELED, 0);
    CHECK(n.result.status == CEDE_EAGAIN && !n.result.flags && times == 4);
    n.calls = 0;
    cede_prep_read(&n.req, fake_handle(CEDE_KIND_FILE, 0), bytes, 8, 0);
    (void)cede_submit(loop, &n.req, note_done);
    cede_prep_write(&other.req, fake_handle(CEDE_KIND_FILE, 0), others, 8, 0);
    (void)cede_submit(loop, &other.req, note_done);
    for (unsigned i = 0; i < 8; i++) {
        report_read(loop, CEDE_ECANCELED, 0);
        CHECK(n.calls == 0);
    }
    report_read(loop, CEDE_OK, 8);
    CHECK(n.calls == 1 && n.result.status == CEDE_OK && n.result.count == 8);
    /* But that may be what its file says: not for ever, whatever else is under way. */
    n.calls = 0;
    cede_prep_read(&n.req, fake_handle(CEDE_KIND_FILE, 0), bytes, 8, 0);
    (void)cede_submit(loop, &n.req, note_done);
    for (times = 0; !n.calls; times++)
        report_read(loop, CEDE_ECANCELED, 0);
    CHECK(n.result.status == CEDE_EAGAIN && !n.result.flags && times == 16);
    fake_report(&backend, fake_token(&backend, CEDE_OP_WRITE), CEDE_OK, 8);
    turn(loop);
    end(loop);
}

/* A client that has left before it was taken is nobody: the listener waits for the next. */
static void client_that_left_is_not_told(void)
{
    static note n;
    static const cede_status left[] = {CEDE_ECONNABORTED, CEDE_ECONNRESET};
    cede_loop *loop = begin();
    cede_prep_accept(&n.req, fake_handle(CEDE_KIND_LISTENER, 0), NULL);
    (void)cede_submit(loop, &n.req, note_done);
    for (unsigned i = 0; i < 2; i++) {
        turn(loop);
        fake_report(&backend, fake_token(&backend, CEDE_OP_ACCEPT), left[i], 0);
    }
    turn(loop);
    CHECK(n.calls == 0);
    fake_report(&backend, fake_token(&backend, CEDE_OP_ACCEPT), CEDE_OK, 77);
    turn(loop);
    CHECK(n.calls == 1 && n.result.status == CEDE_OK && n.result.handle);
    n.calls = 0;
    cede_prep_accept(&n.req, fake_handle(CEDE_KIND_LISTENER, 0), NULL);
    (void)cede_submit(loop, &n.req, note_done);
    turn(loop);
    fake_report(&backend, fake_token(&backend, CEDE_OP_ACCEPT), CEDE_EINVAL, 0);
    turn(loop);
    CHECK(n.calls == 1 && n.result.status == CEDE_EINVAL);
    end(loop);
}

/* What has no pool cannot wait for a buffer of it. */
static void want_of_buffers_is_a_want_of_memory(void)
{
    static note n;
    static char bytes[8];
    cede_loop *loop = begin();
    cede_prep_recv(&n.req, fake_handle(CEDE_KIND_STREAM, 0), bytes, 8);
    (void)cede_submit(loop, &n.req, note_done);
    turn(loop);
    fake_report(&backend, fake_token(&backend, CEDE_OP_RECV), CEDE_REPORT_POOL, 0);
    turn(loop);
    CHECK(n.calls == 1 && n.result.status == CEDE_ENOMEM);
    end(loop);
}

static int at_once;
static unsigned asked[4096]; /* by slot */

static int answer(fake *self, uint64_t token)
{
    asked[(uint32_t)token % 4096]++;
    if (at_once)
        fake_report(self, token, CEDE_ECANCELED, 0);
    return CEDE_CANCEL_AGAIN;
}

/* Asked a thousand times, it says "again" each time; the dump counts as far as it can. */
static void tell_tries(void *context, const cede_pending *pending)
{
    if (strcmp(pending->op, "read") == 0)
        *(uint32_t *)context = pending->cancel_tries;
}

static void wish_is_repeated_however_often(void)
{
    static note n, other;
    static char bytes[8];
    cede_loop *loop = begin();
    cede_ticket ticket;
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    uint32_t tries = 0;
    backend.on_cancel = answer;
    cede_prep_read(&n.req, file, bytes, 8, 0);
    ticket = cede_submit(loop, &n.req, note_done);
    turn(loop);
    cede_cancel(ticket);
    while (backend.cancels < 1000)
        CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_EDEADLINE);
    cede_dump(loop, tell_tries, &tries);
    CHECK(tries == 255 && n.calls == 0);
    /* told of what it knows, once more: it is on the list already, and is not put there twice */
    cede_prep_write(&other.req, file, "12345678", 8, 0);
    ticket = cede_submit(loop, &other.req, note_done);
    turn(loop);
    cede_cancel(ticket);
    cede_core_cancel_again(backend.core, fake_token(&backend, CEDE_OP_READ));
    cede_core_cancel_again(backend.core, fake_token(&backend, CEDE_OP_READ));
    for (unsigned i = 0; i < 2; i++) {
        uint64_t token = fake_token(&backend, i ? CEDE_OP_READ : CEDE_OP_WRITE);
        asked[(uint32_t)token % 4096] = 0;
        CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_EDEADLINE);
        CHECK(asked[(uint32_t)token % 4096] > 10);
    }
    fake_report(&backend, fake_token(&backend, CEDE_OP_READ), CEDE_ECANCELED, 0);
    fake_report(&backend, fake_token(&backend, CEDE_OP_WRITE), CEDE_ECANCELED, 0);
    turn(loop);
    CHECK(n.calls == 1 && n.result.status == CEDE_ECANCELED && other.calls == 1);
    end(loop);
}

/* It ends in the call, and says "again" besides: over is over. */
static void answer_behind_the_report_is_nothing(void)
{
    static note n;
    static char bytes[8];
    cede_loop *loop = begin();
    cede_ticket ticket;
    uint64_t token;
    backend.on_cancel = answer;
    at_once = 1;
    cede_prep_read(&n.req, fake_handle(CEDE_KIND_FILE, 0), bytes, 8, 0);
    ticket = cede_submit(loop, &n.req, note_done);
    turn(loop);
    token = fake_token(&backend, CEDE_OP_READ);
    cede_cancel(ticket);
    at_once = 0;
    cede_core_cancel_again(backend.core, token); /* sealed, not delivered */
    turn(loop);
    CHECK(n.calls == 1 && n.result.status == CEDE_ECANCELED && backend.cancels == 1);
    cede_core_cancel_again(backend.core, token); /* gone */
    cede_core_gone(backend.core, token);
    CHECK(cede_run(loop, CEDE_FOREVER) == 0 && backend.cancels == 1);
    end(loop);
}

/* More wishes than one turn repeats: all are heard by and by, and none starves. */
static void many_wishes_take_their_turns(void)
{
    enum { MANY = 700 };
    static note n[MANY];
    static char bytes[MANY][8];
    cede_loop *loop = begin();
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    backend.on_cancel = answer;
    for (unsigned i = 0; i < MANY; i++) {
        cede_prep_read(&n[i].req, file, bytes[i], 8, 0);
        cede_within(&n[i].req, CEDE_MILLISECOND);
        (void)cede_submit(loop, &n[i].req, note_done);
    }
    memset(asked, 0, sizeof asked);
    (void)cede_run(loop, CEDE_SECOND);
    for (unsigned i = 0; i < MANY; i++) /* nobody is left out */
        CHECK(asked[(uint32_t)backend.works[i].token % 4096] > 2);
    backend.on_cancel = NULL;
    CHECK(cede_run(loop, CEDE_FOREVER) == MANY && backend.count == 0);
    for (unsigned i = 0; i < MANY; i++)
        CHECK(n[i].calls == 1 && n[i].result.status == CEDE_EDEADLINE);
    end(loop);
}

static int keep(fake *self, const cede_work *work)
{
    (void)self, (void)work;
    return FAKE_KEEP;
}

static void drop_knows_no_wish(void)
{
    static note n;
    static char bytes[8];
    cede_loop *loop = begin();
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    cede_prep_read(&n.req, file, bytes, 8, 0);
    (void)cede_submit(loop, &n.req, note_done);
    turn(loop);
    fake_report(&backend, fake_token(&backend, CEDE_OP_READ), CEDE_OK, 8);
    turn(loop);
    backend.on_start = keep;
    cede_drop(file);
    turn(loop);
    cede_core_cancel_again(backend.core, fake_token(&backend, CEDE_OP_CLOSE));
    turn(loop);
    CHECK(backend.cancels == 0);
    fake_report(&backend, fake_token(&backend, CEDE_OP_CLOSE), CEDE_OK, 0);
    CHECK(cede_run(loop, CEDE_FOREVER) == 0);
    end(loop);
}

static note first, second, third, fourth;

/* On one stream, the first without a copy; the third's ticket. */
static cede_ticket four_sends(cede_loop *loop)
{
    cede_handle stream = fake_handle(CEDE_KIND_STREAM, 0);
    cede_ticket ticket;
    notes = 0;
    first.calls = second.calls = third.calls = fourth.calls = 0;
    cede_prep_send_zero_copy(&first.req, stream, "abcd", 4);
    (void)cede_submit(loop, &first.req, note_done);
    cede_prep_send(&second.req, stream, "e", 1);
    (void)cede_submit(loop, &second.req, note_done);
    cede_prep_send(&third.req, stream, "f", 1);
    ticket = cede_submit(loop, &third.req, note_done);
    cede_prep_send(&fourth.req, stream, "g", 1);
    (void)cede_submit(loop, &fourth.req, note_done);
    turn(loop);
    return ticket;
}

/* Those that keep for one that is gone are told behind it, in their order; one that ended before
 * its turn came is not among them. */
static void what_is_gone_is_told_first(void)
{
    cede_loop *loop = begin();
    cede_ticket ticket = four_sends(loop);
    uint64_t token = fake_token(&backend, CEDE_OP_SEND_ZERO_COPY);
    CHECK(!fake_find(&backend, CEDE_OP_SEND));
    cede_core_gone(backend.core, token);
    cede_core_gone(backend.core, token); /* that is known */
    turn(loop);
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    turn(loop);
    CHECK(!first.calls && !second.calls && fake_find(&backend, CEDE_OP_SEND));
    cede_cancel(ticket); /* the third, which is with the kernel */
    turn(loop);
    CHECK(!third.calls);
    turn(loop);
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    turn(loop);
    CHECK(!fourth.calls);
    fake_report(&backend, token, CEDE_OK, 4);
    cede_core_gone(backend.core, token); /* sealed */
    turn(loop);
    CHECK(first.order == 1 && second.order == 2 && third.order == 3 && fourth.order == 4);
    CHECK(third.result.status == CEDE_ECANCELED && fourth.result.status == CEDE_OK);
    end(loop);
}

/* The same with one that was still held: it is told at once, and those around it in their turn. */
static void held_one_that_ends_is_told_at_once(void)
{
    cede_loop *loop = begin();
    cede_ticket ticket = four_sends(loop);
    uint64_t token = fake_token(&backend, CEDE_OP_SEND_ZERO_COPY);
    cede_core_gone(backend.core, token);
    turn(loop);
    cede_cancel(ticket); /* sealed, and not delivered when the rest is sealed */
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    fake_report(&backend, token, CEDE_OK, 4);
    turn(loop);
    CHECK(third.order == 1 && first.order == 2 && second.order == 3 && !fourth.calls);
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    turn(loop);
    CHECK(fourth.order == 4);
    end(loop);
}

/* Told that its bytes have gone when it is over, and not delivered: nothing is left to start. */
static void gone_behind_the_report_is_nothing(void)
{
    cede_loop *loop = begin();
    cede_handle stream = fake_handle(CEDE_KIND_STREAM, 0);
    uint64_t token;
    first.calls = second.calls = 0;
    cede_prep_send_zero_copy(&first.req, stream, "abcd", 4);
    (void)cede_submit(loop, &first.req, note_done);
    cede_prep_send(&second.req, stream, "e", 1);
    (void)cede_submit(loop, &second.req, note_done);
    turn(loop);
    token = fake_token(&backend, CEDE_OP_SEND_ZERO_COPY);
    fake_report(&backend, token, CEDE_OK, 4);
    cede_core_gone(backend.core, token);
    turn(loop);
    turn(loop);
    CHECK(first.calls == 1 && backend.starts == 2); /* the second once */
    fake_report(&backend, fake_token(&backend, CEDE_OP_SEND), CEDE_OK, 1);
    turn(loop);
    CHECK(second.calls == 1);
    end(loop);
}

static uint64_t signals_told;

static void on_signal(cede_req *req, cede_result result)
{
    (void)req;
    signals_told = signals_told * 10 + result.count;
}

static void no_signal_is_no_item(void)
{
    static note n;
    cede_loop *loop = begin();
    cede_prep_signal_many(&n.req, CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT), on_signal);
    cede_ticket ticket = cede_submit(loop, &n.req, note_done);
    turn(loop);
    cede_core_signals(backend.core, fake_token(&backend, CEDE_OP_SIGNAL_MANY), 0);
    turn(loop);
    CHECK(signals_told == 0);
    cede_core_signals(backend.core, fake_token(&backend, CEDE_OP_SIGNAL_MANY),
                      CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT));
    turn(loop);
    CHECK(signals_told == CEDE_SIGNAL_INTERRUPT);
    for (int i = 0; i < 2; i++) /* twice before it is told: told once */
        cede_core_signals(backend.core, fake_token(&backend, CEDE_OP_SIGNAL_MANY),
                          CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT));
    turn(loop);
    CHECK(signals_told == CEDE_SIGNAL_INTERRUPT * 11);
    cede_cancel(ticket);
    turn(loop);
    turn(loop);
    CHECK(n.calls == 1 && n.result.count == 2);
    end(loop);
}

int main(void)
{
    whole_that_stands_still_is_an_end_or_a_failure();
    end_that_nobody_asked_for_is_a_shortage();
    client_that_left_is_not_told();
    want_of_buffers_is_a_want_of_memory();
    wish_is_repeated_however_often();
    answer_behind_the_report_is_nothing();
    many_wishes_take_their_turns();
    drop_knows_no_wish();
    what_is_gone_is_told_first();
    held_one_that_ends_is_told_at_once();
    gone_behind_the_report_is_nothing();
    no_signal_is_no_item();
    return 0;
}
