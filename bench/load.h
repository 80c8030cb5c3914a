/*
 * The load: a process of its own that is the clients of whatever server is measured, the same for
 * all of them. It does what it is told, order by order, and says when it has done it.
 *
 * It has a processor to itself, if there are two, and the server has another: so what the bench's
 * process takes of its processor is what the server costs, and nothing of the clients is in it.
 */
#ifndef CEDE_BENCH_LOAD_H
#define CEDE_BENCH_LOAD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    LOAD_CONNECT,  /* `count` more clients */
    LOAD_ECHO,     /* `count` messages of `bytes`, over all clients, one under way on each; each is
                      sent when the one before came back, and is looked at */
    LOAD_PINGPONG, /* the same with the first client alone, which looks for the answer and does not
                      sleep */
    LOAD_DRAIN,    /* the first client receives `count` bytes, and throws them away */
    LOAD_WAVE,     /* `count` clients connect and are not served yet */
    LOAD_GONE,     /* waits until those were closed by the server */
    LOAD_LEAVE     /* all clients close */
};

typedef struct load_order {
    uint64_t count;
    uint32_t what, bytes;
    uint32_t port; /* of 127.0.0.1 */
    uint32_t unused;
} load_order;

typedef struct load load;

load *load_start(uint16_t port);
void load_tell(load *, uint32_t what, uint64_t count, uint32_t bytes);
void load_wait(load *); /* until it has done what it was told */
void load_end(load *);

/* The server's processor, for as long as it is measured; and all of them again. */
void load_pin(void);
void load_unpin(void);

/* The load's side: `control` is its end of the wire; returns an exit status. */
int load_main(int control);

#ifdef __cplusplus
}
#endif
#endif
