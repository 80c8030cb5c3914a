/*
 * Relays: stream to stream, with one done, one deadline, one cancel, and a count that is true.
 *
 * A relay is made of ordinary requests, by the calls that everybody has: a scope, receives and
 * sends, two halves of one buffer, so that one is filled while the other is sent. The slower side
 * sets the pace. Each of its transfers takes its turn on its stream like any other, so a request
 * that is submitted meanwhile comes between two of them: leave both streams to the relay, and link
 * behind it what is to come then.
 *
 *     cede_prep_relay(&obj->relay, client, server, obj->room, sizeof obj->room, CEDE_TO_END);
 *     cede_in(&obj->relay.req, life);                     // attributes, on its request
 *     cede_within(&obj->relay.req, 60 * CEDE_SECOND);
 *     cede_submit_relay(loop, &obj->relay, on_relayed);   // ceded: relay and buffer
 *
 * No byte is lost, whatever ends it: what was received and could not be sent any more is in the
 * buffer, and relay.left tells where.
 */
#ifndef CEDE_RELAY_H
#define CEDE_RELAY_H

#include "cede/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One half of the buffer. The library's. */
typedef struct cede_relay_half {
    char *base;
    uint64_t sent, filled; /* bytes of it */
} cede_relay_half;

/* The caller's memory, like a request: needs no initialisation before prep, may lie anywhere, must
 * not be moved while ceded. Read it from done on. */
typedef struct cede_relay {
    cede_req req;        /* the scope: its attributes are the relay's; done gets it */
    uint64_t sent_bytes; /* what went to the second stream */
    cede_vec left[2];    /* what was received behind that and not sent, in order, */
    uint32_t left_count; /* in so many pieces of the buffer */
    cede_status reason_; /* from here on the library's */
    cede_req receive_, send_;
    cede_relay_half half_[2];
    cede_handle from_, to_;
    cede_loop *loop_;
    cede_ticket life_;
    const char *where_;
    uint64_t half_bytes_, length_bytes_, received_;
    uint8_t filling_, sending_; /* which half comes next */
    bool receiving_, busy_, ended_, background_;
} cede_relay;

/* Prepares the relay, and its request as a scope: `from` and `to` are streams (sockets, pipes,
 * terminals; no files: CEDE_EINVAL), the buffer is ceded, at least 2 bytes (some tens of kilobytes
 * are good), length_bytes how much to move, or CEDE_TO_END (file.h). Both are looked at at once
 * (`from` not if there is nothing to move); of a `to` that is closed or reset later the relay
 * learns by what it sends next. */
CEDE_API void cede_prep_relay(cede_relay *, cede_handle from, cede_handle to, void *buffer,
                              size_t buffer_bytes, uint64_t length_bytes);

/*
 * Cedes a prepared relay, like cede_submit; the ticket is that of its scope: cancel, extend and
 * await it by that. The loop's thread. done is called with &relay->req, and is the scope's: its
 * count are the requests that it took, relay.sent_bytes what they moved.
 *
 * CEDE_OK: all of it was moved; with CEDE_TO_END up to the end of `from`, which is not passed on
 * (submit a shutdown for that). CEDE_EEOF: it ended before. Where receiving failed, what was
 * received before is sent first. A cancel, a deadline, the end of a scope stop it between
 * transfers. (cede_fail on its ticket is what it says: with 0 it ends
 * with CEDE_OK, whatever is left.) A relay ends its scope itself: CEDE_BY_WISH and
 * CEDE_CANCEL_ASKED stand in result.flags also when nobody wished for anything.
 *
 * Others may be linked behind it, on its streams too, which are theirs when it is over; but not it
 * behind others: only this call starts it.
 */
CEDE_API cede_ticket cede_submit_relay(cede_loop *, cede_relay *, cede_done *);
CEDE_API cede_ticket cede_submit_relay_at(cede_loop *, cede_relay *, cede_done *,
                                          const char *where);
#define cede_submit_relay(loop, relay, done) cede_submit_relay_at(loop, relay, done, CEDE_HERE)

#ifdef __cplusplus
}
#endif
#endif
