/*
 * The conformance suite: holds a cede backend to the contract (docs/contract.md).
 *
 * For three readers. Who writes a case uses the context `cft` and its helpers (README.md has an
 * example). Who writes a backend of their own fills in a cft_world and calls cft_main with it, in
 * a program linked with the library cede_conformance. Who runs the suite uses `cede-conformance`.
 *
 * A case is a function of cases.def. It runs once for each schedule that it names and that the
 * world can make, each time on a fresh loop, in a child process. What the helpers route, count and
 * check differs from schedule to schedule; the case's own text stays the same:
 *
 *     S0   plain                                 S7   completions forced at once, forced late
 *     S1   cancel in the same batch as submit    S8   rings and queues of 1 or 2 entries
 *     S2   frozen in the kernel                  S9   the k-th fallible call fails, for every k
 *     S3   completed, not yet delivered          S10  each submitting thread exits
 *     S4   delivered, memory and slot reused     S11  seeded orders (sim), every order (sim)
 *     S5   submits and wishes from a thread      S12  the loop is closed at each step
 *     S6   submits and wishes in a callback      S13  capability masks: an older kernel
 *
 * Threads: all helpers are for the thread that runs the case, and for callbacks on it. Lifetime:
 * all memory that a helper returns lives to the end of the run, but requests and what was given to
 * cft_buffer and cft_input, which are freed inside their done (law 4).
 */
#ifndef CEDE_CONFORMANCE_H
#define CEDE_CONFORMANCE_H

#include "cede/backend.h"
#include "cede/cede.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CFT_SCHEDULE(n) (1u << (n))
#define CFT_SCHEDULES   14

typedef struct cft cft;
typedef struct cft_rec cft_rec;
typedef struct cft_world cft_world;

/* ---- Checks --------------------------------------------------------------------------------- */

