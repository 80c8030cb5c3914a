/*
 * The Windows backend's worlds, one for each lane: the real file system in a fresh directory, named
 * pipes for overlapped I/O, and the seam (win32_seam.c) for what cannot be had otherwise.
 */
#include "inner.h"
#include "win32_seam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define PIPE_BYTES 65536u
#define PIECE      4096u

typedef struct world {
    cft *t;
    char directory[MAX_PATH + 64];
    cede_win32_config config;
    unsigned char *memory; /* that can be frozen */
    size_t memory_bytes;
    char file[MAX_PATH + 96];
    cft_kth kth; /* S9 */
} world;

static const struct {
    uint32_t error;
    bool for_good;
} faults[] = {{ERROR_NO_SYSTEM_RESOURCES, false},
              {ERROR_NOT_ENOUGH_MEMORY, false},
              {ERROR_ACCESS_DENIED, false},
              {ERROR_ACCESS_DENIED, true}};

/* Wine's ntdll has a function that Windows' has not. */
static uint32_t wine(void)
{
    typedef const char *get_version(void);
    get_version *found = (get_version *)cft_os_function("ntdll.dll", "wine_get_version");
    return found ? (uint32_t)strtoul(found(), NULL, 10) : 0;
}

static const uint32_t masks[] = {
    CEDE_WIN32_NO_SKIP_ON_SUCCESS,
    CEDE_WIN32_NO_REPLACE,
    CEDE_WIN32_NO_POSIX_DELETE,
    CEDE_WIN32_NO_POSIX_RENAME,
    CEDE_WIN32_NO_FINE_TIMER,
    CEDE_WIN32_NO_LOOKUP,
    CEDE_WIN32_NO_ANY,
};

/* S7 */
static const struct {
    uint32_t manner;
    bool packets;
} manners[] = {{SEAM_AT_ONCE, false}, {SEAM_AT_ONCE, true}, {SEAM_LATE, true}};

static uint32_t variants(uint32_t schedule)
{
    switch (schedule) {
    case 7:
        return sizeof manners / sizeof manners[0];
    case 8:
        return 2;
    case 13:
        return sizeof masks / sizeof masks[0];
    default:
        return 0;
    }
}

static void *start(cft *t)
{
    static uint32_t made;
    char parent[MAX_PATH];
    world *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    CFT_CHECK(t, GetTempPathA(sizeof parent, parent) > 0);
    snprintf(w->directory, sizeof w->directory, "%scede-%lu-%lu-%u", parent, GetCurrentProcessId(),
             (unsigned long)GetTickCount(), made++);
    CFT_CHECK(t, CreateDirectoryA(w->directory, NULL));
    w->t = t;
    if (cft_schedule(t) == 7)
        cft_seam_begin(manners[cft_variant(t)].manner, manners[cft_variant(t)].packets,
                       cft_random(t));
    else
        cft_seam_begin(SEAM_PLAIN, false, 0);
    return w;
}

static void remove_tree(const char *path)
{
    char below[1024];
    WIN32_FIND_DATAA found;
    snprintf(below, sizeof below, "%s\\*", path);
    HANDLE find = FindFirstFileA(below, &found);
    if (find != INVALID_HANDLE_VALUE) {
        do {
            if (strcmp(found.cFileName, ".") == 0 || strcmp(found.cFileName, "..") == 0)
                continue;
            snprintf(below, sizeof below, "%s\\%s", path, found.cFileName);
            SetFileAttributesA(below, FILE_ATTRIBUTE_NORMAL);
            if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
                remove_tree(below);
            else
                DeleteFileA(below);
        } while (FindNextFileA(find, &found));
        FindClose(find);
    }
    RemoveDirectoryA(path);
}

static void abandon(void *state)
{
    world *w = state;
    remove_tree(w->directory);
}

static void end(cft *t, void *state)
{
    world *w = state;
    (void)t;
    cft_seam_hold_lookups(false);
    cft_seam_await_lookups();
    cft_seam_end();
    remove_tree(w->directory);
    free(w->memory);
    free(w);
}

