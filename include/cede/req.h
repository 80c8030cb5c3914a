/*
 * The request: the caller's memory that describes one operation.
 *
 * A request goes through prep, attributes, submit, done:
 *
 *     cede_prep_read(&obj->req, file, obj->buffer, sizeof obj->buffer, 0);   // prep: resets all
 *     cede_in(&obj->req, life);                                             // attributes
 *     cede_within(&obj->req, 5 * CEDE_SECOND);
 *     cede_submit(loop, &obj->req, on_read);                                // ceded
 *
 * Between prep and submit the request is the caller's alone. Submit consumes the preparation: to
 * submit again, prepare again. No preparation or attribute can fail, allocate or block; what is
 * wrong with an argument is said by the result (CEDE_EINVAL, CEDE_EBADF, ...; law 1). They may be
 * called on any thread that owns the request.
 *
 * From submit to done (laws 1, 4, 5):
 *   ceded   the request and all outputs (read buffers, output structures): nobody touches them
 *   lent    inputs (data to write, vectors, paths): may be read and shared, not changed or freed
 *   copied  times, handles, offsets: yours at once
 *
 * Memory that is named must be there, over its whole length. A system that meets what is not says
 * CEDE_EFAULT, if it says anything, and what it had in hand may be lost (on Linux the datagram of a
 * recvfrom).
 */
#ifndef CEDE_REQ_H
#define CEDE_REQ_H

#include "cede/address.h"
#include "cede/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cede_req cede_req;
typedef struct cede_loop cede_loop;
typedef struct cede_pool cede_pool;
struct cede_stat;

/* The completion callback. Called exactly once for each submission, on the loop's thread, from
 * inside cede_run, cede_wait or cede_loop_close and nothing else (laws 2, 3). From its first line
 * the callee owns the request and all that was ceded and lent with it: it may free, reuse, prepare
 * and submit it anew; the library touches none of it again (law 4). */
typedef void cede_done(cede_req *req, cede_result result);

/* What a many-shot operation gives before its done: called like a done, for each item. It borrows
 * the request (reads it, nothing more: the submission goes on), and owns what the item carries, a
 * handle or a buffer. The result's count is the item's; its flags are 0. done comes once, after the
 * last item (law 2). */
typedef void cede_item(cede_req *req, cede_result item);

/* Blocking work for cede_prep_work. Runs on a thread of the pool; returns the status and may set
 * *count (0 before) for the result. It must not call into the loop but for the calls that any
 * thread may make. */
typedef cede_status cede_work_fn(void *argument, uint64_t *count);

/* One piece of memory of a vectored transfer. */
typedef struct cede_vec {
    void *base;
    size_t length_bytes;
} cede_vec;

/* What an operation was given: written by prep, read by the backend. Which member is in use
 * follows from the operation; see the preparations. Not for callers. */
typedef union cede_args {
    struct {
        void *buffer;
        uint64_t length_bytes;
        int64_t offset;
    } io; /* read write read_all write_all append readdir recv recv_all send send_all
             send_zero_copy */
    struct {
        const cede_vec *vec;
        uint64_t count;
        int64_t offset;
    } vec; /* readv writev sendv */
    struct {
        const char *path;
        const char *to;
        void *out;
        uint64_t length_bytes;
        uint32_t flags;
        uint32_t mode;
    } path; /* open stat stat_handle rename unlink mkdir rmdir link symlink readlink set_mode
               watch; lookup: the name, room for so many addresses, family, port */
    struct {
        uint64_t offset;
        uint64_t length_bytes;
        uint32_t flags;
    } range; /* truncate allocate; poll, child_kill: flags */
    struct {
        int64_t accessed_ns;
        int64_t modified_ns;
    } times; /* set_times */
    struct {
        cede_handle other; /* copy: the destination; send_file: the file */
        uint64_t from_offset;
        uint64_t to_offset;
        uint64_t length_bytes;
    } copy; /* copy send_file */
    struct {
        cede_address address;
        void *out;      /* accept, name: a cede_address; pair: a cede_handle, see backend.h */
        uint32_t flags; /* pair, name, group: which or what */
        uint32_t count; /* listen: the backlog; group: the interface */
    } net;              /* listen connect accept pair datagram group name */
    struct {
        void *buffer;
        uint64_t length_bytes;
        cede_address address; /* sendto */
        cede_address *from;   /* recvfrom */
    } datagram;
    struct {
        cede_pool *pool;
        cede_item *item;
        uint32_t credit; /* signal_many: which signals */
    } many;              /* accept_many recv_pool recv_many signal_many watch_many */
    struct {
        int64_t value;
        uint32_t name;
    } option; /* set_option get_option */
    struct {
        const struct cede_spawn *how;
        uint64_t *id;
    } spawn;
    struct {
        cede_work_fn *run;
        void *argument;
    } work;
    struct {
        uint64_t ns;
        uint64_t absolute;
    } timer;
    uint64_t words[7];
} cede_args;

