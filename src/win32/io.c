/*
 * Transfers: issued in the handle's lane, settled in one place, reported once.
 *
 * A work is over with the kernel's word about it, never with the answer to a cancel. Whether that
 * word is still to come, or was the call's own return, is decided by settle, for every lane.
 * Positions: the system keeps none for overlapped handles, so the file's record does; one transfer
 * at a time uses it, those behind wait in the record. The loop's thread.
 */
#include "net.h"

#include <string.h>

#define HOLE_BYTES (UINT64_C(1) << 20) /* a write so far behind the end makes the file sparse */

/* ---- Reports -------------------------------------------------------------------------------- */

static bool is_end(uint32_t error)
{
    if (CEDI_FAULT(END_IS_AN_ERROR))
        return false;
    return error == ERROR_HANDLE_EOF || error == ERROR_BROKEN_PIPE ||
           error == ERROR_PIPE_NOT_CONNECTED || error == WSAESHUTDOWN;
}

/* Where a write that is refused so far out was too far, file systems find many words for it. */
uint32_t cedi_win_too_far(uint32_t error, uint64_t end)
{
    if (end <= WIN_FILE_MOST)
        return error;
    switch (error) {
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_GEN_FAILURE:
    case ERROR_INVALID_PARAMETER:
    case ERROR_NEGATIVE_SEEK:
        return ERROR_FILE_TOO_LARGE;
    default:
        return error;
    }
}

/* Somebody has written nothing into a pipe, or an empty message. Here as elsewhere a count of 0 is
 * the end, so nobody hears of it. */
static bool is_nothing(const win_file *file, bool writes, uint32_t error, uint64_t bytes)
{
    return file->is_pipe && !writes && error == 0 && bytes == 0;
}

void cedi_win_report_transfer(win *self, const win_record *record, const win_file *file,
                              bool writes, uint32_t error, uint64_t bytes)
{
    bool lacks_room = cedi_win_lacks_room(writes, error, bytes);
    cede_status status = CEDE_OK;
    if (is_nothing(file, writes, error, bytes))
        status = CEDE_REPORT_AGAIN;
    if ((bytes > 0 && !CEDI_FAULT(ABORT_MOVES_NOTHING)) ||
        (error == ERROR_MORE_DATA && !lacks_room) || (!writes && is_end(error)))
        error = 0; /* what moved is the truth; the reason comes again if it lasts */
    if (lacks_room)
        status = CEDE_REPORT_PARK;
    else if (error == ERROR_ACCESS_DENIED)
        status = CEDE_EBADF; /* it was not opened for this */
    else if (error)
        status = cedi_error_status(error);
    if (status == CEDE_ECONNABORTED)
        status = CEDE_ECONNRESET; /* of a connection that was there, it is the same */
    cede_core_done(self->core, record->token, status, (int32_t)error, bytes);
}

static void scatter(win *self, const win_io *io, uint32_t bytes)
{
    const unsigned char *from = io->bounce->bytes;
    cede_core_touch(self->core, io->record.token, true);
    for (uint64_t i = 0; i < io->bounce->count && bytes > 0; i++) {
        const cede_vec *piece = &io->bounce->vec[i];
        uint32_t part = piece->length_bytes < bytes ? (uint32_t)piece->length_bytes : bytes;
        if (part > 0)
            memcpy(piece->base, from, part);
        from += part;
        bytes -= part;
    }
    cede_core_touch(self->core, io->record.token, false);
}

/* ---- The file's own position ---------------------------------------------------------------- */

static void position_move(win_file *file, const win_io *io, uint32_t bytes)
{
    LARGE_INTEGER size;
    if (file->appends && io->writes && GetFileSizeEx((HANDLE)file->native, &size))
        file->position = (uint64_t)size.QuadPart;
    else
        file->position += bytes;
}

static void position_take(win_file *file, win_io *io)
{
    file->at_position = io;
    io->overlapped.Offset = (DWORD)file->position;
    io->overlapped.OffsetHigh = (DWORD)(file->position >> 32);
}

