/*
 * Preparations for sockets and what is like them: streams (TCP, local streams, pairs), listeners,
 * datagrams.
 *
 * Kinds of handle: connect, accept and pair make streams (CEDE_KIND_STREAM), listen makes listeners
 * (CEDE_KIND_LISTENER), datagram makes datagram sockets (CEDE_KIND_DATAGRAM). A stream is also what
 * read, write and their vectored forms take, at CEDE_CURRENT, so that code which does not care what
 * its bytes come from need not know; recv and send are the same without an offset, and take pipes
 * and terminals too. Descriptors are never inherited by child processes.
 *
 * Order (law 14): on one handle, what receives is in order among itself, so is what sends;
 * shutdown takes its turn behind what was sent before it. Accepts and datagrams are free: many may
 * pend at once, and which gets what is the system's choice.
 *
 * Results that are the same on every system (law 16):
 *   the other end closed or shut down   a receive says CEDE_OK with count 0, from then on
 *   the other end is gone               a send says CEDE_EPIPE or CEDE_ECONNRESET (which of them
 *                                       depends on what the system has heard by then); a receive
 *                                       CEDE_ECONNRESET once, if data was lost (on Windows maybe
 *                                       each that follows, too). No signal comes.
 *   a peer that never reads             a send pends, once the system's buffers are full, until a
 *                                       cancel or its deadline; count is what has gone
 *   zero bytes asked for                CEDE_OK with count 0, on its turn, without a look at the
 *                                       stream; an empty datagram is sent and received as one. At
 *                                       the wrong end of a pipe, or of a terminal that is not open
 *                                       for it, CEDE_EBADF, as of any bytes
 *   connect                             CEDE_ECONNREFUSED (also of a local name that is not there),
 *                                       CEDE_EHOSTUNREACH, CEDE_ENETUNREACH,
 *                                       CEDE_ETIMEDOUT (the system's own limit, not a deadline)
 *   descriptors used up                 an accept waits until there are some again, and says so to
 *                                       the trace hook once; the listener survives (law 15)
 *   a datagram that nobody takes        is lost; no error comes back for it. (A socket that was
 *                                       connected before it was imported may hear of it, by
 *                                       CEDE_ECONNREFUSED of a later sendto or recvfrom.)
 */
#ifndef CEDE_NET_H
#define CEDE_NET_H

#include "cede/address.h"
#include "cede/pool.h"
#include "cede/req.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Listening, connecting ------------------------------------------------------------------ */

/* Several sockets may listen at one address, each with a share of the clients: for one loop per
 * thread. Who waits at one that is closed is reset, and does not come to the others. CEDE_ENOTSUP
 * on Windows, and of local addresses; there accept on one loop and hand the handle over, which is
 * to pass its value to a request on the other (cede_submit_remote). */
#define CEDE_LISTEN_SHARED 0x1u
/* IPv6, the any-address: take IPv4 clients too (their addresses read ::ffff:a.b.c.d); such an
 * address itself: it is an IPv4 one. Without it a listener is for its own family alone, whatever
 * the system's default is. */
#define CEDE_LISTEN_DUAL 0x2u
/* A local address: a name that was left behind, where nobody listens, is taken over. Windows:
 * nothing is left behind. */
#define CEDE_LISTEN_REPLACE 0x4u
/* TCP fast open for clients that ask for it; ignored where there is none. */
#define CEDE_LISTEN_FAST_OPEN 0x8u
#define CEDE_LISTEN_ANY       0xfu

/* Listens; result.handle is the listener. `backlog` is how many clients may wait to be accepted (0:
 * the system's most; Linux lets one more). The address can be had again at once after a listener is
 * closed (on Windows once no connection that it accepted is open any more: SO_EXCLUSIVEADDRUSE),
 * and not as long as another has it (CEDE_EADDRINUSE; Linux lets a shared one for both families at
 * :: pass beside another's IPv4 address, if a shared one was at :: since that was taken);
 * CEDE_EADDRNOTAVAIL: it is not this machine's; CEDE_EACCES: not allowed to. Windows says that also
 * where another has every address of the port for itself, as a listener at the any-address does. A
 * local listener's name is not removed by its close. */
CEDE_API void cede_prep_listen(cede_req *, const cede_address *at, uint32_t backlog,
                               uint32_t flags);

