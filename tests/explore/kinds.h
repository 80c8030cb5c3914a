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
void judge_read_link(call *, const cede_result *);
void judge_entries(call *, const cede_result *); /* of a directory */
void judge_polled(call *, const cede_result *);
void judge_looked_up(call *, const cede_result *);
void judge_signals(call *, const cede_result *);
void judge_spawned(call *, const cede_result *);
void judge_child_ended(call *, const cede_result *);
void judge_child_killed(call *, const cede_result *);
void judge_changes(call *, const cede_result *);

/* A handle that it has made becomes a thing, in a register of its choice. */
thing *made(call *, cede_handle);
/* A buffer that came with an item. */
void arrived(call *, const cede_result *);
/* The number of a name in /tmp; NAMES: it is none. */
uint32_t name_number(const char *);

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
