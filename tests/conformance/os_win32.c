/*
 * Children, threads and the watchdog on Windows. See os.h.
 *
 * A child is this program, started anew; it gets its standard output and the board by handles that
 * only it inherits. It lives in a job of its own, so that its own children go with it when it is
 * killed. Standard output is binary here: what a child wrote is what its parent reads.
 *
 * The watchdog is a thread. When the time is over it asks the case's thread by an APC to make the
 * dump, which is possible only where that thread waits alertably; after a while it makes what it
 * can itself, without the loop's part of it.
 */
#include "os.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

const bool cft_os_copies = false;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "%s: error %lu\n", what, GetLastError());
    abort();
}

void cft_os_begin(void)
{
    /* No window and no debugger: whoever waits for the end would wait for a person. */
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
#ifdef _MSC_VER
    (void)_set_abort_behavior(0, _WRITE_ABORT_MSG | _CALL_REPORTFAULT);
#endif
    (void)_setmode(_fileno(stdin), _O_BINARY);
    (void)_setmode(_fileno(stdout), _O_BINARY);
    (void)_setmode(_fileno(stderr), _O_BINARY);
    (void)setvbuf(stderr, NULL, _IONBF, 0);
}

uint64_t cft_os_now_ns(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceFrequency(&per_second);
    QueryPerformanceCounter(&now);
    return (uint64_t)((double)now.QuadPart * 1e9 / (double)per_second.QuadPart);
}

/* ---- Children ------------------------------------------------------------------------------- */

static HANDLE board_handle; /* inherited by children */

void *cft_os_shared(size_t bytes, const char *name)
{
    if (name) {
        board_handle = (HANDLE)(uintptr_t)strtoull(name, NULL, 16);
    } else {
        SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
        board_handle = CreateFileMappingW(INVALID_HANDLE_VALUE, &inherited, PAGE_READWRITE, 0,
                                          (DWORD)bytes, NULL);
    }
    void *memory = board_handle ? MapViewOfFile(board_handle, FILE_MAP_WRITE, 0, 0, bytes) : NULL;
    if (!memory)
        give_up("the board cannot be mapped");
    return memory;
}

const char *cft_os_shared_name(void)
{
    static char name[32];
    snprintf(name, sizeof name, "%llx", (unsigned long long)(uintptr_t)board_handle);
    return name;
}

static void collect(cft_end *end, size_t *room, const char *bytes, size_t count)
{
    if (end->bytes + count + 1 > *room) {
        *room = (end->bytes + count + 1) * 2;
        end->output = realloc(end->output, *room);
        if (!end->output)
            abort();
    }
    memcpy(end->output + end->bytes, bytes, count);
    end->bytes += count;
    end->output[end->bytes] = '\0';
}

/* Reads until all writers are gone. */
static void drain(HANDLE from, cft_end *end, bool echo)
{
    size_t room = 0;
    char chunk[4096];
    DWORD got;
    collect(end, &room, "", 0);
    while (ReadFile(from, chunk, sizeof chunk, &got, NULL) && got > 0) {
        collect(end, &room, chunk, got);
        if (echo) {
            fwrite(chunk, 1, got, stdout);
            fflush(stdout);
        }
    }
}

/* "PROGRAM" ARGUMENTS; the arguments are plain ASCII. */
static wchar_t *command_line(const char *arguments)
{
    static wchar_t line[32768];
    line[0] = L'"';
    DWORD length = GetModuleFileNameW(NULL, line + 1, 16384);
    if (length == 0 || length >= 16384)
        give_up("the program does not know its own name");
    wchar_t *out = line + 1 + length;
    *out++ = L'"';
    *out++ = L' ';
    while (*arguments && out < line + 32767)
        *out++ = (wchar_t)(unsigned char)*arguments++;
    *out = L'\0';
    return line;
}

