/*
 * See win32_seam.h. A transfer that is taken out of the system's hands is kept as a record, made
 * later by a call of our own, and told of by a packet or a queued APC, as the system would.
 */
#include "win32_seam.h"

#include <stdatomic.h>
#include <string.h>
#include <winsock2.h>
#include <windows.h>

#define ROOM    64u
#define HANDLES 16384u

typedef void routine_fn(DWORD error, DWORD bytes, LPOVERLAPPED overlapped);

/* A transfer that was taken out of the system's hands. */
typedef struct held {
    HANDLE file;
    void *buffer;
    uint32_t bytes;
    OVERLAPPED *overlapped;
    routine_fn *routine; /* the APC lane's */
    HANDLE thread;       /* that issued it */
    uint32_t error;      /* that came of it */
    uint32_t cancels;
    bool writes;
    bool used;
    bool cancelled;
} held;

static struct {
    SRWLOCK lock;
    uint32_t manner;
    bool sends_packets;
    uint64_t random;
    held late[ROOM];
    uint32_t late_count;
    const unsigned char *frozen_from, *frozen_to;
    held frozen;
    bool limited;
    int64_t room;
    HANDLE ports[HANDLES]; /* that a handle leads into */
} seam;

static const cede_win32_calls *real(void)
{
    return cede_win32_system_calls();
}

static bool chance(void)
{
    seam.random = seam.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return seam.random >> 63;
}

static HANDLE *port_of(HANDLE file)
{
    return &seam.ports[((uintptr_t)file >> 2) & (HANDLES - 1)];
}

/* ---- Making a transfer, and telling of it ---------------------------------------------------- */

/* Its packet is kept from the port by bit 0 of the event. Returns the Win32 error, or 0. */
static uint32_t perform(const held *it, OVERLAPPED *here)
{
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    uint32_t error;
    memset(here, 0, sizeof *here);
    here->Offset = it->overlapped->Offset;
    here->OffsetHigh = it->overlapped->OffsetHigh;
    here->hEvent = (HANDLE)((uintptr_t)event | 1);
    error = it->writes ? real()->write_file(it->file, it->buffer, it->bytes, here)
                       : real()->read_file(it->file, it->buffer, it->bytes, here);
    if (error == ERROR_IO_PENDING) {
        WaitForSingleObject(event, INFINITE);
        error = here->Internal == 0 ? 0 : ERROR_HANDLE_EOF; /* of a file, nothing else */
    }
    CloseHandle(event);
    return error;
}

/* The NTSTATUS that the backend will make this error of again. */
static ULONG_PTR status_of(uint32_t error)
{
    switch (error) {
    case 0:
        return 0;
    case ERROR_HANDLE_EOF:
        return 0xC0000011;
    case ERROR_ACCESS_DENIED:
        return 0xC0000022;
    case ERROR_INVALID_PARAMETER:
        return 0xC000000D;
    default:
        return 0xC0000001; /* ERROR_GEN_FAILURE */
    }
}

static void CALLBACK call_routine(ULONG_PTR context)
{
    held *it = (held *)context;
    it->routine(it->error, (DWORD)it->overlapped->InternalHigh, it->overlapped);
    HeapFree(GetProcessHeap(), 0, it);
}

static void tell(const held *it)
{
    if (!it->routine) {
        real()->post_completion(*port_of(it->file), (uint32_t)it->overlapped->InternalHigh, 1,
                                it->overlapped);
        return;
    }
    held *copy = HeapAlloc(GetProcessHeap(), 0, sizeof *copy);
    *copy = *it;
    QueueUserAPC(call_routine, it->thread, (ULONG_PTR)copy);
}

