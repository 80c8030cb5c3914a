/*
 * The best ring that the running kernel gives, what it can do, and why there is none.
 *
 * Flags are tried from the newest on and given up one generation at a time when the kernel says
 * EINVAL; the capability masks of cede_uring_config take them away as an older kernel would. May
 * run on another thread than the loop's: a ring with one issuer is made disabled, and bind enables
 * it on the thread that will use it.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(CEDE_CHECKED) && CEDE_CHECKED && defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

#include "../posix/tsan.h"
#ifdef CEDE_WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* The kernel's table for cancels grows with the completion queue, up to 8192 entries; with 2048 a
 * cancel among 100,000 pending costs 55 us instead of 7 (measured). 256 KiB. */
#define CQ_ENTRIES 16384u
#define SQ_ENTRIES 256u
#define SQ_MOST    32768u /* IORING_MAX_ENTRIES, to which IORING_SETUP_CLAMP brings what is more */

/* ---- Why not -------------------------------------------------------------------------------- */

/* Reads a small file of /proc; what is not there reads as nothing. */
static void read_text(const char *path, char *text, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = 0;
    if (fd >= 0) {
        length = read(fd, text, bytes - 1);
        (void)close(fd);
    }
    text[length > 0 ? length : 0] = '\0';
}

static bool is_filtered(void)
{
    char text[4096];
    const char *line;
    read_text("/proc/self/status", text, sizeof text);
    line = strstr(text, "\nSeccomp:");
    return line && strtol(line + sizeof "\nSeccomp:" - 1, NULL, 10) == 2;
}

static const char *why_not_permitted(void)
{
    char text[16];
    read_text("/proc/sys/kernel/io_uring_disabled", text, sizeof text);
    if (text[0] == '2')
        return "io_uring is switched off for everybody by the sysctl kernel.io_uring_disabled=2; "
               "as root: sysctl kernel.io_uring_disabled=0";
    if (text[0] == '1')
        return "io_uring is kept from this user by the sysctl kernel.io_uring_disabled=1; join the "
               "group of kernel.io_uring_group, or as root: sysctl kernel.io_uring_disabled=0";
    if (is_filtered())
        return "io_uring is forbidden by a seccomp filter (the container's profile, or a service "
               "manager's); allow io_uring_setup, io_uring_enter and io_uring_register in it";
    return "io_uring is forbidden, though neither the sysctl kernel.io_uring_disabled nor a "
           "seccomp filter of this process says so; ask the security module (SELinux, AppArmor)";
}

static cede_status refuse(const cede_backend_setup *setup, int error)
{
    const char *why;
    cede_status status = cedi_error_final(error);
    switch (error) {
    case EPERM:
    case EACCES:
        status = CEDE_EPERM;
        why = why_not_permitted();
        break;
    case ENOSYS:
        why = is_filtered() ? "the kernel has no io_uring, or a seccomp filter says so; allow "
                              "io_uring_setup, io_uring_enter and io_uring_register in it"
                            : "the kernel has no io_uring; it takes Linux 5.6 or newer, built with "
                              "CONFIG_IO_URING";
        break;
    case ENOMEM:
        why = "no memory for the rings; kernels before 5.12 count them against the locked memory "
              "of the user: raise RLIMIT_MEMLOCK (ulimit -l), or use smaller queues";
        break;
    case EMFILE:
        why = "no descriptor left in this process for the ring; raise RLIMIT_NOFILE (ulimit -n)";
        break;
    case ENFILE:
        why = "no file left in the system for the ring; raise the sysctl fs.file-max";
        break;
    case EINVAL:
        status = CEDE_EINVAL;
        why = "the kernel takes no ring of these sizes; sq_entries must not exceed cq_entries";
        break;
    default:
        (void)snprintf(setup->why, setup->why_bytes, "io_uring cannot be set up: %s",
                       strerror(error));
        return status;
    }
    (void)snprintf(setup->why, setup->why_bytes, "%s", why);
    return status;
}

/* ---- Rings ----------------------------------------------------------------------------------- */

/* liburing maps rings by system calls of its own, which ThreadSanitizer does not see: to it a ring
 * at a place where another thread's has been would be a race. */
#ifdef CEDE_WITH_TSAN
static char rings;
#define GONE() __tsan_release(&rings)
#define MADE() __tsan_acquire(&rings)
#else
#define GONE() ((void)0)
#define MADE() ((void)0)
#endif

int cedi_uring_ring_make(struct io_uring *ring, unsigned entries, struct io_uring_params *params)
{
    int error = io_uring_queue_init_params(entries, ring, params);
    MADE();
    if (error == 0)
        ring->ring_fd = ring->enter_ring_fd = cedi_own_fd(ring->ring_fd);
    return error;
}

void cedi_uring_ring_leave(struct io_uring *ring)
{
    GONE();
    io_uring_queue_exit(ring);
}

/* ---- Flags ---------------------------------------------------------------------------------- */

