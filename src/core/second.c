/*
 * Wishes that come second: another thread is in the middle of one to the same slot, which may not
 * be in the inbox yet, or has its link for an older request. It might be long until it goes on. The
 * one that comes second may do no more than the first; but what its thread sends next must not come
 * before it (1b: Threads). So it travels in a record of its own.
 *
 * There are a few of these for the whole process. One is needed where a thread was interrupted in a
 * window of a few instructions (else it is through in no time), and until the loop has looked.
 */
#include "second.h"

#define RECORDS 64u
#define END     UINT32_C(0xfffffffe)

static struct {
    _Atomic uint32_t link; /* of the inbox; 0: free */
    cedi_second wish;
} records[RECORDS];

_Atomic uint32_t *cedi_second_link(uint32_t id)
{
    return &records[id & ~CEDI_SECOND_NODE].link;
}

bool cedi_second_send(cede_loop *loop, const cedi_second *wish)
{
    uint32_t id = 0, zero = 0;
    while (!atomic_compare_exchange_strong(&records[id].link, &zero, END)) {
        zero = 0;
        if (++id == RECORDS)
            return false;
    }
    records[id].wish = *wish;
    if (!cedi_inbox_push(loop, CEDI_NODE_DROP, CEDI_SECOND_NODE | id))
        atomic_store(&records[id].link, 0);
    return true;
}

cedi_second cedi_second_taken(uint32_t id)
{
    cedi_second wish = records[id & ~CEDI_SECOND_NODE].wish;
    atomic_store(cedi_second_link(id), 0);
    return wish;
}
