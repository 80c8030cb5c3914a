/*
 * Where a filter keeps a system call from a process: io_uring as a whole, and opening a loop says
 * so, and by what; or what can be done without, and it is (older kernels have it not, either).
 * Each filter is put on in a process of its own. Nothing is opened here before: a child of such a
 * process would get no loop.
 */
#include "../port.h"
#include "use.h"

#include <cede/cede.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct filter {
    const char *name;
    long call; /* 0: none is forbidden */
    int error; /* that it fails with */
    cede_status status;
    const char *why; /* is part of what the open says */
} filter;

static const filter filters[] = {
    {"nothing", 0, 0, CEDE_OK, ""},
    {"io_uring_setup", SYS_io_uring_setup, EPERM, CEDE_EPERM, "seccomp"},
    {"io_uring_setup", SYS_io_uring_setup, ENOSYS, CEDE_ENOTSUP, "seccomp"},
    {"io_uring_enter", SYS_io_uring_enter, EPERM, CEDE_EPERM, "seccomp"},
    {"io_uring_enter", SYS_io_uring_enter, ENOSYS, CEDE_ENOTSUP, "seccomp"},
    {"io_uring_register", SYS_io_uring_register, EPERM, CEDE_OK, ""},
    {"io_uring_register", SYS_io_uring_register, ENOSYS, CEDE_OK, ""},
    {"copy_file_range", SYS_copy_file_range, ENOSYS, CEDE_OK, ""},
    {"copy_file_range", SYS_copy_file_range, EXDEV, CEDE_OK, ""},
    {"copy_file_range", SYS_copy_file_range, EOPNOTSUPP, CEDE_OK, ""},
};

static void forbid(const filter *f)
{
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)f->call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)f->error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof lines / sizeof lines[0], .filter = lines};
    if (!f->call)
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        printf("skipped: no filters here: %s\n", strerror(errno));
        (void)fflush(stdout);
        _exit(UNIT_SKIPPED);
    }
}

static void on_copied(cede_req *req, cede_result r)
{
    *(cede_result *)req->user_data = r;
}

static cede_result copy(cede_loop *loop, cede_handle from, uint64_t at, cede_handle to,
                        uint64_t length)
{
    cede_result r = {0};
    cede_req req = {.user_data = &r};
    cede_prep_copy(&req, from, at, to, 1000, length);
    (void)cede_submit(loop, &req, on_copied);
    REQUIRE(cede_run(loop, CEDE_FOREVER) == 1, "a copy");
    return r;
}

/* Of a part, to the end, and beyond it: each byte where it belongs, and the count is true. */
static void copies(cede_loop *loop)
{
    enum { BYTES = 300000, AT = 7 };
    static unsigned char bytes[BYTES], got[BYTES];
    int fds[2] = {memfd_create("from", MFD_CLOEXEC), memfd_create("to", MFD_CLOEXEC)};
    cede_handle from = cede_import(fds[0], CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    cede_handle to = cede_import(fds[1], CEDE_KIND_FILE, CEDE_IMPORT_BORROW);
    static const uint64_t lengths[] = {200000, CEDE_TO_END, BYTES};
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 11);
    REQUIRE(fds[0] >= 0 && fds[1] >= 0 && write(fds[0], bytes, BYTES) == BYTES, "files");
    for (int i = 0; i < 3; i++) {
        uint64_t wanted = i == 0 ? lengths[0] : BYTES - AT;
        cede_result r = copy(loop, from, AT, to, lengths[i]);
        REQUIRE(r.status == (i == 2 ? CEDE_EEOF : CEDE_OK) && r.count == wanted, "%d: %s, %" PRIu64,
                i, cede_strerror(r.status), r.count);
        REQUIRE(pread(fds[1], got, BYTES, 1000) == (ssize_t)wanted &&
                    memcmp(got, bytes + AT, wanted) == 0,
                "%d: other bytes", i);
    }
    REQUIRE(pread(fds[1], got, 1000, 0) == 1000 && got[0] == 0 && got[999] == 0, "before it");
    cede_drop(from);
    cede_drop(to);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static int child(const filter *f)
{
    char why[256] = "";
    cede_options options = {.backend = "io_uring", .why = why, .why_bytes = sizeof why};
    cede_loop *loop = NULL;
    cede_status status;
    forbid(f);
    status = cede_loop_open(&options, &loop);
    if (!f->call && status != CEDE_OK) {
        printf("skipped: %s\n", why);
        return UNIT_SKIPPED;
    }
    REQUIRE(status == f->status, "%s, %d: %s (%s)", f->name, f->error, cede_strerror(status), why);
    REQUIRE((status != CEDE_OK) == (why[0] != 0), "%s", why);
    REQUIRE(strstr(why, f->why), "%s, %d: %s", f->name, f->error, why);
    if (status != CEDE_OK)
        return 0;
    use(loop);
    copies(loop);
    REQUIRE(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK, "%s", f->name);
    return 0;
}

int main(void)
{
    port_limit(60);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        int status = -1;
        pid_t process = fork();
        if (process == 0) {
            status = child(&filters[i]);
            (void)fflush(stdout);
            _exit(status);
        }
        if (process < 0 || waitpid(process, &status, 0) != process || status) {
            if (WIFEXITED(status) && WEXITSTATUS(status) == UNIT_SKIPPED)
                return UNIT_SKIPPED;
            fprintf(stderr, "%s, error %d: ended with %d\n", filters[i].name, filters[i].error,
                    status);
            return 1;
        }
    }
    return 0;
}
