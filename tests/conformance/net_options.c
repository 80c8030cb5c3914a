/*
 * Options, and what is refused: bad addresses, flags, values, the wrong kind of handle (laws 1,
 * 16).
 */
#include "conformance.h"

#include <string.h>

static cft_rec *ask(cft *t, cede_handle handle, uint32_t option)
{
    cft_rec *rec = cft_new(t);
    cede_prep_get_option(rec->req, handle, option);
    cft_do(rec);
    return rec;
}

static void expect_option(cft *t, cede_handle handle, uint32_t option, int64_t set, int64_t got)
{
    CFT_OK(t, cft_set(t, handle, option, set));
    cft_rec *rec = ask(t, handle, option);
    CFT_OK(t, rec);
    if ((int64_t)rec->result.count != got)
        cft_note(t, "option %u set to %lld is %lld", option, (long long)set,
                 (long long)rec->result.count);
    CFT_EXPECT(t, (int64_t)rec->result.count == got);
}

CFT_CASE(stream_options_are_kept)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    for (int64_t on = 1; on >= 0; on--) {
        expect_option(t, a, CEDE_OPTION_NO_DELAY, on, on);
        expect_option(t, a, CEDE_OPTION_KEEP_ALIVE, on, on);
    }
    if (cft_deviates(t, "no_count_of_probes"))
        CFT_STATUS(t, cft_set(t, a, CEDE_OPTION_KEEP_ALIVE_COUNT, 7), CEDE_ENOTSUP);
    else
        expect_option(t, a, CEDE_OPTION_KEEP_ALIVE_COUNT, 7, 7);
    cft_talk(t, a, b);
    cft_closed(t, a);
    cft_closed(t, b);
}

CFT_CASE(times_of_options_are_rounded_up)
{
    const int64_t second = (int64_t)CEDE_SECOND;
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    expect_option(t, a, CEDE_OPTION_KEEP_ALIVE_IDLE, 90 * second, 90 * second);
    expect_option(t, a, CEDE_OPTION_KEEP_ALIVE_BETWEEN, 5 * second, 5 * second);
    CFT_OK(t, cft_set(t, a, CEDE_OPTION_KEEP_ALIVE_IDLE, 90 * second + 1));
    cft_rec *idle = ask(t, a, CEDE_OPTION_KEEP_ALIVE_IDLE);
    CFT_OK(t, idle);
    CFT_EXPECT(t, (int64_t)idle->result.count > 90 * second &&
                      (int64_t)idle->result.count <= 91 * second);
    cft_closed(t, a);
    cft_closed(t, b);
}

CFT_CASE(linger_tells_its_three_ways)
{
    const int64_t second = (int64_t)CEDE_SECOND;
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    cft_rec *usual = ask(t, a, CEDE_OPTION_LINGER);
    CFT_OK(t, usual);
    CFT_EXPECT(t, (int64_t)usual->result.count == -1);
    expect_option(t, a, CEDE_OPTION_LINGER, 0, 0);
    expect_option(t, a, CEDE_OPTION_LINGER, 3 * second, 3 * second);
    expect_option(t, a, CEDE_OPTION_LINGER, second / 2, second);
    expect_option(t, a, CEDE_OPTION_LINGER, -1, -1);
    cft_closed(t, a);
    cft_closed(t, b);
}

CFT_CASE(buffer_sizes_can_be_asked_for)
{
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    for (uint32_t option = CEDE_OPTION_SEND_BYTES; option <= CEDE_OPTION_RECV_BYTES; option++) {
        /* A system may give more than it is asked for, and tells what it gave. */
        CFT_OK(t, cft_set(t, a, option, 8192));
        cft_rec *small = ask(t, a, option);
        CFT_OK(t, small);
        CFT_OK(t, cft_set(t, a, option, 65536));
        cft_rec *large = ask(t, a, option);
        CFT_OK(t, large);
        CFT_EXPECT(t, small->result.count >= 8192 && large->result.count >= 65536);
        CFT_EXPECT(t, small->result.count < large->result.count);
        CFT_OK(t, cft_set(t, a, option, INT64_MAX)); /* as much as the system gives */
    }
    cft_talk(t, a, b);
    cft_closed(t, a);
    cft_closed(t, b);
}

