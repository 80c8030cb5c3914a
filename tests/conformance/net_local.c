/*
 * Local addresses and pairs (K16; laws 1, 7, 8, 16).
 */
#include "conformance.h"

#include <string.h>

static cft_rec *listen_at(cft *t, const cede_address *at, uint32_t flags)
{
    cft_rec *rec = cft_new(t);
    cede_prep_listen(rec->req, at, 0, flags);
    cft_do(rec);
    return rec;
}

CFT_CASE(local_names_tell_their_family_and_no_path)
{
    cede_address at, own, told;
    cede_handle listener = cft_listening(t, CFT_LOCAL, &at);
    cft_rec *accept = cft_new(t);
    cede_prep_accept(accept->req, listener, cft_buffer(accept, sizeof told));
    cft_submit(accept);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_await(t, connect);
    CFT_OK(t, connect);
    memcpy(&told, accept->bytes, sizeof told);
    CFT_EXPECT(t, told.family == CEDE_ADDRESS_LOCAL && !told.path && !told.port);
    cede_status named = cft_name(t, listener, CEDE_NAME_OWN, &own);
    CFT_EXPECT(t, named == CEDE_OK);
    CFT_EXPECT(t, own.family == CEDE_ADDRESS_LOCAL && !own.path);
    named = cft_name(t, connect->result.handle, CEDE_NAME_PEER, &own);
    CFT_EXPECT(t, named == CEDE_OK);
    CFT_EXPECT(t, own.family == CEDE_ADDRESS_LOCAL && !own.path);
    cft_closed(t, listener);
}

CFT_CASE(local_address_is_shared_by_nobody)
{
    cede_address at = cft_address(t, CFT_LOCAL);
    cft_rec *shared = listen_at(t, &at, CEDE_LISTEN_SHARED);
    CFT_STATUS(t, shared, CEDE_ENOTSUP);
    CFT_EXPECT(t, shared->result.handle == 0);
    cft_rec *alone = listen_at(t, &at, 0);
    CFT_OK(t, alone);
    cft_closed(t, alone->result.handle);
}

CFT_CASE(local_name_in_use_is_told_and_not_taken_over)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_LOCAL, &at);
    for (uint32_t i = 0; i < 2; i++) { /* somebody listens there */
        cft_rec *second = listen_at(t, &at, i ? CEDE_LISTEN_REPLACE : 0);
        if (cft_deviates(t, "first_pipe_is_not_first")) {
            CFT_OK(t, second);
            cft_closed(t, second->result.handle);
        } else {
            CFT_STATUS(t, second, CEDE_EADDRINUSE);
        }
    }
    cft_rec *accept = cft_accept(t, listener);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, listener);
}

CFT_CASE(local_name_that_was_left_behind_is_taken_over)
{
    cede_address at;
    cede_handle listener = cft_listening(t, CFT_LOCAL, &at);
    cft_closed(t, listener);
    cft_rec *late = cft_connect(t, &at);
    cft_await(t, late);
    CFT_STATUS(t, late, CEDE_ECONNREFUSED);
    cft_rec *again = listen_at(t, &at, CEDE_LISTEN_REPLACE);
    CFT_OK(t, again);
    cft_rec *accept = cft_accept(t, again->result.handle);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, again->result.handle);
}

CFT_CASE(local_name_that_is_not_there_is_told)
{
    cede_address at = cft_address(t, CFT_LOCAL);
    cft_rec *connect = cft_connect(t, &at);
    cft_await(t, connect);
    /* A pipe leaves no name behind: that nobody listens is all that Windows can tell. */
    CFT_STATUS(t, connect, CEDE_ECONNREFUSED);
}

/* Where names of sockets are names of files: only a socket's is ever removed. */
CFT_CASE(replace_spares_what_is_no_socket)
{
    cede_address at = cede_address_local(cft_file(t, "precious", "keep me", 7, 0));
    if (strlen(at.path) > CEDE_ADDRESS_PATH)
        return;
    cft_rec *listen = listen_at(t, &at, CEDE_LISTEN_REPLACE);
    if (listen->result.status == CEDE_OK) /* there they are not */
        cft_closed(t, listen->result.handle);
    else
        CFT_EXPECT(t, listen->result.status == CEDE_EADDRINUSE ||
                          listen->result.status == CEDE_EINVAL);
    CFT_EXPECT(t, cft_file_size(t, "precious") == 7);
}

