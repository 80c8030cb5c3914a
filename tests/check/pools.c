/*
 * Pools and many-shots (laws 5, 17): buffers that are given back wrongly, or used after; requests
 * that an item's callback takes for its own.
 */
#include "../port.h"
#include "check.h"

#define BYTES 64

/* A request that lives in the headroom of a buffer, as those do that send it on. */
#define LIVING_IN(buffer) ((cede_req *)(void *)((char *)(buffer) - sizeof(cede_req)))

static cede_req asking, writing;
static void *brought;

static cede_pool *pool_of(stage *s)
{
    cede_pool *pool = NULL;
    HOLDS(cede_pool_open(s->loop, 2, BYTES, sizeof(cede_req), &pool) == CEDE_OK);
    return pool;
}

static void keep(cede_req *req, cede_result r)
{
    (void)req;
    if (r.buffer)
        brought = r.buffer;
}

static void feed(stage *s)
{
    cede_prep_write(&writing, s->out, "five!", 5, CEDE_CURRENT);
    (void)cede_submit(s->loop, &writing, check_done);
}

static void wait_for(stage *s, cede_req *req)
{
    HOLDS(cede_wait(s->loop, cede_submit(s->loop, req, check_done), CEDE_FOREVER) == CEDE_OK);
}

/* A buffer that a receive has brought. */
static char *bring(stage *s, cede_pool *pool)
{
    cede_prep_recv_pool(&asking, s->in, pool);
    (void)cede_submit(s->loop, &asking, keep);
    feed(s);
    HOLDS(cede_run(s->loop, CEDE_FOREVER) > 0 && brought);
    return brought;
}

/* ---- Given back wrongly: law 17, in all builds ---------------------------------------------- */

#define NOT_OUT "law 17: a buffer given to a pool that it is not out of: it was given back before"

void check_give_twice(stage *s)
{
    cede_pool *pool = pool_of(s);
    char *buffer = bring(s, pool);
    cede_pool_give(pool, buffer);
    WANT(NOT_OUT);
    cede_pool_give(pool, buffer);
}

void check_give_to_another(stage *s)
{
    cede_pool *pool = pool_of(s), *another = pool_of(s);
    WANT(NOT_OUT ", or is another's");
    cede_pool_give(another, bring(s, pool));
}

void check_give_inside(stage *s)
{
    cede_pool *pool = pool_of(s);
    WANT(NOT_OUT);
    cede_pool_give(pool, bring(s, pool) + 1);
}

static cede_pool *of_thread;

static void give_there(void *context)
{
    (void)context;
    cede_pool_give(of_thread, brought);
}

static void count_there(void *unused)
{
    (void)unused;
    (void)cede_pool_out(of_thread);
}

static void close_there(void *context)
{
    (void)context;
    cede_pool_close(of_thread);
}

static void on_thread(void (*fn)(void *))
{
    port_thread thread;
    port_start(&thread, fn, NULL);
    port_join(&thread);
}

void check_give_on_thread(stage *s)
{
    of_thread = pool_of(s);
    (void)bring(s, of_thread);
    WANT("law 17: pool give on a thread that is not the loop's");
    on_thread(give_there);
}

void check_count_pool_on_thread(stage *s)
{
    of_thread = pool_of(s);
    WANT("law 17: pool out on a thread that is not the loop's");
    on_thread(count_there);
}

void check_close_pool_on_thread(stage *s)
{
    of_thread = pool_of(s);
    (void)bring(s, of_thread);
    WANT("law 17: pool close on a thread that is not the loop's");
    on_thread(close_there);
}

void check_close_pool_twice(stage *s)
{
    cede_pool *pool = pool_of(s);
    (void)bring(s, pool); /* so that it lives on */
    cede_pool_close(pool);
    WANT("law 17: a pool closed twice");
    cede_pool_close(pool);
}

/* ---- Used after it was given back ----------------------------------------------------------- */

void check_touch_given(stage *s)
{
    cede_pool *pool = pool_of(s);
    char *buffer = bring(s, pool);
    cede_pool_give(pool, buffer);
    AT(LOOK(buffer + BYTES - 1));
    cede_pool_close(pool);
}

void check_change_given(stage *s)
{
    cede_pool *pool = pool_of(s);
    char *buffer = bring(s, pool);
    cede_pool_give(pool, buffer);
    WANT("law 5: a buffer was changed after it was given to its pool");
    AT(HIT(buffer));
    cede_pool_close(pool);
}

/* The next that has it finds what was written into its headroom. */
void check_change_given_headroom(stage *s)
{
    cede_pool *pool = pool_of(s);
    cede_req *living = LIVING_IN(bring(s, pool));
    cede_pool_give(pool, brought);
    WANT("law 5: a buffer was changed after it was given to its pool");
    AT(HIT(&living->user_data));
    cede_pool_give(pool, bring(s, pool));
    cede_pool_close(pool);
}