/* Starts it with `output` as its standard output and error, and nothing else but the board. */
static HANDLE start(const char *arguments, HANDLE output, HANDLE job)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE nothing = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                 &inherited, OPEN_EXISTING, 0, NULL);
    HANDLE list[3] = {output, nothing, board_handle};
    SIZE_T bytes = 0;
    (void)InitializeProcThreadAttributeList(NULL, 1, 0, &bytes); /* asks for the size */
    LPPROC_THREAD_ATTRIBUTE_LIST attributes = malloc(bytes);
    if (!attributes || !InitializeProcThreadAttributeList(attributes, 1, 0, &bytes) ||
        !UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, list,
                                   (board_handle ? 3 : 2) * sizeof list[0], NULL, NULL))
        give_up("no list of handles");
    STARTUPINFOEXW how;
    PROCESS_INFORMATION child;
    memset(&how, 0, sizeof how);
    how.StartupInfo.cb = sizeof how;
    how.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    how.StartupInfo.hStdInput = nothing;
    how.StartupInfo.hStdOutput = output;
    how.StartupInfo.hStdError = output;
    how.lpAttributeList = attributes;
    BOOL made = FALSE;
    /* A process of Wine's now and then ends before it has begun (seen once in some hundreds). */
    for (uint32_t tries = 0; !made && tries < 5; tries++) {
        made = CreateProcessW(NULL, command_line(arguments), NULL, NULL, TRUE,
                              EXTENDED_STARTUPINFO_PRESENT | DETACHED_PROCESS | CREATE_SUSPENDED,
                              NULL, NULL, &how.StartupInfo, &child);
        if (!made && GetLastError() != ERROR_INTERNAL_ERROR)
            break;
    }
    if (!made)
        give_up("the program cannot be started anew");
    if (!AssignProcessToJobObject(job, child.hProcess))
        give_up("the child cannot be put into its job");
    ResumeThread(child.hThread);
    CloseHandle(child.hThread);
    CloseHandle(nothing);
    DeleteProcThreadAttributeList(attributes);
    free(attributes);
    return child.hProcess;
}

struct killer {
    HANDLE child;
    HANDLE job;
    const cft_order *order;
    DWORD limit_ms;
    bool hung;
};

static void kill_when_late(void *context)
{
    struct killer *killer = context;
    uint64_t moved = *killer->order->moves, before;
    do {
        before = moved;
        if (WaitForSingleObject(killer->child, killer->limit_ms) != WAIT_TIMEOUT)
            return;
        moved = *killer->order->moves;
    } while (moved != before);
    killer->hung = true;
    TerminateJobObject(killer->job, 1);
}

/* What is in it dies with its last handle: this process's. */
static HANDLE new_job(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    HANDLE job = CreateJobObjectW(NULL, NULL);
    memset(&limits, 0, sizeof limits);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!job ||
        !SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits))
        give_up("no job");
    return job;
}

cft_end cft_os_child(const cft_order *order, uint32_t limit_seconds, bool echo)
{
    cft_end end = {-1, 0, false, NULL, 0};
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE from, to;
    HANDLE job = new_job();
    fflush(NULL);
    if (!CreatePipe(&from, &to, &inherited, 0))
        give_up("no pipe");
    struct killer killer = {start(order->arguments, to, job), job, order, limit_seconds * 1000,
                            false};
    CloseHandle(to);
    cft_os_thread *thread = cft_os_start(kill_when_late, &killer);
    drain(from, &end, echo);
    cft_os_join(thread);
    DWORD code = 1;
    GetExitCodeProcess(killer.child, &code);
    end.hung = killer.hung;
    end.code = (int)code; /* an exception's is negative */
    CloseHandle(from);
    CloseHandle(killer.child);
    CloseHandle(job);
    return end;
}

/* ---- This process ---------------------------------------------------------------------------- */

