/*
 * The senders of row B8: what they share. Each sends the same pieces, one behind the other, to the
 * load, which throws them away. Main thread.
 */
#ifndef CEDE_BENCH_STREAM_H
#define CEDE_BENCH_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "load.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Pieces that are lent at a time: the next is sent while the kernel still has the one before. */
enum { STREAM_BYTES = 65536, STREAM_PIECES = 16 };

typedef struct stream {
    load *load;
    int fd; /* connected, non-blocking; the sender's own */
    char *pieces;
    uint64_t left;    /* to be begun */
    uint64_t pending; /* begun and not over */
} stream;

static inline char *stream_piece(const stream *s, unsigned which)
{
    return s->pieces + (size_t)which * STREAM_BYTES;
}

/* Takes a piece to send, if there is one left. */
static inline int stream_begin(stream *s)
{
    if (s->left == 0) {
        return 0;
    }
    s->left--;
    s->pending++;
    return 1;
}

/* Ends the program unless all of a piece went. */
void stream_ended(stream *, long result);

/* stream_epoll.c. lends: without a copy */
void stream_epoll_open(void **inside, stream *, int lends);
void stream_epoll_run(void *inside, stream *);
void stream_epoll_close(void *inside);

/* stream_asio.cc */
void stream_asio_open(void **inside, stream *);
void stream_asio_run(void *inside, stream *);
void stream_asio_close(void *inside);

#ifdef __cplusplus
}
#endif
#endif