/* The name in a change lies in the buffer that brought it. */
void check_touch_watched_name(stage *s)
{
    cede_pool *pool = NULL;
    uint64_t position = 0;
    const cede_change *change;
    cede_handle watch;
    cede_ticket ticket;
    HOLDS(cede_pool_open(s->loop, 1, CEDE_WATCH_BYTES, 0, &pool) == CEDE_OK);
    cede_prep_watch(&asking, s->folder, 0);
    watch = check_opened(s, &asking);
    cede_prep_watch_many(&asking, watch, pool, keep);
    ticket = cede_submit(s->loop, &asking, check_done);
    cede_prep_mkdir(&writing, s->absent, 0700);
    wait_for(s, &writing);
    while (!brought)
        HOLDS(cede_run(s->loop, CEDE_MILLISECOND) >= 0);
    cede_prep_rmdir(&writing, s->absent);
    wait_for(s, &writing);
    change = cede_next_change(brought, CEDE_WATCH_BYTES, &position);
    HOLDS(change && strcmp(change->name, "absent") == 0);
    cede_pool_give(pool, brought);
    AT(LOOK((void *)(uintptr_t)change->name));
    check_finish(s, ticket);
    cede_pool_close(pool);
}

void check_give_after_pool(stage *s)
{
    cede_pool *pool = pool_of(s);
    char *buffer = bring(s, pool);
    cede_pool_give(pool, buffer);
    AT(cede_pool_close(pool));
    cede_pool_give(pool, buffer);
}

void check_receive_after_pool(stage *s)
{
    cede_pool *pool = pool_of(s);
    AT(cede_pool_close(pool));
    cede_prep_recv_pool(&asking, s->in, pool);
    (void)cede_submit(s->loop, &asking, keep);
}

/* ---- Given back while it is in flight ------------------------------------------------------- */

#define IN_FLIGHT "law 5: a buffer given to its pool while it is ceded or lent"

/* The echo's classic: the send of it is not over. */
void check_give_while_sent(stage *s)
{
    cede_pool *pool = pool_of(s);
    char *buffer = bring(s, pool);
    cede_handle first, second;
    check_pair(s, &first, &second);
    cede_prep_send_all(&writing, first, buffer, 5);
    WANT(IN_FLIGHT);
    WANT(": send_all, submitted at ");
    HERE((void)cede_submit(s->loop, &writing, check_done));
    cede_pool_give(pool, buffer);
}

void check_give_while_read_into(stage *s)
{
    cede_pool *pool = pool_of(s);
    char *buffer = bring(s, pool);
    cede_prep_read(&writing, s->in, buffer + 5, 1, CEDE_CURRENT);
    WANT(IN_FLIGHT);
    WANT(": read, submitted at ");
    HERE((void)cede_submit(s->loop, &writing, check_done));
    cede_pool_give(pool, buffer);
}

void check_give_with_request(stage *s)
{
    cede_pool *pool = pool_of(s);
    cede_req *living = LIVING_IN(bring(s, pool));
    cede_prep_pend(living);
    WANT(IN_FLIGHT);
    WANT(": pend, submitted at ");
    HERE((void)cede_submit(s->loop, living, check_done));
    cede_pool_give(pool, brought);
}

/* ---- Requests of many-shots ----------------------------------------------------------------- */

static cede_ticket many(stage *s, cede_item *item)
{
    cede_prep_recv_many(&asking, s->in, pool_of(s), CEDE_CREDIT_ALL, item);
    return HERE(cede_submit(s->loop, &asking, check_done));
}

static void run_item(stage *s)
{
    feed(s);
    while (!brought)
        HOLDS(cede_run(s->loop, CEDE_MILLISECOND) >= 0);
}

static cede_req *borrowed;

static void borrow(cede_req *req, cede_result item)
{
    LOOK(&req->user_data); /* it may be read here */
    borrowed = req;
    brought = item.buffer;
}

void check_touch_behind_item(stage *s)
{
    cede_ticket ticket = many(s, borrow);
    run_item(s);
    AT(LOOK(&borrowed->user_data));
    check_finish(s, ticket);
}

static void borrow_handle(cede_req *req, cede_result item)
{
    borrowed = req;
    brought = &brought;
    cede_drop(item.handle);
}

void check_touch_behind_client(stage *s)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
    cede_handle listener;
    cede_ticket ticket;
    cede_prep_listen(&asking, &at, 0, 0);
    listener = check_opened(s, &asking);
    cede_prep_name(&asking, listener, CEDE_NAME_OWN, &at);
    wait_for(s, &asking);
    cede_prep_accept_many(&asking, listener, borrow_handle);
    ticket = cede_submit(s->loop, &asking, check_done);
    cede_prep_connect(&writing, &at, 0);
    (void)cede_submit(s->loop, &writing, check_done);
    while (!brought)
        HOLDS(cede_run(s->loop, CEDE_MILLISECOND) >= 0);
    AT(LOOK(&borrowed->user_data));
    check_finish(s, ticket);
}

static void write_to_it(cede_req *req, cede_result item)
{
    req->user_data = &brought;
    brought = item.buffer;
}

void check_change_in_item(stage *s)
{
    WANT("recv_many");
    cede_ticket ticket = many(s, write_to_it);
    run_item(s);
    check_finish(s, ticket);
}

static cede_loop *inner;

static void submit_it(cede_req *req, cede_result item)
{
    (void)item;
    WANT("now at ");
    HERE((void)cede_submit(inner, req, check_done));
}

void check_submit_in_item(stage *s)
{
    inner = s->loop;
    WANT("law 17: submitted while in flight: recv_many, submitted at ");
    (void)many(s, submit_it);
    run_item(s);
}

static void prepare_it(cede_req *req, cede_result item)
{
    cede_prep_nop(req);
    submit_it(req, item);
}

void check_prepare_in_item(stage *s)
{
    inner = s->loop;
    WANT("law 17: submitted while in flight: recv_many, submitted at ");
    (void)many(s, prepare_it);
    run_item(s);
}
