/*
 * The inside of the io_uring backend.
 *
 *     uring.c        the vtable: open, close, bind, and what is small
 *     uring_setup.c  the best ring that this kernel gives; what it can; why there is none
 *     uring_ops.c    from work to submission entries: one function an operation
 *     uring_enter.c  into the kernel and back: the queue, the wait, shortage, SIGPIPE
 *     uring_reap.c   completions to reports; cancel
 *     uring_wake.c   wakes from other threads; the descriptor for foreign loops; wait's timeout
 *     uring_handle.c what a descriptor is; close
 *     uring_job.c    records of work that needs one: what runs on the pool, and stat, open, poll
 *     uring_ready.c  waits until a descriptor is ready
 *     uring_fifo.c   opening a named pipe, which must wait for the other end
 *     uring_net.c    sockets
 *     uring_pool.c   receives into buffers of a pool
 *     uring_file.c   files to streams
 *     uring_zero.c   sends without a copy
 *     uring_lookup.c names of hosts
 *     uring_signal.c signals to the process
 *     uring_child.c  child processes
 *     uring_watch.c  changes of directories
 *
 * The rule of user_data: work that needs nothing but its result carries its token, so that start
 * and reap touch no memory of ours. A job's entry carries its token and URING_JOB; a cancel the
 * token of its target and URING_CANCEL; our own entries both bits and a number.
 *
 * Threads: everything is called on the loop's thread, but wake, discard, and what a pool thread
 * runs (uring_job.c says what). Lifetime: an instance lives from open to close; nothing of a
 * cede_work is kept but in job records, which are recycled and freed by close.
 */
#ifndef CEDE_LINUX_URING_H
#define CEDE_LINUX_URING_H

#include <liburing.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cede/backend.h"
#include "cede/file.h"
#include "cede/system.h"
#include "cede/uring.h"

#include "../mutants.h"
#include "../pool/pool.h"
#include "../posix/blocking.h"
#include "../posix/child.h"
#include "../posix/error.h"
#include "../posix/net.h"
#include "../posix/own_fd.h"
#include "../posix/signals.h"

extern const cede_backend cede_uring_backend;

/* The library's allocator (src/core/memory.c); zeroed memory. */
void *cedi_memory_get(size_t bytes);
void cedi_memory_free(void *);

#define URING_LIKELY(x)   __builtin_expect(!!(x), 1)
#define URING_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define URING_COLD        __attribute__((cold, noinline))

/* Numbers of kernels newer than liburing 2.3. */
#define URING_OP_SOCKET    45 /* Linux 5.19 */
#define URING_OP_SEND_ZC   47 /* Linux 6.0 */
#define URING_OP_FTRUNCATE 55
#define URING_RWF_NOSIGNAL 0x00000100 /* Linux 6.18 */

#define URING_RESOLVE_CACHED 0x20u /* Linux 5.12: RESOLVE_CACHED, which older headers have not */

/* Own bits of a handle's kind. */
#define URING_KIND_DIRECT  0x1000u /* a file or disk with O_DIRECT: see uring_handle.c */
#define URING_KIND_FLUSHES 0x2000u /* its close may take its time */

#define URING_CANCEL    (UINT64_C(1) << 63)
#define URING_JOB       (UINT64_C(1) << 62)
#define URING_OWN       (URING_CANCEL | URING_JOB)
#define URING_TAGS      URING_OWN
#define URING_OWN_KIND  UINT64_C(0xff)
#define URING_OWN_SHIFT 8 /* above the kind: a number */

enum {
    URING_OWN_NOTHING, /* an entry that was taken back: its completion means nothing */
    URING_OWN_WATCH,   /* the read of the eventfd */
    URING_OWN_TIMEOUT, /* for kernels without EXT_ARG */
    URING_OWN_CHILD    /* the end of a child that was closed */
};

/* ---- Jobs ----------------------------------------------------------------------------------- */

