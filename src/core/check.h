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
void cedi_check_borrowed(const cedi_slot *); /* behind an item's callback: was it only read? */
/* check_pool.c: buffers of pools, each with its headroom. *marked is kept with it, 0 at first. */
void cedi_check_give(cede_loop *, const void *memory, size_t bytes); /* is it ceded or lent? */
void cedi_check_given(void *memory, size_t bytes, uint8_t *marked);  /* nobody's, from here */
void cedi_check_unused(void *memory, size_t bytes, const uint8_t *marked); /* so again */
void cedi_check_picked(void *memory, size_t bytes, const uint8_t *marked); /* to be filled */
/* A kernel that had it has filled it, behind `lead` bytes of headroom. */
void cedi_check_filled(void *memory, size_t bytes, size_t lead, const uint8_t *marked);
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
static inline void cedi_check_borrowed(const cedi_slot *slot)
{
    (void)slot;
}
static inline void cedi_check_give(cede_loop *loop, const void *memory, size_t bytes)
{
    (void)loop, (void)memory, (void)bytes;
}
static inline void cedi_check_given(void *memory, size_t bytes, uint8_t *marked)
{
    (void)memory, (void)bytes, (void)marked;
}
static inline void cedi_check_unused(void *memory, size_t bytes, const uint8_t *marked)
{
    (void)memory, (void)bytes, (void)marked;
}
static inline void cedi_check_picked(void *memory, size_t bytes, const uint8_t *marked)
{
    (void)memory, (void)bytes, (void)marked;
}
static inline void cedi_check_filled(void *memory, size_t bytes, size_t lead, const uint8_t *marked)
{
    (void)memory, (void)bytes, (void)lead, (void)marked;
}
#endif

#endif
