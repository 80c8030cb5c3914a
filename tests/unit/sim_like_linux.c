/*
 * What a simulated operation answers is what Linux answers (cede/sim.h). Random operations on
 * random paths and files, each done twice: by system calls in an empty root directory, and in a
 * simulated world; statuses, counts, bytes, kinds, modes, links, sizes and listings must agree.
 *
 *     sim_like_linux [--seed N]
 *
 * Needs chroot, since paths begin at the root and go above it; without that right it is skipped.
 */
#define _GNU_SOURCE
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cede/backend.h"
#include "cede/sim.h"

#define STEPS      20000
#define FILES      6
#define PATH_BYTES 1024

static uint64_t random_state;
static cede_loop *loop;
static cede_req req;
static cede_result last;
static char step_text[3 * PATH_BYTES];

static struct file {
    int fd; /* -1: not open */
    cede_handle handle;
} files[FILES];

static unsigned below(unsigned bound)
{
    return (unsigned)unit_below(&random_state, bound);
}

/* ---- The two answers ------------------------------------------------------------------------ */

static void on_done(cede_req *request, cede_result result)
{
    (void)request;
    last = result;
}

static void perform(void)
{
    cede_ticket ticket = cede_submit(loop, &req, on_done);
    REQUIRE(cede_wait(loop, ticket, CEDE_FOREVER) == CEDE_OK, "%s", step_text);
}

static cede_status status_of(int error)
{
    static const struct {
        int error;
        cede_status status;
    } known[] = {
        {EPERM, CEDE_EPERM},         {EACCES, CEDE_EACCES},   {ENOENT, CEDE_ENOENT},
        {EEXIST, CEDE_EEXIST},       {ENOTDIR, CEDE_ENOTDIR}, {EISDIR, CEDE_EISDIR},
        {ENOTEMPTY, CEDE_ENOTEMPTY}, {EINVAL, CEDE_EINVAL},   {EBADF, CEDE_EBADF},
        {ELOOP, CEDE_ELOOP},         {EBUSY, CEDE_EBUSY},     {ENAMETOOLONG, CEDE_ENAMETOOLONG},
        {ESPIPE, CEDE_ESPIPE},       {EFBIG, CEDE_EFBIG},     {EMLINK, CEDE_EMLINK},
        {ENXIO, CEDE_ENXIO},         {EXDEV, CEDE_EXDEV},     {EFAULT, CEDE_EFAULT},
    };
    if (error == 0)
        return CEDE_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].error == error)
            return known[i].status;
    }
    REQUIRE(false, "%s: Linux says errno %d", step_text, error);
    return CEDE_EUNKNOWN;
}

/* `result` is a system call's: below 0, errno has the reason. */
static void same_status(const char *what, long result)
{
    cede_status linux_says = status_of(result < 0 ? errno : 0);
    REQUIRE(linux_says == last.status, "%s %s: Linux says %s, sim %s", what, step_text,
            cede_status_name(linux_says), cede_status_name(last.status));
}

static void same_number(const char *what, long long linux_says, long long sim_says)
{
    REQUIRE(linux_says == sim_says, "%s %s: Linux says %lld, sim %lld", what, step_text, linux_says,
            sim_says);
}

static int type_of(mode_t mode)
{
    return S_ISREG(mode)   ? CEDE_FILE_REGULAR
           : S_ISDIR(mode) ? CEDE_FILE_DIRECTORY
           : S_ISLNK(mode) ? CEDE_FILE_SYMLINK
                           : CEDE_FILE_UNKNOWN;
}

static void same_stat(const struct stat *real, const cede_stat *sim)
{
    same_number("type", type_of(real->st_mode), sim->type);
    same_number("mode", real->st_mode & 07777, sim->mode);
    same_number("links", (long long)real->st_nlink, (long long)sim->links);
    if (!S_ISDIR(real->st_mode))
        same_number("size", real->st_size, (long long)sim->size_bytes);
}

/* ---- Paths ---------------------------------------------------------------------------------- */

static void make_path(char *out)
{
    static const char *const names[] = {"a", "b", "c", "d", ".", "..", "l1"};
    static char too_long[257];
    unsigned parts = 1 + below(3);
    memset(too_long, 'x', 256);
    out[0] = '\0';
    if (below(2))
        strcat(out, "/");
    for (unsigned i = 0; i < parts; i++) {
        if (i)
            strcat(out, below(8) ? "/" : "//");
        if (below(60) == 0)
            strcat(out, too_long);
        else
            strcat(out, names[below(below(3) ? 4 : 7)]);
    }
    if (below(12) == 0)
        strcat(out, "/");
    if (below(100) == 0)
        strcpy(out, "/");
    if (below(100) == 0)
        out[0] = '\0';
}

