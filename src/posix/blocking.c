/*
 * Operations that block, one function each, and the table from ops.def that finds them.
 */
#include "blocking.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../work.h"
#include "child.h"
#include "error.h"
#include "net.h"
#include "own_fd.h"

/* valgrind looks at the memory that a system call is given, also a raw one. It is ceded, and so out
 * of bounds to it until the loop's thread opens it. */
#if defined(CEDE_CHECKED) && CEDE_CHECKED && defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_DISABLE_ERROR_REPORTING
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING  ((void)0)
#endif

#define ROUND_BYTES ((size_t)1 << 30) /* what one call moves at most */

/* A performer returns 0 or an errno, and sets count. */
typedef int perform_fn(cedi_blocking *);

static int error_of(long returned)
{
    return returned < 0 ? errno : 0;
}

static int do_work(cedi_blocking *work)
{
    work->status = cedi_work_run(work->args.work.run, work->args.work.argument, &work->count);
    return 0;
}

/* At the file's own position, which the call moves. */
static int do_transfer(cedi_blocking *work)
{
    bool reads = work->op == CEDE_OP_READ || work->op == CEDE_OP_READ_ALL;
    char *at = (char *)work->args.io.buffer + work->moved;
    uint64_t left = work->args.io.length_bytes - work->moved;
    long moved;
    VALGRIND_DISABLE_ERROR_REPORTING;
    moved = syscall(reads ? SYS_read : SYS_write, (int)work->native, at,
                    left < ROUND_BYTES ? (size_t)left : ROUND_BYTES);
    VALGRIND_ENABLE_ERROR_REPORTING;
    work->count = moved < 0 ? 0 : (uint64_t)moved;
    return error_of(moved);
}

static int do_vector(cedi_blocking *work)
{
    long moved;
    VALGRIND_DISABLE_ERROR_REPORTING;
    moved = syscall(work->op == CEDE_OP_READV ? SYS_readv : SYS_writev, (int)work->native,
                    work->args.vec.vec, (unsigned long)work->args.vec.count);
    VALGRIND_ENABLE_ERROR_REPORTING;
    work->count = moved < 0 ? 0 : (uint64_t)moved;
    return error_of(moved);
}

static int do_truncate(cedi_blocking *work)
{
    if (work->args.range.length_bytes > INT64_MAX)
        return EFBIG;
    return error_of(ftruncate((int)work->native, (off_t)work->args.range.length_bytes));
}

static int do_rename(cedi_blocking *work)
{
    const char *from = work->args.path.path, *to = work->args.path.to;
    if (!(work->args.path.flags & CEDE_RENAME_NOREPLACE))
        return error_of(renameat(AT_FDCWD, from, AT_FDCWD, to));
    return error_of(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE));
}

static int do_unlink(cedi_blocking *work)
{
    return error_of(unlinkat(AT_FDCWD, work->args.path.path, 0));
}

static int do_rmdir(cedi_blocking *work)
{
    return error_of(unlinkat(AT_FDCWD, work->args.path.path, AT_REMOVEDIR));
}

static int do_mkdir(cedi_blocking *work)
{
    return error_of(mkdirat(AT_FDCWD, work->args.path.path, (mode_t)work->args.path.mode));
}

static int do_link(cedi_blocking *work)
{
    return error_of(linkat(AT_FDCWD, work->args.path.path, AT_FDCWD, work->args.path.to, 0));
}

static int do_symlink(cedi_blocking *work)
{
    return error_of(symlinkat(work->args.path.path, AT_FDCWD, work->args.path.to));
}

/* readlink cuts a text that does not fit without a word, so a full buffer is looked at twice. */
static int do_readlink(cedi_blocking *work)
{
    const char *path = work->args.path.path;
    uint64_t room = work->args.path.length_bytes;
    size_t ask = room < PATH_MAX ? (size_t)room : PATH_MAX;
    char text[PATH_MAX];
    long length = 0;
    if (ask > 0) {
        VALGRIND_DISABLE_ERROR_REPORTING;
        length = syscall(SYS_readlinkat, AT_FDCWD, path, work->args.path.out, ask);
        VALGRIND_ENABLE_ERROR_REPORTING;
        if (length < 0)
            return errno;
    }
    if ((uint64_t)length == room) {
        ssize_t whole = readlinkat(AT_FDCWD, path, text, sizeof text);
        if (whole < 0)
            return errno;
        if (whole > length)
            return EOVERFLOW;
    }
    work->count = (uint64_t)length;
    return 0;
}