void cedi_win_io_wait(win_file *file, win_io *io)
{
    io->stage = WIN_STAGE_WAITS;
    io->next = NULL;
    if (file->last)
        file->last->next = io;
    else
        file->first = io;
    file->last = io;
}

win_io *cedi_win_io_unwait(win_file *file)
{
    win_io *io = file->first;
    if (!io)
        return NULL;
    file->first = io->next;
    if (!file->first)
        file->last = NULL;
    return io;
}

static void position_leave(win *self, win_file *file)
{
    win_io *next = cedi_win_io_unwait(file);
    file->at_position = NULL;
    if (!next)
        return;
    position_take(file, next);
    cedi_win_issue(self, next);
}

/* ---- The end of a transfer ------------------------------------------------------------------ */

uint32_t cedi_win_io_error(const win_io *io)
{
    uint32_t error = cedi_win_error_of(io->overlapped.Internal), winsocks = 0;
    if (error && io->file && io->file->socket)
        winsocks = cedi_error_of_socket((uint32_t)io->overlapped.Internal);
    return winsocks ? winsocks : error;
}

void cedi_win_io_left(win *self, win_io *io)
{
    win_file *file = io->file;
    cedi_win_io_free(self, io);
    file->pending--;
    cedi_win_file_left(self, file);
}

void cedi_win_completed(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    win_file *file = io->file;
    win_record record = io->record;
    bool writes = io->writes, at_position = file && file->at_position == io;
    uint64_t offset = (uint64_t)io->overlapped.OffsetHigh << 32 | io->overlapped.Offset;
    if (io->over) {
        io->over(self, io, error, bytes);
        return;
    }
    if (!file) { /* a round trip */
        cedi_win_io_free(self, io);
        cede_core_done(self->core, record.token, CEDE_OK, 0, 0);
        return;
    }
    if (CEDI_FAULT(SHORT_WRITE_IS_FULL) && writes && bytes > 0)
        bytes = io->asked;
    if (at_position)
        position_move(file, io, bytes);
    if (writes && offset != WIN_TO_END) {
        if (bytes > 0 && offset + bytes > file->end_seen)
            file->end_seen = offset + bytes;
        error = cedi_win_too_far(error, offset + io->asked);
    }
    if (io->bounce && !writes)
        scatter(self, io, bytes);
    cedi_win_picked(self, &io->record, bytes);
    cedi_win_size_learn(file, writes, io->length, error, bytes);
    cedi_win_io_free(self, io);
    cedi_win_report_transfer(self, &record, file, writes, error, bytes);
    if (at_position)
        position_leave(self, file);
    file->pending--;
    cedi_win_file_left(self, file);
}

/* A record that waits for nothing, or whose OVERLAPPED the kernel has not written since it was
 * issued, is not meant: a packet of an earlier life, which that life did not wait for. */
void cedi_win_arrived(win *self, win_io *io)
{
    if ((io->stage != WIN_STAGE_OWED || io->overlapped.Internal == SYSTEM_STATUS_PENDING) &&
        !CEDI_FAULT(STRAY_IS_BELIEVED)) {
        self->strays++;
        return;
    }
    self->owed--;
    if (CEDI_FAULT(FAILURE_IS_DROPPED) && cedi_win_io_error(io))
        return;
    cedi_win_completed(self, io, cedi_win_io_error(io), (uint32_t)io->overlapped.InternalHigh);
}

/* ---- Issue ---------------------------------------------------------------------------------- */

static uint32_t call(win *self, win_io *io)
{
    HANDLE handle = (HANDLE)io->file->native;
    if (io->call)
        return io->call(self, io);
    switch (io->lane) {
    case WIN_LANE_APC:
        return cedi_win_issue_apc(self, io);
    case WIN_LANE_EVENT:
        return cedi_win_issue_event(self, io);
    default:
        if (io->writes)
            return cedi_win_write(self, handle, io->buffer, io->asked, &io->overlapped);
        return cedi_win_read(self, handle, io->buffer, io->asked, &io->overlapped);
    }
}