/* The caller's, from malloc. */
static char *narrow(const wchar_t *text)
{
    int bytes = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *out = malloc(bytes > 0 ? (size_t)bytes : 1);
    if (!out || !WideCharToMultiByte(CP_UTF8, 0, text, -1, out, bytes, NULL, NULL))
        give_up("text cannot be converted");
    return out;
}

const char *cft_os_program(void)
{
    static char *path;
    static wchar_t wide[16384];
    if (!path) {
        if (!GetModuleFileNameW(NULL, wide, 16384))
            give_up("the program does not know its own name");
        path = narrow(wide);
    }
    return path;
}

cft_os_any *cft_os_function(const char *library, const char *name)
{
    HMODULE module = LoadLibraryA(library);
    return module ? (cft_os_any *)GetProcAddress(module, name) : NULL;
}

const char *const *cft_os_words(int argc, char **argv)
{
    typedef wchar_t **WINAPI split(const wchar_t *line, int *count);
    static const char *words[32];
    int count = 0;
    split *to_words = (split *)cft_os_function("shell32.dll", "CommandLineToArgvW");
    wchar_t **wide = to_words ? to_words(GetCommandLineW(), &count) : NULL;
    (void)argc, (void)argv;
    for (int i = 1; wide && i < count && i < 32; i++)
        words[i - 1] = narrow(wide[i]);
    return words;
}

const char *const *cft_os_environment(void)
{
    static const char *environment[1024];
    const wchar_t *all = GetEnvironmentStringsW();
    for (size_t i = 0; all && *all && i < 1023; i++) {
        environment[i] = narrow(all);
        all += wcslen(all) + 1;
    }
    return environment;
}

const char *cft_os_directory(char *out, size_t bytes)
{
    wchar_t wide[1024];
    DWORD length = GetCurrentDirectoryW(1024, wide);
    if (length == 0 || length >= 1024)
        return NULL;
    char *path = narrow(wide);
    (void)snprintf(out, bytes, "%s", path);
    free(path);
    return out;
}

/* Files, pipes and devices. Not all handles: threads and their pools come and go. One after the
 * other, the lowest that is free is used: GetProcessHandleCount says 0 on Wine, where one that is
 * not there costs 13 us, and asking for all of the system's at once ends Wine's server
 * (docs/facts-windows.md). */
uint32_t cft_os_handles(void)
{
    uint32_t count = 0;
    for (uintptr_t handle = 4, gap = 0; gap < 64; handle += 4, gap++) {
        DWORD flags;
        if (!GetHandleInformation((HANDLE)handle, &flags))
            continue;
        gap = 0;
        SetLastError(0);
        count += GetFileType((HANDLE)handle) != FILE_TYPE_UNKNOWN;
    }
    return count;
}

size_t cft_os_input(void *out, size_t bytes)
{
    int got = _read(_fileno(stdin), out, (unsigned)bytes);
    return got > 0 ? (size_t)got : 0;
}

intptr_t cft_os_standard(int which)
{
    return (intptr_t)GetStdHandle(which ? STD_OUTPUT_HANDLE : STD_INPUT_HANDLE);
}

bool cft_os_leads_a_group(void)
{
    return true;
}

void cft_os_ignore_asks(void)
{
    /* By force is the only way here. */
}

void cft_os_forget_ignored(void)
{
}

/* ---- The watchdog --------------------------------------------------------------------------- */

#define DUMP_MS 2000

static struct {
    SRWLOCK lock;
    CONDITION_VARIABLE moved;
    cft_os_thread *watcher;
    bool over;       /* the process ends */
    HANDLE thread;   /* the case's */
    uint64_t end_ns; /* 0: none */
    void (*on_late)(void *);
    void *context;
} watch = {.lock = SRWLOCK_INIT, .moved = CONDITION_VARIABLE_INIT};

static void CALLBACK dump_there(ULONG_PTR unused)
{
    (void)unused;
    watch.on_late(watch.context);
    _exit(1);
}

