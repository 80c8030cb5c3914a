/* The object is handed to a function that cedes it: from the heap, from the stack, static. */
#include "programs.h"

static object spare;

static void submit_read(object *o)
{
    cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, 0);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
}

void start(int how)
{
    object *o = object_new(), local;
    if (o)
        submit_read(o);
    else
        submit_read(&spare);
    if (how) {
        submit_read(&local);
        (void)cede_run(loop, CEDE_FOREVER);
        note(local.buffer[0]);
    }
    note(spare.number);
}
