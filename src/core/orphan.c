/*
 * Submissions that found no slot (1b: Names and room). Such a request travels in its own memory:
 * the words of its arguments, which nobody needs any more, hold what its delivery needs. It can be
 * named only by the loop's refusal ticket, which all of them share.
 *
 * A close is carried out all the same, as a drop of its handle, and delivered when that is over.
 * What is linked behind an orphan ends by its link, in order, unless it is a close. What joins a
 * scope that found no slot becomes an orphan too, and is delivered before the scope: whose done may
 * free what its members lie in (law 12). While a close of them is under way, it is set aside.
 *
 * Threads: cedi_orphan_send is for any thread, all else for the loop's.
 */
#include "core.h"

cede_ticket cedi_orphan_ticket(const cede_loop *loop)
{
    cede_ticket ticket = {CEDI_TICKET_ORPHAN | loop->id, 1};
    return ticket;
}

static cede_req *next_of(const cede_req *req)
{
    return (cede_req *)(uintptr_t)req->args_.words[CEDI_ORPHAN_NEXT];
}

static void set_next(cede_req *req, cede_req *next)
{
    req->args_.words[CEDI_ORPHAN_NEXT] = (uintptr_t)next;
}

static uint64_t stamp_of(const cede_req *scope)
{
    return scope->args_.words[CEDI_ORPHAN_STAMP];
}

/* Ceded from here. Who knows of a scope, and joins it, has a later stamp: on whatever thread. */
static void make(cede_loop *loop, cede_req *req, cede_done *done)
{
    if (req->seal_ != CEDI_PREPARED) {
        req->attributes_ = CEDI_IS_INVALID;
        req->op_ = CEDE_OP_NONE;
    }
    cedi_submit_binds(loop, req);
    req->deadline_ns_ = (uintptr_t)cedi_buffer_of(req); /* the words below are over its arguments */
    req->seal_ = CEDI_ORPHANED ^ (uintptr_t)req;
    req->args_.words[CEDI_ORPHAN_DONE] = (uintptr_t)done;
    req->args_.words[CEDI_ORPHAN_STAMP] =
        req->op_ == CEDE_OP_SCOPE
            ? atomic_fetch_add_explicit(&loop->orphan_scopes, 1, memory_order_relaxed)
            : 0;
}

/* Of scopes that joined one that stands here, the latest comes first: it may be in any before it.
 * Not the order in which they come here: one may have been under way, or been set aside. */
static cede_req *place_of_nested(const cede_loop *loop, const cede_req *scope)
{
    cede_req *before = loop->orphans_front, *next = before ? next_of(before) : loop->orphans;
    while (next && next->op_ == CEDE_OP_SCOPE && cedi_joins_orphan(next) &&
           stamp_of(next) > stamp_of(scope)) {
        before = next;
        next = next_of(next);
    }
    return before;
}

/* Sealed: to be delivered, in order; but what joined a scope that stands here goes to the front,
 * and nested scopes behind the front's last: so members come before their scope, however deep. */
static void queue(cede_loop *loop, cede_req *req, cede_status status, int32_t os_error)
{
    bool joins = cedi_joins_orphan(req);
    cede_req *before = loop->orphans_last;
    if (joins)
        before = req->op_ == CEDE_OP_SCOPE ? place_of_nested(loop, req) : loop->orphans_front;
    req->args_.words[CEDI_ORPHAN_STATUS] = (uint64_t)(uint32_t)os_error << 32 | (uint32_t)status;
    set_next(req, before ? next_of(before) : loop->orphans);
    if (before)
        set_next(before, req);
    else
        loop->orphans = req;
    if (!next_of(req))
        loop->orphans_last = req;
    if (joins && req->op_ != CEDE_OP_SCOPE)
        loop->orphans_front = req;
    loop->orphan_count++;
}

static void close_handle(cede_loop *loop, cede_req *req)
{
    uint32_t index;
    cede_status status = cedi_handle_bind(loop, req->handle_, &index);
    if (status) {
        queue(loop, req, status, 0);
        return;
    }
    req->args_.words[CEDI_ORPHAN_ENTRY] = index;
    set_next(req, loop->orphan_closes);
    loop->orphan_closes = req;
    cedi_handle_shut(loop, index, 0, CEDE_BY_CLOSE);
}

static void forget_close(cede_loop *loop, cede_req *before, const cede_req *req)
{
    if (before)
        set_next(before, next_of(req));
    else
        loop->orphan_closes = next_of(req);
}

/* Whether a close that joined a scope without a slot is not over. Of which one nobody knows. */
static bool scopes_wait(const cede_loop *loop)
{
    const cede_req *req = loop->orphan_closes;
    while (req && (req->op_ == CEDE_OP_SCOPE || !cedi_joins_orphan(req)))
        req = next_of(req);
    return req;
}

/* Until then their scopes stand among the closes, behind those that do. */
static void set_aside(cede_loop *loop, cede_req *scope)
{
    cede_req *last = loop->orphan_closes;
    set_next(scope, NULL);
    while (last && next_of(last))
        last = next_of(last);
    if (last)
        set_next(last, scope);
    else
        loop->orphan_closes = scope;
}

static void resume_scopes(cede_loop *loop)
{
    cede_req *before = NULL, *next;
    for (cede_req *req = loop->orphan_closes; req; req = next) {
        uint64_t status = req->args_.words[CEDI_ORPHAN_STATUS];
        next = next_of(req);
        if (req->op_ != CEDE_OP_SCOPE) {
            before = req;
            continue;
        }
        forget_close(loop, before, req);
        queue(loop, req, (cede_status)(uint32_t)status, (int32_t)(status >> 32));
    }
}

