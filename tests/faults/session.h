/*
 * One run of a program, on a loop of the driver's own: what it says, its clients if it is a server,
 * a server that it may reach, and how it ended. Whatever it does, the run has an end.
 */
#ifndef SESSION_H
#define SESSION_H

#include "cede/cede.h"

#define SAID_MOST (256u << 10)

typedef struct text {
    char at[SAID_MOST]; /* NUL-terminated */
    size_t bytes;
} text;

/* What is to be run. */
typedef struct session {
    const char *const *words; /* the program's path, and its arguments; ends with NULL */
    const char *const
        *questions; /* what its clients ask in turn; ends with NULL. NULL: it has none */
    bool patient;   /* its clients wait as long as it takes */
    bool relieved;  /* what fails for good fails no more, after a while */
} session;

/* How the last run went. */
extern struct run {
    text said, complained;
    uint64_t code;     /* as of cede_prep_child_wait */
    bool hung;         /* it was ended by force */
    bool in_vain;      /* then, with a client that waited */
    bool asked_to_end; /* by what its system has for that */
} run;

/* Once, before and behind all runs. The port that something answers at. */
uint16_t session_begin(void);
void session_end(void);

void session_run(const session *);

/* What the programs see in their environment. */
void session_set(const char *name, const char *value);

/* Submits a request of the driver's own and waits for it. */
cede_result session_do(cede_req *);

/* The driver cannot go on. */
_Noreturn void session_die(const char *what, cede_status);

#endif
