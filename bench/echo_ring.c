/*
 * The floor of the servers: a raw ring with many-shot accepts and receives, buffers that the kernel
 * picks from a small ring, and sends from the buffer that was received into. Main thread.
 *
 * A buffer is given back when its send is over; a receive that found none is begun anew when one
 * is. Descriptors are not registered, as cede's are not.
 */
#include "bench.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo.h"

enum { ACCEPT, RECV, SEND, CLOSE };

typedef struct server {
    echo e;
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    unsigned char *memory;
    unsigned given; /* buffers to be shown to the kernel */
    int *starved;   /* clients whose receive found no buffer */
    unsigned starving, room;
} server;

static struct io_uring_sqe *entry(server *s)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
    if (!sqe) {
        bench_check_neg(io_uring_submit(&s->ring), "io_uring_enter");
        sqe = io_uring_get_sqe(&s->ring);
    }
    return sqe;
}

static uint64_t tag(unsigned kind, unsigned number)
{
    return (uint64_t)number << 8 | kind;
}

static void receive(server *s, int fd)
{
    struct io_uring_sqe *sqe = entry(s);
    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    io_uring_sqe_set_data64(sqe, tag(RECV, (unsigned)fd));
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
}

static void give(server *s, unsigned buffer)
{
    io_uring_buf_ring_add(s->buffers, s->memory + (size_t)buffer * s->e.buffer_bytes,
                          s->e.buffer_bytes, (unsigned short)buffer,
                          io_uring_buf_ring_mask(ECHO_BUFFERS), (int)s->given++);
}

static void accept_more(server *s)
{
    struct io_uring_sqe *sqe = entry(s);
    io_uring_prep_multishot_accept(sqe, s->e.listener, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tag(ACCEPT, 0));
}

static void accepted(server *s, int fd)
{
    bench_check_neg(fd, "accept");
    if (s->e.closes) {
        struct io_uring_sqe *sqe = entry(s);
        io_uring_prep_close(sqe, fd);
        io_uring_sqe_set_data64(sqe, tag(CLOSE, 0));
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    } else {
        receive(s, fd);
    }
    echo_count(&s->e, ECHO_CLIENTS, 1);
}

static void starve(server *s, int fd)
{
    if (s->starving == s->room) {
        s->room = s->room ? 2 * s->room : 256;
        s->starved = realloc(s->starved, s->room * sizeof *s->starved);
        if (!s->starved) {
            bench_die("no memory");
        }
    }
    s->starved[s->starving++] = fd;
}

static void received(server *s, const struct io_uring_cqe *cqe, int fd)
{
    if (cqe->res > 0) {
        unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        struct io_uring_sqe *sqe = entry(s);
        io_uring_prep_send(sqe, fd, s->memory + (size_t)buffer * s->e.buffer_bytes,
                           (size_t)cqe->res, MSG_WAITALL | MSG_NOSIGNAL);
        io_uring_sqe_set_data64(sqe, tag(SEND, buffer));
        if (!(cqe->flags & IORING_CQE_F_MORE)) {
            receive(s, fd);
        }
    } else if (cqe->res == -ENOBUFS) {
        starve(s, fd);
    } else {
        bench_check_neg(cqe->res, "recv");
        close(fd);
        echo_count(&s->e, ECHO_ENDS, 1);
    }
}

static void completed(server *s, const struct io_uring_cqe *cqe)
{
    unsigned number = (unsigned)(cqe->user_data >> 8);
    switch (cqe->user_data & 0xff) {
    case RECV:
        received(s, cqe, (int)number);
        break;
    case SEND:
        bench_check_neg(cqe->res, "send");
        give(s, number);
        echo_count(&s->e, ECHO_BYTES, (uint64_t)cqe->res);
        break;
    case ACCEPT:
        accepted(s, cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE)) {
            accept_more(s);
        }
        break;
    default:
        bench_check_neg(cqe->res, "close");
        break;
    }
}

static void wait_some(server *s)
{
    /* Looks for completions first, where that is opted for. */
    for (uint64_t until = s->e.spin_ns ? bench_wall_ns() + s->e.spin_ns : 0; until;) {
        bench_check_neg(io_uring_submit_and_get_events(&s->ring), "io_uring_enter");
        if (io_uring_cq_ready(&s->ring)) {
            return;
        }
        until = bench_wall_ns() < until ? until : 0;
    }
    bench_check_neg(io_uring_submit_and_wait(&s->ring, 1), "io_uring_enter");
}

static void run(void *self)
{
    server *s = self;
    while (!echo_enough(&s->e)) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        wait_some(s);
        io_uring_for_each_cqe(&s->ring, head, cqe)
        {
            completed(s, cqe);
            count++;
        }
        io_uring_cq_advance(&s->ring, count);
        if (s->given) {
            io_uring_buf_ring_advance(s->buffers, (int)s->given);
            s->given = 0;
            while (s->starving) {
                receive(s, s->starved[--s->starving]);
            }
        }
    }
    bench_check_neg(io_uring_submit(&s->ring), "io_uring_enter");
}

static void open_(void *self)
{
    server *s = self;
    struct io_uring_buf_reg all = {.ring_entries = ECHO_BUFFERS};
    bench_ring_open(&s->ring, 256, 4096);
    s->buffers = bench_alloc(ECHO_BUFFERS, sizeof(struct io_uring_buf), 4096);
    s->memory = bench_alloc(ECHO_BUFFERS, s->e.buffer_bytes, 4096);
    all.ring_addr = (uint64_t)(uintptr_t)s->buffers;
    bench_check_neg(io_uring_register_buf_ring(&s->ring, &all, 0), "register buffers");
    io_uring_buf_ring_init(s->buffers);
    for (unsigned i = 0; i < ECHO_BUFFERS; i++) {
        give(s, i);
    }
    io_uring_buf_ring_advance(s->buffers, (int)s->given);
    s->given = 0;
    accept_more(s);
    bench_check_neg(io_uring_submit(&s->ring), "io_uring_enter");
}

static void close_(void *self)
{
    server *s = self;
    io_uring_queue_exit(&s->ring);
    close(s->e.listener);
    free(s->buffers);
    free(s->memory);
    free(s->starved);
}

const echo_side echo_ring = {sizeof(server), open_, run, close_};
