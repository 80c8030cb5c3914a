/*
 * The inside of the Windows backend.
 *
 *     win.c      the vtables "win32-iocp" and "win32-apc": open, close, bind, what is small
 *     calls.c    the seam for injection: every system call whose odd results matter
 *     ops.c      from work to what carries it out: one function an operation; cancel
 *     io.c       transfers: issued, settled in ONE place, reported
 *     size.c         how much one call is asked for
 *     console.c      terminals
 *     pick.c         receives into buffers of a pool
 *     sendfile.c     files to streams
 *     lookup.c       look-ups of hosts, which outlive their loop if they must
 *     net.c socket.c local.c   sockets, and streams at local names, which are pipes; see net.h
 *     signal.c console events   watch.c   changes of directories   poll.c   readiness
 *     spawn.c command.c   children     object.c   waits for what can be signalled
 *     port.c     the completion port: the wait, the batch of packets, wakes
 *     apc.c      the APC lane, and the event lane for handles that belong to a foreign port
 *     embed.c    the event for those who wait in a loop of their own
 *     file.c     what is known of each handle: lane, kind, position; attach, detach
 *     record.c   records of what was taken: made in chunks, recycled, found by token
 *     job.c      what blocks, on threads; with a cancel that cannot hit the wrong call
 *     plain.c    their transfers of handles that were not made for overlapped I/O
 *     ../pool/   those threads
 *     path.c     from UTF-8 to a path that means one thing; why a look-up failed
 *     text.c     names in the system's units and as ours
 *     open.c name.c read_only.c stat.c dir.c room.c copy.c    what the threads run, by subject
 *     error.c    Win32 errors to statuses             os.c    what the core needs of the system
 *
 * What the kernel knows is a win_io: it holds the OVERLAPPED, is recycled and never freed before
 * close, so that nothing that comes late can touch a caller's memory, nor another work's: a packet
 * or routine is believed only if its record waits for one, and if the kernel has written its
 * OVERLAPPED since the record was issued (io.c: cedi_win_arrived).
 *
 * Threads: everything is called on the loop's thread, but wake, discard, what a pool thread runs
 * (job.c and the files behind it, which see a copy of the work and no record but their own), the
 * event lane's waits, the threads of embed.c and poll.c, the one that reads the console, the one
 * that registers for its events (signal.c), and those of the system that answer a look-up or bring
 * a console event. APCs run on the loop's thread, inside whatever alertable wait it makes, ours or
 * the program's: they append to a list and do no more.
 */
#ifndef CEDE_WIN32_WIN_H
#define CEDE_WIN32_WIN_H

#include "system.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cede/backend.h"
#include "cede/file.h"
#include "cede/win32.h"

#include "../mutants.h"
#include "../pool/pool.h"
#include "error.h"

extern const cede_backend cede_win32_iocp_backend;
extern const cede_backend cede_win32_apc_backend;

/* The library's allocator (src/core/memory.c); zeroed memory. */
void *cedi_memory_get(size_t bytes);
void cedi_memory_free(void *);

#define WIN_ROUND_BYTES  0x7ffff000u /* what one call is asked to move at most */
#define WIN_BOUNCE_BYTES 65536u      /* vectors are gathered and scattered through so much */
#define WIN_ALIGNMENT    4096u       /* of our own buffers, for unbuffered files */
#define WIN_TO_END       UINT64_MAX  /* the offset of a write that appends */
#define WIN_FILE_MOST    (UINT64_C(1) << 44) /* beyond it, not every file system goes */
#define WIN_SHARE_ALL    (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

typedef struct win win;
typedef struct win_io win_io;
typedef void win_routine(void); /* a completion routine, as the seam passes it */

/* ---- Handles -------------------------------------------------------------------------------- */

enum {
    WIN_LANE_NONE,  /* not for transfers: a directory */
    WIN_LANE_PORT,  /* bound to the loop's port */
    WIN_LANE_APC,   /* bound to none: by completion routines */
    WIN_LANE_EVENT, /* bound to somebody else's port: by events */
    WIN_LANE_SYNC,  /* not made for overlapped I/O: on threads */
    WIN_LANE_LATER  /* a socket that has had no transfer: it may be here to be polled, only */
};

