/*
 * Sockets: what makes them, datagrams, and receives into buffers that are picked.
 */
#include "kinds.h"

/* ---- Handles that are made ------------------------------------------------------------------- */

static thing *keep(const call *c, uint32_t role, cede_handle handle)
{
    thing *t = thing_new(role, handle);
    if (t)
        now.at[12 + c->how->place % 4u] = t;
    else
        cede_drop(handle);
    return t;
}

thing *made(call *c, cede_handle handle)
{
    static const uint32_t roles[CEDE_OP_COUNT] = {
        [CEDE_OP_OPEN] = R_OTHER,         [CEDE_OP_CONNECT] = R_STREAM, [CEDE_OP_ACCEPT] = R_STREAM,
        [CEDE_OP_ACCEPT_MANY] = R_STREAM, [CEDE_OP_PAIR] = R_STREAM,    [CEDE_OP_LISTEN] = R_OTHER,
        [CEDE_OP_DATAGRAM] = R_OTHER,     [CEDE_OP_SPAWN] = R_CHILD,    [CEDE_OP_WATCH] = R_WATCH};
    uint32_t op = c->kind->op;
    thing *t = keep(c, roles[op], handle);
    if (!t)
        return NULL;
    t->connected = op == CEDE_OP_CONNECT;
    t->accepted = op == CEDE_OP_ACCEPT || op == CEDE_OP_ACCEPT_MANY;
    if (op == CEDE_OP_PAIR) {
        thing *second = keep(c, R_STREAM, c->memory->second);
        t->peer = second;
        if (second)
            second->peer = t;
    }
    t->watch.where = c->how->place % 3u;
    return t;
}

void judge_opened(call *c, const cede_result *r)
{
    LAW(8, c, (r->status == CEDE_OK) == (r->handle != 0), "%s, and %s handle",
        cede_status_name(r->status), r->handle ? "a" : "no");
    if (r->status == CEDE_OK)
        (void)made(c, r->handle);
    if (c->kind->op == CEDE_OP_OPEN)
        judge_named(c, r);
}

void prep_connect(call *c)
{
    c->memory->address = cede_ipv4(127, 0, 0, 1, PORT);
    cede_prep_connect(c->req, &c->memory->address, 0);
}

void prep_accept(call *c)
{
    cede_prep_accept(c->req, handle_of(c), c->how->size & 1 ? &c->memory->address : NULL);
}

void prep_accept_many(call *c)
{
    cede_prep_accept_many(c->req, handle_of(c), on_item);
}

void prep_pair(call *c)
{
    cede_prep_pair(c->req, CEDE_PAIR_STREAM, &c->memory->second);
}

void prep_listen(call *c)
{
    c->memory->address = cede_ipv4(127, 0, 0, 1, 0);
    cede_prep_listen(c->req, &c->memory->address, 0, 0);
}

void prep_datagram(call *c)
{
    c->memory->address = cede_ipv4(127, 0, 0, 1, 0);
    cede_prep_datagram(c->req, &c->memory->address, 0);
}

/* The last is a name that nobody has. */
static const struct host {
    const char *name;
    uint32_t flags;
} hosts[4] = {{"localhost", 0}, {"LocalHost", CEDE_LOOKUP_IPV4}, {"127.0.0.1", 0}, {"nobody", 0}};

void prep_lookup(call *c)
{
    const struct host *host = &hosts[c->how->place % 4u];
    cede_prep_lookup(c->req, host->name, PORT, host->flags, &c->memory->address, 1);
}

void judge_looked_up(call *c, const cede_result *r)
{
    const cede_address *found = &c->memory->address;
    uint32_t which = c->how->place % 4u;
    LAW(7, c, which != 3 || r->status != CEDE_OK, "a host that is not there was found");
    LAW(7, c, which == 3 || r->status != CEDE_ENONAME || now.faulted, "a host was not found");
    if (r->status != CEDE_OK)
        return;
    LAW(7, c, r->count == (which == 0 ? 2u : 1u), "%" PRIu64 " addresses", r->count);
    LAW(7, c, found->port == PORT, "another port");
    LAW(7, c, found->family == (which == 0 ? CEDE_ADDRESS_IPV6 : CEDE_ADDRESS_IPV4),
        "an address of another family");
}

void prep_group(call *c)
{
    uint32_t what = c->how->place & 1 ? CEDE_GROUP_LEAVE : CEDE_GROUP_JOIN;
    c->memory->address = cede_ipv4(239, 0, 0, 1, 0);
    cede_prep_group(c->req, handle_of(c), &c->memory->address, 0, what);
}

