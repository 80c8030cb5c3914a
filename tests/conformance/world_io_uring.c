/*
 * The io_uring backend's world: the real file system in a fresh directory, real pipes, userfaultfd.
 *
 * Freezing takes a page away from under the kernel: the memory is whole while the request is
 * prepared and ceded (checked builds sum up inputs then), cft_freeze drops its second page, and the
 * kernel's copy stops at it until cft_thaw puts it back. Which transfers may be frozen without
 * blocking the submitting thread itself is the kernel's affair: reads of a file that it cannot read
 * without waiting (one of /proc), writes to ordinary files (they go to its worker threads).
 */
#define _GNU_SOURCE
#include "inner.h"

#include "cede/uring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u

typedef struct world {
    cft *t;
    char directory[256];
    cede_uring_config config;
    cft_kth kth;         /* S9 */
    struct rlimit limit; /* as it was */
    bool limited;
    /* frozen memory: page 0 always there, page 1 can be dropped */
    int uffd;
    unsigned char *pages;
    unsigned char kept[PAGE];
} world;

/* Look-ups that hang. Those that were left may still be in the hook when their run is over, so this
 * is the process's. */
static struct {
    cft_gate *gate;
    bool held;
    atomic_uint hanging; /* since it was held */
} lookups;

#define NO_ENTRY ENOBUFS /* there is no room in the queue to the kernel */
static const struct {
    int error;
    bool for_good;
} faults[] = {{EAGAIN, false}, {EINTR, false}, {EBUSY, false},   {ENOMEM, false},
              {EPERM, false},  {EPERM, true},  {NO_ENTRY, false}};

static const char *unusable(void)
{
    /* Asked of the kernel itself, so that a library that cannot open a ring is not excused. */
    unsigned char parameters[256] = {0};
    long fd = syscall(SYS_io_uring_setup, 1, parameters);
    if (fd < 0) {
        printf("# io_uring_setup: %s\n", strerror(errno));
        return "no_io_uring";
    }
    close((int)fd);
    return NULL;
}

static const uint32_t masks[] = {
    CEDE_URING_NO_DEFER_TASKRUN, CEDE_URING_NO_SINGLE_ISSUER, CEDE_URING_NO_COOP_TASKRUN,
    CEDE_URING_NO_SUBMIT_ALL,    CEDE_URING_NO_REGISTER_RING, CEDE_URING_NO_SKIP_SUCCESS,
    CEDE_URING_NO_PATH_OPS,      CEDE_URING_NO_TRUNCATE,      CEDE_URING_NO_EXT_ARG,
    CEDE_URING_NO_NOSIGNAL,      CEDE_URING_NO_BUFFER_RING,   CEDE_URING_NO_MANY_SHOT,
    CEDE_URING_NO_ZERO_COPY,     CEDE_URING_NO_ANY,           CEDE_URING_WAIT_POLLED,
};

static const uint32_t forces[] = {CEDE_URING_FORCE_AT_SUBMIT, CEDE_URING_FORCE_ASYNC};

static const uint32_t ring_sizes[][2] = {{1, 1}, {1, 2}, {2, 2}, {1, 8}};

static uint32_t variants(uint32_t schedule)
{
    if (schedule == 7)
        return sizeof forces / sizeof forces[0];
    if (schedule == 8)
        return sizeof ring_sizes / sizeof ring_sizes[0];
    if (schedule == 13)
        return sizeof masks / sizeof masks[0];
    return 0;
}

/* Threads of this process, but for the kernel's own for rings. */
static uint32_t tasks(void)
{
    DIR *directory = opendir("/proc/self/task");
    struct dirent *entry;
    uint32_t count = 0;
    while (directory && (entry = readdir(directory)) != NULL) {
        char path[320], name[8] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        int fd = entry->d_name[0] == '.' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, name, sizeof name - 1) > 0)
            count += strncmp(name, "iou-", 4) != 0;
        if (fd >= 0)
            close(fd);
    }
    if (directory)
        closedir(directory);
    return count;
}

static void looking(void *context, const char *host)
{
    (void)context, (void)host;
    cft_gate_lock(lookups.gate);
    atomic_fetch_add(&lookups.hanging, lookups.held);
    while (lookups.held)
        cft_gate_wait(lookups.gate);
    cft_gate_unlock(lookups.gate);
}

static uint32_t hanging_lookups(void)
{
    return atomic_load(&lookups.hanging);
}

