/*
 * What the loop knows of each handle that it has used, and how it came by it: attach finds out what
 * the handle is and binds it to a lane, once.
 *
 * A record is found by the handle's value, through a hash, and lives until the handle is closed,
 * released or, if it is borrowed, forgotten, and nothing is pending on it. The loop's thread.
 *
 * Pipes. A write that the system has pending on a pipe and that was drained in part tells no count
 * when it is cancelled, and the rest is lost. So a write is never longer than the pipe's quota: by
 * the time a reader has come to its first byte it fits as a whole, and is complete (measured, and
 * what the quota means). Each direction has a quota of its own, named as the server's end sees it.
 * A pipe without a quota has what docs/contract.md says about it.
 */
#include "net.h"

#define QUOTA_UNKNOWN 4096u  /* also of a pipe that has none */
#define REMOTE_MOST   65535u /* what goes into a pipe over a network at once: WriteFile's page */

/* ---- The table ------------------------------------------------------------------------------ */

static win_file **bucket_of(const win *self, intptr_t native)
{
    return &self->files[(uint64_t)native * UINT64_C(0x9e3779b97f4a7c15) >> self->file_shift];
}

win_file *cedi_win_file_find(const win *self, intptr_t native)
{
    win_file *file = self->files ? *bucket_of(self, native) : NULL;
    while (file && file->native != native)
        file = file->chain;
    return file;
}

static bool table_grow(win *self)
{
    uint64_t old_count = self->files ? UINT64_C(1) << (64 - self->file_shift) : 0;
    win_file **old = self->files, **made;
    if (self->file_count < old_count)
        return true;
    made = cedi_memory_get((old_count ? (size_t)old_count * 2 : 16) * sizeof(win_file *));
    if (!made)
        return false;
    self->files = made;
    self->file_shift = old_count ? self->file_shift - 1 : 60;
    for (uint64_t i = 0; i < old_count; i++) {
        while (old[i]) {
            win_file *file = old[i], **bucket = bucket_of(self, file->native);
            old[i] = file->chain;
            file->chain = *bucket;
            *bucket = file;
        }
    }
    cedi_memory_free(old);
    return true;
}

static win_file *file_enter(win *self, intptr_t native)
{
    win_file *file, **bucket;
    if (!table_grow(self))
        return NULL;
    file = cedi_win_file_new(self);
    if (!file)
        return NULL;
    file->native = native;
    file->names = 1;
    bucket = bucket_of(self, native);
    file->chain = *bucket;
    *bucket = file;
    self->file_count++;
    return file;
}

void cedi_win_file_closed(win *self, intptr_t native)
{
    win_file *file = cedi_win_file_find(self, native), **place;
    if (!file)
        return;
    place = bucket_of(self, native);
    while (*place != file)
        place = &(*place)->chain;
    *place = file->chain;
    self->file_count--;
    file->closed = true;
    cedi_win_file_left(self, file);
}

void cedi_win_file_left(win *self, win_file *file)
{
    if (file->closed && file->pending == 0)
        cedi_win_file_free(self, file);
}

/* ---- What a handle is ----------------------------------------------------------------------- */

static uint32_t kind_of_disk(const win *self, HANDLE handle)
{
    BY_HANDLE_FILE_INFORMATION info;
    uint32_t error = self->calls.describe_file(handle, &info);
    if (error)
        return cedi_win_has_no_facts(error) ? CEDE_KIND_DISK : CEDE_KIND_FILE;
    return info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? CEDE_KIND_DIR : CEDE_KIND_FILE;
}

static cede_status find_kind(const win *self, HANDLE handle, uint32_t *kind)
{
    DWORD mode, type;
    SetLastError(0);
    type = GetFileType(handle);
    switch (type) {
    case FILE_TYPE_DISK:
        *kind = kind_of_disk(self, handle);
        return CEDE_OK;
    case FILE_TYPE_PIPE:
        *kind = CEDE_KIND_PIPE;
        return CEDE_OK;
    case FILE_TYPE_CHAR:
        *kind = GetConsoleMode(handle, &mode) ? CEDE_KIND_TTY : CEDE_KIND_CHAR;
        return CEDE_OK;
    default:
        if (GetLastError() != 0)
            return cedi_error_status(GetLastError());
        *kind = CEDE_KIND_CHAR;
        return CEDE_OK;
    }
}

