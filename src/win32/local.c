/*
 * Local names: streams that are named pipes.
 *
 * A pipe has no listener, only instances, of which each waits for one client. So a listener here is
 * a structure that keeps some instances waiting, which is its backlog, and its native descriptor is
 * that structure's address, made odd, which no handle of the system is; a list of all tells it from
 * a stray number. Every instance has a wait under way of its own, told by an event, since nobody
 * says which of them the next client gets. An instance that got one is exchanged for a fresh one
 * and becomes an accept's stream; until there is an accept it stands here. No instance is given
 * away before its successor is made, so that the name lasts as long as the listener.
 *
 * An instance that is there can be reached by a client, also if its wait could not be begun. Nobody
 * tells of that client; so while there is such an instance no accept waits here: it is parked, and
 * tends the instances when it comes back (law 15).
 *
 * A client that finds all instances taken waits for one on a thread (job.c), and looks anew now and
 * then: nothing else would tell it that the listener has gone.
 *
 * Threads: the list of all is under a lock; before a listener's first accept anybody may have it,
 * from there on it is its loop's thread's.
 */
#include "net.h"

#include <string.h>

#define BACKLOG_MOST 8u /* instances are dear */
#define WAIT_MOST_MS 250u
#define NAME_UNITS   (sizeof "\\\\.\\pipe\\" + CEDE_ADDRESS_PATH)
#define CONNECT_AS   (SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION)
#define CONNECT_HOW  (FILE_FLAG_OVERLAPPED | CONNECT_AS)

typedef struct win_instance {
    HANDLE pipe; /* NULL: there is none just now */
    win_io *io;  /* its wait */
    bool arrived;
} win_instance;

typedef struct win_local {
    struct win_local *next; /* of all */
    wchar_t name[NAME_UNITS];
    uint32_t count;
    bool serving, closing;
    win_instance instances[BACKLOG_MOST];
} win_local;

/* ---- All of them ---------------------------------------------------------------------------- */

static SRWLOCK all_lock = SRWLOCK_INIT;
static win_local *all;

static intptr_t native_of(const win_local *local)
{
    return (intptr_t)local | 1;
}

static win_local *find(intptr_t native)
{
    win_local *local = NULL;
    if (native & 1) {
        AcquireSRWLockShared(&all_lock);
        for (local = all; local && native_of(local) != native;)
            local = local->next;
        ReleaseSRWLockShared(&all_lock);
    }
    return local;
}

bool cedi_win_is_local(intptr_t native)
{
    return find(native) != NULL;
}

static void enter(win_local *local)
{
    AcquireSRWLockExclusive(&all_lock);
    local->next = all;
    all = local;
    ReleaseSRWLockExclusive(&all_lock);
}

static void leave(const win_local *local)
{
    win_local **place = &all;
    AcquireSRWLockExclusive(&all_lock);
    while (*place != local)
        place = &(*place)->next;
    *place = local->next;
    ReleaseSRWLockExclusive(&all_lock);
}

/* Nothing waits on its instances. */
static void destroy(win_local *local, uint32_t (*close_handle)(void *))
{
    leave(local);
    for (uint32_t i = 0; i < local->count; i++) {
        if (local->instances[i].pipe)
            (void)close_handle(local->instances[i].pipe);
    }
    cedi_memory_free(local);
}

void cedi_win_local_discard(intptr_t native)
{
    win_local *local = find(native);
    if (local)
        destroy(local, cede_win32_system_calls()->close_handle);
}

/* ---- Names, instances ----------------------------------------------------------------------- */

/* "." and ".." as in a path from a root. Left to the system they lead out of the pipes: to it
 * "\\.\pipe\..\C:\x" is the file C:\x. */
static void resolve(wchar_t *name)
{
    wchar_t *to = name;
    for (const wchar_t *from = name; *from;) {
        size_t units = wcscspn(from, L"\\");
        if (units == 2 && from[0] == L'.' && from[1] == L'.') {
            while (to > name && *--to != L'\\')
                continue;
        } else if (units > 0 && !(units == 1 && *from == L'.')) {
            if (to > name)
                *to++ = L'\\';
            memmove(to, from, units * sizeof *to);
            to += units;
        }
        from += units;
        if (*from)
            from++;
    }
    while (to > name && (to[-1] == L'.' || to[-1] == L' '))
        to--; /* the system leaves them out, too */
    *to = L'\0';
}

