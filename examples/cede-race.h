/*
 * cede-race: what its files share.
 *
 *     cede-race.c       the race, and the program
 *     cede-race-sim.c   a network that is made up, to rehearse it in
 */
#ifndef CEDE_RACE_H
#define CEDE_RACE_H

#include "cede/cede.h"

#define ADDRESSES_MOST 16 /* of a family */

/* Parses "ADDRESS=FATE". FATE: "lost" (nobody ever answers), "MS" (connected after so many
 * milliseconds), "refused@MS". The address is what is shown, and goes to *shown. */
bool sim_add(const char *word, cede_address *shown);
/* A loop in a world with these fates; sets *loop. */
cede_status sim_open(cede_loop **loop);
/* Prepares the connect to what stands in for the address, and arranges for its fate. */
void sim_prep_connect(cede_req *, const cede_address *shown);
void sim_close(void);

#endif