void prep_name(call *c)
{
    cede_prep_name(c->req, handle_of(c), CEDE_NAME_OWN, &c->memory->address);
}

void prep_set_option(call *c)
{
    cede_prep_set_option(c->req, handle_of(c), CEDE_OPTION_RECV_BYTES, c->length);
}

void prep_get_option(call *c)
{
    cede_prep_get_option(c->req, handle_of(c), CEDE_OPTION_RECV_BYTES);
}

/* ---- Datagrams: the first two bytes say whose ------------------------------------------------ */

void prep_sendto(call *c)
{
    uint8_t *data = c->memory->data;
    uint16_t port = c->on == now.at[9] ? PORT + 2 : PORT + 1;
    (void)data_of(c);
    if (c->length >= 2) {
        data[0] = (uint8_t)c->serial;
        data[1] = (uint8_t)(c->serial >> 8);
    }
    c->memory->address = cede_ipv4(127, 0, 0, 1, port);
    cede_prep_sendto(c->req, handle_of(c), data, c->length, &c->memory->address);
}

void prep_recvfrom(call *c)
{
    cede_prep_recvfrom(c->req, handle_of(c), room_for(c), c->length, &c->memory->address);
}

void judge_datagram(call *c, const cede_result *r)
{
    const uint8_t *data = c->memory->data;
    LAW(7, c, r->count <= c->length, "more than there was room for");
    if (r->status != CEDE_OK || r->count < 2)
        return;
    uint32_t serial = data[0] | (uint32_t)data[1] << 8;
    LAW(7, c, serial > 0 && serial <= now.call_count, "a datagram of nobody's");
    call *from = &now.calls[serial - 1];
    LAW(7, c, from->kind->op == CEDE_OP_SENDTO, "a datagram that was not sent");
    LAW(2, c, ++from->received == 1, "a datagram that was received before");
    LAW(7, c, from->length == r->count || ((r->flags & CEDE_TRUNCATED) && r->count == c->length),
        "%" PRIu64 " bytes of a datagram of %" PRIu32, r->count, from->length);
    LAW(7, c, !from->dones || from->result.status == CEDE_OK, "a datagram whose sending failed");
    for (uint64_t i = 2; i < r->count; i++)
        LAW(7, c, data[i] == pattern(serial, i), "byte %" PRIu64 " of a datagram is another", i);
}

/* ---- Pools ----------------------------------------------------------------------------------- */

void prep_recv_pool(call *c)
{
    cede_prep_recv_pool(c->req, handle_of(c), now.pool);
}

void prep_recv_many(call *c)
{
    cede_prep_recv_many(c->req, handle_of(c), now.pool, c->how->place % 3u, on_item);
}

void arrived(call *c, const cede_result *r)
{
    LAW(7, c, r->count > 0 && r->count <= now.pool_bytes, "a buffer with %" PRIu64 " bytes",
        r->count);
    if (c->kind->op != CEDE_OP_WATCH_MANY)
        truth_received(c, r->buffer, r->count);
    truth_buffer(c, r->buffer);
}

void judge_pooled(call *c, const cede_result *r)
{
    LAW(8, c, !r->buffer || r->status == CEDE_OK, "a failure, with a buffer");
    LAW(8, c, r->buffer || r->count == 0, "bytes without a buffer");
    if (r->buffer)
        arrived(c, r);
    else if (r->status == CEDE_OK && c->on)
        c->on->ended = true;
}

/* An item, or the done behind them. */
void judge_many(call *c, const cede_result *r)
{
    bool accepts = c->kind->op == CEDE_OP_ACCEPT_MANY;
    if (c->dones) {
        LAW(7, c, r->count == c->item_bytes, "%" PRIu32 " came in its items, and it says %" PRIu64,
            c->item_bytes, r->count);
        if (!accepts && r->status == CEDE_OK && c->on)
            c->on->ended = true;
        return;
    }
    if (!accepts) {
        c->item_bytes += (uint32_t)r->count;
        LAW(8, c, r->buffer, "an item without a buffer");
        arrived(c, r);
    } else if (r->status == CEDE_OK) {
        c->item_bytes++;
        LAW(8, c, r->handle, "an item without a handle");
        (void)made(c, r->handle);
    } else {
        LAW(15, c, now.limited || now.faulted || now.starved, "there were descriptors");
    }
}
