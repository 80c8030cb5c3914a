/*
 * A pool, and what many-shot receives bring from it: what the files of that name share. See many.c.
 */
#ifndef CFT_MANY_H
#define CFT_MANY_H

#include "conformance.h"

/* What came, over all receives of the run: their bytes in order, their buffers if they are kept. */
typedef struct bag {
    cft *t;
    cede_pool *pool;
    cede_loop *loop;
    uint32_t items;
    uint64_t bytes;
    uint32_t in_order; /* items whose bytes go on where those before them ended */
    bool keep;         /* buffers stay out */
    void *kept[64];
    uint32_t kept_count;
    void (*then)(cft_rec *); /* in each item */
    uint32_t after_done;     /* items of requests whose done has come: none, ever */
} bag;

/* The run's, with a pool of its loop. NULL: an injected failure kept it from being made. */
bag *cft_bag_of(cft *, uint32_t count, uint32_t bytes, uint32_t headroom);
/* Gives back what is kept; and then nothing is out that the case does not hold. */
void cft_bag_give(bag *);
void cft_bag_empty(bag *);
/* The callback of its items, and a receive with it, ceded. */
void cft_bag_item(cede_req *, cede_result item);
cft_rec *cft_bag_many(bag *, cede_handle from, uint32_t credit);
/* So many bytes, the run's next, by a pipe's peer; or the first, by a stream of the run's loop,
 * which returns how many went. */
void cft_bag_feed(cft *, cft_pipe *, uint64_t *sent, size_t count);
uint64_t cft_bag_send(cft *, cede_handle to, size_t count);
/* Runs until so many have come, or the receive is over. */
void cft_bag_until(const bag *, const cft_rec *, uint64_t bytes);

#endif
