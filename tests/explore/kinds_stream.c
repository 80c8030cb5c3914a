/*
 * Transfers: to and from streams, at a file's own position, at offsets.
 */
#include "kinds.h"

#define UNTOUCHED 0xee

uint8_t *room_for(call *c)
{
    memset(c->memory->data, UNTOUCHED, c->length);
    return c->memory->data;
}

const uint8_t *data_of(call *c)
{
    for (uint32_t i = 0; i < c->length; i++)
        c->memory->data[i] = pattern(c->serial, i);
    return c->memory->data;
}

const cede_vec *pieces_of(call *c)
{
    uint32_t third = c->length / 3;
    c->memory->vec[0] = (cede_vec){c->memory->data, third};
    c->memory->vec[1] = (cede_vec){c->memory->data + third, third};
    c->memory->vec[2] = (cede_vec){c->memory->data + 2 * (size_t)third, c->length - 2 * third};
    return c->memory->vec;
}

/* ---- Judging --------------------------------------------------------------------------------- */

static void filled(const call *c, const cede_result *r)
{
    LAW(7, c, r->count <= c->length, "%" PRIu64 " bytes of %" PRIu32, r->count, c->length);
    for (uint64_t i = r->count; i < c->length; i++)
        LAW(7, c, c->memory->data[i] == UNTOUCHED,
            "%" PRIu64 " bytes, and byte %" PRIu64 " of its buffer was written", r->count, i);
}

static bool is_whole(const call *c)
{
    return c->kind->op == CEDE_OP_READ_ALL || c->kind->op == CEDE_OP_WRITE_ALL ||
           c->kind->op == CEDE_OP_RECV_ALL || c->kind->op == CEDE_OP_SEND_ALL ||
           c->kind->op == CEDE_OP_SENDV || c->kind->op == CEDE_OP_SEND_ZERO_COPY ||
           c->kind->op == CEDE_OP_SEND_FILE || c->kind->op == CEDE_OP_COPY;
}

static void whole(const call *c, const cede_result *r)
{
    LAW(7, c,
        !is_whole(c) || (r->status == CEDE_OK) == (r->count == c->length) || c->length == 0 ||
            r->count < c->length || now.faulted || r->status != CEDE_OK,
        "whole, and %" PRIu64 " of %" PRIu32, r->count, c->length);
    LAW(7, c, !is_whole(c) || r->status != CEDE_OK || r->count == c->length,
        "a whole transfer of %" PRIu64 " of %" PRIu32, r->count, c->length);
    LAW(7, c, is_whole(c) || r->status == CEDE_OK || r->count == 0,
        "%" PRIu64 " bytes moved, and it failed", r->count);
}

void judge_received(call *c, const cede_result *r)
{
    filled(c, r);
    whole(c, r);
    truth_received(c, c->memory->data, r->count);
    if (c->on &&
        ((r->status == CEDE_OK && r->count == 0 && c->length > 0) || r->status == CEDE_EEOF))
        c->on->ended = true;
}

void judge_sent(call *c, const cede_result *r)
{
    whole(c, r);
    truth_sent(c, r->count);
}

void judge_sent_file(call *c, const cede_result *r)
{
    uint8_t data[1024];
    whole(c, r);
    LAW(7, c, r->count <= c->length, "%" PRIu64 " bytes of %" PRIu32, r->count, c->length);
    for (uint64_t i = 0; i < r->count; i++)
        data[i] = pattern(SOURCE, c->offset + i);
    if (c->on)
        bytes_add(&c->on->out, data, r->count);
}

void judge_read_at(call *c, const cede_result *r)
{
    filled(c, r);
    whole(c, r);
    truth_read(c, r->count);
}

void judge_wrote_at(call *c, const cede_result *r)
{
    if (c->kind->op == CEDE_OP_TRUNCATE)
        return;
    LAW(7, c, r->count <= c->length, "%" PRIu64 " bytes of %" PRIu32, r->count, c->length);
    whole(c, r);
}

/* ---- Preparing ------------------------------------------------------------------------------- */

void prep_close(call *c)
{
    cede_prep_close(c->req, handle_of(c));
}

void prep_read(call *c)
{
    cede_prep_read(c->req, handle_of(c), room_for(c), c->length, CEDE_CURRENT);
}

void prep_write(call *c)
{
    cede_prep_write(c->req, handle_of(c), data_of(c), c->length, CEDE_CURRENT);
}

void prep_readv(call *c)
{
    (void)room_for(c);
    cede_prep_readv(c->req, handle_of(c), pieces_of(c), 3, CEDE_CURRENT);
}

void prep_writev(call *c)
{
    (void)data_of(c);
    cede_prep_writev(c->req, handle_of(c), pieces_of(c), 3, CEDE_CURRENT);
}

void prep_read_all(call *c)
{
    cede_prep_read_all(c->req, handle_of(c), room_for(c), c->length, CEDE_CURRENT);
}

void prep_write_all(call *c)
{
    cede_prep_write_all(c->req, handle_of(c), data_of(c), c->length, CEDE_CURRENT);
}

void prep_recv(call *c)
{
    cede_prep_recv(c->req, handle_of(c), room_for(c), c->length);
}

void prep_recv_all(call *c)
{
    cede_prep_recv_all(c->req, handle_of(c), room_for(c), c->length);
}

void prep_send(call *c)
{
    cede_prep_send(c->req, handle_of(c), data_of(c), c->length);
}

void prep_send_all(call *c)
{
    cede_prep_send_all(c->req, handle_of(c), data_of(c), c->length);
}

void prep_sendv(call *c)
{
    (void)data_of(c);
    cede_prep_sendv(c->req, handle_of(c), pieces_of(c), 3);
}

void prep_send_zero_copy(call *c)
{
    cede_prep_send_zero_copy(c->req, handle_of(c), data_of(c), c->length);
}

void prep_send_file(call *c)
{
    cede_prep_send_file(c->req, handle_of(c), now.source.handle, c->offset, c->length);
}

void prep_shutdown(call *c)
{
    cede_prep_shutdown(c->req, handle_of(c));
}

void prep_read_at(call *c)
{
    cede_prep_read(c->req, handle_of(c), room_for(c), c->length, c->offset);
}

void prep_write_at(call *c)
{
    cede_prep_write(c->req, handle_of(c), data_of(c), c->length, c->offset);
}

void prep_read_all_at(call *c)
{
    cede_prep_read_all(c->req, handle_of(c), room_for(c), c->length, c->offset);
}

void prep_write_all_at(call *c)
{
    cede_prep_write_all(c->req, handle_of(c), data_of(c), c->length, c->offset);
}

void prep_readv_at(call *c)
{
    (void)room_for(c);
    cede_prep_readv(c->req, handle_of(c), pieces_of(c), 3, c->offset);
}

void prep_writev_at(call *c)
{
    (void)data_of(c);
    cede_prep_writev(c->req, handle_of(c), pieces_of(c), 3, c->offset);
}

void prep_append(call *c)
{
    cede_prep_append(c->req, handle_of(c), data_of(c), c->length);
}

void prep_copy(call *c)
{
    cede_prep_copy(c->req, now.source.handle, 0, handle_of(c), c->offset, c->length);
}