enum {
    URING_ON_POOL, /* a blocking call */
    URING_STAT,    /* the kernel's form is to be rewritten */
    URING_OPEN,    /* might be a named pipe */
    URING_FIFO,    /* is one, or else waits for somebody, on a thread */
    URING_POLL,    /* waits until a descriptor is ready */
    URING_NET,     /* uring_net.c: what the kernel is told in structures */
    URING_PICK,    /* uring_pool.c: a receive into a pool, in steps */
    URING_FILE,    /* uring_file.c: a file to a stream, in steps */
    URING_ZERO,    /* uring_zero.c: a send that is over with its notification */
    URING_LOOKUP,  /* uring_lookup.c: a name, asked for on a thread of its own */
    URING_POLLED,  /* tells whether a descriptor is ready */
    URING_SIGNAL,  /* uring_signal.c: waits for signals */
    URING_CHILD,   /* uring_child.c: waits for a child's end */
    URING_WATCH    /* uring_watch.c: waits for changes, in steps */
};

/* What a socket operation keeps while the kernel has it. */
typedef struct uring_net {
    int native; /* connect: the socket that is to be; else -1 */
    socklen_t name_bytes;
    cedi_sockaddr name;
    struct msghdr message;
    struct iovec piece;
} uring_net;

typedef struct uring_job {
    cedi_pool_job pool; /* first */
    cedi_blocking work;
    struct uring_job *chain; /* hash chain; free list */
    uint64_t token;
    uint8_t kind;
    int set;          /* uring_ready.c: an epoll set; uring_fifo.c: a directory; or -1 */
    unsigned awaited; /* and what its poll is to tell */
    union {
        struct {
            int flags;           /* of the open, as the system was given them last */
            int native;          /* what it opened, or -1 */
            int cancel_fd;       /* an eventfd, while it waits */
            bool placeless;      /* there is no descriptor for its directory */
            struct open_how how; /* of the first try */
        } fifo;
        uring_net net;
        struct {
            cede_pool_view *view;
            uint32_t number; /* UINT32_MAX: none was picked here */
            uint16_t kind;
            bool reading;  /* there is data; else it waits for some */
            bool may_wait; /* and cannot be told not to */
        } picked;
        struct {
            void *buffer;           /* NULL: none now */
            struct uring_job *next; /* of those that wait for one */
            uint64_t moved;         /* in this round */
            uint32_t piece_bytes;   /* to be tried next */
            uint32_t length;        /* of what is being sent */
            uint32_t skip;          /* and so far into what was read */
            uint8_t step;
            bool socket;
            uint8_t flags; /* of entries for the stream */
            uint8_t vain;  /* sends that found no room, running */
            bool wished;   /* it is to end */
            bool direct;   /* is read in whole blocks */
        } file;
        struct {
            int result;
            bool told;   /* the result is there, the notification is to come */
            bool wished; /* it is to end */
        } zero;
        struct uring_lookup *lookup;
        struct {
            struct uring_job *next;
        } signal;
        struct {
            cede_pool_view *view;
            bool reading; /* into a buffer of the kernel's choice */
            bool borrowed;
        } watch;
    };
} uring_job;

#define URING_DEVICES 8u

/* ---- The instance --------------------------------------------------------------------------- */

enum {
    URING_ODD_FAULTS = 0x01,   /* a test's hook is asked before each call */
    URING_ODD_SIGPIPE = 0x02,  /* a write that might raise SIGPIPE was started, without a flag */
    URING_ODD_EMBEDDED = 0x04, /* somebody waits on ready_fd */
    URING_ODD_POLLED = 0x10,   /* waits by polling the ring: see enter_polled */
    URING_ODD_AT_ONCE = 0x20,  /* starts flush and report: CEDE_URING_FORCE_AT_SUBMIT */
    URING_ODD_NOWAIT = 0x40,   /* writes to streams never wait: see cedi_uring_signal_flags */
    URING_ODD_ENTER = URING_ODD_FAULTS | URING_ODD_SIGPIPE | URING_ODD_POLLED
};