static uint32_t name_of(const char *path, wchar_t name[NAME_UNITS])
{
    static const wchar_t before[] = L"\\\\.\\pipe\\";
    const size_t units = sizeof before / sizeof before[0] - 1;
    memcpy(name, before, sizeof before);
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, name + units,
                            (int)(NAME_UNITS - units)) <= 1)
        return ERROR_INVALID_NAME;
    for (wchar_t *at = name + units; *at; at++) {
        if (*at == L'/')
            *at = L'\\';
    }
    resolve(name + units);
    return name[units] ? 0 : ERROR_INVALID_NAME;
}

static uint32_t make_instance(const win *self, const wchar_t *name, DWORD how, HANDLE *out)
{
    uint32_t error = cedi_win_create_pipe(
        self, name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | how, PIPE_UNLIMITED_INSTANCES, out);
    if (error)
        *out = NULL;
    return error;
}

/* ---- Listening ------------------------------------------------------------------------------ */

/* "Access denied" is what a second first instance is told. */
bool cedi_win_local_listen(win *self, const cede_work *work)
{
    const cede_args *args = work->args;
    uint32_t backlog = args->net.count, error;
    win_local *local;
    if (args->net.flags & CEDE_LISTEN_SHARED)
        return cedi_win_done_now(self, work, ERROR_NOT_SUPPORTED, 0);
    local = cedi_memory_get(sizeof *local);
    if (!local)
        return cedi_win_done_now(self, work, ERROR_NOT_ENOUGH_MEMORY, 0);
    local->count = backlog && backlog < BACKLOG_MOST ? backlog : BACKLOG_MOST;
    error = name_of(args->net.address.path, local->name);
    if (error == 0)
        error = make_instance(self, local->name, FILE_FLAG_FIRST_PIPE_INSTANCE,
                              &local->instances[0].pipe);
    if (error) {
        cedi_memory_free(local);
        if (error == ERROR_ACCESS_DENIED || error == ERROR_PIPE_BUSY)
            error = WSAEADDRINUSE;
        return cedi_win_done_now(self, work, error, 0);
    }
    for (uint32_t i = 1; i < local->count; i++)
        (void)make_instance(self, local->name, 0, &local->instances[i].pipe);
    enter(local);
    return cedi_win_done_now(self, work, 0, (uint64_t)native_of(local));
}

/* ---- Clients -------------------------------------------------------------------------------- */

static void serve(win *, win_file *);

/* A client that has written and gone may be read, all the same. */
static bool has_client(uint32_t error)
{
    return error == 0 || error == ERROR_PIPE_CONNECTED || error == ERROR_NO_DATA;
}

static void client_came(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    win_file *file = io->file;
    win_local *local = file->local;
    win_instance *instance = &local->instances[io->asked];
    (void)bytes;
    cedi_win_io_free(self, io);
    instance->io = NULL;
    instance->arrived = has_client(error);
    if (!local->closing)
        serve(self, file);
}

static uint32_t call_connect_pipe(win *self, win_io *io)
{
    cedi_win_event_ready(io);
    return cedi_win_connect_pipe(self, io->buffer, &io->overlapped);
}

/* It belongs to no work, and its token, 0, to none. Where there is no room the instance stays deaf.
 */
static void start_wait(win *self, win_file *file, uint32_t which)
{
    const cede_work none = {.op = CEDE_OP_ACCEPT};
    win_instance *instance = &file->local->instances[which];
    win_io *io = cedi_win_io_new(self, &none);
    if (!io)
        return;
    if (!cedi_win_event_make(io)) {
        cedi_win_io_free(self, io);
        return;
    }
    io->file = file;
    io->lane = WIN_LANE_EVENT;
    io->buffer = instance->pipe;
    io->asked = which;
    io->call = call_connect_pipe;
    io->over = client_came;
    io->overlapped.Offset = io->overlapped.OffsetHigh = 0;
    instance->io = io;
    cedi_win_issue(self, io);
}

/* Its client, if it has one, would not be noticed. */
static bool is_deaf(const win_instance *instance)
{
    return instance->pipe && !instance->io && !instance->arrived;
}

