/*
 * Operations on open files. Each is one round of one work, carried out in one moment; only a work
 * that is held midway moves a half now and the rest when it is let go. Under the world's lock.
 */
#include "net.h"
#include "watch.h"

#define COPY_MOST   (UINT64_C(1) << 24) /* one round */
#define DIRECT      512u                /* what O_DIRECT aligns to */
#define PIECES_MOST 1024u

void sim_touch(sim_work *work, bool open)
{
    cede_core_touch(work->loop->core, work->token, open);
}

static bool fail(sim_work *work, cede_status status)
{
    work->status = status;
    work->count = 0;
    return true;
}

static bool ok(sim_work *work, uint64_t count)
{
    work->status = CEDE_OK;
    work->count = count;
    return true;
}

/* ---- The caller's memory --------------------------------------------------------------------- */

static bool has_pieces(uint32_t op)
{
    return op == CEDE_OP_READV || op == CEDE_OP_WRITEV || op == CEDE_OP_SENDV;
}

bool sim_is_input(uint32_t op)
{
    return op == CEDE_OP_READ || op == CEDE_OP_READV || op == CEDE_OP_READ_ALL ||
           op == CEDE_OP_RECV || op == CEDE_OP_RECV_ALL || op == CEDE_OP_RECV_POOL ||
           op == CEDE_OP_RECV_MANY;
}

/* What a transfer is to do, whichever operation asked for it. */
typedef struct transfer {
    uint64_t bytes; /* in all, less what earlier rounds moved */
    int64_t offset; /* where it begins, or CEDE_CURRENT */
    bool append;
} transfer;

/* The memory at `at` bytes into this round, and how much of it is in one piece. */
static uint8_t *memory_at(const sim_work *work, uint64_t at, uint64_t *bytes)
{
    if (!has_pieces(work->op)) {
        *bytes = work->args.io.length_bytes - work->moved - at;
        return (uint8_t *)work->args.io.buffer + work->moved + at;
    }
    const cede_vec *piece = work->args.vec.vec;
    at += work->moved;
    for (; at >= piece->length_bytes; piece++)
        at -= piece->length_bytes;
    *bytes = piece->length_bytes - at;
    return (uint8_t *)piece->base + at;
}

static cede_status measure(const sim_work *work, transfer *out)
{
    uint64_t total = 0;
    out->append = work->op == CEDE_OP_APPEND;
    if (!has_pieces(work->op)) {
        total = work->args.io.length_bytes;
        out->offset = out->append ? CEDE_CURRENT : work->args.io.offset;
        if (!work->args.io.buffer && total > 0)
            return CEDE_EFAULT;
    } else {
        const cede_vec *vec = work->args.vec.vec;
        out->offset = work->args.vec.offset;
        if (work->args.vec.count > PIECES_MOST)
            return CEDE_EINVAL;
        for (uint64_t i = 0; i < work->args.vec.count; i++) {
            if (!vec[i].base && vec[i].length_bytes > 0)
                return CEDE_EFAULT;
            if (vec[i].length_bytes > UINT64_MAX - total)
                return CEDE_EINVAL;
            total += vec[i].length_bytes;
        }
    }
    if (out->offset < CEDE_CURRENT)
        return CEDE_EINVAL;
    out->bytes = total - (work->moved < total ? work->moved : total);
    if (out->bytes > SIM_TRANSFER_MOST)
        out->bytes = SIM_TRANSFER_MOST;
    return CEDE_OK;
}

/* Both directions: bytes [at, at + bytes) of the round against a file or pipe. Returns how many. */
static uint64_t move(sim_work *work, bool in, uint64_t at, uint64_t bytes, uint64_t position)
{
    uint64_t done = 0;
    while (done < bytes) {
        uint64_t part, moved;
        uint8_t *memory = memory_at(work, at + done, &part);
        if (part > bytes - done)
            part = bytes - done;
        if (in && work->file->in)
            moved = sim_pipe_out(work->file->in, memory, part);
        else if (!in && work->file->out)
            moved = sim_pipe_in(work->file->out, memory, part);
        else if (in)
            sim_node_read(work->file->node, position + done, memory, moved = part);
        else
            moved = sim_node_write(work->file->node, position + done, memory, part);
        done += moved;
        if (moved < part)
            break;
    }
    return done;
}