/* Told like a success, not like a failure. By its number alone, but that WSAEMSGSIZE of a send,
 * which an error is by what is documented, is whatever the kernel's status calls it: on Wine, a
 * warning. One that the kernel has not written still says that it pends. */
static bool is_warning(const win_io *io, uint32_t error)
{
    if (CEDI_FAULT(WARNING_IS_AN_ERROR))
        return false;
    if (error == WSAEMSGSIZE && io->writes)
        return (uint32_t)io->overlapped.Internal >> 30 == 2;
    return error == ERROR_MORE_DATA || error == WSAEMSGSIZE;
}

/*
 * What the call that started a transfer has said: the one place that decides whether its end is
 * still to be told.
 *
 *     pending               it will be told
 *     success, a warning    a packet tells it too, unless the handle was told to send none; a
 *                           routine always; an event need not be waited for
 *     another failure       nothing was started, and nothing will come
 */
static void settle(win *self, win_io *io, uint32_t error)
{
    bool success = error == 0 || is_warning(io, error);
    uint8_t lane = io->lane;
    bool skips = (io->file->skips || CEDI_FAULT(SKIPS_UNASKED)) && !CEDI_FAULT(SKIPPED_IS_AWAITED);
    bool told = (error == ERROR_IO_PENDING && !CEDI_FAULT(PENDING_IS_OVER)) ||
                (success && (lane == WIN_LANE_APC || (lane == WIN_LANE_PORT && !skips)));
    if (told) {
        if (lane == WIN_LANE_PORT)
            self->owed++;
        else if (lane == WIN_LANE_APC)
            self->apcs++;
        else
            cedi_win_event_watch(io);
        return;
    }
    io->stage = WIN_STAGE_IDLE;
    if (success)
        cedi_win_completed(self, io, cedi_win_io_error(io), (uint32_t)io->overlapped.InternalHigh);
    else
        cedi_win_completed(self, io, error, 0);
}

static void prepare_hole(const win_io *io)
{
    uint64_t offset = (uint64_t)io->overlapped.OffsetHigh << 32 | io->overlapped.Offset;
    win_file *file = io->file;
    if (!io->writes || file->kind != CEDE_KIND_FILE || file->hole_asked || offset == WIN_TO_END ||
        offset < file->end_seen + HOLE_BYTES)
        return;
    file->hole_asked = true;
    cedi_win_make_sparse((HANDLE)file->native);
}

void cedi_win_issue(win *self, win_io *io)
{
    prepare_hole(io);
    io->overlapped.Internal = SYSTEM_STATUS_PENDING;
    io->overlapped.InternalHigh = 0;
    io->overlapped.hEvent = NULL;
    io->stage = WIN_STAGE_OWED;
    settle(self, io, call(self, io));
}

/* ---- From work to transfers ----------------------------------------------------------------- */

typedef struct wish {
    win_file *file;
    void *buffer;
    uint64_t length;
    int64_t offset;
    bool writes;
    bool append;
} wish;

/* The right, where it is known: so that a transfer of nothing says it, too. */
static bool allowed(const wish *wish)
{
    uint32_t right = wish->writes ? FILE_WRITE_DATA | FILE_APPEND_DATA : FILE_READ_DATA;
    return wish->file->access == 0 || (wish->file->access & right);
}