static bool any_is_deaf(const win_local *local)
{
    for (uint32_t i = 0; i < local->count; i++) {
        if (is_deaf(&local->instances[i]))
            return true;
    }
    return false;
}

/* All instances there, and waiting for clients, as far as may be. The error, if there is none. */
static uint32_t tend(win *self, win_file *file)
{
    win_local *local = file->local;
    uint32_t error = 0;
    bool any = false;
    for (uint32_t i = 0; i < local->count; i++) {
        win_instance *instance = &local->instances[i];
        if (!instance->pipe) {
            uint32_t failed = make_instance(self, local->name, 0, &instance->pipe);
            error = failed ? failed : error;
        }
        if (is_deaf(instance))
            start_wait(self, file, i);
        any = any || instance->pipe;
    }
    return any ? 0 : error;
}

static uint32_t take_client(win *self, win_file *file, uint32_t which, HANDLE *out)
{
    win_instance *instance = &file->local->instances[which];
    HANDLE fresh;
    uint32_t error = make_instance(self, file->local->name, 0, &fresh);
    if (error)
        return error;
    *out = instance->pipe;
    instance->pipe = fresh;
    instance->arrived = false;
    start_wait(self, file, which);
    return 0;
}

static bool find_client(const win_local *local, uint32_t *which)
{
    for (*which = 0; *which < local->count; ++*which) {
        if (local->instances[*which].arrived)
            return true;
    }
    return false;
}

/* Brings clients and accepts together. What it starts may call it again. Accepts that are left
 * wait, unless somebody may come unnoticed. */
static void serve(win *self, win_file *file)
{
    win_local *local = file->local;
    uint32_t which;
    if (local->serving)
        return;
    local->serving = true;
    while (file->first && find_client(local, &which)) {
        win_io *io = cedi_win_io_unwait(file);
        HANDLE pipe = NULL;
        uint32_t error = take_client(self, file, which, &pipe);
        io->net->made = (SOCKET)pipe;
        cedi_win_completed(self, io, error, 0);
    }
    while (file->first && any_is_deaf(local))
        cedi_win_completed(self, cedi_win_io_unwait(file), ERROR_NOT_ENOUGH_MEMORY, 0);
    local->serving = false;
}

/* ---- Accepting ------------------------------------------------------------------------------ */

static void accepted(win *self, win_io *io, uint32_t error, uint32_t bytes)
{
    uint64_t token = io->record.token, made = (uint64_t)io->net->made;
    cede_address *out = io->net->out;
    (void)bytes;
    cedi_win_io_left(self, io);
    if (error == 0 && out) {
        const cede_address peer = {.family = CEDE_ADDRESS_LOCAL};
        cede_core_touch(self->core, token, true);
        *out = peer;
        cede_core_touch(self->core, token, false);
    }
    cede_core_done(self->core, token,
                   cedi_error_is_shortage(error) ? CEDE_ENOMEM : cedi_error_status(error),
                   (int32_t)error, error ? 0 : made);
}

bool cedi_win_local_accept(win *self, const cede_work *work, win_file *file)
{
    win_io *io = cedi_win_io_new(self, work);
    uint32_t error;
    if (!io)
        return false;
    io->net = cedi_win_net_get(self);
    if (!io->net) {
        cedi_win_io_free(self, io);
        return false;
    }
    io->net->out = work->op == CEDE_OP_ACCEPT ? work->args->net.out : NULL;
    io->file = file;
    io->over = accepted;
    file->pending++;
    cedi_win_io_wait(file, io);
    file->local->serving = true; /* not before all are tended */
    error = tend(self, file);
    file->local->serving = false;
    serve(self, file);
    while (error && file->first)
        cedi_win_completed(self, cedi_win_io_unwait(file), error, 0);
    return true;
}

cede_status cedi_win_local_attach(win *self, win_file *file)
{
    (void)self;
    file->local = find(file->native);
    file->kind = CEDE_KIND_LISTENER;
    file->lane = WIN_LANE_NONE;
    return CEDE_OK;
}