/* Moves `bytes`, or, to be held midway, the first half. The count is all of it either way. */
static uint64_t move_or_split(sim_work *work, bool in, uint64_t bytes, uint64_t position)
{
    uint64_t first = work->split ? (bytes + 1) / 2 : bytes;
    uint64_t moved = move(work, in, 0, first, position);
    if (moved < first)
        return moved;
    work->rest_at = first;
    work->rest_bytes = bytes - first;
    work->rest_offset = position + first;
    return bytes;
}

void sim_io_rest(cede_sim *world, sim_work *work)
{
    (void)world;
    uint64_t moved =
        move(work, sim_is_input(work->op), work->rest_at, work->rest_bytes, work->rest_offset);
    work->count -= work->rest_bytes - moved;
    work->rest_bytes = 0;
}

/* ---- Reading and writing --------------------------------------------------------------------- */

static bool is_direct_bad(const sim_open *file, const transfer *t, uint64_t position)
{
    return (file->flags & CEDE_OPEN_DIRECT) && (position % DIRECT || t->bytes % DIRECT);
}

static bool read_file(cede_sim *world, sim_work *work, const transfer *t)
{
    sim_open *file = work->file;
    sim_node *node = file->node;
    bool current = t->offset == CEDE_CURRENT;
    uint64_t position = current ? file->position : (uint64_t)t->offset + work->moved;
    if (position > INT64_MAX || t->bytes > (uint64_t)INT64_MAX - position)
        return fail(work, CEDE_EINVAL);
    if (position < node->size && is_direct_bad(file, t, position)) /* at the end nothing is read */
        return fail(work, CEDE_EINVAL);
    uint64_t bytes = position < node->size ? node->size - position : 0;
    bytes = sim_maybe_short(world, bytes < t->bytes ? bytes : t->bytes);
    bytes = move_or_split(work, true, bytes, position);
    if (current)
        file->position += bytes;
    if (node->accessed_ns <= node->modified_ns) /* like relatime */
        node->accessed_ns = sim_time(world);
    return ok(work, bytes);
}

static bool read_pipe(cede_sim *world, sim_work *work, const transfer *t)
{
    cede_sim_pipe *pipe = work->file->in;
    if (!sim_pipe_can_read(pipe))
        return sim_block(work, &pipe->reading);
    if (pipe->filled == 0 && work->file->socket && sim_socket_was_reset(work->file->socket))
        return fail(work, CEDE_ECONNRESET);
    uint64_t bytes = t->bytes < pipe->filled ? t->bytes : pipe->filled;
    return ok(work, move_or_split(work, true, sim_maybe_short(world, bytes), 0));
}

/* A socket that is no stream has no bytes. */
static bool is_stream(const sim_open *file)
{
    return file->node->pipe || file->socket;
}

static bool read_stream(cede_sim *world, sim_work *work, const transfer *t)
{
    return work->file->in ? read_pipe(world, work, t) : fail(work, CEDE_ENOTCONN);
}

static bool read_any(cede_sim *world, sim_work *work)
{
    transfer t;
    sim_open *file = work->file;
    if (!file || !(file->flags & CEDE_OPEN_READ))
        return fail(work, CEDE_EBADF);
    if (file->node->type == CEDE_FILE_DIRECTORY)
        return fail(work, CEDE_EISDIR);
    cede_status status = measure(work, &t);
    if (status == CEDE_OK && is_stream(file) && t.offset != CEDE_CURRENT)
        status = CEDE_ESPIPE;
    if (status != CEDE_OK)
        return fail(work, status);
    if (t.bytes == 0 || file->node->type == CEDE_FILE_CHARACTER)
        return ok(work, 0);
    return is_stream(file) ? read_stream(world, work, &t) : read_file(world, work, &t);
}

