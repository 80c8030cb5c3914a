/*
 * Files: transfers, positions, lengths (F1, F2, F10, F12; laws 7, 14, 16).
 */
#include "conformance.h"

#include <string.h>

#define KEY 11

/* F1 */
CFT_CASE(read_of_a_whole_file_gives_all_of_it)
{
    cft_file(t, "f", NULL, 5000, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 5000), 5000, 0);
    cft_do(read);
    CFT_MOVED(t, read, 5000);
    CFT_EXPECT(t, cft_filled(read->bytes, read->result.count, KEY, 0));
    cft_closed(t, file);
}

/* F2 */
CFT_CASE(read_at_the_end_moves_nothing_and_is_no_error)
{
    cft_file(t, "f", NULL, 100, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    static const int64_t beyond[] = {100, 101, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        cft_rec *read = cft_new(t);
        cede_prep_read(read->req, file, cft_buffer(read, 10), 10, beyond[i]);
        cft_do(read);
        CFT_OK(t, read);
        CFT_EXPECT(t, read->result.count == 0);
    }
    cft_closed(t, file);
}

CFT_CASE(read_near_the_end_is_short)
{
    cft_file(t, "f", NULL, 100, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 50), 50, 90);
    cft_do(read);
    CFT_MOVED(t, read, 10);
    CFT_EXPECT(t, cft_filled(read->bytes, read->result.count, KEY, 90));
    CFT_EXPECT(t, read->bytes[read->result.count] == 0xee);
    cft_closed(t, file);
}

CFT_CASE(write_puts_its_bytes_where_it_said)
{
    unsigned char data[300];
    unsigned char seen[600];
    cft_fill(data, sizeof data, 5, 0);
    cft_file(t, "f", NULL, 600, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, file, cft_input(write, data, sizeof data), sizeof data, 200);
    cft_do(write);
    CFT_MOVED(t, write, sizeof data);
    uint64_t moved = write->result.count;
    CFT_EXPECT(t, cft_file_read(t, "f", seen, sizeof seen, 0) == sizeof seen);
    CFT_EXPECT(t, cft_filled(seen, 200, KEY, 0));
    CFT_EXPECT(t, memcmp(seen + 200, data, moved) == 0);
    CFT_EXPECT(t, cft_filled(seen + 200 + moved, 400 - moved, KEY, 200 + moved));
    CFT_EXPECT(t, cft_file_size(t, "f") == 600);
    cft_closed(t, file);
}

/* F10 */
CFT_CASE(transfers_beyond_four_gibibytes_are_exact)
{
    const int64_t far = (INT64_C(5) << 30) + 12345;
    unsigned char data[100];
    cft_fill(data, sizeof data, 6, 0);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_READ | CEDE_OPEN_CREATE);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, file, cft_input(write, data, sizeof data), sizeof data, far);
    cft_do(write);
    CFT_MOVED(t, write, sizeof data);
    cft_rec *read = cft_new(t);
    cede_prep_read_all(read->req, file, cft_buffer(read, 200), 200, far - 100);
    cft_do(read);
    CFT_MOVED(t, read, 200);
    for (size_t i = 0; i < 100; i++)
        CFT_EXPECT(t, read->bytes[i] == 0);
    CFT_EXPECT(t, memcmp(read->bytes + 100, data, 100) == 0);
    CFT_EXPECT(t, cft_file_size(t, "f") == far + 100);
    cft_closed(t, file);
}

