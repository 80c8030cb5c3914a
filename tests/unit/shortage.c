/*
 * When memory is out: what was kept for what must not be lost, and what becomes of submissions that
 * find no slot (laws 8, 10, 12, 15; 1b: Names and room). Public headers, a backend and an allocator
 * of the test's own.
 * Usage: unit_shortage [linked_in_flight]   which must be stopped
 */
#include "../regress/orphans.h"

static fake backend;

static int keep(fake *self, const cede_work *work)
{
    (void)self, (void)work;
    return FAKE_KEEP;
}

/* All slots but `spare` are used; no memory is left. */
static cede_loop *begin(unsigned spare)
{
    cede_loop *loop;
    memory_is_out = false;
    memset(&backend, 0, sizeof backend);
    backend.own_time = true;
    loop = fake_loop(&backend);
    notes = 0;
    fill_slots(loop, spare);
    return loop;
}

static void end(cede_loop *loop)
{
    backend.on_start = NULL;
    backend.on_cancel = NULL;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK); /* needs no memory */
}

/* ---- Entries of handles --------------------------------------------------------------------- */

static unsigned clients, turned_away, told;
static cede_handle client[200];

static void on_client(cede_req *req, cede_result result)
{
    (void)req;
    CHECK(result.status == CEDE_OK && result.handle && clients < 200);
    client[clients++] = result.handle;
}

static void turn_away(intptr_t native)
{
    CHECK(native >= 1000);
    turned_away++;
}

static void tell(void *context, const char *line)
{
    (void)context;
    told += strstr(line, "turned away") != NULL;
}

static void come(cede_loop *loop, unsigned from, unsigned count)
{
    uint64_t token = fake_token(&backend, CEDE_OP_ACCEPT_MANY);
    for (unsigned i = 0; i < count; i++)
        cede_core_item(backend.core, token, 1000 + from + i, 0);
    CHECK(cede_run(loop, 0) == (int64_t)(count - turned_away));
}

/* A client that is there is taken, as long as there is one entry; of one that is not, it is told,
 * and who is there is none the worse. What only wants to begin something is refused before. */
