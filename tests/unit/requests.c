/*
 * Requests where programs seldom bring them: restored from copies, made by newer headers, named by
 * the dump or by nobody, submitted by the plain functions, timers that expire before their turn
 * (laws 1, 7, 12, 13). Public headers and a backend of the test's own.
 */
#include "../regress/fake.h"

#include "cede/relay.h"

static fake backend;
static cede_loop *loop;

static void begin_with(cede_options options)
{
    memset(&backend, 0, sizeof backend);
    backend.own_time = true;
    loop = fake_loop_on(&backend, &fake_backend, options);
    notes = 0;
}

static void begin(void)
{
    begin_with((cede_options)CEDE_OPTIONS_INIT);
}

static void end(void)
{
    backend.on_start = NULL;
    backend.on_cancel = NULL;
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
}

static cede_ticket submit(note *n)
{
    return note_submit(loop, n, note_done);
}

static void turn(void)
{
    CHECK(cede_run(loop, 0) >= 0);
}

/* ---- What is not prepared ------------------------------------------------------------------- */

static note restored;
static cede_req copy;
static int rounds;

/* As it was in flight, from a copy; which is no preparation. */
static void restores(cede_req *req, cede_result result)
{
    note_done(req, result);
    if (rounds++ == 0) {
        memcpy(req, &copy, sizeof copy);
        (void)cede_submit(loop, req, restores);
    }
}

static void copies_of_requests_are_not_prepared(void)
{
    static note pend, other;
    cede_ticket ticket;
    begin();
    cede_prep_pend(&restored.req);
    restored.calls = 0;
    ticket = cede_submit(loop, &restored.req, restores);
    if (!cede_is_checked()) { /* they shut it */
        memcpy(&copy, &restored.req, sizeof copy);
        cede_complete(ticket, CEDE_OK, 1);
        turn();
        turn();
        CHECK(restored.calls == 2 && restored.result.status == CEDE_EINVAL);
        cede_prep_pend(&pend.req);
        ticket = submit(&pend);
        memcpy(&other.req, &pend.req, sizeof other.req); /* another's, in flight */
        (void)submit(&other);
        turn();
        CHECK(other.calls == 1 && other.result.status == CEDE_EINVAL && !pend.calls);
        memcpy(&other.req, &pend.req, sizeof other.req);
        other.req.slot_ = UINT32_MAX; /* and of none */
        (void)submit(&other);
        turn();
        CHECK(other.calls == 1 && other.result.status == CEDE_EINVAL && !pend.calls);
        cede_complete(ticket, CEDE_OK, 2);
        turn();
        CHECK(pend.calls == 1 && pend.result.count == 2);
    }
    end();
}

/* Prepared by a header that knows more than the library; and by nobody, for another thread. */
static void unknown_operation_is_invalid(void)
{
    static note n;
    begin();
    cede_prep_nop(&n.req);
    n.req.op_ = CEDE_OP_COUNT;
    (void)submit(&n);
    turn();
    CHECK(n.calls == 1 && n.result.status == CEDE_EINVAL);
    n.calls = 0;
    cede_submit_remote(loop, &n.req, note_done, NULL);
    turn();
    CHECK(n.calls == 1 && n.result.status == CEDE_EINVAL && backend.starts == 0);
    end();
}

static void links_need_a_next(void)
{
    static note n, next;
    begin();
    for (unsigned i = 0; i < 3; i++) {
        cede_prep_nop(&n.req);
        cede_prep_nop(&next.req);
        cede_link(&n.req, i == 0 ? NULL : i == 1 ? &n.req : &next.req, i == 2 ? NULL : note_done);
        next.calls = 0;
        (void)submit(&n);
        turn();
        CHECK(n.calls == 1 && n.result.status == CEDE_EINVAL && !next.calls);
    }
    end();
}

/* ---- Names ---------------------------------------------------------------------------------- */

static cede_ticket pends[4];
static unsigned pend_count;
static const char *where;
static uint64_t age;

