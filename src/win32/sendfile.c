/*
 * Files to streams, a round at a time.
 *
 * A socket has TransmitFile, which reads the file by itself at an offset, and leaves the position
 * of a file that was made for overlapped I/O alone, since that has none. What was not, whose
 * position it might move, what has no such call (pipes, other providers) goes another way: a piece
 * is read on a thread, into a buffer of ours, and written as any other.
 *
 * A round of TransmitFile is not the two GiB that it takes: what one that was cut off has sent is
 * the provider's word, and the rounds before it are certain.
 */
#include "net.h"

#define ROUND_BYTES (UINT64_C(16) << 20)

/* ---- By the system -------------------------------------------------------------------------- */

static uint32_t call_transmit(win *self, win_io *io)
{
    if (io->lane == WIN_LANE_EVENT)
        cedi_win_event_ready(io);
    return cedi_win_transmit_file(self, (SOCKET)io->file->native, io->buffer, io->asked,
                                  &io->overlapped);
}

/* Of a connection that was reset it may say that there is none: then a send has the last word. */
static bool is_refused(uint32_t error)
{
    return error == WSAEOPNOTSUPP || error == ERROR_NOT_SUPPORTED ||
           error == ERROR_INVALID_FUNCTION || error == WSAENOTCONN;
}

/* Where the file ends, its size says before each round, and nobody else: a round that ends there
 * and has moved nothing has met another end, and who reads the file himself finds out which. */
static void transmitted(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    win_file *stream = io->file;
    win_record record = io->record;
    if (error == ERROR_HANDLE_EOF)
        error = 0; /* it is shorter than it was; the next round finds its end */
    cedi_win_io_free(self, io);
    if (bytes == 0 && (!error || is_refused(error))) {
        stream->cannot_transmit = true;
        cede_core_done(self->core, record.token, CEDE_REPORT_AGAIN, (int32_t)error, 0);
    } else {
        cedi_win_report_transfer(self, &record, stream, true, error, bytes);
    }
    stream->pending--;
    cedi_win_file_left(self, stream);
}

/* It has no routine: in the APC lane an event tells. A file that ends before what was asked for is
 * an error to it. */
static bool transmit(win *self, const cede_work *work, win_file *stream, uint64_t at, uint64_t left)
{
    LARGE_INTEGER size;
    win_io *io;
    if (!GetFileSizeEx((HANDLE)work->native_other, &size))
        return cedi_win_done_now(self, work, GetLastError(), 0);
    if (at >= (uint64_t)size.QuadPart)
        return cedi_win_done_now(self, work, 0, 0);
    if (left > (uint64_t)size.QuadPart - at)
        left = (uint64_t)size.QuadPart - at;
    io = cedi_win_net_io_in(self, work, stream,
                            stream->lane == WIN_LANE_PORT ? WIN_LANE_PORT : WIN_LANE_EVENT);
    if (!io)
        return false;
    io->writes = true;
    io->buffer = (HANDLE)work->native_other;
    io->asked = (uint32_t)(left < ROUND_BYTES ? left : ROUND_BYTES);
    io->overlapped.Offset = (DWORD)at;
    io->overlapped.OffsetHigh = (DWORD)(at >> 32);
    io->call = call_transmit;
    io->over = transmitted;
    cedi_win_issue(self, io);
    return true;
}

/* ---- By a buffer ---------------------------------------------------------------------------- */

static uint32_t piece_of(const win_file *stream, uint64_t left)
{
    uint64_t most = WIN_BOUNCE_BYTES;
    if (stream->quota && stream->quota < most)
        most = stream->quota;
    return (uint32_t)(left < most ? left : most);
}

/* The buffer goes back with the record that has it. */
static bool issue_piece(win *self, const cede_work *work, win_file *stream, win_bounce *bounce,
                        uint32_t bytes)
{
    WSABUF piece = {bytes, (char *)bounce->bytes};
    win_io *io = cedi_win_net_io(self, work, stream);
    if (!io)
        return false;
    io->bounce = bounce;
    io->writes = true;
    io->buffer = stream->socket ? (void *)&piece : bounce->bytes;
    io->asked = stream->socket ? 1 : bytes;
    cedi_win_issue(self, io);
    return true;
}

static bool start_piece(win *self, const cede_work *work, win_file *stream, win_bounce *bounce,
                        uint32_t bytes)
{
    win_record *record;
    if (stream->lane != WIN_LANE_SYNC)
        return issue_piece(self, work, stream, bounce, bytes);
    if (!cedi_win_sync_transfer(self, work, stream, bounce->bytes, bytes, UINT64_MAX, true))
        return false;
    record = cedi_win_record_find(self, work->token);
    if (record)
        CONTAINING_RECORD(record, win_job, record)->scratch = bounce;
    else
        cedi_win_bounce_put(self, bounce); /* there was no thread for it */
    return true;
}

/* A cancel that came while it was read is remembered: nothing has gone. */
void cedi_win_send_piece(win *self, win_job *job)
{
    const cede_args args = job->args;
    const cede_work work = {.token = job->record.token,
                            .args = (cede_args *)(uintptr_t)&args,
                            .native = job->native,
                            .native_other = -1,
                            .op = CEDE_OP_SEND_FILE};
    win_file *stream = cedi_win_file_find(self, job->native);
    win_bounce *bounce = job->scratch;
    uint32_t bytes = (uint32_t)job->count;
    bool wished = job->wished && !CEDI_FAULT(WISH_IS_FORGOTTEN);
    job->scratch = NULL;
    cedi_win_job_free(self, job);
    if (!wished && start_piece(self, &work, stream, bounce, bytes))
        return;
    cedi_win_bounce_put(self, bounce);
    cede_core_done(self->core, work.token, wished ? CEDE_ECANCELED : CEDE_REPORT_PARK, 0, 0);
}

static bool by_buffer(win *self, const cede_work *work, const win_file *stream, uint64_t left)
{
    return cedi_win_to_pool_for(self, work, piece_of(stream, left));
}

/* ---- Which ---------------------------------------------------------------------------------- */

bool cedi_win_start_send_file(win *self, const cede_work *work)
{
    win_file *stream;
    const win_file *file = cedi_win_file_find(self, work->native_other);
    uint64_t left = work->args->copy.length_bytes, at = work->args->copy.from_offset + work->moved;
    if (!cedi_win_file_use(self, work, &stream))
        return true;
    if (!stream || stream->lane == WIN_LANE_NONE || !file || file->lane == WIN_LANE_NONE ||
        (file->access && !(file->access & FILE_READ_DATA)))
        return cedi_win_done_now(self, work, ERROR_INVALID_HANDLE, 0);
    if (left != CEDE_TO_END)
        left -= work->moved;
    if (left == 0)
        return cedi_win_done_now(self, work, 0, 0);
    if (stream->socket && stream->lane != WIN_LANE_SYNC && file->lane != WIN_LANE_SYNC &&
        !stream->cannot_transmit)
        return transmit(self, work, stream, at, left);
    return by_buffer(self, work, stream, left);
}
