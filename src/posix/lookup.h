/*
 * Looking hosts up, by the C library: what of it may take its time is for a thread (src/pool/
 * strays.h), and touches nothing but its own record.
 */
#ifndef CEDE_POSIX_LOOKUP_H
#define CEDE_POSIX_LOOKUP_H

#include "cede/backend.h"
#include "cede/net.h"

struct addrinfo;

typedef struct cedi_lookup {
    char host[256];
    uint32_t flags; /* CEDE_LOOKUP_ */
    int error;      /* of getaddrinfo */
    int number;     /* errno, if that says so */
    struct addrinfo *found;
} cedi_lookup;

/* Copies what it is asked for. */
void cedi_lookup_ask(cedi_lookup *, const cede_args *);
/* Asks the system. Any thread; blocks. */
void cedi_lookup_perform(cedi_lookup *);
/* What came of it: writes the first `room` addresses, and tells how many there are. */
cede_status cedi_lookup_tell(const cedi_lookup *, const cede_args *, int32_t *os_error,
                             uint64_t *count);
void cedi_lookup_free(cedi_lookup *); /* what was found */

#endif
