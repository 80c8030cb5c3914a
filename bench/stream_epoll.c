/*
 * The second floor of the senders: epoll by hand, edge-triggered, with send by its side. Without a
 * copy by MSG_ZEROCOPY: the kernel numbers the calls, and says by the socket's error queue of which
 * it has let go, in ranges, as a rule but not always in their order. Main thread.
 */
#include "bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* which needs <time.h> */

#include "stream.h"

enum { CALLS = 4096 }; /* of which the kernel has not let go, at most */

typedef struct sender {
    int epoll;
    int flags;
    unsigned free[STREAM_PIECES], free_count;
    bool sending;
    unsigned piece;                 /* that is being sent */
    size_t gone;                    /* of its bytes */
    unsigned holds[STREAM_PIECES];  /* on a piece: of its calls, and while it is being sent */
    uint8_t piece_of[CALLS];        /* by the call's number */
    uint32_t calls, calls_released; /* made without a copy */
} sender;

static void release(sender *e, unsigned piece)
{
    if (--e->holds[piece] == 0) {
        e->free[e->free_count++] = piece;
    }
}

/* As much as the socket takes, and the kernel agrees to hold. */
static void send_some(sender *e, stream *s)
{
    for (;;) {
        if (!e->sending) {
            if (!e->free_count || !stream_begin(s)) {
                return;
            }
            e->sending = true;
            e->piece = e->free[--e->free_count];
            e->gone = 0;
            e->holds[e->piece] = 1;
        }
        ssize_t sent =
            send(s->fd, stream_piece(s, e->piece) + e->gone, STREAM_BYTES - e->gone, e->flags);
        /* ENOBUFS: it holds too much. What it lets go of is told, and then there is room. */
        if (sent < 0 && (errno == EAGAIN || (errno == ENOBUFS && e->calls != e->calls_released))) {
            return;
        }
        bench_check(sent, "send");
        if (e->flags & MSG_ZEROCOPY) {
            if (e->calls - e->calls_released == CALLS) {
                bench_die("epoll: the kernel holds %d sends", CALLS);
            }
            e->piece_of[e->calls++ % CALLS] = (uint8_t)e->piece;
            e->holds[e->piece]++;
        }
        e->gone += (size_t)sent;
        if (e->gone == STREAM_BYTES) {
            e->sending = false;
            stream_ended(s, STREAM_BYTES);
            release(e, e->piece);
        }
    }
}

/* Of which calls the kernel has let go. */
static void hear(sender *e, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in))];
    } room;
    for (;;) {
        struct msghdr message = {.msg_control = &room, .msg_controllen = sizeof room};
        if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0) {
            if (errno != EAGAIN) {
                bench_check(-1, "recvmsg");
            }
            return;
        }
        const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        if (!head || head->cmsg_level != SOL_IP || head->cmsg_type != IP_RECVERR) {
            bench_die("epoll: not told of a send");
        }
        const struct sock_extended_err *told = (const void *)CMSG_DATA(head);
        if (told->ee_errno != 0 || told->ee_origin != SO_EE_ORIGIN_ZEROCOPY) {
            bench_die("epoll: told of error %u", told->ee_errno);
        }
        for (uint32_t i = 0; i <= told->ee_data - told->ee_info; i++) {
            release(e, e->piece_of[(told->ee_info + i) % CALLS]);
            e->calls_released++;
        }
    }
}

void stream_epoll_open(void **inside, stream *s, int lends)
{
    sender *e = bench_alloc(1, sizeof *e, 0);
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
    int yes = 1;
    e->epoll = (int)bench_check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    bench_check(epoll_ctl(e->epoll, EPOLL_CTL_ADD, s->fd, &event), "epoll_ctl");
    e->flags = MSG_NOSIGNAL | (lends ? MSG_ZEROCOPY : 0);
    if (lends) {
        bench_check(setsockopt(s->fd, SOL_SOCKET, SO_ZEROCOPY, &yes, sizeof yes), "SO_ZEROCOPY");
    }
    for (unsigned i = 0; i < STREAM_PIECES; i++) {
        e->free[e->free_count++] = i;
    }
    *inside = e;
}

void stream_epoll_run(void *inside, stream *s)
{
    sender *e = inside;
    send_some(e, s);
    while (s->pending || e->free_count < STREAM_PIECES) {
        struct epoll_event event;
        bench_check(epoll_wait(e->epoll, &event, 1, -1), "epoll_wait");
        if (event.events & EPOLLERR) {
            hear(e, s->fd);
        }
        send_some(e, s);
    }
}

void stream_epoll_close(void *inside)
{
    sender *e = inside;
    close(e->epoll);
    free(e);
}
