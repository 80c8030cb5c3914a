/*
 * Bad input: the result says which; nothing is lost, nothing crashes (laws 1, 16).
 */
#include "conformance.h"

#include <string.h>

typedef void prep_bad(cft *t, cft_rec *rec, cede_handle handle);

static void prep_read(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_read(rec->req, handle, cft_buffer(rec, 8), 8, 0);
}

static void prep_write(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_write(rec->req, handle, cft_input(rec, "12345678", 8), 8, 0);
}

static void prep_readv(cft *t, cft_rec *rec, cede_handle handle)
{
    cede_vec *vec = cft_alloc(t, sizeof *vec);
    *vec = (cede_vec){cft_buffer(rec, 8), 8};
    cede_prep_readv(rec->req, handle, vec, 1, 0);
}

static void prep_writev(cft *t, cft_rec *rec, cede_handle handle)
{
    cede_vec *vec = cft_alloc(t, sizeof *vec);
    *vec = (cede_vec){cft_input(rec, "12345678", 8), 8};
    cede_prep_writev(rec->req, handle, vec, 1, 0);
}

static void prep_read_all(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_read_all(rec->req, handle, cft_buffer(rec, 8), 8, 0);
}

static void prep_write_all(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_write_all(rec->req, handle, cft_input(rec, "12345678", 8), 8, 0);
}

static void prep_append(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_append(rec->req, handle, cft_input(rec, "12345678", 8), 8);
}

static void prep_fsync(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_fsync(rec->req, handle);
}

static void prep_fdatasync(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_fdatasync(rec->req, handle);
}

static void prep_truncate(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_truncate(rec->req, handle, 1);
}

static void prep_allocate(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_allocate(rec->req, handle, 0, 10, 0);
}

static void prep_stat(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_stat_handle(rec->req, handle, cft_buffer(rec, sizeof(cede_stat)));
}

static void prep_times(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_set_times(rec->req, handle, 0, 0);
}

static void prep_mode(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_set_mode(rec->req, handle, 0600);
}

static void prep_readdir(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_readdir(rec->req, handle, cft_buffer(rec, 4096), 4096);
}

static void prep_copy(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_copy(rec->req, handle, 0, handle, 100, 10);
}

static void prep_close(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_close(rec->req, handle);
}

static void prep_transfer(cft *t, cft_rec *rec, cede_handle handle, uint32_t op)
{
    cede_vec *vec = cft_alloc(t, sizeof *vec);
    switch (op) {
    case CEDE_OP_RECV:
        cede_prep_recv(rec->req, handle, cft_buffer(rec, 8), 8);
        break;
    case CEDE_OP_RECV_ALL:
        cede_prep_recv_all(rec->req, handle, cft_buffer(rec, 8), 8);
        break;
    case CEDE_OP_SEND:
        cede_prep_send(rec->req, handle, cft_input(rec, "12345678", 8), 8);
        break;
    case CEDE_OP_SEND_ALL:
        cede_prep_send_all(rec->req, handle, cft_input(rec, "12345678", 8), 8);
        break;
    default:
        *vec = (cede_vec){cft_input(rec, "12345678", 8), 8};
        cede_prep_sendv(rec->req, handle, vec, 1);
        break;
    }
}

