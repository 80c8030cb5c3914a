/*
 * See child.h. posix_spawn is told to leave nothing of this process to the child but its three
 * streams: signals as they are by default, none blocked, no other descriptor.
 */
#include "child.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

extern char **environ;

void *cedi_memory_get(size_t bytes);

/* ---- Those that were started ---------------------------------------------------------------- */

typedef struct child {
    struct child *next;
    pid_t id;
    int native; /* -1: nobody has it any more */
} child;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static child *children; /* under the lock */
static child *unused;   /* the same: kept for the next (law 15) */

/* With the lock held. */
static void keep(child *made)
{
    made->next = unused;
    unused = made;
}

/* With the lock held. Takes those that nobody has and that have ended. */
static void sweep(void)
{
    child **place = &children;
    while (*place) {
        child *at = *place;
        if (at->native >= 0 || waitpid(at->id, NULL, WNOHANG) == 0) {
            place = &at->next;
            continue;
        }
        *place = at->next; /* taken; or somebody else has (ECHILD) */
        keep(at);
    }
}

static child *take_unused(void)
{
    child *found;
    (void)pthread_mutex_lock(&lock);
    found = unused;
    if (found)
        unused = found->next;
    (void)pthread_mutex_unlock(&lock);
    return found ? found : cedi_memory_get(sizeof *found);
}

static void give_back(child *made)
{
    if (!made)
        return;
    (void)pthread_mutex_lock(&lock);
    keep(made);
    (void)pthread_mutex_unlock(&lock);
}

/* A number that is in use again: its earlier owner was released, and closed by others. */
static void remember(child *made, pid_t id, int native)
{
    made->id = id;
    made->native = native;
    (void)pthread_mutex_lock(&lock);
    for (child *at = children; at; at = at->next) {
        if (at->native == native)
            at->native = -1;
    }
    made->next = children;
    children = made;
    sweep();
    (void)pthread_mutex_unlock(&lock);
}

void cedi_child_left(int native)
{
    (void)pthread_mutex_lock(&lock);
    for (child *at = children; at; at = at->next) {
        if (at->native == native)
            at->native = -1;
    }
    sweep();
    (void)pthread_mutex_unlock(&lock);
}

void cedi_child_sweep(void)
{
    (void)pthread_mutex_lock(&lock);
    sweep();
    (void)pthread_mutex_unlock(&lock);
}

bool cedi_child_runs(int native)
{
    uint64_t count;
    bool known = false;
    (void)pthread_mutex_lock(&lock);
    for (const child *at = children; at; at = at->next)
        known = known || at->native == native;
    (void)pthread_mutex_unlock(&lock);
    return known && cedi_child_status(native, &count) == EAGAIN;
}

/* ---- Streams -------------------------------------------------------------------------------- */

enum { NULL_DEVICE = -1, INHERITED = -2 };

int cedi_child_streams(cede_core *core, const cede_spawn *how, int streams[3])
{
    int error = 0;
    for (int i = 0; i < 3; i++) {
        intptr_t native = how->stdio[i] && !error ? cede_core_native(core, how->stdio[i]) : -1;
        int flags = how->flags & CEDE_SPAWN_INHERIT_INPUT << i ? fcntl(i, F_GETFD) : -1;
        /* Where it had been closed it may be anything of this process that is no child's. */
        bool inherits = flags >= 0 && !(flags & FD_CLOEXEC);
        streams[i] = inherits ? INHERITED : NULL_DEVICE;
        if (!how->stdio[i] || error)
            continue;
        streams[i] = native < 0 ? -1 : fcntl((int)native, F_DUPFD_CLOEXEC, 3);
        if (streams[i] < 0)
            error = native < 0 ? EBADF : errno;
    }
    if (error)
        cedi_child_streams_close(streams);
    return error;
}

void cedi_child_streams_close(const int streams[3])
{
    for (int i = 0; i < 3; i++) {
        if (streams[i] >= 0)
            (void)close(streams[i]);
    }
}