static bool write_file(cede_sim *world, sim_work *work, const transfer *t)
{
    sim_open *file = work->file;
    sim_node *node = file->node;
    bool append = t->append || (file->flags & CEDE_OPEN_APPEND);
    bool current = t->offset == CEDE_CURRENT && !t->append;
    uint64_t most = world->config.file_bytes;
    uint64_t position = append    ? node->size
                        : current ? file->position
                                  : (uint64_t)t->offset + work->moved;
    if (position > INT64_MAX || t->bytes > (uint64_t)INT64_MAX - position)
        return fail(work, CEDE_EINVAL);
    if (is_direct_bad(file, t, position))
        return fail(work, CEDE_EINVAL);
    if (position >= most)
        return fail(work, CEDE_EFBIG);
    uint64_t bytes =
        sim_maybe_short(world, t->bytes < most - position ? t->bytes : most - position);
    if (work->split && node->size < position + bytes)
        node->size = position + bytes; /* the place is taken, by an append too */
    bytes = move_or_split(work, false, bytes, position);
    if (bytes == 0)
        return fail(work, CEDE_ENOSPC);
    if (current)
        file->position = position + bytes;
    sim_node_changed(node, true);
    return ok(work, bytes);
}

static bool write_pipe(cede_sim *world, sim_work *work, const transfer *t)
{
    cede_sim_pipe *pipe = work->file->out;
    if (pipe->readers == 0)
        return fail(work, CEDE_EPIPE);
    if (!sim_pipe_can_write(pipe, t->bytes))
        return sim_block(work, &pipe->writing);
    uint64_t room = pipe->capacity - pipe->filled;
    uint64_t bytes = t->bytes < room ? t->bytes : room;
    if (t->bytes > SIM_PIPE_ATOMIC || pipe->stream)
        bytes = sim_maybe_short(world, bytes);
    bytes = move(work, false, 0, bytes, 0);
    return bytes > 0 ? ok(work, bytes) : fail(work, CEDE_ENOMEM);
}

static bool write_stream(cede_sim *world, sim_work *work, const transfer *t)
{
    if (work->file->out)
        return write_pipe(world, work, t);
    return fail(work, work->file->socket->kind == CEDE_KIND_STREAM ? CEDE_EPIPE : CEDE_ENOTCONN);
}

static bool write_any(cede_sim *world, sim_work *work)
{
    transfer t;
    sim_open *file = work->file;
    if (!file || !(file->flags & CEDE_OPEN_WRITE))
        return fail(work, CEDE_EBADF);
    cede_status status = measure(work, &t);
    if (status == CEDE_OK && is_stream(file) && t.offset != CEDE_CURRENT)
        status = CEDE_ESPIPE;
    if (status != CEDE_OK)
        return fail(work, status);
    if (t.bytes == 0 && file->node->type == CEDE_FILE_REGULAR)
        sim_watch_changed(file->node); /* as io_uring has it told */
    if (t.bytes == 0 || file->node->type == CEDE_FILE_CHARACTER)
        return ok(work, t.bytes);
    return is_stream(file) ? write_stream(world, work, &t) : write_file(world, work, &t);
}

bool sim_op_read(cede_sim *world, sim_work *work)
{
    return read_any(world, work);
}

bool sim_op_readv(cede_sim *world, sim_work *work)
{
    return read_any(world, work);
}

bool sim_op_read_all(cede_sim *world, sim_work *work)
{
    return read_any(world, work);
}

bool sim_op_write(cede_sim *world, sim_work *work)
{
    return write_any(world, work);
}

bool sim_op_writev(cede_sim *world, sim_work *work)
{
    return write_any(world, work);
}

bool sim_op_write_all(cede_sim *world, sim_work *work)
{
    return write_any(world, work);
}

bool sim_op_append(cede_sim *world, sim_work *work)
{
    return write_any(world, work);
}

bool sim_op_recv(cede_sim *world, sim_work *work)
{
    return read_any(world, work);
}

bool sim_op_recv_all(cede_sim *world, sim_work *work)
{
    return read_any(world, work);
}

bool sim_op_send(cede_sim *world, sim_work *work)
{
    return write_any(world, work);
}