enum { WIN_CONSOLE_NONE, WIN_CONSOLE_INPUT, WIN_CONSOLE_OUTPUT };

/* The beginning of a character whose end is in a later write to a console. */
typedef struct win_part {
    char bytes[3];
    uint8_t count;
} win_part;

/* What the loop knows of a handle that it has used. Two handles of cede may name one of the
 * system's, if one is borrowed; they share this. */
typedef struct win_file {
    struct win_file *chain; /* in the table; free list */
    intptr_t native;
    uint64_t position;     /* the system keeps none for overlapped handles */
    uint64_t end_seen;     /* how long it was known to be: what lies beyond leaves a hole */
    win_io *at_position;   /* the one that uses the position now */
    win_io *first, *last;  /* those that wait for it */
    uint32_t names;        /* handles of cede that are attached to it */
    uint32_t pending;      /* transfers */
    uint32_t access;       /* granted rights; 0: not known */
    uint32_t quota;        /* pipes: what a write may have pending, see file.c */
    uint32_t most;         /* what a call is asked for, see size.c; 0: no less than the quota */
    uint32_t keep_idle_ms; /* a socket's, where its system cannot be asked: see socket.c */
    uint32_t keep_between_ms;
    struct win_local *local;    /* a listener at a local name */
    struct win_bounce *changes; /* of a watch: what could not be given yet */
    uint32_t changes_at;
    bool lost, gone; /* to be told of a watch */
    bool gone_told;  /* nothing comes any more */
    uint8_t wanted;  /* the lane of a socket that is in none yet */
    uint16_t kind;
    uint16_t family; /* of a socket */
    uint8_t lane;
    uint8_t console; /* WIN_CONSOLE_ */
    win_part part;
    bool socket;          /* Winsock's; else a stream is a pipe */
    bool may_skip;        /* a socket: may be told to send no packets for success */
    bool skips;           /* what succeeds at once sends no packet */
    bool borrowed;        /* when it was attached */
    bool remote;          /* a pipe that leads to another machine */
    bool is_pipe;         /* a real one, and no socket, which is one to most of the system */
    bool appends;         /* every write goes to the end */
    bool closed;          /* not in the table any more */
    bool hole_asked;      /* it was told to be sparse, whatever came of it */
    bool cannot_transmit; /* a socket whose provider sends no files */
} win_file;

/* ---- Records -------------------------------------------------------------------------------- */

enum { WIN_RECORD_IO, WIN_RECORD_JOB };

typedef struct win_record {
    struct win_record *chain; /* in the table; free list */
    uint64_t token;
    cede_pool_view *pool; /* a buffer of it was picked: `number`; NULL: none */
    uint32_t number;
    uint8_t what;
    uint8_t op;
} win_record;

enum {
    WIN_STAGE_IDLE,
    WIN_STAGE_WAITS, /* for the file's position */
    WIN_STAGE_OWED,  /* the kernel has it, and a packet, routine or event will tell */
    WIN_STAGE_FIRED  /* it was told, outside of wait */
};

/* A vectored transfer's way through one buffer; also what a job's results lie in. */
typedef struct win_bounce {
    struct win_bounce *next;
    const cede_vec *vec;
    uint64_t count;
    unsigned char *bytes; /* WIN_BOUNCE_BYTES, aligned */
    unsigned char room[WIN_BOUNCE_BYTES + WIN_ALIGNMENT];
} win_bounce;

static inline unsigned char *cedi_win_aligned(unsigned char *room)
{
    return room + (0 - (uintptr_t)room) % WIN_ALIGNMENT;
}

/* What the event lane needs; kept by its record for good. */
typedef struct win_event {
    HANDLE event;
    PTP_WAIT wait;
    bool leaves;       /* it is not waited for any more: the pool will say what came of it */
    _Atomic bool came; /* it was signalled, which what a wait resets is not any more */
    _Atomic bool told;
} win_event;

