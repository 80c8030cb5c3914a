/*
 * Sockets. What the kernel is told in a structure (an address, a message) lies in a job record
 * until its completion; plain transfers need none. What never waits (making, naming, options) is a
 * system call of our own: an entry for it would go through a worker or say the same.
 *
 * A cancelled connect may have reached the peer; its socket is closed, so that the peer learns of
 * the end. The loop's thread.
 */
#include "uring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ROUND_BYTES UINT64_C(0x7ffff000) /* what one transfer moves at most */

/* ---- At once -------------------------------------------------------------------------------- */

static bool done_now(uring *self, const cede_work *work, int result)
{
    if (result < 0)
        return cedi_uring_failed(self, work, -result);
    return cedi_uring_finished(self, work, (uint64_t)result);
}

static int fault(const uring *self, const char *call)
{
    return -cedi_uring_fault(self, call);
}

/* A local name is the file system's, which may take its time. */
bool cedi_uring_start_listen(uring *self, const cede_work *work)
{
    int error = fault(self, "socket");
    if (!error && work->args->net.address.family == CEDE_ADDRESS_LOCAL)
        return cedi_uring_to_pool(self, work);
    return done_now(self, work, error ? error : cedi_net_listen(work->args));
}

bool cedi_uring_start_datagram(uring *self, const cede_work *work)
{
    int error = fault(self, "socket");
    return done_now(self, work, error ? error : cedi_net_datagram(work->args));
}

bool cedi_uring_start_pair(uring *self, const cede_work *work)
{
    int natives[2] = {-1, -1}, error = fault(self, "socket");
    if (!error)
        error = cedi_net_pair(work->args->net.flags, natives);
    if (error < 0)
        return cedi_uring_failed(self, work, -error);
    cede_core_touch(self->core, work->token, true);
    *(uint64_t *)work->args->net.out = (uint64_t)natives[1];
    cede_core_touch(self->core, work->token, false);
    return cedi_uring_finished(self, work, (uint64_t)natives[0]);
}

bool cedi_uring_start_shutdown(uring *self, const cede_work *work)
{
    int error = fault(self, "shutdown");
    if (!error && shutdown((int)work->native, SHUT_WR) != 0)
        error = -errno;
    return done_now(self, work, error);
}

bool cedi_uring_start_group(uring *self, const cede_work *work)
{
    return done_now(self, work, cedi_net_group((int)work->native, work->args));
}

bool cedi_uring_start_name(uring *self, const cede_work *work)
{
    cede_address name;
    int error = cedi_net_name((int)work->native, work->args->net.flags, &name);
    if (error < 0)
        return cedi_uring_failed(self, work, -error);
    cede_core_touch(self->core, work->token, true);
    *(cede_address *)work->args->net.out = name;
    cede_core_touch(self->core, work->token, false);
    return cedi_uring_finished(self, work, 0);
}

bool cedi_uring_start_set_option(uring *self, const cede_work *work)
{
    return done_now(
        self, work,
        cedi_net_set_option((int)work->native, work->args->option.name, work->args->option.value));
}

bool cedi_uring_start_get_option(uring *self, const cede_work *work)
{
    int64_t value = 0;
    int error = cedi_net_get_option((int)work->native, work->args->option.name, &value);
    if (error < 0)
        return cedi_uring_failed(self, work, -error);
    return cedi_uring_finished(self, work, (uint64_t)value);
}

/* ---- Transfers ------------------------------------------------------------------------------ */

static struct io_uring_sqe *entry(uring *self, const cede_work *work, int opcode,
                                  const void *address, uint64_t length, int flags)
{
    struct io_uring_sqe *sqe = cedi_uring_sqe(self);
    if (URING_UNLIKELY(!sqe))
        return NULL;
    cedi_uring_fill(sqe, opcode, (int)work->native, address, length, 0, work->token);
    sqe->flags = self->work_flags;
    sqe->msg_flags = (uint32_t)flags;
    return sqe;
}

/* Nothing was asked for, of a stream or terminal, which the kernel would look at all the same: it
 * would tell the end or the error of the one, and wait for input of the other. Only whether it may
 * be asked for it is looked at, where there is such a thing. */
bool cedi_uring_nothing(uring *self, const cede_work *work, bool writes)
{
    int flags = work->kind == CEDE_KIND_TTY ? fcntl((int)work->native, F_GETFL) : O_RDWR;
    if (flags >= 0 && (flags & O_ACCMODE) == (writes ? O_RDONLY : O_WRONLY))
        return cedi_uring_failed(self, work, EBADF);
    return cedi_uring_finished(self, work, 0);
}

static bool piece(uring *self, const cede_work *work, bool sends, uintptr_t at, uint64_t length,
                  int flags)
{
    if (sends)
        flags |= MSG_NOSIGNAL;
    if (length == 0)
        return cedi_uring_finished(self, work, 0);
    if (length > ROUND_BYTES)
        length = ROUND_BYTES;
    return entry(self, work, sends ? IORING_OP_SEND : IORING_OP_RECV, (const void *)at, length,
                 flags) != NULL;
}

