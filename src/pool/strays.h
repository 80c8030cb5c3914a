/*
 * Threads for calls that may hang and that nothing can end: a look-up, say, which asks a name
 * server that does not answer. Whoever waits for one can leave it: it then ends unheard, whenever
 * that is, and its record goes with it, also when all else is closed by then.
 *
 * A job is the caller's memory from when it came home, and before it was run; else it is its
 * thread's. So it holds copies of all that its function looks at.
 *
 * There are so many threads at most; further jobs queue. A thread ends when there is nothing to do.
 *
 * Threads: the functions are the owner's; run and forsaken are called on a thread of their own.
 */
#ifndef CEDE_STRAYS_H
#define CEDE_STRAYS_H

#include "pool.h"

typedef struct cedi_stray cedi_stray;
struct cedi_stray {
    cedi_pool_job home; /* first; its run is NULL, by which it is known among what has finished */
    cedi_stray *next;
    void (*run)(cedi_stray *);
    void (*forsaken)(cedi_stray *); /* it was left: frees it. Any thread */
    uint8_t state;                  /* under the lock */
};

typedef struct cedi_strays cedi_strays;

/* They come home to this pool, among its finished jobs. NULL: out of memory. */
cedi_strays *cedi_strays_open(cedi_pool *);
/* Nothing is queued, or runs and was not left. Does not wait for what was. */
void cedi_strays_close(cedi_strays *);
/* CEDE_OK: it will run. CEDE_EAGAIN: no thread could be made and there is none. */
cede_status cedi_strays_run(cedi_strays *, cedi_stray *);
/* True: it is nobody's now, and will not come home. False: it is on its way. */
bool cedi_strays_leave(cedi_strays *, cedi_stray *);

#endif