struct win_io {
    OVERLAPPED overlapped; /* first: the system names it */
    win_record record;
    win *self;
    win_file *file;
    win_io *next; /* fired; waiting for the position */
    void *buffer; /* of a socket: during the call, an array of `asked` WSABUFs */
    win_bounce *bounce;
    win_event *event;
    struct win_net *net;
    uint32_t (*call)(win *, win_io *); /* what starts it; NULL: a read or write */
    void (*over)(win *, win_io *, uint32_t error, uint32_t bytes); /* NULL: that of a transfer */
    int (*stop)(win *, win_io *); /* a cancel; NULL: by the system, of the file's operation */
    void *owner;                  /* what these three share */
    uint32_t asked;
    uint32_t length; /* of a transfer by the caller's memory: its bytes */
    uint32_t error;  /* of one that has fired */
    uint32_t bytes;
    DWORD flags;               /* of a receive: Winsock's, in and out */
    cede_pool_view *waits_for; /* pick.c */
    char nothing[1];           /* what a read of no bytes reads into */
    uint8_t lane;
    uint8_t stage;
    bool writes;
    bool wished; /* to end it */
};

typedef struct win_job {
    cedi_pool_job pool; /* first */
    win_record record;
    win *self;
    cede_args args; /* a copy */
    intptr_t native, native_other;
    uint64_t moved;
    uint64_t position;         /* of a transfer */
    win_file *file;            /* for the loop's thread only */
    uint32_t access;           /* of native; of a copy: what it is written to */
    uint32_t access_from;      /* of a copy: what it is read of */
    uint32_t asked;            /* of a transfer */
    cede_pool_view *waits_for; /* pick.c */
    uint64_t id;               /* of a child */
    struct win_spawn *spawn;
    win_bounce *scratch; /* what the result is made in */
    /* what came of it */
    cede_status status; /* if error is 0 */
    uint32_t error;
    uint64_t count;
    cede_stat stat;
    /* the handshake of a cancel: see job.c */
    SRWLOCK lock;
    HANDLE thread;
    bool wished;
    bool can_stop;
    bool socket;  /* native is one, for a close; else also a local stream or listener */
    bool console; /* a write to one */
    win_part part;
} win_job;

/* Memory for records of one kind. */
typedef struct win_shelf {
    struct win_shelf_chunk *chunks;
    uint32_t made;
} win_shelf;

/* ---- The instance --------------------------------------------------------------------------- */

/* Keys of packets. */
enum { WIN_KEY_IO = 1, WIN_KEY_POST, WIN_KEY_WAKE, WIN_KEY_SENTINEL, WIN_KEY_STOP };

struct win {
    /* hot */
    cede_core *core;
    HANDLE port;
    cede_win32_calls calls;
    uint64_t owed; /* packets that will come */
    uint64_t apcs; /* routines that will come */
    win_io *fired; /* by routines, oldest first: the loop's thread alone */
    win_io **fired_end;
    win_record **buckets;  /* all that was taken and not reported, by token */
    uint32_t bucket_shift; /* 64 - log2 of their number */
    uint32_t packets;      /* taken at once, at most */
    win_record *free_ios, *free_jobs;
    win_file **files;
    uint32_t file_shift, file_count;
    win_file *free_files;
    cedi_pool *pool;
    uint8_t lane; /* of handles that say nothing */
    bool armed;   /* the sentinel is */