static bool query(HANDLE handle, void *out, unsigned long bytes, int what)
{
    const cedi_nt *nt = cedi_win_nt();
    cedi_nt_status_block block = {0};
    return nt->query_file && nt->query_file(handle, &block, out, bytes, what) >= 0;
}

/* Not made for overlapped I/O. Where it cannot be asked, a handle that no port takes counts as
 * such: threads serve every handle. */
bool cedi_win_is_synchronous(HANDLE handle)
{
    unsigned long mode = 0;
    const unsigned long synchronous = 0x10 | 0x20; /* FILE_SYNCHRONOUS_IO_ALERT, _NONALERT */
    return !query(handle, &mode, sizeof mode, CEDI_NT_MODE) || (mode & synchronous);
}

/* A handle that leads to no other machine has no such information. */
static bool is_remote(const win *self, HANDLE handle)
{
    uint64_t room[32]; /* some 180 bytes, of two versions */
    return self->calls.get_file_info(handle, FileRemoteProtocolInfo, room, sizeof room) == 0;
}

/* A pipe that never waits has results of its own ("nothing there", "nothing written") and none that
 * comes later: it cannot be used. */
static cede_status look_at_pipe(const win *self, win_file *file)
{
    /* FILE_PIPE_LOCAL_INFORMATION: ten numbers */
    enum { INBOUND_QUOTA = 4, OUTBOUND_QUOTA = 6, IS_SERVER = 9 };
    unsigned long info[10] = {0};
    DWORD state = 0;
    file->quota = 0;
    file->is_pipe = query((HANDLE)file->native, info, sizeof info, CEDI_NT_PIPE);
    if (file->is_pipe)
        file->quota = info[info[IS_SERVER] ? OUTBOUND_QUOTA : INBOUND_QUOTA];
    if (file->quota == 0)
        file->quota = QUOTA_UNKNOWN;
    file->remote = is_remote(self, (HANDLE)file->native);
    if (file->quota > REMOTE_MOST && file->remote)
        file->quota = REMOTE_MOST;
    if (file->is_pipe &&
        GetNamedPipeHandleStateW((HANDLE)file->native, &state, NULL, NULL, NULL, NULL, 0) &&
        (state & PIPE_NOWAIT))
        return CEDE_EINVAL;
    return CEDE_OK;
}

static void look_at_file(win_file *file)
{
    HANDLE handle = (HANDLE)file->native;
    LARGE_INTEGER zero = {0}, at, size;
    if (SetFilePointerEx(handle, zero, &at, FILE_CURRENT))
        file->position = (uint64_t)at.QuadPart;
    if (GetFileSizeEx(handle, &size))
        file->end_seen = (uint64_t)size.QuadPart;
}

/* ---- Lanes ---------------------------------------------------------------------------------- */

static bool gives_warnings(const win_file *file)
{
    DWORD state = 0;
    if (file->socket)
        return !file->may_skip;
    if (!file->quota)
        return false;
    return !GetNamedPipeHandleStateW((HANDLE)file->native, &state, NULL, NULL, NULL, NULL, 0) ||
           (state & PIPE_READMODE_MESSAGE);
}

