/*
 * Handles, pools and scopes where programs seldom bring them: thousands of handles, drops that
 * arrive late, owners that are ending, pools among pools (laws 8, 10, 12). Public headers and a
 * backend of the test's own.
 */
#include "../regress/fake.h"

static fake backend;
static cede_loop *loop;

static void begin(void)
{
    memset(&backend, 0, sizeof backend);
    backend.own_time = true;
    loop = fake_loop(&backend);
    notes = 0;
}

static void end(void)
{
    backend.on_start = NULL;
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

static cede_status use(cede_handle handle)
{
    static note n;
    cede_prep_fsync(&n.req, handle);
    (void)submit(&n);
    turn();
    if (fake_find(&backend, CEDE_OP_FSYNC)) {
        fake_report(&backend, fake_token(&backend, CEDE_OP_FSYNC), CEDE_OK, 0);
        turn();
    }
    return n.result.status;
}

/* ---- Handles -------------------------------------------------------------------------------- */

#define THOUSANDS 5000u

static void handles_by_the_thousand_are_each_their_own(void)
{
    static cede_handle handle[THOUSANDS];
    begin();
    for (unsigned i = 0; i < THOUSANDS; i++) {
        handle[i] = fake_handle(CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
        CHECK(i == 0 || handle[i] != handle[i - 1]);
    }
    for (unsigned i = 0; i < THOUSANDS; i++)
        CHECK(use(handle[i]) == CEDE_OK);
    for (unsigned i = 0; i < THOUSANDS; i += 2)
        cede_drop(handle[i]);
    for (unsigned i = 0; i < THOUSANDS; i++)
        CHECK(use(handle[i]) == (i % 2 ? CEDE_OK : CEDE_EBADF));
    end();
    for (unsigned i = 0; i < THOUSANDS; i++)
        cede_drop(handle[i]); /* stale: the loop had them */
}

static int at_once(fake *self, const cede_work *work)
{
    cede_core_done(self->core, work->token, CEDE_OK, 0, 0);
    return FAKE_REPORTED;
}

static void drop_it(void *handle)
{
    cede_drop(*(cede_handle *)handle);
}

/* A drop of another thread is under way when the loop closes the handle itself: what takes the
 * entry over later is not hit by it, however many come meanwhile. */
static void late_drop_hits_no_successor(void)
{
    static cede_handle after[2 * THOUSANDS];
    static note binds[2 * THOUSANDS];
    cede_handle file;
    port_thread thread;
    begin();
    file = fake_handle(CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    CHECK(use(file) == CEDE_OK);
    port_start(&thread, drop_it, &file);
    port_join(&thread);
    backend.on_start = at_once;
    cede_drop(file);                               /* borrowed: it is over in the call */
    for (unsigned i = 0; i < 2 * THOUSANDS; i++) { /* more than are free */
        after[i] = fake_handle(CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
        cede_prep_fsync(&binds[i].req, after[i]);
        (void)cede_submit(loop, &binds[i].req, note_done); /* which binds it */
    }
    turn(); /* takes the drop */
    for (unsigned i = 0; i < 2 * THOUSANDS; i++)
        CHECK(use(after[i]) == CEDE_OK);
    for (unsigned i = 0; i < 2 * THOUSANDS; i++)
        cede_drop(after[i]);
    end();
}

/* ---- Owners --------------------------------------------------------------------------------- */

static cede_ticket life;
static cede_handle owned, second;
static note scope, member, late, behind;

static int keep(fake *self, const cede_work *work)
{
    (void)self, (void)work;
    return FAKE_KEEP;
}

/* The scope's last member has returned, its handle is not closed yet. */
static void comes_too_late(cede_req *req, cede_result result)
{
    note_done(req, result);
    CHECK(member.calls == 1 && !scope.calls);
    cede_prep_nop(&late.req);
    cede_in(&late.req, life);
    (void)submit(&late);
    cede_own(life, second); /* is dropped */
    cede_extend(life, 1);
    cede_fail(life, CEDE_EIO);
}

static void scope_that_waits_for_its_handles_has_ended(void)
{
    begin();
    backend.on_start = keep; /* closes too */
    cede_prep_scope(&scope.req);
    life = submit(&scope);
    owned = fake_handle(CEDE_KIND_FILE, 0);
    second = fake_handle(CEDE_KIND_FILE, 0);
    CHECK(use(second) == CEDE_OK);
    cede_own(life, owned);
    cede_prep_nop(&member.req);
    cede_in(&member.req, life);
    (void)submit(&member);
    cede_prep_nop(&behind.req);
    (void)cede_submit(loop, &behind.req, comes_too_late);
    turn();
    turn();
    CHECK(late.calls == 1 && late.result.status == CEDE_EENDED);
    CHECK(late.result.flags == CEDE_BY_SCOPE && use(second) == CEDE_EBADF);
    backend.time_ns += CEDE_SECOND;
    turn();
    CHECK(!scope.calls && backend.count == 2); /* both closes */
    while (backend.count)
        fake_report(&backend, backend.works[0].token, CEDE_OK, 0);
    turn();
    CHECK(scope.calls == 1 && scope.result.status == CEDE_OK && scope.result.flags == 0);
    end();
}

/* The same in done's own words, and what has an owner keeps it; and is not given away. */
static void handle_has_one_owner(void)
{
    static note other, close;
    cede_ticket first, another;
    intptr_t native = 0;
    begin();
    cede_prep_scope(&scope.req);
    first = submit(&scope);
    cede_prep_scope(&other.req);
    another = submit(&other);
    owned = fake_handle(CEDE_KIND_FILE, 0);
    cede_own(first, owned);
    cede_own(another, owned); /* nothing */
    CHECK(cede_release(owned, &native) != CEDE_OK && native == 0);
    cede_cancel(another);
    CHECK(cede_wait(loop, another, CEDE_FOREVER) == CEDE_OK && use(owned) == CEDE_OK);
    cede_cancel(first);
    CHECK(cede_wait(loop, first, CEDE_FOREVER) == CEDE_OK && use(owned) == CEDE_EBADF);
    cede_prep_close(&close.req, owned);
    (void)submit(&close);
    turn();
    CHECK(close.result.status == CEDE_EBADF);
    end();
}

static int deaf(fake *self, uint64_t token)
{
    (void)self, (void)token;
    return CEDE_CANCEL_SENT;
}

/* Whether a handle is on its way to be closed, as a backend asks it. */
static void backend_learns_that_a_handle_is_leaving(void)
{
    static note trip, read, outer, kept;
    static char byte;
    cede_ticket out, in;
    begin();
    cede_prep_scope(&outer.req);
    out = submit(&outer);
    cede_prep_scope(&scope.req);
    cede_in(&scope.req, out);
    in = submit(&scope);
    owned = fake_handle(CEDE_KIND_FILE, 0);
    cede_own(in, owned);
    cede_prep_read(&read.req, owned, &byte, 1, 0);
    (void)submit(&read);
    cede_prep_roundtrip(&trip.req);
    (void)submit(&trip);
    cede_prep_roundtrip(&kept.req); /* a member that takes its time: no handle is closed before */
    cede_in(&kept.req, in);
    (void)submit(&kept);
    turn();
    CHECK(!cede_core_is_leaving(backend.core, fake_token(&backend, CEDE_OP_READ)));
    CHECK(!cede_core_is_leaving(backend.core, fake_token(&backend, CEDE_OP_ROUNDTRIP)));
    backend.on_cancel = deaf;
    cede_cancel(out);
    CHECK(cede_core_is_leaving(backend.core, fake_token(&backend, CEDE_OP_READ)));
    CHECK(!cede_core_is_leaving(backend.core, fake_token(&backend, CEDE_OP_ROUNDTRIP)));
    turn();
    CHECK(!scope.calls && !read.calls);
    backend.on_cancel = NULL;
    fake_report(&backend, backend.works[backend.count - 1].token, CEDE_OK, 0); /* the member */
    CHECK(cede_run(loop, CEDE_MILLISECOND) >= 4);
    CHECK(kept.calls == 1 && read.calls == 1 && outer.calls == 1);
    end();
}

/* ---- Pools ---------------------------------------------------------------------------------- */

static void pools_say_what_they_cannot(void)
{
    cede_pool *pool = NULL;
    begin();
    CHECK(cede_pool_open(loop, 1, 1, 0, NULL) == CEDE_EINVAL);
    CHECK(cede_pool_open(loop, 1, (1u << 30) + 1, 0, &pool) == CEDE_EINVAL);
    CHECK(cede_pool_open(loop, 1, 1, (1u << 30) + 1, &pool) == CEDE_EINVAL && !pool);
    cede_pool_close(NULL); /* nothing */
    end();
}

static note receive;

static void *received(cede_pool *pool, cede_handle stream)
{
    uint32_t number;
    cede_prep_recv_pool(&receive.req, stream, pool);
    (void)submit(&receive);
    turn();
    CHECK(cede_core_pick(fake_pool(&backend, CEDE_OP_RECV_POOL), &number));
    cede_core_item(backend.core, fake_token(&backend, CEDE_OP_RECV_POOL), 5, number);
    fake_report(&backend, fake_token(&backend, CEDE_OP_RECV_POOL), CEDE_OK, 5);
    turn();
    CHECK(receive.calls == 1 && receive.result.status == CEDE_OK && receive.result.count == 5);
    return receive.result.buffer;
}

/* Closed in another order than they were opened; with a buffer out, and receives that come too
 * late, or find no buffer any more. */
static void pools_close_in_any_order(void)
{
    cede_handle stream = fake_handle(CEDE_KIND_STREAM, 0);
    cede_pool *pools[3];
    void *buffer;
    begin();
    for (unsigned i = 0; i < 3; i++)
        CHECK(cede_pool_open(loop, 1, 64, 0, &pools[i]) == CEDE_OK);
    cede_pool_close(pools[0]);
    cede_pool_close(pools[1]);
    buffer = received(pools[2], stream);
    cede_pool_close(pools[2]);
    cede_prep_recv_pool(&receive.req, stream, pools[2]);
    (void)submit(&receive);
    turn();
    CHECK(receive.result.status == CEDE_EINVAL && cede_pool_out(pools[2]) == 1);
    cede_pool_give(pools[2], buffer);
    CHECK(cede_pool_open(loop, 1, 64, 0, &pools[0]) == CEDE_OK);
    buffer = received(pools[0], stream);
    cede_prep_recv_pool(&receive.req, stream, pools[0]);
    (void)submit(&receive);
    turn();
    cede_pool_close(pools[0]);
    cede_prep_recv_pool(&late.req, stream, pools[0]);
    (void)submit(&late);
    turn();
    CHECK(!receive.calls); /* the system has it; and what comes behind the close is refused */
    CHECK(late.calls == 1 && late.result.status == CEDE_EINVAL);
    fake_report(&backend, fake_token(&backend, CEDE_OP_RECV_POOL), CEDE_REPORT_POOL, 0);
    turn();
    CHECK(receive.result.status == CEDE_ECANCELED && receive.result.flags & CEDE_BY_CLOSE);
    cede_pool_give(pools[0], buffer);
    end();
}

static uint32_t gave, given[4];

static void pool_give(void *self, cede_pool_view *view, uint32_t number)
{
    (void)self, (void)view;
    given[gave++ % 4] = number;
}

/* A backend keeps what is free; and has nothing to do when the pool ends. */
static void backend_may_keep_what_is_free(void)
{
    static cede_backend table;
    cede_handle stream = fake_handle(CEDE_KIND_STREAM, 0);
    cede_pool_view *view;
    cede_pool *pool;
    uint32_t number;
    void *buffer;
    table = fake_backend;
    table.pool_give = pool_give;
    memset(&backend, 0, sizeof backend);
    loop = fake_loop_on(&backend, &table, (cede_options){.spin_ns = 0});
    CHECK(cede_pool_open(loop, 2, 64, 0, &pool) == CEDE_OK);
    cede_prep_recv_pool(&receive.req, stream, pool);
    (void)submit(&receive);
    turn();
    view = fake_pool(&backend, CEDE_OP_RECV_POOL);
    view->self = &table;
    CHECK(cede_core_pick(view, &number) && cede_core_pick(view, &number));
    cede_core_item(backend.core, fake_token(&backend, CEDE_OP_RECV_POOL), 5, number);
    fake_report(&backend, fake_token(&backend, CEDE_OP_RECV_POOL), CEDE_OK, 5);
    turn();
    buffer = receive.result.buffer;
    cede_pool_give(pool, buffer);
    CHECK(gave == 1 && given[0] == number && !cede_core_pick(view, &number));
    cede_pool_close(pool);
    end();
}

static void *item_buffer[4];
static unsigned item_count;

static void on_buffer(cede_req *req, cede_result result)
{
    (void)req;
    item_buffer[item_count++] = result.buffer;
}

static uint64_t put_item(uint32_t op)
{
    uint32_t number;
    uint64_t token = fake_token(&backend, op);
    CHECK(cede_core_pick(fake_pool(&backend, op), &number));
    cede_core_item(backend.core, token, 8, number);
    return token;
}

/* One that waits for a buffer of the pool, and not for its credit, goes on once when one of its
 * own comes back; and the next round is one. */
static void receive_waits_for_one_thing_at_a_time(void)
{
    static note many;
    cede_handle stream = fake_handle(CEDE_KIND_STREAM, 0);
    cede_pool *pool;
    uint64_t token, before;
    begin();
    item_count = 0;
    CHECK(cede_pool_open(loop, 1, 64, 0, &pool) == CEDE_OK);
    cede_prep_recv_many(&many.req, stream, pool, 2, on_buffer);
    (void)submit(&many);
    turn();
    token = put_item(CEDE_OP_RECV_MANY);
    fake_report(&backend, token, CEDE_OK, 8);
    turn();
    CHECK(item_count == 1);
    token = fake_token(&backend, CEDE_OP_RECV_MANY); /* it has credit */
    fake_report(&backend, token, CEDE_REPORT_POOL, 0);
    turn();
    CHECK(!fake_find(&backend, CEDE_OP_RECV_MANY));
    before = backend.starts;
    cede_pool_give(pool, item_buffer[0]);
    turn();
    turn();
    CHECK(backend.starts == before + 1 && fake_find(&backend, CEDE_OP_RECV_MANY));
    fake_report(&backend, fake_token(&backend, CEDE_OP_RECV_MANY), CEDE_OK, 0);
    turn();
    CHECK(many.calls == 1 && many.result.status == CEDE_OK && many.result.count == 8);
    cede_pool_close(pool);
    end();
}

static void import_refuses_what_is_nothing(void)
{
    CHECK(cede_import(-1, CEDE_KIND_FILE, CEDE_IMPORT_BORROW) == 0);
    CHECK(cede_import(5, CEDE_KIND_FILE | CEDE_KIND_PIPE, CEDE_IMPORT_BORROW) == 0);
    CHECK(cede_import(5, CEDE_KIND_ANY + 1, CEDE_IMPORT_BORROW) == 0);
    CHECK(cede_import(5, CEDE_KIND_FILE, CEDE_IMPORT_BORROW | 0x8000u) == 0);
}

int main(void)
{
    import_refuses_what_is_nothing();
    handles_by_the_thousand_are_each_their_own();
    late_drop_hits_no_successor();
    scope_that_waits_for_its_handles_has_ended();
    handle_has_one_owner();
    backend_learns_that_a_handle_is_leaving();
    pools_say_what_they_cannot();
    pools_close_in_any_order();
    backend_may_keep_what_is_free();
    receive_waits_for_one_thing_at_a_time();
    return 0;
}