    /* cold */
    cede_win32_config config;
    win_shelf io_shelf, job_shelf, file_shelf;
    win_bounce *free_bounces;
    win_shelf net_shelf;
    struct win_net *free_nets;
    HANDLE timer; /* for waits finer than milliseconds; or NULL */
    HANDLE sentinel;
    OVERLAPPED sentinel_overlapped;
    struct win_embed *embed;
    uint64_t strays; /* packets that nobody waited for */
    char apart[64];
    _Atomic bool woken;          /* a wake is on its way */
    _Atomic bool stranded;       /* it found no way */
    _Atomic(HANDLE) ready;       /* embed.c's event; NULL */
    _Atomic(win_io *) signalled; /* the event lane's, newest first; from other threads */
    _Atomic uint32_t signals;    /* that came and were not told; from other threads */
    win_io *ears;                /* that take some */
    uint32_t hears;              /* all of these; under signal.c's lock, like the next */
    win *next_hearing;
    struct win_poller *poller; /* poll.c's */
    PTP_POOL events;           /* apc.c's; NULL: none yet */
    SRWLOCK visits; /* held by threads that nobody joins, while they tell; close waits for it */
};

/* ---- win.c ---------------------------------------------------------------------------------- */

uint64_t cedi_win_now(void *self);

/* ---- record.c ------------------------------------------------------------------------------- */

/* NULL: out of memory. */
win_io *cedi_win_io_new(win *, const cede_work *);
void cedi_win_io_free(win *, win_io *);
/* Whether it lies in a win_io of this instance. It is not looked into. */
bool cedi_win_is_ours(const win *, const OVERLAPPED *);
win_job *cedi_win_job_new(win *, const cede_work *);
void cedi_win_job_free(win *, win_job *);
win_record *cedi_win_record_find(const win *, uint64_t token);
win_file *cedi_win_file_new(win *);
void cedi_win_file_free(win *, win_file *);
win_bounce *cedi_win_bounce_get(win *);
void cedi_win_bounce_put(win *, win_bounce *);
void cedi_win_records_free(win *); /* all of it */

/* ---- file.c --------------------------------------------------------------------------------- */

win_file *cedi_win_file_find(const win *, intptr_t native);
/* The same for a transfer, which binds a socket to its lane. False: that failed, and the work was
 * reported. *file may be NULL. */
bool cedi_win_file_use(win *, const cede_work *, win_file **file);
bool cedi_win_is_synchronous(HANDLE); /* not made for overlapped I/O; any thread */
cede_status cedi_win_attach(void *self, intptr_t native, uint32_t *kind);
cede_status cedi_win_detach(void *self, intptr_t native);
void cedi_win_forget(void *self, intptr_t native);
void cedi_win_file_closed(win *, intptr_t native);
void cedi_win_file_left(win *, win_file *); /* one less pending on it */

/* ---- io.c ----------------------------------------------------------------------------------- */

bool cedi_win_transfer(win *, const cede_work *, bool writes, uint64_t moved);
bool cedi_win_transfer_vec(win *, const cede_work *, const cede_vec *, uint64_t count, bool writes);
bool cedi_win_append(win *, const cede_work *);
bool cedi_win_roundtrip(win *, const cede_work *);
int cedi_win_io_cancel(win *, win_io *);
/* The error of what its OVERLAPPED holds; of a socket, in Winsock's numbers. */
uint32_t cedi_win_io_error(const win_io *);
/* Starts it in its lane; what the call says is settled. */
void cedi_win_issue(win *, win_io *);
/* In the queue of its file; a cancel ends it there. */
void cedi_win_io_wait(win_file *, win_io *);
win_io *cedi_win_io_unwait(win_file *); /* the first; NULL */
/* Frees it; one less pending on its file. */
void cedi_win_io_left(win *, win_io *);
/* The kernel says that it is over with it: a packet, a routine, an event. */
void cedi_win_arrived(win *, win_io *);
void cedi_win_completed(win *, win_io *, uint32_t error, uint32_t bytes);
/* Also of a transfer that a thread made. */
void cedi_win_report_transfer(win *, const win_record *, const win_file *, bool writes,
                              uint32_t error, uint64_t bytes);
uint32_t cedi_win_too_far(uint32_t error, uint64_t end);

/* ---- size.c --------------------------------------------------------------------------------- */