static void find_pends(void *context, const cede_pending *pending)
{
    (void)context;
    where = pending->where;
    age = pending->age_ns;
    if (strcmp(pending->op, "pend") == 0 && strcmp(pending->state, "HELD") == 0)
        pends[pend_count++] = pending->ticket;
}

/* The dump tells the ticket of what has not had its turn: a pend that is completed then is over,
 * before what it was linked behind. */
static void pend_is_completed_before_its_turn(void)
{
    static note head, pend, tail, more[2];
    cede_ticket ticket;
    begin();
    cede_prep_pend(&head.req);
    cede_prep_pend(&pend.req);
    cede_prep_nop(&tail.req);
    cede_link(&head.req, &pend.req, note_done);
    cede_link(&pend.req, &tail.req, note_done);
    pend.calls = tail.calls = 0;
    ticket = submit(&head);
    cede_dump(loop, NULL, NULL); /* nothing */
    pend_count = 0;
    cede_dump(loop, find_pends, NULL);
    CHECK(pend_count == 1);
    cede_complete(pends[0], CEDE_OK, 9);
    cede_complete(pends[0], CEDE_EIO, 0); /* the first counts */
    turn();
    turn();
    CHECK(pend.calls == 1 && pend.result.count == 9 && tail.calls == 1 && !head.calls);
    /* what takes its place over is nothing to the first */
    cede_prep_pend(&more[0].req);
    cede_prep_pend(&more[1].req);
    cede_link(&more[0].req, &more[1].req, note_done);
    more[1].calls = 0;
    (void)submit(&more[0]);
    cede_complete(ticket, CEDE_OK, 0);
    turn();
    CHECK(head.calls == 1 && pend.calls == 1 && tail.calls == 1);
    pend_count = 0;
    cede_dump(loop, find_pends, NULL);
    CHECK(pend_count == 1 && !more[0].calls && !more[1].calls); /* still held */
    end();
}

static cede_status relay_status;

static void relay_done(cede_req *req, cede_result result)
{
    (void)req;
    relay_status = result.status;
}

/* Submitted by the functions that stand behind the macros, as other languages do. */
static void plain_functions_submit_too(void)
{
    static note n;
    static cede_relay relay;
    static char room[8];
    cede_ticket ticket;
    begin();
    cede_prep_roundtrip(&n.req);
    n.calls = 0;
    (void)(cede_submit)(loop, &n.req, note_done);
    turn();
    cede_dump(loop, find_pends, NULL);
    CHECK(where && strcmp(where, "an unknown place") == 0);
    fake_report(&backend, fake_find(&backend, CEDE_OP_ROUNDTRIP)->token, CEDE_OK, 0);
    turn();
    CHECK(n.calls == 1);
    cede_prep_pend(&n.req);
    (cede_submit_remote)(loop, &n.req, note_done, &ticket);
    cede_complete(ticket, CEDE_OK, 3);
    turn();
    CHECK(n.calls == 2 && n.result.count == 3);
    cede_prep_relay(&relay, fake_handle(CEDE_KIND_STREAM, 0), fake_handle(CEDE_KIND_STREAM, 0),
                    room, sizeof room, CEDE_TO_END);
    ticket = (cede_submit_relay)(loop, &relay, relay_done);
    turn();
    CHECK(fake_find(&backend, CEDE_OP_RECV));
    cede_cancel(ticket);
    CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK);
    /* one without a buffer is told like every other */
    for (unsigned i = 0; i < 3; i++) {
        cede_prep_relay(&relay, relay.from_, relay.to_, i < 2 ? NULL : room,
                        i < 2 ? sizeof room : 1, i ? CEDE_TO_END : 0);
        ticket = (cede_submit_relay)(loop, &relay, relay_done);
        CHECK(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK && relay_status == CEDE_EINVAL);
    }
    end();
}

static uint64_t coarse_is_ahead(void *self)
{
    return ((fake *)self)->time_ns + CEDE_SECOND;
}