CFT_CASE(transfers_of_zero_bytes_succeed_on_files)
{
    cft_file(t, "f", NULL, 10, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    for (uint32_t i = 0; i < 6; i++) {
        cft_rec *rec = cft_new(t);
        void *buffer = cft_buffer(rec, 1);
        static const cede_vec none = {NULL, 0};
        switch (i) {
        case 0:
            cede_prep_read(rec->req, file, buffer, 0, 0);
            break;
        case 1:
            cede_prep_write(rec->req, file, buffer, 0, 0);
            break;
        case 2:
            cede_prep_read_all(rec->req, file, buffer, 0, 0);
            break;
        case 3:
            cede_prep_write_all(rec->req, file, buffer, 0, 0);
            break;
        case 4:
            cede_prep_writev(rec->req, file, &none, 1, 0);
            break;
        default:
            cede_prep_append(rec->req, file, buffer, 0);
            break;
        }
        cft_do(rec);
        CFT_OK(t, rec);
        CFT_EXPECT(t, rec->result.count == 0);
        CFT_CHECK(t, rec->bytes[0] == 0xee);
    }
    CFT_EXPECT(t, cft_file_size(t, "f") == 10);
    cft_closed(t, file);
}

CFT_CASE(holes_read_as_zeros)
{
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_READ | CEDE_OPEN_CREATE);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, file, cft_input(write, "end", 3), 3, 100000);
    cft_do(write);
    CFT_MOVED(t, write, 3);
    cft_rec *read = cft_new(t);
    cede_prep_read_all(read->req, file, cft_buffer(read, 4000), 4000, 50000);
    cft_do(read);
    CFT_MOVED(t, read, 4000);
    for (size_t i = 0; i < 4000; i++)
        CFT_EXPECT(t, read->bytes[i] == 0);
    cft_closed(t, file);
}

/* F12 */
CFT_CASE(reads_at_the_current_position_follow_each_other)
{
    cft_file(t, "f", NULL, 1000, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *all[10];
    uint64_t at = 0;
    for (uint32_t i = 0; i < 10; i++) {
        all[i] = cft_new(t);
        cede_prep_read(all[i]->req, file, cft_buffer(all[i], 100), 100, CEDE_CURRENT);
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 10; i++) {
        CFT_MOVED(t, all[i], 100);
        CFT_EXPECT(t, cft_filled(all[i]->bytes, all[i]->result.count, KEY, at));
        at += all[i]->result.count;
        CFT_EXPECT(t, i == 0 || all[i]->done_at > all[i - 1]->done_at);
    }
    cft_closed(t, file);
}

CFT_CASE(positioned_transfers_leave_the_position_alone)
{
    cft_file(t, "f", NULL, 1000, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *first = cft_new(t);
    cede_prep_read_all(first->req, file, cft_buffer(first, 100), 100, CEDE_CURRENT);
    cft_do(first);
    cft_rec *aside = cft_new(t);
    cede_prep_read_all(aside->req, file, cft_buffer(aside, 100), 100, 700);
    cft_do(aside);
    cft_rec *second = cft_new(t);
    cede_prep_read_all(second->req, file, cft_buffer(second, 100), 100, CEDE_CURRENT);
    cft_do(second);
    CFT_MOVED(t, second, 100);
    CFT_EXPECT(t, cft_filled(aside->bytes, 100, KEY, 700));
    CFT_EXPECT(t, cft_filled(second->bytes, 100, KEY, 100));
    cft_closed(t, file);
}

CFT_CASE(whole_transfers_at_the_current_position_keep_it)
{
    unsigned char data[5000];
    cft_fill(data, sizeof data, 4, 0);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_READ | CEDE_OPEN_CREATE);
    for (uint32_t i = 0; i < 5; i++) {
        cft_rec *write = cft_new(t);
        cede_prep_write_all(write->req, file, cft_input(write, data + i * 1000, 1000), 1000,
                            CEDE_CURRENT);
        cft_submit(write);
    }
    cft_settle(t);
    cft_rec *read = cft_new(t);
    cede_prep_read_all(read->req, file, cft_buffer(read, 5000), 5000, 0);
    cft_do(read);
    CFT_MOVED(t, read, 5000);
    CFT_EXPECT(t, memcmp(read->bytes, data, sizeof data) == 0);
    cft_closed(t, file);
}

CFT_CASE(read_all_that_meets_the_end_says_so_with_its_count)
{
    cft_file(t, "f", NULL, 100, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *read = cft_new(t);
    cede_prep_read_all(read->req, file, cft_buffer(read, 200), 200, 30);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_EEOF);
    CFT_EXPECT(t, read->result.count == 70);
    CFT_EXPECT(t, cft_filled(read->bytes, 70, KEY, 30));
    cft_closed(t, file);
}

CFT_CASE(write_all_and_read_all_move_everything)
{
    const size_t bytes = 1u << 20;
    unsigned char *data = cft_alloc(t, bytes);
    cft_fill(data, bytes, 8, 0);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_READ | CEDE_OPEN_CREATE);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, file, data, bytes, 0);
    cft_do(write);
    CFT_MOVED(t, write, bytes);
    cft_rec *read = cft_new(t);
    cede_prep_read_all(read->req, file, cft_buffer(read, bytes), bytes, 0);
    cft_do(read);
    CFT_MOVED(t, read, bytes);
    CFT_EXPECT(t, memcmp(read->bytes, data, bytes) == 0);
    cft_closed(t, file);
}