static void finish(held *it)
{
    OVERLAPPED here;
    if (it->cancelled) {
        it->error = ERROR_OPERATION_ABORTED;
        it->overlapped->InternalHigh = 0;
        it->overlapped->Internal = 0xC0000120; /* STATUS_CANCELLED */
    } else {
        it->error = perform(it, &here);
        it->overlapped->InternalHigh = it->error ? 0 : here.InternalHigh;
        it->overlapped->Internal = status_of(it->error);
    }
    tell(it);
    if (it->thread)
        CloseHandle(it->thread);
}

static void finish_late(void)
{
    held now[ROOM];
    uint32_t count;
    AcquireSRWLockExclusive(&seam.lock);
    count = seam.late_count;
    memcpy(now, seam.late, count * sizeof now[0]);
    seam.late_count = 0;
    ReleaseSRWLockExclusive(&seam.lock);
    for (uint32_t i = 0; i < count; i++)
        finish(&now[i]);
}

/* ---- Transfers ------------------------------------------------------------------------------- */

static bool in_frozen(const held *it)
{
    const unsigned char *from = it->buffer;
    return seam.frozen_from && !seam.frozen.used && from < seam.frozen_to &&
           from + it->bytes > seam.frozen_from;
}

static bool leads_home(const held *it)
{
    return it->routine || *port_of(it->file);
}

static uint32_t at_once(const held *it)
{
    OVERLAPPED here;
    uint32_t error = perform(it, &here);
    if (error)
        return error; /* nothing was started */
    it->overlapped->InternalHigh = here.InternalHigh;
    it->overlapped->Internal = here.Internal;
    if (it->routine || seam.sends_packets) {
        held copy = *it;
        copy.thread = GetCurrentThread();
        tell(&copy);
    }
    return 0;
}

/* True: it was taken care of. */
static bool odd(held *it, uint32_t *error)
{
    bool taken = false;
    if (!seam.frozen_from && seam.manner == SEAM_PLAIN)
        return false;
    AcquireSRWLockExclusive(&seam.lock);
    it->used = true;
    if (in_frozen(it) && leads_home(it)) {
        it->thread = OpenThread(THREAD_SET_CONTEXT, FALSE, GetCurrentThreadId());
        seam.frozen = *it;
        *error = ERROR_IO_PENDING;
        taken = true;
    } else if (seam.manner == SEAM_LATE && seam.late_count < ROOM && leads_home(it) &&
               GetFileType(it->file) == FILE_TYPE_DISK) {
        it->thread = OpenThread(THREAD_SET_CONTEXT, FALSE, GetCurrentThreadId());
        seam.late[seam.late_count++] = *it;
        *error = ERROR_IO_PENDING;
        taken = true;
    }
    ReleaseSRWLockExclusive(&seam.lock);
    if (!taken && seam.manner == SEAM_AT_ONCE && leads_home(it) &&
        GetFileType(it->file) == FILE_TYPE_DISK) {
        *error = at_once(it);
        taken = true;
    }
    return taken;
}

static uint32_t seam_read(void *file, void *buffer, uint32_t bytes, void *overlapped)
{
    held it = {.file = file, .buffer = buffer, .bytes = bytes, .overlapped = overlapped};
    uint32_t error;
    return odd(&it, &error) ? error : real()->read_file(file, buffer, bytes, overlapped);
}

static uint32_t seam_write(void *file, const void *buffer, uint32_t bytes, void *overlapped)
{
    held it = {.file = file,
               .buffer = (void *)(uintptr_t)buffer,
               .bytes = bytes,
               .overlapped = overlapped,
               .writes = true};
    uint32_t error;
    return odd(&it, &error) ? error : real()->write_file(file, buffer, bytes, overlapped);
}

static uint32_t seam_read_ex(void *file, void *buffer, uint32_t bytes, void *overlapped,
                             void (*routine)(void))
{
    held it = {.file = file,
               .buffer = buffer,
               .bytes = bytes,
               .overlapped = overlapped,
               .routine = (routine_fn *)routine};
    uint32_t error;
    return odd(&it, &error) ? error
                            : real()->read_file_ex(file, buffer, bytes, overlapped, routine);
}