typedef struct uring {
    /* hot */
    struct io_uring ring;
    unsigned sq_room; /* entries of its submission queue; 0: a test is asked for each */
    cede_core *core;
    cedi_pool *pool;
    uint64_t works; /* taken and not reported */
    unsigned enter_flags;
    unsigned stream_flags; /* rw_flags of writes that might raise SIGPIPE */
    unsigned char cancel_flags;
    unsigned char work_flags; /* of each work's entry: IOSQE_ASYNC, if that is forced */
    bool watching;            /* the watch is armed */
    unsigned char odd;        /* URING_ODD_: what the common path leaves out */
    bool has_ext_arg;
    bool has_recv_many;   /* many-shot receives */
    bool has_accept_many; /* many-shot accepts */
    bool has_zero_copy;
    bool has_children; /* process descriptors */
    bool enabled;
    uint32_t jobs_live;
    unsigned told;           /* flags of the completion of a job's entry that is being looked at */
    cedi_listener *listener; /* to signals; NULL: not yet */

    /* jobs */
    uint32_t jobs_made;
    uint32_t pool_live;
    uring_job *free_jobs;
    uring_job **buckets;
    uint32_t bucket_shift; /* 64 - log2 of their number */
    struct uring_chunk *chunks;
    uring_job reserve; /* for a close, where there is no memory */
    bool reserve_taken;

    /* wake and wait */
    int wake_fd;
    int ready_fd;            /* -1: not embedded */
    int end_fd;              /* the end of a pipe, for watches that are over; -1: none yet */
    uint64_t wake_value;     /* the watch reads into it */
    uint64_t timeout_number; /* the armed timeout's; 0: none */
    uint64_t timeout_at;
    struct __kernel_timespec timeout_spec; /* read by the kernel when the entry is submitted */
    uint64_t timeouts;
    uint32_t failures; /* enters that failed for want of room, running */

    /* cold */
    struct {
        dev_t number;
        bool known, may_flush;
    } devices[URING_DEVICES]; /* that files were seen on: uring_handle.c */
    unsigned devices_known;   /* so far */
    bool no_worker_closes;    /* there was none for a close */
    struct {
        void *free; /* buffers, linked by their first word */
        uint32_t made;
        uint32_t waiting;
        uring_job *first, *last; /* that wait for one */
    } files;
    uring_job *signals;                /* works that wait for some */
    uint32_t signal_works;             /* so many */
    struct cedi_strays *strays;        /* NULL: no name was looked up yet */
    struct uring_lookup *lookups_free; /* records */
    struct uring_pool *pools_free;     /* records, each with the number of a group of buffers */
    uint32_t groups;                   /* that have a record */
    cede_uring_config config;
    uint64_t opcodes; /* bit n: the kernel has opcode n */
    unsigned no_ring; /* 0: what a ring that could not be had points to */
    char apart[64];
    _Atomic bool woken;         /* the eventfd has been, or is about to be, written */
    _Atomic bool signals_ready; /* ready_fd is to be written, too */
    _Atomic bool woken_outside; /* since waitable was called */
} uring;

/* ---- uring_setup.c -------------------------------------------------------------------------- */

cede_status cedi_uring_setup(uring *, const cede_backend_setup *);
/* Any thread: like liburing's own. */
int cedi_uring_ring_make(struct io_uring *, unsigned entries, struct io_uring_params *);
void cedi_uring_ring_leave(struct io_uring *);
cede_status cedi_uring_bind(void *self);

static inline bool cedi_uring_has(const uring *self, unsigned opcode)
{
    return opcode < 64 && (self->opcodes >> opcode & 1);
}

/* 0, or the errno that the test's hook wants for this call. */
static inline int cedi_uring_fault(const uring *self, const char *call)
{
    if (URING_LIKELY(!self->config.fault))
        return 0;
    return self->config.fault(self->config.fault_context, call);
}

/* ---- uring_enter.c -------------------------------------------------------------------------- */

struct io_uring_sqe *cedi_uring_sqe_slow(uring *);

/* An entry to fill, before any other is asked for. NULL: no room now. What io_uring_get_sqe does,
 * less the kinds of ring that are never made here. It holds what was in it before. */