uint32_t cedi_win_most_at_once(const win_file *, bool writes, uint64_t length);
/* What came of a transfer that was asked for so many. */
void cedi_win_size_learn(win_file *, bool writes, uint32_t asked, uint32_t error, uint64_t bytes);
/* Nothing moved, for want of room: just now, or ever for so much. A write that ends as one does
 * whose message is longer than what it was to lie in is such a one. */
bool cedi_win_lacks_room(bool writes, uint32_t error, uint64_t bytes);

/* ---- console.c, pick.c ---------------------------------------------------------------------- */

uint8_t cedi_win_console_look(HANDLE);
/* False: no room. `pool`: into a buffer of it. */
bool cedi_win_console_read(win *, const cede_work *, win_file *, void *buffer, uint32_t bytes,
                           cede_pool_view *pool);
/* One piece of what is left of a job, on its thread: a Win32 error or 0, and how much of it. */
uint32_t cedi_win_console_write(win_job *, uint32_t *bytes);
/* NULL: the pool is empty. */
void *cedi_win_pick(win_record *, cede_pool_view *);

/* ---- port.c --------------------------------------------------------------------------------- */

cede_status cedi_win_port_open(win *, char *why, size_t why_bytes);
void cedi_win_port_close(win *);
cede_status cedi_win_wait(void *self, uint64_t timeout_ns);
void cedi_win_wake(void *self);
bool cedi_win_arm(win *);      /* the sentinel */
bool cedi_win_has_news(win *); /* that no packet brings */

/* Names for pipes of our own, each time another. Any thread. An app container has those alone that
 * are below LOCAL: every second try. Whether to try again, with what the last one said: somebody
 * may have the name. */
#define WIN_PIPE_UNITS 80u
void cedi_win_pipe_name(wchar_t name[WIN_PIPE_UNITS], uint32_t tries);
bool cedi_win_pipe_again(uint32_t error, uint32_t tries);

/* ---- apc.c ---------------------------------------------------------------------------------- */

uint32_t cedi_win_issue_apc(win *, win_io *);
uint32_t cedi_win_issue_event(win *, win_io *);
bool cedi_win_event_make(win_io *);
void cedi_win_event_ready(win_io *);        /* before a call: its OVERLAPPED names the event */
win_routine *cedi_win_socket_routine(void); /* for Winsock's calls */
void cedi_win_event_watch(win_io *);        /* its event will tell */
void cedi_win_event_watch_for(win_io *,
                              HANDLE object); /* this one will; it stays open until then */
void cedi_win_event_unwatch(win_io *);        /* it will be told soon: whichever comes first */
bool cedi_win_event_came(win_io *);           /* of one that was told: the object, not the wish */
void cedi_win_event_free(win_io *);
void cedi_win_events_close(win *); /* when no record has one any more */
/* It is over, and to be completed by the loop. Any thread, for which the loop waits. */
void cedi_win_event_tell(win_io *);
void cedi_win_run_apcs(win *);
void cedi_win_report_fired(win *);
static inline bool cedi_win_has_fired(const win *self)
{
    return self->fired || atomic_load_explicit(&self->signalled, memory_order_seq_cst);
}

/* A wake found no way to who sleeps. */
static inline bool cedi_win_is_stranded(win *self)
{
    return atomic_load_explicit(&self->stranded, memory_order_seq_cst);
}

/* ---- embed.c -------------------------------------------------------------------------------- */

intptr_t cedi_win_waitable(void *self);
void cedi_win_embed_close(win *);
void cedi_win_embed_signal(win *);
void cedi_win_embed_wake(win *); /* any thread; does nothing where nothing is embedded */
/* The packets of an embedded loop: like the port's own, by way of the thread that watches it. */
uint32_t cedi_win_embed_take(win *, OVERLAPPED_ENTRY *, uint32_t most, uint32_t *count,
                             uint32_t timeout_ms);

/* ---- ops.c ---------------------------------------------------------------------------------- */

uint32_t cedi_win_start(void *self, const cede_work *batch, uint32_t count);
bool cedi_win_supports(void *self, uint32_t op);

/* ---- net.c ---------------------------------------------------------------------------------- */