static void age_is_never_negative(void)
{
    static cede_backend table;
    static note n;
    table = fake_backend;
    table.now_coarse = coarse_is_ahead; /* two clocks may differ */
    memset(&backend, 0, sizeof backend);
    backend.own_time = true;
    loop = fake_loop_on(&backend, &table, (cede_options)CEDE_OPTIONS_INIT);
    cede_prep_pend(&n.req);
    (void)submit(&n);
    cede_dump(loop, find_pends, NULL);
    CHECK(age == 0);
    backend.time_ns += 3 * CEDE_SECOND;
    turn();
    cede_dump(loop, find_pends, NULL);
    CHECK(age == 2 * CEDE_SECOND);
    end();
}

/* A hook may look while a chain is being taken. */
static unsigned looked;

static void look(void *context, const cede_pending *pending)
{
    (void)context;
    CHECK(pending->op && pending->state && strcmp(pending->state, "IDLE") != 0);
    looked++;
}

static void looks(void *context, const char *line)
{
    (void)context, (void)line;
    cede_dump(loop, look, NULL);
}

static cede_status attach_says(void *self, intptr_t native, uint32_t *kind)
{
    (void)native, (void)kind;
    cede_core_trace(((fake *)self)->core, "attached");
    return CEDE_OK;
}

static void dump_leaves_out_what_is_not_taken(void)
{
    static cede_backend table;
    static note head, next;
    static char byte;
    cede_options options = {.trace = looks};
    table = fake_backend;
    table.attach = attach_says;
    memset(&backend, 0, sizeof backend);
    loop = fake_loop_on(&backend, &table, options);
    turn();
    cede_prep_read(&head.req, fake_handle(CEDE_KIND_FILE, 0), &byte, 1, 0);
    cede_prep_nop(&next.req);
    cede_link(&head.req, &next.req, note_done);
    looked = 0;
    (void)submit(&head);
    CHECK(looked == 0); /* both are on their way */
    cede_dump(loop, look, NULL);
    CHECK(looked == 2);
    end();
}

static void nobody_is_in_a_callback_of_no_loop(void)
{
    CHECK(!cede_in_callback(NULL));
}

/* ---- Times ---------------------------------------------------------------------------------- */

static note head, timer;

/* A timer of a millisecond behind a pend, whose ticket it is; deadline_ns 0: without one. */
static cede_ticket held_behind_a_pend(uint64_t deadline_ns)
{
    cede_prep_pend(&head.req);
    cede_prep_timer(&timer.req, CEDE_MILLISECOND);
    if (deadline_ns)
        cede_within(&timer.req, deadline_ns);
    cede_link(&head.req, &timer.req, note_done);
    timer.calls = 0;
    return submit(&head);
}

/* A timer expires while something else has its turn: that is noted, and tells nothing before; its
 * deadline still counts, and neither is moved any more. */
static void timer_expires_before_its_turn(void)
{
    cede_ticket ticket;
    for (unsigned deadline = 0; deadline < 2; deadline++) {
        for (unsigned ends = 0; ends < 2; ends++) {
            begin();
            ticket = held_behind_a_pend(deadline * 5 * CEDE_MILLISECOND);
            CHECK(cede_run(loop, 2 * CEDE_MILLISECOND) == 0);
            looked = 0;
            cede_dump(loop, look, NULL);
            CHECK(looked == 2);
            if (ends)
                cede_complete(ticket, CEDE_OK, 0);
            CHECK(cede_run(loop, 10 * CEDE_MILLISECOND) == (ends ? 2 : deadline));
            if (ends)
                CHECK(timer.result.status == CEDE_OK && timer.result.count == 0);
            else if (deadline)
                CHECK(timer.result.status == CEDE_EDEADLINE && timer.result.count == 0);
            end();
        }
    }
}

static cede_ticket held_timer;

static void find_timer(void *context, const cede_pending *pending)
{
    (void)context;
    if (strcmp(pending->op, "timer") == 0)
        held_timer = pending->ticket;
}

