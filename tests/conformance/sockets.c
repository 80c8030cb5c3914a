/*
 * Sockets for cases, made by the library itself: both ends are in cede.
 */
#include "inner.h"

#include <stdio.h>
#include <string.h>

cede_address cft_mapped_loopback(uint16_t port)
{
    cede_address at = cede_address_any(CEDE_ADDRESS_IPV6, port);
    at.ip[10] = at.ip[11] = 0xff;
    at.ip[12] = 127;
    at.ip[15] = 1;
    return at;
}

cede_address cft_address(cft *t, uint32_t kind)
{
    char name[24];
    char *path;
    if (kind == CFT_TCP || kind == CFT_TCP6)
        return cede_address_loopback(kind == CFT_TCP ? CEDE_ADDRESS_IPV4 : CEDE_ADDRESS_IPV6, 0);
    CFT_CHECK(t, kind == CFT_LOCAL);
    path = cft_alloc(t, 512);
    snprintf(name, sizeof name, "l%u", t->names++);
    (t->world->local ? t->world->local : t->world->path)(t, t->state, name, path, 512);
    CFT_CHECK(t, strlen(path) <= CEDE_ADDRESS_PATH);
    return cede_address_local(path);
}

cede_status cft_name(cft *t, cede_handle handle, uint32_t which, cede_address *out)
{
    cft_rec *rec = cft_new(t);
    memset(out, 0, sizeof *out);
    cede_prep_name(rec->req, handle, which, cft_buffer(rec, sizeof *out));
    cft_do(rec);
    if (rec->result.status == CEDE_OK)
        memcpy(out, rec->bytes, sizeof *out);
    return rec->result.status;
}

cede_handle cft_listening(cft *t, uint32_t kind, cede_address *at)
{
    cft_rec *rec = cft_new(t);
    *at = cft_address(t, kind);
    cede_prep_listen(rec->req, at, 0, 0);
    cft_do(rec);
    CFT_OK(t, rec);
    if (kind != CFT_LOCAL) {
        CFT_EXPECT(t, cft_name(t, rec->result.handle, CEDE_NAME_OWN, at) == CEDE_OK);
        CFT_EXPECT(t, at->port != 0);
    }
    return rec->result.handle;
}