/* Makes a socket and connects it; result.handle is the stream. Connected just as a cancel came, it
 * is delivered all the same (law 8); cancelled before, the socket is closed, but the peer may have
 * seen it (law 7's table). A socket whose own port happens to be the one it goes to meets itself
 * where nobody listens (RFC 9293, 3.5): that is CEDE_ECONNREFUSED, as it nearly always is there.
 * The any-address leads to this machine, by its loopback address; so it does in sendto. On Linux
 * each connect that waits for room at a local listener has a thread of the kernel while it does.
 * Windows: a local name is there as long as a stream is open that was accepted at it, by whomever.
 * If its listener is closed before, a connect cannot tell it from one whose backlog is full: it
 * waits, and is CEDE_ECONNREFUSED when the last of these streams is closed. Give it a deadline.
 * flags: 0. */
CEDE_API void cede_prep_connect(cede_req *, const cede_address *to, uint32_t flags);

/* Takes a client; result.handle is the stream. *peer (ceded; NULL: not wanted) is its address, of
 * which a local one has no path. A client that left before it was taken is passed over. */
CEDE_API void cede_prep_accept(cede_req *, cede_handle listener, cede_address *peer);

/* Takes clients, one after the other, until it is cancelled or fails: each is an item with a
 * handle. done tells how many there were. While descriptors are used up it waits; each time that
 * begins is told, once, by an item without a handle, whose status is the reason (CEDE_EMFILE, ...).
 */
CEDE_API void cede_prep_accept_many(cede_req *, cede_handle listener, cede_item *item);

/* Two streams connected to each other, or the two ends of a pipe. result.handle is the first,
 * *second (ceded) the other; of a pipe, the first reads and the second writes. If not CEDE_OK,
 * *second is not a handle. */
enum {
    CEDE_PAIR_STREAM,
    CEDE_PAIR_PIPE,
    CEDE_PAIR_TO_CHILD,  /* a pipe: the first writes, the other is for a child's standard input */
    CEDE_PAIR_FROM_CHILD /* the first reads, the other is for a child's output (system.h) */
};
CEDE_API void cede_prep_pair(cede_req *, uint32_t what, cede_handle *second);

/* ---- Names ---------------------------------------------------------------------------------- */

#define CEDE_LOOKUP_IPV4 0x1u /* only of this family; neither: both */
#define CEDE_LOOKUP_IPV6 0x2u
#define CEDE_LOOKUP_ANY  0x3u

/* Looks a host up: by the system's means (its files, DNS), in the order that it recommends (RFC
 * 6724). The first `room` addresses are written to out (ceded), with `port`; count is how many
 * there are, which may be more than room. CEDE_ENONAME: it has no address (of this family), or is
 * no name; CEDE_EAGAIN: no name server answered. Cancelled, or at its deadline, it ends at once;
 * what the system has asked already goes on unheard (law 7's table). On Linux
 * a loop asks on 16 threads at most, each of which one that hangs keeps, also unheard, until the
 * system gives it up: while all of them are kept, later look-ups of names wait, until their
 * deadline. (On Windows the system sees to that; where it does not, a process has 64 such threads.)
 * A number address is understood too, as cede_address_parse reads it, without port and brackets.
 * Whatever else looks like one (numbers and dots alone, like "127.1", "0x7f.0.0.1", "010.0.0.1", or
 * with a colon, like "fe80::1%eth0") is no name on any system, though some would read it: so what a
 * program sees in the text is the address that it is led to. */
CEDE_API void cede_prep_lookup(cede_req *, const char *host, uint16_t port, uint32_t flags,
                               cede_address *out, uint32_t room);

/* ---- Streams -------------------------------------------------------------------------------- */

/* Of connected sockets, pipes and terminals, not of files: where standard input may be any of them,
 * use cede_prep_read and cede_prep_write_all (file.h). */

/* Receives up to length_bytes into buffer (ceded), as soon as there is anything. */
CEDE_API void cede_prep_recv(cede_req *, cede_handle, void *buffer, uint64_t length_bytes);
/* Receives exactly length_bytes; CEDE_EEOF with the count if the stream ends before. */
CEDE_API void cede_prep_recv_all(cede_req *, cede_handle, void *buffer, uint64_t length_bytes);
/* Receives into a buffer of the pool, picked when there is data: result.buffer (the callee's, to be
 * given back) and result.count. At the end of the stream, and if it failed, there is no buffer. */
