/*
 * The load's process: clients on a raw ring, as cheap as they can be made, so that the server and
 * not the load is what is waited for.
 */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

enum { ENTRIES = 2048, DRAIN_BYTES = 1 << 20, SEND_DONE = 1 };

typedef struct client {
    int fd;
    uint64_t left, sent; /* messages */
    unsigned char *out, *in;
} client;

static struct {
    struct io_uring ring;
    client *clients;
    unsigned count, room;
    uint32_t bytes; /* of a message; what the clients' memory is made for */
} self;

/* ---- Coming and going ------------------------------------------------------------------------ */

static int connect_one(const load_order *order)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)order->port)};
    int one = 1, fd = (int)bench_check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench_check(connect(fd, (struct sockaddr *)&at, sizeof at), "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void connect_all(const load_order *order)
{
    for (uint64_t i = 0; i < order->count; i++) {
        if (self.count == self.room) {
            self.room = self.room ? 2 * self.room : 64;
            self.clients = realloc(self.clients, self.room * sizeof *self.clients);
            if (!self.clients) {
                bench_die("no memory for the clients");
            }
        }
        self.clients[self.count++] = (client){.fd = connect_one(order)};
    }
}

/* The end of a connection that the server closes leaves nothing behind: it is reset. Else its port
 * would be taken for a minute, and a round needs thousands. */
static void reset_all(void)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (unsigned i = 0; i < self.count; i++) {
        setsockopt(self.clients[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(self.clients[i].fd);
        free(self.clients[i].out);
        free(self.clients[i].in);
    }
    self.count = 0;
}

static void await_ends(void)
{
    char byte;
    for (unsigned i = 0; i < self.count; i++) {
        if (recv(self.clients[i].fd, &byte, 1, 0) != 0) {
            bench_die("the load: a client was not closed");
        }
    }
    reset_all();
}

/* The server sees the ends of its streams, and no resets. */
static void leave_all(void)
{
    char byte;
    for (unsigned i = 0; i < self.count; i++) {
        shutdown(self.clients[i].fd, SHUT_WR);
    }
    for (unsigned i = 0; i < self.count; i++) {
        while (recv(self.clients[i].fd, &byte, 1, 0) > 0) {
        }
    }
    reset_all();
}

/* ---- Echoes ---------------------------------------------------------------------------------- */

static void make_messages(uint32_t bytes)
{
    for (unsigned i = 0; i < self.count; i++) {
        client *c = &self.clients[i];
        if (!c->out || self.bytes != bytes) {
            free(c->out);
            free(c->in);
            c->out = bench_alloc(1, bytes, 64);
            c->in = bench_alloc(1, bytes, 64);
            memset(c->out, 'a' + (int)(i % 26), bytes);
        }
    }
    self.bytes = bytes;
}

static struct io_uring_sqe *entry(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&self.ring);
    if (!sqe) {
        bench_check_neg(io_uring_submit(&self.ring), "io_uring_enter");
        sqe = io_uring_get_sqe(&self.ring);
    }
    return sqe;
}

/* The next message goes out, its echo is waited for. A send tells only of failure. */
static void send_next(client *c)
{
    struct io_uring_sqe *sqe = entry();
    c->left--;
    c->sent++;
    memcpy(c->out, &c->sent, sizeof c->sent);
    io_uring_prep_send(sqe, c->fd, c->out, self.bytes, MSG_WAITALL | MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, SEND_DONE);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe = entry();
    io_uring_prep_recv(sqe, c->fd, c->in, self.bytes, MSG_WAITALL);
    io_uring_sqe_set_data(sqe, c);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

static void check_echo(const client *c, long got)
{
    if (got != (long)self.bytes || memcmp(c->in, c->out, sizeof c->sent) != 0 ||
        c->in[self.bytes - 1] != c->out[self.bytes - 1]) {
        bench_die("the load: an echo of %u bytes came back as %ld, or as another", self.bytes, got);
    }
}

static void echo(const load_order *order)
{
    uint64_t pending = 0;
    make_messages(order->bytes);
    for (unsigned i = 0; i < self.count; i++) {
        client *c = &self.clients[i];
        c->left = order->count / self.count + (i < order->count % self.count);
        if (c->left) {
            pending++;
            send_next(c);
        }
    }
    while (pending) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        bench_check_neg(io_uring_submit_and_wait(&self.ring, 1), "io_uring_enter");
        io_uring_for_each_cqe(&self.ring, head, cqe)
        {
            client *c = io_uring_cqe_get_data(cqe);
            count++;
            if (cqe->user_data == SEND_DONE) {
                bench_die("the load: a send: %s", strerror(-cqe->res));
            }
            check_echo(c, cqe->res);
            if (c->left) {
                send_next(c);
            } else {
                pending--;
            }
        }
        io_uring_cq_advance(&self.ring, count);
    }
}

static void pingpong(const load_order *order)
{
    client *c = &self.clients[0];
    make_messages(order->bytes);
    for (uint64_t i = 0; i < order->count; i++) {
        size_t got = 0;
        c->sent++;
        memcpy(c->out, &c->sent, sizeof c->sent);
        bench_check(send(c->fd, c->out, self.bytes, MSG_NOSIGNAL), "send");
        while (got < self.bytes) {
            ssize_t more = recv(c->fd, c->in + got, self.bytes - got, MSG_DONTWAIT);
            if (more == 0 || (more < 0 && errno != EAGAIN)) {
                bench_die("the load: a ping has no pong");
            }
            got += more > 0 ? (size_t)more : 0;
        }
        check_echo(c, (long)got);
    }
}

static void drain(const load_order *order)
{
    for (uint64_t left = order->count; left;) {
        size_t most = left < DRAIN_BYTES ? (size_t)left : (size_t)DRAIN_BYTES;
        ssize_t got = recv(self.clients[0].fd, NULL, most, MSG_TRUNC);
        if (bench_check(got, "recv") == 0) {
            bench_die("the load: the stream ended early");
        }
        left -= (uint64_t)got;
    }
}

/* ---- Orders ---------------------------------------------------------------------------------- */

static void obey(const load_order *order)
{
    switch (order->what) {
    case LOAD_CONNECT:
    case LOAD_WAVE:
        connect_all(order);
        break;
    case LOAD_ECHO:
        echo(order);
        break;
    case LOAD_PINGPONG:
        pingpong(order);
        break;
    case LOAD_DRAIN:
        drain(order);
        break;
    case LOAD_GONE:
        await_ends();
        break;
    case LOAD_LEAVE:
        leave_all();
        break;
    default:
        bench_die("the load: no order %u", order->what);
    }
}

int load_main(int control)
{
    load_order order;
    bench_ring_open(&self.ring, ENTRIES, 2 * ENTRIES);
    while (recv(control, &order, sizeof order, 0) == sizeof order) {
        obey(&order);
        if (send(control, "", 1, MSG_NOSIGNAL) != 1) {
            break;
        }
    }
    return 0;
}