/* ---- Options and failures -------------------------------------------------------------------- */

/* What the backend cannot live without: completions, wakes and cancels. */
static bool is_vital(const char *call)
{
    static const char *const vital[] = {"GetQueuedCompletionStatusEx", "PostQueuedCompletionStatus",
                                        "CancelIoEx", "CancelSynchronousIo"};
    for (size_t i = 0; i < sizeof vital / sizeof vital[0]; i++) {
        if (strcmp(call, vital[i]) == 0)
            return true;
    }
    return false;
}

static int fault_hook(void *context, const char *call)
{
    world *w = context;
    uint32_t error = faults[w->kth.mode].error;
    bool for_good = faults[w->kth.mode].for_good;
    if (for_good && is_vital(call))
        return 0;
    if (!cft_kth_fails(w->t, &w->kth, call, for_good))
        return 0;
    /* A wait may be refused for a while; it is never forbidden half way. */
    if (strcmp(call, "GetQueuedCompletionStatusEx") == 0 && error == ERROR_ACCESS_DENIED)
        error = ERROR_NO_SYSTEM_RESOURCES;
    return (int)error;
}

static void options(cft *t, void *state, cede_options *out)
{
    world *w = state;
    memset(&w->config, 0, sizeof w->config);
    w->config.calls = &cft_seam_calls;
    if (cft_schedule(t) == 7 && manners[cft_variant(t)].packets)
        w->config.without = CEDE_WIN32_NO_SKIP_ON_SUCCESS;
    if (cft_schedule(t) == 8)
        w->config.packets = 1 + cft_variant(t);
    if (cft_schedule(t) == 13)
        w->config.without = masks[cft_variant(t)];
    if (cft_schedule(t) == 9) {
        w->config.fault = fault_hook;
        w->config.fault_context = w;
    }
    out->backend_config = &w->config;
}

static void fault(cft *t, void *state, uint32_t mode, uint64_t k)
{
    world *w = state;
    (void)t;
    cft_kth_arm(&w->kth, mode, k);
}

static bool fault_hit(cft *t, void *state)
{
    world *w = state;
    (void)t;
    return atomic_load(&w->kth.hit);
}

/* ---- Files ---------------------------------------------------------------------------------- */

static void limit(cft *t, void *state, uint32_t more)
{
    (void)t;
    (void)state;
    cft_seam_limit(more);
}

static void path(cft *t, void *state, const char *name, char *out, size_t bytes)
{
    world *w = state;
    (void)t;
    snprintf(out, bytes, "%s\\%s", w->directory, name);
}

/* Of a pipe: a name for the whole machine. */
static void local(cft *t, void *state, const char *name, char *out, size_t bytes)
{
    static uint32_t made;
    (void)t;
    (void)state;
    snprintf(out, bytes, "cede-conformance/%lu.%lu.%u/%s", GetCurrentProcessId(),
             (unsigned long)GetTickCount(), made++, name);
}

static HANDLE open_file(cft *t, void *state, const char *name, DWORD access, DWORD disposition)
{
    char full[1024];
    path(t, state, name, full, sizeof full);
    return CreateFileA(full, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                       disposition, 0, NULL);
}

static void make_file(cft *t, void *state, const char *name, const void *bytes, uint64_t count)
{
    HANDLE file = open_file(t, state, name, GENERIC_WRITE, CREATE_ALWAYS);
    CFT_EXPECT(t, file != INVALID_HANDLE_VALUE); /* its directory may not have come about */
    if (file == INVALID_HANDLE_VALUE)
        return;
    for (uint64_t done = 0; done < count;) {
        DWORD wrote = 0, piece = count - done < 1u << 20 ? (DWORD)(count - done) : 1u << 20;
        CFT_CHECK(t, WriteFile(file, (const char *)bytes + done, piece, &wrote, NULL) && wrote > 0);
        done += wrote;
    }
    CloseHandle(file);
}

