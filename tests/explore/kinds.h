/* The preparations and judgements that kinds.def names. */
#ifndef EXPLORE_KINDS_H
#define EXPLORE_KINDS_H

#include "explore.h"

#define KIND(name, op, group, weight, roles, traits, judge, text) void prep_##name(call *);
#include "kinds.def"

void judge_plain(call *, const cede_result *); /* nothing beside what is true of all */
void judge_timer(call *, const cede_result *);
void judge_pend(call *, const cede_result *);
void judge_scope(call *, const cede_result *);
void judge_work(call *, const cede_result *);
void judge_again(call *, const cede_result *);
void judge_received(call *, const cede_result *);  /* into its buffer, from a stream */
void judge_sent(call *, const cede_result *);      /* its pattern, into a stream */
void judge_sent_file(call *, const cede_result *); /* the source's bytes, into a stream */
void judge_read_at(call *, const cede_result *);
void judge_wrote_at(call *, const cede_result *);
void judge_named(call *, const cede_result *);  /* names that come and go */
void judge_opened(call *, const cede_result *); /* handles that are made */
void judge_datagram(call *, const cede_result *);
void judge_pooled(call *, const cede_result *);
void judge_many(call *, const cede_result *);

/* The handle of what it is on; 0 if there is nothing. */
static inline cede_handle handle_of(const call *c)
{
    return c->on ? c->on->handle : 0;
}

/* A buffer to be filled, of which what is not filled is seen; one that is full of its pattern. */
uint8_t *room_for(call *);
const uint8_t *data_of(call *);
/* The same in three pieces. */
const cede_vec *pieces_of(call *);

#endif