cede_handle cft_listening_alone(cft *t, uint32_t kind, cede_address *at)
{
    cede_handle listener = cft_listening(t, kind, at);
    cft_rec *accept = cft_accept(t, listener), *connect = cft_connect(t, at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    return listener;
}

/* In done: nobody else knows it if the run is broken off after that. */
static void keep_second(cft_rec *rec)
{
    cede_handle second;
    memcpy(&second, rec->bytes, sizeof second);
    rec->number = rec->result.status == CEDE_OK ? second : 0;
    cft_keep_handle(rec->t, rec->number);
}

void cft_prep_pair(cft_rec *rec, uint32_t what)
{
    rec->then = keep_second;
    cede_prep_pair(rec->req, what, cft_buffer(rec, sizeof(cede_handle)));
}

void cft_connected(cft *t, uint32_t kind, cede_handle *one, cede_handle *other)
{
    if (kind == CFT_PAIR) {
        cft_rec *pair = cft_new(t);
        cft_prep_pair(pair, CEDE_PAIR_STREAM);
        cft_do(pair);
        CFT_OK(t, pair);
        *one = pair->result.handle;
        *other = pair->number;
        return;
    }
    cede_address at;
    cede_handle listener = cft_listening(t, kind, &at);
    cft_rec *accept = cft_accept(t, listener);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_drop(t, listener);
    *one = connect->result.handle;
    *other = accept->result.handle;
}

cede_handle cft_datagrams(cft *t, uint16_t family, cede_address *at)
{
    cft_rec *rec = cft_new(t);
    *at = cede_address_loopback(family, 0);
    cede_prep_datagram(rec->req, at, 0);
    cft_do(rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, cft_name(t, rec->result.handle, CEDE_NAME_OWN, at) == CEDE_OK);
    CFT_EXPECT(t, at->port != 0);
    if (!at->port)
        at->port = 1; /* after an injected failure */
    return rec->result.handle;
}

void cft_hold_lookups(cft *t)
{
    if (!t->world->hold_lookups)
        cft_skip(t, "cannot_hold_lookups");
    (void)cft_loop(t);
    t->world->hold_lookups(t, t->state, true);
}

void cft_until_lookup_hangs(cft *t, const cft_rec *rec)
{
    cft_flush(t);
    while (t->world->hanging_lookups && t->world->hanging_lookups() == 0 && !cft_is_done(rec) &&
           !cft_faulted(t))
        cft_run(t, CEDE_MILLISECOND);
}

void cft_release_lookups(cft *t)
{
    t->world->hold_lookups(t, t->state, false);
}

/* ---- One operation -------------------------------------------------------------------------- */

cft_rec *cft_connect(cft *t, const cede_address *to)
{
    cft_rec *rec = cft_new(t);
    cede_prep_connect(rec->req, to, 0);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_accept(cft *t, cede_handle listener)
{
    cft_rec *rec = cft_new(t);
    cede_prep_accept(rec->req, listener, NULL);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_recv(cft *t, cede_handle handle, size_t bytes)
{
    cft_rec *rec = cft_new(t);
    cede_prep_recv(rec->req, handle, cft_buffer(rec, bytes), bytes);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_recv_all(cft *t, cede_handle handle, size_t bytes)
{
    cft_rec *rec = cft_new(t);
    cede_prep_recv_all(rec->req, handle, cft_buffer(rec, bytes), bytes);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_send(cft *t, cede_handle handle, const void *bytes, size_t count)
{
    cft_rec *rec = cft_new(t);
    cede_prep_send(rec->req, handle, cft_input(rec, bytes, count), count);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_send_all(cft *t, cede_handle handle, const void *bytes, size_t count)
{
    cft_rec *rec = cft_new(t);
    cede_prep_send_all(rec->req, handle, cft_input(rec, bytes, count), count);
    cft_submit(rec);
    return rec;
}

void cft_move_nothing(cft *t, cede_handle in, cede_handle out, cede_status expected)
{
    static const cede_vec nothing[2] = {{NULL, 0}, {NULL, 0}};
    cft_rec *all[13];
    for (uint32_t i = 0; i < 13; i++)
        all[i] = cft_new(t);
    cede_prep_read(all[0]->req, in, NULL, 0, CEDE_CURRENT);
    cede_prep_readv(all[1]->req, in, nothing, 2, CEDE_CURRENT);
    cede_prep_recv(all[2]->req, in, NULL, 0);
    cede_prep_recv_all(all[3]->req, in, NULL, 0);
    cede_prep_write(all[4]->req, out, NULL, 0, CEDE_CURRENT);
    cede_prep_writev(all[5]->req, out, nothing, 2, CEDE_CURRENT);
    cede_prep_send(all[6]->req, out, NULL, 0);
    cede_prep_send_all(all[7]->req, out, NULL, 0);
    cede_prep_sendv(all[8]->req, out, nothing, 2);
    cede_prep_send_zero_copy(all[9]->req, out, NULL, 0);
    cede_prep_read_all(all[10]->req, in, NULL, 0, CEDE_CURRENT);
    cede_prep_write_all(all[11]->req, out, NULL, 0, CEDE_CURRENT);
    cede_prep_append(all[12]->req, out, NULL, 0);
    for (uint32_t i = 0; i < 13; i++) {
        cft_do(all[i]);
        CFT_STATUS(t, all[i], expected);
        CFT_CHECK(t, all[i]->result.count == 0);
    }
}

cft_rec *cft_recvfrom(cft *t, cede_handle handle, size_t bytes, cede_address *from)
{
    cft_rec *rec = cft_new(t);
    cede_prep_recvfrom(rec->req, handle, cft_buffer(rec, bytes), bytes, from);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_sendto(cft *t, cede_handle handle, const void *bytes, size_t count,
                    const cede_address *to)
{
    cft_rec *rec = cft_new(t);
    cede_prep_sendto(rec->req, handle, cft_input(rec, bytes, count), count, to);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_close_of(cft *t, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_close(rec->req, handle);
    cft_submit(rec);
    return rec;
}

cft_rec *cft_set(cft *t, cede_handle handle, uint32_t option, int64_t value)
{
    cft_rec *rec = cft_new(t);
    cede_prep_set_option(rec->req, handle, option, value);
    cft_do(rec);
    return rec;
}

void cft_shut(cft *t, cede_handle handle)
{
    cft_rec *rec = cft_new(t);
    cede_prep_shutdown(rec->req, handle);
    cft_do(rec);
    CFT_OK(t, rec);
}

/* ---- Several -------------------------------------------------------------------------------- */

size_t cft_take(cft *t, cede_handle handle, void *out, size_t bytes)
{
    size_t got = 0;
    while (got < bytes && !cft_faulted(t)) {
        cft_rec *rec = cft_recv(t, handle, bytes - got);
        cft_await(t, rec);
        CFT_OK(t, rec);
        if (rec->result.count == 0)
            break;
        memcpy((unsigned char *)out + got, rec->bytes, rec->result.count);
        got += rec->result.count;
    }
    return got;
}

/* Where there is no such option, there is little room already (named pipes). */
void cft_narrow(cft *t, cede_handle from, cede_handle to)
{
    cft_rec *send = cft_set(t, from, CEDE_OPTION_SEND_BYTES, 16384);
    cft_rec *recv = cft_set(t, to, CEDE_OPTION_RECV_BYTES, 16384);
    if (send->result.status != CEDE_ENOTSUP)
        CFT_OK(t, send);
    if (recv->result.status != CEDE_ENOTSUP)
        CFT_OK(t, recv);
}

static void say(cft *t, cede_handle from, cede_handle to, const char *text)
{
    size_t length = strlen(text);
    cft_rec *recv = cft_recv_all(t, to, length);
    cft_rec *send = cft_send_all(t, from, text, length);
    cft_await(t, send);
    CFT_MOVED(t, send, length);
    cft_await(t, recv);
    CFT_MOVED(t, recv, length);
    CFT_EXPECT(t, memcmp(recv->bytes, text, length) == 0);
}

void cft_talk(cft *t, cede_handle one, cede_handle other)
{
    say(t, one, other, "how do you do");
    say(t, other, one, "quite well");
}
