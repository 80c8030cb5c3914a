/*
 * What a descriptor is, and how it is closed.
 *
 * A close by the ring is made in the call that submits it, but of a file that has a flush (FUSE,
 * network file systems, overlays), which a worker makes. What a flush says is any number, also that
 * of a worker that could not be had (ECANCELED), before which nothing was closed; and once it was,
 * the number of the descriptor may be another file's. So what may have a flush is closed by the
 * pool, where it is known whether the call was made. So is a watch: the kernel ends it inside the
 * call, behind work of its own that may take a quarter of a second (docs/facts-linux.md).
 *
 * The loop's thread.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MEMORY_DEVICES 1u /* major number of /dev/null, /dev/zero, ... */

/* ---- What it is ----------------------------------------------------------------------------- */

static uint32_t kind_of(mode_t mode, int fd)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return CEDE_KIND_FILE;
    case S_IFDIR:
        return CEDE_KIND_DIR;
    case S_IFBLK:
        return CEDE_KIND_DISK;
    case S_IFIFO:
        return CEDE_KIND_PIPE;
    case S_IFCHR:
        return isatty(fd) ? CEDE_KIND_TTY : CEDE_KIND_CHAR;
    default: /* what has no name in a file system: eventfd, timerfd */
        return CEDE_KIND_PIPE;
    }
}

/* A transfer past the page cache is completed by the device's interrupt, and the ring leaves the
 * position of its file where it was (docs/facts-linux.md): the system calls move it. */
static bool is_direct(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT);
}

/* File systems whose files have no flush, by their numbers (statfs(2)). */
static bool is_plain(int fd)
{
    static const uint32_t plain[] = {
        0xef53,     /* ext2, 3 and 4 */
        0x58465342, /* XFS */
        0x9123683e, /* btrfs */
        0x01021994, /* tmpfs, memfd */
        0xf2f52010, /* F2FS */
        0x4d44,     /* FAT */
        0x9fa0,     /* proc */
        0x62656572, /* sysfs */
    };
    struct statfs system;
    if (fstatfs(fd, &system) != 0)
        return false;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if ((uint32_t)system.f_type == plain[i])
            return true;
    }
    return false;
}

/* A server is not asked each time what its file system is. Numbers that are no disk's are used
 * again for other file systems: there only what may flush is remembered, which is the safe side. */
static bool may_flush(uring *self, int fd, const struct stat *what)
{
    unsigned oldest = self->devices_known % URING_DEVICES;
    for (unsigned i = 0; i < URING_DEVICES; i++) {
        if (self->devices[i].known && self->devices[i].number == what->st_dev)
            return self->devices[i].may_flush;
    }
    bool plain = is_plain(fd);
    if (plain && major(what->st_dev) == 0)
        return false;
    self->devices[oldest].number = what->st_dev;
    self->devices[oldest].known = true;
    self->devices[oldest].may_flush = !plain;
    self->devices_known++;
    return !plain;
}

/* Of what has no name in a file system inotify and fanotify alone tell how much can be read. */
static bool is_watch(int fd)
{
    int bytes;
    return ioctl(fd, FIONREAD, &bytes) == 0;
}

static bool closes_late(uring *self, int fd, const struct stat *what, uint32_t kind)
{
    switch (what->st_mode & S_IFMT) {
    case S_IFREG:
        return may_flush(self, fd, what);
    case S_IFCHR:
        return (kind & CEDE_KIND_CHAR) && major(what->st_rdev) != MEMORY_DEVICES;
    case 0:
        return is_watch(fd);
    default:
        return false;
    }
}

/* With the bits that are our own. 0 or an errno. */
static int look_at(uring *self, int fd, uint32_t *kind)
{
    struct stat what;
    if (fstat(fd, &what) != 0)
        return errno;
    if (S_ISSOCK(what.st_mode))
        return *kind == CEDE_KIND_AUTO ? -cedi_net_kind(fd, kind) : 0;
    if (*kind == CEDE_KIND_AUTO)
        *kind = kind_of(what.st_mode, fd);
    if ((*kind == CEDE_KIND_FILE || *kind == CEDE_KIND_DISK) && is_direct(fd))
        *kind |= URING_KIND_DIRECT;
    if (closes_late(self, fd, &what, *kind))
        *kind |= URING_KIND_FLUSHES;
    return 0;
}

/* Of a kind that was named no more is asked than matters to it. */
static bool is_looked_at(uint32_t kind)
{
    return kind == CEDE_KIND_AUTO ||
           (kind & (CEDE_KIND_FILE | CEDE_KIND_DISK | CEDE_KIND_CHAR | CEDE_KIND_OBJECT));
}

cede_status cedi_uring_attach(void *self, intptr_t native, uint32_t *kind)
{
    uint32_t named = *kind;
    int error = is_looked_at(named) ? look_at(self, (int)native, kind) : 0;
    if (named != CEDE_KIND_AUTO)
        error = 0; /* which is believed, and the system says the rest */
    if (error == 0 && (*kind == CEDE_KIND_STREAM || *kind == CEDE_KIND_LISTENER))
        cedi_net_imported((int)native);
    return cedi_error_final(error);
}

/* ---- Closing it ----------------------------------------------------------------------------- */

bool cedi_uring_close_here(uring *self, const cede_work *work)
{
    int error = close((int)work->native) != 0 && errno != EINTR ? errno : 0;
    return error ? cedi_uring_failed(self, work, error) : cedi_uring_finished(self, work, 0);
}

bool cedi_uring_start_close(uring *self, const cede_work *work)
{
    uint32_t kind = work->kind;
    struct io_uring_sqe *sqe;
    if (URING_UNLIKELY(work->kind == CEDE_KIND_CHILD) &&
        !cedi_uring_child_left(self, (int)work->native))
        return false;
    if (URING_UNLIKELY(work->how & CEDE_WORK_UNSEEN)) {
        cedi_net_imported((int)work->native);
        if (is_looked_at(kind))
            (void)look_at(self, (int)work->native, &kind);
    }
    if ((kind == CEDE_KIND_STREAM || kind == CEDE_KIND_AUTO) &&
        URING_UNLIKELY(cedi_net_lingers((int)work->native)))
        return cedi_uring_to_pool(self, work);
    if (URING_UNLIKELY(kind & (URING_KIND_FLUSHES | CEDE_KIND_WATCH)))
        return cedi_uring_to_pool(self, work);
    if (URING_UNLIKELY(self->no_worker_closes))
        return cedi_uring_close_here(self, work);
    sqe = cedi_uring_sqe(self);
    if (!sqe)
        return false;
    cedi_uring_fill(sqe, IORING_OP_CLOSE, (int)work->native, NULL, 0, 0, work->token);
    sqe->flags = self->work_flags;
    return true;
}
