/*
 * From work to submission entries: one function an operation, found by a table that expands from
 * ops.def, so that an operation without its function does not compile.
 *
 * A function fills its entry completely and at once: after the next entry is asked for, the kernel
 * may have this one. It returns false when there is no room for an entry; then nothing was taken,
 * and what is behind it waits, too. Where there is no memory, for a record or what else it needs,
 * that is the outcome of this work alone (cedi_uring_no_record). The core holds the arguments open
 * during start, so they are read without a bracket. The loop's thread.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define ROUND_BYTES UINT64_C(0x7ffff000) /* what one read or write moves at most */

_Static_assert(sizeof(cede_vec) == sizeof(struct iovec) &&
                   offsetof(cede_vec, base) == offsetof(struct iovec, iov_base) &&
                   offsetof(cede_vec, length_bytes) == offsetof(struct iovec, iov_len),
               "vectors go to the kernel as they are");

typedef bool start_fn(uring *, const cede_work *);

static inline struct io_uring_sqe *entry(uring *self, const cede_work *work, int opcode,
                                         const void *address, uint64_t length, uint64_t offset)
{
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    if (URING_UNLIKELY(!sqe))
        return NULL;
    cedi_uring_fill(sqe, opcode, (int)work->native, address, length, offset, work->token);
    sqe->flags = cedi_uring_flags(self, work->kind);
    return sqe;
}

/* For operations that name files by path. */
static inline struct io_uring_sqe *path_entry(uring *self, const cede_work *work, int opcode,
                                              const void *address, uint64_t length,
                                              const void *second)
{
    struct io_uring_sqe *sqe =
        entry(self, work, opcode, address, length, (uint64_t)(uintptr_t)second);
    if (URING_LIKELY(sqe != NULL))
        sqe->fd = AT_FDCWD;
    return sqe;
}

bool cedi_uring_failed(uring *self, const cede_work *work, int error)
{
    self->works--; /* the caller counts it */
    cede_core_done(self->core, work->token, cedi_error_final(error), error, 0);
    return true;
}

bool cedi_uring_finished(uring *self, const cede_work *work, uint64_t count)
{
    self->works--;
    cede_core_done(self->core, work->token, CEDE_OK, 0, count);
    return true;
}

static bool start_roundtrip(uring *self, const cede_work *work)
{
    return entry(self, work, IORING_OP_NOP, NULL, 0, 0) != NULL;
}

static bool start_work(uring *self, const cede_work *work)
{
    return cedi_uring_to_pool(self, work);
}

/* ---- Transfers ------------------------------------------------------------------------------- */

/* A write to a stream: see enter_masked. */
static inline void might_signal(uring *self, struct io_uring_sqe *sqe, unsigned flags)
{
    if (URING_UNLIKELY(self->stream_flags == 0))
        flags |= cedi_uring_signal_flags(self, sqe);
    sqe->rw_flags = (__kernel_rwf_t)(flags | self->stream_flags);
}

void cedi_uring_might_signal(uring *self, struct io_uring_sqe *sqe, unsigned flags)
{
    might_signal(self, sqe, flags);
}

/* Its read would wait for input. */
static bool is_nothing_of_a_terminal(const cede_work *work)
{
    return work->kind == CEDE_KIND_TTY && work->args->io.length_bytes == 0 &&
           work->args->io.offset == CEDE_CURRENT;
}

/* At the file's own position, which the ring would leave where it is (uring_handle.c). */
static inline bool moves_no_position(const cede_work *work, int64_t offset)
{
    return (work->kind & URING_KIND_DIRECT) && offset == CEDE_CURRENT;
}

bool cedi_uring_transfer(uring *self, const cede_work *work, int opcode, uint64_t moved)
{
    const cede_args *args = work->args;
    uint64_t length = args->io.length_bytes - moved;
    int64_t offset = args->io.offset;
    if (work->kind == CEDE_KIND_STREAM)
        return cedi_uring_socket_transfer(self, work, opcode == IORING_OP_WRITE, 0);
    if (URING_UNLIKELY(is_nothing_of_a_terminal(work)))
        return cedi_uring_nothing(self, work, opcode == IORING_OP_WRITE);
    if (URING_UNLIKELY(moves_no_position(work, offset)))
        return cedi_uring_to_pool(self, work);
    const void *at = (const void *)((uintptr_t)args->io.buffer + (uintptr_t)moved);
    if (length > ROUND_BYTES)
        length = ROUND_BYTES;
    if (offset != CEDE_CURRENT)
        offset = (int64_t)((uint64_t)offset + moved);
    struct io_uring_sqe *sqe = entry(self, work, opcode, at, length, (uint64_t)offset);
    if (URING_UNLIKELY(!sqe))
        return false;
    if (opcode == IORING_OP_WRITE && offset == CEDE_CURRENT) {
        might_signal(self, sqe, 0);
    }
    return true;
}

