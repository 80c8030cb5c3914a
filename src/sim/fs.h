/*
 * The simulated file system: nodes, open files, directories, pipes. All under the world's lock.
 *
 * A node lives as long as a name, an open file or a pipe end refers to it. Contents are pages in a
 * hash table, so that holes and far offsets cost nothing.
 */
#ifndef CEDE_SIM_FS_H
#define CEDE_SIM_FS_H

#include "world.h"

#define SIM_PAGE          4096u
#define SIM_NAME_MOST     255u
#define SIM_PATH_MOST     4095u
#define SIM_LINKS_MOST    40
#define SIM_WALK_BYTES    ((SIM_LINKS_MOST + 1) * (SIM_PATH_MOST + 1)) /* each link adds its text */
#define SIM_TRANSFER_MOST UINT64_C(0x7ffff000)
#define SIM_PIPE_ATOMIC   4096u /* so much is written to a pipe in one piece or not at all */
#define SIM_EPOCH_NS      INT64_C(1700000000000000000)

typedef struct sim_page {
    uint64_t index;
    uint8_t *bytes; /* NULL: an empty place of the table */
} sim_page;

typedef struct sim_range {
    uint64_t from; /* pages */
    uint64_t to;
} sim_range;

typedef struct sim_name {
    char *name; /* NULL: removed */
    sim_node *node;
    uint64_t cookie; /* ascending; where readdir goes on */
} sim_name;

struct sim_node {
    sim_node *next; /* all of the world */
    sim_node *prev;
    cede_sim *world;
    uint64_t id;
    uint32_t type; /* CEDE_FILE_ */
    uint32_t mode;
    uint64_t links;
    uint64_t uses; /* open files */
    int64_t accessed_ns;
    int64_t modified_ns;
    int64_t changed_ns;
    int64_t created_ns;
    /* regular */
    uint64_t size;
    sim_page *pages;
    size_t page_room;
    size_t page_count;
    sim_range *reserved; /* sorted, apart */
    size_t reserved_count;
    uint64_t reserved_pages; /* of these, without a page of their own */
    /* directory */
    sim_node *parent;
    sim_name *names;
    size_t name_count; /* with removed ones */
    size_t name_room;
    size_t live_count;
    uint32_t *index; /* hash of a name to its place plus 1 */
    size_t index_room;
    uint64_t cookies;
    /* symbolic link */
    char *target;
    /* pipe, named or not */
    cede_sim_pipe *pipe;
    /* socket: the listener that has this name; NULL: nobody listens */
    sim_socket *socket;
};

struct cede_sim_pipe {
    cede_sim_pipe *next;
    cede_sim *world;
    uint64_t serial;
    uint8_t *ring; /* grows up to the capacity */
    uint64_t room;
    uint64_t head;
    uint64_t filled;
    uint64_t capacity;
    uint32_t readers;
    uint32_t writers;
    uint64_t readers_ever; /* named pipes: who waits at open sees one that came and went */
    uint64_t writers_ever;
    bool peer_reads;
    bool peer_writes;
    bool bare;        /* nobody else's: freed with its last end */
    bool stream;      /* one way of a stream: any part of a write may go */
    sim_list reading; /* blocked works */
    sim_list writing;
    sim_list opening;
};

/* An open file, a pipe's end or a socket. Its descriptor refers to it, and each work in flight. */
struct sim_open {
    sim_open *next;
    sim_open *prev;
    cede_sim *world;
    uint64_t serial;
    uint32_t uses;
    uint32_t flags;  /* CEDE_OPEN_ */
    intptr_t native; /* 0: closed */
    sim_node *node;
    cede_sim_pipe *in;  /* pipes and streams: where bytes come from; NULL: they do not */
    cede_sim_pipe *out; /* where they go to */
    sim_socket *socket; /* its own; NULL: it is none */
    struct sim_child *child;
    sim_watch *watch;
    uint64_t position; /* of a directory: the next cookie */
};

/* ---- Nodes (node.c) -------------------------------------------------------------------------- */

sim_node *sim_node_new(cede_sim *, uint32_t type, uint32_t mode); /* NULL: out of memory */
/* Frees the node if nothing refers to it any more. */
void sim_node_check(sim_node *);
void sim_node_free(sim_node *);
int64_t sim_time(const cede_sim *);
/* Its times only. */
void sim_node_touched(sim_node *, bool modified);
/* Somebody changed its data or facts: also tells those that watch for it. */
void sim_node_changed(sim_node *, bool modified);
void sim_node_stat(const sim_node *, cede_stat *);
/* Where `index` lies; NULL: a hole. */
uint8_t *sim_page_find(const sim_node *, uint64_t index);
/* The same, made if it is not there; NULL: no room. */
uint8_t *sim_page_make(sim_node *, uint64_t index);
void sim_node_resize(sim_node *, uint64_t bytes);
cede_status sim_node_reserve(sim_node *, uint64_t from, uint64_t to);
/* Copies out of, or into, a file; `write` makes pages, grows the file and returns what fitted. */
void sim_node_read(const sim_node *, uint64_t offset, void *to, uint64_t bytes);
uint64_t sim_node_write(sim_node *, uint64_t offset, const void *from, uint64_t bytes);