static void expired_timer_is_not_moved(void)
{
    cede_ticket ticket;
    for (unsigned deadline = 0; deadline < 2; deadline++) {
        begin();
        ticket = held_behind_a_pend(deadline * 50 * CEDE_MILLISECOND);
        cede_dump(loop, find_timer, NULL);
        CHECK(cede_run(loop, 2 * CEDE_MILLISECOND) == 0);
        cede_extend(held_timer, 20 * CEDE_MILLISECOND);
        cede_complete(ticket, CEDE_OK, 0);
        CHECK(cede_run(loop, 5 * CEDE_MILLISECOND) == 2 && timer.result.status == CEDE_OK);
        end();
    }
}

/* Takes a deadline away where there is none; and of tickets that nobody gave out. */
static void extend_of_nothing_does_nothing(void)
{
    static note n;
    cede_ticket ticket;
    begin();
    cede_prep_pend(&n.req);
    ticket = submit(&n);
    cede_extend(ticket, CEDE_FOREVER);
    CHECK(cede_run(loop, CEDE_SECOND) == 0);
    cede_extend(ticket, CEDE_MILLISECOND);
    CHECK(cede_run(loop, CEDE_SECOND) == 1 && n.result.status == CEDE_EDEADLINE);
    end();
    for (unsigned i = 0; i < 100; i++) { /* the next lives of its slot, which is no loop's now */
        ticket.generation++;
        cede_extend(ticket, CEDE_MILLISECOND);
        cede_cancel(ticket);
    }
    begin();
    cede_prep_pend(&n.req);
    (void)submit(&n);
    turn();
    CHECK(!n.calls);
    end();
}

/* ---- Ends ----------------------------------------------------------------------------------- */

static note post;

static void posts(void *nothing)
{
    (void)nothing;
    cede_prep_nop(&post.req);
    cede_submit_remote(loop, &post.req, note_done, NULL);
}

static void another_posts(cede_req *req, cede_result result)
{
    port_thread thread;
    note_done(req, result);
    port_start(&thread, posts, NULL);
    port_join(&thread);
}

/* What comes while the loop closes is refused, a post too. */
static void post_meets_a_closing_loop(void)
{
    static note pend;
    begin();
    cede_prep_pend(&pend.req);
    pend.calls = post.calls = 0;
    (void)cede_submit(loop, &pend.req, another_posts);
    turn();
    end();
    CHECK(pend.calls == 1 && post.calls == 1);
    CHECK(post.result.status == CEDE_EENDED && post.result.flags == CEDE_BY_LOOP);
}

/* ---- Arguments ------------------------------------------------------------------------------ */

static char a[1];
static const cede_vec holed[] = {{a, 1}, {NULL, 1}};

/* Each is wrong in one thing. What is wrong is told; no backend sees it. */
static void prepare_badly(cede_req *req, unsigned i, cede_handle file)
{
    static char room[CEDE_READDIR_BYTES + 8];
    static _Alignas(8) char odd[CEDE_READDIR_BYTES + 8];
    static cede_address addresses[1];
    switch (i) {
    case 0:
        cede_prep_allocate(req, file, INT64_MAX, 1, 0);
        break;
    case 1:
        cede_prep_readv(req, file, holed, 1, CEDE_CURRENT - 1);
        break;
    case 2:
        cede_prep_writev(req, file, holed, 2, 0);
        break;
    case 3:
        cede_prep_copy(req, file, (uint64_t)INT64_MAX + 1, file, 0, 1);
        break;
    case 4:
        cede_prep_copy(req, file, 0, file, INT64_MAX, 1);
        break;
    case 5:
        cede_prep_open(req, "f", CEDE_OPEN_READ, 010000);
        break;
    case 6:
        cede_prep_open(req, "f", CEDE_OPEN_WRITE | CEDE_OPEN_EXCLUSIVE, 0);
        break;
    case 7:
        cede_prep_open(req, "f", CEDE_OPEN_READ | CEDE_OPEN_TRUNCATE, 0);
        break;
    case 8:
        cede_prep_open(req, "f", CEDE_OPEN_READ | CEDE_OPEN_APPEND, 0);
        break;
    case 9:
        cede_prep_open(req, "f", CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY | CEDE_OPEN_CREATE, 0);
        break;
    case 10:
        cede_prep_readlink(req, "f", room, (uint64_t)INT64_MAX + 1);
        break;
    case 11:
        cede_prep_readdir(req, file, odd + 1, CEDE_READDIR_BYTES);
        break;
    case 12:
        cede_prep_recv(req, file, room, (uint64_t)INT64_MAX + 1);
        break;
    case 13:
        cede_prep_lookup(req, "host", 0, 0, NULL, 1);
        break;
    case 14:
        cede_prep_lookup(req, "host", 0, 0, addresses, UINT32_MAX);
        break;
    default:
        cede_prep_read(req, file, room, (uint64_t)INT64_MAX + 1, 0);
        break;
    }
}