/* The loopback interface has the index 1. Linux does not tell the one of an IPv4 socket,
 * nor does sim. */
static void expect_interface(cft *t, cede_handle socket, uint16_t family)
{
    bool is_told = family == CEDE_ADDRESS_IPV6 || strncmp(cft_backend(t), "win32", 5) == 0;
    bool by_index = family == CEDE_ADDRESS_IPV6 || !cft_deviates(t, "no_interface_by_index");
    for (int64_t index = 1; index >= 0; index--) {
        cft_rec *set = cft_set(t, socket, CEDE_OPTION_MULTICAST_INTERFACE, index);
        CFT_STATUS(t, set, by_index || index == 0 ? CEDE_OK : CEDE_ENODEV);
        cft_rec *rec = cft_set(t, socket, CEDE_OPTION_MULTICAST_INTERFACE, INT64_MAX - index);
        CFT_STATUS(t, rec, CEDE_ENODEV);
        rec = ask(t, socket, CEDE_OPTION_MULTICAST_INTERFACE);
        CFT_STATUS(t, rec, is_told ? CEDE_OK : CEDE_ENOTSUP);
        CFT_EXPECT(t, !is_told || rec->result.count == (by_index ? (uint64_t)index : 0));
    }
}

CFT_CASE(datagram_options_are_kept)
{
    static const uint16_t families[] = {CEDE_ADDRESS_IPV4, CEDE_ADDRESS_IPV6};
    cede_address at;
    for (uint32_t i = 0; i < 2; i++) {
        cede_handle socket = cft_datagrams(t, families[i], &at);
        expect_option(t, socket, CEDE_OPTION_MULTICAST_HOPS, 9, 9);
        expect_option(t, socket, CEDE_OPTION_MULTICAST_LOOP, 0, 0);
        expect_option(t, socket, CEDE_OPTION_MULTICAST_LOOP, 1, 1);
        expect_interface(t, socket, families[i]);
        if (i == 0) {
            expect_option(t, socket, CEDE_OPTION_BROADCAST, 1, 1);
            expect_option(t, socket, CEDE_OPTION_BROADCAST, 0, 0);
        }
        cft_closed(t, socket);
    }
}

CFT_CASE(any_number_switches_an_option_on)
{
    static const int64_t on[] = {1, 2, 5, 300, INT32_MAX, INT64_MAX};
    static const uint16_t families[] = {CEDE_ADDRESS_IPV4, CEDE_ADDRESS_IPV6};
    cede_handle a = 0, b = 0;
    cede_address at;
    cft_connected(t, CFT_TCP, &a, &b);
    for (uint32_t i = 0; i < sizeof on / sizeof on[0]; i++) {
        expect_option(t, a, CEDE_OPTION_NO_DELAY, 0, 0);
        expect_option(t, a, CEDE_OPTION_NO_DELAY, on[i], 1);
        expect_option(t, a, CEDE_OPTION_KEEP_ALIVE, on[i], 1);
    }
    cft_closed(t, a);
    cft_closed(t, b);
    for (uint32_t i = 0; i < 2; i++) {
        cede_handle socket = cft_datagrams(t, families[i], &at);
        for (uint32_t k = 0; k < sizeof on / sizeof on[0]; k++) {
            expect_option(t, socket, CEDE_OPTION_MULTICAST_LOOP, 0, 0);
            expect_option(t, socket, CEDE_OPTION_MULTICAST_LOOP, on[k], 1);
            expect_option(t, socket, CEDE_OPTION_BROADCAST, on[k], 1);
        }
        CFT_STATUS(t, cft_set(t, socket, CEDE_OPTION_MULTICAST_LOOP, -1), CEDE_EINVAL);
        cft_closed(t, socket);
    }
}

