/*
 * Preparations and attributes: they write the request and nothing else, on the caller's thread.
 *
 * What is wrong with an argument is only marked here and said by the result, so that no preparation
 * needs an error return (law 1).
 */
#include "prep.h"

void cede_prep_nop(cede_req *req)
{
    (void)cedi_prep(req, CEDE_OP_NOP, 0);
}

void cede_prep_roundtrip(cede_req *req)
{
    (void)cedi_prep(req, CEDE_OP_ROUNDTRIP, 0);
}

void cede_prep_scope(cede_req *req)
{
    (void)cedi_prep(req, CEDE_OP_SCOPE, 0);
}

void cede_prep_pend(cede_req *req)
{
    (void)cedi_prep(req, CEDE_OP_PEND, 0);
}

void cede_prep_timer(cede_req *req, uint64_t ns)
{
    cede_args *args = cedi_prep(req, CEDE_OP_TIMER, 0);
    args->timer.ns = ns;
    args->timer.absolute = 0;
}

void cede_prep_timer_at(cede_req *req, uint64_t at_ns)
{
    cede_args *args = cedi_prep(req, CEDE_OP_TIMER, 0);
    args->timer.ns = at_ns;
    args->timer.absolute = 1;
}

void cede_prep_work(cede_req *req, cede_work_fn *run, void *argument)
{
    cede_args *args = cedi_prep(req, CEDE_OP_WORK, 0);
    args->work.run = run;
    args->work.argument = argument;
    cedi_prep_require(req, run != NULL);
}

uint32_t cede_req_op(const cede_req *req)
{
    return req->op_;
}

/* ---- Attributes ----------------------------------------------------------------------------- */

void cede_in(cede_req *req, cede_ticket scope)
{
    req->scope_ = scope;
    req->attributes_ |= CEDI_HAS_SCOPE;
}

static void deadline(cede_req *req, uint64_t ns, uint8_t kind)
{
    req->attributes_ &= (uint8_t) ~(CEDI_HAS_WITHIN | CEDI_HAS_UNTIL);
    req->deadline_ns_ = ns;
    if (ns != CEDE_FOREVER)
        req->attributes_ |= kind;
}

void cede_within(cede_req *req, uint64_t ns)
{
    deadline(req, ns, CEDI_HAS_WITHIN);
}

void cede_until(cede_req *req, uint64_t at_ns)
{
    deadline(req, at_ns, CEDI_HAS_UNTIL);
}

void cede_link(cede_req *req, cede_req *next, cede_done *next_done)
{
    cedi_prep_require(req, next && next_done && next != req);
    if (!next || !next_done || next == req)
        return;
    req->next_ = next;
    req->next_done_ = next_done;
    req->attributes_ |= CEDI_HAS_NEXT;
}

void cede_background(cede_req *req)
{
    req->attributes_ |= CEDI_IS_BACKGROUND;
}
