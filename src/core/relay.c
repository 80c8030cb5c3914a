/*
 * Relays: stream to stream, made of requests by the public calls. Nothing of the core's inside is
 * used but an attribute's bit, the binding of its handles and a look of checked builds, and nothing
 * there knows of it, so it keeps the laws because its requests do.
 *
 * The scope's done is the caller's own. Two halves of a buffer go round: one is filled while the
 * other is sent. A half is received into again when all of it was sent. What ends the relay is
 * recorded once (stop), and its scope is told when nothing is left to send: so a failing receive
 * does not cost what came before it. What ends the scope from outside (a wish, a deadline) ends
 * both requests, each with its true count.
 */
#include "cede/relay.h"
#include "cede/file.h"
#include "cede/net.h"
#include "core.h"

#undef cede_submit_relay

static void receive(cede_relay *);
static void send_on(cede_relay *);

void cede_prep_relay(cede_relay *relay, cede_handle from, cede_handle to, void *buffer,
                     size_t buffer_bytes, uint64_t length_bytes)
{
    cede_prep_scope(&relay->req);
    relay->from_ = from;
    relay->to_ = to;
    relay->half_bytes_ = buffer_bytes / 2;
    relay->half_[0] = (cede_relay_half){buffer, 0, 0};
    relay->half_[1] = (cede_relay_half){(char *)buffer + relay->half_bytes_, 0, 0};
    relay->length_bytes_ = length_bytes;
    relay->sent_bytes = relay->received_ = 0;
    relay->left_count = 0;
    relay->filling_ = relay->sending_ = 0;
    relay->receiving_ = relay->busy_ = relay->ended_ = false;
    relay->reason_ = CEDE_OK;
}

/* Behind each callback, since any may be the last. In order: the half that is being sent, or is
 * next, first. */
static void leave(cede_relay *relay)
{
    relay->left_count = 0;
    for (unsigned i = 0; i < 2; i++) {
        const cede_relay_half *half = &relay->half_[(relay->sending_ + i) % 2];
        if (half->sent < half->filled) {
            relay->left[relay->left_count].base = half->base + half->sent;
            relay->left[relay->left_count++].length_bytes = (size_t)(half->filled - half->sent);
        }
    }
}

/* Nothing more will be received. The first failure counts, also when it is a send's behind the end
 * of what was to be received; the scope ends behind the last send. */
static void stop(cede_relay *relay, cede_status reason)
{
    if (relay->reason_ == CEDE_OK)
        relay->reason_ = reason;
    relay->ended_ = true;
    if (!relay->busy_)
        cede_fail(relay->life_, relay->reason_);
}

static void received(cede_relay *relay, cede_result result)
{
    relay->receiving_ = false;
    if (result.status == CEDE_OK && result.count) {
        relay->half_[relay->filling_].filled = result.count;
        relay->received_ += result.count;
        relay->filling_ ^= 1;
        if (!relay->busy_ && !relay->ended_) /* ended: the send has failed meanwhile */
            send_on(relay);
        receive(relay);
        return;
    }
    if (result.status)
        stop(relay, result.status);
    else
        stop(relay, relay->length_bytes_ == CEDE_TO_END ? CEDE_OK : CEDE_EEOF);
}

static void on_received(cede_req *req, cede_result result)
{
    cede_relay *relay = CEDE_CONTAINER(req, cede_relay, receive_);
    received(relay, result);
    leave(relay);
}

static void sent(cede_relay *relay, cede_result result)
{
    cede_relay_half *half = &relay->half_[relay->sending_];
    relay->busy_ = false;
    half->sent += result.count;
    relay->sent_bytes += result.count;
    if (result.status) { /* what is left stays where it is */
        stop(relay, result.status);
        return;
    }
    half->sent = half->filled = 0;
    relay->sending_ ^= 1;
    send_on(relay);
    receive(relay);
}

static void on_sent(cede_req *req, cede_result result)
{
    cede_relay *relay = CEDE_CONTAINER(req, cede_relay, send_);
    sent(relay, result);
    leave(relay);
}

/* A member, in the background if the relay is. */
static void submit(cede_relay *relay, cede_req *req, cede_done *done)
{
    cede_in(req, relay->life_);
    if (relay->background_)
        cede_background(req);
    (void)cede_submit_at(relay->loop_, req, done, relay->where_);
}

/* Into the half that is next, if it is free and more is wanted. */
static void receive(cede_relay *relay)
{
    const cede_relay_half *half = &relay->half_[relay->filling_];
    uint64_t length = relay->length_bytes_ - relay->received_;
    if (relay->receiving_ || relay->ended_ || half->filled)
        return;
    if (length > relay->half_bytes_)
        length = relay->half_bytes_;
    if (length == 0) {
        stop(relay, CEDE_OK);
        return;
    }
    relay->receiving_ = true;
    cede_prep_recv(&relay->receive_, relay->from_, half->base, length);
    submit(relay, &relay->receive_, on_received);
}

/* The half that is next, if there is something in it; behind the last comes the end. */
static void send_on(cede_relay *relay)
{
    const cede_relay_half *half = &relay->half_[relay->sending_];
    if (half->filled) {
        relay->busy_ = true;
        cede_prep_send_all(&relay->send_, relay->to_, half->base, half->filled);
        submit(relay, &relay->send_, on_sent);
    } else if (relay->ended_) {
        cede_fail(relay->life_, relay->reason_);
    }
}

static void on_looked_at(cede_req *req, cede_result result)
{
    cede_relay *relay = CEDE_CONTAINER(req, cede_relay, send_);
    relay->busy_ = false;
    if (result.status)
        stop(relay, result.status);
    else
        send_on(relay);
    leave(relay);
}

/* Nothing is sent, which needs no look at the stream, but a handle that takes sends. */
static void look_at_sink(cede_relay *relay)
{
    relay->busy_ = true;
    cede_prep_send_all(&relay->send_, relay->to_, relay->half_[0].base, 0);
    submit(relay, &relay->send_, on_looked_at);
}

/* An argument that will not do is told like every other: by a receive or send that is refused. The
 * send comes first, so that its refusal does, and no byte is taken for a sink that is none. */
cede_ticket cede_submit_relay_at(cede_loop *loop, cede_relay *relay, cede_done *done,
                                 const char *where)
{
    cede_ticket life;
    uint32_t index;
    cedi_check_submit(&relay->req, where); /* first: one in flight is poisoned */
    relay->loop_ = loop;
    relay->where_ = where;
    relay->background_ = relay->req.attributes_ & CEDI_IS_BACKGROUND;
    life = relay->life_ = cede_submit_at(loop, &relay->req, done, where);
    (void)cedi_handle_bind(loop, relay->from_, &index); /* whatever comes of it, as by a submit */
    (void)cedi_handle_bind(loop, relay->to_, &index);
    if (relay->half_bytes_ == 0 || !relay->half_[0].base) {
        stop(relay, CEDE_EINVAL);
    } else {
        look_at_sink(relay);
        receive(relay);
    }
    return life;
}

cede_ticket cede_submit_relay(cede_loop *loop, cede_relay *relay, cede_done *done)
{
    return cede_submit_relay_at(loop, relay, done, NULL);
}