/* Generation 0 is the newest. Each gives up what came with a kernel. */
static bool flags_of(unsigned generation, uint32_t without, unsigned *flags)
{
    unsigned all = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    bool issuer = generation < 2 && !(without & CEDE_URING_NO_SINGLE_ISSUER);
    if (generation < 4 && !(without & CEDE_URING_NO_SUBMIT_ALL)) /* 5.18 */
        all |= IORING_SETUP_SUBMIT_ALL;
    if (issuer) /* 6.0 */
        all |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_R_DISABLED;
    /* The flag that tells of pending work saves the call that would find none. */
    if (generation < 1 && issuer && !(without & CEDE_URING_NO_DEFER_TASKRUN)) /* 6.1 */
        all |= IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    else if (generation < 3 && !(without & CEDE_URING_NO_COOP_TASKRUN)) /* 5.19 */
        all |= IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    *flags = all;
    return generation <= 4;
}

static int try_sizes(uring *self, unsigned flags, unsigned sq, unsigned cq)
{
    struct io_uring_params params;
    int error = cedi_uring_fault(self, "setup");
    if (!error)
        error = cedi_uring_fault(self, "mmap");
    if (error)
        return error;
    memset(&params, 0, sizeof params);
    params.flags = flags;
    params.cq_entries = cq;
    return -cedi_uring_ring_make(&self->ring, sq, &params);
}

static int make_ring(uring *self, unsigned sq, unsigned cq)
{
    unsigned flags;
    int error = EINVAL;
    for (unsigned i = 0; error == EINVAL && flags_of(i, self->config.without, &flags); i++)
        error = try_sizes(self, flags, sq, cq);
    return error;
}

/* Sizes that were asked for are taken or refused; our own choice shrinks while memory is short. */
static int choose_sizes(uring *self, uint32_t hint)
{
    unsigned sq = self->config.sq_entries, cq = self->config.cq_entries;
    int error;
    if (!sq) {
        sq = hint ? hint : SQ_ENTRIES;
        sq = sq < SQ_MOST ? sq : SQ_MOST; /* twice a hint may be no number at all */
        if (cq && sq > cq)
            sq = cq;
    }
    if (cq)
        return make_ring(self, sq, cq);
    for (cq = sq > CQ_ENTRIES / 2 ? sq * 2 : CQ_ENTRIES;; cq /= 2) {
        error = make_ring(self, sq, cq);
        if (error != ENOMEM || cq / 2 < sq || cq <= 64)
            return error;
    }
}

/* ---- What it can ---------------------------------------------------------------------------- */

static uint64_t ask_opcodes(uring *self)
{
    union {
        struct io_uring_probe probe;
        char room[sizeof(struct io_uring_probe) + 64 * sizeof(struct io_uring_probe_op)];
    } answer;
    uint64_t opcodes = 0;
    memset(&answer, 0, sizeof answer);
    if (cedi_uring_fault(self, "register") ||
        io_uring_register_probe(&self->ring, &answer.probe, 64) != 0)
        return (UINT64_C(1) << IORING_OP_SPLICE) - 1; /* what came with 5.6, as the probe did */
    for (unsigned i = 0; i < answer.probe.ops_len && i < 64; i++) {
        if (answer.probe.ops[i].flags & IO_URING_OP_SUPPORTED)
            opcodes |= UINT64_C(1) << i;
    }
    return opcodes;
}

static bool has_basics(uint64_t opcodes)
{
    static const uint8_t basics[] = {
        IORING_OP_NOP,       IORING_OP_READV,         IORING_OP_WRITEV, IORING_OP_FSYNC,
        IORING_OP_POLL_ADD,  IORING_OP_OPENAT,        IORING_OP_CLOSE,  IORING_OP_STATX,
        IORING_OP_FALLOCATE, IORING_OP_READ,          IORING_OP_WRITE,  IORING_OP_ASYNC_CANCEL,
        IORING_OP_TIMEOUT,   IORING_OP_TIMEOUT_REMOVE};
    for (size_t i = 0; i < sizeof basics; i++) {
        if (!(opcodes >> basics[i] & 1))
            return false;
    }
    return true;
}

/* Whether writes to streams take a flag. Asked with a pipe: no probe knows. */
static bool streams_take(unsigned flag)
{
    struct iovec byte = {.iov_base = (char[1]){0}, .iov_len = 1};
    int ends[2];
    long written;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    written = syscall(SYS_pwritev2, ends[1], &byte, 1L, -1L, -1L, (long)flag);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return written == 1;
}