static bool start_io(win *self, const cede_work *work, const wish *wish, win_bounce *bounce)
{
    win_file *file = wish->file;
    bool has_positions = file->kind == CEDE_KIND_FILE || file->kind == CEDE_KIND_DISK;
    win_io *io = cedi_win_io_new(self, work);
    if (!io)
        return false;
    if (file->lane == WIN_LANE_EVENT && !cedi_win_event_make(io)) {
        cedi_win_io_free(self, io);
        return false;
    }
    io->file = file;
    io->lane = file->lane;
    io->writes = wish->writes;
    io->buffer = wish->buffer;
    io->bounce = bounce;
    io->asked = io->length = cedi_win_most_at_once(file, wish->writes, wish->length);
    io->overlapped.Offset = io->overlapped.OffsetHigh = 0;
    file->pending++;
    if (wish->append && has_positions) {
        io->overlapped.Offset = (DWORD)WIN_TO_END;
        io->overlapped.OffsetHigh = (DWORD)(WIN_TO_END >> 32);
    } else if (has_positions && wish->offset == CEDE_CURRENT) {
        if (file->at_position && !CEDI_FAULT(POSITION_IS_SHARED)) {
            cedi_win_io_wait(file, io);
            return true;
        }
        position_take(file, io);
    } else if (has_positions) {
        io->overlapped.Offset = (DWORD)(uint64_t)wish->offset;
        io->overlapped.OffsetHigh = (DWORD)((uint64_t)wish->offset >> 32);
    }
    cedi_win_issue(self, io);
    return true;
}

static bool start_wish(win *self, const cede_work *work, wish *wish)
{
    if (!cedi_win_file_use(self, work, &wish->file))
        return true;
    if (!wish->file || wish->file->lane == WIN_LANE_NONE || !allowed(wish))
        return cedi_win_done_now(self, work, ERROR_INVALID_HANDLE, 0);
    if (wish->length == 0)
        return cedi_win_done_now(self, work, 0, 0);
    if (wish->file->socket && wish->file->lane != WIN_LANE_SYNC)
        return cedi_win_socket_piece(self, work, wish->buffer, wish->length, wish->writes);
    if (wish->file->lane == WIN_LANE_SYNC) {
        wish->length = cedi_win_most_at_once(wish->file, wish->writes, wish->length);
        if (wish->file->console && !wish->writes)
            return cedi_win_console_read(self, work, wish->file, wish->buffer,
                                         (uint32_t)wish->length, NULL);
        return cedi_win_sync_transfer(self, work, wish->file, wish->buffer, wish->length,
                                      wish->append ? WIN_AT_END : (uint64_t)wish->offset,
                                      wish->writes);
    }
    return start_io(self, work, wish, NULL);
}

bool cedi_win_transfer(win *self, const cede_work *work, bool writes, uint64_t moved)
{
    const cede_args *args = work->args;
    wish wish = {.buffer = (void *)((uintptr_t)args->io.buffer + (uintptr_t)moved),
                 .length = args->io.length_bytes - moved,
                 .offset = args->io.offset,
                 .writes = writes};
    if (wish.offset != CEDE_CURRENT)
        wish.offset = (int64_t)((uint64_t)wish.offset + moved);
    return start_wish(self, work, &wish);
}

bool cedi_win_append(win *self, const cede_work *work)
{
    wish wish = {.buffer = work->args->io.buffer,
                 .length = work->args->io.length_bytes,
                 .offset = CEDE_CURRENT,
                 .writes = true,
                 .append = true};
    return start_wish(self, work, &wish);
}

/* ---- Vectors -------------------------------------------------------------------------------- */

/* Windows has no such call for any file; one buffer makes one transfer of them. A vector that is
 * longer is short by the rest, or, if its first piece alone fills a buffer, by the others. */
static bool start_bounced(win *self, const cede_work *work, const cede_vec *vec, uint64_t count,
                          wish *wish)
{
    win_bounce *bounce = cedi_win_bounce_get(self);
    uint64_t filled = 0;
    if (!bounce)
        return false;
    bounce->vec = vec;
    bounce->count = count;
    if (wish->length > WIN_BOUNCE_BYTES)
        wish->length = WIN_BOUNCE_BYTES;
    wish->buffer = bounce->bytes;
    for (uint64_t i = 0; wish->writes && filled < wish->length; i++) {
        uint64_t part = wish->length - filled;
        if (part > vec[i].length_bytes)
            part = vec[i].length_bytes;
        if (part > 0)
            memcpy(bounce->bytes + filled, vec[i].base, (size_t)part);
        filled += part;
    }
    if (start_io(self, work, wish, bounce))
        return true;
    cedi_win_bounce_put(self, bounce);
    return false;
}

