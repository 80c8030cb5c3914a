/*
 * Pools of buffers: the library picks one when data is there, so that an idle connection costs
 * none.
 *
 * A pool belongs to a loop. A receive that names it (cede_prep_recv_pool, cede_prep_recv_many in
 * net.h) brings a buffer with its data; the callback owns that buffer and gives it back, sooner or
 * later, with cede_pool_give. While no buffer is left, receives wait, without a word and without
 * loss: what is not received keeps in the system, and the sender feels it (law 15). So does a
 * stream's end, or its failure: who keeps all the buffers until then waits for ever. They go on, in
 * the order in which they found none, as buffers come back, and in front of those that begin
 * meanwhile or go on by themselves. (One that goes on and finds that another's data has had the
 * buffer waits anew, behind the others.)
 *
 * A terminal whose settings have a read wait for time between bytes (termios: VTIME) may keep a
 * buffer for so long.
 *
 * Before each buffer lies headroom, which is the owner's too: a request that sends the buffer on
 * can live there, so that echoing needs no other memory.
 */
#ifndef CEDE_POOL_H
#define CEDE_POOL_H

#include "cede/req.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CEDE_POOL_MOST 32768u /* buffers of one pool */

/* Makes a pool of `count` buffers of `bytes` bytes each, with `headroom` bytes before each buffer.
 * Buffers and their headroom are aligned to 64 bytes (the headroom's begins at buffer - headroom,
 * rounded up to 64). CEDE_EINVAL: a count of 0 or above CEDE_POOL_MOST, bytes of 0, bytes or
 * headroom above 1 GiB. CEDE_ENOMEM: no memory, *out untouched. The loop's thread. The
 * buffers and all that the core keeps of them are had here. A backend may want some memory more at
 * the first receive from the pool, once (io_uring: a record, which a later pool takes over, and
 * pages for a ring that its kernel picks from); without it, or beyond 65,536 such pools of a loop,
 * the library picks. */
CEDE_API cede_status cede_pool_open(cede_loop *, uint32_t count, uint32_t bytes, uint32_t headroom,
                                    cede_pool **out);

/* Gives a buffer back that a callback was given. It, and its headroom, are not the caller's from
 * here. Giving what is not out stops the process (law 17). The loop's thread; after the loop's
 * close, one thread at a time. Never allocates, blocks or calls back. */
CEDE_API void cede_pool_give(cede_pool *, void *buffer);

/* Closes the pool: receives that wait for a buffer, or for their credit, end with CEDE_ECANCELED
 * and CEDE_BY_CLOSE; those that wait for data, or for their turn on the stream, go on while there
 * are buffers and credit, and then end so; new ones get CEDE_EINVAL. Buffers that are
 * out stay the callers' until they are given back; the memory goes with the last of those buffers
 * and receives, also after the loop's close, and at once if there is none: then nothing may name
 * the pool any more. NULL: nothing. The loop's thread. */
CEDE_API void cede_pool_close(cede_pool *);

/* How many buffers are out: with callbacks, or on the way to one. The loop's thread. */
CEDE_API uint32_t cede_pool_out(const cede_pool *);

#ifdef __cplusplus
}
#endif
#endif
