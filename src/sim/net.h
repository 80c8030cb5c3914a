/*
 * The simulated network: sockets of one world. All under the world's lock.
 *
 * A stream is two pipes, one each way; each end is a socket. An end that nobody has accepted is a
 * socket without an open file, in its listener's queue. A socket goes with its open file.
 */
#ifndef CEDE_SIM_NET_H
#define CEDE_SIM_NET_H

#include "fs.h"

typedef struct sim_packet {
    struct sim_packet *next;
    cede_address from;
    uint64_t bytes;
    uint8_t data[];
} sim_packet;

typedef struct sim_member {
    struct sim_member *next;
    cede_address group;
} sim_member;

struct sim_socket {
    sim_socket *next; /* all of the world */
    sim_socket *prev;
    cede_sim *world;
    uint32_t kind;  /* CEDE_KIND_ */
    uint32_t flags; /* as it was made */
    cede_address own;
    cede_address peer; /* family NONE: it has none */
    sim_node *node;    /* its open file's; NULL: not accepted yet */
    int64_t option[CEDE_OPTION_COUNT];
    sim_list taking; /* blocked: accepts, receives of datagrams */
    /* stream */
    cede_sim_pipe *in;
    cede_sim_pipe *out;   /* NULL: shut down */
    sim_socket *other;    /* NULL: closed */
    sim_socket *listener; /* in whose queue it is */
    sim_socket *behind;   /* in that queue */
    bool reset;           /* the next receive is to say so */
    bool broken;          /* it was, once */
    /* listener */
    uint64_t backlog;
    uint64_t waiting;
    sim_socket *first;
    sim_list coming; /* blocked connects: the queue is full */
    /* datagrams */
    sim_packet *packets; /* oldest first */
    uint64_t packet_bytes;
    sim_member *members;
};

/* Where an address is. */
enum sim_where {
    SIM_HERE,      /* this world's */
    SIM_NOWHERE,   /* nothing ever comes from there */
    SIM_GROUP,     /* multicast */
    SIM_BROADCAST, /* to all in the network */
    SIM_AWAY       /* there is no way */
};

enum sim_where sim_net_where(const cede_address *);
bool sim_net_is_any(const cede_address *);
/* ::ffff:a.b.c.d is a.b.c.d. */
cede_address sim_net_unmapped(const cede_address *);
/* An address as a socket of that family sees it. */
cede_address sim_net_seen_by(const sim_socket *, const cede_address *);
/* Which socket of a kind gets what is sent there; NULL: none. */
sim_socket *sim_net_find(cede_sim *, uint32_t kind, const cede_address *);
/* Gives a socket its address, with a port that is free. */
cede_status sim_net_bind(sim_socket *, const cede_address *, uint32_t shared);
/* A port that none of that kind uses; 0: all are used. */
uint16_t sim_net_free_port(cede_sim *, bool datagrams);

sim_socket *sim_socket_new(cede_sim *, uint32_t kind, uint32_t flags); /* NULL: out of memory */
/* Makes its open file. */
cede_status sim_socket_open(sim_socket *, sim_open **);
/* Connects two streams; false: out of memory. */
bool sim_socket_join(sim_socket *, sim_socket *);
void sim_socket_close(sim_socket *);
/* Takes the end that waits longest out of a listener's queue. */
sim_socket *sim_socket_take(sim_socket *listener);
/* Whether the connection was broken off and nobody has been told; tells it. */
bool sim_socket_was_reset(sim_socket *);
/* Whether an operation that takes clients or datagrams finds none. */
bool sim_socket_must_wait(const sim_socket *, uint32_t op);

void sim_option_defaults(sim_socket *);

#endif