static inline struct io_uring_sqe *cedi_uring_sqe(uring *self)
{
    struct io_uring_sq *sq = &self->ring.sq;
    unsigned tail = sq->sqe_tail;
    if (URING_UNLIKELY(tail - __atomic_load_n(sq->khead, __ATOMIC_RELAXED) >= self->sq_room))
        return cedi_uring_sqe_slow(self);
    sq->sqe_tail = tail + 1;
    return &sq->sqes[tail & sq->ring_mask];
}

/* Writes every field of it. Newer libraries clear an entry when it is got, 2.3 when it is prepared;
 * so neither is relied on. */
static inline void cedi_uring_fill(struct io_uring_sqe *sqe, int opcode, int fd,
                                   const void *address, uint64_t length, uint64_t offset,
                                   uint64_t user_data)
{
    sqe->opcode = (uint8_t)opcode;
    sqe->flags = 0;
    sqe->ioprio = 0;
    sqe->fd = fd;
    sqe->off = offset;
    sqe->addr = (uint64_t)(uintptr_t)address;
    sqe->len = (uint32_t)length;
    sqe->rw_flags = 0;
    sqe->user_data = user_data;
    sqe->buf_index = 0;
    sqe->personality = 0;
    sqe->splice_fd_in = 0;
    sqe->addr3 = 0;
    sqe->__pad2[0] = 0;
}

/* The flags of a transfer's entry. A terminal takes no word for "do not wait": a write larger than
 * its room waits inside the submitting call, and so does a read that its line settings keep (VMIN,
 * VTIME); on a worker they wait where a cancel finds them (docs/facts-linux.md). */
static inline uint8_t cedi_uring_flags(const uring *self, uint32_t kind)
{
    return kind == CEDE_KIND_TTY ? IOSQE_ASYNC : self->work_flags;
}

static inline unsigned cedi_uring_unsubmitted(const uring *self)
{
    return self->ring.sq.sqe_tail - __atomic_load_n(self->ring.sq.khead, __ATOMIC_ACQUIRE);
}

static inline unsigned cedi_uring_completed(const uring *self)
{
    return __atomic_load_n(self->ring.cq.ktail, __ATOMIC_ACQUIRE) - *self->ring.cq.khead;
}

/* What the kernel can be seen to need a call for: work that it left for us to run, completions that
 * found no room. */
