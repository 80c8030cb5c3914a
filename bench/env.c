/*
 * The surroundings of a run: the directory with its files, clocks, memory, dying. Main thread.
 *
 * The directory lives from bench_env_open to exit, however the program ends short of SIGKILL. What
 * removes it is also called by a signal handler, so it makes system calls and nothing else.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "env.h"

enum { NAMES = 8, PATH_BYTES = 4096 };

static char directory[PATH_BYTES];
static char paths[NAMES][PATH_BYTES + 64]; /* of all files that were made in it */
static char guarded[128];

/* ---- Failing --------------------------------------------------------------------------------- */

_Noreturn void bench_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("cede-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

long bench_check(long result, const char *what)
{
    if (result < 0) {
        bench_die("%s: %s", what, strerror(errno));
    }
    return result;
}

long bench_check_neg(long result, const char *what)
{
    if (result < 0) {
        bench_die("%s: %s", what, strerror((int)-result));
    }
    return result;
}

/* ---- The directory --------------------------------------------------------------------------- */

static void remove_directory(void)
{
    for (unsigned i = 0; i < NAMES && directory[0]; i++) {
        unlink(paths[i]);
    }
    if (directory[0]) {
        rmdir(directory);
    }
    directory[0] = 0;
}

/* ---- Signals --------------------------------------------------------------------------------- */

/* Interrupts are held back and looked for between rounds, so that no contestant sees EINTR. */
static void hold_interrupts(sigset_t *which)
{
    sigemptyset(which);
    sigaddset(which, SIGINT);
    sigaddset(which, SIGTERM);
}

bool bench_interrupted(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
}

static void on_alarm(int number)
{
    ssize_t ignored = write(STDERR_FILENO, guarded, strlen(guarded));
    (void)number, (void)ignored;
    remove_directory();
    _exit(1);
}

void bench_guard(unsigned seconds, const bench_row *row, const bench_case *of, const char *who)
{
    alarm(0);
    if (seconds) {
        snprintf(guarded, sizeof guarded, "cede-bench: %s %s: %s does not come to an end\n",
                 row->id, of->name, who);
        alarm(seconds);
    }
}

/* ---- Making it ------------------------------------------------------------------------------- */

/* Whether a new file in `parent` can be opened past the page cache: on tmpfs it may open, but
 * there is no disk behind it. */
static bool takes_direct(const char *parent)
{
    enum { TMPFS = 0x01021994, RAMFS = (int)0x858458f6 };
    char path[sizeof directory];
    struct statfs about;
    if (statfs(parent, &about) < 0 || about.f_type == TMPFS || (int)about.f_type == RAMFS ||
        snprintf(path, sizeof path, "%s/cede-bench-XXXXXX", parent) >= (int)sizeof path) {
        return false;
    }
    int fd = mkostemp(path, O_DIRECT | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    close(fd);
    unlink(path);
    return true;
}

void bench_env_open(bench_env *env, const char *parent)
{
    const char *candidates[] = {getenv("TMPDIR"), "/var/tmp", ".", "/tmp"};
    for (unsigned i = 0; i < 4 && !parent; i++) {
        parent = candidates[i] && takes_direct(candidates[i]) ? candidates[i] : NULL;
    }
    parent = parent ? parent : "/tmp";
    env->direct = takes_direct(parent);
    snprintf(directory, sizeof directory, "%s/cede-bench-XXXXXX", parent);
    if (!mkdtemp(directory)) {
        int error = errno;
        directory[0] = 0;
        bench_die("cannot make a directory in %s: %s", parent, strerror(error));
    }
    env->dir = directory;
    atexit(remove_directory);

    /* As many descriptors as may be, for the rows with many clients. */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }

    sigset_t interrupts;
    hold_interrupts(&interrupts);
    sigprocmask(SIG_BLOCK, &interrupts, NULL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
}

void bench_env_close(bench_env *env)
{
    remove_directory();
    env->dir = NULL;
}

const char *bench_path(const bench_env *env, const char *name)
{
    char path[sizeof paths[0]];
    unsigned i = 0;
    snprintf(path, sizeof path, "%s/%s", env->dir, name);
    while (i < NAMES && paths[i][0] && strcmp(paths[i], path) != 0) {
        i++;
    }
    if (i == NAMES) {
        bench_die("more than %d files", NAMES);
    }
    return strcpy(paths[i], path);
}

static void fill(int fd, uint64_t bytes)
{
    enum { PIECE = 1 << 20 };
    uint64_t seed = 1, *piece = bench_alloc(1, PIECE, 4096);
    for (size_t i = 0; i < PIECE / sizeof *piece; i++) {
        piece[i] = bench_random(&seed);
    }
    for (uint64_t at = 0; at < bytes; at += PIECE) {
        piece[0] = at; /* no two pieces alike, for file systems that share equal blocks */
        size_t length = bytes - at < PIECE ? (size_t)(bytes - at) : (size_t)PIECE;
        if (bench_check(pwrite(fd, piece, length, (off_t)at), "write") != (long)length) {
            bench_die("short write: is the disk full?");
        }
    }
    free(piece);
    bench_check(fsync(fd), "fsync");
}

int bench_file(const bench_env *env, const char *name, uint64_t bytes, int flags)
{
    const char *path = bench_path(env, name);
    struct stat about;
    if (stat(path, &about) < 0 || (uint64_t)about.st_size < bytes) {
        int fd = (int)bench_check(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), path);
        fill(fd, bytes);
        close(fd);
    }
    return (int)bench_check(open(path, flags | O_CLOEXEC), path);
}

/* ---- Clocks, chance, memory ------------------------------------------------------------------ */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

uint32_t *bench_permutation(uint32_t count, uint64_t seed)
{
    uint32_t *order = bench_alloc(count, sizeof *order, 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = (uint32_t)(bench_random(&seed) % (i + 1));
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

void *bench_alloc(size_t count, size_t bytes, size_t align)
{
    size_t total = count * bytes, whole = align ? (total + align - 1) / align * align : total;
    void *memory = align ? aligned_alloc(align, whole) : malloc(total);
    if (!memory) {
        bench_die("no memory for %zu bytes", total);
    }
    return memset(memory, 0, total);
}
