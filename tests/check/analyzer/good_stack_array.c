/* An array on the stack, through a pointer that walks over it. */
#include "programs.h"

void read_four(void)
{
    object objects[4], *o;
    for (o = objects; o < objects + 4; o++) {
        cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, 0);
        (void)cede_submit(loop, &o->req, on_done);
        CEDE_GONE(o);
    }
    (void)cede_run(loop, CEDE_FOREVER);
    for (o = objects; o < objects + 4; o++)
        note(o->buffer[0]);
}