CEDE_API void cede_prep_recv_pool(cede_req *, cede_handle, cede_pool *);
/* The same on and on: each arrival is an item with a buffer and a count. done comes with the end of
 * the stream (CEDE_OK), a failure or a cancel; count is the sum. It holds its place in the order of
 * receives until then. With a credit of n at most n of its buffers are out; it goes on as they are
 * given back. CEDE_CREDIT_ALL: only the pool limits it, which is the fastest. */
#define CEDE_CREDIT_ALL 0u
CEDE_API void cede_prep_recv_many(cede_req *, cede_handle, cede_pool *, uint32_t credit,
                                  cede_item *item);
/* Sends up to length_bytes from buffer (lent). */
CEDE_API void cede_prep_send(cede_req *, cede_handle, const void *buffer, uint64_t length_bytes);
/* Sends exactly length_bytes. */
CEDE_API void cede_prep_send_all(cede_req *, cede_handle, const void *buffer,
                                 uint64_t length_bytes);
/* Sends all of count pieces (memory and vector lent), in order, like one send_all of what they make
 * together. At most 1024 pieces. */
CEDE_API void cede_prep_sendv(cede_req *, cede_handle, const cede_vec *, uint32_t count);

/* Sends exactly length_bytes like send_all, from the buffer itself where the system can, without a
 * copy of its own. done comes when the system has let go of the buffer, which is later than when
 * the bytes have gone; what is sent behind it does not wait for that, but is told behind it (law
 * 14), so several may be under way, each with its buffer. It pays from some tens of kilobytes on;
 * sends below CEDE_ZERO_COPY_LEAST_BYTES, and streams that have nothing of the kind (local ones,
 * pipes), are copied all the same.
 * Cancelled, it sends no more; but what has gone keeps its memory until the peer has acknowledged
 * it, and done comes then, late. Closed before that (with the scope that owns it, too), the
 * connection is reset, also that of a borrowed handle: so no peer keeps the memory by not
 * reading. (If the peer is in this very process, and not read: a scope that owns the peer's end and
 * has the send as a member waits for the send before it closes what it owns, and so for ever. Let
 * it own the sending end, too, or close the peer's by yourself.) */
#define CEDE_ZERO_COPY_LEAST_BYTES 32768u
CEDE_API void cede_prep_send_zero_copy(cede_req *, cede_handle, const void *buffer,
                                       uint64_t length_bytes);

/* Sends length_bytes of a file from `offset` on (CEDE_TO_END: to its end), without a way through
 * the program's memory where the system can. A whole transfer, in the stream's order of sends;
 * CEDE_EEOF with the count if the file ends before; CEDE_EBADF, also of nothing, if it is not open
 * for reading. The file's position is left alone. (One with CEDE_OPEN_DIRECT goes through memory of
 * the library's own, in blocks of 4096 bytes: any offset and length will do where no larger ones
 * are asked for; on Windows they are asked of the caller.) Both handles belong to the loop that it
 * is submitted to. */
CEDE_API void cede_prep_send_file(cede_req *, cede_handle stream, cede_handle file, uint64_t offset,
                                  uint64_t length_bytes);

/* Ends what this side sends: the peer receives the end of the stream behind all that was sent. It
 * takes its turn behind earlier sends; later ones say CEDE_EPIPE. Receiving goes on. (To end that,
 * cancel the receive or close.) CEDE_ENOTSUP where a stream has no such half, which a local stream
 * on Windows has not. CEDE_ENOTCONN if the connection is gone already. */
CEDE_API void cede_prep_shutdown(cede_req *, cede_handle);

/* ---- Datagrams ------------------------------------------------------------------------------ */

#define CEDE_DATAGRAM_SHARED 0x1u /* several may bind one address (multicast) */
#define CEDE_DATAGRAM_DUAL   0x2u /* IPv6, the any-address: IPv4 too */
#define CEDE_DATAGRAM_ANY    0x3u

/* Makes a datagram socket bound to an IP address (port 0: the system picks one); result.handle.
 * CEDE_EADDRINUSE, CEDE_EADDRNOTAVAIL, CEDE_EACCES: see cede_prep_listen; a shared one, where
 * another is not, is CEDE_EACCES on Windows. */
CEDE_API void cede_prep_datagram(cede_req *, const cede_address *at, uint32_t flags);