/* Of args.io, from what was moved on. */
bool cedi_uring_socket_transfer(uring *self, const cede_work *work, bool sends, int flags)
{
    return piece(self, work, sends, (uintptr_t)work->args->io.buffer + (uintptr_t)work->moved,
                 work->args->io.length_bytes - work->moved, flags);
}

/* Pipes and terminals are no sockets to the kernel. Of a pipe it must be asked for nothing, too: it
 * knows which of its ends it is. */
static bool transfer(uring *self, const cede_work *work, bool sends, int flags)
{
    if (URING_LIKELY(work->kind == CEDE_KIND_STREAM))
        return cedi_uring_socket_transfer(self, work, sends, flags);
    if (work->args->io.length_bytes == 0 && !(work->kind & CEDE_KIND_PIPE))
        return cedi_uring_nothing(self, work, sends);
    return cedi_uring_transfer(self, work, sends ? IORING_OP_WRITE : IORING_OP_READ, work->moved);
}

bool cedi_uring_start_recv(uring *self, const cede_work *work)
{
    return transfer(self, work, false, 0);
}

/* Not with MSG_WAITALL, which drops the error that ends it behind a part: a reset would look like
 * the stream's end (docs/facts-linux.md). */
bool cedi_uring_start_recv_all(uring *self, const cede_work *work)
{
    return transfer(self, work, false, 0);
}

bool cedi_uring_start_send(uring *self, const cede_work *work)
{
    return transfer(self, work, true, 0);
}

bool cedi_uring_start_send_all(uring *self, const cede_work *work)
{
    return transfer(self, work, true, MSG_WAITALL);
}

/* ---- With a record -------------------------------------------------------------------------- */

/* An entry whose structures lie in the record. NULL: no room for it, or, if *out is NULL, no memory
 * for the record. */
static struct io_uring_sqe *job_entry(uring *self, const cede_work *work, int opcode,
                                      uring_job **out)
{
    struct io_uring_sqe *sqe;
    uring_job *job = cedi_uring_job_new(self, work, URING_NET);
    *out = job;
    if (!job)
        return NULL;
    memset(&job->net, 0, sizeof job->net);
    job->net.native = -1;
    sqe = entry(self, work, opcode, NULL, 0, 0);
    if (!sqe) {
        cedi_uring_job_free(self, job);
        return NULL;
    }
    sqe->user_data |= URING_JOB;
    return sqe;
}

/* There was none. */
static bool no_entry(uring *self, const cede_work *work, const uring_job *job)
{
    return !job && cedi_uring_no_record(self, work);
}

static struct io_uring_sqe *message_entry(uring *self, const cede_work *work, int opcode, int flags,
                                          uring_job **out)
{
    struct io_uring_sqe *sqe = job_entry(self, work, opcode, out);
    if (!sqe)
        return NULL;
    sqe->addr = (uint64_t)(uintptr_t) & (*out)->net.message;
    sqe->len = 1;
    sqe->msg_flags = (uint32_t)flags;
    return sqe;
}

/* From the piece on in which earlier rounds ended; the rest of one that was begun goes alone. */
bool cedi_uring_start_sendv(uring *self, const cede_work *work)
{
    const cede_vec *vec = work->args->vec.vec;
    uint64_t count = work->args->vec.count, moved = work->moved;
    uring_job *job;
    while (count && moved >= vec->length_bytes) {
        moved -= vec->length_bytes;
        vec++;
        count--;
    }
    if (count == 0 && (work->kind & CEDE_KIND_PIPE))
        return cedi_uring_stream_vector(self, work, work->args->vec.vec, 0, 0);
    if (count == 0)
        return cedi_uring_nothing(self, work, true);
    if (work->kind != CEDE_KIND_STREAM)
        return cedi_uring_stream_vector(self, work, vec, count, moved);
    if (moved || count == 1)
        return piece(self, work, true, (uintptr_t)vec->base + (uintptr_t)moved,
                     vec->length_bytes - moved, MSG_WAITALL);
    if (!message_entry(self, work, IORING_OP_SENDMSG, MSG_NOSIGNAL | MSG_WAITALL, &job))
        return no_entry(self, work, job);
    job->net.message.msg_iov = (struct iovec *)(uintptr_t)vec;
    job->net.message.msg_iovlen = count;
    return true;
}

static void one_piece(uring_job *job, const cede_work *work)
{
    uint64_t length = work->args->datagram.length_bytes;
    job->net.piece.iov_base = work->args->datagram.buffer;
    job->net.piece.iov_len = length < ROUND_BYTES ? length : ROUND_BYTES;
    job->net.message.msg_iov = &job->net.piece;
    job->net.message.msg_iovlen = 1;
    job->net.message.msg_name = &job->net.name;
}

