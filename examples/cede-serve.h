/*
 * cede-serve: what its files share.
 *
 *     cede-serve.c          options, listening, threads, the end
 *     cede-serve-client.c   connections: wait, receive, send, close
 *     cede-serve-answer.c   from a request to what is sent
 *     cede-serve-list.c     directories as pages
 *     cede-serve-parse.h    the pure functions
 *
 * What to see in it:
 *
 * A worker is a loop with its thread. All that a worker does is in one scope, so that the end of a
 * worker is the end of that scope; its deadline is what grace there is once the server was asked to
 * stop. A connection is a scope inside it, which owns its socket and whose deadline cuts a client
 * that does not take what it is sent.
 *
 * A connection that waits costs one receive and no buffer. A buffer comes from the pool with the
 * first bytes of a request, and all that the answer needs lies in the headroom before it: that is
 * the `turn`. So a request allocates nothing (a list of a directory does), and the pool's size is
 * what the answers in progress can take.
 *
 * Workers tell each other by names only: a ticket to complete or to cancel, a handle to serve.
 */
#ifndef CEDE_SERVE_H
#define CEDE_SERVE_H

#include "cede-serve-parse.h"
#include "example_tree.h"

#define IN_BYTES   16384
#define OUT_BYTES  32768
#define BODY_MOST  65536  /* of a request, which is received and thrown away */
#define PIECE_MOST 262144 /* of a file: sent in one go, within the time for a send */

typedef struct client client;

typedef struct worker {
    cede_req scope; /* of all that it does */
    cede_ticket life;
    cede_req open; /* pends while it is; then it has `closing` */
    cede_ticket opened;
    cede_req option, accept, work;
    cede_ticket accepting;
    cede_handle listener; /* 0: the first worker accepts for it */
    cede_loop *loop;
    cede_pool *pool;
    client *waiting;  /* for a request */
    uint32_t clients; /* that it has accepted and that are not over */
    uint32_t clients_most;
    bool accepts, closing, patient, sends_files;
    int64_t date_seconds; /* for which the next is right */
    char date[SERVE_DATE_BYTES];
    uint64_t served_clients, requests, refused, sent_bytes;
} worker;

struct client {
    cede_req scope; /* its life; before and after, what carries it between workers */
    cede_ticket life;
    cede_req wait; /* for a request */
    cede_ticket waiting;
    client *next, **place; /* in the worker's list, while it waits */
    cede_handle stream;
    worker *home, *worker; /* that has accepted it; that serves it */
};

/* A request and its answer: lies in the headroom of the buffer that the request came in. */
typedef struct turn {
    cede_req req; /* the present step */
    client *client;
    char *in; /* the buffer */
    uint32_t filled, taken;
    uint64_t body_left; /* of the request's */
    uint64_t head_until_ns;
    serve_request request; /* points into `in` */
    bool close;            /* after this answer */
    bool linger;           /* the client may be sending still, so not at once */
    os_found found;
    cede_handle file;
    uint64_t offset, left; /* of the file's bytes that are to be sent */
    char *page;            /* a body that is no file's */
    size_t page_bytes, page_room;
    cede_vec parts[2];
    uint32_t out_bytes; /* of the answer's head, then of a piece of the file */
    char path[SERVE_TARGET_MOST + 32];
    _Alignas(8) char out[OUT_BYTES];
} turn;

struct settings {
    struct os_tree tree;
    uint64_t idle_ns, head_ns, send_ns, grace_ns;
    uint32_t threads, connections;
    bool list, hidden, hand_over, verbose, stats;
    unsigned long clients; /* after so many: stop; 0: never */
};

extern struct settings settings; /* written before there are threads */
extern worker *workers;

/* ---- cede-serve.c --------------------------------------------------------------------------- */

void client_is_taken(void); /* on any worker's thread */
cede_item on_client;        /* of a worker's accept */
/* A client is over, on its home's thread. */
void client_is_home(worker *);

/* ---- cede-serve-client.c -------------------------------------------------------------------- */

/* Serves a stream that `home` has accepted. On home's thread. */
void client_start(worker *home, worker *at, cede_handle stream);

/* Ends the waits for requests. */
void clients_close(worker *);

/* Sends what is in out, then the page or what is left of the file; then comes the next turn. */
void turn_send(turn *);
/* The connection is beyond use, or the answer cannot be completed. */
void turn_fail(turn *, cede_status why);

/* ---- cede-serve-answer.c -------------------------------------------------------------------- */

void answer(turn *);
/* With an HTTP status that is an error. */
void answer_status(turn *, int status);
/* Begins and ends the head of an answer: out is new. */
void head_begin(turn *, int status);
void head_put(turn *, const char *format, ...);
void head_end(turn *, const char *type, uint64_t length);

/* ---- cede-serve-list.c ---------------------------------------------------------------------- */

/* Answers with what is in the directory that is open as turn->file. */
void list(turn *);

#endif