/* The kernel's records go into the caller's buffer; finish makes entries of them in place. */
static int do_readdir(cedi_blocking *work)
{
    uint64_t room = work->args.io.length_bytes;
    unsigned ask = room < (1u << 20) ? (unsigned)room : 1u << 20;
    long length;
    VALGRIND_DISABLE_ERROR_REPORTING;
    length = syscall(SYS_getdents64, (int)work->native, work->args.io.buffer, ask);
    VALGRIND_ENABLE_ERROR_REPORTING;
    if (length < 0)
        return errno;
    work->count = (uint64_t)length;
    return 0;
}

static struct timespec time_of(int64_t ns)
{
    struct timespec t = {.tv_sec = 0, .tv_nsec = UTIME_OMIT};
    if (ns == CEDE_TIME_KEEP)
        return t;
    t.tv_sec = (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    if (t.tv_nsec < 0) { /* before 1970: the fraction counts forwards */
        t.tv_nsec += 1000000000;
        t.tv_sec--;
    }
    return t;
}

static int do_set_times(cedi_blocking *work)
{
    struct timespec times[2] = {time_of(work->args.times.accessed_ns),
                                time_of(work->args.times.modified_ns)};
    return error_of(futimens((int)work->native, times));
}

static int do_set_mode(cedi_blocking *work)
{
    return error_of(fchmod((int)work->native, (mode_t)(work->args.path.mode & 07777)));
}

static int do_listen(cedi_blocking *work)
{
    int fd = cedi_net_listen(&work->args);
    work->count = fd < 0 ? 0 : (uint64_t)fd;
    return fd < 0 ? -fd : 0;
}

/* A queue of its own, with one directory. */
static int do_watch(cedi_blocking *work)
{
    const uint32_t events = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM |
                            IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    int error = 0, fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return errno;
    if (inotify_add_watch(fd, work->args.path.path, events) < 0)
        error = errno;
    if (error)
        (void)cedi_close_elsewhere(fd);
    work->count = error ? 0 : (uint64_t)fd;
    return error;
}

/* What its directory has gone of: what native_other names takes its place. */
static int do_watch_end(cedi_blocking *work)
{
    (void)dup3((int)work->native_other, (int)work->native, O_CLOEXEC);
    return 0;
}

/* The arguments are lent: a thread may read them. */
static int do_spawn(cedi_blocking *work)
{
    int native = -1;
    int error = cedi_child_spawn(work->args.spawn.how, work->streams, &native, &work->id);
    work->count = error ? 0 : (uint64_t)native;
    return error;
}

/* Of what may take its time. Interrupted or not, the descriptor is gone (close(2)). */
static int do_close(cedi_blocking *work)
{
    return cedi_close_elsewhere((int)work->native) != 0 && errno != EINTR ? errno : 0;
}

static const struct {
    perform_fn *perform;
} performers[CEDE_OP_COUNT] = {
    [CEDE_OP_WORK] = {do_work},           [CEDE_OP_TRUNCATE] = {do_truncate},
    [CEDE_OP_RENAME] = {do_rename},       [CEDE_OP_UNLINK] = {do_unlink},
    [CEDE_OP_RMDIR] = {do_rmdir},         [CEDE_OP_MKDIR] = {do_mkdir},
    [CEDE_OP_LINK] = {do_link},           [CEDE_OP_SYMLINK] = {do_symlink},
    [CEDE_OP_READLINK] = {do_readlink},   [CEDE_OP_READDIR] = {do_readdir},
    [CEDE_OP_SET_TIMES] = {do_set_times}, [CEDE_OP_SET_MODE] = {do_set_mode},
    [CEDE_OP_COPY] = {cedi_copy_round},   [CEDE_OP_LISTEN] = {do_listen},
    [CEDE_OP_CLOSE] = {do_close},         [CEDE_OP_SPAWN] = {do_spawn},
    [CEDE_OP_WATCH] = {do_watch},         [CEDE_OP_READ] = {do_transfer},
    [CEDE_OP_WRITE] = {do_transfer},      [CEDE_OP_READ_ALL] = {do_transfer},
    [CEDE_OP_WRITE_ALL] = {do_transfer},  [CEDE_OP_READV] = {do_vector},
    [CEDE_OP_WRITEV] = {do_vector},       [CEDE_OP_WATCH_MANY] = {do_watch_end},
};

void cedi_blocking_perform(cedi_blocking *work)
{
    perform_fn *perform = performers[work->op].perform;
    int error;
    work->status = CEDE_OK;
    work->count = 0;
    error = perform ? perform(work) : ENOSYS;
    work->os_error = error;
    if (error)
        work->status = cedi_error_status(error);
    if (error == ECANCELED && work->op != CEDE_OP_WORK)
        work->status = CEDE_EIO; /* nobody cancels a call: it is what the file's server says */
}

/* ---- Directory entries ---------------------------------------------------------------------- */

/* What the kernel writes: no C library promises the layout of its own struct. */
typedef struct kernel_entry {
    uint64_t file_id;
    int64_t position;
    uint16_t entry_bytes;
    uint8_t type;
    char name[];
} kernel_entry;

#define KERNEL_NAME 19u /* where the name begins: no padding before it */

static uint8_t type_of(uint8_t type)
{
    switch (type) {
    case DT_REG:
        return CEDE_FILE_REGULAR;
    case DT_DIR:
        return CEDE_FILE_DIRECTORY;
    case DT_LNK:
        return CEDE_FILE_SYMLINK;
    case DT_FIFO:
        return CEDE_FILE_PIPE;
    case DT_SOCK:
        return CEDE_FILE_SOCKET;
    case DT_CHR:
        return CEDE_FILE_CHARACTER;
    case DT_BLK:
        return CEDE_FILE_BLOCK;
    default:
        return CEDE_FILE_UNKNOWN;
    }
}

/* An entry is shorter than the kernel's record of the same name, so what is written never reaches
 * what is still to be read. The buffer need not be aligned: fields go through copies. */
static size_t convert_entry(char *to, const char *from, size_t record_bytes)
{
    kernel_entry head;
    cede_entry entry = {0};
    size_t name_bytes = strnlen(from + KERNEL_NAME, record_bytes - KERNEL_NAME - 1);
    size_t entry_bytes = (offsetof(cede_entry, name) + name_bytes + 1 + 7) & ~(size_t)7;
    memcpy(&head, from, KERNEL_NAME);
    entry.file_id = head.file_id;
    entry.entry_bytes = (uint16_t)entry_bytes;
    entry.type = type_of(head.type);
    memmove(to + offsetof(cede_entry, name), from + KERNEL_NAME, name_bytes);
    memset(to + offsetof(cede_entry, name) + name_bytes, 0,
           entry_bytes - offsetof(cede_entry, name) - name_bytes);
    memcpy(to, &entry, offsetof(cede_entry, name));
    return entry_bytes;
}

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static void finish_readdir(cedi_blocking *work)
{
    char *buffer = work->args.io.buffer;
    uint64_t end = work->count, at = 0, filled = 0;
    while (at + KERNEL_NAME < end) {
        uint16_t record_bytes;
        memcpy(&record_bytes, buffer + at + offsetof(kernel_entry, entry_bytes),
               sizeof record_bytes);
        if (record_bytes <= KERNEL_NAME || at + record_bytes > end)
            break; /* no kernel does that */
        if (!is_dot(buffer + at + KERNEL_NAME))
            filled += convert_entry(buffer + filled, buffer + at, record_bytes);
        at += record_bytes;
    }
    work->count = filled;
    if (filled == 0)
        work->status = CEDE_REPORT_AGAIN; /* nothing but dots, which is not the end */
}

void cedi_blocking_finish(cedi_blocking *work)
{
    if (work->op == CEDE_OP_READDIR)
        finish_readdir(work);
    if (work->op == CEDE_OP_SPAWN)
        *work->args.spawn.id = work->id;
}
