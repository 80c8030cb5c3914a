/*
 * From work to what carries it out: one function an operation, found by a table that expands from
 * ops.def, so that an operation without its function does not compile.
 *
 * A function returns false when there is no memory for what the work needs; then it has reported
 * nothing and keeps nothing of it. The core holds the arguments open during start, so they are read
 * without a bracket. The loop's thread.
 */
#include "net.h"

typedef bool start_fn(win *, const cede_work *);

bool cedi_win_done_now(win *self, const cede_work *work, uint32_t error, uint64_t count)
{
    cede_core_done(self->core, work->token, cedi_error_status(error), (int32_t)error, count);
    return true;
}

static bool start_roundtrip(win *self, const cede_work *work)
{
    return cedi_win_roundtrip(self, work);
}

/* ---- Transfers ------------------------------------------------------------------------------- */

static bool start_read(win *self, const cede_work *work)
{
    return cedi_win_transfer(self, work, false, 0);
}

static bool start_write(win *self, const cede_work *work)
{
    return cedi_win_transfer(self, work, true, 0);
}

static bool start_read_all(win *self, const cede_work *work)
{
    return cedi_win_transfer(self, work, false, work->moved);
}

static bool start_write_all(win *self, const cede_work *work)
{
    return cedi_win_transfer(self, work, true, work->moved);
}

static bool start_readv(win *self, const cede_work *work)
{
    return cedi_win_transfer_vec(self, work, work->args->vec.vec, work->args->vec.count, false);
}

static bool start_writev(win *self, const cede_work *work)
{
    return cedi_win_transfer_vec(self, work, work->args->vec.vec, work->args->vec.count, true);
}

static bool start_append(win *self, const cede_work *work)
{
    return cedi_win_append(self, work);
}

/* ---- Close ----------------------------------------------------------------------------------- */

#define SLOW_TO_CLOSE \
    (CEDE_KIND_FILE | CEDE_KIND_DISK | CEDE_KIND_DIR | CEDE_KIND_WATCH | CEDE_KIND_CHAR)

static bool may_linger(const cede_work *work, const win_file *file, bool is_socket)
{
    if (is_socket)
        return cedi_win_socket_lingers(work->native);
    return !file || file->remote || (file->kind & SLOW_TO_CLOSE);
}

/* Nothing is pending on it. A close that may take long goes to a thread: that of a file, a
 * directory or a pipe, whose server is told (as that of a watch is, which is a directory), of a
 * device, whose driver may send the rest first, as of a serial line, and of a socket that was told
 * to linger; what nobody has used may be any of them. Others never do: local pipes, consoles,
 * processes and the like. Nor is a close put off for want of memory (law 10). */
static bool start_close(win *self, const cede_work *work)
{
    const win_file *file = cedi_win_file_find(self, work->native);
    bool is_socket, lingers;
    uint32_t error;
    if (cedi_win_is_local(work->native)) /* which is no handle that the system may be asked for */
        return cedi_win_local_close(self, work);
    is_socket = file ? file->socket : cedi_win_is_socket(work->native);
    lingers = may_linger(work, file, is_socket);
    if (lingers && cedi_win_to_pool(self, work)) {
        cedi_win_file_closed(self, work->native);
        return true;
    }
    if (lingers && is_socket)
        cedi_win_socket_unlinger(work->native); /* there is no thread that could wait */
    cedi_win_file_closed(self, work->native);
    error = is_socket ? cedi_win_socket_close(self->calls.close_socket, (SOCKET)work->native)
                      : self->calls.close_handle((HANDLE)work->native);
    return cedi_win_done_now(self, work, error, 0);
}

/* ---- What blocks ----------------------------------------------------------------------------- */

#define ON_POOL(name)                                          \
    static bool start_##name(win *self, const cede_work *work) \
    {                                                          \
        return cedi_win_to_pool(self, work);                   \
    }