CFT_CASE(vectored_transfers_go_piece_by_piece)
{
    unsigned char data[90];
    cft_fill(data, sizeof data, 8, 0);
    unsigned char *bytes = cft_alloc(t, sizeof data);
    memcpy(bytes, data, sizeof data);
    cede_vec *out = cft_alloc(t, 4 * sizeof *out);
    out[0] = (cede_vec){bytes, 10};
    out[1] = (cede_vec){bytes + 10, 0};
    out[2] = (cede_vec){bytes + 10, 50};
    out[3] = (cede_vec){bytes + 60, 30};
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_READ | CEDE_OPEN_CREATE);
    cft_rec *write = cft_new(t);
    cede_prep_writev(write->req, file, out, 4, 0);
    cft_do(write);
    CFT_MOVED(t, write, 90);
    uint64_t there = write->result.count;
    cede_vec *in = cft_alloc(t, 3 * sizeof *in);
    unsigned char *pieces = cft_alloc(t, 90);
    in[0] = (cede_vec){pieces + 60, 30};
    in[1] = (cede_vec){pieces + 1, 1};
    in[2] = (cede_vec){pieces + 2, 57};
    cft_rec *read = cft_new(t);
    cede_prep_readv(read->req, file, in, 3, 0);
    cft_do(read);
    CFT_MOVED(t, read, there < 88 ? there : 88);
    uint64_t got = read->result.count;
    CFT_EXPECT(t, memcmp(pieces + 60, data, got < 30 ? got : 30) == 0);
    CFT_EXPECT(t, got < 31 || pieces[1] == data[30]);
    CFT_EXPECT(t, got < 32 || memcmp(pieces + 2, data + 31, got - 31) == 0);
    cft_closed(t, file);
}

CFT_CASE(append_goes_to_the_end_wherever_that_is)
{
    unsigned char seen[40];
    cft_file(t, "f", "0123456789", 10, 0);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *append = cft_new(t);
    cede_prep_append(append->req, file, cft_input(append, "abc", 3), 3);
    cft_do(append);
    CFT_MOVED(t, append, 3);
    cft_file(t, "f", "01234567890123456789", 20, 0);
    cede_handle other = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_APPEND);
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, other, cft_input(write, "xyz", 3), 3, CEDE_CURRENT);
    cft_do(write);
    CFT_MOVED(t, write, 3);
    uint64_t moved = write->result.count;
    CFT_EXPECT(t, cft_file_read(t, "f", seen, sizeof seen, 0) == 20 + moved);
    CFT_EXPECT(t, memcmp(seen, "01234567890123456789xyz", 20 + moved) == 0);
    cft_closed(t, file);
    cft_closed(t, other);
}