bool sim_op_send_all(cede_sim *world, sim_work *work)
{
    return write_any(world, work);
}

bool sim_op_sendv(cede_sim *world, sim_work *work)
{
    return write_any(world, work);
}

/* ---- Receiving into a pool ------------------------------------------------------------------- */

/* Buffers are picked on the loop's thread, and by the order of the reports: here one only waits for
 * something to receive. */
static bool receive(sim_work *work)
{
    if (!work->file || !(work->file->flags & CEDE_OPEN_READ))
        return fail(work, CEDE_EBADF);
    cede_sim_pipe *pipe = work->file->in;
    if (!pipe)
        return fail(work, CEDE_ENOTCONN);
    if (!sim_pipe_can_read(pipe))
        return sim_block(work, &pipe->reading);
    work->to_pool = true;
    return ok(work, 0);
}

bool sim_op_recv_pool(cede_sim *world, sim_work *work)
{
    (void)world;
    return receive(work);
}

bool sim_op_recv_many(cede_sim *world, sim_work *work)
{
    (void)world;
    return receive(work);
}

void sim_io_pool(cede_sim *world, sim_work *work, uint32_t *number)
{
    const cede_work asked = {.args = &work->args};
    cede_pool_view *view = cede_core_pool(&asked);
    cede_sim_pipe *pipe = work->file->in;
    if (!cede_core_pick(view, number)) { /* first, as a kernel that picks does: an end waits, too */
        work->status = CEDE_REPORT_POOL;
        return;
    }
    if (pipe->filled == 0) {
        cede_core_unpick(view, *number);
        if (pipe->writers > 0)
            work->status = CEDE_REPORT_AGAIN; /* another has taken it */
        else if (work->file->socket && sim_socket_was_reset(work->file->socket))
            work->status = CEDE_ECONNRESET;
        return;
    }
    uint64_t bytes = view->buffer_bytes < pipe->filled ? view->buffer_bytes : pipe->filled;
    work->count = sim_pipe_out(pipe, view->base + *number * view->stride_bytes,
                               sim_maybe_short(world, bytes));
    sim_note(world, SIM_RUN, work, work->count);
}

/* ---- Length and room ------------------------------------------------------------------------- */

static bool is_open_file(const sim_open *file)
{
    return file && file->node->type == CEDE_FILE_REGULAR;
}

bool sim_op_truncate(cede_sim *world, sim_work *work)
{
    uint64_t bytes = work->args.range.length_bytes;
    if (!work->file)
        return fail(work, CEDE_EBADF);
    if (!is_open_file(work->file) || !(work->file->flags & CEDE_OPEN_WRITE) || bytes > INT64_MAX)
        return fail(work, CEDE_EINVAL);
    if (bytes > world->config.file_bytes)
        return fail(work, CEDE_EFBIG);
    sim_node_resize(work->file->node, bytes);
    sim_node_changed(work->file->node, true);
    return ok(work, 0);
}

bool sim_op_allocate(cede_sim *world, sim_work *work)
{
    uint64_t offset = work->args.range.offset, bytes = work->args.range.length_bytes;
    sim_open *file = work->file;
    if (!file || !(file->flags & CEDE_OPEN_WRITE))
        return fail(work, CEDE_EBADF);
    if (bytes == 0 || bytes > INT64_MAX || offset > INT64_MAX ||
        (work->args.range.flags & ~CEDE_ALLOCATE_KEEP_SIZE))
        return fail(work, CEDE_EINVAL);
    if (file->node->pipe)
        return fail(work, CEDE_ESPIPE);
    if (!is_open_file(file))
        return fail(work, CEDE_ENODEV);
    if (offset + bytes > world->config.file_bytes)
        return fail(work, CEDE_EFBIG);
    cede_status status =
        sim_node_reserve(file->node, offset / SIM_PAGE, (offset + bytes + SIM_PAGE - 1) / SIM_PAGE);
    if (status != CEDE_OK)
        return fail(work, status);
    if (!(work->args.range.flags & CEDE_ALLOCATE_KEEP_SIZE) && offset + bytes > file->node->size)
        file->node->size = offset + bytes;
    sim_node_changed(file->node, true);
    return ok(work, 0);
}

