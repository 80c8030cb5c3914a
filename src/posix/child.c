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
#include <stdio.h>
#include <stdlib.h>
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
    uint64_t begun; /* with its number tells it from all others; 0: not known */
    pid_t id;
    int native; /* -1: its handle is closed */
} child;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static child *children; /* under the lock */
static child *unused;   /* the same: kept for the next (law 15) */

static int open_process(pid_t id)
{
    return (int)syscall(SYS_pidfd_open, id, 0);
}

/* When a process was started, in ticks since the system was, by /proc (proc_pid_stat(5)); 0: it is
 * not there, or cannot be asked. */
static uint64_t begin_of(pid_t id)
{
    char text[512];
    const char *at;
    ssize_t got;
    int fd;
    (void)snprintf(text, sizeof text, "/proc/%d/stat", (int)id);
    fd = open(text, O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    at = strrchr(text, ')'); /* behind its name, in which anything may be, comes the third */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* With the lock held, like the next four. Where in the list one is; at the end: it is not. */
static child **find(int native)
{
    child **place = &children;
    while (*place && (*place)->native != native)
        place = &(*place)->next;
    return place;
}

static void keep(child *made)
{
    made->next = unused;
    unused = made;
}

static void strike(child **place)
{
    child *at = *place;
    *place = at->next;
    keep(at);
}

/* Whether nothing of it is there any more: it has ended and is taken by this, or somebody else has
 * taken it (ECHILD). */
static bool take(int native)
{
    siginfo_t info = {0};
    return waitid((idtype_t)P_PIDFD, (id_t)native, &info, WEXITED | WNOHANG) != 0 ||
           info.si_pid != 0;
}

/* The same of one that was left. Its number may have become that of another child, which the
 * program has begun by itself, and waits for. */
static bool take_left(const child *at)
{
    siginfo_t info = {0};
    uint64_t begun;
    bool over;
    int native;
    if (waitid(P_PID, (id_t)at->id, &info, WEXITED | WNOWAIT | WNOHANG) != 0)
        return true;
    native = info.si_pid ? open_process(at->id) : -1;
    if (native < 0)
        return false; /* it runs; or there is no descriptor to ask by, now */
    begun = begin_of(at->id);
    over = begun && (begun != at->begun || take(native));
    (void)close(native);
    return over;
}

static void sweep(void)
{
    child **place = &children;
    while (*place) {
        if ((*place)->native < 0 && take_left(*place))
            strike(place);
        else
            place = &(*place)->next;
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

/* One that has its descriptor's number already was closed without us. */
static void remember(child *made, pid_t id, uint64_t begun, int native)
{
    child **place;
    (void)pthread_mutex_lock(&lock);
    place = find(native);
    if (*place)
        strike(place);
    *made = (child){.next = children, .begun = begun, .id = id, .native = native};
    children = made;
    sweep();
    (void)pthread_mutex_unlock(&lock);
}

void cedi_child_left(int native)
{
    child **place;
    (void)pthread_mutex_lock(&lock);
    place = find(native);
    if (*place && take(native)) {
        strike(place);
    } else if (*place) { /* it runs, so that its number is its own */
        if ((*place)->begun == 0)
            (*place)->begun = begin_of((*place)->id);
        (*place)->native = -1;
        if ((*place)->begun == 0)
            strike(place);
    }
    sweep();
    (void)pthread_mutex_unlock(&lock);
}

void cedi_child_released(int native)
{
    child **place;
    (void)pthread_mutex_lock(&lock);
    place = find(native);
    if (*place)
        strike(place);
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
    bool known;
    (void)pthread_mutex_lock(&lock);
    known = *find(native) != NULL;
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
    uint64_t begun = 0;
    pid_t started = -1;
    if (!error)
        error = spawn(how, streams, &started);
    cedi_child_streams_close(streams);
    if (place >= 0)
        (void)close(place);
    if (!error) {
        begun = begin_of(started); /* in that place, too */
        *native = open_process(started);
        error = *native < 0 ? errno : 0;
        if (error && error != ESRCH) { /* another thread was quicker */
            (void)kill(started, SIGKILL);
            (void)waitpid(started, NULL, 0);
        }
    }
    if (error) {
        give_back(made);
        return error;
    }
    *id = (uint64_t)started;
    remember(made, started, begun, *native);
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