/* MSG_TRUNC: the result is how long it was, not how much of it fitted. */
bool cedi_uring_start_recvfrom(uring *self, const cede_work *work)
{
    uring_job *job;
    if (!message_entry(self, work, IORING_OP_RECVMSG, MSG_TRUNC, &job))
        return no_entry(self, work, job);
    one_piece(job, work);
    job->net.message.msg_namelen = sizeof job->net.name;
    return true;
}

bool cedi_uring_start_sendto(uring *self, const cede_work *work)
{
    uring_job *job;
    if (!message_entry(self, work, IORING_OP_SENDMSG, MSG_NOSIGNAL, &job))
        return no_entry(self, work, job);
    one_piece(job, work);
    job->net.message.msg_namelen =
        cedi_net_to_system(&work->args->datagram.address, &job->net.name);
    return true;
}

bool cedi_uring_start_connect(uring *self, const cede_work *work)
{
    struct io_uring_sqe *sqe;
    uring_job *job;
    int fd = fault(self, "socket");
    if (!fd)
        fd = cedi_net_socket(&work->args->net.address, SOCK_STREAM);
    if (fd < 0)
        return cedi_uring_failed(self, work, -fd);
    sqe = job_entry(self, work, IORING_OP_CONNECT, &job);
    if (!sqe) {
        (void)close(fd);
        return no_entry(self, work, job);
    }
    job->net.native = fd;
    sqe->fd = fd;
    sqe->addr = (uint64_t)(uintptr_t)&job->net.name;
    sqe->off = cedi_net_to_system(&work->args->net.address, &job->net.name);
    return true;
}

/* No accept is for a worker, even where that is forced: of several of a listener one that is being
 * armed there may take the wakes of all the clients, and the others sleep on (docs/facts-linux.md).
 */
static void keep_from_workers(struct io_uring_sqe *sqe)
{
    sqe->flags &= (uint8_t)~IOSQE_ASYNC;
}

/* Whose address nobody wants to know. */
static bool accept_entry(uring *self, const cede_work *work, unsigned flags)
{
    struct io_uring_sqe *sqe = entry(self, work, IORING_OP_ACCEPT, NULL, 0, 0);
    if (!sqe)
        return false;
    keep_from_workers(sqe);
    sqe->accept_flags = SOCK_CLOEXEC;
    sqe->ioprio = (uint16_t)flags;
    return true;
}

bool cedi_uring_start_accept_many(uring *self, const cede_work *work)
{
    int error = cedi_uring_fault(self, "accept");
    if (error)
        return cedi_uring_failed(self, work, error);
    return accept_entry(self, work, self->has_accept_many ? IORING_ACCEPT_MULTISHOT : 0);
}

bool cedi_uring_start_accept(uring *self, const cede_work *work)
{
    struct io_uring_sqe *sqe;
    uring_job *job;
    int error = cedi_uring_fault(self, "accept");
    if (error)
        return cedi_uring_failed(self, work, error);
    if (!work->args->net.out)
        return accept_entry(self, work, 0);
    sqe = job_entry(self, work, IORING_OP_ACCEPT, &job);
    if (!sqe)
        return no_entry(self, work, job);
    keep_from_workers(sqe);
    job->net.name_bytes = sizeof job->net.name;
    sqe->addr = (uint64_t)(uintptr_t)&job->net.name;
    sqe->addr2 = (uint64_t)(uintptr_t)&job->net.name_bytes;
    sqe->accept_flags = SOCK_CLOEXEC;
    return true;
}

/* What the kernel wrote into the record goes to the caller. */
static void tell(uring *self, const uring_job *job, cede_address *out, socklen_t length)
{
    cede_address name;
    if (!out)
        return;
    cedi_net_from_system(&job->net.name, length, &name);
    cede_core_touch(self->core, job->token, true);
    *out = name;
    cede_core_touch(self->core, job->token, false);
}

void cedi_uring_net_completed(uring *self, uring_job *job, int result)
{
    uint64_t token = job->token;
    switch (job->work.op) {
    case CEDE_OP_CONNECT:
        if (result >= 0 && cedi_net_met_itself(job->net.native, &job->work.args.net.address))
            result = -ECONNREFUSED;
        if (result >= 0)
            result = job->net.native;
        else
            (void)close(job->net.native);
        if (result == -ENOENT)
            result = -ECONNREFUSED; /* a local name: what is not there, nobody listens at */
        break;
    case CEDE_OP_ACCEPT:
        if (result >= 0)
            tell(self, job, job->work.args.net.out, job->net.name_bytes);
        break;
    case CEDE_OP_RECVFROM:
        if (result >= 0)
            tell(self, job, job->work.args.datagram.from, job->net.message.msg_namelen);
        break;
    default:
        break;
    }
    cedi_uring_job_free(self, job);
    cedi_uring_report(self, token, result);
}
