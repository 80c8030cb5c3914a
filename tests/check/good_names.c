/*
 * What is kept of a thing that is ceded is a name, and a name cannot be misused: stale, foreign or
 * late it does nothing, or completes with a status that says so. In each of these cases a pointer
 * or a descriptor would have been the end of the program.
 */
#include "../port.h"
#include "check.h"

#include "cede/relay.h"

static cede_req one, two;
static char bytes[64];

static void note(cede_req *req, cede_result r)
{
    *(cede_result *)req->user_data = r;
}

static cede_result result_of(stage *s, cede_req *req)
{
    cede_result r = {.status = 1};
    req->user_data = &r;
    HOLDS(cede_wait(s->loop, cede_submit(s->loop, req, note), CEDE_FOREVER) == CEDE_OK);
    HOLDS(r.status != 1);
    return r;
}

static bool is_stale(stage *s, cede_handle handle)
{
    static cede_stat stat;
    cede_prep_stat_handle(&two, handle, &stat);
    return result_of(s, &two).status == CEDE_EBADF;
}

void check_good_stale_handle(stage *s)
{
    for (int again = 0; again < 2; again++) {
        cede_prep_close(&one, s->file);
        HOLDS(result_of(s, &one).status == (again ? CEDE_EBADF : CEDE_OK));
    }
    cede_drop(s->file);
    cede_drop(s->file);
    HOLDS(is_stale(s, s->file));
}

void check_good_stale_child(stage *s)
{
    const char *words[] = {check_self, "--list", NULL};
    const cede_spawn how = {.program = check_self, .arguments = words};
    cede_handle child;
    if (s->world)
        HOLDS(cede_sim_executable(s->world, check_self, NULL, NULL, NULL) == CEDE_OK);
    cede_prep_spawn(&one, &how, NULL);
    child = check_opened(s, &one);
    cede_prep_child_wait(&one, child);
    HOLDS(result_of(s, &one).status == CEDE_OK);
    cede_prep_child_kill(&one, child, CEDE_KILL_FORCE);
    HOLDS(result_of(s, &one).status == CEDE_OK); /* it has ended: nobody else is hit */
    cede_prep_close(&one, child);
    HOLDS(result_of(s, &one).status == CEDE_OK);
    cede_prep_close(&one, child);
    HOLDS(result_of(s, &one).status == CEDE_EBADF);
    cede_prep_child_kill(&one, child, CEDE_KILL_FORCE);
    HOLDS(result_of(s, &one).status == CEDE_EBADF);
    cede_prep_child_wait(&one, child);
    HOLDS(result_of(s, &one).status == CEDE_EBADF);
}

/* Handed to another loop while something is under way. */
void check_good_foreign_handle(stage *s)
{
    cede_loop *mine = s->loop, *other = check_another();
    cede_ticket ticket;
    intptr_t native;
    cede_status status;
    cede_prep_read(&one, s->in, bytes, 1, CEDE_CURRENT);
    ticket = cede_submit(mine, &one, check_done);
    status = cede_release(s->in, &native);
    HOLDS(status == (s->world ? CEDE_ENOTSUP : CEDE_EBUSY));
    s->loop = other;
    cede_prep_recv(&two, s->in, bytes + 8, 1);
    HOLDS(result_of(s, &two).status == CEDE_EINVAL);
    HOLDS(cede_wait(other, ticket, 0) == CEDE_EINVAL);
    HOLDS(cede_loop_close(other, CEDE_FOREVER) == CEDE_OK);
    s->loop = mine;
    check_finish(s, ticket);
}

void check_good_stale_ticket(stage *s)
{
    cede_req *req = malloc(sizeof *req);
    cede_ticket ticket;
    cede_prep_pend(req);
    ticket = cede_submit(s->loop, req, check_free);
    cede_complete(ticket, CEDE_OK, 1);
    HOLDS(cede_run(s->loop, CEDE_FOREVER) == 1);
    cede_prep_pend(&one); /* which takes its slot */
    (void)cede_submit(s->loop, &one, check_done);
    cede_cancel(ticket);
    cede_fail(ticket, CEDE_EIO);
    cede_complete(ticket, CEDE_EIO, 2);
    cede_extend(ticket, 0);
    cede_own(ticket, s->dir); /* of what has ended: it is dropped */
    HOLDS(cede_wait(s->loop, ticket, CEDE_FOREVER) == CEDE_OK);
    HOLDS(cede_run(s->loop, 0) == 0);
    HOLDS(is_stale(s, s->dir));
}