ON_POOL(work)
ON_POOL(open)
ON_POOL(fsync)
ON_POOL(fdatasync)
ON_POOL(stat)
ON_POOL(stat_handle)
ON_POOL(rename)
ON_POOL(unlink)
ON_POOL(mkdir)
ON_POOL(rmdir)
ON_POOL(link)
ON_POOL(symlink)
ON_POOL(readlink)
ON_POOL(readdir)
ON_POOL(set_times)
ON_POOL(set_mode)
ON_POOL(copy)
ON_POOL(watch)

/* ---- Sockets: net.c -------------------------------------------------------------------------- */

#define IN_NET(name)                                           \
    static bool start_##name(win *self, const cede_work *work) \
    {                                                          \
        return cedi_win_start_##name(self, work);              \
    }

IN_NET(listen)
IN_NET(connect)
IN_NET(accept)
IN_NET(pair)
IN_NET(recv)
IN_NET(recv_all)
IN_NET(send)
IN_NET(send_all)
IN_NET(sendv)
IN_NET(shutdown)
IN_NET(datagram)
IN_NET(recvfrom)
IN_NET(sendto)
IN_NET(group)
IN_NET(name)
IN_NET(set_option)
IN_NET(get_option)
IN_NET(accept_many)
IN_NET(recv_pool)
IN_NET(recv_many)
IN_NET(send_file)
IN_NET(lookup)
IN_NET(spawn)
IN_NET(child_wait)
IN_NET(child_kill)
IN_NET(signal_many)
IN_NET(watch_many)
IN_NET(poll)

/* An overlapped send locks the caller's pages until it is over; it leaves the choice of copying to
 * the provider (SO_SNDBUF is as it was). */
static bool start_send_zero_copy(win *self, const cede_work *work)
{
    return cedi_win_start_send_all(self, work);
}

/* ---- Lengths --------------------------------------------------------------------------------- */

static bool start_truncate(win *self, const cede_work *work)
{
    if (work->args->range.length_bytes > INT64_MAX)
        return cedi_win_done_now(self, work, ERROR_FILE_TOO_LARGE, 0);
    return cedi_win_to_pool(self, work);
}

static bool start_allocate(win *self, const cede_work *work)
{
    const cede_args *args = work->args;
    if (args->range.offset > INT64_MAX || args->range.length_bytes > INT64_MAX ||
        args->range.offset + args->range.length_bytes > INT64_MAX)
        return cedi_win_done_now(self, work, ERROR_FILE_TOO_LARGE, 0);
    return cedi_win_to_pool(self, work);
}

/* ---- The table ------------------------------------------------------------------------------- */

#define CORE(name)    NULL
#define BACKEND(name) start_##name

static start_fn *const starters[CEDE_OP_COUNT] = {
#define CEDE_OP(NAME, name, handle, order, shape, host, promise) [CEDE_OP_##NAME] = host(name),
#include "cede/ops.def"
};

bool cedi_win_supports(void *self, uint32_t op)
{
    (void)self;
    return op < CEDE_OP_COUNT && starters[op];
}

uint32_t cedi_win_start(void *context, const cede_work *batch, uint32_t count)
{
    win *self = context;
    for (uint32_t i = 0; i < count; i++) {
        if (!starters[batch[i].op](self, &batch[i]))
            cede_core_starved(self->core, &batch[i], ERROR_NOT_ENOUGH_MEMORY);
    }
    return count;
}

int cedi_win_cancel(void *context, uint64_t token)
{
    win *self = context;
    win_record *record = cedi_win_record_find(self, token);
    if (!record)
        return CEDE_CANCEL_SENT; /* reported already */
    if (record->what == WIN_RECORD_IO)
        return cedi_win_io_cancel(self, CONTAINING_RECORD(record, win_io, record));
    return cedi_win_job_cancel(self, CONTAINING_RECORD(record, win_job, record));
}
