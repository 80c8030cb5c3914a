/* What the preparations share. Writes the request only; the caller's thread. */
#ifndef CEDE_PREP_H
#define CEDE_PREP_H

#include "core.h"

/* Resets every attribute. What lies behind them is read only if an attribute says so. */
static inline cede_args *cedi_prep(cede_req *req, uint8_t op, uint8_t attributes)
{
    req->seal_ = CEDI_PREPARED;
    req->op_ = op;
    if (CEDI_FAULT(ATTRIBUTES_STAY))
        attributes |= req->attributes_ & CEDI_HAS_SCOPE;
    req->attributes_ = attributes;
    return &req->args_;
}

static inline void cedi_prep_require(cede_req *req, bool condition)
{
    if (!condition)
        req->attributes_ |= CEDI_IS_INVALID;
}

static inline cede_args *cedi_prep_on(cede_req *req, uint8_t op, cede_handle handle)
{
    req->handle_ = handle;
    return cedi_prep(req, op, CEDI_HAS_HANDLE);
}

/* What gives items, or receives into a buffer of a pool. */
void cedi_prep_many(cede_req *, uint8_t op, cede_handle, cede_pool *, uint32_t credit, cede_item *);

#endif