/* ---- Spawning ------------------------------------------------------------------------------- */

/* Duplicating a descriptor onto itself takes its close-on-exec flag away (posix_spawn(3)). */
static int set_actions(posix_spawn_file_actions_t *actions, const cede_spawn *how,
                       const int streams[3])
{
    int error = 0;
    for (int i = 0; i < 3 && !error; i++) {
        if (streams[i] == NULL_DEVICE)
            error = posix_spawn_file_actions_addopen(actions, i, "/dev/null",
                                                     i ? O_WRONLY : O_RDONLY, 0);
        else
            error = posix_spawn_file_actions_adddup2(actions,
                                                     streams[i] == INHERITED ? i : streams[i], i);
    }
    if (!error && how->directory)
        error = posix_spawn_file_actions_addchdir_np(actions, how->directory);
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34) /* elsewhere each descriptor's own flag must do */
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
#endif
    return error;
}

static int set_attributes(posix_spawnattr_t *attributes, const cede_spawn *how)
{
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t all, none;
    int error;
    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    if (how->flags & CEDE_SPAWN_GROUP)
        flags |= POSIX_SPAWN_SETPGROUP;
    error = posix_spawnattr_setflags(attributes, flags);
    if (!error)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    if (!error)
        error = posix_spawnattr_setsigmask(attributes, &none);
    return error ? error : posix_spawnattr_setpgroup(attributes, 0);
}

static int spawn(const cede_spawn *how, const int streams[3], pid_t *id)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char room[PATH_MAX];
    const char *program;
    int error = cedi_program_find(how, room, &program);
    if (!error)
        error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (!error) {
        error = set_actions(&actions, how, streams);
        if (!error)
            error = set_attributes(&attributes, how);
        if (!error)
            error = posix_spawnp(
                id, program, &actions, &attributes, (char *const *)(uintptr_t)how->arguments,
                how->environment ? (char *const *)(uintptr_t)how->environment : environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

static int open_process(pid_t id)
{
    return (int)syscall(SYS_pidfd_open, id, 0);
}

bool cedi_child_possible(void)
{
    int fd = open_process(getpid());
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0 || (errno != ENOSYS && errno != EPERM);
}

/* The descriptor, too, is made sure of before: one of this very process keeps its place. */
int cedi_child_spawn(const cede_spawn *how, const int streams[3], int *native, uint64_t *id)
{
    child *made = take_unused();
    int place = made ? open_process(getpid()) : -1;
    int error = place >= 0 ? 0 : made ? errno : ENOMEM;
    pid_t started = -1;
    if (!error)
        error = spawn(how, streams, &started);
    cedi_child_streams_close(streams);
    if (place >= 0)
        (void)close(place);
    if (!error) {
        *native = open_process(started);
        error = *native < 0 ? errno : 0;
        if (error) { /* another thread was quicker */
            (void)kill(started, SIGKILL);
            (void)waitpid(started, NULL, 0);
        }
    }
    if (error) {
        give_back(made);
        return error;
    }
    *id = (uint64_t)started;
    remember(made, started, *native);
    return 0;
}

/* ---- Waiting, killing ----------------------------------------------------------------------- */

int cedi_child_status(int native, uint64_t *count)
{
    siginfo_t info = {0};
    if (waitid((idtype_t)P_PIDFD, (id_t)native, &info, WEXITED | WNOWAIT | WNOHANG) != 0)
        return errno;
    if (info.si_pid == 0)
        return EAGAIN; /* it runs */
    *count = (uint64_t)(unsigned)info.si_status;
    if (info.si_code != CLD_EXITED)
        *count |= CEDE_CHILD_KILLED;
    return 0;
}

int cedi_child_kill(int native, uint32_t how)
{
    int number = how == CEDE_KILL_FORCE ? SIGKILL : SIGTERM;
    if (syscall(SYS_pidfd_send_signal, native, number, NULL, 0) == 0 || errno == ESRCH)
        return 0;
    return errno;
}
