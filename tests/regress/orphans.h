/* Using a loop's slots up, so that the next submission finds none. */
#ifndef CEDE_REGRESS_ORPHANS_H
#define CEDE_REGRESS_ORPHANS_H

#include "fake.h"

#define FILLERS 512

static note fillers[FILLERS];

/* Fills the first chunk of slots with pends, `spare` but; then memory is out. */
static inline void fill_slots(cede_loop *loop, unsigned spare)
{
    for (unsigned i = 0; i < FILLERS - spare; i++) {
        cede_prep_pend(&fillers[i].req);
        cede_background(&fillers[i].req);
        cede_submit(loop, &fillers[i].req, note_done);
    }
    memory_is_out = true;
}

/* For fake.on_start: closes too end when the test says so. */
static inline int keep_closes(fake *self, const cede_work *work)
{
    (void)self, (void)work;
    return FAKE_KEEP;
}

#endif