CFT_CASE(options_that_a_socket_has_not_are_not_supported)
{
    static const uint32_t of_tcp[] = {CEDE_OPTION_NO_DELAY, CEDE_OPTION_KEEP_ALIVE_IDLE,
                                      CEDE_OPTION_KEEP_ALIVE_BETWEEN, CEDE_OPTION_KEEP_ALIVE_COUNT};
    cede_address at;
    cede_handle socket = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at), streams[6] = {0};
    cft_connected(t, CFT_LOCAL, &streams[0], &streams[5]);
    for (uint32_t i = 0; i < 4; i++) {
        CFT_STATUS(t, cft_set(t, socket, of_tcp[i], 1), CEDE_ENOTSUP);
        CFT_STATUS(t, ask(t, socket, of_tcp[i]), CEDE_ENOTSUP);
        CFT_STATUS(t, cft_set(t, streams[0], of_tcp[i], 1), CEDE_ENOTSUP);
        CFT_STATUS(t, ask(t, streams[0], of_tcp[i]), CEDE_ENOTSUP);
    }
    cft_connected(t, CFT_TCP, &streams[1], &streams[3]);
    cft_connected(t, CFT_TCP6, &streams[2], &streams[4]);
    for (uint32_t i = 0; i < 9; i++) {
        uint32_t option = CEDE_OPTION_MULTICAST_HOPS + i % 3;
        CFT_STATUS(t, cft_set(t, streams[i / 3], option, 1), CEDE_ENOTSUP);
        CFT_STATUS(t, ask(t, streams[i / 3], option), CEDE_ENOTSUP);
    }
    cft_closed(t, socket);
    for (uint32_t i = 0; i < 6; i++)
        cft_drop(t, streams[i]);
}

/* ---- What is refused ------------------------------------------------------------------------ */

static void expect_invalid(cft *t, cft_rec *rec)
{
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
    CFT_CHECK(t, rec->result.handle == 0 && rec->result.count == 0);
}

CFT_CASE(bad_addresses_are_invalid)
{
    char *longer = cft_alloc(t, CEDE_ADDRESS_PATH + 2);
    memset(longer, 'x', CEDE_ADDRESS_PATH + 1);
    cede_address bad[6] = {{.family = CEDE_ADDRESS_NONE, .port = 1},
                           {.family = 77, .port = 1},
                           cede_ipv4(127, 0, 0, 1, 1),
                           cede_address_local(NULL),
                           cede_address_local(""),
                           cede_address_local(longer)};
    bad[2].scope_id = 3;
    for (uint32_t i = 0; i < 7; i++) {
        const cede_address *at = i < 6 ? &bad[i] : NULL;
        cft_rec *rec = cft_new(t);
        cede_prep_listen(rec->req, at, 0, 0);
        expect_invalid(t, rec);
        rec = cft_new(t);
        cede_prep_connect(rec->req, at, 0);
        expect_invalid(t, rec);
        rec = cft_new(t);
        cede_prep_datagram(rec->req, at, 0);
        expect_invalid(t, rec);
    }
    cede_address nowhere = cede_ipv4(127, 0, 0, 1, 0), local = cede_address_local("x");
    cft_rec *rec = cft_new(t);
    cede_prep_connect(rec->req, &nowhere, 0);
    expect_invalid(t, rec);
    rec = cft_new(t);
    cede_prep_datagram(rec->req, &local, 0);
    expect_invalid(t, rec);
}

CFT_CASE(bad_destinations_of_datagrams_are_invalid)
{
    cede_address at, none = {0}, nowhere = cede_ipv4(127, 0, 0, 1, 0);
    cede_address local = cede_address_local("x");
    const cede_address *const bad[] = {NULL, &none, &nowhere, &local};
    cede_handle socket = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at);
    for (uint32_t i = 0; i < 4; i++) {
        cft_rec *rec = cft_new(t);
        cede_prep_sendto(rec->req, socket, "x", 1, bad[i]);
        expect_invalid(t, rec);
        rec = cft_new(t);
        cede_prep_group(rec->req, socket, i == 2 ? NULL : bad[i], 0, CEDE_GROUP_JOIN);
        expect_invalid(t, rec);
    }
    cft_closed(t, socket);
}