bool cedi_win_transfer_vec(win *self, const cede_work *work, const cede_vec *vec, uint64_t count,
                           bool writes)
{
    uint64_t total = 0, first = count;
    wish wish = {.offset = work->args->vec.offset, .writes = writes};
    for (uint64_t i = count; i-- > 0;) {
        total += vec[i].length_bytes;
        if (vec[i].length_bytes > 0)
            first = i;
    }
    if (total > 0) {
        wish.buffer = vec[first].base;
        wish.length = vec[first].length_bytes;
    }
    if (!cedi_win_file_use(self, work, &wish.file))
        return true;
    if (wish.length == total || !wish.file || wish.file->lane == WIN_LANE_NONE ||
        wish.file->lane == WIN_LANE_SYNC || !allowed(&wish))
        return start_wish(self, work, &wish);
    if (wish.file->socket)
        return cedi_win_socket_vec(self, work, vec, count, writes);
    if (wish.length >= WIN_BOUNCE_BYTES)
        return start_wish(self, work, &wish);
    wish.length = total;
    return start_bounced(self, work, vec, count, &wish);
}

/* ---- The bare way to the kernel and back ---------------------------------------------------- */

bool cedi_win_roundtrip(win *self, const cede_work *work)
{
    win_io *io = cedi_win_io_new(self, work);
    uint32_t error;
    if (!io)
        return false;
    io->overlapped.Internal = SYSTEM_STATUS_SUCCESS;
    io->overlapped.InternalHigh = 0;
    io->stage = WIN_STAGE_OWED;
    error = cedi_win_post(self, WIN_KEY_POST, &io->overlapped);
    if (error) {
        cedi_win_io_free(self, io);
        cede_core_done(self->core, work->token, CEDE_REPORT_PARK, (int32_t)error, 0);
        return true;
    }
    self->owed++;
    return true;
}

/* ---- Cancel --------------------------------------------------------------------------------- */

static void stop_waiting(win *self, win_io *io)
{
    win_file *file = io->file;
    win_io **place = &file->first, *before = NULL;
    while (*place != io) {
        before = *place;
        place = &before->next;
    }
    *place = io->next;
    if (file->last == io)
        file->last = before;
    cedi_win_completed(self, io, ERROR_OPERATION_ABORTED, 0);
}

/* "Not found" is no evidence that it is over, and what there was no room for is asked again; after
 * "found" its report comes by itself, whatever it says. */
static int heard(win *self, win_io *io, uint32_t error)
{
    if (CEDI_FAULT(CANCEL_TELLS_TOO) && error == 0)
        cede_core_done(self->core, io->record.token, CEDE_ECANCELED, 0, 0);
    if (CEDI_FAULT(CANCEL_IS_THE_END) && error == 0)
        cedi_win_completed(self, io, ERROR_OPERATION_ABORTED, 0);
    if (CEDI_FAULT(NOT_FOUND_IS_NEVER) && error == ERROR_NOT_FOUND)
        return CEDE_CANCEL_NEVER;
    if (error == 0 || (CEDI_FAULT(NO_ROOM_ENDS_WISH) && cedi_error_is_shortage(error)))
        return CEDE_CANCEL_SENT;
    return CEDE_CANCEL_AGAIN;
}

/* By its own OVERLAPPED: by handle it would reach operations on a duplicate. */
int cedi_win_io_cancel(win *self, win_io *io)
{
    io->wished = true;
    if (io->stop)
        return io->stop(self, io);
    if (io->stage == WIN_STAGE_WAITS) {
        stop_waiting(self, io);
        return CEDE_CANCEL_SENT;
    }
    if (!io->file)
        return CEDE_CANCEL_NEVER; /* a round trip is on its way */
    if (io->stage != WIN_STAGE_OWED)
        return CEDE_CANCEL_SENT; /* it has been told of already */
    return heard(self, io, cedi_win_cancel_io(self, (HANDLE)io->file->native, &io->overlapped));
}