static void look_around(uring *self)
{
    uint32_t without = self->config.without;
    self->opcodes = ask_opcodes(self);
    self->cancel_flags = 0;
    if (without & CEDE_URING_NO_PATH_OPS)
        self->opcodes &= ~(UINT64_C(1) << IORING_OP_RENAMEAT | UINT64_C(1) << IORING_OP_UNLINKAT |
                           UINT64_C(1) << IORING_OP_MKDIRAT | UINT64_C(1) << IORING_OP_SYMLINKAT |
                           UINT64_C(1) << IORING_OP_LINKAT);
    if (without & CEDE_URING_NO_TRUNCATE)
        self->opcodes &= ~(UINT64_C(1) << URING_OP_FTRUNCATE);
    self->has_ext_arg =
        (self->ring.features & IORING_FEAT_EXT_ARG) && !(without & CEDE_URING_NO_EXT_ARG);
    /* No probe tells of them; they came with the operations of the same kernels. */
    self->has_accept_many =
        cedi_uring_has(self, URING_OP_SOCKET) && !(without & CEDE_URING_NO_MANY_SHOT);
    self->has_recv_many =
        cedi_uring_has(self, URING_OP_SEND_ZC) && !(without & CEDE_URING_NO_MANY_SHOT);
    self->has_children = cedi_child_possible();
    self->has_zero_copy =
        cedi_uring_has(self, URING_OP_SEND_ZC) && !(without & CEDE_URING_NO_ZERO_COPY);
    if ((self->ring.features & IORING_FEAT_CQE_SKIP) && !(without & CEDE_URING_NO_SKIP_SUCCESS))
        self->cancel_flags = IOSQE_CQE_SKIP_SUCCESS;
    self->stream_flags = 0;
    if (!(without & CEDE_URING_NO_NOSIGNAL) && streams_take(URING_RWF_NOSIGNAL))
        self->stream_flags = URING_RWF_NOSIGNAL;
    else if (!(self->ring.flags & IORING_SETUP_DEFER_TASKRUN) && streams_take(RWF_NOWAIT))
        self->odd |= URING_ODD_NOWAIT;
}

/* A filter may let a ring be made that nobody can enter. This asks for nothing; a ring that is not
 * enabled yet says EBADFD. */
static int try_enter(uring *self)
{
    int result = io_uring_enter2((unsigned)self->ring.ring_fd, 0, 0, 0, NULL, _NSIG / 8);
    return result == -EPERM || result == -EACCES || result == -ENOSYS ? -result : 0;
}

cede_status cedi_uring_setup(uring *self, const cede_backend_setup *setup)
{
    const unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS;
    int error;
    if (RUNNING_ON_VALGRIND || (self->config.without & CEDE_URING_WAIT_POLLED)) {
        /* Only a ring that completes by itself becomes readable. */
        self->config.without |= CEDE_URING_NO_SINGLE_ISSUER | CEDE_URING_NO_COOP_TASKRUN;
        self->odd |= URING_ODD_POLLED;
    }
    error = choose_sizes(self, setup->queue_entries);
    if (error)
        return refuse(setup, error);
    error = try_enter(self);
    if (error) {
        cedi_uring_ring_leave(&self->ring);
        return refuse(setup, error);
    }
    self->sq_room = self->config.fault ? 0 : self->ring.sq.ring_entries;
    look_around(self);
    if ((self->ring.features & needed) != needed || !has_basics(self->opcodes)) {
        cedi_uring_ring_leave(&self->ring);
        (void)snprintf(setup->why, setup->why_bytes,
                       "the kernel's io_uring is too old; it takes Linux 5.6 or newer");
        return CEDE_ENOTSUP;
    }
    /* Newer libraries do this themselves: entries are used in order. */
    if (self->ring.sq.array) {
        for (unsigned i = 0; i < self->ring.sq.ring_entries; i++)
            self->ring.sq.array[i] = i;
    }
    return CEDE_OK;
}

/* ---- On the loop's thread ------------------------------------------------------------------- */

static int enable(uring *self)
{
    int error = cedi_uring_fault(self, "register");
    if (error || !(self->ring.flags & IORING_SETUP_R_DISABLED))
        return self->ring.flags & IORING_SETUP_R_DISABLED ? error : 0;
    /* liburing 2.3 declares a call for it, and has none. */
    return -io_uring_register((unsigned)self->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* No ring at all: one without room, so that whatever is started fails as a shortage does. */
static void bury(uring *self)
{
    memset(&self->ring, 0, sizeof self->ring);
    self->ring.ring_fd = self->ring.enter_ring_fd = -1;
    self->ring.sq.khead = self->ring.sq.ktail = self->ring.sq.kflags = &self->no_ring;
    self->ring.cq.khead = self->ring.cq.ktail = &self->no_ring;
    self->sq_room = 0;
}

cede_status cedi_uring_bind(void *context)
{
    uring *self = context;
    if (enable(self) != 0) {
        char why[128];
        cede_backend_setup again = {.core = self->core,
                                    .queue_entries = self->ring.sq.ring_entries,
                                    .why = why,
                                    .why_bytes = sizeof why};
        cede_status status;
        cedi_uring_ring_leave(&self->ring);
        self->config.without |= CEDE_URING_NO_SINGLE_ISSUER;
        status = cedi_uring_setup(self, &again);
        if (status != CEDE_OK) {
            bury(self);
            return status;
        }
    }
    self->enabled = true;
    /* Saves looking up the descriptor in each call: 7 % of a no-op. Linux 5.18. */
    if (!(self->config.without & CEDE_URING_NO_REGISTER_RING) &&
        !cedi_uring_fault(self, "register") && io_uring_register_ring_fd(&self->ring) == 1)
        self->enter_flags = IORING_ENTER_REGISTERED_RING;
    return CEDE_OK;
}
