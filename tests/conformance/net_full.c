/*
 * Connects that pend, since nobody accepts and the backlog is full (laws 6, 7, 13, 15).
 */
#include "conformance.h"

/* A listener with room for one who was not accepted, and for not many more. */
static cede_handle short_of_room(cft *t, uint32_t kind, cede_address *at)
{
    *at = cft_address(t, kind);
    cft_rec *listen = cft_new(t);
    cede_prep_listen(listen->req, at, 1, 0);
    cft_do(listen);
    CFT_OK(t, listen);
    if (kind == CFT_TCP)
        cft_name(t, listen->result.handle, CEDE_NAME_OWN, at);
    return listen->result.handle;
}

/* Connects until one pends, as a full backlog makes them; NULL: it makes them be refused. On a busy
 * machine it may only be late, and succeed. */
static cft_rec *connect_that_pends(cft *t, const cede_address *at)
{
    for (uint32_t i = 0; i < 20 && !cft_faulted(t); i++) {
        cft_rec *connect = cft_connect(t, at);
        for (uint32_t turns = 0; turns < 20 && !cft_is_done(connect); turns++)
            cft_run(t, CEDE_MILLISECOND / 2);
        if (!cft_is_done(connect))
            return connect;
        if (connect->result.status != CEDE_OK) {
            CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
            return NULL;
        }
    }
    CFT_CHECK(t, cft_faulted(t)); /* there is room for one, and not for all who come */
    return NULL;
}

/* One that pended, and what it came to. */
static cft_rec *ended_as_it_pends(cft *t, uint32_t kind, void (*end)(cft_rec *))
{
    cede_address at;
    cede_handle listener = short_of_room(t, kind, &at);
    cft_rec *connect = connect_that_pends(t, &at);
    while (connect) {
        end(connect);
        cft_await(t, connect);
        if (connect->result.status != CEDE_OK || cft_faulted(t))
            break;
        connect = connect_that_pends(t, &at); /* that one was only late */
    }
    cft_closed(t, listener);
    return connect;
}

static void by_a_wish(cft_rec *connect)
{
    cft_cancel(connect->t, connect->ticket);
}

static void by_a_deadline(cft_rec *connect)
{
    connect->number = cede_now(connect->loop);
    cede_extend(connect->ticket, 3 * CEDE_MILLISECOND);
}

static void can_be_cancelled(cft *t, uint32_t kind)
{
    cft_rec *connect = ended_as_it_pends(t, kind, by_a_wish);
    if (connect)
        CFT_ENDED(t, connect, CEDE_ECANCELED, CEDE_BY_WISH);
}

static void has_a_deadline(cft *t, uint32_t kind)
{
    cft_rec *connect = ended_as_it_pends(t, kind, by_a_deadline);
    if (connect) {
        CFT_ENDED(t, connect, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
        CFT_EXPECT(t, cede_now(cft_loop(t)) - connect->number >= 3 * CEDE_MILLISECOND);
    }
}

/* And what pended goes on when there is room. */
static void is_made_when_there_is_room(cft *t, uint32_t kind)
{
    cede_address at;
    cede_handle listener = short_of_room(t, kind, &at);
    cft_rec *connect = connect_that_pends(t, &at);
    for (uint32_t i = 0; connect && !cft_is_done(connect) && !cft_faulted(t) && i < 20; i++) {
        cft_rec *accept = cft_new(t);
        cede_prep_accept(accept->req, listener, NULL);
        cede_within(accept->req, 2 * CEDE_SECOND); /* TCP knocks again after a second */
        cft_do(accept);
        if (accept->result.status != CEDE_OK)
            break;
        cft_flush(t);
    }
    if (connect) {
        cft_await(t, connect);
        CFT_OK(t, connect);
    }
    cft_closed(t, listener);
}

CFT_CASE(tcp_connect_that_pends_can_be_cancelled)
{
    can_be_cancelled(t, CFT_TCP);
}

CFT_CASE(local_connect_that_pends_can_be_cancelled)
{
    can_be_cancelled(t, CFT_LOCAL);
}

CFT_CASE(tcp_connect_that_pends_has_a_deadline)
{
    has_a_deadline(t, CFT_TCP);
}

CFT_CASE(local_connect_that_pends_has_a_deadline)
{
    has_a_deadline(t, CFT_LOCAL);
}

CFT_CASE(tcp_connect_that_pends_is_made_when_there_is_room)
{
    is_made_when_there_is_room(t, CFT_TCP);
}

CFT_CASE(local_connect_that_pends_is_made_when_there_is_room)
{
    is_made_when_there_is_room(t, CFT_LOCAL);
}
