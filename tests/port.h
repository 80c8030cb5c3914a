/*
 * The little that unit and regression tests need of the operating system: threads, an event, the
 * time, a process that must break off, pipes for cede_import, a folder, a page. Everything is
 * checked: what fails ends the test.
 */
#ifndef TESTS_PORT_H
#define TESTS_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#endif

static inline void port_must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "the system refuses: %s\n", what);
        exit(1);
    }
}

typedef struct port_thread {
    void (*fn)(void *);
    void *context;
#if defined(_WIN32)
    HANDLE handle;
#else
    pthread_t id;
#endif
} port_thread;

#if defined(_WIN32)

static inline DWORD WINAPI port_thread_main(void *context)
{
    port_thread *self = context;
    self->fn(self->context);
    return 0;
}

/* `self` must live until port_join. A stack of 0: as large as the system makes it. */
static inline void port_start_on(port_thread *self, void (*fn)(void *), void *context, size_t stack)
{
    self->fn = fn;
    self->context = context;
    self->handle = CreateThread(NULL, stack, port_thread_main, self,
                                stack ? STACK_SIZE_PARAM_IS_A_RESERVATION : 0, NULL);
    port_must(self->handle != NULL, "a thread");
}

static inline void port_join(port_thread *self)
{
    port_must(WaitForSingleObject(self->handle, INFINITE) == WAIT_OBJECT_0, "joining a thread");
    CloseHandle(self->handle);
}

static inline void port_yield(void)
{
    (void)SwitchToThread();
}

static inline uint64_t port_now(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceFrequency(&per_second);
    QueryPerformanceCounter(&now);
    return (uint64_t)now.QuadPart / (uint64_t)per_second.QuadPart * 1000000000u +
           (uint64_t)now.QuadPart % (uint64_t)per_second.QuadPart * 1000000000u /
               (uint64_t)per_second.QuadPart;
}

/* Set lets one wait pass, the present or the next. */
typedef struct port_event {
    HANDLE handle;
} port_event;

static inline void port_event_init(port_event *event)
{
    event->handle = CreateEventW(NULL, FALSE, FALSE, NULL);
    port_must(event->handle != NULL, "an event");
}

static inline void port_event_set(port_event *event)
{
    SetEvent(event->handle);
}

/* At most so long; UINT64_MAX: for ever. */
static inline void port_event_wait(port_event *event, uint64_t ns)
{
    WaitForSingleObject(event->handle,
                        ns / 1000000 < 1000000 ? (DWORD)((ns + 999999) / 1000000) : INFINITE);
}

typedef SRWLOCK port_mutex;

static inline void port_mutex_init(port_mutex *mutex)
{
    InitializeSRWLock(mutex);
}

static inline void port_lock(port_mutex *mutex)
{
    AcquireSRWLockExclusive(mutex);
}

static inline void port_unlock(port_mutex *mutex)
{
    ReleaseSRWLockExclusive(mutex);
}

/* A test that hangs is ended by CTest. */
static inline void port_limit(unsigned seconds)
{
    (void)seconds;
}

/* One of Wine's now and then ends before it has begun (1359 in docs/facts-windows.md). */
static inline bool port_start_program(const char *program, char *line, bool inherit,
                                      STARTUPINFOA *how, PROCESS_INFORMATION *child)
{
    BOOL made = FALSE;
    for (int tries = 0; !made && tries < 5; tries++) {
        made = CreateProcessA(program, line, NULL, NULL, inherit, DETACHED_PROCESS, NULL, NULL, how,
                              child);
        if (!made && GetLastError() != ERROR_INTERNAL_ERROR)
            break;
    }
    return made;
}

/* Whether this program, run with this one argument, breaks off (law 17). */
static inline bool port_breaks_off(const char *program, const char *argument)
{
    char line[4096];
    STARTUPINFOA how;
    PROCESS_INFORMATION child;
    DWORD code = 0;
    memset(&how, 0, sizeof how);
    how.cb = sizeof how;
    snprintf(line, sizeof line, "\"%s\" %s", program, argument);
    (void)SetErrorMode(SEM_NOGPFAULTERRORBOX); /* the child's too */
    port_must(port_start_program(program, line, false, &how, &child), "a process");
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    CloseHandle(child.hThread);
    CloseHandle(child.hProcess);
    return code >= 0xc0000000u; /* an exception's */
}