static bool sync_any(sim_work *work)
{
    if (!work->file)
        return fail(work, CEDE_EBADF);
    if (is_stream(work->file) || work->file->node->type == CEDE_FILE_CHARACTER)
        return fail(work, CEDE_EINVAL);
    return ok(work, 0);
}

bool sim_op_fsync(cede_sim *world, sim_work *work)
{
    (void)world;
    return sync_any(work);
}

bool sim_op_fdatasync(cede_sim *world, sim_work *work)
{
    (void)world;
    return sync_any(work);
}

/* ---- Copying --------------------------------------------------------------------------------- */

/* Copies within pages; a hole of the source makes no page in a hole of the destination. */
static uint64_t copy_bytes(sim_node *from, uint64_t at, sim_node *to, uint64_t there,
                           uint64_t bytes)
{
    uint8_t part[SIM_PAGE];
    uint64_t done = 0;
    while (done < bytes) {
        uint64_t within = (at + done) % SIM_PAGE, left = bytes - done;
        size_t length = (size_t)(SIM_PAGE - within < left ? SIM_PAGE - within : left);
        bool hole = !sim_page_find(from, (at + done) / SIM_PAGE) &&
                    !sim_page_find(to, (there + done) / SIM_PAGE) &&
                    !sim_page_find(to, (there + done + length - 1) / SIM_PAGE);
        if (!hole) {
            sim_node_read(from, at + done, part, length);
            uint64_t written = sim_node_write(to, there + done, part, length);
            if (written < length)
                return done + written;
        } else if (to->size < there + done + length) {
            to->size = there + done + length;
        }
        done += length;
    }
    return done;
}

static cede_status check_copy(const cede_sim *world, const sim_work *work)
{
    const sim_open *from = work->file, *to = work->to;
    uint64_t length = work->args.copy.length_bytes;
    if (!from || !to || !(from->flags & CEDE_OPEN_READ) || !(to->flags & CEDE_OPEN_WRITE) ||
        (to->flags & CEDE_OPEN_APPEND))
        return CEDE_EBADF;
    if (!is_open_file(from) || !is_open_file(to))
        return CEDE_EINVAL;
    uint64_t at = work->args.copy.from_offset, there = work->args.copy.to_offset;
    if (at > INT64_MAX || there > INT64_MAX)
        return CEDE_EINVAL;
    if (there + work->moved >= world->config.file_bytes && length > work->moved)
        return CEDE_EFBIG;
    if (length == CEDE_TO_END && at >= from->node->size)
        length = 0;
    else if (length == CEDE_TO_END && at >= there)
        length = from->node->size - at; /* else the end runs away */
    if (from->node == to->node && (at <= there ? there - at : at - there) < length)
        return CEDE_EINVAL;
    return CEDE_OK;
}

bool sim_op_copy(cede_sim *world, sim_work *work)
{
    cede_status status = check_copy(world, work);
    if (status != CEDE_OK)
        return fail(work, status);
    sim_node *from = work->file->node, *to = work->to->node;
    uint64_t at = work->args.copy.from_offset + work->moved;
    uint64_t there = work->args.copy.to_offset + work->moved;
    uint64_t bytes = work->args.copy.length_bytes;
    if (bytes != CEDE_TO_END)
        bytes -= work->moved < bytes ? work->moved : bytes;
    uint64_t left = at < from->size ? from->size - at : 0;
    bytes = bytes < left ? bytes : left;
    if (bytes > world->config.file_bytes - there)
        bytes = world->config.file_bytes - there;
    if (bytes == 0)
        return ok(work, 0);
    bytes = sim_maybe_short(world, bytes < COPY_MOST ? bytes : COPY_MOST);
    bytes = copy_bytes(from, at, to, there, bytes);
    if (bytes == 0)
        return fail(work, CEDE_ENOSPC);
    sim_node_changed(to, true);
    return ok(work, bytes);
}
