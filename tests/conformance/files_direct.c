/*
 * Files past the page cache (CEDE_OPEN_DIRECT): law 14's positions, and what goes through the
 * library's own buffers. Memory, lengths and offsets in pages. A file system in memory may take the
 * flag and do nothing by it: see that the suite's directory (TMPDIR) is on a disk.
 */
#include "conformance.h"

#include <string.h>

#define PAGE 4096u
#define KEY  1

/* Zeroed memory of so many pages, at a page's beginning. */
static unsigned char *pages(cft *t, size_t count)
{
    unsigned char *memory = cft_alloc(t, (count + 1) * PAGE);
    return memory + (PAGE - (uintptr_t)memory % PAGE) % PAGE;
}

static cede_handle opened(cft *t, uint32_t flags)
{
    cft_rec *open = cft_new(t);
    cede_prep_open(open->req, cft_path(t, "f"), flags | CEDE_OPEN_DIRECT, 0600);
    cft_do(open);
    if (open->result.status == CEDE_EINVAL)
        cft_skip(t, "no_direct");
    CFT_OK(t, open);
    return open->result.handle;
}

CFT_CASE(direct_reads_at_the_position_follow_each_other)
{
    cft_rec *reads[4];
    unsigned char *bytes = pages(t, 10);
    cede_vec *pieces = cft_alloc(t, 2 * sizeof *pieces);
    cft_file(t, "f", NULL, (uint64_t)8 * PAGE, KEY);
    cede_handle file = opened(t, CEDE_OPEN_READ);
    pieces[0] = (cede_vec){bytes + 2 * PAGE, PAGE};
    pieces[1] = (cede_vec){bytes + 3 * PAGE, PAGE};
    for (uint32_t i = 0; i < 4; i++)
        reads[i] = cft_new(t);
    cede_prep_read(reads[0]->req, file, bytes, PAGE, CEDE_CURRENT);
    cede_prep_read_all(reads[1]->req, file, bytes + PAGE, PAGE, CEDE_CURRENT);
    cede_prep_readv(reads[2]->req, file, pieces, 2, CEDE_CURRENT);
    cede_prep_read_all(reads[3]->req, file, bytes + 4 * PAGE, (uint64_t)6 * PAGE, CEDE_CURRENT);
    for (uint32_t i = 0; i < 4; i++)
        cft_submit(reads[i]);
    cft_settle(t);
    CFT_MOVED(t, reads[0], PAGE);
    CFT_MOVED(t, reads[1], PAGE);
    CFT_MOVED(t, reads[2], (uint64_t)2 * PAGE);
    CFT_STATUS(t, reads[3], CEDE_EEOF);
    CFT_EXPECT(t, reads[3]->result.count == (uint64_t)4 * PAGE);
    CFT_EXPECT(t, cft_filled(bytes, (size_t)8 * PAGE, KEY, 0));
    cft_rec *aside = cft_new(t), *end = cft_new(t);
    cede_prep_read(aside->req, file, bytes, PAGE, 5 * PAGE);
    cft_do(aside);
    CFT_MOVED(t, aside, PAGE);
    CFT_EXPECT(t, cft_filled(bytes, PAGE, KEY, (uint64_t)5 * PAGE));
    cede_prep_read(end->req, file, bytes, PAGE, CEDE_CURRENT);
    cft_do(end);
    CFT_MOVED(t, end, 0);
    cft_closed(t, file);
}