/* Always holds. A failure prints what is pending and how to replay, and ends the process. */
#define CFT_CHECK(t, condition) \
    ((condition) ? (void)0 : cft_failed((t), __FILE__, __LINE__, #condition))
/* Holds unless this run has injected a failure (S9), maybe just now in asking: then only the laws
 * hold, not the outcome. */
#define CFT_EXPECT(t, condition)                     \
    (cft_faulted(t) || (condition) || cft_faulted(t) \
         ? (void)0                                   \
         : cft_failed((t), __FILE__, __LINE__, #condition))
/* Expects (as above) the delivered status; prints both names if it differs. */
#define CFT_STATUS(t, rec, status_) cft_expect_status((t), (rec), (status_), __FILE__, __LINE__)
#define CFT_OK(t, rec)              CFT_STATUS(t, rec, CEDE_OK)
/* Expects CEDE_OK and this count; where the schedule shortens transfers, 1 up to this count. */
#define CFT_MOVED(t, rec, count_) cft_expect_moved((t), (rec), (count_), __FILE__, __LINE__)
/* Expects `status` with the cause flag `by` (CEDE_BY_...). */
#define CFT_ENDED(t, rec, status_, by) \
    cft_expect_ended((t), (rec), (status_), (by), __FILE__, __LINE__)

void cft_failed(cft *, const char *file, int line, const char *what);
bool cft_faulted(const cft *);
void cft_expect_status(cft *, const cft_rec *, cede_status, const char *file, int line);
void cft_expect_moved(cft *, const cft_rec *, uint64_t, const char *file, int line);
void cft_expect_ended(cft *, const cft_rec *, cede_status, uint32_t by, const char *file, int line);

/* The case cannot run here, for a reason with a row in deviations.def. Does not return. */
void cft_skip(cft *, const char *condition);
/* The case is about an operation: where the backend has none of it yet, it is skipped. */
void cft_needs(cft *, uint32_t op);
/* Whether the system is known not to do what is documented (wine.def has the id): the case then
 * asserts what it does instead, and is counted apart. */
bool cft_deviates(cft *, const char *id);
/* A line that is printed with a failure. */
void cft_note(cft *, const char *format, ...);

/* ---- The run -------------------------------------------------------------------------------- */

uint32_t cft_schedule(const cft *); /* 0 to 13 */
uint32_t cft_variant(const cft *);
const char *cft_backend(const cft *);
uint64_t cft_random(cft *); /* from the run's seed */
uint32_t cft_below(cft *, uint32_t bound);
/* Zeroed memory to the end of the run. */
void *cft_alloc(cft *, size_t bytes);
/* Calls fn(context) at the run's end, however it ends, when its loops are closed: what is not the
 * loops' is given back there. The last that was asked for comes first. */
void cft_at_end(cft *, void (*fn)(void *), void *context);
/* Bytes that follow from the seed: the same for the same offset and key. */
void cft_fill(void *memory, size_t bytes, uint64_t key, uint64_t offset);
bool cft_filled(const void *memory, size_t bytes, uint64_t key, uint64_t offset);

/* The run's loop, opened at first use as the schedule wants it. */
cede_loop *cft_loop(cft *);
/* The same options, for a case that opens a loop itself; cft_open opens one that the end of the
 * run closes. NULL after an injected failure: then cft_open does not return. */
void cft_options(cft *, cede_options *out);
cede_loop *cft_open(cft *, const cede_options *);
/* Drives the loop. cft_run: cede_run; fails the case on a negative return. */
int64_t cft_run(cft *, uint64_t at_most_ns);
/* Hands what is staged to the kernel, and looks once at what came back. */
void cft_flush(cft *);
/* Until this request's done has returned; after an injected failure it is cancelled if need be. */
void cft_await(cft *, cft_rec *);
/* cede_wait itself. */
cede_status cft_wait(cft *, const cft_rec *, uint64_t at_most_ns);
/* cede_run, cede_wait and cede_loop_close of any loop, on any thread, under record. */
int64_t cft_run_on(cede_loop *, uint64_t at_most_ns);
cede_status cft_wait_on(cede_loop *, cede_ticket, uint64_t at_most_ns);
cede_status cft_close_on(cft *, cede_loop *, uint64_t at_most_ns);
/* Until the loop is idle; after an injected failure what hangs is cancelled. */
void cft_settle(cft *);
/* Closes the run's loop: all that is recorded must be delivered. CEDE_OK or CEDE_EDEADLINE. */
cede_status cft_close(cft *, uint64_t at_most_ns);

/* How often the library has asked its allocator for memory, in this process. A checked build does
 * so
 * for each request in memory of pages of its own; the case has none of that from here on. */
uint64_t cft_allocations(void);
/* How many blocks of it the library has. */
int64_t cft_blocks(void);
void cft_plain_memory(cft *);

/* ---- Requests under record ------------------------------------------------------------------ */

/*
 * A request of its own, and what became of it. `req` is the library's from submit to done and
 * freed when done has returned, unless `then` submitted it anew. cft_reuse gives a finished record
 * a fresh request.
 */
struct cft_rec {
    cft *t;
    cede_req *req;
    cede_ticket ticket;
    cede_loop *loop;
    uint32_t id;
    uint32_t op;
    uint32_t submitted;   /* times */
    uint32_t done;        /* times */
    uint32_t started_at;  /* value of the run's event counter when submitted */
    uint32_t done_at;     /* when done was entered */
    uint32_t returned_at; /* when done was left */
    cede_result result;
    unsigned char *bytes; /* what the buffer held when done came (cft_buffer) */
    size_t buffer_bytes;
    void (*then)(cft_rec *); /* inside done; owns req (the buffer and the inputs are freed) */
    void *data;              /* the case's */
    uint64_t number;         /* the case's */
    const char *where;
    cft_rec *next;
    void *ceded_[4]; /* freed in done */
    size_t ceded_bytes_[4];
    uint32_t ceded_count_;
    void *buffer_;
    cft_rec *linked_; /* submitted with this one */
    cft_rec *heir_;   /* S4: takes over the memory of the request */
    bool is_heir_;
    bool on_stack_; /* its done is running */
};

cft_rec *cft_new(cft *);
cft_rec *cft_reuse(cft_rec *);
/* Output memory, ceded with the request: copied to rec->bytes and freed when done comes. */
void *cft_buffer(cft_rec *, size_t bytes);
/* A copy of some input, lent with the request and freed when done comes. */
void *cft_input(cft_rec *, const void *bytes, size_t count);

/* Submits to the run's loop, by the schedule's way (directly, from a thread, in a callback). */
#define cft_submit(rec) cft_submit_at((rec), CEDE_HERE)
cede_ticket cft_submit_at(cft_rec *, const char *where);
/* Submits and awaits. */
#define cft_do(rec) cft_do_at((rec), CEDE_HERE)
void cft_do_at(cft_rec *, const char *where);
/* Directly, whatever the schedule; to any loop. */
#define cft_submit_on(rec, loop) cft_submit_on_at((rec), (loop), CEDE_HERE)
cede_ticket cft_submit_on_at(cft_rec *, cede_loop *, const char *where);
/* From the calling thread, which may be any, by cede_submit_remote. The record must be known to no
 * other thread until it is done. */
#define cft_submit_remote(rec, loop) cft_submit_remote_at((rec), (loop), CEDE_HERE)
cede_ticket cft_submit_remote_at(cft_rec *, cede_loop *, const char *where);
/* cede_link: `next` counts as submitted when `first` is. */
void cft_link(cft_rec *first, cft_rec *next);
/* Prepares, submits and awaits a nop: a turn has passed. */
void cft_turn(cft *);
/* Whether done has come as often as submit. */
bool cft_is_done(const cft_rec *);
/* Whether an operation is repeated until all of it is done; gives items; makes a handle. */
bool cft_is_whole(uint32_t op);
bool cft_is_many(uint32_t op);
bool cft_makes_handle(uint32_t op);

/* Wishes, by the schedule's way. */
void cft_cancel(cft *, cede_ticket);
void cft_fail(cft *, cede_ticket, cede_status why);
void cft_complete(cft *, cede_ticket, cede_status, uint64_t count);
void cft_drop(cft *, cede_handle);
/* Runs fn(context) by the schedule's way: directly (most), on a thread (S5, S10), inside a
 * callback (S6); returns when it has returned. */
void cft_act(cft *, void (*fn)(void *), void *context);
/* Starts fn(context) on a thread of its own, after a seeded delay without sleep; cft_join waits
 * for all of these. The run's end joins too. */
void cft_thread(cft *, void (*fn)(void *), void *context);
void cft_join(cft *);
/* A seeded number of spins and yields; the state is the caller's. */
void cft_dawdle(uint64_t *state);

/* Brings a submitted request to the schedule's point: S1 nothing, S2 in flight (after cft_freeze:
 * frozen), S3 completed but not delivered, S4 delivered and its memory and slot in use again; else
 * flushed. `feed` (may be NULL) makes completion possible where that needs somebody else. */
void cft_reach(cft *, cft_rec *, void (*feed)(cft *, void *), void *context);
/* Whether the schedule's point lies behind the completion (S3, S4). */
bool cft_late(const cft *);

/* ---- Files ---------------------------------------------------------------------------------- */

/* A path in the run's own empty directory. */
const char *cft_path(cft *, const char *name);
/* Makes a file with these bytes (NULL: a cft_fill of that key). Not through cede. */
const char *cft_file(cft *, const char *name, const void *bytes, uint64_t count, uint64_t key);
/* Makes a named pipe; skips the case where there are none. */
void cft_fifo(cft *, const char *name);
/* Its length, or -1 if it is not there; and its content. Not through cede. */
int64_t cft_file_size(cft *, const char *name);
uint64_t cft_file_read(cft *, const char *name, void *out, uint64_t count, uint64_t offset);
/* Opens through cede and waits. 0 after an injected failure. */
cede_handle cft_opened(cft *, const char *name, uint32_t flags);
/* Tries to, expects this, and closes what it made. */
void cft_open_says(cft *, const char *name, uint32_t flags, cede_status);
/* Closes through cede and waits. */
void cft_closed(cft *, cede_handle);
/* Dropped at the run's end if no loop has it then: one that an item or an import brought. Those of
 * results are kept by themselves. */
void cft_keep_handle(cft *, cede_handle);
/* From here only about `more` further descriptors can be had. */
void cft_limit_descriptors(cft *, uint32_t more);
/* The same, and then takes all that can be had. */
void cft_no_descriptors(cft *);

/* ---- Pipes ---------------------------------------------------------------------------------- */

/* A pipe with one end in cede and the other in the test's hands. */
typedef struct cft_pipe {
    cede_handle handle;
    intptr_t peer;   /* the world's; -1: closed */
    intptr_t native; /* the descriptor of the end in cede; -1: the world has none to show */
} cft_pipe;

cft_pipe cft_pipe_reader(cft *); /* cede reads, the peer writes */
cft_pipe cft_pipe_writer(cft *); /* cede writes, the peer reads */
/* Both ends in cede. */
void cft_pipe_both(cft *, cede_handle *reader, cede_handle *writer);
/* Without waiting: how many bytes went or came. cft_peer_read returns 0 for none now. */
size_t cft_peer_write(cft *, cft_pipe *, const void *bytes, size_t count);
size_t cft_peer_read(cft *, cft_pipe *, void *out, size_t count);
void cft_peer_close(cft *, cft_pipe *);
/* Fills the pipe through cede, with cft_fill of key 9; returns how much it holds. */
size_t cft_pipe_fill(cft *, cft_pipe *writer);

/* ---- Sockets -------------------------------------------------------------------------------- */

/* What cft_connected connects by. */
enum { CFT_TCP, CFT_TCP6, CFT_LOCAL, CFT_PAIR };

/* Where a listener of this kind can be: the loopback interface and any port; a local name that is
 * new each time. Not for CFT_PAIR. */
cede_address cft_address(cft *, uint32_t kind);
cede_address cft_mapped_loopback(uint16_t port); /* 127.0.0.1 as IPv6 writes it */
/* Listens there, and tells where it is. 0 after an injected failure, as all of these. */
cede_handle cft_listening(cft *, uint32_t kind, cede_address *at);
/* The same, for what happens when it is closed: nobody else gets its port before the run's end,
 * because a connection that it accepted has it. Not for CFT_LOCAL. */
cede_handle cft_listening_alone(cft *, uint32_t kind, cede_address *at);
/* Two streams connected to each other; `one` is the client's, where there is one. */
void cft_connected(cft *, uint32_t kind, cede_handle *one, cede_handle *other);
/* Prepares it; when it is done, the second handle is rec->number (0: none). */
void cft_prep_pair(cft_rec *, uint32_t what);
/* A datagram socket at the loopback interface, and where that is. */
cede_handle cft_datagrams(cft *, uint16_t family, cede_address *at);
/* Prepared and submitted. Inputs are copied. */
cft_rec *cft_connect(cft *, const cede_address *to);
cft_rec *cft_accept(cft *, cede_handle listener);
cft_rec *cft_recv(cft *, cede_handle, size_t bytes);
/* Each transfer that reads of 0 bytes from the one, that writes to the other: all say this. */
void cft_move_nothing(cft *, cede_handle in, cede_handle out, cede_status expected);
cft_rec *cft_recv_all(cft *, cede_handle, size_t bytes);
cft_rec *cft_send(cft *, cede_handle, const void *bytes, size_t count);
cft_rec *cft_send_all(cft *, cede_handle, const void *bytes, size_t count);
cft_rec *cft_recvfrom(cft *, cede_handle, size_t bytes, cede_address *from);
cft_rec *cft_sendto(cft *, cede_handle, const void *bytes, size_t count, const cede_address *to);
cft_rec *cft_close_of(cft *, cede_handle);
/* Submitted and awaited; the name is CEDE_ADDRESS_NONE if there is none. */
cede_status cft_name(cft *, cede_handle, uint32_t which, cede_address *out);
cft_rec *cft_set(cft *, cede_handle, uint32_t option, int64_t value);
void cft_shut(cft *, cede_handle); /* shuts down, which must succeed */
/* Receives until it has `bytes` or the end; returns how many there were. */
size_t cft_take(cft *, cede_handle, void *out, size_t bytes);
/* Makes little room between them, so that a large send pends. */
void cft_narrow(cft *, cede_handle from, cede_handle to);
/* Sends and receives a few bytes each way. */
void cft_talk(cft *, cede_handle one, cede_handle other);

/* ---- Pools ---------------------------------------------------------------------------------- */

/* A pool of the run's loop, which is closed at the run's end if cft_pool_close was not called. If
 * nothing is pending when the case returns, each buffer that is not out must be there: receives ask
 * for all of them. NULL: an injected failure. */
cede_pool *cft_pool_open(cft *, uint32_t count, uint32_t bytes, uint32_t headroom);
void cft_pool_close(cft *, cede_pool *);

/* ---- Children, signals, watches ------------------------------------------------------------- */

/* The program that cases start as a child: this one, which then does what words[0] says (child.c
 * tells what there is); in a simulated world one that does the same. */
const char *cft_program(cft *);
/* Prepared, not submitted. Its input or output is one of these (0: the null device); rec->data is
 * the cede_spawn, lent with the request, and rec->bytes will have its number. */
cft_rec *cft_prep_child(cft *, cede_handle input, cede_handle output, const char *const *words);
/* Started. 0 after an injected failure, as below. */
cede_handle cft_child(cft *, cede_handle input, cede_handle output, const char *what);
/* A pipe (CEDE_PAIR_TO_CHILD or _FROM_CHILD): this side's end, and the child's. */
cede_handle cft_half(cft *, uint32_t what, cede_handle *its);
cft_rec *cft_child_wait(cft *, cede_handle child); /* submitted */
cft_rec *cft_child_kill(cft *, cede_handle child, uint32_t how);
/* Whether the child with this number runs, or has ended and still takes room in the system; false
 * where there is no such thing. */
bool cft_has_child(cft *, uint64_t number);
/* Whether somebody takes a signal to this process: 1, 0, or -1 where that cannot be known. */
int cft_taken(cft *, uint32_t signal);
/* Sends CEDE_SIGNAL_INTERRUPT or CEDE_SIGNAL_QUIT to this process, where cft_ignored is true any
 * signal. False: nobody takes it, and it was not sent. */
bool cft_raise(cft *, uint32_t signal);
/* From here to the run's end this process ignores a signal, as if it had been started so. False:
 * there is no such thing. */
bool cft_ignored(cft *, uint32_t signal);
/* So many changes are more than a watch keeps while nobody reads them. */
uint32_t cft_watch_room(const cft *);

/* From here look-ups of names hang, until they are let go or the run ends. Skips where the world
 * cannot. */
void cft_hold_lookups(cft *);
void cft_release_lookups(cft *);
/* Until the system was asked, and hangs; or the request was done before. */
void cft_until_lookup_hangs(cft *, const cft_rec *);

/* ---- Freezing the kernel -------------------------------------------------------------------- */

/* Memory that the world can take from under the kernel. */
void *cft_frozen_buffer(cft *, size_t bytes);
/* After the submit: from here the kernel stops half way in that memory. */
void cft_freeze(cft *);
/* Drives the loop until the kernel has stopped there. */
void cft_frozen_await(cft *);
void cft_frozen_await_on(cft *, cede_loop *);
/* Lets it go on. From any thread. */
void cft_thaw(cft *);
/* A file of at least `bytes` bytes whose reads the world can freeze without blocking the loop. */
const char *cft_frozen_file(cft *, size_t bytes);
/* Whether the world can freeze; a case that must asks first, and skips. */
bool cft_can_freeze(const cft *);

/* ---- Misuse --------------------------------------------------------------------------------- */

/* Runs fn in a process of its own, which must stop with one line that contains each of the texts
 * (NULL-terminated list) and by a signal or a failing exit. No loop may be open. */
void cft_dies(cft *, void (*fn)(cft *, void *), void *context, const char *const *texts);
/* Runs fn in a process of its own that must end well. */
void cft_lives(cft *, void (*fn)(cft *, void *), void *context);
/* Whether such a process is a copy of this one (fork), with all that this one has. */
bool cft_can_fork(const cft *);
/* What follows changes its process for good: under --no-fork the case is left. */
void cft_alone(cft *);

/* ---- Worlds: what a backend brings with it --------------------------------------------------- */

/* S9, for worlds: counts the calls that may fail, of any thread; the k-th does, once or for good.
 * That is two hundred calls, since some wait until it is over (a close that lingers, for a thread).
 */
typedef struct cft_kth {
    uint32_t mode; /* the world's */
    _Atomic uint64_t k, calls;
    _Atomic bool hit; /* one did, since the run began */
} cft_kth;

void cft_kth_arm(cft_kth *, uint32_t mode, uint64_t k); /* 0: none fails */
/* One more call, by a name for the notes: whether it is to fail. */
bool cft_kth_fails(cft *, cft_kth *, const char *call, bool for_good);

/* All functions are called on the case's thread. `state` is what start returned. */
struct cft_world {
    const char *name;          /* in test names; also the backend's name unless table is set */
    const cede_backend *table; /* NULL: by name */
    uint32_t schedules;        /* an OR of CFT_SCHEDULE(n) that it can make */
    /* Whether it can run here at all; if not, the condition of a row of deviations.def. */
    const char *(*unusable)(void);
    /* Into how many variants it makes a schedule (S7, S8, S11, S13; from 1). NULL: one each. */
    uint32_t (*variants)(uint32_t schedule);
    /* Before and after each run. */
    void *(*start)(cft *);
    void (*end)(cft *, void *state);
    /* Instead of end, when the process is about to stop: removes what would stay behind. */
    void (*abandon)(void *state);
    /* Completes options for the run's schedule and variant. */
    void (*options)(cft *, void *state, cede_options *);
    /* What the run has open in the world's own system: descriptors. Must be the same before and
     * after. Where counting them is dear, open_in_process: before and after all runs of a case that
     * one process makes. One of the two. */
    int64_t (*open_natives)(cft *, void *state);
    uint32_t (*open_in_process)(void);
    /* From here only about `more` further descriptors can be had, until end. NULL: cannot. */
    void (*limit)(cft *, void *state, uint32_t more);
    void (*path)(cft *, void *state, const char *name, char *out, size_t bytes);
    /* A name for a local socket, of at most CEDE_ADDRESS_PATH bytes. NULL: like path. */
    void (*local)(cft *, void *state, const char *name, char *out, size_t bytes);
    void (*make_file)(cft *, void *state, const char *name, const void *bytes, uint64_t count);
    void (*make_fifo)(cft *, void *state, const char *name); /* NULL: there are none */
    int64_t (*file_size)(cft *, void *state, const char *name);
    uint64_t (*file_read)(cft *, void *state, const char *name, void *out, uint64_t count,
                          uint64_t offset);
    /* Makes a pipe. An end that is not NULL becomes a handle in cede (0 after an injected failure:
     * then it is closed), the other is the peer's, which both know. False: out of room. */
    bool (*pipe)(cft *, void *state, cft_pipe *reader, cft_pipe *writer);
    uint64_t (*pipe_bytes)(cft *, void *state, const cft_pipe *); /* how much it holds */
    int64_t (*peer_write)(cft *, void *state, intptr_t peer, const void *bytes, size_t count);
    int64_t (*peer_read)(cft *, void *state, intptr_t peer, void *out, size_t count);
    void (*peer_close)(cft *, void *state, intptr_t peer);
    /* The program that children run; NULL: this one. */
    const char *(*program)(cft *, void *state);
    /* See cft_raise and cft_taken. NULL: cannot; not to be known. */
    bool (*raise)(cft *, void *state, uint32_t signal);
    int (*signal_taken)(cft *, void *state, uint32_t signal);
    /* See cft_ignored. NULL: there is no such thing. */
    void (*ignore)(cft *, void *state, uint32_t signal, bool ignored);
    /* See cft_has_child. NULL: there is no such thing. */
    bool (*has_child)(cft *, void *state, uint64_t number);
    uint32_t watch_room; /* see cft_watch_room; 0: 16384 */
    /* Freezing; all NULL: it cannot. frozen tells whether the kernel has stopped there. */
    void *(*frozen_buffer)(cft *, void *state, size_t bytes);
    void (*freeze)(cft *, void *state);
    bool (*frozen)(cft *, void *state);
    void (*thaw)(cft *, void *state);
    const char *(*frozen_file)(cft *, void *state, size_t bytes);
    /* From here look-ups of names hang, or do not any more; the end of a run waits for those that
     * were left. NULL: cannot. */
    void (*hold_lookups)(cft *, void *state, bool hold);
    /* How many have begun to since then, and do. NULL: each that was started. */
    uint32_t (*hanging_lookups)(void);
    /* S3: flushes, and lets the kernel complete what can complete, without delivering. */
    void (*complete)(cft *, void *state);
    /* S9: the k-th fallible call of the world's system from here on fails (0: none). mode is from
     * 0 up to fault_modes. True when it did. */
    uint32_t fault_modes;
    void (*fault)(cft *, void *state, uint32_t mode, uint64_t k);
    bool (*fault_hit)(cft *, void *state);
    /* The major version of Wine that this runs on; 0 or NULL: on none. */
    uint32_t (*wine)(void);
    /* Of the permission bits, those that the system keeps; 0: all. */
    uint32_t mode_bits;
    /* Whether this run's schedule may shorten transfers. */
    bool (*shortens)(cft *, void *state);
    /* S11, exhaustive: runs `program` once for every order of events that it can meet, with a value
     * that cft_given returns to start; stops when program returns nonzero. NULL: cannot. */
    void (*explore)(int (*program)(void *context, void *given), void *context);
};

/* What explore gave for this run; NULL in other runs. */
void *cft_given(const cft *);

/* Of the permission bits, those that the world's system keeps. */
uint32_t cft_mode_bits(const cft *);

/* The worlds of the library's own backends. */
extern const cft_world cft_world_io_uring;
extern const cft_world cft_world_sim;
extern const cft_world cft_world_win32_iocp;
extern const cft_world cft_world_win32_apc;

/* The runner: `worlds` ends with NULL. Returns the exit status. */
int cft_main(int argc, char **argv, const cft_world *const *worlds);

/* ---- The cases ------------------------------------------------------------------------------ */

#define CONFORMANCE_CASE(name, law, sentence, backends, schedules) void cft_case_##name(cft *);
#include "cases.def"
#undef CONFORMANCE_CASE

#define CFT_CASE(name) void cft_case_##name(cft *t)

#ifdef __cplusplus
}
#endif
#endif