static bool start_read(uring *self, const cede_work *work)
{
    return cedi_uring_transfer(self, work, IORING_OP_READ, 0);
}

static bool start_write(uring *self, const cede_work *work)
{
    return cedi_uring_transfer(self, work, IORING_OP_WRITE, 0);
}

static bool start_read_all(uring *self, const cede_work *work)
{
    return cedi_uring_transfer(self, work, IORING_OP_READ, work->moved);
}

static bool start_write_all(uring *self, const cede_work *work)
{
    return cedi_uring_transfer(self, work, IORING_OP_WRITE, work->moved);
}

/* Pieces of nothing, of a stream or terminal. */
static bool are_nothing(const cede_work *work)
{
    uint64_t at = 0;
    if (work->kind != CEDE_KIND_STREAM &&
        (work->kind != CEDE_KIND_TTY || work->args->vec.offset != CEDE_CURRENT))
        return false;
    while (at < work->args->vec.count && work->args->vec.vec[at].length_bytes == 0)
        at++;
    return at == work->args->vec.count;
}

static bool start_readv(uring *self, const cede_work *work)
{
    if (are_nothing(work))
        return cedi_uring_nothing(self, work, false);
    if (URING_UNLIKELY(moves_no_position(work, work->args->vec.offset)))
        return cedi_uring_to_pool(self, work);
    return entry(self, work, IORING_OP_READV, work->args->vec.vec, work->args->vec.count,
                 (uint64_t)work->args->vec.offset) != NULL;
}

static bool start_writev(uring *self, const cede_work *work)
{
    if (are_nothing(work))
        return cedi_uring_nothing(self, work, true);
    if (URING_UNLIKELY(moves_no_position(work, work->args->vec.offset)))
        return cedi_uring_to_pool(self, work);
    struct io_uring_sqe *sqe = entry(self, work, IORING_OP_WRITEV, work->args->vec.vec,
                                     work->args->vec.count, (uint64_t)work->args->vec.offset);
    if (!sqe)
        return false;
    if (work->args->vec.offset == CEDE_CURRENT) {
        might_signal(self, sqe, 0);
    }
    return true;
}

bool cedi_uring_stream_vector(uring *self, const cede_work *work, const cede_vec *vec,
                              uint64_t count, uint64_t moved)
{
    bool rest = moved != 0;
    const void *at = rest ? (const void *)((uintptr_t)vec->base + (uintptr_t)moved) : vec;
    uint64_t length = rest ? vec->length_bytes - moved : count;
    struct io_uring_sqe *sqe =
        entry(self, work, rest ? IORING_OP_WRITE : IORING_OP_WRITEV, at,
              length < ROUND_BYTES ? length : ROUND_BYTES, (uint64_t)CEDE_CURRENT);
    if (sqe)
        might_signal(self, sqe, 0);
    return sqe != NULL;
}