CFT_CASE(bad_flags_and_values_are_invalid)
{
    cede_address at = cede_address_loopback(CEDE_ADDRESS_IPV4, 0), out;
    cede_handle second;
    cede_handle socket = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at);
    cft_rec *rec[11];
    for (uint32_t i = 0; i < 11; i++)
        rec[i] = cft_new(t);
    cede_prep_listen(rec[0]->req, &at, 0, CEDE_LISTEN_ANY + 1);
    cede_prep_connect(rec[1]->req, &at, 1);
    cede_prep_datagram(rec[2]->req, &at, CEDE_DATAGRAM_ANY + 1);
    cede_prep_pair(rec[3]->req, CEDE_PAIR_FROM_CHILD + 1, &second);
    cede_prep_pair(rec[4]->req, CEDE_PAIR_STREAM, NULL);
    cede_prep_name(rec[5]->req, socket, 2, &out);
    cede_prep_name(rec[6]->req, socket, CEDE_NAME_OWN, NULL);
    cede_prep_set_option(rec[7]->req, socket, 0, 1);
    cede_prep_set_option(rec[8]->req, socket, CEDE_OPTION_COUNT, 1);
    cede_prep_get_option(rec[9]->req, socket, UINT32_MAX);
    cede_prep_set_option(rec[10]->req, socket, CEDE_OPTION_RECV_BYTES, -1);
    for (uint32_t i = 0; i < 11; i++)
        expect_invalid(t, rec[i]);
    cft_closed(t, socket);
}

CFT_CASE(null_buffers_of_sockets_are_invalid)
{
    cede_address at;
    cede_handle socket = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at), a = 0, b = 0;
    cft_rec *rec[7];
    cft_connected(t, CFT_TCP, &a, &b);
    for (uint32_t i = 0; i < 7; i++)
        rec[i] = cft_new(t);
    cede_prep_recv(rec[0]->req, a, NULL, 1);
    cede_prep_recv_all(rec[1]->req, a, NULL, 1);
    cede_prep_send(rec[2]->req, a, NULL, 1);
    cede_prep_send_all(rec[3]->req, a, NULL, 1);
    cede_prep_sendv(rec[4]->req, a, NULL, 1);
    cede_prep_recvfrom(rec[5]->req, socket, NULL, 1, NULL);
    cede_prep_sendto(rec[6]->req, socket, NULL, 1, &at);
    for (uint32_t i = 0; i < 7; i++)
        expect_invalid(t, rec[i]);
    cft_talk(t, a, b);
    cft_closed(t, socket);
}

enum { OF_STREAM, OF_LISTENER, OF_DATAGRAM, OF_FILE, OF_ALL };