/* The lock is not given back: a run that ends now waits for its process to end. */
static _Noreturn void bark(void)
{
    if (QueueUserAPC(dump_there, watch.thread, 0))
        (void)WaitForSingleObject(watch.thread, DUMP_MS);
    watch.on_late(watch.context);
    _exit(1);
}

static void watch_main(void *unused)
{
    (void)unused;
    AcquireSRWLockExclusive(&watch.lock);
    while (!watch.over) {
        uint64_t now = cft_os_now_ns();
        if (watch.end_ns && now >= watch.end_ns)
            bark();
        DWORD ms = watch.end_ns ? (DWORD)((watch.end_ns - now) / 1000000 + 1) : INFINITE;
        (void)SleepConditionVariableSRW(&watch.moved, &watch.lock, ms, 0);
    }
    ReleaseSRWLockExclusive(&watch.lock);
}

/* A thread that is in the middle of something when its process ends makes Wine grumble. */
static void end_watch(void)
{
    AcquireSRWLockExclusive(&watch.lock);
    watch.over = true;
    WakeConditionVariable(&watch.moved);
    ReleaseSRWLockExclusive(&watch.lock);
    cft_os_join(watch.watcher);
}

void cft_os_watch(uint32_t seconds, void (*on_late)(void *), void *context)
{
    AcquireSRWLockExclusive(&watch.lock);
    watch.on_late = on_late;
    watch.context = context;
    watch.end_ns = seconds ? cft_os_now_ns() + (uint64_t)seconds * 1000000000u : 0;
    if (!watch.watcher && seconds) {
        if (!DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(),
                             &watch.thread, 0, FALSE, DUPLICATE_SAME_ACCESS))
            give_up("no handle of this thread");
        watch.watcher = cft_os_start(watch_main, NULL);
        (void)atexit(end_watch);
    }
    WakeConditionVariable(&watch.moved);
    ReleaseSRWLockExclusive(&watch.lock);
}

/* ---- Threads -------------------------------------------------------------------------------- */

struct cft_thread_ {
    HANDLE thread;
    void (*fn)(void *);
    void *context;
};

static DWORD WINAPI thread_main(void *argument)
{
    cft_os_thread *self = argument;
    self->fn(self->context);
    return 0;
}

cft_os_thread *cft_os_start(void (*fn)(void *), void *context)
{
    cft_os_thread *self = malloc(sizeof *self);
    if (!self)
        abort();
    self->fn = fn;
    self->context = context;
    self->thread = CreateThread(NULL, 0, thread_main, self, 0, NULL);
    if (!self->thread)
        give_up("cannot start a thread");
    return self;
}

void cft_os_join(cft_os_thread *self)
{
    WaitForSingleObject(self->thread, INFINITE);
    CloseHandle(self->thread);
    free(self);
}

void cft_os_yield(void)
{
    (void)SwitchToThread();
}

uint64_t cft_os_self(void)
{
    return GetCurrentThreadId();
}

struct cft_gate {
    SRWLOCK lock;
    CONDITION_VARIABLE changed;
};

cft_gate *cft_gate_new(void)
{
    cft_gate *gate = malloc(sizeof *gate);
    if (!gate)
        abort();
    InitializeSRWLock(&gate->lock);
    InitializeConditionVariable(&gate->changed);
    return gate;
}

void cft_gate_free(cft_gate *gate)
{
    free(gate);
}

void cft_gate_lock(cft_gate *gate)
{
    AcquireSRWLockExclusive(&gate->lock);
}

void cft_gate_unlock(cft_gate *gate)
{
    ReleaseSRWLockExclusive(&gate->lock);
}

void cft_gate_wait(cft_gate *gate)
{
    (void)SleepConditionVariableSRW(&gate->changed, &gate->lock, INFINITE, 0);
}

void cft_gate_signal(cft_gate *gate)
{
    WakeAllConditionVariable(&gate->changed);
}