#define TRANSFER(name, OP)                                            \
    static void prep_##name(cft *t, cft_rec *rec, cede_handle handle) \
    {                                                                 \
        prep_transfer(t, rec, handle, CEDE_OP_##OP);                  \
    }
TRANSFER(recv, RECV)
TRANSFER(recv_all, RECV_ALL)
TRANSFER(send, SEND)
TRANSFER(send_all, SEND_ALL)
TRANSFER(sendv, SENDV)

static void prep_shutdown(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_shutdown(rec->req, handle);
}

static void prep_accept(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_accept(rec->req, handle, cft_buffer(rec, sizeof(cede_address)));
}

static void prep_recvfrom(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_recvfrom(rec->req, handle, cft_buffer(rec, 8), 8, NULL);
}

static void prep_sendto(cft *t, cft_rec *rec, cede_handle handle)
{
    cede_address to = cede_address_loopback(CEDE_ADDRESS_IPV4, 9);
    (void)t;
    cede_prep_sendto(rec->req, handle, cft_input(rec, "12345678", 8), 8, &to);
}

static void prep_group(cft *t, cft_rec *rec, cede_handle handle)
{
    cede_address group = cede_ipv4(239, 1, 1, 1, 0);
    (void)t;
    cede_prep_group(rec->req, handle, &group, 0, CEDE_GROUP_JOIN);
}

static void prep_name(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_name(rec->req, handle, CEDE_NAME_OWN, cft_buffer(rec, sizeof(cede_address)));
}

static void prep_set_option(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_set_option(rec->req, handle, CEDE_OPTION_KEEP_ALIVE, 1);
}

static void prep_get_option(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_get_option(rec->req, handle, CEDE_OPTION_KEEP_ALIVE);
}

static void prep_send_zero_copy(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_send_zero_copy(rec->req, handle, cft_input(rec, "12345678", 8), 8);
}

static void prep_send_file(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_send_file(rec->req, handle, handle, 0, 8);
}

static void prep_poll(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_poll(rec->req, handle, CEDE_POLL_IN);
}

static void prep_child_wait(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_child_wait(rec->req, handle);
}

static void prep_child_kill(cft *t, cft_rec *rec, cede_handle handle)
{
    (void)t;
    cede_prep_child_kill(rec->req, handle, CEDE_KILL_ASK);
}

static prep_bad *const preps[] = {
    prep_read,      prep_write,    prep_readv,      prep_writev,     prep_read_all,
    prep_write_all, prep_append,   prep_fsync,      prep_fdatasync,  prep_truncate,
    prep_allocate,  prep_stat,     prep_times,      prep_mode,       prep_readdir,
    prep_copy,      prep_recv,     prep_recv_all,   prep_send,       prep_send_all,
    prep_sendv,     prep_shutdown, prep_accept,     prep_recvfrom,   prep_sendto,
    prep_group,     prep_name,     prep_set_option, prep_get_option, prep_send_zero_copy,
    prep_send_file, prep_poll,     prep_child_wait, prep_child_kill, prep_close,
};

enum { PREPS = sizeof preps / sizeof preps[0] };

CFT_CASE(every_operation_refuses_a_handle_that_never_was)
{
    static const cede_handle bad[] = {0, 77, UINT64_C(0xdeadbeefdeadbeef)};
    for (uint32_t b = 0; b < 3; b++) {
        for (uint32_t i = 0; i < PREPS; i++) {
            cft_rec *rec = cft_new(t);
            preps[i](t, rec, bad[b]);
            if (!cede_supports(cft_loop(t), cede_req_op(rec->req)))
                continue;
            cft_do(rec);
            CFT_STATUS(t, rec, CEDE_EBADF);
            CFT_CHECK(t, rec->result.count == 0);
        }
    }
}

CFT_CASE(every_operation_refuses_a_handle_that_is_closed)
{
    unsigned char seen[64];
    cft_file(t, "f", NULL, 64, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cft_closed(t, file);
    /* Takes the descriptor's number over. */
    cede_handle other = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    for (uint32_t i = 0; i < PREPS; i++) {
        cft_rec *rec = cft_new(t);
        preps[i](t, rec, file);
        if (!cede_supports(cft_loop(t), cede_req_op(rec->req)))
            continue;
        cft_do(rec);
        CFT_STATUS(t, rec, CEDE_EBADF);
        CFT_CHECK(t, rec->result.count == 0);
    }
    CFT_EXPECT(t, cft_file_read(t, "f", seen, 64, 0) == 64 && cft_filled(seen, 64, 1, 0));
    cft_closed(t, other);
}

CFT_CASE(every_operation_refuses_an_ended_scope)
{
    unsigned char seen[64];
    cft_file(t, "f", NULL, 64, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    for (uint32_t i = 0; i + 1 < PREPS; i++) { /* close, the last, is never refused */
        cft_rec *rec = cft_new(t);
        preps[i](t, rec, file);
        cede_in(rec->req, scope->ticket);
        if (!cede_supports(cft_loop(t), cede_req_op(rec->req)))
            continue;
        cft_do(rec);
        /* readdir and the like may find their handle wrong before */
        CFT_EXPECT(t, rec->result.status == CEDE_EENDED || preps[i] == prep_readdir);
        CFT_CHECK(t, rec->result.count == 0);
    }
    CFT_EXPECT(t, cft_file_read(t, "f", seen, 64, 0) == 64 && cft_filled(seen, 64, 1, 0));
    cft_closed(t, file);
}

CFT_CASE(absurd_offsets_and_lengths_are_refused_or_short)
{
    cft_file(t, "f", NULL, 64, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    static const int64_t offsets[] = {-2, INT64_MIN, -4096};
    for (uint32_t i = 0; i < 3; i++) {
        cft_rec *read = cft_new(t);
        cede_prep_read(read->req, file, cft_buffer(read, 8), 8, offsets[i]);
        cft_do(read);
        CFT_STATUS(t, read, CEDE_EINVAL);
        cft_rec *write = cft_new(t);
        cede_prep_write(write->req, file, cft_input(write, "x", 1), 1, offsets[i]);
        cft_do(write);
        CFT_STATUS(t, write, CEDE_EINVAL);
    }
    cft_rec *far = cft_new(t);
    cede_prep_read(far->req, file, cft_buffer(far, 8), 8, INT64_MAX - 8);
    cft_do(far);
    CFT_EXPECT(t, far->result.count == 0);
    cft_rec *beyond = cft_new(t);
    cede_prep_write(beyond->req, file, cft_input(beyond, "12345678", 8), 8, INT64_MAX - 8);
    cft_do(beyond);
    CFT_EXPECT(t, beyond->result.status == CEDE_EFBIG || beyond->result.status == CEDE_EINVAL);
    cft_rec *grow = cft_new(t);
    cede_prep_truncate(grow->req, file, UINT64_MAX);
    cft_do(grow);
    CFT_EXPECT(t, grow->result.status == CEDE_EINVAL || grow->result.status == CEDE_EFBIG);
    cft_rec *room = cft_new(t);
    cede_prep_allocate(room->req, file, UINT64_MAX - 5, 100, 0);
    cft_do(room);
    CFT_EXPECT(t, room->result.status == CEDE_EINVAL || room->result.status == CEDE_EFBIG);
    CFT_EXPECT(t, cft_file_size(t, "f") == 64);
    cft_closed(t, file);
}

/* More than the file has is short, not refused. */
CFT_CASE(read_longer_than_the_file_is_short)
{
    cft_file(t, "f", NULL, 64, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    unsigned char *room = cft_alloc(t, 4096);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, room, 4096, 0);
    cft_do(read);
    CFT_MOVED(t, read, 64);
    CFT_EXPECT(t, cft_filled(room, read->result.count, 1, 0));
    cft_closed(t, file);
}

CFT_CASE(null_buffers_and_paths_are_told)
{
    cft_file(t, "f", NULL, 64, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    for (uint32_t i = 0; i < 12; i++) {
        cft_rec *rec = cft_new(t);
        switch (i) {
        case 0:
            cede_prep_read(rec->req, file, NULL, 8, 0);
            break;
        case 1:
            cede_prep_write(rec->req, file, NULL, 8, 0);
            break;
        case 2:
            cede_prep_readv(rec->req, file, NULL, 2, 0);
            break;
        case 3:
            cede_prep_open(rec->req, NULL, CEDE_OPEN_READ, 0);
            break;
        case 4:
            cede_prep_rename(rec->req, NULL, "x", 0);
            break;
        case 5:
            cede_prep_rename(rec->req, cft_path(t, "f"), NULL, 0);
            break;
        case 6:
            cede_prep_stat(rec->req, cft_path(t, "f"), NULL, 0);
            break;
        case 7:
            cede_prep_stat_handle(rec->req, file, NULL);
            break;
        case 8:
            cede_prep_unlink(rec->req, NULL);
            break;
        case 9:
            cede_prep_readlink(rec->req, cft_path(t, "f"), NULL, 10);
            break;
        case 10:
            cede_prep_symlink(rec->req, NULL, cft_path(t, "l"));
            break;
        default:
            cede_prep_write_all(rec->req, file, NULL, 8, 0);
            break;
        }
        cft_do(rec);
        CFT_EXPECT(t, rec->result.status == CEDE_EINVAL || rec->result.status == CEDE_EFAULT);
        CFT_CHECK(t, rec->result.status != CEDE_OK);
    }
    CFT_EXPECT(t, cft_file_size(t, "f") == 64);
    cft_closed(t, file);
}

CFT_CASE(vectors_of_too_many_pieces_are_refused)
{
    cft_file(t, "f", NULL, 4096, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    unsigned char *bytes = cft_alloc(t, 2048);
    cede_vec *vec = cft_alloc(t, 1025 * sizeof *vec);
    for (uint32_t i = 0; i < 1025; i++)
        vec[i] = (cede_vec){bytes + i, 1};
    cft_rec *most = cft_new(t);
    cede_prep_readv(most->req, file, vec, 1024, 0);
    cft_do(most);
    CFT_MOVED(t, most, 1024);
    cft_rec *more = cft_new(t);
    cede_prep_readv(more->req, file, vec, 1025, 0);
    cft_do(more);
    CFT_STATUS(t, more, CEDE_EINVAL);
    cft_rec *absurd = cft_new(t);
    cede_prep_writev(absurd->req, file, vec, UINT32_MAX, 0);
    cft_do(absurd);
    CFT_STATUS(t, absurd, CEDE_EINVAL);
    cft_rec *none = cft_new(t);
    cede_prep_readv(none->req, file, vec, 0, 0);
    cft_do(none);
    CFT_OK(t, none);
    CFT_EXPECT(t, none->result.count == 0);
    CFT_EXPECT(t, cft_file_size(t, "f") == 4096);
    cft_closed(t, file);
}

CFT_CASE(empty_path_is_no_file)
{
    cft_rec *open = cft_new(t);
    cede_prep_open(open->req, "", CEDE_OPEN_READ, 0);
    cft_do(open);
    CFT_STATUS(t, open, CEDE_ENOENT);
    cft_rec *stat = cft_new(t);
    cede_prep_stat(stat->req, "", cft_buffer(stat, sizeof(cede_stat)), 0);
    cft_do(stat);
    CFT_STATUS(t, stat, CEDE_ENOENT);
    cft_rec *gone = cft_new(t);
    cede_prep_unlink(gone->req, "");
    cft_do(gone);
    CFT_STATUS(t, gone, CEDE_ENOENT);
}

CFT_CASE(overlapping_copy_in_one_file_is_refused)
{
    unsigned char seen[200];
    cft_file(t, "f", NULL, 200, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cft_rec *copy = cft_new(t);
    cede_prep_copy(copy->req, file, 0, file, 50, 100);
    cft_do(copy);
    CFT_STATUS(t, copy, CEDE_EINVAL);
    cft_rec *away = cft_new(t);
    cede_prep_copy(away->req, file, 0, file, 300, CEDE_TO_END);
    cede_within(away->req, 2 * CEDE_SECOND); /* its end runs away */
    cft_do(away);
    CFT_STATUS(t, away, CEDE_EINVAL);
    CFT_EXPECT(t, cft_file_read(t, "f", seen, 200, 0) == 200 && cft_filled(seen, 200, 1, 0));
    cft_rec *back = cft_new(t);
    cede_prep_copy(back->req, file, 150, file, 0, CEDE_TO_END);
    cft_do(back);
    CFT_MOVED(t, back, 50);
    CFT_EXPECT(t, cft_file_read(t, "f", seen, 200, 0) == 200 && cft_filled(seen, 50, 1, 150));
    cft_closed(t, file);
}
