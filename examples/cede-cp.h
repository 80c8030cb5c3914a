/*
 * cede-cp: what its files share.
 *
 *     cede-cp.c        options, the bar, the last line
 *     cede-cp-work.c   what is done: walk, copy, compare
 *     cede-cp-item.c   the queue of what is to be done
 *
 * Everything runs on one thread. Each name in the tree is an item, and an item is a scope inside
 * the scope of its directory, up to that of the whole. The nesting does the bookkeeping: a scope
 * ends when all in it is over, a cancel of the whole reaches every request there is, and an item
 * cleans up at the end of its scope, in the callback that comes last, whatever happened.
 */
#ifndef CEDE_CP_H
#define CEDE_CP_H

#include "cede/cede.h"

#define BLOCK_BYTES (UINT64_C(64) << 10)

struct item;
typedef void item_work(struct item *, cede_result);

struct copy {
    cede_loop *loop;
    struct item *whole; /* every other item is in it */
    cede_status status; /* that it ended with */
    bool over;          /* it has ended */
    bool quiet, verbose, verify, sync, fail_fast;
    char **sources; /* up to NULL */
    const char *dest;
    bool into;      /* it is a directory */
    uint32_t limit; /* items at work at one time; lowered when descriptors run out */
    uint32_t working, walking, waiting;
    struct item *walks, *others;       /* that wait: directories to be walked, and all else */
    struct room *rooms;                /* spare ones */
    uint64_t found_files, found_bytes; /* bytes count twice with --verify, like moved_bytes */
    uint64_t moved_bytes, done_bytes, done_files, done_directories, errors;
    uint64_t started_ns;
    uint32_t temp_random, temp_number;
};

/* A name in the tree. It waits for a room, works, and its scope ends; then it is freed, or queued
 * again for what comes next. */
struct item {
    cede_req scope;
    cede_ticket life;
    struct copy *copy;
    struct item *parent; /* the directory that it was found in */
    struct item *next;   /* while it waits */
    struct room *room;   /* while it works */
    item_work *work;
    cede_done *end;                /* the scope's */
    char *from, *to;               /* source and copy */
    cede_stat source;              /* as found, later as opened */
    bool copied;                   /* the copy is there (a directory's may be empty still) */
    uint64_t copy_id, copy_device; /* a directory's, once copied */
};

/* What an item has while it works. */
struct room {
    struct room *next;
    cede_req chain[6]; /* the present step, none is longer; `links` of them are not over */
    uint32_t links;
    int line; /* where the work goes on then */
    bool trying;
    const char *at; /* the path that the step is about */
    bool walk, sparse, temp_made, interrupted;
    uint32_t limit; /* when this room was taken */
    cede_handle in, out;
    cede_stat stat;                     /* of the copy */
    uint64_t offset;                    /* copied or compared up to here */
    uint64_t filled_bytes, passed;      /* of block[0] */
    struct item *child;                 /* that is being looked at */
    char *temp;                         /* a file's name until it is whole */
    uint64_t block[2][BLOCK_BYTES / 8]; /* aligned for entries */
};

/*
 * Work is a function that goes on in steps. It prepares one request or several, and STEP submits
 * them as a chain of links, each of which starts when the one before it was OK and complete. When
 * they are over, the function is entered again and goes on below, with the result of the last; its
 * variables are new then. After a failure it is not: the item ends. TRY goes on in any case.
 */
#define BEGIN(it)               \
    switch ((it)->room->line) { \
    case 0:
#define STEP(it, path) STEP_(it, path, false)
#define TRY(it, path)  STEP_(it, path, true)
#define STEP_(it, path, trying)              \
    do {                                     \
        item_go(it, path, __LINE__, trying); \
        return;                              \
    case __LINE__:;                          \
    } while (0)
#define END }

cede_req *item_req(struct item *); /* the next of the step */
void item_go(struct item *, const char *path, int line, bool trying);

/* A new name; takes both paths, from malloc or NULL. NULL: out of memory, which it has reported. */
struct item *item_new(struct copy *, struct item *parent, char *from, char *to);
/* Puts it where it waits for a room, in which it works; when its scope has ended, end is called. */
void item_queue(struct item *, item_work *, cede_done *end);
/* Leaves its room, if it has one, and lets in what waits. */
void item_leave_room(struct item *);
/* Reports a failure, or has it tried again if descriptors had run out; and frees. */
void item_over(struct item *, cede_result);

item_work add_sources, walk;

/* Prints "cede-cp: path: message"; an error also counts, and ends it all with --fail-fast. */
void report(const char *path, const char *message);
void report_error(struct copy *, const char *path, const char *message);
void bar_clear(void); /* before anything is printed */

#endif