CFT_CASE(fsync_and_fdatasync_succeed_and_name_no_count)
{
    cft_file(t, "f", NULL, 100, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *full = cft_new(t);
    cft_rec *data = cft_new(t);
    cede_prep_fsync(full->req, file);
    cede_prep_fdatasync(data->req, file);
    cft_submit(full);
    cft_submit(data);
    cft_settle(t);
    CFT_OK(t, full);
    CFT_OK(t, data);
    CFT_EXPECT(t, full->result.count == 0 && data->result.count == 0);
    cft_closed(t, file);
}

CFT_CASE(truncate_cuts_and_grows)
{
    unsigned char seen[200];
    cft_file(t, "f", NULL, 100, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *cut = cft_new(t);
    cede_prep_truncate(cut->req, file, 40);
    cft_do(cut);
    CFT_OK(t, cut);
    CFT_EXPECT(t, cft_file_size(t, "f") == 40);
    cft_rec *grow = cft_new(t);
    cede_prep_truncate(grow->req, file, 120);
    cft_do(grow);
    CFT_OK(t, grow);
    uint64_t bytes = cft_file_read(t, "f", seen, sizeof seen, 0);
    CFT_EXPECT(t, bytes == 120);
    CFT_EXPECT(t, cft_filled(seen, 40, KEY, 0));
    for (size_t i = 40; i < 120; i++)
        CFT_EXPECT(t, seen[i] == 0);
    cft_closed(t, file);
}

CFT_CASE(allocate_reserves_and_grows_unless_told_to_keep)
{
    cft_file(t, "f", NULL, 10, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *keep = cft_new(t);
    cede_prep_allocate(keep->req, file, 0, 100000, CEDE_ALLOCATE_KEEP_SIZE);
    cft_do(keep);
    CFT_OK(t, keep);
    CFT_EXPECT(t, cft_file_size(t, "f") == 10);
    cft_rec *grow = cft_new(t);
    cede_prep_allocate(grow->req, file, 1000, 500, 0);
    cft_do(grow);
    CFT_OK(t, grow);
    CFT_EXPECT(t, cft_file_size(t, "f") == 1500);
    cft_rec *zero = cft_new(t);
    cede_prep_allocate(zero->req, file, 0, 0, 0);
    cft_do(zero);
    CFT_STATUS(t, zero, CEDE_EINVAL);
    cft_rec *flags = cft_new(t);
    cede_prep_allocate(flags->req, file, 0, 10, 0x80);
    cft_do(flags);
    CFT_STATUS(t, flags, CEDE_EINVAL);
    cft_closed(t, file);
}

CFT_CASE(copy_moves_a_range_between_files)
{
    unsigned char seen[3000];
    cft_file(t, "from", NULL, 5000, KEY);
    cft_file(t, "to", NULL, 3000, 2);
    cede_handle from = cft_opened(t, "from", CEDE_OPEN_READ);
    cede_handle to = cft_opened(t, "to", CEDE_OPEN_WRITE);
    cft_rec *copy = cft_new(t);
    cede_prep_copy(copy->req, from, 1000, to, 500, 2000);
    cft_do(copy);
    CFT_MOVED(t, copy, 2000);
    CFT_EXPECT(t, cft_file_read(t, "to", seen, sizeof seen, 0) == 3000);
    CFT_EXPECT(t, cft_filled(seen, 500, 2, 0));
    CFT_EXPECT(t, cft_filled(seen + 500, 2000, KEY, 1000));
    CFT_EXPECT(t, cft_filled(seen + 2500, 500, 2, 2500));
    cft_closed(t, from);
    cft_closed(t, to);
}

CFT_CASE(copy_to_the_end_takes_all_there_is)
{
    const size_t bytes = 300000;
    unsigned char *seen = cft_alloc(t, bytes);
    cft_file(t, "from", NULL, bytes, KEY);
    cede_handle from = cft_opened(t, "from", CEDE_OPEN_READ);
    cede_handle to = cft_opened(t, "to", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cft_rec *copy = cft_new(t);
    cede_prep_copy(copy->req, from, 0, to, 0, CEDE_TO_END);
    cft_do(copy);
    CFT_MOVED(t, copy, bytes);
    CFT_EXPECT(t, cft_file_read(t, "to", seen, bytes, 0) == bytes);
    CFT_EXPECT(t, cft_filled(seen, bytes, KEY, 0));
    /* The end is also behind it, as far as offsets go: less than a round from the last one. */
    for (uint64_t before = 0; before < 3; before++) {
        copy = cft_new(t);
        cede_prep_copy(copy->req, from, INT64_MAX - before, to, 0, CEDE_TO_END);
        cft_do(copy);
        CFT_MOVED(t, copy, 0);
    }
    cft_closed(t, from);
    cft_closed(t, to);
}

CFT_CASE(copy_that_meets_the_end_says_so_with_its_count)
{
    cft_file(t, "from", NULL, 100, KEY);
    cede_handle from = cft_opened(t, "from", CEDE_OPEN_READ);
    cede_handle to = cft_opened(t, "to", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cft_rec *copy = cft_new(t);
    cede_prep_copy(copy->req, from, 20, to, 0, 500);
    cft_do(copy);
    CFT_STATUS(t, copy, CEDE_EEOF);
    CFT_EXPECT(t, copy->result.count == 80);
    CFT_EXPECT(t, cft_file_size(t, "to") == 80);
    cft_closed(t, from);
    cft_closed(t, to);
}

CFT_CASE(copy_within_one_file_works)
{
    unsigned char seen[300];
    cft_file(t, "f", NULL, 100, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cft_rec *copy = cft_new(t);
    cede_prep_copy(copy->req, file, 0, file, 200, 100);
    cft_do(copy);
    CFT_MOVED(t, copy, 100);
    CFT_EXPECT(t, cft_file_read(t, "f", seen, sizeof seen, 0) == 300);
    CFT_EXPECT(t, cft_filled(seen + 200, 100, KEY, 0));
    cft_closed(t, file);
}

CFT_CASE(copy_into_what_only_reads_is_told)
{
    cft_file(t, "from", NULL, 100, KEY);
    cft_file(t, "empty", NULL, 0, KEY);
    cede_handle to = cft_opened(t, "from", CEDE_OPEN_READ);
    for (uint32_t i = 0; i < 2; i++) {
        cede_handle from = cft_opened(t, i ? "empty" : "from", CEDE_OPEN_READ);
        cft_rec *copy = cft_new(t);
        cede_prep_copy(copy->req, from, 0, to, 200, 10);
        cft_do(copy);
        CFT_STATUS(t, copy, CEDE_EBADF);
        CFT_CHECK(t, copy->result.count == 0);
        cft_closed(t, from);
    }
    CFT_EXPECT(t, cft_file_size(t, "from") == 100);
    cft_closed(t, to);
}

/* Whatever else may be said of it: nothing asked for, behind its end, ranges that overlap. */
CFT_CASE(copy_of_what_only_writes_is_told)
{
    static const struct {
        uint64_t from, to, length;
    } ranges[] = {{0, 200, 10},          {0, 200, 0},         {0, 10, 50},
                  {500, 0, CEDE_TO_END}, {0, 0, CEDE_TO_END}, {INT64_MAX, 0, CEDE_TO_END}};
    cft_file(t, "from", NULL, 100, KEY);
    cft_file(t, "empty", NULL, 0, KEY);
    cede_handle other = cft_opened(t, "to", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    for (uint32_t i = 0; i < 2; i++) {
        cede_handle from = cft_opened(t, i ? "empty" : "from", CEDE_OPEN_WRITE);
        for (uint32_t j = 0; j < 2 * sizeof ranges / sizeof ranges[0]; j++) {
            uint64_t at = ranges[j / 2].from, there = ranges[j / 2].to;
            cft_rec *copy = cft_new(t);
            cede_prep_copy(copy->req, from, at, j % 2 ? from : other, there, ranges[j / 2].length);
            cft_do(copy);
            CFT_STATUS(t, copy, CEDE_EBADF);
            CFT_CHECK(t, copy->result.count == 0);
        }
        cft_closed(t, from);
    }
    CFT_EXPECT(t, cft_file_size(t, "from") == 100 && cft_file_size(t, "to") == 0);
    cft_closed(t, other);
}

CFT_CASE(copy_needs_two_good_files)
{
    cft_file(t, "f", NULL, 100, KEY);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cede_handle stale = cft_opened(t, "g", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    cft_closed(t, stale);
    cft_rec *one = cft_new(t);
    cede_prep_copy(one->req, file, 0, stale, 0, 10);
    cft_do(one);
    CFT_STATUS(t, one, CEDE_EBADF);
    cft_rec *two = cft_new(t);
    cede_prep_copy(two->req, stale, 0, file, 0, 10);
    cft_do(two);
    CFT_STATUS(t, two, CEDE_EBADF);
    cede_handle appends = cft_opened(t, "f", CEDE_OPEN_WRITE | CEDE_OPEN_APPEND);
    cft_rec *three = cft_new(t);
    cede_prep_copy(three->req, file, 0, appends, 50, 10);
    cft_do(three);
    CFT_STATUS(t, three, CEDE_EBADF);
    CFT_EXPECT(t, cft_file_size(t, "f") == 100);
    cft_closed(t, appends);
    cft_closed(t, file);
}

CFT_CASE(writing_without_the_right_to_is_refused)
{
    cft_file(t, "f", NULL, 100, KEY);
    cede_handle readable = cft_opened(t, "f", CEDE_OPEN_READ);
    cede_handle writable = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, readable, cft_input(write, "x", 1), 1, 0);
    cft_do(write);
    CFT_STATUS(t, write, CEDE_EBADF);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, writable, cft_buffer(read, 10), 10, 0);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_EBADF);
    CFT_CHECK(t, read->bytes[0] == 0xee);
    cft_closed(t, readable);
    cft_closed(t, writable);
}