static void hold_lookups(cft *t, void *state, bool hold)
{
    (void)t, (void)state;
    cft_gate_lock(lookups.gate);
    lookups.held = hold;
    atomic_store(&lookups.hanging, 0);
    cft_gate_signal(lookups.gate);
    cft_gate_unlock(lookups.gate);
}

static void *one_thread(void *context)
{
    *(long *)context = syscall(SYS_gettid);
    return NULL;
}

/* The threads that are there when no case runs. Counted once, before the first: a thread that was
 * joined is still there for a moment. The first of a process brings ThreadSanitizer's own, which
 * stays. */
static uint32_t own_tasks(void)
{
    static uint32_t count;
    char path[64];
    long task = 0;
    pthread_t thread;
    if (count == 0 && pthread_create(&thread, NULL, one_thread, &task) == 0) {
        (void)pthread_join(thread, NULL);
        snprintf(path, sizeof path, "/proc/self/task/%ld", task);
        while (access(path, F_OK) == 0)
            cft_os_yield();
        count = tasks();
    }
    return count;
}

/* Loops have no threads when they are closed, but look-ups that were left have one, and
 * descriptors, until the system has answered. */
static void wait_for_lookups(cft *t, world *w)
{
    hold_lookups(t, w, false);
    while (tasks() > own_tasks())
        cft_os_yield();
}

static void *start(cft *t)
{
    world *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    const char *parent = getenv("TMPDIR");
    snprintf(w->directory, sizeof w->directory, "%s/cede-conformance-XXXXXX",
             parent ? parent : "/tmp");
    CFT_CHECK(t, mkdtemp(w->directory) != NULL);
    w->uffd = -1;
    w->t = t;
    if (!lookups.gate)
        lookups.gate = cft_gate_new();
    (void)own_tasks();
    return w;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
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
    if (w->limited)
        CFT_CHECK(t, setrlimit(RLIMIT_NOFILE, &w->limit) == 0);
    remove_tree(w->directory);
    free(w);
}

/* ---- Options and failures -------------------------------------------------------------------- */

static int fault_hook(void *context, const char *call)
{
    world *w = context;
    int error = faults[w->kth.mode].error;
    bool for_good = faults[w->kth.mode].for_good, enters = strcmp(call, "enter") == 0;
    /* A kernel that no call reaches is not to be lived with; EBUSY is said by enter alone. */
    if ((strcmp(call, "entry") == 0) != (error == NO_ENTRY) || (for_good && enters) ||
        (error == EBUSY && !enters))
        return 0;
    if (!cft_kth_fails(w->t, &w->kth, call, for_good))
        return 0;
    return enters && error == EPERM ? EAGAIN : error; /* a wait is never forbidden half way */
}

static void options(cft *t, void *state, cede_options *out)
{
    world *w = state;
    memset(&w->config, 0, sizeof w->config);
    w->config.looking = looking;
    if (cft_schedule(t) == 7)
        w->config.force = forces[cft_variant(t)];
    if (cft_schedule(t) == 8) {
        w->config.sq_entries = ring_sizes[cft_variant(t)][0];
        w->config.cq_entries = ring_sizes[cft_variant(t)][1];
    }
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
    if (faults[mode].error == NO_ENTRY && k > 16) /* there are many: then fewer of them */
        k = k * k / 16;
    cft_kth_arm(&w->kth, mode, k);
}

static bool fault_hit(cft *t, void *state)
{
    world *w = state;
    (void)t;
    return atomic_load(&w->kth.hit);
}

/* ---- Files ---------------------------------------------------------------------------------- */