/* Receives one datagram into buffer (ceded), and its sender's address into *from (ceded; NULL: not
 * wanted). What did not fit is lost: then CEDE_TRUNCATED is in result.flags, with CEDE_OK and a
 * count of length_bytes. */
CEDE_API void cede_prep_recvfrom(cede_req *, cede_handle, void *buffer, uint64_t length_bytes,
                                 cede_address *from);
/* Sends one datagram (buffer lent), whole or not at all: CEDE_EMSGSIZE if it is too large. */
CEDE_API void cede_prep_sendto(cede_req *, cede_handle, const void *buffer, uint64_t length_bytes,
                               const cede_address *to);

/* Joins or leaves a group on the interface with this index (0: the system's choice; the loopback
 * interface has 1). CEDE_EINVAL: the address is no group's. CEDE_EADDRNOTAVAIL: it is left where
 * it was not joined. A socket that cede made hears the groups that it has joined, and no others.
 * Whom it sends to a group by is an option (CEDE_OPTION_MULTICAST_INTERFACE). */
enum { CEDE_GROUP_JOIN, CEDE_GROUP_LEAVE };
CEDE_API void cede_prep_group(cede_req *, cede_handle, const cede_address *group,
                              uint32_t interface_index, uint32_t what);

/* ---- What a socket is, and how it behaves --------------------------------------------------- */

/* Its own address, or its peer's (CEDE_ENOTCONN if it has none), into *out (ceded). Any kind of
 * socket; of a local stream the family is all that is told. */
enum { CEDE_NAME_OWN, CEDE_NAME_PEER };
CEDE_API void cede_prep_name(cede_req *, cede_handle, uint32_t which, cede_address *out);

/*
 * Options. Values are integers; times are nanoseconds and rounded up to the system's unit; where 1
 * is said to switch something on, so does any number above 0, and 1 is what is told.
 * CEDE_ENOTSUP: the system or this kind of socket has no such option.
 */
enum {
    CEDE_OPTION_NO_DELAY = 1,       /* 1: small sends are not held back (TCP) */
    CEDE_OPTION_KEEP_ALIVE,         /* 1: probes on an idle connection, by the next three */
    CEDE_OPTION_KEEP_ALIVE_IDLE,    /* time until the first probe */
    CEDE_OPTION_KEEP_ALIVE_BETWEEN, /* time between probes */
    CEDE_OPTION_KEEP_ALIVE_COUNT,   /* unanswered probes until it counts as lost */
    CEDE_OPTION_SEND_BYTES,         /* the system's buffer; it may take another size */
    CEDE_OPTION_RECV_BYTES,
    CEDE_OPTION_LINGER,    /* what close does with unsent data: -1 sends it behind the scenes
                              (the default), 0 drops it and resets, more: up to that time, on a
                              thread. On Linux and Windows a listener's is also its later
                              clients'. A drop of what no loop has used waits for nothing, like
                              -1 */
    CEDE_OPTION_BROADCAST, /* 1: a datagram socket may send to broadcast addresses */
    /* The next three are of datagram sockets, for what goes to groups of the socket's own family,
     * IPv6 also where it is CEDE_DATAGRAM_DUAL. */
    CEDE_OPTION_MULTICAST_HOPS, /* how far it goes: 0: this machine, 1 (the default): this network,
                                   up to 255. Linux lets what has 0 out where nobody on this machine
                                   is a member; IPv6's ff01::/16 never goes out. */
    CEDE_OPTION_MULTICAST_LOOP, /* 1 (the default): also to receivers on this machine. Linux goes by
                                   the sender's, Windows by the receiver's: set it at both. What is
                                   sent by the loopback interface is heard all the same. */
    CEDE_OPTION_MULTICAST_INTERFACE, /* the interface that it is sent by, by its index; 0 (the
                                        default): the system's choice. CEDE_ENODEV: there is none.
                                        Linux (and sim) does not tell that of an IPv4 socket:
                                        CEDE_ENOTSUP. */
    CEDE_OPTION_COUNT
};

/* Sets an option. */
CEDE_API void cede_prep_set_option(cede_req *, cede_handle, uint32_t option, int64_t value);
/* Asks for it: the value is result.count, as an int64_t. */
CEDE_API void cede_prep_get_option(cede_req *, cede_handle, uint32_t option);

#ifdef __cplusplus
}
#endif
#endif
