/*
 * Children whose standard streams are files (law 16).
 */
#include "conformance.h"

#include <string.h>

/* What was waited for. */
static void expect_end(cft *t, cede_handle child, uint64_t count)
{
    cft_rec *rec = cft_child_wait(t, child);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, rec->result.count == count);
}

CFT_CASE(child_reads_and_writes_files)
{
    const char *words[] = {"cat", NULL};
    cft_needs(t, CEDE_OP_SPAWN);
    cft_file(t, "in", NULL, 9000, 3);
    cede_handle in = cft_opened(t, "in", CEDE_OPEN_READ);
    cede_handle out = cft_opened(t, "out", CEDE_OPEN_WRITE | CEDE_OPEN_CREATE);
    if (cft_faulted(t))
        return;
    cft_rec *rec = cft_prep_child(t, in, out, words);
    cft_do(rec);
    CFT_OK(t, rec);
    expect_end(t, rec->result.handle, 0);
    unsigned char seen[9000];
    if (cft_faulted(t))
        return;
    CFT_EXPECT(t, cft_file_size(t, "out") == 9000);
    CFT_EXPECT(t, cft_file_read(t, "out", seen, 9000, 0) == 9000 && cft_filled(seen, 9000, 3, 0));
}

CFT_CASE(child_has_one_position_in_a_file_that_it_was_given_twice)
{
    const char *words[] = {"both", NULL};
    char seen[16] = "";
    cft_needs(t, CEDE_OP_SPAWN);
    for (uint32_t appends = 0; appends < 2; appends++) {
        const char *name = appends ? "log" : "out";
        cft_file(t, name, "12345", appends ? 5 : 0, 0);
        cede_handle out =
            cft_opened(t, name, CEDE_OPEN_WRITE | (appends ? (uint32_t)CEDE_OPEN_APPEND : 0));
        if (cft_faulted(t))
            return;
        cft_rec *rec = cft_prep_child(t, 0, out, words);
        ((cede_spawn *)rec->data)->stdio[2] = out;
        cft_do(rec);
        CFT_OK(t, rec);
        expect_end(t, rec->result.handle, 0);
        if (cft_faulted(t))
            return;
        int64_t bytes = cft_file_size(t, name), whole = appends ? 11 : 6;
        CFT_EXPECT(t, bytes == whole);
        (void)cft_file_read(t, name, seen, sizeof seen, 0);
        CFT_EXPECT(t, memcmp(seen, appends ? "12345oeoeoe" : "oeoeoe", (size_t)whole) == 0);
    }
}