static int64_t descriptors(cft *t, const world *w)
{
    DIR *directory = opendir("/proc/self/fd");
    int64_t count = w->uffd >= 0 ? -1 : 0; /* our own */
    CFT_CHECK(t, directory != NULL);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static int64_t open_natives(cft *t, void *state)
{
    wait_for_lookups(t, state);
    return descriptors(t, state);
}

static void limit(cft *t, void *state, uint32_t more)
{
    world *w = state;
    CFT_CHECK(t, getrlimit(RLIMIT_NOFILE, &w->limit) == 0);
    struct rlimit low = w->limit;
    low.rlim_cur = (rlim_t)descriptors(t, w) + more;
    w->limited = true;
    CFT_CHECK(t, setrlimit(RLIMIT_NOFILE, &low) == 0);
}

static void path(cft *t, void *state, const char *name, char *out, size_t bytes)
{
    world *w = state;
    (void)t;
    snprintf(out, bytes, "%s/%s", w->directory, name);
}

static void make_file(cft *t, void *state, const char *name, const void *bytes, uint64_t count)
{
    char full[512];
    path(t, state, name, full, sizeof full);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CFT_EXPECT(t, fd >= 0); /* its directory may not have come about */
    if (fd < 0)
        return;
    for (uint64_t done = 0; done < count;) {
        ssize_t wrote = write(fd, (const char *)bytes + done, count - done);
        CFT_CHECK(t, wrote > 0);
        done += (uint64_t)wrote;
    }
    close(fd);
}

static void make_fifo(cft *t, void *state, const char *name)
{
    char full[512];
    path(t, state, name, full, sizeof full);
    CFT_EXPECT(t, mkfifo(full, 0644) == 0);
}

static int64_t file_size(cft *t, void *state, const char *name)
{
    char full[512];
    struct stat info;
    path(t, state, name, full, sizeof full);
    return lstat(full, &info) == 0 ? (int64_t)info.st_size : -1;
}

static uint64_t file_read(cft *t, void *state, const char *name, void *out, uint64_t count,
                          uint64_t offset)
{
    char full[512];
    path(t, state, name, full, sizeof full);
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    uint64_t done = 0;
    while (done < count) {
        ssize_t got = pread(fd, (char *)out + done, count - done, (off_t)(offset + done));
        if (got <= 0)
            break;
        done += (uint64_t)got;
    }
    close(fd);
    return done;
}

/* ---- Pipes ---------------------------------------------------------------------------------- */

static void take_end(cft_pipe *end, int fd, int peer)
{
    end->native = fd;
    end->peer = peer;
    end->handle = cede_import(fd, CEDE_KIND_PIPE, 0);
    if (!end->handle) /* it stayed ours */
        close(fd);
}

static bool make_pipe(cft *t, void *state, cft_pipe *reader, cft_pipe *writer)
{
    int fds[2];
    (void)t, (void)state;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    if (reader)
        take_end(reader, fds[0], writer ? -1 : fds[1]);
    if (writer)
        take_end(writer, fds[1], reader ? -1 : fds[0]);
    return true;
}

static uint64_t pipe_bytes(cft *t, void *state, const cft_pipe *pipe)
{
    (void)state;
    int bytes = fcntl((int)pipe->peer, F_GETPIPE_SZ);
    CFT_CHECK(t, bytes > 0);
    return (uint64_t)bytes;
}

static bool ready(int fd, short what)
{
    struct pollfd p = {fd, what, 0};
    return poll(&p, 1, 0) == 1 && (p.revents & (what | POLLHUP)) && !(p.revents & POLLERR);
}

/* The descriptors stay blocking, as the library finds them: each piece only when poll says that
 * there is room for it. */
static int64_t peer_write(cft *t, void *state, intptr_t peer, const void *bytes, size_t count)
{
    size_t done = 0;
    (void)t;
    (void)state;
    while (done < count && ready((int)peer, POLLOUT)) {
        size_t piece = count - done < PAGE ? count - done : PAGE;
        ssize_t wrote = write((int)peer, (const char *)bytes + done, piece);
        if (wrote <= 0)
            break;
        done += (size_t)wrote;
    }
    return (int64_t)done;
}

static int64_t peer_read(cft *t, void *state, intptr_t peer, void *out, size_t count)
{
    size_t done = 0;
    (void)t;
    (void)state;
    while (done < count && ready((int)peer, POLLIN)) {
        ssize_t got = read((int)peer, (char *)out + done, count - done);
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static void peer_close(cft *t, void *state, intptr_t peer)
{
    (void)t;
    (void)state;
    close((int)peer);
}

/* ---- Freezing ------------------------------------------------------------------------------- */

static void *frozen_buffer(cft *t, void *state, size_t bytes)
{
    world *w = state;
    CFT_CHECK(t, bytes <= PAGE && w->uffd < 0);
    w->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (w->uffd < 0)
        return NULL;
    struct uffdio_api api = {.api = UFFD_API};
    if (ioctl(w->uffd, UFFDIO_API, &api) != 0) {
        close(w->uffd);
        w->uffd = -1;
        return NULL;
    }
    w->pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CFT_CHECK(t, w->pages != MAP_FAILED);
    memset(w->pages, 0xee, 2 * PAGE);
    return w->pages + PAGE - bytes / 2; /* half on each page */
}

static void freeze(cft *t, void *state)
{
    world *w = state;
    struct uffdio_register range = {.range = {(uintptr_t)w->pages + PAGE, PAGE},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    /* By the kernel's hand: in checked builds the memory is poisoned to ours. */
    int self = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    CFT_CHECK(t, pread(self, w->kept, PAGE, (off_t)((uintptr_t)w->pages + PAGE)) == PAGE);
    close(self);
    CFT_CHECK(t, ioctl(w->uffd, UFFDIO_REGISTER, &range) == 0);
    CFT_CHECK(t, madvise(w->pages + PAGE, PAGE, MADV_DONTNEED) == 0);
}

static bool frozen(cft *t, void *state)
{
    world *w = state;
    struct pollfd p = {w->uffd, POLLIN, 0};
    (void)t;
    return poll(&p, 1, 1) == 1;
}

static void thaw(cft *t, void *state)
{
    world *w = state;
    struct uffdio_copy copy = {
        .dst = (uintptr_t)w->pages + PAGE, .src = (uintptr_t)w->kept, .len = PAGE};
    if (w->uffd < 0)
        return;
    CFT_CHECK(t, ioctl(w->uffd, UFFDIO_COPY, &copy) == 0 || copy.copy == -EEXIST);
}

static const char *frozen_file(cft *t, void *state, size_t bytes)
{
    (void)t;
    (void)state;
    (void)bytes;
    return "/proc/self/maps";
}

/* ---- Children and signals -------------------------------------------------------------------- */

static int number_of(uint32_t signal)
{
    static const int numbers[CEDE_SIGNAL_COUNT] = {
        [CEDE_SIGNAL_INTERRUPT] = SIGINT, [CEDE_SIGNAL_TERMINATE] = SIGTERM,
        [CEDE_SIGNAL_HANGUP] = SIGHUP,    [CEDE_SIGNAL_QUIT] = SIGQUIT,
        [CEDE_SIGNAL_USER_1] = SIGUSR1,   [CEDE_SIGNAL_USER_2] = SIGUSR2,
        [CEDE_SIGNAL_RESIZE] = SIGWINCH,
    };
    return numbers[signal];
}

static int signal_taken(cft *t, void *state, uint32_t signal)
{
    struct sigaction action;
    (void)state;
    CFT_CHECK(t, sigaction(number_of(signal), NULL, &action) == 0);
    return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
}

/* To the process, as from elsewhere; handled when this returns. */
static bool raise_signal(cft *t, void *state, uint32_t signal)
{
    if (!signal_taken(t, state, signal))
        return false;
    CFT_CHECK(t, kill(getpid(), number_of(signal)) == 0);
    return true;
}

static void ignore(cft *t, void *state, uint32_t which, bool ignored)
{
    (void)state;
    CFT_CHECK(t, signal(number_of(which), ignored ? SIG_IGN : SIG_DFL) != SIG_ERR);
}

static bool has_child(cft *t, void *state, uint64_t number)
{
    siginfo_t info;
    (void)t;
    (void)state;
    return waitid(P_PID, (id_t)number, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void end_frozen(cft *t, void *state)
{
    world *w = state;
    if (w->uffd >= 0) {
        close(w->uffd);
        munmap(w->pages, 2 * PAGE);
    }
    end(t, state);
}

/* ---- S3: completed, not delivered ------------------------------------------------------------ */

static void complete(cft *t, void *state)
{
    uint64_t timeout_ns = 0;
    (void)state;
    intptr_t fd = cede_loop_waitable(cft_loop(t), &timeout_ns); /* flushes */
    struct pollfd p = {(int)fd, POLLIN, 0};
    if (fd >= 0)
        (void)poll(&p, 1, 5);
}

const cft_world cft_world_io_uring = {
    .name = "io_uring",
    .schedules = (1u << CFT_SCHEDULES) - 1u, /* less what deviations.def leaves out */
    .unusable = unusable,
    .variants = variants,
    .start = start,
    .end = end_frozen,
    .abandon = abandon,
    .limit = limit,
    .options = options,
    .open_natives = open_natives,
    .path = path,
    .make_file = make_file,
    .make_fifo = make_fifo,
    .file_size = file_size,
    .file_read = file_read,
    .pipe = make_pipe,
    .pipe_bytes = pipe_bytes,
    .peer_write = peer_write,
    .peer_read = peer_read,
    .peer_close = peer_close,
    .raise = raise_signal,
    .signal_taken = signal_taken,
    .has_child = has_child,
    .ignore = ignore,
    .frozen_buffer = frozen_buffer,
    .freeze = freeze,
    .frozen = frozen,
    .thaw = thaw,
    .frozen_file = frozen_file,
    .hold_lookups = hold_lookups,
    .hanging_lookups = hanging_lookups,
    .complete = complete,
    .fault_modes = sizeof faults / sizeof faults[0],
    .fault = fault,
    .fault_hit = fault_hit,
};