/* For life, whoever it was: its owner, or a loop that released it. */
static bool was_told_to_skip(HANDLE handle)
{
    unsigned long modes = 0;
    return query(handle, &modes, sizeof modes, CEDI_NT_NOTIFY) &&
           (modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
}

/* Not a borrowed handle: it is for life, and its owner may bind it to a port of his own, and wait
 * for every packet, when he has it back. For the like reason nobody is told
 * FILE_SKIP_SET_EVENT_ON_HANDLE: he may wait for the handle itself. */
static bool tell_to_skip(const win *self, const win_file *file)
{
    if ((self->config.without & CEDE_WIN32_NO_SKIP_ON_SUCCESS) || file->borrowed ||
        gives_warnings(file) || cedi_win_fault(self, "SetFileCompletionNotificationModes"))
        return false;
    return self->calls.set_notification_modes((HANDLE)file->native,
                                              FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) == 0;
}

/* Whether success sends no packet is not said of warnings, so what may give one keeps its packets
 * (a message that is longer than its buffer). If it has been told already, no packet is waited for:
 * one that comes all the same is dropped. */
static void no_packets_for_success(const win *self, win_file *file)
{
    file->skips = tell_to_skip(self, file) || was_told_to_skip((HANDLE)file->native);
}

/* A handle leads into one port for life: a refusal means that this one does already, or cannot. */
static cede_status bind_to_port(win *self, win_file *file)
{
    HANDLE handle = (HANDLE)file->native;
    void *port;
    uint32_t error = cedi_win_bind_port(self, handle, self->port, WIN_KEY_IO, &port);
    if (error == 0) {
        file->lane = WIN_LANE_PORT;
        no_packets_for_success(self, file);
        return CEDE_OK;
    }
    if (error != ERROR_INVALID_PARAMETER)
        return cedi_error_status(error);
    file->lane = cedi_win_is_synchronous(handle) ? WIN_LANE_SYNC : WIN_LANE_EVENT;
    return CEDE_OK;
}

static cede_status choose_lane(win *self, win_file *file, uint8_t lane)
{
    if (file->kind & (CEDE_KIND_DIR | CEDE_KIND_CHILD | CEDE_KIND_OBJECT)) {
        file->lane = WIN_LANE_NONE;
        return CEDE_OK;
    }
    if (file->console) { /* by calls of its own */
        file->lane = WIN_LANE_SYNC;
        return CEDE_OK;
    }
    if (lane == WIN_LANE_PORT)
        return bind_to_port(self, file);
    /* Windows refuses routines on a handle that leads into a port; so whether it does has to be
     * known. Binding it to find out would be for life: the first transfer is what tells (apc.c). */
    file->lane = cedi_win_is_synchronous((HANDLE)file->native) ? WIN_LANE_SYNC : WIN_LANE_APC;
    return CEDE_OK;
}

static cede_status look_at_socket(win_file *file, uint32_t kind, uint8_t lane)
{
    uint32_t error = cedi_win_socket_look(file->native, &kind, &file->family, &file->may_skip);
    file->socket = true;
    file->kind = (uint16_t)kind;
    file->lane = WIN_LANE_LATER;
    file->wanted = lane;
    return error ? cedi_error_status(error) : CEDE_OK;
}

/* Whoever lends a socket to be polled goes on using it, maybe by a port of his own: it is bound by
 * the first transfer. */
bool cedi_win_file_use(win *self, const cede_work *work, win_file **out)
{
    win_file *file = cedi_win_file_find(self, work->native);
    cede_status status = CEDE_OK;
    if (file && file->lane == WIN_LANE_LATER)
        status = choose_lane(self, file, file->wanted);
    *out = file;
    if (status)
        cede_core_done(self->core, work->token, status, 0, 0);
    return status == CEDE_OK;
}

static cede_status look_at_object(win *self, win_file *file)
{
    DWORD flags;
    if (!GetHandleInformation((HANDLE)file->native, &flags))
        return CEDE_EBADF;
    if (file->kind == CEDE_KIND_CHILD && GetProcessId((HANDLE)file->native) == 0)
        return CEDE_EINVAL;
    file->socket = file->kind == CEDE_KIND_OBJECT && cedi_win_is_socket(file->native);
    return choose_lane(self, file, WIN_LANE_NONE);
}

static cede_status look(win *self, win_file *file, uint32_t kind, uint8_t lane)
{
    cede_status status = CEDE_OK;
    unsigned long access = 0;
    if (cedi_win_is_local(file->native))
        return cedi_win_local_attach(self, file);
    if ((kind == CEDE_KIND_AUTO || (kind & CEDE_KIND_SOCKETS)) && cedi_win_is_socket(file->native))
        return look_at_socket(file, kind, lane);
    if (kind == CEDE_KIND_AUTO)
        status = find_kind(self, (HANDLE)file->native, &kind);
    if (status)
        return status;
    file->kind = (uint16_t)kind;
    if (kind == CEDE_KIND_WATCH)
        return cedi_win_watch_attach(file);
    if (kind == CEDE_KIND_CHILD || kind == CEDE_KIND_OBJECT)
        return look_at_object(self, file);
    if (query((HANDLE)file->native, &access, sizeof access, CEDI_NT_ACCESS))
        file->access = access;
    file->appends = (access & (FILE_APPEND_DATA | FILE_WRITE_DATA)) == FILE_APPEND_DATA &&
                    kind == CEDE_KIND_FILE;
    if (kind == CEDE_KIND_TTY)
        file->console = cedi_win_console_look((HANDLE)file->native);
    if (kind == CEDE_KIND_FILE || kind == CEDE_KIND_DISK)
        look_at_file(file);
    else if (kind == CEDE_KIND_PIPE || kind == CEDE_KIND_STREAM)
        status = look_at_pipe(self, file);
    else if (kind & CEDE_KIND_SOCKETS)
        status = GetFileType((HANDLE)file->native) == FILE_TYPE_UNKNOWN ? CEDE_EBADF : CEDE_EINVAL;
    return status ? status : choose_lane(self, file, lane);
}

/* Two names for one handle share what is known of it, so they share its lane, too. */
static cede_status meet_again(win_file *file, bool wants_apc)
{
    if (wants_apc && file->lane == WIN_LANE_PORT)
        return CEDE_EINVAL;
    if (wants_apc)
        file->wanted = WIN_LANE_APC;
    file->names++;
    return CEDE_OK;
}

cede_status cedi_win_attach(void *context, intptr_t native, uint32_t *kind)
{
    win *self = context;
    bool wants_apc = (*kind & CEDE_ATTACH_APC) != 0, borrowed = (*kind & CEDE_ATTACH_BORROW) != 0;
    win_file *file = cedi_win_file_find(self, native);
    cede_status status;
    *kind &= ~(CEDE_ATTACH_APC | CEDE_ATTACH_BORROW);
    if (file) {
        status = meet_again(file, wants_apc);
    } else {
        file = file_enter(self, native);
        if (file)
            file->borrowed = borrowed;
        status =
            file ? look(self, file, *kind, wants_apc ? WIN_LANE_APC : self->lane) : CEDE_ENOMEM;
        if (file && status)
            cedi_win_file_closed(self, native);
    }
    if (status == CEDE_OK)
        *kind = file->kind;
    return status;
}

static bool leave_port(const win *self, HANDLE handle)
{
    struct {
        HANDLE port;
        void *key;
    } none = {NULL, NULL};
    const cedi_nt *nt = cedi_win_nt();
    cedi_nt_status_block block = {0};
    return !(self->config.without & CEDE_WIN32_NO_REPLACE) && nt->set_file &&
           nt->set_file(handle, &block, &none, sizeof none, CEDI_NT_REPLACE) >= 0;
}

/* What the system keeps of a position is for whoever uses the handle next. A handle that was not
 * made for overlapped I/O has its true position there. */
static void leave_position(const win_file *file)
{
    LARGE_INTEGER at;
    at.QuadPart = (LONGLONG)file->position;
    if (file->kind == CEDE_KIND_FILE && file->lane != WIN_LANE_SYNC)
        (void)SetFilePointerEx((HANDLE)file->native, at, NULL, FILE_BEGIN);
}

cede_status cedi_win_detach(void *context, intptr_t native)
{
    win *self = context;
    const win_file *file = cedi_win_file_find(self, native);
    if (!file)
        return CEDE_OK;
    if (file->names > 1 || file->local || file->changes || file->lost ||
        (file->lane == WIN_LANE_PORT && !leave_port(self, (HANDLE)native)))
        return CEDE_ENOTSUP;
    leave_position(file);
    cedi_win_file_closed(self, native);
    return CEDE_OK;
}

/* A borrowed handle goes on without us. Where it cannot leave the port, it will be met as one that
 * leads into a foreign one, if it is borrowed again. */
void cedi_win_forget(void *context, intptr_t native)
{
    win *self = context;
    win_file *file = cedi_win_file_find(self, native);
    if (!file || --file->names > 0)
        return;
    if (file->lane == WIN_LANE_PORT)
        (void)leave_port(self, (HANDLE)native);
    leave_position(file);
    cedi_win_file_closed(self, native);
}