/* The offset is ignored but for one thing: only CEDE_CURRENT would move the file's own position. */
static bool start_append(uring *self, const cede_work *work)
{
    uint64_t length = work->args->io.length_bytes;
    struct io_uring_sqe *sqe;
    if (URING_UNLIKELY(length == 0) &&
        (work->kind == CEDE_KIND_STREAM || is_nothing_of_a_terminal(work)))
        return cedi_uring_nothing(self, work, true);
    sqe = entry(self, work, IORING_OP_WRITE, work->args->io.buffer,
                length < ROUND_BYTES ? length : ROUND_BYTES, 0);
    if (!sqe)
        return false;
    might_signal(self, sqe, RWF_APPEND);
    return true;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static int flags_of(uint32_t flags)
{
    static const int access[4] = {-1, O_RDONLY, O_WRONLY, O_RDWR};
    int system = access[flags & (CEDE_OPEN_READ | CEDE_OPEN_WRITE)];
    if (system < 0 || (flags & ~CEDE_OPEN_ANY))
        return -1;
    system |= O_CLOEXEC | O_NOCTTY | O_LARGEFILE;
    if (flags & CEDE_OPEN_CREATE)
        system |= O_CREAT | (flags & CEDE_OPEN_EXCLUSIVE ? O_EXCL : 0);
    if ((flags & CEDE_OPEN_TRUNCATE) && (flags & CEDE_OPEN_WRITE))
        system |= O_TRUNC;
    if (flags & CEDE_OPEN_APPEND)
        system |= O_APPEND;
    if (flags & CEDE_OPEN_DIRECTORY)
        system |= O_DIRECTORY;
    if (flags & CEDE_OPEN_NOFOLLOW)
        system |= O_NOFOLLOW;
    if (flags & CEDE_OPEN_DIRECT)
        system |= O_DIRECT;
    if (flags & CEDE_OPEN_SYNC)
        system |= O_SYNC;
    return system;
}

/* What might find a named pipe, or what else would wait, must not do so here: see uring_fifo.c. */
static bool start_open(uring *self, const cede_work *work)
{
    int system = flags_of(work->args->path.flags);
    struct io_uring_sqe *sqe;
    if (system == -1)
        return cedi_uring_failed(self, work, EINVAL);
    if (!(system & O_DIRECTORY))
        return cedi_uring_start_open(self, work, system);
    sqe = path_entry(self, work, IORING_OP_OPENAT, work->args->path.path, work->args->path.mode,
                     NULL);
    if (sqe)
        sqe->open_flags = (uint32_t)system;
    return sqe != NULL;
}

static bool start_fsync(uring *self, const cede_work *work)
{
    return entry(self, work, IORING_OP_FSYNC, NULL, 0, 0) != NULL;
}

static bool start_fdatasync(uring *self, const cede_work *work)
{
    struct io_uring_sqe *sqe = entry(self, work, IORING_OP_FSYNC, NULL, 0, 0);
    if (sqe)
        sqe->fsync_flags = IORING_FSYNC_DATASYNC;
    return sqe != NULL;
}

static bool start_truncate(uring *self, const cede_work *work)
{
    if (work->args->range.length_bytes > INT64_MAX)
        return cedi_uring_failed(self, work, EFBIG);
    if (!cedi_uring_has(self, URING_OP_FTRUNCATE))
        return cedi_uring_to_pool(self, work);
    return entry(self, work, URING_OP_FTRUNCATE, NULL, 0, work->args->range.length_bytes) != NULL;
}

/* The entry's address is the length, its length the mode. */
static bool start_allocate(uring *self, const cede_work *work)
{
    const cede_args *args = work->args;
    struct io_uring_sqe *sqe;
    if (args->range.offset > INT64_MAX || args->range.length_bytes > INT64_MAX)
        return cedi_uring_failed(self, work, EFBIG);
    if (args->range.flags & ~CEDE_ALLOCATE_KEEP_SIZE)
        return cedi_uring_failed(self, work, EINVAL);
    sqe = entry(self, work, IORING_OP_FALLOCATE, NULL,
                args->range.flags & CEDE_ALLOCATE_KEEP_SIZE ? FALLOC_FL_KEEP_SIZE : 0,
                args->range.offset);
    if (sqe)
        sqe->addr = args->range.length_bytes;
    return sqe != NULL;
}

/* ---- Stat ------------------------------------------------------------------------------------ */

_Static_assert(sizeof(cede_stat) == 256 && sizeof(struct statx) == 256,
               "the kernel writes its form into the caller's");

static bool stat_entry(uring *self, const cede_work *work, int directory, const char *path,
                       unsigned flags)
{
    uring_job *job = cedi_uring_job_new(self, work, URING_STAT);
    struct io_uring_sqe *sqe;
    if (!job)
        return cedi_uring_no_record(self, work);
    sqe = entry(self, work, IORING_OP_STATX, path, STATX_BASIC_STATS | STATX_BTIME,
                (uint64_t)(uintptr_t)work->args->path.out);
    if (!sqe) {
        cedi_uring_job_free(self, job);
        return false;
    }
    sqe->fd = directory;
    sqe->statx_flags = flags;
    sqe->user_data |= URING_JOB;
    return true;
}

static bool start_stat(uring *self, const cede_work *work)
{
    return stat_entry(self, work, AT_FDCWD, work->args->path.path,
                      work->args->path.flags & CEDE_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0);
}

static bool start_stat_handle(uring *self, const cede_work *work)
{
    return stat_entry(self, work, (int)work->native, "", AT_EMPTY_PATH);
}

/* ---- Paths ----------------------------------------------------------------------------------- */

static bool start_rename(uring *self, const cede_work *work)
{
    struct io_uring_sqe *sqe;
    if (!cedi_uring_has(self, IORING_OP_RENAMEAT))
        return cedi_uring_to_pool(self, work);
    sqe = path_entry(self, work, IORING_OP_RENAMEAT, work->args->path.path, (uint32_t)AT_FDCWD,
                     work->args->path.to);
    if (sqe)
        sqe->rename_flags = work->args->path.flags & CEDE_RENAME_NOREPLACE; /* the same bit */
    return sqe != NULL;
}

static bool remove_entry(uring *self, const cede_work *work, unsigned flags)
{
    struct io_uring_sqe *sqe;
    if (!cedi_uring_has(self, IORING_OP_UNLINKAT))
        return cedi_uring_to_pool(self, work);
    sqe = path_entry(self, work, IORING_OP_UNLINKAT, work->args->path.path, 0, NULL);
    if (sqe)
        sqe->unlink_flags = flags;
    return sqe != NULL;
}

static bool start_unlink(uring *self, const cede_work *work)
{
    return remove_entry(self, work, 0);
}

static bool start_rmdir(uring *self, const cede_work *work)
{
    return remove_entry(self, work, AT_REMOVEDIR);
}

static bool start_mkdir(uring *self, const cede_work *work)
{
    if (!cedi_uring_has(self, IORING_OP_MKDIRAT))
        return cedi_uring_to_pool(self, work);
    return path_entry(self, work, IORING_OP_MKDIRAT, work->args->path.path, work->args->path.mode,
                      NULL) != NULL;
}

static bool start_link(uring *self, const cede_work *work)
{
    if (!cedi_uring_has(self, IORING_OP_LINKAT))
        return cedi_uring_to_pool(self, work);
    return path_entry(self, work, IORING_OP_LINKAT, work->args->path.path, (uint32_t)AT_FDCWD,
                      work->args->path.to) != NULL;
}

static bool start_symlink(uring *self, const cede_work *work)
{
    if (!cedi_uring_has(self, IORING_OP_SYMLINKAT))
        return cedi_uring_to_pool(self, work);
    return path_entry(self, work, IORING_OP_SYMLINKAT, work->args->path.path, 0,
                      work->args->path.to) != NULL;
}

/* ---- What no ring has ------------------------------------------------------------------------ */

static bool start_readlink(uring *self, const cede_work *work)
{
    return cedi_uring_to_pool(self, work);
}

static bool start_readdir(uring *self, const cede_work *work)
{
    return cedi_uring_to_pool(self, work);
}

static bool start_set_times(uring *self, const cede_work *work)
{
    return cedi_uring_to_pool(self, work);
}

static bool start_set_mode(uring *self, const cede_work *work)
{
    return cedi_uring_to_pool(self, work);
}

static bool start_copy(uring *self, const cede_work *work)
{
    return cedi_uring_to_pool(self, work);
}

static bool start_watch(uring *self, const cede_work *work)
{
    return cedi_uring_to_pool(self, work);
}

/* ---- Elsewhere: uring_net.c, uring_pool.c and others ----------------------------------------- */

#define ELSEWHERE(name)                                          \
    static bool start_##name(uring *self, const cede_work *work) \
    {                                                            \
        return cedi_uring_start_##name(self, work);              \
    }

ELSEWHERE(close)
ELSEWHERE(listen)
ELSEWHERE(connect)
ELSEWHERE(accept)
ELSEWHERE(pair)
ELSEWHERE(recv)
ELSEWHERE(recv_all)
ELSEWHERE(send)
ELSEWHERE(send_all)
ELSEWHERE(sendv)
ELSEWHERE(shutdown)
ELSEWHERE(datagram)
ELSEWHERE(recvfrom)
ELSEWHERE(sendto)
ELSEWHERE(group)
ELSEWHERE(name)
ELSEWHERE(set_option)
ELSEWHERE(get_option)
ELSEWHERE(accept_many)
ELSEWHERE(recv_pool)
ELSEWHERE(recv_many)
ELSEWHERE(send_file)
ELSEWHERE(send_zero_copy)
ELSEWHERE(lookup)
ELSEWHERE(signal_many)
ELSEWHERE(spawn)
ELSEWHERE(child_wait)
ELSEWHERE(child_kill)
ELSEWHERE(watch_many)

/* ---- Would block ----------------------------------------------------------------------------- */

/* The last round said EAGAIN. On a pipe or terminal that somebody made O_NONBLOCK that means "not
 * ready"; elsewhere it means "no room", and readiness has nothing to do with it. */
URING_COLD static bool start_wait(uring *self, const cede_work *work)
{
    struct stat what;
    unsigned events;
    switch (work->op) {
    case CEDE_OP_READ:
    case CEDE_OP_READV:
    case CEDE_OP_READ_ALL:
    case CEDE_OP_RECV:
    case CEDE_OP_RECV_ALL:
    case CEDE_OP_RECVFROM:
    case CEDE_OP_ACCEPT:
    case CEDE_OP_ACCEPT_MANY:
    case CEDE_OP_RECV_POOL:
    case CEDE_OP_RECV_MANY:
        events = POLLIN;
        break;
    case CEDE_OP_WRITE:
    case CEDE_OP_WRITEV:
    case CEDE_OP_WRITE_ALL:
    case CEDE_OP_APPEND:
    case CEDE_OP_SEND:
    case CEDE_OP_SEND_ALL:
    case CEDE_OP_SENDV:
    case CEDE_OP_SENDTO:
    case CEDE_OP_SEND_ZERO_COPY:
    case CEDE_OP_SEND_FILE:
        events = POLLOUT;
        break;
    default:
        events = 0;
        break;
    }
    if (!events || fstat((int)work->native, &what) != 0 || S_ISREG(what.st_mode) ||
        S_ISDIR(what.st_mode) || S_ISBLK(what.st_mode)) {
        self->works--;
        cede_core_done(self->core, work->token, CEDE_REPORT_PARK, EAGAIN, 0);
        return true;
    }
    return cedi_uring_ready_start(self, work, URING_POLL, events);
}

/* ---- Readiness ------------------------------------------------------------------------------- */

static bool start_poll(uring *self, const cede_work *work)
{
    uint32_t wanted = work->args->range.flags;
    unsigned events =
        (wanted & CEDE_POLL_IN ? POLLIN : 0u) | (wanted & CEDE_POLL_OUT ? POLLOUT : 0u);
    return cedi_uring_ready_start(self, work, URING_POLLED, events);
}

/* ---- The table ------------------------------------------------------------------------------- */

#define CORE(name)    NULL
#define BACKEND(name) start_##name

static start_fn *const starters[CEDE_OP_COUNT] = {
#define CEDE_OP(NAME, name, handle, order, shape, host, promise) [CEDE_OP_##NAME] = host(name),
#include "cede/ops.def"
};

bool cedi_uring_supports(void *self, uint32_t op)
{
    if ((op == CEDE_OP_SPAWN || op == CEDE_OP_CHILD_WAIT || op == CEDE_OP_CHILD_KILL) &&
        !((const uring *)self)->has_children)
        return false;
    return op < CEDE_OP_COUNT && starters[op];
}

static inline bool start_one(uring *self, const cede_work *work)
{
    if (URING_UNLIKELY(work->how & CEDE_WORK_POLL))
        return start_wait(self, work);
    return starters[work->op](self, work);
}

uint32_t cedi_uring_start(void *context, const cede_work *batch, uint32_t count)
{
    uring *self = context;
    uint32_t taken = 0;
    while (taken < count && URING_LIKELY(start_one(self, &batch[taken])))
        taken++;
    self->works += taken;
    if (URING_UNLIKELY(self->odd & URING_ODD_AT_ONCE) && cedi_uring_enter(self, 0, 0) == 0)
        (void)cedi_uring_reap(self, UINT32_MAX);
    return taken;
}
