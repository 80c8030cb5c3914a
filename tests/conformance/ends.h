/*
 * Every operation against every way to end it: what the files of that name share. See ends.c.
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
    uint32_t told; /* the cause that its end will tell, if it is ended: the round's */
    void *own;     /* the subject's */
    char name[24];
    char other[24];
    uint32_t ran;
} stage;

typedef struct subject {
    uint32_t op;
    void (*prepare)(cft *t, stage *s); /* makes what is needed and prepares s->rec */
    /* Lets a pending one complete; NULL: it does by itself. One that goes on until it is ended gets
     * an item, and under S4 is ended behind it: cft_ends_behind_item. */
    void (*feed)(cft *t, stage *s);
    /* The effect is there and what the result says (status CEDE_OK); or it is not (ended). */
    void (*check)(cft *t, stage *s, bool happened);
} subject;

/* Runs the subject once for each cause. */
void cft_all_ends(cft *, const subject *);
/* Makes the stage's file, ENDS_BYTES of key 1, and opens it. */
void cft_ends_file(cft *, stage *, uint32_t flags);
/* For those that make a handle: it is delivered, or there is none. */
void cft_ends_made(cft *, stage *, bool happened);
/* For subjects without an effect that could be seen. */
void cft_ends_nothing(cft *, stage *, bool happened);
/* Under S4: runs until there was an item (*items), and ends by a wish what would not end. */
void cft_ends_behind_item(cft *, stage *, const uint32_t *items);
/* Whether s->handle is still open when a subject is checked. */
bool cft_ends_open(const stage *);

#define ENDS(name, op, prepare, feed, check)                              \
    CFT_CASE(name##_ended_by_whatever_cause_tells_the_truth)              \
    {                                                                     \
        static const subject what = {CEDE_OP_##op, prepare, feed, check}; \
        cft_all_ends(t, &what);                                           \
    }

#endif