static int64_t file_size(cft *t, void *state, const char *name)
{
    char full[1024];
    WIN32_FILE_ATTRIBUTE_DATA info;
    path(t, state, name, full, sizeof full);
    if (!GetFileAttributesExA(full, GetFileExInfoStandard, &info))
        return -1;
    return (int64_t)((uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow);
}

static uint64_t file_read(cft *t, void *state, const char *name, void *out, uint64_t count,
                          uint64_t offset)
{
    HANDLE file = open_file(t, state, name, GENERIC_READ, OPEN_EXISTING);
    uint64_t done = 0;
    LARGE_INTEGER at;
    if (file == INVALID_HANDLE_VALUE)
        return 0;
    at.QuadPart = (LONGLONG)offset;
    CFT_CHECK(t, SetFilePointerEx(file, at, NULL, FILE_BEGIN));
    while (done < count) {
        DWORD got = 0, piece = count - done < 1u << 20 ? (DWORD)(count - done) : 1u << 20;
        if (!ReadFile(file, (char *)out + done, piece, &got, NULL) || got == 0)
            break;
        done += got;
    }
    CloseHandle(file);
    return done;
}

/* ---- Pipes ---------------------------------------------------------------------------------- */

static void take_end(cft_pipe *end, HANDLE ours, HANDLE peer)
{
    end->native = (intptr_t)ours;
    end->peer = peer ? (intptr_t)peer : -1;
    end->handle = cede_import((intptr_t)ours, CEDE_KIND_PIPE, 0);
    if (!end->handle) /* it stayed ours */
        CloseHandle(ours);
}

static bool make_pipe(cft *t, void *state, cft_pipe *reader, cft_pipe *writer)
{
    static uint32_t made;
    char name[96];
    (void)t;
    (void)state;
    snprintf(name, sizeof name, "\\\\.\\pipe\\cede-conformance.%lu.%u", GetCurrentProcessId(),
             made++);
    HANDLE in = CreateNamedPipeA(name, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE,
                                 1, PIPE_BYTES, PIPE_BYTES, 0, NULL);
    if (in == INVALID_HANDLE_VALUE)
        return false;
    HANDLE out = CreateFileA(name, GENERIC_WRITE | FILE_READ_ATTRIBUTES, 0, NULL, OPEN_EXISTING,
                             FILE_FLAG_OVERLAPPED, NULL);
    if (out == INVALID_HANDLE_VALUE) {
        CloseHandle(in);
        return false;
    }
    if (reader)
        take_end(reader, in, writer ? NULL : out);
    if (writer)
        take_end(writer, out, reader ? NULL : in);
    return true;
}

static uint64_t pipe_bytes(cft *t, void *state, const cft_pipe *pipe)
{
    (void)t;
    (void)state;
    (void)pipe;
    return PIPE_BYTES;
}

/* What is not done at once is taken back: a piece within the quota is written whole or not. */
static DWORD transfer(HANDLE pipe, void *bytes, DWORD count, bool writes)
{
    OVERLAPPED here = {0};
    DWORD moved = 0;
    BOOL began;
    here.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    began = writes ? WriteFile(pipe, bytes, count, NULL, &here)
                   : ReadFile(pipe, bytes, count, NULL, &here);
    if (began || GetLastError() == ERROR_IO_PENDING) {
        if (!began && here.Internal == 0x103)
            CancelIoEx(pipe, &here);
        if (!GetOverlappedResult(pipe, &here, &moved, TRUE))
            moved = 0;
    }
    CloseHandle(here.hEvent);
    return moved;
}

static int64_t peer_write(cft *t, void *state, intptr_t peer, const void *bytes, size_t count)
{
    size_t done = 0;
    (void)t;
    (void)state;
    while (done < count) {
        DWORD piece = count - done < PIECE ? (DWORD)(count - done) : PIECE;
        DWORD wrote = transfer((HANDLE)peer, (char *)(uintptr_t)bytes + done, piece, true);
        done += wrote;
        if (wrote == 0)
            break;
    }
    return (int64_t)done;
}

static int64_t peer_read(cft *t, void *state, intptr_t peer, void *out, size_t count)
{
    size_t done = 0;
    DWORD there = 0;
    (void)t;
    (void)state;
    while (done < count && PeekNamedPipe((HANDLE)peer, NULL, 0, NULL, &there, NULL) && there > 0) {
        DWORD piece = count - done < there ? (DWORD)(count - done) : there;
        DWORD got = transfer((HANDLE)peer, (char *)out + done, piece, false);
        done += got;
        if (got == 0)
            break;
    }
    return (int64_t)done;
}

static void peer_close(cft *t, void *state, intptr_t peer)
{
    (void)t;
    (void)state;
    CloseHandle((HANDLE)peer);
}

/* ---- Look-ups, signals ----------------------------------------------------------------------- */

static void hold_lookups(cft *t, void *state, bool held)
{
    (void)t;
    (void)state;
    cft_seam_hold_lookups(held);
}

static bool raise_signal(cft *t, void *state, uint32_t signal)
{
    (void)t;
    (void)state;
    return cft_seam_event(signal == CEDE_SIGNAL_QUIT ? CTRL_BREAK_EVENT : CTRL_C_EVENT);
}

/* ---- Freezing ------------------------------------------------------------------------------- */

static void *frozen_buffer(cft *t, void *state, size_t bytes)
{
    world *w = state;
    CFT_CHECK(t, !w->memory);
    w->memory = malloc(bytes);
    CFT_CHECK(t, w->memory != NULL);
    w->memory_bytes = bytes;
    memset(w->memory, 0xee, bytes);
    return w->memory;
}

static void freeze(cft *t, void *state)
{
    world *w = state;
    (void)t;
    cft_seam_freeze(w->memory, w->memory_bytes);
}

static bool frozen(cft *t, void *state)
{
    (void)t;
    (void)state;
    return cft_seam_frozen();
}

static void thaw(cft *t, void *state)
{
    (void)t;
    (void)state;
    cft_seam_thaw();
}

static const char *frozen_file(cft *t, void *state, size_t bytes)
{
    world *w = state;
    unsigned char *content = cft_alloc(t, bytes);
    memset(content, 'z', bytes);
    make_file(t, state, "frozen", content, bytes);
    path(t, state, "frozen", w->file, sizeof w->file);
    return w->file;
}

/* ---- S3: completed, not delivered ------------------------------------------------------------ */

static void complete(cft *t, void *state)
{
    uint64_t timeout_ns = 0;
    intptr_t event;
    (void)state;
    event = cede_loop_waitable(cft_loop(t), &timeout_ns); /* flushes */
    if (event > 0)
        (void)WaitForSingleObjectEx((HANDLE)event, 5, TRUE);
}

#define WORLD(name_)                                                                             \
    {                                                                                            \
        .name = (name_), .schedules = (1u << CFT_SCHEDULES) - 1u, .variants = variants,          \
        .start = start, .end = end, .abandon = abandon, .options = options,                      \
        .open_in_process = cft_os_handles, .limit = limit, .path = path, .make_file = make_file, \
        .file_size = file_size, .file_read = file_read, .pipe = make_pipe,                       \
        .pipe_bytes = pipe_bytes, .peer_write = peer_write, .peer_read = peer_read,              \
        .peer_close = peer_close, .frozen_buffer = frozen_buffer, .freeze = freeze,              \
        .frozen = frozen, .thaw = thaw, .frozen_file = frozen_file, .complete = complete,        \
        .fault_modes = sizeof faults / sizeof faults[0], .fault = fault, .fault_hit = fault_hit, \
        .wine = wine, .mode_bits = 0200, .local = local, .raise = raise_signal,                  \
        .hold_lookups = hold_lookups, .hanging_lookups = cft_seam_hanging_lookups,               \
        .watch_room = 4200                                                                       \
    }

const cft_world cft_world_win32_iocp = WORLD("win32-iocp");
const cft_world cft_world_win32_apc = WORLD("win32-apc");