static void on_paths(const char *p, const char *q)
{
    unsigned mode = below(2) ? 0755 : 0600, flag = below(2);
    switch (below(7)) {
    case 0:
        cede_prep_mkdir(&req, p, mode);
        perform();
        same_status("mkdir", mkdir(p, mode));
        break;
    case 1:
        cede_prep_rmdir(&req, p);
        perform();
        same_status("rmdir", rmdir(p));
        break;
    case 2:
        cede_prep_unlink(&req, p);
        perform();
        same_status("unlink", unlink(p));
        break;
    case 3:
    case 4:
        cede_prep_rename(&req, p, q, flag ? CEDE_RENAME_NOREPLACE : 0);
        perform();
        same_status(flag ? "rename, not replacing," : "rename",
                    syscall(SYS_renameat2, AT_FDCWD, p, AT_FDCWD, q, flag));
        break;
    case 5:
        cede_prep_link(&req, p, q);
        perform();
        same_status("link", link(p, q));
        break;
    default:
        cede_prep_symlink(&req, p, q);
        perform();
        same_status("symlink", symlink(p, q));
        break;
    }
}

static void look_at(const char *p)
{
    static char real_text[PATH_BYTES], sim_text[PATH_BYTES];
    static cede_stat sim;
    struct stat real;
    long got;
    if (below(2)) {
        cede_prep_readlink(&req, p, sim_text, sizeof sim_text);
        perform();
        got = readlink(p, real_text, sizeof real_text);
        same_status("readlink", got);
        if (got >= 0) {
            same_number("length", got, (long long)last.count);
            same_number("text", memcmp(real_text, sim_text, (size_t)got), 0);
        }
        return;
    }
    if (below(2)) {
        cede_prep_stat(&req, p, &sim, CEDE_NOFOLLOW);
        perform();
        got = lstat(p, &real);
    } else {
        cede_prep_stat(&req, p, &sim, 0);
        perform();
        got = stat(p, &real);
    }
    same_status("stat", got);
    if (got == 0)
        same_stat(&real, &sim);
}

/* ---- Directories ---------------------------------------------------------------------------- */

/* The same for the same names and types, in whatever order. */
static uint64_t sum_of(const char *name, int type)
{
    uint64_t sum = (uint64_t)type;
    for (; *name; name++)
        sum = sum * 131 + (unsigned char)*name;
    return sum * sum;
}

static void list(const char *p)
{
    static _Alignas(8) char buffer[1024];
    uint64_t real = 0, sim = 0;
    int fd = open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = errno;
    DIR *directory;
    const struct dirent *entry;
    cede_handle handle;
    cede_prep_open(&req, p, CEDE_OPEN_READ | CEDE_OPEN_DIRECTORY, 0);
    perform();
    errno = error;
    same_status("opening a directory", fd);
    if (fd < 0)
        return;
    handle = last.handle;
    directory = fdopendir(fd);
    while ((entry = readdir(directory)) != NULL) {
        int type = entry->d_type == DT_DIR   ? CEDE_FILE_DIRECTORY
                   : entry->d_type == DT_REG ? CEDE_FILE_REGULAR
                                             : CEDE_FILE_SYMLINK;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            real += sum_of(entry->d_name, type);
    }
    (void)closedir(directory);
    do {
        const cede_entry *found;
        uint64_t at = 0, count;
        cede_prep_readdir(&req, handle, buffer, sizeof buffer);
        perform();
        same_status("readdir", 0);
        count = last.count;
        while ((found = cede_next_entry(buffer, count, &at)) != NULL)
            sim += sum_of(found->name, (int)found->type);
    } while (last.count);
    REQUIRE(real == sim, "listing %s", step_text);
    cede_prep_close(&req, handle);
    perform();
}

/* ---- Open files ----------------------------------------------------------------------------- */

static void close_one(struct file *file)
{
    if (file->fd < 0)
        return;
    (void)close(file->fd);
    file->fd = -1;
    cede_prep_close(&req, file->handle);
    perform();
    same_status("close", 0);
}

static void open_one(struct file *file, const char *p)
{
    static const int access[] = {0, O_RDONLY, O_WRONLY, O_RDWR};
    static const struct {
        uint32_t flag;
        int system;
        uint32_t needs;
        unsigned one_in;
    } more[] = {{CEDE_OPEN_CREATE, O_CREAT, 0, 2},
                {CEDE_OPEN_EXCLUSIVE, O_EXCL, CEDE_OPEN_CREATE, 3},
                {CEDE_OPEN_TRUNCATE, O_TRUNC, CEDE_OPEN_WRITE, 3},
                {CEDE_OPEN_APPEND, O_APPEND, CEDE_OPEN_WRITE, 4},
                {CEDE_OPEN_NOFOLLOW, O_NOFOLLOW, 0, 4}};
    uint32_t flags = 1 + below(3);
    int system = access[flags] | O_CLOEXEC, error;
    static cede_stat sim;
    struct stat real;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        bool fits = (flags & more[i].needs) == more[i].needs;
        if (below(more[i].one_in) == 0 && fits) {
            flags |= more[i].flag;
            system |= more[i].system;
        }
    }
    snprintf(step_text + strlen(step_text), 32, " flags 0x%x", flags);
    cede_prep_open(&req, p, flags, 0644);
    perform();
    file->fd = open(p, system, 0644);
    error = errno;
    /* Linux looks whether a name may be created before what is there: several are right. */
    if (file->fd < 0 && error == EISDIR && (flags & CEDE_OPEN_CREATE) && last.status < 0)
        return;
    errno = error;
    same_status("open", file->fd);
    if (file->fd < 0)
        return;
    file->handle = last.handle;
    cede_prep_stat_handle(&req, file->handle, &sim);
    perform();
    same_status("stat of an open file", fstat(file->fd, &real));
    same_stat(&real, &sim);
}