/* The path is lent to done, and nobody's afterwards. */
CFT_CASE(local_path_is_lent_until_done)
{
    cede_address at = cft_address(t, CFT_LOCAL), lent = at;
    cft_rec *listen = cft_new(t);
    lent.path = cft_input(listen, at.path, strlen(at.path) + 1);
    cede_prep_listen(listen->req, &lent, 0, 0);
    cft_do(listen);
    CFT_OK(t, listen);
    cft_rec *accept = cft_accept(t, listen->result.handle);
    cft_rec *connect = cft_new(t);
    lent.path = cft_input(connect, at.path, strlen(at.path) + 1);
    cede_prep_connect(connect->req, &lent, 0);
    cft_do(connect);
    CFT_OK(t, connect);
    cft_await(t, accept);
    CFT_OK(t, accept);
    cft_talk(t, connect->result.handle, accept->result.handle);
    cft_closed(t, listen->result.handle);
}

/* ---- Pairs ---------------------------------------------------------------------------------- */

static bool got(const cft_rec *rec, const char *text)
{
    return rec->result.count == strlen(text) && memcmp(rec->bytes, text, strlen(text)) == 0;
}

CFT_CASE(pair_of_streams_talks_both_ways)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_PAIR, &a, &b);
    CFT_EXPECT(t, a && b && a != b);
    cft_talk(t, a, b);
    cft_rec *pending = cft_recv(t, b, 10);
    cft_flush(t);
    cft_closed(t, a);
    cft_await(t, pending);
    CFT_OK(t, pending);
    CFT_EXPECT(t, pending->result.count == 0);
    cft_closed(t, b);
}

/* Pipes take recv and send as sockets do. */
CFT_CASE(pair_of_pipe_ends_reads_first_writes_second)
{
    cft_rec *pair = cft_new(t);
    cft_prep_pair(pair, CEDE_PAIR_PIPE);
    cft_do(pair);
    CFT_OK(t, pair);
    cede_handle reads = pair->result.handle, writes = pair->number;
    cft_rec *recv = cft_recv_all(t, reads, 5);
    cft_rec *zero = cft_new(t);
    cede_prep_recv(zero->req, reads, NULL, 0);
    cft_submit(zero);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(recv) && !cft_is_done(zero));
    cft_rec *send = cft_send_all(t, writes, "hello", 5);
    cft_await(t, send);
    CFT_MOVED(t, send, 5);
    cft_await(t, recv);
    CFT_MOVED(t, recv, 5);
    CFT_EXPECT(t, got(recv, "hello"));
    cft_await(t, zero);
    CFT_OK(t, zero);
    cft_rec *sendv = cft_new(t);
    cede_vec *vec = cft_alloc(t, 3 * sizeof *vec);
    vec[0] = (cede_vec){cft_input(sendv, "ab", 2), 2};
    vec[1] = (cede_vec){NULL, 0};
    vec[2] = (cede_vec){cft_input(sendv, "cde", 3), 3};
    cede_prep_sendv(sendv->req, writes, vec, 3);
    cft_do(sendv);
    CFT_MOVED(t, sendv, 5);
    recv = cft_recv_all(t, reads, 5);
    cft_await(t, recv);
    CFT_MOVED(t, recv, 5);
    CFT_EXPECT(t, got(recv, "abcde"));
    cft_rec *wrong = cft_send(t, reads, "x", 1);
    cft_await(t, wrong);
    CFT_STATUS(t, wrong, CEDE_EBADF);
    wrong = cft_recv(t, writes, 1);
    cft_await(t, wrong);
    CFT_STATUS(t, wrong, CEDE_EBADF);
    cft_rec *half = cft_new(t);
    cede_prep_shutdown(half->req, writes);
    cft_do(half);
    CFT_STATUS(t, half, CEDE_EINVAL);
    cft_closed(t, writes);
    recv = cft_recv(t, reads, 1);
    cft_await(t, recv);
    CFT_OK(t, recv);
    CFT_EXPECT(t, recv->result.count == 0);
    cft_closed(t, reads);
}