static void bad_arguments_reach_no_backend(void)
{
    static note n, more[2];
    cede_handle file = fake_handle(CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    uint64_t position = 0;
    begin();
    for (unsigned i = 0; i < 16; i++) {
        prepare_badly(&n.req, i, file);
        (void)submit(&n);
        turn();
        CHECK(n.calls == 1 && n.result.status == CEDE_EINVAL && n.result.count == 0);
    }
    CHECK(backend.starts == 0);
    CHECK(!cede_next_entry(NULL, 8, &position) && position == 0);
    CHECK(!cede_next_change(NULL, 8, &position) && position == 0);
    /* nothing at all may lie nowhere */
    cede_prep_read(&n.req, file, NULL, 0, 0);
    (void)submit(&n);
    cede_prep_readv(&more[0].req, file, NULL, 0, 0);
    (void)submit(&more[0]);
    cede_prep_lookup(&more[1].req, "host", 0, 0, NULL, 0);
    (void)submit(&more[1]);
    turn();
    CHECK(fake_find(&backend, CEDE_OP_READ) && fake_find(&backend, CEDE_OP_READV));
    CHECK(fake_find(&backend, CEDE_OP_LOOKUP) && backend.starts == 3);
    end();
}

/* What a handle of its kind cannot, is told also where it has been used before. */
static void wrong_kind_is_told_each_time(void)
{
    static note n;
    static char byte;
    cede_handle stream = fake_handle(CEDE_KIND_STREAM, CEDE_IMPORT_BORROW);
    cede_handle folder = fake_handle(CEDE_KIND_DIR, CEDE_IMPORT_BORROW);
    begin();
    for (unsigned i = 0; i < 3; i++) {
        cede_prep_read(&n.req, stream, &byte, 1, 5);
        (void)submit(&n);
        turn();
        CHECK(n.result.status == CEDE_ESPIPE);
        cede_prep_read(&n.req, folder, &byte, 1, 5);
        (void)submit(&n);
        turn();
        CHECK(n.result.status == CEDE_EISDIR);
        cede_prep_truncate(&n.req, folder, 5);
        (void)submit(&n);
        turn();
        CHECK(n.result.status == CEDE_EINVAL);
    }
    CHECK(backend.starts == 0);
    end();
}

int main(void)
{
    copies_of_requests_are_not_prepared();
    unknown_operation_is_invalid();
    links_need_a_next();
    pend_is_completed_before_its_turn();
    plain_functions_submit_too();
    age_is_never_negative();
    dump_leaves_out_what_is_not_taken();
    nobody_is_in_a_callback_of_no_loop();
    timer_expires_before_its_turn();
    expired_timer_is_not_moved();
    extend_of_nothing_does_nothing();
    post_meets_a_closing_loop();
    bad_arguments_reach_no_backend();
    wrong_kind_is_told_each_time();
    return 0;
}
