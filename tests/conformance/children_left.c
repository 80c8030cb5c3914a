/*
 * Children whose handles were closed while they ran (laws 10, 11): nothing of them stays behind.
 */
#include "conformance.h"

#include <string.h>

/* One that runs until its standard input ends. Its number; 0: there is none, after an injected
 * failure. */
static uint64_t begun(cft *t, cede_handle *to, cede_handle *child)
{
    const char *words[] = {"cat", NULL};
    cede_handle input;
    uint64_t number;
    cft_needs(t, CEDE_OP_SPAWN);
    *to = cft_half(t, CEDE_PAIR_TO_CHILD, &input);
    cft_rec *rec = cft_prep_child(t, input, 0, words);
    cft_do(rec);
    CFT_OK(t, rec);
    cft_drop(t, input);
    *child = rec->result.handle;
    memcpy(&number, rec->bytes, sizeof number);
    return *child ? number : 0;
}

CFT_CASE(child_that_was_closed_is_taken_away_at_its_end)
{
    cede_handle to, child;
    uint64_t number = begun(t, &to, &child);
    if (!number)
        return;
    cft_closed(t, child);
    cft_closed(t, to);
    while (cft_has_child(t, number) && !cft_faulted(t)) { /* left, it hangs */
        cft_rec *timer = cft_new(t); /* what is the loop's own does not keep it from being idle */
        cede_prep_timer(timer->req, CEDE_MILLISECOND);
        cft_do(timer);
    }
}

CFT_CASE(child_whose_loop_is_gone_is_taken_away_with_the_next)
{
    const char *words[] = {"exit:0", NULL};
    cede_options options;
    cede_handle to, child;
    uint64_t number = begun(t, &to, &child);
    cft_closed(t, child);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    cede_drop(to); /* no loop ever had it: its end comes now */
    cft_options(t, &options);
    cede_loop *next = cft_open(t, &options);
    do {
        cft_rec *rec = cft_prep_child(t, 0, 0, words);
        cft_submit_on(rec, next);
        CFT_CHECK(t, cft_wait_on(next, rec->ticket, CEDE_FOREVER) == CEDE_OK);
        CFT_OK(t, rec);
        cede_drop(rec->result.handle);
    } while (cft_has_child(t, number));
}
