/*
 * A wish that comes second: see second.c. For wish.c and inbox.c.
 */
#ifndef CEDE_SECOND_INNER_H
#define CEDE_SECOND_INNER_H

#include "core.h"

typedef struct cedi_second {
    cede_ticket ticket;
    unsigned wish; /* CEDI_WISH_ */
    cede_status status;
    uint64_t count;
} cedi_second;

#define CEDI_SECOND_NODE (UINT32_C(1) << 29) /* of an id in the inbox, of the kind of drops */
_Static_assert(CEDI_ENTRY_BITS < 29, "a drop's id is an entry's");

/* False: no record is free. Any thread. A loop that has closed needs none: true. */
bool cedi_second_send(cede_loop *, const cedi_second *);
_Atomic uint32_t *cedi_second_link(uint32_t id);
/* Takes it out of its record. The loop's thread. */
cedi_second cedi_second_taken(uint32_t id);
/* wish.c: it takes effect. */
void cedi_second_arrived(cede_loop *, cedi_second);

#endif
