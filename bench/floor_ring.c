/*
 * The raw ring of the floors: liburing with the best set-up flags found.
 *
 * One issuer and deferred task work are what matters most; the registered descriptor saves a
 * look-up in each enter; the generous completion queue also makes the kernel's table of
 * cancellable operations large. A kernel that lacks a flag gets the ring without it.
 */
#include "bench.h"

#include <errno.h>
#include <liburing.h>

void bench_ring_open(struct io_uring *ring, unsigned entries, unsigned cq_entries)
{
    static const unsigned flags[] = {IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |
                                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN, 0};
    int result = -EINVAL;
    for (unsigned i = 0; i < sizeof flags / sizeof flags[0] && result == -EINVAL; i++) {
        struct io_uring_params params = {.flags = flags[i]};
        if (cq_entries) {
            params.flags |= IORING_SETUP_CQSIZE;
            params.cq_entries = cq_entries;
        }
        result = io_uring_queue_init_params(entries, ring, &params);
    }
    bench_check_neg(result, "io_uring set-up (is kernel.io_uring_disabled 0?)");
    io_uring_register_ring_fd(ring);
}
