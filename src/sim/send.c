/*
 * Sends that make no copy of their own. Under the world's lock.
 */
#include "net.h"

#define PIECE 4096u

static bool ended(sim_work *work, cede_status status)
{
    work->status = status;
    return true;
}

/* ---- From a file ----------------------------------------------------------------------------- */

static cede_status check_file(const sim_work *work)
{
    const sim_open *stream = work->file, *file = work->to;
    if (!stream || !file || !(file->flags & CEDE_OPEN_READ))
        return CEDE_EBADF;
    if (file->node->type != CEDE_FILE_REGULAR)
        return CEDE_EINVAL;
    if (!stream->out && !stream->socket)
        return CEDE_EBADF;
    return CEDE_OK;
}

/* Of nothing nobody asks. */
static cede_status check_stream(const sim_open *stream)
{
    if (!stream->out)
        return stream->socket->kind == CEDE_KIND_STREAM ? CEDE_EPIPE : CEDE_ENOTCONN;
    return stream->out->readers ? CEDE_OK : CEDE_EPIPE;
}

static uint64_t pour(const sim_node *from, uint64_t at, cede_sim_pipe *to, uint64_t bytes)
{
    uint8_t piece[PIECE];
    uint64_t done = 0;
    while (done < bytes) {
        uint64_t part = bytes - done < PIECE ? bytes - done : PIECE;
        sim_node_read(from, at + done, piece, part);
        uint64_t moved = sim_pipe_in(to, piece, part);
        done += moved;
        if (moved < part)
            break;
    }
    return done;
}

/* A round: as much as there is of the file now, and room for it. */
bool sim_op_send_file(cede_sim *world, sim_work *work)
{
    cede_status status = check_file(work);
    if (status != CEDE_OK)
        return ended(work, status);
    const sim_node *from = work->to->node;
    uint64_t at = work->args.copy.from_offset + work->moved;
    uint64_t bytes = work->args.copy.length_bytes;
    uint64_t left = at < from->size ? from->size - at : 0;
    if (bytes != CEDE_TO_END)
        bytes -= work->moved < bytes ? work->moved : bytes;
    if (bytes > left)
        bytes = left;
    if (bytes == 0)
        return ended(work, CEDE_OK); /* the end, which the core judges */
    status = check_stream(work->file);
    if (status != CEDE_OK)
        return ended(work, status);
    cede_sim_pipe *to = work->file->out;
    uint64_t room = to->capacity - to->filled;
    if (room == 0)
        return sim_block(work, &to->writing);
    work->count = pour(from, at, to, sim_maybe_short(world, bytes < room ? bytes : room));
    return ended(work, work->count > 0 ? CEDE_OK : CEDE_ENOMEM);
}

/* ---- From lent memory ------------------------------------------------------------------------ */

static uint64_t hash_lent(sim_work *work)
{
    sim_touch(work, true);
    const char *memory = (const char *)work->args.io.buffer + work->moved;
    uint64_t hash = sim_mix_bytes(4, memory, (size_t)work->lent_bytes);
    sim_touch(work, false);
    return hash;
}

/* The bytes go as those of any send; the buffer is the network's until the report, which has a time
 * of its own and which no cancel hastens. */
bool sim_op_send_zero_copy(cede_sim *world, sim_work *work)
{
    bool over = sim_op_send_all(world, work);
    const sim_socket *socket = work->file ? work->file->socket : NULL;
    bool lends = socket && socket->own.family != CEDE_ADDRESS_LOCAL &&
                 work->args.io.length_bytes >= CEDE_ZERO_COPY_LEAST_BYTES;
    if (over && work->status == CEDE_OK && (lends || (world->config.flags & CEDE_SIM_LENDS)))
        work->lent_bytes = work->count;
    return over;
}

void sim_lend(sim_work *work)
{
    work->lent_hash = hash_lent(work);
}

void sim_lent_back(sim_work *work)
{
    if (work->lent_bytes && hash_lent(work) != work->lent_hash)
        cede_os_fatal("cede: law 5: sim: the buffer of a send_zero_copy changed before its done");
}
