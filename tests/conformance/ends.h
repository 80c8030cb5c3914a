/*
 * Every operation against every way to end it: what ends.c, ends_files.c and ends_net.c share. See
 * ends.c.
 */
#ifndef CFT_ENDS_H
#define CFT_ENDS_H

#include "conformance.h"

#define ENDS_BYTES 300u

/* The causes; a stage's round is one of them. */
enum { BY_WISH, BY_DEADLINE, BY_SCOPE, BY_CLOSE, BY_LOOP, ENDINGS };

typedef struct stage {
    cede_handle handle;
    cede_handle second;
    cft_pipe pipe;
    cft_rec *rec;
    size_t held; /* what the pipe was filled with */
    uint32_t round;
    char name[24];
    char other[24];
    uint32_t ran;
} stage;

typedef struct subject {
    uint32_t op;
    void (*prepare)(cft *t, stage *s); /* makes what is needed and prepares s->rec */
    void (*feed)(cft *t, stage *s);    /* lets a pending one complete; NULL: it does by itself */
    /* The effect is there and what the result says (status CEDE_OK); or it is not (ended). */
    void (*check)(cft *t, stage *s, bool happened);
} subject;

/* Runs the subject once for each cause. */
void cft_all_ends(cft *, const subject *);
/* Makes the stage's file, ENDS_BYTES of key 1, and opens it. */
void cft_ends_file(cft *, stage *, uint32_t flags);
/* For subjects without an effect that could be seen. */
void cft_ends_nothing(cft *, stage *, bool happened);

#define ENDS(name, op, prepare, feed, check)                              \
    CFT_CASE(name##_ended_by_whatever_cause_tells_the_truth)              \
    {                                                                     \
        static const subject what = {CEDE_OP_##op, prepare, feed, check}; \
        cft_all_ends(t, &what);                                           \
    }

#endif