/* Any operation on this handle, with arguments that are good. */
static void prepare(cft_rec *rec, uint8_t op, cede_handle handle, const cede_address *at,
                    const cede_vec *vec)
{
    cede_address group = cede_ipv4(239, 1, 1, 1, 0);
    switch (op) {
    case CEDE_OP_ACCEPT:
        cede_prep_accept(rec->req, handle, NULL);
        break;
    case CEDE_OP_RECV:
        cede_prep_recv(rec->req, handle, cft_buffer(rec, 1), 1);
        break;
    case CEDE_OP_RECV_ALL:
        cede_prep_recv_all(rec->req, handle, cft_buffer(rec, 1), 1);
        break;
    case CEDE_OP_SEND:
        cede_prep_send(rec->req, handle, "x", 1);
        break;
    case CEDE_OP_SEND_ALL:
        cede_prep_send_all(rec->req, handle, "x", 1);
        break;
    case CEDE_OP_SENDV:
        cede_prep_sendv(rec->req, handle, vec, 1);
        break;
    case CEDE_OP_SHUTDOWN:
        cede_prep_shutdown(rec->req, handle);
        break;
    case CEDE_OP_RECVFROM:
        cede_prep_recvfrom(rec->req, handle, cft_buffer(rec, 1), 1, NULL);
        break;
    case CEDE_OP_SENDTO:
        cede_prep_sendto(rec->req, handle, "x", 1, at);
        break;
    case CEDE_OP_GROUP:
        cede_prep_group(rec->req, handle, &group, 0, CEDE_GROUP_JOIN);
        break;
    case CEDE_OP_NAME:
        cede_prep_name(rec->req, handle, CEDE_NAME_OWN, cft_buffer(rec, sizeof(cede_address)));
        break;
    case CEDE_OP_SET_OPTION:
        cede_prep_set_option(rec->req, handle, CEDE_OPTION_KEEP_ALIVE, 1);
        break;
    case CEDE_OP_GET_OPTION:
        cede_prep_get_option(rec->req, handle, CEDE_OPTION_KEEP_ALIVE);
        break;
    case CEDE_OP_READ:
        cede_prep_read(rec->req, handle, cft_buffer(rec, 1), 1, CEDE_CURRENT);
        break;
    case CEDE_OP_WRITE:
        cede_prep_write(rec->req, handle, "x", 1, CEDE_CURRENT);
        break;
    case CEDE_OP_FSYNC:
        cede_prep_fsync(rec->req, handle);
        break;
    default:
        cede_prep_truncate(rec->req, handle, 0);
        break;
    }
}

/* What an operation takes: the rest it refuses, and stays as it was. */
CFT_CASE(operations_refuse_the_wrong_kind_of_handle)
{
    static const struct {
        uint8_t op, takes; /* an OR of 1 << OF_... */
    } rows[] = {
        {CEDE_OP_ACCEPT, 1 << OF_LISTENER},
        {CEDE_OP_RECV, 1 << OF_STREAM},
        {CEDE_OP_RECV_ALL, 1 << OF_STREAM},
        {CEDE_OP_SEND, 1 << OF_STREAM},
        {CEDE_OP_SEND_ALL, 1 << OF_STREAM},
        {CEDE_OP_SENDV, 1 << OF_STREAM},
        {CEDE_OP_SHUTDOWN, 1 << OF_STREAM},
        {CEDE_OP_RECVFROM, 1 << OF_DATAGRAM},
        {CEDE_OP_SENDTO, 1 << OF_DATAGRAM},
        {CEDE_OP_GROUP, 1 << OF_DATAGRAM},
        {CEDE_OP_NAME, 7},
        {CEDE_OP_SET_OPTION, 7},
        {CEDE_OP_GET_OPTION, 7},
        {CEDE_OP_READ, 1 << OF_STREAM | 1 << OF_FILE},
        {CEDE_OP_WRITE, 1 << OF_STREAM | 1 << OF_FILE},
        {CEDE_OP_FSYNC, 1 << OF_FILE},
        {CEDE_OP_TRUNCATE, 1 << OF_FILE},
    };
    cede_address at;
    cede_handle handles[OF_ALL], peer = 0;
    cede_vec *vec = cft_alloc(t, sizeof *vec);
    cft_connected(t, CFT_TCP, &handles[OF_STREAM], &peer);
    handles[OF_LISTENER] = cft_listening(t, CFT_TCP, &at);
    handles[OF_DATAGRAM] = cft_datagrams(t, CEDE_ADDRESS_IPV4, &at);
    cft_file(t, "f", NULL, 10, 1);
    handles[OF_FILE] = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    vec[0] = (cede_vec){cft_alloc(t, 1), 1};
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (uint32_t of = 0; of < OF_ALL; of++) {
            cede_handle handle = handles[of];
            if (rows[i].takes >> of & 1)
                continue;
            cft_rec *rec = cft_new(t);
            prepare(rec, rows[i].op, handle, &at, vec);
            expect_invalid(t, rec);
        }
    }
    CFT_EXPECT(t, cft_file_size(t, "f") == 10);
    cft_talk(t, handles[OF_STREAM], peer);
    for (uint32_t of = 0; of < OF_ALL; of++)
        cft_drop(t, handles[of]);
    cft_drop(t, peer);
    cft_flush(t);
}