/*
 * The request itself: 128 bytes, of which only user_data is the caller's to use. It needs no
 * initialisation before prep, may lie anywhere (static, stack, array, inside an object) and must
 * not be moved while ceded.
 */
struct cede_req {
    void *user_data;     /* the caller's: never read or written by the library */
    uint64_t seal_;      /* prepared, in flight (with the slot), or neither */
    uint8_t op_;         /* a CEDE_OP_ number */
    uint8_t attributes_; /* which of the fields below are set */
    uint16_t unused_;
    uint32_t slot_;
    cede_handle handle_;
    cede_args args_;
    uint64_t deadline_ns_;
    cede_ticket scope_;
    cede_req *next_;
    cede_done *next_done_;
};

/* The object that contains a request: CEDE_CONTAINER(req, struct pair, scope). */
#define CEDE_CONTAINER(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* ---- Attributes: between prep and submit ---------------------------------------------------- */

/* Makes the request a member of the scope that `scope` names, which must belong to the loop that
 * it is submitted to. In an ended or ending scope it completes with CEDE_EENDED; with a ticket
 * that is no scope, or of another loop's, with CEDE_EINVAL (law 12). */
CEDE_API void cede_in(cede_req *, cede_ticket scope);

/* A deadline, `ns` nanoseconds after the loop's first look at its clock after the submit. What is
 * pending then is really stopped in the kernel before done says CEDE_EDEADLINE; never early; what
 * cannot be stopped completes late and truthfully (law 13). On a scope, its members are ended.
 * CEDE_FOREVER: none. */
CEDE_API void cede_within(cede_req *, uint64_t ns);

/* The same at an absolute time on the loop's clock (cede_now). */
CEDE_API void cede_until(cede_req *, uint64_t at_ns);

/* Chains `next` behind `req`: ceding the first cedes the rest, and next starts when req ended OK
 * and complete (a short transfer is not). Otherwise next completes with CEDE_ECANCELED and
 * CEDE_BY_LINK, each done once, and in order, if nothing but its link ends it. next must be
 * prepared, with its own attributes; it may be linked on, and what it names is ceded with the
 * first: two reads, two buffers. On a stream it has the place of the submit, but behind a scope (a
 * relay) the place that it has when the one before it is over: members and others may use the
 * stream till then (law 14). It has no ticket: cancel or await it through a scope. What ends next
 * while it still waits for its turn (it is refused; its deadline, which counts from the submit of
 * the chain; its scope; the close of its handle; without memory for its slot) has it done then, and
 * what is behind it: ahead of those before it. So free what a chain shares in the done of a scope
 * that all of it is in, not in its last one's. A request that is linked to itself is CEDE_EINVAL; a
 * longer circle stops the process (law 17). */
CEDE_API void cede_link(cede_req *, cede_req *next, cede_done *next_done);

/* Does not keep cede_run from being idle (a heartbeat, a signal watch). */
CEDE_API void cede_background(cede_req *);

/* ---- Preparations that need no handle ------------------------------------------------------- */

/* Completes with CEDE_OK on a following turn, without the kernel: posts a callback to the loop. */
CEDE_API void cede_prep_nop(cede_req *);

/* The same through the kernel (io_uring: a NOP entry): the cost of the bare interface. */
CEDE_API void cede_prep_roundtrip(cede_req *);

/* A request that stands for the life of something made of many requests: see cede_submit in
 * loop.h and law 12. Its ticket is the name of that life. done comes once, after the last member's
 * done has returned and the handles that it owns are closed; count is the number of members, with
 * those that it refused because it was ending. */
CEDE_API void cede_prep_scope(cede_req *);

/* Pends until cede_complete names its ticket, with that status and count, or until cancel,
 * deadline, scope or close of the loop ends it (law 6: the first recorded wins). */
CEDE_API void cede_prep_pend(cede_req *);

/* Completes with CEDE_OK when `ns` nanoseconds have passed since the loop's first look at its
 * clock after the submit: never early, at most some tens of microseconds of its own late.
 * Cancelled, it ends at once. cede_extend re-arms it in place. */
CEDE_API void cede_prep_timer(cede_req *, uint64_t ns);

/* The same at an absolute time on the loop's clock. */
CEDE_API void cede_prep_timer_at(cede_req *, uint64_t at_ns);

/* Runs `run(argument)` on a thread of a small pool; the result carries what it returned
 * (CEDE_EUNKNOWN, if that is above 0 or below -999). The argument is ceded. Cancelled before it
 * starts, it never runs; once running it is left to end. NULL: CEDE_EINVAL. What the system has no
 * asynchronous form of (on Linux copy, readdir, readlink, spawn, watch and more) is done on these
 * threads, too, and waits while all of them work: so a work must not wait for such a one. (On sim
 * it runs on the loop's thread, and must not wait for anything that the loop does: sim.h.) */
CEDE_API void cede_prep_work(cede_req *, cede_work_fn *run, void *argument);

/* The number and name of the operation that a request was last prepared for. The caller must own
 * the request. */
CEDE_API uint32_t cede_req_op(const cede_req *);

#ifdef __cplusplus
}
#endif
#endif