bool cedi_win_start_listen(win *, const cede_work *);
bool cedi_win_start_connect(win *, const cede_work *);
bool cedi_win_start_accept(win *, const cede_work *);
bool cedi_win_start_pair(win *, const cede_work *);
bool cedi_win_start_recv(win *, const cede_work *);
bool cedi_win_start_recv_all(win *, const cede_work *);
bool cedi_win_start_send(win *, const cede_work *);
bool cedi_win_start_send_all(win *, const cede_work *);
bool cedi_win_start_sendv(win *, const cede_work *);
bool cedi_win_start_shutdown(win *, const cede_work *);
bool cedi_win_start_datagram(win *, const cede_work *);
bool cedi_win_start_recvfrom(win *, const cede_work *);
bool cedi_win_start_sendto(win *, const cede_work *);
bool cedi_win_start_group(win *, const cede_work *);
bool cedi_win_start_name(win *, const cede_work *);
bool cedi_win_start_set_option(win *, const cede_work *);
bool cedi_win_start_get_option(win *, const cede_work *);
bool cedi_win_start_accept_many(win *, const cede_work *);
bool cedi_win_start_recv_pool(win *, const cede_work *);
bool cedi_win_start_recv_many(win *, const cede_work *);
bool cedi_win_start_send_file(win *, const cede_work *); /* sendfile.c */
bool cedi_win_start_lookup(win *, const cede_work *);    /* lookup.c */

/* ---- signal.c, watch.c, poll.c -------------------------------------------------------------- */

bool cedi_win_start_signal_many(win *, const cede_work *);
void cedi_win_tell_signals(win *);
bool cedi_win_start_watch_many(win *, const cede_work *);
cede_status cedi_win_watch_attach(win_file *);
bool cedi_win_start_poll(win *, const cede_work *);
void cedi_win_poll_close(win *);

/* ---- spawn.c, object.c ---------------------------------------------------------------------- */

bool cedi_win_start_spawn(win *, const cede_work *);
bool cedi_win_start_child_wait(win *, const cede_work *);
bool cedi_win_start_child_kill(win *, const cede_work *);
void cedi_win_spawn_free(struct win_spawn *);
/* Until it is signalled, or the wish comes. `over` begins with cedi_win_object_came, which is 0 or
 * that it was cancelled, and ends with cedi_win_object_left; io->owner is a duplicate. */
bool cedi_win_object_wait(win *, const cede_work *,
                          void (*over)(win *, win_io *, uint32_t error, uint32_t bytes));
uint32_t cedi_win_object_came(win_io *);
void cedi_win_object_left(win *, win_io *);
int cedi_win_cancel(void *self, uint64_t token);
/* Taken and reported at once. Returns true. */
bool cedi_win_done_now(win *, const cede_work *, uint32_t error, uint64_t count);

/* ---- job.c ---------------------------------------------------------------------------------- */

bool cedi_win_to_pool(win *, const cede_work *); /* false: no room */
bool cedi_win_to_pool_for(win *, const cede_work *, uint32_t asked);
bool cedi_win_spawn_to_pool(win *, const cede_work *, struct win_spawn *); /* whose it becomes */
/* The transfer of a handle that was not made for overlapped I/O. */
/* Into a buffer that was picked; false: there is no record, and the buffer is the caller's. */
bool cedi_win_sync_receive(win *, const cede_work *, win_file *, void *memory,
                           const win_record *picked);
/* Waits until there is data, on a thread, and tells pick.c; false: no room. */
bool cedi_win_sync_wait(win *, const cede_work *, win_file *, cede_pool_view *);
/* Then the same job reads. */
void cedi_win_sync_into(win *, win_job *, void *memory, uint32_t bytes);
void cedi_win_job_report(win *, win_job *);
void cedi_win_data_for_job(win *, win_job *); /* pick.c */
/* pick.c: the item of what was received, if it was into a buffer that was picked. */
void cedi_win_picked(win *, win_record *, uint64_t bytes);
bool cedi_win_sync_transfer(win *, const cede_work *, win_file *, const void *buffer,
                            uint64_t length, uint64_t position, bool writes);