/* A pipe larger than itself, gathered. */
CFT_CASE(gather_send_resumes_on_a_pipe)
{
    enum { PIECES = 9, PIECE = 40000 };
    unsigned char *data = cft_alloc(t, PIECES * PIECE), *seen = cft_alloc(t, PIECES * PIECE);
    cede_vec *vec = cft_alloc(t, PIECES * sizeof *vec);
    cft_rec *pair = cft_new(t);
    cft_prep_pair(pair, CEDE_PAIR_PIPE);
    cft_do(pair);
    CFT_OK(t, pair);
    cft_fill(data, PIECES * PIECE, 8, 0);
    for (uint32_t i = 0; i < PIECES; i++)
        vec[i] = (cede_vec){data + i * PIECE, PIECE};
    cft_rec *send = cft_new(t);
    cede_prep_sendv(send->req, pair->number, vec, PIECES);
    cft_submit(send);
    size_t count = cft_take(t, pair->result.handle, seen, PIECES * PIECE);
    CFT_EXPECT(t, count == PIECES * PIECE && memcmp(seen, data, count) == 0);
    cft_await(t, send);
    CFT_MOVED(t, send, PIECES * PIECE);
    cft_closed(t, pair->number);
    cft_closed(t, pair->result.handle);
}

/* Law 8: both ends, or neither. */
CFT_CASE(pair_at_the_descriptor_limit_leaves_nothing)
{
    cede_handle held[64];
    uint32_t count = 0;
    cft_turn(t);
    cft_limit_descriptors(t, 7);
    for (;;) {
        cft_rec *pair = cft_new(t);
        cft_prep_pair(pair, CEDE_PAIR_STREAM);
        cft_do(pair);
        if (pair->result.status != CEDE_OK) {
            CFT_STATUS(t, pair, CEDE_EMFILE);
            CFT_CHECK(t, pair->number == 0);
            break;
        }
        held[count++] = pair->result.handle;
        held[count++] = pair->number;
        CFT_CHECK(t, count < 62);
    }
    CFT_CHECK(t, count > 0);
    for (uint32_t i = 0; i < count; i++)
        cft_closed(t, held[i]);
}

/* ---- What they are --------------------------------------------------------------------------- */

static void expect_type(cft *t, cede_handle handle, uint32_t type)
{
    cft_rec *rec[3];
    for (int i = 0; i < 3; i++)
        rec[i] = cft_new(t);
    cede_prep_stat_handle(rec[0]->req, handle, cft_buffer(rec[0], sizeof(cede_stat)));
    cede_prep_set_times(rec[1]->req, handle, CEDE_TIME_KEEP, CEDE_SECOND);
    cede_prep_set_mode(rec[2]->req, handle, 0600);
    for (int i = 0; i < 3; i++) {
        cft_do(rec[i]);
        CFT_OK(t, rec[i]);
    }
    CFT_EXPECT(t, ((const cede_stat *)(const void *)rec[0]->bytes)->type == type);
}

/* Whatever its system makes them of. */
CFT_CASE(stat_tells_sockets_from_pipes)
{
    static const uint32_t kinds[] = {CFT_TCP, CFT_LOCAL, CFT_PAIR};
    cede_address at;
    for (uint32_t i = 0; i < 3; i++) {
        cede_handle one, other;
        cft_connected(t, kinds[i], &one, &other);
        expect_type(t, one, CEDE_FILE_SOCKET);
        expect_type(t, other, CEDE_FILE_SOCKET);
        if (kinds[i] != CFT_PAIR) {
            cede_handle listener = cft_listening(t, kinds[i], &at);
            expect_type(t, listener, CEDE_FILE_SOCKET);
            cft_closed(t, listener);
        }
    }
    expect_type(t, cft_datagrams(t, CEDE_ADDRESS_IPV4, &at), CEDE_FILE_SOCKET);
    cft_rec *pair = cft_new(t);
    cft_prep_pair(pair, CEDE_PAIR_PIPE);
    cft_do(pair);
    CFT_OK(t, pair);
    expect_type(t, pair->result.handle, CEDE_FILE_PIPE);
    expect_type(t, (cede_handle)pair->number, CEDE_FILE_PIPE);
}