static void clients_take_what_is_kept(void)
{
    static cede_backend table;
    static note many, one, two, pair;
    static cede_handle taken[2048], second;
    cede_options options = {.trace = tell};
    cede_loop *loop;
    unsigned count = 0;
    table = fake_backend;
    table.discard = turn_away;
    memory_is_out = false;
    loop = fake_loop_on(&backend, &table, options);
    cede_prep_accept_many(&many.req, fake_handle(CEDE_KIND_LISTENER, 0), on_client);
    (void)cede_submit(loop, &many.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    memory_is_out = true;
    while ((taken[count] = cede_core_adopt(&table, 5, CEDE_KIND_FILE, CEDE_IMPORT_BORROW)) != 0)
        CHECK(++count < 2048);
    cede_prep_accept(&one.req, many.req.handle_, NULL);
    (void)cede_submit(loop, &one.req, note_done);
    cede_drop(taken[--count]); /* one, where two are wanted */
    cede_prep_pair(&pair.req, CEDE_PAIR_STREAM, &second);
    (void)cede_submit(loop, &pair.req, note_done);
    CHECK(cede_run(loop, 0) == 2);
    CHECK(one.result.status == CEDE_ENOMEM && pair.result.status == CEDE_ENOMEM);
    cede_prep_connect(&two.req, &(cede_address){.family = CEDE_ADDRESS_IPV4, .port = 1}, 0);
    (void)cede_submit(loop, &two.req, note_done); /* the one came back */
    CHECK(cede_run(loop, 0) == 0);
    fake_report(&backend, fake_token(&backend, CEDE_OP_CONNECT), CEDE_ECONNREFUSED, 0);
    CHECK(cede_run(loop, 0) == 1 && two.result.status == CEDE_ECONNREFUSED);
    CHECK((taken[count++] = cede_core_adopt(&table, 5, CEDE_KIND_FILE, CEDE_IMPORT_BORROW)) != 0);

    come(loop, 0, 50);
    CHECK(clients == 50 && turned_away == 0);
    come(loop, 50, 15);
    CHECK(clients == 65 && turned_away == 0); /* its own, and 64 that are kept */
    cede_core_item(backend.core, fake_token(&backend, CEDE_OP_ACCEPT_MANY), 1065, 0);
    CHECK(cede_run(loop, 0) == 0 && clients == 65 && turned_away == 1 && told == 1);
    for (unsigned i = 0; i < 65; i++) {
        cede_prep_recv(&one.req, client[i], &second, 1);
        (void)cede_submit(loop, &one.req, note_done);
        CHECK(cede_run(loop, 0) == 0);
        fake_report(&backend, fake_token(&backend, CEDE_OP_RECV), CEDE_OK, 1);
        CHECK(cede_run(loop, 0) == 1 && one.result.status == CEDE_OK);
    }
    cede_drop(taken[--count]);
    cede_core_item(backend.core, fake_token(&backend, CEDE_OP_ACCEPT_MANY), 1066, 0);
    CHECK(cede_run(loop, 0) == 1 && clients == 66 && turned_away == 1);
    while (count)
        cede_drop(taken[--count]);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(many.result.count == 67); /* that came, whatever became of them */
    memory_is_out = false;
}

/* ---- Slots ---------------------------------------------------------------------------------- */

/* A copy stands at two handles, and finds room for one. */
static void copy_without_its_second_slot_fails(void)
{
    static note copy, other;
    cede_loop *loop = begin(1);
    cede_handle from = fake_handle(CEDE_KIND_FILE, 0), to = fake_handle(CEDE_KIND_FILE, 0);
    cede_prep_copy(&copy.req, from, 0, to, 0, 8);
    (void)cede_submit(loop, &copy.req, note_done);
    CHECK(cede_run(loop, 0) == 1 && copy.result.status == CEDE_ENOMEM);
    cede_prep_fsync(&other.req, to);
    (void)cede_submit(loop, &other.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    fake_report(&backend, fake_token(&backend, CEDE_OP_FSYNC), CEDE_OK, 0);
    CHECK(cede_run(loop, 0) == 1 && other.result.status == CEDE_OK);
    end(loop);
}

/* Whoever sends from a pool's buffer gives it back by that. */
static void transfer_without_a_slot_names_its_buffer(void)
{
    static note n[5];
    static char bytes[5][8];
    cede_address to = cede_ipv4(127, 0, 0, 1, 9);
    cede_loop *loop = begin(0);
    cede_prep_read(&n[0].req, fake_handle(CEDE_KIND_FILE, 0), bytes[0], 8, 0);
    cede_prep_send_all(&n[1].req, fake_handle(CEDE_KIND_STREAM, 0), bytes[1], 8);
    cede_prep_sendto(&n[2].req, fake_handle(CEDE_KIND_DATAGRAM, 0), bytes[2], 8, &to);
    cede_prep_send(&n[3].req, fake_handle(CEDE_KIND_STREAM, 0), bytes[3], 8);
    cede_prep_write(&n[4].req, fake_handle(CEDE_KIND_FILE, 0), bytes[4], 8, 0);
    cede_link(&n[2].req, &n[3].req, note_done);
    for (int i = 0; i < 3; i++)
        (void)cede_submit(loop, &n[i].req, note_done);
    cede_submit_remote(loop, &n[4].req, note_done, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(cede_run(loop, 0) >= 0);
    for (int i = 0; i < 5; i++) {
        CHECK(n[i].calls == 1 && n[i].result.buffer == bytes[i] && n[i].result.count == 0);
        CHECK(n[i].result.status == (i == 3 ? CEDE_ECANCELED : CEDE_ENOMEM));
    }
    end(loop);
}

/* A post needs no slot to be sent, and one to be told. */
static void post_without_a_slot_is_told(void)
{
    static note post;
    cede_loop *loop = begin(0);
    cede_prep_nop(&post.req);
    cede_submit_remote(loop, &post.req, note_done, NULL);
    CHECK(cede_run(loop, 0) == 1 && post.result.status == CEDE_ENOMEM);
    end(loop);
}

/* What has no slot, and says that it is a member of what is no scope, is none's. */
static void member_of_no_scope_is_nobodys(void)
{
    static note pend, member;
    cede_loop *loop = begin(1);
    cede_ticket ticket;
    cede_prep_pend(&pend.req);
    ticket = cede_submit(loop, &pend.req, note_done);
    cede_prep_nop(&member.req);
    cede_in(&member.req, ticket);
    (void)cede_submit(loop, &member.req, note_done);
    CHECK(cede_run(loop, 0) == 1 && member.result.status == CEDE_ENOMEM);
    CHECK(member.result.scope.id == 0 && !pend.calls);
    cede_complete(ticket, CEDE_OK, 7);
    CHECK(cede_run(loop, 0) == 1 && pend.result.count == 7);
    end(loop);
}

static int deaf(fake *self, uint64_t token)
{
    (void)self, (void)token;
    return CEDE_CANCEL_SENT;
}

/* A close works in a closing loop, also one without a slot (law 10). */
static void close_without_a_slot_works_in_a_closing_loop(void)
{
    static note trip, close;
    cede_loop *loop = begin(1);
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    cede_prep_roundtrip(&trip.req);
    (void)cede_submit(loop, &trip.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    backend.on_cancel = deaf;
    CHECK(cede_loop_close(loop, 0) == CEDE_EDEADLINE);
    fill_slots(loop, 1); /* they are refused, and not told so yet */
    cede_prep_close(&close.req, file);
    (void)cede_submit(loop, &close.req, note_done);
    CHECK(cede_loop_close(loop, CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CHECK(close.calls == 1 && close.result.status == CEDE_OK);
    fake_report(&backend, fake_token(&backend, CEDE_OP_ROUNDTRIP), CEDE_OK, 0);
    end(loop);
    CHECK(trip.calls == 1);
}

/* A chain that comes by the inbox and finds no slot ends by its link; one that is badly made fails,
 * and closes nothing. */
static void chains_of_other_threads_are_told(void)
{
    static note head, next, bad;
    cede_loop *loop = begin(0);
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    cede_ticket ticket;
    cede_prep_nop(&head.req);
    cede_prep_nop(&next.req);
    cede_link(&head.req, &next.req, note_done);
    cede_submit_remote(loop, &head.req, note_done, &ticket);
    cede_prep_close(&bad.req, file);
    cede_link(&bad.req, NULL, NULL);
    cede_submit_remote(loop, &bad.req, note_done, NULL);
    CHECK(cede_run(loop, 0) == 3);
    CHECK(head.result.status == CEDE_ENOMEM && bad.result.status == CEDE_EINVAL);
    CHECK(next.result.status == CEDE_ECANCELED && next.result.flags == CEDE_BY_LINK);
    CHECK(head.order < next.order && backend.starts == 0);
    cede_prep_close(&bad.req, file); /* it is not closed */
    (void)cede_submit(loop, &bad.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && bad.result.status == CEDE_OK);
    end(loop);
}

/* The member that is awaited comes before one that was there first. */
static void member_is_taken_from_among_others(void)
{
    static note scope, first, member, last;
    cede_ticket life;
    cede_loop *loop = begin(1);
    cede_prep_scope(&scope.req);
    life = cede_submit(loop, &scope.req, note_done);
    cede_prep_nop(&first.req);
    (void)cede_submit(loop, &first.req, note_done);
    cede_prep_nop(&member.req);
    cede_in(&member.req, life);
    (void)cede_submit(loop, &member.req, note_done);
    cede_prep_nop(&last.req);
    (void)cede_submit(loop, &last.req, note_done);
    CHECK(cede_wait(loop, life, 0) == CEDE_OK);
    CHECK(member.order == 1 && scope.order == 2 && !first.calls && !last.calls);
    CHECK(cede_run(loop, 0) == 2 && first.order == 3 && last.order == 4);
    end(loop);
}

static cede_loop *here;
static note retry, behind;
static int tries;

static void again(cede_req *req, cede_result result)
{
    note_done(req, result);
    if (tries++ < 5) {
        cede_prep_nop(&retry.req);
        (void)cede_submit(here, &retry.req, again);
    }
}

static void waits_for_all(cede_req *req, cede_result result)
{
    note_done(req, result);
    CHECK(cede_wait(here, *(cede_ticket *)req->user_data, CEDE_FOREVER) == CEDE_OK);
}

static void stops(cede_req *req, cede_result result)
{
    note_done(req, result);
    cede_stop(here);
}

/* What is submitted in the done of one that found no slot finds none either: it comes in a later
 * turn, not in the same for ever. One that waits for the others has them all; one that stops the
 * run, none. */
static void each_turn_has_its_own(void)
{
    cede_ticket ticket;
    cede_loop *loop = here = begin(0);
    tries = 0;
    retry.calls = behind.calls = 0;
    cede_prep_nop(&retry.req);
    (void)cede_submit(loop, &retry.req, again);
    for (int i = 1; i <= 6; i++)
        CHECK(cede_run(loop, 0) == 1 && retry.calls == i);
    CHECK(cede_run(loop, 0) == 0);
    cede_prep_nop(&retry.req);
    retry.req.user_data = &ticket;
    ticket = cede_submit(loop, &retry.req, waits_for_all);
    cede_prep_nop(&behind.req);
    (void)cede_submit(loop, &behind.req, note_done);
    CHECK(cede_run(loop, 0) == 1 && behind.calls == 1);
    cede_prep_nop(&retry.req);
    (void)cede_submit(loop, &retry.req, stops);
    cede_prep_nop(&behind.req);
    (void)cede_submit(loop, &behind.req, note_done);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && behind.calls == 1);
    CHECK(cede_run(loop, CEDE_FOREVER) == 1 && behind.calls == 2);
    end(loop);
}

/* A foreign loop is told that there is something to run; it need not ask how long to wait. */
static void waitable_knows_of_them(void)
{
    static note nop;
    cede_loop *loop = begin(0);
    uint64_t timeout = 77;
    CHECK(cede_loop_waitable(loop, &timeout) == -1 && timeout == CEDE_FOREVER);
    cede_prep_nop(&nop.req);
    (void)cede_submit(loop, &nop.req, note_done);
    CHECK(cede_loop_waitable(loop, &timeout) == -1 && timeout == 0);
    CHECK(cede_loop_waitable(loop, NULL) == -1);
    CHECK(cede_run(loop, 0) == 1 && nop.calls == 1);
    end(loop);
}

/* A scope without a slot takes no members, from other threads either. */
static void member_of_another_thread_is_refused(void)
{
    static note scope, member;
    cede_loop *loop = begin(0);
    cede_prep_scope(&scope.req);
    cede_prep_nop(&member.req);
    cede_in(&member.req, cede_submit(loop, &scope.req, note_done));
    cede_submit_remote(loop, &member.req, note_done, NULL);
    CHECK(cede_run(loop, 0) == 2);
    CHECK(member.result.status == CEDE_EENDED && member.result.flags == CEDE_BY_SCOPE);
    CHECK(scope.result.status == CEDE_ENOMEM && member.order < scope.order);
    end(loop);
}

/* ---- Closes without slots ------------------------------------------------------------------- */

static void report_close(intptr_t native)
{
    for (unsigned i = 0; i < backend.count; i++) {
        if (backend.works[i].op == CEDE_OP_CLOSE && backend.works[i].native == native) {
            fake_report(&backend, backend.works[i].token, CEDE_OK, 0);
            return;
        }
    }
    CHECK(false); /* there is no such close */
}

static intptr_t last_native(void)
{
    return backend.works[backend.count - 1].native;
}

/* Closes are over in any order, drops among them; each is told of its own. A scope without a slot
 * waits for the last that joined one, and for no other. */
static void closes_are_told_apart(void)
{
    static note a, b, c, other, scope;
    cede_loop *loop = begin(0);
    cede_ticket life;
    intptr_t native[4];
    note *closes[3] = {&a, &b, &c};
    backend.on_start = keep;
    cede_prep_scope(&scope.req);
    life = cede_submit(loop, &scope.req, note_done);
    for (unsigned i = 0; i < 3; i++) {
        cede_prep_close(&closes[i]->req, fake_handle(CEDE_KIND_FILE, 0));
        if (i < 2)
            cede_in(&closes[i]->req, life);
        (void)cede_submit(loop, &closes[i]->req, note_done);
        CHECK(cede_run(loop, 0) == 0);
        native[i] = last_native();
    }
    cede_prep_close(&other.req, fake_handle(CEDE_KIND_FILE, 0));
    (void)cede_submit(loop, &other.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    native[3] = last_native();
    report_close(native[1]);
    CHECK(cede_run(loop, 0) == 1 && b.calls == 1 && !scope.calls); /* one more has joined */
    report_close(native[3]);
    CHECK(cede_run(loop, 0) == 1 && other.calls == 1 && !a.calls && !c.calls && !scope.calls);
    report_close(native[0]);
    CHECK(cede_run(loop, 0) == 2 && a.calls == 1 && scope.calls == 1 && a.order < scope.order);
    CHECK(!c.calls); /* joined nothing, and is not waited for */
    report_close(native[2]);
    CHECK(cede_run(loop, 0) == 1 && c.calls == 1);
    end(loop);
}

static void drop_is_no_close_of_theirs(void)
{
    static note use, close;
    static char byte;
    cede_loop *loop = begin(1);
    cede_handle file = fake_handle(CEDE_KIND_FILE, 0);
    intptr_t native;
    cede_prep_read(&use.req, file, &byte, 1, 0);
    (void)cede_submit(loop, &use.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    fake_report(&backend, fake_token(&backend, CEDE_OP_READ), CEDE_OK, 1);
    CHECK(cede_run(loop, 0) == 1);
    backend.on_start = keep;
    cede_prep_pend(&use.req); /* the last slot */
    (void)cede_submit(loop, &use.req, note_done);
    cede_prep_close(&close.req, fake_handle(CEDE_KIND_FILE, 0));
    (void)cede_submit(loop, &close.req, note_done);
    CHECK(cede_run(loop, 0) == 0);
    native = last_native();
    cede_drop(file);
    CHECK(cede_run(loop, 0) == 0);
    report_close(last_native());
    CHECK(cede_run(loop, 0) == 0 && !close.calls);
    report_close(native);
    CHECK(cede_run(loop, 0) == 1 && close.calls == 1);
    end(loop);
}

/* ---- Law 17 --------------------------------------------------------------------------------- */

static void linked_in_flight(void)
{
    static note head, tail;
    cede_loop *loop = begin(1);
    cede_prep_pend(&tail.req);
    (void)cede_submit(loop, &tail.req, note_done);
    cede_prep_nop(&head.req);
    cede_link(&head.req, &tail.req, note_done);
    (void)cede_submit(loop, &head.req, note_done);
}

int main(int argc, char **argv)
{
    use_short_memory();
    CHECK(fake_handle(CEDE_KIND_FILE, 0)); /* the table of handles has its memory */
    if (argc == 2) {
        linked_in_flight();
        return 0;
    }
    CHECK(port_breaks_off(argv[0], "linked_in_flight"));
    copy_without_its_second_slot_fails();
    transfer_without_a_slot_names_its_buffer();
    post_without_a_slot_is_told();
    member_of_no_scope_is_nobodys();
    close_without_a_slot_works_in_a_closing_loop();
    chains_of_other_threads_are_told();
    member_is_taken_from_among_others();
    each_turn_has_its_own();
    waitable_knows_of_them();
    member_of_another_thread_is_refused();
    closes_are_told_apart();
    drop_is_no_close_of_theirs();
    clients_take_what_is_kept();
    return 0;
}