/* ---- Directories and paths (dir.c) ----------------------------------------------------------- */

sim_node *sim_dir_get(const sim_node *, const char *name, size_t length);
cede_status sim_dir_put(sim_node *, const char *name, size_t length, sim_node *);
void sim_dir_remove(sim_node *, const char *name, size_t length);
void sim_dir_free(sim_node *);

/* Where a path leads. */
typedef struct sim_place {
    sim_node *dir;  /* where the last component is looked up; NULL: the path is the root */
    sim_node *node; /* what it names; NULL: nothing yet */
    char name[SIM_NAME_MOST + 1]; /* the last component */
    size_t length;
    bool too_long; /* the last component cannot be a name: length and name are not set */
    bool slash;    /* the path ends in one: only a directory will do */
    bool dots;     /* the last component is . or .. */
} sim_place;

/* Gives what has the one name the other, which may be another's: that loses it. */
cede_status sim_dir_move(const sim_place *from, const sim_place *to);

/* What to do with a symbolic link at the end. */
enum sim_last {
    SIM_NAME,     /* it is the name that counts */
    SIM_NOFOLLOW, /* follow it only before a slash */
    SIM_FOLLOW
};

/* Follows a path. CEDE_OK also if the last component is missing (then node is NULL), too long, or
 * no directory though it should be one: which complaint comes first is the operation's affair. */
cede_status sim_walk(cede_sim *, const char *path, enum sim_last, sim_place *);
/* CEDE_ENOENT, CEDE_ENAMETOOLONG and CEDE_ENOTDIR for these. */
cede_status sim_place_check(const sim_place *);
/* The same, but the last component must be there. */
cede_status sim_find(cede_sim *, const char *path, enum sim_last, sim_node **);

/* ---- Open files (native.c) ------------------------------------------------------------------- */

/* A new open file, with a descriptor. */
cede_status sim_open_new(cede_sim *, sim_node *, uint32_t flags, sim_open **);
/* Ends its descriptor. */
void sim_open_close(sim_open *);
void sim_opened_drop(sim_work *); /* an open of a named pipe does not come about */
void sim_open_release(sim_open *);
/* The open file that a descriptor names in this world, or NULL. */
sim_open *sim_native_find(cede_sim *, intptr_t native);
/* Enters the world of a descriptor, locked; NULL: the descriptor is stale. */
cede_sim *sim_native_enter(intptr_t native, sim_open **);
void sim_native_leave(cede_sim *);
void sim_native_forget(sim_open *);
/* Waits until nobody is in a world any more; its descriptors are stale by then. */
void sim_native_retire(cede_sim *);
uint32_t sim_open_kind(const sim_open *);

/* ---- Pipes (pipe.c) -------------------------------------------------------------------------- */

cede_sim_pipe *sim_pipe_make(cede_sim *, uint64_t capacity);
/* One that is freed with its last end, for pairs and streams; NULL: out of memory. */
cede_sim_pipe *sim_pipe_bare(cede_sim *, bool stream);
void sim_pipe_ends(cede_sim_pipe *, uint32_t flags, int by); /* an end came (+1) or went (-1) */
void sim_pipe_free(cede_sim_pipe *);
/* Moves bytes into or out of the ring: as many as go, at most `bytes`. */
uint64_t sim_pipe_in(cede_sim_pipe *, const void *, uint64_t bytes);
uint64_t sim_pipe_out(cede_sim_pipe *, void *, uint64_t bytes);
/* Whether a read or write would not block now. */
bool sim_pipe_can_read(const cede_sim_pipe *);
bool sim_pipe_can_write(const cede_sim_pipe *, uint64_t bytes);

/* ---- A work's memory (io.c) ------------------------------------------------------------------ */

/* Opens and closes a work's memory to us, for checked builds. */
void sim_touch(sim_work *, bool open);
/* Whether an operation takes bytes in, from a file, a pipe or a stream. */
bool sim_is_input(uint32_t op);
/* A receive into a pool's buffer that is about to be reported: picks one and fills it. */
void sim_io_pool(cede_sim *, sim_work *, uint32_t *number);

#endif