/* The file is there already: what does not grow is what the medium completes late. */
CFT_CASE(direct_writes_at_the_position_follow_each_other)
{
    cft_rec *writes[4];
    unsigned char *bytes = pages(t, 5), seen[6 * PAGE];
    cede_vec *pieces = cft_alloc(t, 2 * sizeof *pieces);
    cft_file(t, "f", NULL, (uint64_t)5 * PAGE, KEY);
    cede_handle file = opened(t, CEDE_OPEN_READ | CEDE_OPEN_WRITE);
    cft_fill(bytes, (size_t)5 * PAGE, KEY + 1, 0);
    pieces[0] = (cede_vec){bytes + 2 * PAGE, PAGE};
    pieces[1] = (cede_vec){bytes + 3 * PAGE, PAGE};
    for (uint32_t i = 0; i < 4; i++)
        writes[i] = cft_new(t);
    cede_prep_write(writes[0]->req, file, bytes, PAGE, CEDE_CURRENT);
    cede_prep_write_all(writes[1]->req, file, bytes + PAGE, PAGE, CEDE_CURRENT);
    cede_prep_writev(writes[2]->req, file, pieces, 2, CEDE_CURRENT);
    cede_prep_append(writes[3]->req, file, bytes, PAGE);
    for (uint32_t i = 0; i < 4; i++)
        cft_submit(writes[i]);
    cft_settle(t);
    CFT_MOVED(t, writes[0], PAGE);
    CFT_MOVED(t, writes[1], PAGE);
    CFT_MOVED(t, writes[2], (uint64_t)2 * PAGE);
    CFT_MOVED(t, writes[3], PAGE);
    cft_rec *last = cft_new(t);
    cede_prep_write_all(last->req, file, bytes + 4 * PAGE, PAGE, CEDE_CURRENT);
    cft_do(last);
    CFT_OK(t, last);
    cft_closed(t, file);
    CFT_EXPECT(t, cft_file_read(t, "f", seen, sizeof seen, 0) == sizeof seen);
    CFT_EXPECT(t, cft_filled(seen, (size_t)5 * PAGE, KEY + 1, 0));
    CFT_EXPECT(t, cft_filled(seen + 5 * PAGE, PAGE, KEY + 1, 0));
}

/* A write to what only appends moves the position behind it, an append and a positioned one do
 * not. */
CFT_CASE(direct_append_mode_moves_the_position)
{
    unsigned char *bytes = pages(t, 1);
    cft_file(t, "f", NULL, (uint64_t)3 * PAGE, KEY);
    cede_handle file = opened(t, CEDE_OPEN_READ | CEDE_OPEN_WRITE | CEDE_OPEN_APPEND);
    cft_rec *append = cft_new(t), *aside = cft_new(t), *read = cft_new(t), *write = cft_new(t);
    cede_prep_append(append->req, file, bytes, PAGE);
    cft_do(append);
    CFT_MOVED(t, append, PAGE);
    cede_prep_write(aside->req, file, bytes, PAGE, 0);
    cft_do(aside);
    CFT_MOVED(t, aside, PAGE);
    cede_prep_read(read->req, file, bytes, PAGE, CEDE_CURRENT);
    cft_do(read);
    CFT_MOVED(t, read, PAGE);
    CFT_EXPECT(t, cft_filled(bytes, PAGE, KEY, 0));
    cede_prep_write(write->req, file, bytes, PAGE, CEDE_CURRENT);
    cft_do(write);
    CFT_MOVED(t, write, PAGE);
    cft_rec *end = cft_new(t);
    cede_prep_read(end->req, file, bytes, PAGE, CEDE_CURRENT);
    cft_do(end);
    CFT_MOVED(t, end, 0);
    cft_closed(t, file);
}

/* The last transfer is short, and leaves the position where none may begin. */
CFT_CASE(direct_reads_end_where_the_file_does)
{
    if (strncmp(cft_backend(t), "win32", 5) == 0)
        cft_skip(t, "whole_sectors");
    unsigned char *bytes = pages(t, 4);
    cft_file(t, "f", NULL, 5000, KEY);
    cede_handle file = opened(t, CEDE_OPEN_READ);
    for (uint32_t i = 0; i < 3; i++) {
        cft_rec *read = cft_new(t);
        cede_prep_read_all(read->req, file, bytes, (uint64_t)4 * PAGE, i == 1 ? 0 : CEDE_CURRENT);
        cft_do(read);
        CFT_STATUS(t, read, CEDE_EEOF);
        CFT_EXPECT(t, read->result.count == (i == 2 ? 0 : 5000));
        CFT_EXPECT(t, cft_filled(bytes, 5000, KEY, 0));
    }
    cft_closed(t, file);
}