/* A pipe whose ends, of this process alone, can be used asynchronously: for cede_import. */
static inline void port_pipe(intptr_t *reader, intptr_t *writer)
{
    static volatile LONG number;
    char name[64];
    snprintf(name, sizeof name, "\\\\.\\pipe\\cede-test-%lu-%ld", GetCurrentProcessId(),
             InterlockedIncrement(&number));
    HANDLE in = CreateNamedPipeA(
        name, PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS, 1, 65536, 65536, 0, NULL);
    HANDLE out =
        CreateFileA(name, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    port_must(in != INVALID_HANDLE_VALUE && out != INVALID_HANDLE_VALUE, "a pipe");
    *reader = (intptr_t)in;
    *writer = (intptr_t)out;
}

/* Makes an empty folder; port_folder_gone removes it when it is empty again. */
static inline void port_folder(char *out, size_t bytes)
{
    char parent[200];
    port_must(GetTempPathA(sizeof parent, parent) > 0, "a place for a folder");
    snprintf(out, bytes, "%scede-test-%lu", parent, GetCurrentProcessId());
    port_must(CreateDirectoryA(out, NULL), "a folder");
}

static inline void port_folder_gone(const char *path)
{
    port_must(RemoveDirectoryA(path), "removing a folder");
}

/* 4096 bytes that are not the allocator's, and cannot be touched any more when they are gone. */
static inline void *port_page(void)
{
    void *page = VirtualAlloc(NULL, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    port_must(page != NULL, "a page");
    return page;
}

static inline void port_page_gone(void *page)
{
    port_must(VirtualFree(page, 0, MEM_RELEASE), "giving a page back");
}

#else

static inline void *port_thread_main(void *context)
{
    port_thread *self = context;
    self->fn(self->context);
    return NULL;
}

static inline void port_start_on(port_thread *self, void (*fn)(void *), void *context, size_t stack)
{
    pthread_attr_t attributes;
    self->fn = fn;
    self->context = context;
    port_must(pthread_attr_init(&attributes) == 0, "a thread's attributes");
    port_must(!stack || pthread_attr_setstacksize(&attributes, stack) == 0, "so small a stack");
    port_must(pthread_create(&self->id, &attributes, port_thread_main, self) == 0, "a thread");
    (void)pthread_attr_destroy(&attributes);
}

static inline void port_join(port_thread *self)
{
    port_must(pthread_join(self->id, NULL) == 0, "joining a thread");
}

static inline void port_yield(void)
{
    (void)sched_yield();
}

static inline uint64_t port_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

typedef struct port_event {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    bool set;
} port_event;

static inline void port_event_init(port_event *event)
{
    pthread_condattr_t attributes;
    event->set = false;
    port_must(pthread_condattr_init(&attributes) == 0 &&
                  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                  pthread_mutex_init(&event->mutex, NULL) == 0 &&
                  pthread_cond_init(&event->moved, &attributes) == 0,
              "an event");
}

static inline void port_event_set(port_event *event)
{
    (void)pthread_mutex_lock(&event->mutex);
    event->set = true;
    (void)pthread_cond_signal(&event->moved);
    (void)pthread_mutex_unlock(&event->mutex);
}

static inline void port_event_wait(port_event *event, uint64_t ns)
{
    uint64_t end = ns == UINT64_MAX ? UINT64_MAX : port_now() + ns;
    struct timespec until = {(time_t)(end / 1000000000u), (long)(end % 1000000000u)};
    (void)pthread_mutex_lock(&event->mutex);
    while (!event->set) {
        if (end == UINT64_MAX)
            (void)pthread_cond_wait(&event->moved, &event->mutex);
        else if (pthread_cond_timedwait(&event->moved, &event->mutex, &until) != 0)
            break;
    }
    event->set = false;
    (void)pthread_mutex_unlock(&event->mutex);
}

typedef pthread_mutex_t port_mutex;

static inline void port_mutex_init(port_mutex *mutex)
{
    port_must(pthread_mutex_init(mutex, NULL) == 0, "a mutex");
}

static inline void port_lock(port_mutex *mutex)
{
    (void)pthread_mutex_lock(mutex);
}

static inline void port_unlock(port_mutex *mutex)
{
    (void)pthread_mutex_unlock(mutex);
}

static inline void port_limit(unsigned seconds)
{
    (void)alarm(seconds);
}

static inline bool port_breaks_off(const char *program, const char *argument)
{
    int status;
    pid_t child = fork();
    port_must(child >= 0, "a process");
    if (child == 0) {
        (void)close(STDERR_FILENO);
        (void)execl(program, program, argument, (char *)NULL);
        _exit(1);
    }
    port_must(waitpid(child, &status, 0) == child, "waiting for a process");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static inline void port_pipe(intptr_t *reader, intptr_t *writer)
{
    int ends[2];
    port_must(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
    *reader = ends[0];
    *writer = ends[1];
}

static inline void port_folder(char *out, size_t bytes)
{
    const char *parent = getenv("TMPDIR");
    snprintf(out, bytes, "%s/cede-test-XXXXXX", parent && *parent ? parent : "/tmp");
    port_must(mkdtemp(out) != NULL, "a folder");
}

static inline void port_folder_gone(const char *path)
{
    port_must(rmdir(path) == 0, "removing a folder");
}

static inline void *port_page(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    port_must(page != MAP_FAILED, "a page");
    return page;
}

static inline void port_page_gone(void *page)
{
    port_must(munmap(page, 4096) == 0, "giving a page back");
}

#endif

static inline void port_start(port_thread *self, void (*fn)(void *), void *context)
{
    port_start_on(self, fn, context, 0);
}

#endif