static uint32_t seam_write_ex(void *file, const void *buffer, uint32_t bytes, void *overlapped,
                              void (*routine)(void))
{
    held it = {.file = file,
               .buffer = (void *)(uintptr_t)buffer,
               .bytes = bytes,
               .overlapped = overlapped,
               .routine = (routine_fn *)routine,
               .writes = true};
    uint32_t error;
    return odd(&it, &error) ? error
                            : real()->write_file_ex(file, buffer, bytes, overlapped, routine);
}

/* ---- Cancel ---------------------------------------------------------------------------------- */

/* What is frozen says no, then yes, and completes all the same. What is late says yes and is, or
 * says yes and is too late, or says no. */
static bool cancel_held(const void *overlapped, uint32_t *error)
{
    bool found = false;
    AcquireSRWLockExclusive(&seam.lock);
    if (seam.frozen.used && seam.frozen.overlapped == overlapped) {
        found = true;
        *error = seam.frozen.cancels++ == 0 ? ERROR_NOT_FOUND : 0;
    }
    for (uint32_t i = 0; i < seam.late_count; i++) {
        if (seam.late[i].overlapped != overlapped)
            continue;
        found = true;
        seam.late[i].cancelled = seam.late[i].cancelled || chance();
        *error = seam.late[i].cancelled || chance() ? 0 : ERROR_NOT_FOUND;
    }
    ReleaseSRWLockExclusive(&seam.lock);
    return found;
}

static uint32_t seam_cancel(void *file, void *overlapped)
{
    uint32_t error = 0;
    return cancel_held(overlapped, &error) ? error : real()->cancel_io_ex(file, overlapped);
}

/* ---- The port -------------------------------------------------------------------------------- */

static uint32_t seam_completions(void *port, void *entries, uint32_t most, uint32_t *count,
                                 uint32_t timeout_ms, int alertable)
{
    if (seam.late_count)
        finish_late();
    return real()->get_completions(port, entries, most, count, timeout_ms, alertable);
}

