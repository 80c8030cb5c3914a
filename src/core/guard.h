/*
 * Memory from cede_checked_alloc: what pages.c and guard.c share. In checked builds only.
 */
#ifndef CEDE_GUARD_H
#define CEDE_GUARD_H

#include "core.h"

#ifdef CEDI_CHECKED

/* What requests want of a page. */
typedef struct cedi_page {
    uint32_t shut;  /* nobody may touch it: as often as it was ceded */
    uint32_t lent;  /* nobody may change it: as often as it was lent */
    uint32_t by;    /* slot id of the latest of them */
    uint8_t access; /* as the system was told: CEDE_OS_ */
} cedi_page;

/* One allocation, or one that was. Its data end with its last page; what is behind them is never
 * accessible, and what is before them neither. Recycled, never freed. */
typedef struct cedi_block {
    struct cedi_block *next; /* on its free list */
    struct cedi_part *parts; /* that are ceded or lent now */
    uintptr_t base, end;
    uintptr_t from, to; /* what the caller has of it */
    uint32_t pages;     /* a power of 2 */
    uint32_t first;     /* page of `from` */
    bool live;
    cedi_page page[];
} cedi_block;

/* What a request has of a block. */
typedef struct cedi_part {
    struct cedi_part *next, *prev; /* of the same block */
    cedi_block *block;
    uintptr_t from, to;
    uint32_t slot;
    bool lent;
} cedi_part;

/* ---- pages.c: under the process lock, but for the first ------------------------------------- */

cedi_block *cedi_block_of(uintptr_t address); /* any time; NULL: it is not checked memory */
uint32_t cedi_page_of(const cedi_block *, uintptr_t address);
/* What of a page the caller has: *from == *to if it is nothing. */
void cedi_page_bounds(const cedi_block *, uint32_t page, uintptr_t *from, uintptr_t *to);
void cedi_pages_hold(cedi_block *, uint32_t first, uint32_t count, bool lent, uint32_t slot);
void cedi_pages_let_go(cedi_block *, uint32_t first, uint32_t count, bool lent);
void cedi_page_open(cedi_block *, uint32_t page, bool open); /* for the library's own accesses */
bool cedi_block_is_sound(const cedi_block *);                /* nothing was written beside it */

/* ---- guard.c: the moments of a request's life, called by check.c ---------------------------- */

/* The visits of what a request's arguments name. */
typedef void cedi_region_fn(const void *memory, uint64_t bytes, void *context);
void cedi_each_output(uint8_t op, const cede_args *, cedi_region_fn *, void *context);
void cedi_each_input(uint8_t op, const cede_args *, cedi_region_fn *, void *context);
uint64_t cedi_mix(uint64_t sum, const void *memory, uint64_t bytes);
/* Of one that is shut: the request, what it has ceded, and what it was lent. check.c */
void cedi_check_each(const cedi_slot *, cedi_region_fn *, void *context);
/* For the tools: nobody may touch it; whoever has it may. */
void cedi_shut(const void *memory, uint64_t bytes, void *context);
void cedi_open_up(const void *memory, uint64_t bytes, void *context);

struct cedi_guarded {
    cede_args given, shown; /* as prepared; as the backend is shown them */
    bool arguments;         /* they mean something */
    bool open;
    uint32_t part_count, hold_count, bounce_count;
    cedi_part *parts;
    struct cedi_hold *holds;
    struct cedi_bounce *bounces;
    cede_vec *vec; /* room for a copy of the vector */
};

/* NULL: nothing of it lies in checked memory, or there is no memory for this. */
cedi_guarded *cedi_guard_new(const cedi_slot *, bool arguments);
void cedi_guard_shut(const cedi_slot *);
void cedi_guard_touch(const cedi_slot *, bool open);
void cedi_guard_open(const cedi_slot *);   /* all of it, for good */
void cedi_guard_return(const cedi_slot *); /* the outputs, to the caller's memory */
void cedi_guard_free(cedi_guarded *);
const cedi_slot *cedi_guard_in_flight(const cede_req *); /* one whose page is shut; or NULL */

#endif
#endif
