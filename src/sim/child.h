/*
 * Programs and child processes of a simulated world. Under the world's lock.
 */
#ifndef CEDE_SIM_CHILD_H
#define CEDE_SIM_CHILD_H

#include "fs.h"

typedef struct sim_child sim_child;

/* Kept from a spawn's taking on: what its standard streams are. They stay open for it. NULL: out of
 * memory. stale: a handle of them was. */
sim_child *sim_child_take(sim_loop *, const cede_work *, bool *stale);
/* One that was not started, or whose handle is closed: it lives on if it runs. */
void sim_child_leave(sim_child *);
/* Its next step: the work is the child's own. */
void sim_child_step(cede_sim *, sim_work *);
void sim_children_free(cede_sim *);
void sim_programs_free(cede_sim *);

#endif
