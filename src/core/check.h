/*
 * Checked builds: what check.c does at the moments of a request's life, and nothing in plain
 * builds. Included by core.h, behind the slots.
 */
#ifndef CEDE_CHECK_INNER_H
#define CEDE_CHECK_INNER_H

#ifdef CEDI_CHECKED
#define CEDI_IS_CHECKED 1
void cedi_check_cede(cedi_slot *);                   /* any thread: poison, remember the inputs */
void cedi_check_return(cedi_slot *, uint64_t count); /* before done */
void cedi_check_touch(const cedi_slot *, bool open, bool outputs);
cede_args *cedi_check_args(const cedi_slot *); /* for the backend; opens, and touch shuts */
void cedi_check_submit(const cede_req *, const char *where); /* any thread: is it in flight? */
#else
#define CEDI_IS_CHECKED 0
static inline void cedi_check_submit(const cede_req *req, const char *where)
{
    (void)req, (void)where;
}
static inline void cedi_check_cede(cedi_slot *slot)
{
    (void)slot;
}
static inline void cedi_check_return(cedi_slot *slot, uint64_t count)
{
    (void)slot, (void)count;
}
static inline void cedi_check_touch(const cedi_slot *slot, bool open, bool outputs)
{
    (void)slot, (void)open, (void)outputs;
}
static inline cede_args *cedi_check_args(const cedi_slot *slot)
{
    return &slot->req->args_;
}
#endif

#endif