/* The waits of its instances end first; until they have, the close is offered again. */
bool cedi_win_local_close(win *self, const cede_work *work)
{
    win_local *local = find(work->native);
    bool waits = false;
    local->closing = true;
    for (uint32_t i = 0; i < local->count; i++) {
        win_instance *instance = &local->instances[i];
        if (!instance->io)
            continue;
        (void)cedi_win_cancel_io(self, instance->pipe, &instance->io->overlapped);
        waits = true;
    }
    if (waits) {
        cede_core_done(self->core, work->token, CEDE_REPORT_PARK, 0, 0);
        return true;
    }
    cedi_win_file_closed(self, work->native);
    destroy(local, self->calls.close_handle);
    return cedi_win_done_now(self, work, 0, 0);
}

/* ---- Connecting ----------------------------------------------------------------------------- */

/* Where there is no pipe, nobody listens. */
static uint32_t reach(const win *self, const wchar_t *name, HANDLE *out)
{
    uint32_t error = cedi_win_create_file(self, name, GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING,
                                          CONNECT_HOW, out);
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ? WSAECONNREFUSED : error;
}

/* On a thread: one round. The wait ends when an instance is free, and not when there is none any
 * more, as long as some client has its end of one open: so it is a short one, and the call behind
 * it says what is. */
uint32_t cedi_win_do_connect(win_job *job)
{
    wchar_t name[NAME_UNITS];
    HANDLE made;
    uint32_t error = name_of(job->args.net.address.path, name);
    if (error)
        return error;
    if (!WaitNamedPipeW(name, WAIT_MOST_MS)) {
        error = GetLastError();
        if (error != ERROR_SEM_TIMEOUT)
            return error == ERROR_FILE_NOT_FOUND ? WSAECONNREFUSED : error;
    }
    error = reach(job->self, name, &made);
    job->count = (uint64_t)(uintptr_t)made;
    return error;
}

bool cedi_win_local_connect(win *self, const cede_work *work)
{
    wchar_t name[NAME_UNITS];
    HANDLE made = NULL;
    uint32_t error = name_of(work->args->net.address.path, name);
    if (error == 0)
        error = reach(self, name, &made);
    if (error == ERROR_PIPE_BUSY)
        return cedi_win_wait_for_instance(self, work);
    return cedi_win_done_now(self, work, error, error ? 0 : (uint64_t)(uintptr_t)made);
}

/* ---- Pairs ---------------------------------------------------------------------------------- */

/* The server's end reads, and the client's writes. A child's end is not for overlapped I/O: hardly
 * a program expects that of its standard streams. */
static uint32_t make_pair(const win *self, uint32_t what, HANDLE ends[2])
{
    bool both = what == CEDE_PAIR_STREAM;
    DWORD in = what == CEDE_PAIR_TO_CHILD ? 0 : FILE_FLAG_OVERLAPPED;
    DWORD out = what == CEDE_PAIR_FROM_CHILD ? 0 : FILE_FLAG_OVERLAPPED;
    wchar_t name[WIN_PIPE_UNITS];
    uint32_t error, tries = 0;
    do {
        cedi_win_pipe_name(name, tries);
        error = cedi_win_create_pipe(self, name,
                                     (both ? PIPE_ACCESS_DUPLEX : PIPE_ACCESS_INBOUND) |
                                         FILE_FLAG_FIRST_PIPE_INSTANCE | in,
                                     1, &ends[0]);
    } while (cedi_win_pipe_again(error, ++tries));
    if (error)
        return error;
    error = cedi_win_create_file(self, name,
                                 GENERIC_WRITE | (both ? GENERIC_READ : FILE_READ_ATTRIBUTES),
                                 OPEN_EXISTING, CONNECT_AS | out, &ends[1]);
    if (error)
        (void)self->calls.close_handle(ends[0]);
    return error;
}

bool cedi_win_local_pair(win *self, const cede_work *work)
{
    HANDLE ends[2];
    uint32_t what = work->args->net.flags, first = what == CEDE_PAIR_TO_CHILD;
    uint32_t error = make_pair(self, what, ends);
    if (error)
        return cedi_win_done_now(self, work, error, 0);
    cede_core_touch(self->core, work->token, true);
    *(uint64_t *)work->args->net.out = (uint64_t)(uintptr_t)ends[!first];
    cede_core_touch(self->core, work->token, false);
    return cedi_win_done_now(self, work, 0, (uint64_t)(uintptr_t)ends[first]);
}