void cedi_orphan_closed(cede_loop *loop, uint32_t index, cede_status status, int32_t os_error)
{
    cede_req *before = NULL, *req = loop->orphan_closes;
    while (req && req->args_.words[CEDI_ORPHAN_ENTRY] != index) {
        before = req;
        req = next_of(req);
    }
    if (!req)
        return; /* a drop */
    forget_close(loop, before, req);
    req->args_.words[CEDI_ORPHAN_ENTRY] = 0;
    queue(loop, req, status, os_error);
    if (cedi_joins_orphan(req) && !scopes_wait(loop))
        resume_scopes(loop);
}

/* The handle that a request names, which is not closed before its done has come (law 10); 0: none,
 * or it is a close. Of two the first: the other is gone with its arguments. */
static uint32_t handle_of(cede_loop *loop, const cede_req *req)
{
    uint32_t index;
    if (!(req->attributes_ & CEDI_HAS_HANDLE) ||
        cedi_handle_bind(loop, req->handle_, &index) != CEDE_OK)
        return 0;
    return index;
}

static void add(cede_loop *loop, cede_req *req, cede_status status, uint32_t flags)
{
    bool valid = !(req->attributes_ & CEDI_IS_INVALID);
    cedi_slot *scope = NULL;
    uint64_t refusals = 0;
    if (req->attributes_ & CEDI_HAS_SCOPE)
        scope = cedi_ticket_slot(loop, req->scope_);
    if (scope && scope->op == CEDE_OP_SCOPE)
        scope->at.scope.active++; /* it counts until its done has returned */
    else
        scope = NULL;
    loop->counts.submitted++;
    if (!valid) {
        status = CEDE_EINVAL;
        flags = 0;
    } else if (loop->closing && req->op_ != CEDE_OP_CLOSE) {
        status = CEDE_EENDED;
        flags = CEDE_BY_LOOP;
        refusals = cedi_scope_count_refusal(loop, NULL);
    } else if (cedi_joins_orphan(req) && req->op_ != CEDE_OP_CLOSE) {
        status = CEDE_EENDED;
        flags = CEDE_BY_SCOPE;
        refusals = cedi_scope_count_refusal(loop, NULL);
    }
    req->args_.words[CEDI_ORPHAN_SCOPE] = refusals << 32 | (scope ? scope->id : 0);
    req->args_.words[CEDI_ORPHAN_FLAGS] = flags;
    req->args_.words[CEDI_ORPHAN_ENTRY] = handle_of(loop, req);
    if (valid && req->op_ == CEDE_OP_CLOSE) {
        req->args_.words[CEDI_ORPHAN_FLAGS] = 0;
        close_handle(loop, req);
    } else {
        queue(loop, req, status, 0);
    }
}

/* The request and what is linked behind it. */
void cedi_orphan_chain(cede_loop *loop, cede_req *req, cede_done *done, cede_status status,
                       uint32_t flags)
{
    while (req) {
        cede_req *next;
        cedi_check_submit(req, NULL);
        if (cedi_in_flight(req))
            cedi_misuse_of("law 17: linked while in flight", req, NULL);
        make(loop, req, done);
        next = req->attributes_ & CEDI_HAS_NEXT ? req->next_ : NULL;
        done = req->next_done_;
        add(loop, req, status, flags);
        req = next;
        status = CEDE_ECANCELED;
        flags = CEDE_BY_LINK;
    }
}

void cedi_orphan_send(cede_loop *loop, cede_req *req, cede_done *done)
{
    make(loop, req, done);
    /* a retry by this way counts too (law 17) */
    req->args_.words[CEDI_ORPHAN_SCOPE] = cede_in_callback(loop) ? cedi_refusals(loop) : 0;
    if (!cedi_inbox_send_orphan(loop, req))
        cedi_misuse_of("law 11: remote submit to a closed loop", req, NULL);
}

void cedi_orphan_arrived(cede_loop *loop, cede_req *req)
{
    cede_req *behind = req->attributes_ & CEDI_HAS_NEXT ? req->next_ : NULL;
    loop->inherited = (uint16_t)req->args_.words[CEDI_ORPHAN_SCOPE];
    add(loop, req, CEDE_ENOMEM, 0);
    cedi_orphan_chain(loop, behind, req->next_done_, CEDE_ECANCELED, CEDE_BY_LINK);
}

cede_req *cedi_orphan_take(cede_loop *loop, cede_req *before)
{
    cede_req *req = before ? next_of(before) : loop->orphans;
    if (before)
        set_next(before, next_of(req));
    else
        loop->orphans = next_of(req);
    if (loop->orphans_last == req)
        loop->orphans_last = before;
    if (loop->orphans_front == req)
        loop->orphans_front = before;
    loop->orphan_count--;
    if (CEDI_LIKELY(req->op_ != CEDE_OP_SCOPE || !scopes_wait(loop)))
        return req;
    set_aside(loop, req);
    return NULL;
}

cede_req *cedi_orphan_next(const cede_req *req)
{
    return next_of(req);
}

bool cedi_orphan_names(const cede_loop *loop, uint32_t index)
{
    const cede_req *req = loop->orphans;
    while (req && req->args_.words[CEDI_ORPHAN_ENTRY] != index)
        req = next_of(req);
    return req;
}