static void transfer(const struct file *file)
{
    static char ours[20000], theirs[20000];
    size_t length = below(3) ? below(9000) : below(3);
    int64_t offset = below(2) ? CEDE_CURRENT : (int64_t)below(20000);
    bool writes = below(2);
    long moved;
    snprintf(step_text + strlen(step_text), 64, " %zu bytes at %lld", length, (long long)offset);
    for (size_t i = 0; writes && i < length; i++)
        ours[i] = (char)below(256);
    if (writes) {
        cede_prep_write(&req, file->handle, ours, length, offset);
        perform();
        moved = offset == CEDE_CURRENT ? write(file->fd, ours, length)
                                       : pwrite(file->fd, ours, length, (off_t)offset);
    } else {
        cede_prep_read(&req, file->handle, ours, length, offset);
        perform();
        moved = offset == CEDE_CURRENT ? read(file->fd, theirs, length)
                                       : pread(file->fd, theirs, length, (off_t)offset);
    }
    same_status(writes ? "write" : "read", moved);
    if (moved < 0)
        return;
    same_number("count", moved, (long long)last.count);
    if (!writes)
        same_number("bytes", memcmp(ours, theirs, (size_t)moved), 0);
}

static void resize(const struct file *file)
{
    static cede_stat sim;
    struct stat real;
    uint64_t length = below(30000), offset = below(10000);
    bool keep = below(2);
    if (below(2)) {
        cede_prep_truncate(&req, file->handle, length);
        perform();
        same_status("truncate", ftruncate(file->fd, (off_t)length));
    } else {
        cede_prep_allocate(&req, file->handle, offset, length + 1,
                           keep ? CEDE_ALLOCATE_KEEP_SIZE : 0);
        perform();
        same_status("allocate", fallocate(file->fd, keep ? FALLOC_FL_KEEP_SIZE : 0, (off_t)offset,
                                          (off_t)length + 1));
    }
    cede_prep_stat_handle(&req, file->handle, &sim);
    perform();
    same_status("stat of an open file", fstat(file->fd, &real));
    same_stat(&real, &sim);
}

static void on_file(struct file *file, const char *p)
{
    struct stat what;
    if (file->fd < 0 || below(4) == 0) {
        close_one(file);
        open_one(file, p);
        return;
    }
    if (fstat(file->fd, &what) != 0 || !S_ISREG(what.st_mode))
        return;
    if (below(3))
        transfer(file);
    else
        resize(file);
}

/* ---- The run -------------------------------------------------------------------------------- */

static int compare(void)
{
    static char p[PATH_BYTES], q[PATH_BYTES];
    cede_sim_config config = {.seed = 1};
    cede_options options = CEDE_OPTIONS_INIT;
    options.backend_table = &cede_sim_backend;
    options.backend_config = &config;
    REQUIRE(cede_loop_open(&options, &loop) == CEDE_OK, "no loop");
    REQUIRE(mkdir("/tmp", 0755) == 0 && mkdir("/dev", 0755) == 0, "errno %d", errno);
    (void)umask(022);
    for (int i = 0; i < FILES; i++)
        files[i].fd = -1;
    for (int step = 0; step < STEPS; step++) {
        unsigned kind = below(15);
        make_path(p);
        make_path(q);
        snprintf(step_text, sizeof step_text, "in step %d, '%s' '%s'", step, p, q);
        if (kind < 7)
            on_paths(p, q);
        else if (kind < 9)
            look_at(p);
        else if (kind < 14)
            on_file(&files[below(FILES)], p);
        else if (strspn(p, "/.") != strlen(p)) /* the roots differ, by what a world has in it */
            list(p);
    }
    for (int i = 0; i < FILES; i++)
        close_one(&files[i]);
    REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "the loop did not close");
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

int main(int argc, char **argv)
{
    char root[] = "/tmp/cede-sim-like-linux-XXXXXX";
    int status = -1;
    pid_t child;
    random_state = unit_seed(argc, argv);
    (void)fflush(stdout);
    REQUIRE(mkdtemp(root) != NULL && chmod(root, 0755) == 0, "errno %d", errno);
    child = fork();
    if (child == 0) {
        if (chroot(root) != 0 || chdir("/") != 0) {
            printf("skipped: chroot: %s\n", strerror(errno));
            return UNIT_SKIPPED;
        }
        status = compare();
        (void)fflush(stdout);
        _exit(status); /* a search for leaks would need /proc, which is not there */
    }
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child, "errno %d", errno);
    (void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    REQUIRE(WIFEXITED(status), "signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}