/* A connect at a local name, where all instances are taken: waits for one on a thread. */
bool cedi_win_wait_for_instance(win *, const cede_work *);
void cedi_win_take_finished(win *);
int cedi_win_job_cancel(win *, win_job *);

/* ---- plain.c -------------------------------------------------------------------------------- */

/* Where a transfer of a thread's goes: the system's own position, or the end. */
#define WIN_AT_CURRENT UINT64_MAX
#define WIN_AT_END     (UINT64_MAX - 1)

/* A Win32 error or 0; of handles that were not made for overlapped I/O, on a pool thread. */
uint32_t cedi_win_plain_stream(const win *, HANDLE, bool writes, void *buffer, uint32_t asked,
                               uint32_t *bytes);
/* Of a file: its own position stays, but for WIN_AT_CURRENT. */
uint32_t cedi_win_plain_transfer(const win *, HANDLE, bool writes, void *buffer, uint32_t asked,
                                 uint64_t position, uint32_t *bytes);
/* A read of nothing has succeeded: whether there is something to read. */
bool cedi_win_plain_has_data(HANDLE pipe);

/* ---- Performers ----------------------------------------------------------------------------- */

/* Performers: a Win32 error or 0; they set count and what the result lies in. On a pool thread. */
typedef uint32_t win_perform(win_job *);
win_perform cedi_win_do_open, cedi_win_do_rename, cedi_win_do_unlink, cedi_win_do_mkdir,
    cedi_win_do_rmdir, cedi_win_do_link, cedi_win_do_symlink, cedi_win_do_readlink,
    cedi_win_do_stat, cedi_win_do_stat_handle, cedi_win_do_readdir, cedi_win_do_set_times,
    cedi_win_do_set_mode, cedi_win_do_truncate, cedi_win_do_allocate, cedi_win_do_fsync,
    cedi_win_do_copy, cedi_win_do_connect, cedi_win_do_read_piece, cedi_win_do_spawn,
    cedi_win_do_watch;

/* sendfile.c: what was read of a file, on its way; frees the job. */
void cedi_win_send_piece(win *, win_job *);

/* cedi_win_create_file of a path. A server at its other end learns who we are, and cannot act as
 * us. */
struct win_path;
uint32_t cedi_win_open_path(const win *, const struct win_path *, uint32_t access,
                            uint32_t disposition, uint32_t flags, HANDLE *out);
/* read_only.c: a file whose flag was cleared, to be put back. */
typedef struct win_flag {
    HANDLE file; /* INVALID_HANDLE_VALUE: nothing was changed, or nothing can be put back */
    BY_HANDLE_FILE_INFORMATION was;
} win_flag;

/* What is read-only there is so no more. `known`: the file that is meant; or NULL. */
win_flag cedi_win_clear_read_only(const win_job *, const struct win_path *, HANDLE known);
/* Where what is done minds open files: closes it before, and opens it again behind that, by
 * whatever name it still has; at `path` it was. */
void cedi_win_leave_flag(win_flag *);
void cedi_win_find_flag(const win_job *, const struct win_path *, win_flag *);
/* What kept its name, or has others, is read-only as it was. `error`: what came of it. */
void cedi_win_put_back(const win_job *, win_flag *, uint32_t error);
/* Whether both are handles of one file, as far as its file system tells. */
bool cedi_win_is_same_file(HANDLE, HANDLE);
/* A handle to the same file with these rights, for what `native` lacks; INVALID_HANDLE_VALUE. */
HANDLE cedi_win_reopen(const win *, HANDLE native, uint32_t access);
void cedi_win_make_sparse(HANDLE);
/* The text of a symbolic link, in UTF-8, in `room` of WIN_BOUNCE_BYTES; the error if it is none. */
uint32_t cedi_win_link_text(const win *, HANDLE, unsigned char *room, uint64_t *bytes);

#endif