void check_good_late_member(stage *s)
{
    cede_ticket life;
    cede_prep_scope(&one);
    life = cede_submit(s->loop, &one, check_done);
    cede_cancel(life);
    cede_prep_nop(&two);
    cede_in(&two, life); /* ending */
    HOLDS(result_of(s, &two).status == CEDE_EENDED);
    HOLDS(cede_wait(s->loop, life, CEDE_FOREVER) == CEDE_OK);
    cede_prep_nop(&two);
    cede_in(&two, life); /* ended, and its request another's by now */
    cede_prep_scope(&one);
    (void)cede_submit(s->loop, &one, check_done);
    HOLDS(result_of(s, &two).status == CEDE_EENDED);
    cede_own(life, s->file);
    HOLDS(is_stale(s, s->file));
}

void check_good_link_to_itself(stage *s)
{
    cede_prep_nop(&one);
    cede_link(&one, &one, check_done);
    HOLDS(result_of(s, &one).status == CEDE_EINVAL);
}

/* The file goes while it is being sent; its handle is closed twice. */
void check_good_sent_file(stage *s)
{
    cede_handle first, second;
    cede_result r = {.status = 1};
    cede_ticket ticket;
    if (!cede_supports(s->loop, CEDE_OP_SEND_FILE))
        check_skip("there is no send_file");
    check_pair(s, &first, &second);
    cede_prep_send_file(&one, first, s->file, 0, CEDE_TO_END);
    one.user_data = &r;
    ticket = cede_submit(s->loop, &one, note);
    cede_drop(s->file);
    cede_drop(s->file);
    HOLDS(cede_wait(s->loop, ticket, CEDE_FOREVER) == CEDE_OK);
    HOLDS(r.status == CEDE_OK || (r.status == CEDE_ECANCELED && (r.flags & CEDE_BY_CLOSE)));
}

/* A second receive from a stream that is being relayed waits for its turn. */
void check_good_relayed_stream(stage *s)
{
    static cede_relay relay;
    static char room[16];
    cede_handle first, second;
    cede_ticket relaying, ticket;
    cede_result r = {.status = 1};
    check_pair(s, &first, &second);
    cede_prep_relay(&relay, s->in, first, room, sizeof room, CEDE_TO_END);
    relaying = cede_submit_relay(s->loop, &relay, check_done);
    cede_prep_recv(&one, s->in, bytes, 4);
    one.user_data = &r;
    ticket = cede_submit(s->loop, &one, note);
    cede_cancel(relaying);
    HOLDS(cede_wait(s->loop, relaying, CEDE_FOREVER) == CEDE_OK);
    cede_prep_write(&two, s->out, "four", 4, CEDE_CURRENT);
    HOLDS(result_of(s, &two).status == CEDE_OK);
    HOLDS(cede_wait(s->loop, ticket, CEDE_FOREVER) == CEDE_OK);
    HOLDS(r.status == CEDE_OK && r.count > 0 && bytes[0] == 'f');
}

/* The pool goes first, then its loop; the buffer is still its owner's. */
void check_good_pool_first(stage *s)
{
    cede_pool *pool;
    cede_result r;
    HOLDS(cede_pool_open(s->loop, 1, sizeof bytes, 0, &pool) == CEDE_OK);
    cede_prep_write(&two, s->out, "five!", 5, CEDE_CURRENT);
    HOLDS(result_of(s, &two).status == CEDE_OK);
    cede_prep_recv_pool(&one, s->in, pool);
    r = result_of(s, &one);
    HOLDS(r.status == CEDE_OK && r.buffer);
    cede_pool_close(pool);
    cede_prep_recv_pool(&one, s->in, pool); /* closed, and there as long as its buffer is out */
    HOLDS(result_of(s, &one).status == CEDE_EINVAL);
    HOLDS(cede_loop_close(s->loop, CEDE_FOREVER) == CEDE_OK);
    s->loop = NULL;
    HOLDS(memcmp(r.buffer, "five!", (size_t)r.count) == 0);
    memset(r.buffer, 1, sizeof bytes);
    cede_pool_give(pool, r.buffer);
}