static inline unsigned cedi_uring_wants(const uring *self)
{
    return __atomic_load_n(self->ring.sq.kflags, __ATOMIC_RELAXED) &
           (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

/* Submits what is queued, and waits for `wait_for` completions. 0 or a negated errno. */
int cedi_uring_enter(uring *, unsigned wait_for, uint64_t timeout_ns);
cede_status cedi_uring_wait(void *self, uint64_t timeout_ns);

/* ---- uring_ops.c ---------------------------------------------------------------------------- */

uint32_t cedi_uring_start(void *self, const cede_work *batch, uint32_t count);
/* Taken, and reported: what the kernel need not be asked. Returns true. */
bool cedi_uring_failed(uring *, const cede_work *, int error);
bool cedi_uring_finished(uring *, const cede_work *, uint64_t count);
/* Of args.io on anything; of a vector, from `moved` bytes of its first piece on, on a stream that
 * is no socket. */
bool cedi_uring_transfer(uring *, const cede_work *, int opcode, uint64_t moved);
bool cedi_uring_stream_vector(uring *, const cede_work *, const cede_vec *, uint64_t count,
                              uint64_t moved);
/* A write to a stream that is no socket, with these flags: it raises no signal. */
void cedi_uring_might_signal(uring *, struct io_uring_sqe *, unsigned flags);
unsigned cedi_uring_signal_flags(uring *, struct io_uring_sqe *); /* without stream_flags */
bool cedi_uring_supports(void *self, uint32_t op);

/* ---- uring_reap.c --------------------------------------------------------------------------- */

/* Reports at most `most` completions; returns how many there were. */
unsigned cedi_uring_reap(uring *, unsigned most);
void cedi_uring_report(uring *, uint64_t token, int result); /* as a completion says it */
int cedi_uring_cancel(void *self, uint64_t token);
int cedi_uring_send_cancel(uring *, uint64_t target, uint64_t user_data);

/* ---- uring_wake.c --------------------------------------------------------------------------- */

void cedi_uring_wake(void *self);
bool cedi_uring_watch(uring *);   /* false: no room for its entry */
void cedi_uring_watched(uring *); /* its completion came */
void cedi_uring_unwatch(uring *); /* for close: until the kernel has let go of it */
intptr_t cedi_uring_waitable(void *self);
void cedi_uring_drain(uring *);  /* embedded: before looking for completions */
void cedi_uring_signal(uring *); /* embedded: something is left */
bool cedi_uring_timeout(uring *, uint64_t timeout_ns); /* false: no room for its entry */
void cedi_uring_timed_out(uring *, uint64_t number);
uint64_t cedi_uring_now(void *self);
uint64_t cedi_uring_now_coarse(void *self);

/* ---- uring_ready.c -------------------------------------------------------------------------- */

/* Queues an entry that polls. False: no room for it. */
bool cedi_uring_ready_entry(uring *, int native, unsigned events, uint64_t user_data);
/* Queues the entry by which a job waits until its work's descriptor can be read (POLLIN) or written
 * (POLLOUT). False: no room for it. */
bool cedi_uring_ready_ask(uring *, uring_job *, unsigned events);
/* All of a work that waits so, by a job of this kind; like any start_. */
bool cedi_uring_ready_start(uring *, const cede_work *, unsigned kind, unsigned events);
/* Of that entry's completion. False: it is not ready, and waits on. Else what is so (as poll tells
 * it), or an error, stands in *result. */
bool cedi_uring_ready_came(uring *, uring_job *, int *result);
/* What that is for a request that polls: of CEDE_POLL_. */
int cedi_uring_ready_told(const uring_job *, int result);
void cedi_uring_ready_left(uring_job *); /* nothing is kept any more */

/* ---- uring_handle.c ------------------------------------------------------------------------- */

cede_status cedi_uring_attach(void *self, intptr_t native, uint32_t *kind);
bool cedi_uring_start_close(uring *, const cede_work *);
/* In the call; returns true. */
bool cedi_uring_close_here(uring *, const cede_work *);

/* ---- uring_job.c ---------------------------------------------------------------------------- */

/* A record for a work; NULL: out of memory, which is cedi_uring_no_record's. */
uring_job *cedi_uring_job_new(uring *, const cede_work *, unsigned kind);
/* Taken, and reported: there is no memory for what it needs. Returns true. */
bool cedi_uring_no_record(uring *, const cede_work *);
uring_job *cedi_uring_job_find(const uring *, uint64_t token);
void cedi_uring_job_free(uring *, uring_job *);
bool cedi_uring_to_pool(uring *, const cede_work *); /* returns true */
/* With a child's streams, which are the work's from here, whatever comes of it. */
bool cedi_uring_to_pool_with(uring *, const cede_work *, const int streams[3]);
/* A record that has been in the ring goes there for its last step. False: it could not;
 * nothing has changed. */
bool cedi_uring_job_to_pool(uring *, uring_job *);
void cedi_uring_take_finished(uring *);
void cedi_uring_job_completed(uring *, uint64_t token, int result);
int cedi_uring_job_cancel(uring *, uring_job *);
void cedi_uring_jobs_free(uring *);
void cedi_uring_stat_convert(cede_stat *); /* in place, from a struct statx */

/* ---- uring_net.c ---------------------------------------------------------------------------- */

bool cedi_uring_start_listen(uring *, const cede_work *);
bool cedi_uring_start_connect(uring *, const cede_work *);
bool cedi_uring_start_accept(uring *, const cede_work *);
bool cedi_uring_start_pair(uring *, const cede_work *);
bool cedi_uring_start_recv(uring *, const cede_work *);
bool cedi_uring_start_recv_all(uring *, const cede_work *);
bool cedi_uring_start_send(uring *, const cede_work *);
bool cedi_uring_start_send_all(uring *, const cede_work *);
bool cedi_uring_start_sendv(uring *, const cede_work *);
bool cedi_uring_start_shutdown(uring *, const cede_work *);
bool cedi_uring_start_datagram(uring *, const cede_work *);
bool cedi_uring_start_recvfrom(uring *, const cede_work *);
bool cedi_uring_start_sendto(uring *, const cede_work *);
bool cedi_uring_start_group(uring *, const cede_work *);
bool cedi_uring_start_name(uring *, const cede_work *);
bool cedi_uring_start_set_option(uring *, const cede_work *);
bool cedi_uring_start_get_option(uring *, const cede_work *);
bool cedi_uring_start_accept_many(uring *, const cede_work *);
bool cedi_uring_socket_transfer(uring *, const cede_work *, bool sends, int flags);
/* Of a stream or terminal, where nothing is asked for. */
bool cedi_uring_nothing(uring *, const cede_work *, bool writes);
void cedi_uring_net_completed(uring *, uring_job *, int result);

/* ---- uring_pool.c --------------------------------------------------------------------------- */

bool cedi_uring_start_recv_pool(uring *, const cede_work *);
bool cedi_uring_start_recv_many(uring *, const cede_work *);
void cedi_uring_pick_completed(uring *, uring_job *, int result);
void cedi_uring_pick_left(uring_job *); /* the kernel will not have it: its buffer goes back */
void cedi_uring_shot(uring *, uint64_t token, int result, unsigned flags);
void cedi_uring_pool_give(void *self, cede_pool_view *, uint32_t number);
int cedi_uring_pool_group(const cede_pool_view *); /* -1: the kernel has none of its buffers */
void cedi_uring_pool_close(void *self, cede_pool_view *);
void cedi_uring_pools_free(uring *);

/* ---- uring_file.c --------------------------------------------------------------------------- */

bool cedi_uring_start_send_file(uring *, const cede_work *);
void cedi_uring_file_completed(uring *, uring_job *, int result);
int cedi_uring_file_cancel(uring *, uring_job *);
/* Before its record goes: gives back what it holds; returns what moved. */
uint64_t cedi_uring_file_left(uring *, uring_job *);
void cedi_uring_files_serve(uring *); /* there may be a buffer for those that wait */
void cedi_uring_files_free(uring *);

/* ---- uring_zero.c --------------------------------------------------------------------------- */

bool cedi_uring_start_send_zero_copy(uring *, const cede_work *);
void cedi_uring_zero_told(uring *, uint64_t token, int result);
void cedi_uring_zero_completed(uring *, uring_job *, int result);
int cedi_uring_zero_cancel(uring *, uring_job *);

/* ---- uring_lookup.c ------------------------------------------------------------------------- */

bool cedi_uring_start_lookup(uring *, const cede_work *);
void cedi_uring_lookup_came_home(uring *, cedi_pool_job *);
int cedi_uring_lookup_cancel(uring *, uring_job *);
void cedi_uring_lookups_free(uring *);

/* ---- uring_signal.c ------------------------------------------------------------------------- */

bool cedi_uring_start_signal_many(uring *, const cede_work *);
void cedi_uring_signals_came(uring *); /* tells what has come */
int cedi_uring_signal_cancel(uring *, uring_job *);
void cedi_uring_signals_leave(uring *);

/* ---- uring_child.c -------------------------------------------------------------------------- */

bool cedi_uring_start_spawn(uring *, const cede_work *);
bool cedi_uring_start_child_wait(uring *, const cede_work *);
bool cedi_uring_start_child_kill(uring *, const cede_work *);
void cedi_uring_child_completed(uring *, uring_job *, int result);
/* A handle is about to be closed. False: there is no room in the queue now. */
bool cedi_uring_child_left(uring *, int native);
void cedi_uring_child_forget(uring *, int native);

/* ---- uring_watch.c -------------------------------------------------------------------------- */

bool cedi_uring_start_watch_many(uring *, const cede_work *);
void cedi_uring_watch_completed(uring *, uring_job *, int result);

/* ---- uring_fifo.c --------------------------------------------------------------------------- */

/* With the system's flags. */
bool cedi_uring_start_open(uring *, const cede_work *, int flags);
void cedi_uring_open_completed(uring *, uring_job *, int result);
int cedi_uring_fifo_cancel(uring_job *);

#endif