static uint32_t seam_port(void *file, void *port, uintptr_t key, void **out)
{
    uint32_t error = real()->create_port(file, port, key, out);
    if (error == 0 && file != INVALID_HANDLE_VALUE)
        *port_of(file) = port;
    return error;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* False: there is no room for another. */
static bool take_room(void)
{
    bool refused;
    AcquireSRWLockExclusive(&seam.lock);
    refused = seam.limited && seam.room <= 0;
    if (seam.limited && !refused)
        seam.room--;
    ReleaseSRWLockExclusive(&seam.lock);
    return !refused;
}

static void give_room(HANDLE closed)
{
    AcquireSRWLockExclusive(&seam.lock);
    *port_of(closed) = NULL;
    seam.room++;
    ReleaseSRWLockExclusive(&seam.lock);
}

static uint32_t seam_create(const wchar_t *path, uint32_t access, uint32_t share,
                            uint32_t disposition, uint32_t flags, void **out)
{
    uint32_t error;
    if (!take_room()) {
        *out = INVALID_HANDLE_VALUE;
        return ERROR_TOO_MANY_OPEN_FILES;
    }
    error = real()->create_file(path, access, share, disposition, flags, out);
    if (error == 0)
        *port_of(*out) = NULL;
    return error;
}

static uint32_t seam_close(void *handle)
{
    give_room(handle);
    return real()->close_handle(handle);
}

/* ---- Sockets, pipes -------------------------------------------------------------------------- */

static uint32_t seam_socket(int family, int type, uintptr_t *out)
{
    uint32_t error;
    if (!take_room())
        return WSAEMFILE;
    error = real()->make_socket(family, type, out);
    if (error == 0)
        *port_of((HANDLE)*out) = NULL;
    return error;
}

static uint32_t seam_close_socket(uintptr_t socket)
{
    give_room((HANDLE)socket);
    return real()->close_socket(socket);
}

static uint32_t seam_create_pipe(const wchar_t *name, uint32_t open_mode, uint32_t instances,
                                 void **out)
{
    uint32_t error;
    if (!take_room())
        return ERROR_TOO_MANY_OPEN_FILES;
    error = real()->create_pipe(name, open_mode, instances, out);
    if (error == 0)
        *port_of(*out) = NULL;
    return error;
}

/* ---- Look-ups -------------------------------------------------------------------------------- */

/* The process's: those that a run has left may still be on their way. */
static struct {
    SRWLOCK lock;
    CONDITION_VARIABLE changed;
    bool held;
    uint32_t hanging;
} lookups = {SRWLOCK_INIT, CONDITION_VARIABLE_INIT, false, 0};

typedef void CALLBACK looked_up(DWORD error, DWORD bytes, LPOVERLAPPED);

typedef struct lookup {
    wchar_t host[256];
    int family;
    void **found;
    void *overlapped;
    looked_up *routine;
} lookup;

static bool hangs(void)
{
    bool held;
    AcquireSRWLockExclusive(&lookups.lock);
    held = lookups.held;
    lookups.hanging += held;
    ReleaseSRWLockExclusive(&lookups.lock);
    return held;
}

static void hang(void)
{
    AcquireSRWLockExclusive(&lookups.lock);
    while (lookups.held)
        (void)SleepConditionVariableSRW(&lookups.changed, &lookups.lock, INFINITE, 0);
    ReleaseSRWLockExclusive(&lookups.lock);
}

static void goes_on(void)
{
    AcquireSRWLockExclusive(&lookups.lock);
    lookups.hanging--;
    WakeAllConditionVariable(&lookups.changed);
    ReleaseSRWLockExclusive(&lookups.lock);
}

static DWORD WINAPI look_up_later(void *context)
{
    lookup *it = context;
    hang();
    it->routine(real()->look_up(it->host, it->family, it->found, NULL, NULL, NULL), 0,
                it->overlapped);
    HeapFree(GetProcessHeap(), 0, it);
    goes_on();
    return 0;
}

static uint32_t seam_look_up(const wchar_t *host, int family, void **found, void *overlapped,
                             void (*routine)(void), void **name)
{
    lookup *it;
    if (!hangs())
        return real()->look_up(host, family, found, overlapped, routine, name);
    it = HeapAlloc(GetProcessHeap(), 0, sizeof *it);
    wcscpy(it->host, host);
    it->family = family;
    it->found = found;
    it->overlapped = overlapped;
    it->routine = (looked_up *)routine;
    CloseHandle(CreateThread(NULL, 0, look_up_later, it, 0, NULL));
    return WSA_IO_PENDING;
}

static uint32_t seam_look_up_cancel(void **name)
{
    return *name ? real()->look_up_cancel(name) : WSA_INVALID_HANDLE;
}

static uint32_t seam_get_addresses(const wchar_t *host, int family, void **found)
{
    uint32_t error;
    bool hung = hangs();
    if (hung)
        hang();
    error = real()->get_addresses(host, family, found);
    if (hung)
        goes_on();
    return error;
}

void cft_seam_hold_lookups(bool held)
{
    AcquireSRWLockExclusive(&lookups.lock);
    lookups.held = held;
    WakeAllConditionVariable(&lookups.changed);
    ReleaseSRWLockExclusive(&lookups.lock);
}

uint32_t cft_seam_hanging_lookups(void)
{
    AcquireSRWLockExclusive(&lookups.lock);
    uint32_t hanging = (uint32_t)lookups.hanging;
    ReleaseSRWLockExclusive(&lookups.lock);
    return hanging;
}

void cft_seam_await_lookups(void)
{
    AcquireSRWLockExclusive(&lookups.lock);
    while (lookups.hanging > 0)
        (void)SleepConditionVariableSRW(&lookups.changed, &lookups.lock, INFINITE, 0);
    ReleaseSRWLockExclusive(&lookups.lock);
}

/* ---- Processes ------------------------------------------------------------------------------- */

/* One of Wine's now and then ends before it has begun (1359 in docs/facts-windows.md). */
static uint32_t seam_create_process(cede_win32_process *how)
{
    uint32_t error = ERROR_INTERNAL_ERROR;
    for (uint32_t tries = 0; error == ERROR_INTERNAL_ERROR && tries < 5; tries++)
        error = real()->create_process(how);
    return error;
}

/* ---- Console events -------------------------------------------------------------------------- */

/* There is no console here, and Wine's send ctrl-C only (tests/programs/terminal.c); they are made
 * up. The last one is told, by whatever thread it was registered; a removal finds none. */
static _Atomic(PHANDLER_ROUTINE) console_handler;

static uint32_t seam_console(void (*handler)(void))
{
    atomic_store(&console_handler, (PHANDLER_ROUTINE)handler);
    return 0;
}

static DWORD WINAPI send_event(void *event)
{
    PHANDLER_ROUTINE handler = atomic_load(&console_handler);
    return (DWORD)handler((DWORD)(uintptr_t)event);
}

bool cft_seam_event(uint32_t event)
{
    DWORD taken = FALSE;
    HANDLE thread;
    if (!atomic_load(&console_handler))
        return false;
    thread = CreateThread(NULL, 0, send_event, (void *)(uintptr_t)event, 0, NULL);
    (void)WaitForSingleObject(thread, INFINITE);
    (void)GetExitCodeThread(thread, &taken);
    (void)CloseHandle(thread);
    return taken != FALSE;
}

const cede_win32_calls cft_seam_calls = {
    .read_file = seam_read,
    .write_file = seam_write,
    .read_file_ex = seam_read_ex,
    .write_file_ex = seam_write_ex,
    .cancel_io_ex = seam_cancel,
    .get_completions = seam_completions,
    .create_port = seam_port,
    .create_file = seam_create,
    .close_handle = seam_close,
    .make_socket = seam_socket,
    .close_socket = seam_close_socket,
    .create_pipe = seam_create_pipe,
    .create_process = seam_create_process,
    .add_console_handler = seam_console,
    .look_up = seam_look_up,
    .look_up_cancel = seam_look_up_cancel,
    .get_addresses = seam_get_addresses,
};

/* ---- What the world asks for ----------------------------------------------------------------- */

void cft_seam_begin(uint32_t manner, bool sends_packets, uint64_t seed)
{
    memset(&seam, 0, sizeof seam);
    InitializeSRWLock(&seam.lock);
    seam.manner = manner;
    seam.sends_packets = sends_packets;
    seam.random = seed;
}

void cft_seam_end(void)
{
    memset(&seam, 0, sizeof seam);
}

void cft_seam_freeze(const void *memory, size_t bytes)
{
    AcquireSRWLockExclusive(&seam.lock);
    seam.frozen_from = memory;
    seam.frozen_to = seam.frozen_from + bytes;
    ReleaseSRWLockExclusive(&seam.lock);
}

bool cft_seam_frozen(void)
{
    bool frozen;
    AcquireSRWLockExclusive(&seam.lock);
    frozen = seam.frozen.used;
    ReleaseSRWLockExclusive(&seam.lock);
    return frozen;
}

void cft_seam_thaw(void)
{
    held it;
    AcquireSRWLockExclusive(&seam.lock);
    it = seam.frozen;
    seam.frozen.used = false;
    seam.frozen_from = seam.frozen_to = NULL;
    ReleaseSRWLockExclusive(&seam.lock);
    if (it.used)
        finish(&it);
}

void cft_seam_limit(uint32_t more)
{
    AcquireSRWLockExclusive(&seam.lock);
    seam.limited = true;
    seam.room = more;
    ReleaseSRWLockExclusive(&seam.lock);
}
